"""The page on 127.0.0.1: blur with a live preview, restore, runs."""

from http import HTTPStatus

from train import TrainError

FIRST_PORT = 8765  # where the page is, unless another program is there


class Refused(TrainError):  # noqa: N818
    """A request that is not answered; the message is for who looks at the page.

    Attributes:
        status: of the answer.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
