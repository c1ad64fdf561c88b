"""An original: one photograph as its source gives it."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prepare.photographs import listing

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Original:
    """One photograph at its source's resolution, on disk once `materialize` (if any) was called."""

    id: str  # the file's stem, "00042"
    path: Path
    source: str  # "folder", "sample", "drive" or "mirror"
    problem: str = ""  # why it cannot be used, where the source knows already
    materialize: Callable[[], None] | None = None  # puts the file at `path`; slow: for a worker


def sha256_of(path: Path) -> str:
    """SHA-256 of a regular file's bytes, hexadecimal.

    Raises:
        OSError: if it is none, or cannot be read.
    """
    # Without waiting, should it be a pipe.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        digest = hashlib.sha256()
        with open(descriptor, "rb", closefd=False) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


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
