"""Where restored photographs go, and that nothing of the user's is overwritten there."""

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from prepare.photographs.reader import photographs_in
from prepare.photographs.writer import MARK, source_of
from prepare.records.files import atomic_file, sha256_of
from train import TrainError

COMPARISON_PX = 1600  # widest half of a side-by-side picture
SOFTWARE, DESCRIPTION = 0x0131, 0x010E  # EXIF tags that mark a comparison as ours
OUR_NAME = MARK.decode().split("\0")[1]


class NothingRestoredError(TrainError):
    """A photograph to be restored is missing, cannot be read, or would overwrite another file."""


class Target(NamedTuple):
    """What is made of one photograph."""

    source: Path
    result: Path  # PNG
    comparison: Path | None = None  # JPEG, before and after side by side
    radius_map: Path | None = None  # PNG, the blur at each place

    @property
    def files(self) -> list[Path]:
        """All that is written."""
        return [path for path in self[1:] if path]


def plan(
    inputs: Sequence[Path], out_dir: Path, compare: bool = False, radius_map: bool = False
) -> list[Target]:
    """Where the restored copy of each photograph goes: a PNG of the same name.

    Of photographs that differ in their suffix alone, results have it in their names, too:
    `IMG-jpg.png`, `IMG-heic.png`.

    Args:
        inputs: files, and folders whose photographs are taken without those of their subfolders.
        out_dir: of the results.
        compare: also plans side-by-side pictures, `<name>-compare.jpg`.
        radius_map: also plans maps of the blur, `<name>-map.png`.

    Raises:
        NothingRestoredError: if an input is missing, or a file would be overwritten that is no
            earlier result of the same photograph.
    """
    photographs = find_photographs(inputs)
    num_of_stem = Counter(path.stem.lower() for path in photographs)
    sources = {path.resolve() for path in photographs}
    source_of_file: dict[str, Path] = {}
    targets = []
    for source in photographs:
        alone = num_of_stem[source.stem.lower()] == 1
        stem = source.stem if alone else source.stem + source.suffix.replace(".", "-").lower()
        comparison = out_dir / f"{stem}-compare.jpg" if compare else None
        map_path = out_dir / f"{stem}-map.png" if radius_map else None
        target = Target(source, out_dir / f"{stem}.png", comparison, map_path)
        targets.append(target)
        for path in target.files:
            if path.resolve() in sources:
                raise NothingRestoredError(
                    f"{path} would be overwritten; name another folder (OUT=...)"
                )
            other = source_of_file.setdefault(str(path.resolve()).lower(), source)
            if other != source:
                raise NothingRestoredError(
                    f"{other} and {source} have the same name, and so would their results; "
                    "rename one of them, or restore it from and into another folder (OUT=...)"
                )
            if path.exists():
                check_ours(path, note_of(source))
    return targets


def find_photographs(inputs: Sequence[Path]) -> list[Path]:
    """The files among the inputs, and those in the folders among them, each once."""
    paths: list[Path] = []
    for path in inputs:
        found = photographs_in(path) if path.is_dir() else [path]
        if not found:
            raise NothingRestoredError(f"{path} holds no photographs")
        if not path.exists():
            raise NothingRestoredError(f"{path}: no such file or folder")
        paths += found
    return list(dict.fromkeys(paths))


def note_of(source: Path, how: str = "") -> str:
    """What results note: a hash of their photograph, and how they were made of it."""
    return f"sha256 {sha256_of(source)}; {how}"


def noted(path: Path) -> str | None:
    """What a result notes, "" for nothing; None if the file is not ours, or not there."""
    if path.suffix == ".png":
        return source_of(path)
    try:
        with Image.open(path) as image:
            exif = image.getexif()
    except (OSError, SyntaxError, ValueError):
        return None
    return str(exif.get(DESCRIPTION, "")) if exif.get(SOFTWARE) == OUR_NAME else None


def check_ours(path: Path, note: str) -> None:
    """Raises NothingRestoredError for a file that is no result of the photograph of a note."""
    earlier = noted(path)
    if earlier is None or (earlier and earlier.split(";")[0] != note.split(";")[0]):
        raise NothingRestoredError(
            f"{path} is there, and no earlier result of this photograph; name another folder "
            "(OUT=...), or move it away"
        )


@contextlib.contextmanager
def result_file(path: Path, note: str) -> Iterator[BinaryIO]:
    """A result to fill; it appears once it is whole, and only over an earlier one of its own.

    The folder is locked meanwhile: another process may be restoring a photograph of the same name.

    Raises:
        NothingRestoredError: if a file is there that is no earlier result; see `check_ours`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        if os.path.lexists(path):
            check_ours(path, note)
        with atomic_file(path) as file:
            yield file
    finally:
        os.close(folder)


def write_comparison(path: Path, before_u8: np.ndarray, after_u8: np.ndarray, note: str) -> None:
    """Writes both pictures beside each other if upright, else one above the other, as JPEG."""
    images = [Image.fromarray(picture) for picture in (before_u8, after_u8)]
    for image in images:
        image.thumbnail((COMPARISON_PX, COMPARISON_PX))
    width, height = images[0].size
    both = Image.fromarray(np.concatenate([*map(np.asarray, images)], int(height >= width)))
    exif = Image.Exif()
    exif[SOFTWARE], exif[DESCRIPTION] = OUR_NAME, note
    with result_file(path, note) as file:
        both.save(file, "JPEG", quality=95, subsampling=0, exif=exif)
