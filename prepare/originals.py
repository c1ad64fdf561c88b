"""An original: one photograph as its source gives it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prepare.photographs import listing


@dataclass(frozen=True)
class Original:
    """One photograph at its source's resolution, on disk once `materialize` (if any) was called."""

    id: str  # the file's stem, "00042"
    path: Path
    source: str  # "folder", "sample", "drive" or "mirror"
    problem: str = ""  # why it cannot be used, where the source knows already
    materialize: Callable[[], None] | None = None  # puts the file at `path`; slow: for a worker


def paths_by_id(originals_dir: Path, source: str = "") -> dict[str, Path]:
    """Where the originals of a data folder lie, by their exact ids.

    Args:
        originals_dir: holds one folder a source. Folders may be linked in; none is walked twice.
        source: of two files with the same id, one below the folder of this name is taken.

    Raises:
        OSError: if the folder cannot be read.
    """
    if not originals_dir.is_dir():
        return {}
    preferred = originals_dir / source
    paths = listing.photographs_in(originals_dir, recursive=True)
    paths.sort(key=lambda path: path.is_relative_to(preferred))
    return {path.stem: path for path in paths}
