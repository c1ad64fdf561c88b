"""The page on 127.0.0.1: blur with a live preview, restore, runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prepare.records.blur import LensBlur
from prepare.records.data_folder import DataFolder
from train import TrainError

FIRST_PORT = 8765  # where the page is, unless another program is there


class RefusedError(TrainError):
    """A request that is not answered; the message is for who looks at the page."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status  # of the answer


@dataclass(frozen=True)
class Places:
    """What the command line gives the page."""

    pipeline: Path  # the file of the command line
    data: DataFolder
    runs: tuple[Path, str | None, Path]  # the runs, the name of one or None, the pretrained network
    out_dir: Path  # gets restored photographs
    # Of a photograph's file, a blur without ranges, a side in pixels and the image's id: the
    # blurred picture as a set would have it, a JPEG.
    preview: Callable[[Path, LensBlur, int, str], bytes]
