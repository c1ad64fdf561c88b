"""How long to keep trying. Apart from the requests, so that `--help` loads little."""

import math
from dataclasses import dataclass

from prepare.records.settings import require, setting


@dataclass(frozen=True)
class RetryPolicy:
    """How long to keep trying."""

    num_attempts: int = setting(
        6, "failures in a row, with less than 1 MiB between them, before giving up"
    )
    backoff_s: float = setting(1.0, "longest wait after the first failure, in s; doubles with each")
    max_backoff_s: float = setting(
        60.0, "longest wait of our own choosing, in s; Retry-After may ask more"
    )
    read_timeout_s: float = setting(30.0, "a connection without a byte for so long is dead, in s")
    deadline_s: float = setting(
        900.0, "time for one image, or 1 MiB of a long file, in s, waits included"
    )

    def __post_init__(self) -> None:
        require(self.num_attempts >= 1, "num_attempts", "at least 1", self.num_attempts)
        for name in ("read_timeout_s", "deadline_s"):
            value = getattr(self, name)
            require(0 < value < math.inf, name, "a positive number", value)
        for name in ("backoff_s", "max_backoff_s"):
            value = getattr(self, name)
            require(0 <= value < math.inf, name, "0 or a positive number", value)
