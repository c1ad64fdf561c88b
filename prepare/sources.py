"""Where originals come from: a folder of photographs, or portraits drawn on the spot.

A source is a generator of `Original`s, each ready to be read. It is pulled until enough of them
could be used, so it may offer more than is asked for and never does work that nobody wants.
"""

import functools
import io
import itertools
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from prepare import PrepareError
from prepare.manifest import write_atomically
from prepare.samples import portrait

PHOTOGRAPH_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


class NoPhotographsError(PrepareError):
    """The folder named by --from is missing or holds no photographs."""


@dataclass(frozen=True)
class Original:
    """A photograph at its source's resolution, on disk once `draw` (if any) has been called."""

    id: str
    path: Path
    source: str
    problem: str = ""  # why it can not be used, where the source knows already
    draw: Callable[[], None] | None = None  # puts the file at `path`; slow, so left to a worker


def photographs_in(folder: Path) -> list[Path]:
    """Paths of the photographs below `folder`, in the order of their names.

    Raises:
        NoPhotographsError: if there is no such folder, or no photograph in it.
    """
    if not folder.is_dir():
        raise NoPhotographsError(f"--from {folder}: no such folder; name a folder of photographs")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTOGRAPH_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        kinds = ", ".join(sorted(PHOTOGRAPH_SUFFIXES))
        raise NoPhotographsError(f"--from {folder}: no photographs there (looked for {kinds})")
    return paths


def folder_originals(
    folder: Path, originals_dir: Path, have: Collection[str]
) -> Iterator[Original]:
    """Photographs of a folder, linked into `originals_dir` and never copied or changed.

    Args:
        folder: searched with its subfolders.
        originals_dir: where the links are made, named by id.
        have: ids that need not be offered again, unless their link had to be renewed.

    Raises:
        NoPhotographsError: see `photographs_in`.
    """
    originals_dir.mkdir(parents=True, exist_ok=True)
    taken: dict[str, Path] = {}
    for path in photographs_in(folder):
        if path.stem in taken:
            problem = f"id {path.stem} is taken by {taken[path.stem]}; rename one of them"
            yield Original(path.stem, path, "folder", problem)
            continue
        taken[path.stem] = path
        link = originals_dir / path.name
        renewed = _link(link, path.resolve())
        if renewed or path.stem not in have:
            yield Original(path.stem, link, "folder")


def _link(link: Path, target: Path) -> bool:
    """Makes `link` lead to `target`; whether that was news."""
    if link.is_symlink() and Path(os.readlink(link)) == target:
        return False
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return True


def sample_originals(originals_dir: Path, seed: int, have: Collection[str]) -> Iterator[Original]:
    """Drawn portraits without end, each drawn when a worker first asks for it."""
    for index in itertools.count():
        image_id = f"sample-{seed}-{index:05d}"
        path = originals_dir / f"{image_id}.png"
        if image_id not in have:
            draw = functools.partial(_draw_portrait, path, index, seed)
            yield Original(image_id, path, "sample", draw=draw)


def _draw_portrait(path: Path, index: int, seed: int) -> None:
    if not path.exists():
        buffer = io.BytesIO()
        PillowImage.fromarray(portrait(index, seed)).save(buffer, "PNG", compress_level=1)
        write_atomically(path, buffer.getvalue())
