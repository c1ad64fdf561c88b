"""An original: one photograph as its source gives it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Original:
    """One photograph at its source's resolution, on disk once `materialize` (if any) was called."""

    id: str  # the file's stem, "00042"
    path: Path
    source: str  # "folder", "sample", "drive" or "mirror"
    problem: str = ""  # why it cannot be used, where the source knows already
    materialize: Callable[[], None] | None = None  # puts the file at `path`; slow: for a worker
