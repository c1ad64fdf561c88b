"""Where restored photographs go, and that nothing of the user's is overwritten there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from prepare.photographs.listing import photographs_in
from prepare.photographs.writer import MARK, source_of
from prepare.records.files import atomic_file, sha256_of
from train import TrainError

COMPARISON_PX = 1600  # widest half of a side-by-side picture
SOFTWARE, DESCRIPTION = 0x0131, 0x010E  # EXIF tags that mark a comparison as ours


class NothingRestoredError(TrainError):
    """A photograph to be restored is missing, cannot be read, or would overwrite another file."""


@dataclass(frozen=True)
class Target:
    """What is made of one photograph."""

    source: Path
    result: Path  # PNG
    comparison: Path | None = None  # JPEG, before and after side by side
    radius_map: Path | None = None  # PNG, the blur at each place

    @property
    def files(self) -> list[Path]:
        """All that is written."""
        paths = (self.result, self.comparison, self.radius_map)
        return [path for path in paths if path]


def plan(
    inputs: Sequence[Path], out_dir: Path, compare: bool = False, radius_map: bool = False
) -> list[Target]:
    """Where the restored copy of each photograph goes: a PNG of the same name.

    Args:
        inputs: files, and folders whose photographs are taken without those of their subfolders.
        out_dir: of the results.
        compare: also plans side-by-side pictures, `<name>-compare.jpg`.
        radius_map: also plans maps of the blur, `<name>-map.png`.

    Raises:
        NothingRestoredError: if an input is missing, or a file would be overwritten that is no
            earlier result of the same photograph.
    """
    targets = [
        Target(
            path,
            out_dir / f"{path.stem}.png",
            out_dir / f"{path.stem}-compare.jpg" if compare else None,
            out_dir / f"{path.stem}-map.png" if radius_map else None,
        )
        for path in _photographs(inputs)
    ]
    sources = {_place(target.source) for target in targets}
    taken: dict[str, Path] = {}
    for target in targets:
        for path in target.files:
            if _place(path) in sources:
                raise NothingRestoredError(
                    f"{path} would be overwritten; name another folder (OUT=...)"
                )
            if (other := taken.setdefault(_place(path).lower(), target.source)) != target.source:
                raise NothingRestoredError(
                    f"{other} and {target.source} have the same name, and so would their results; "
                    "rename one of them, or restore it from and into another folder (OUT=...)"
                )
            if path.exists() and not _is_earlier_result(path, target.source):
                raise NothingRestoredError(
                    f"{path} is there, and no earlier result of {target.source}; name another "
                    "folder (OUT=...), or move it away"
                )
    return targets


def fingerprint(path: Path) -> str:
    """What results note of their source: a hash of the photograph's bytes."""
    return f"sha256 {sha256_of(path)}"


def note_of(path: Path, how: str) -> str:
    """All that results note: their source, and how they were made of it."""
    return f"{fingerprint(path)}; {how}"


def is_made(target: Target, note: str) -> bool:
    """Whether all that is to be made of a photograph is there, with this very note."""
    return all(_noted(path) == note for path in target.files)


def write_comparison(path: Path, before_u8: np.ndarray, after_u8: np.ndarray, source: str) -> None:
    """Writes both pictures beside each other if upright, else one above the other, as JPEG.

    Args:
        path: of the file, which notes that it is ours.
        before_u8: uint8, (height, width, 3), RGB; reduced if large.
        after_u8: the same, restored.
        source: see `note_of`.
    """
    halves = []
    for picture in (before_u8, after_u8):
        image = Image.fromarray(picture)
        image.thumbnail((COMPARISON_PX, COMPARISON_PX))
        halves.append(np.asarray(image))
    upright = halves[0].shape[0] >= halves[0].shape[1]
    both = Image.fromarray(np.hstack(halves) if upright else np.vstack(halves))
    exif = Image.Exif()
    exif[SOFTWARE], exif[DESCRIPTION] = _mark(), source
    with atomic_file(path) as file:
        both.save(file, "JPEG", quality=95, subsampling=0, exif=exif)


def _mark() -> str:
    return MARK.decode().split("\0")[1]


def _is_earlier_result(path: Path, source: Path) -> bool:
    """Whether a file carries our mark, and was made from the same photograph, as far as it says."""
    noted = _noted(path)
    return noted == "" or (noted is not None and noted.split(";")[0] == fingerprint(source))


def _noted(path: Path) -> str | None:
    """What a result notes, "" for nothing; None if the file is not ours, or not there."""
    return source_of(path) if path.suffix == ".png" else _source_of_comparison(path)


def _source_of_comparison(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            exif = image.getexif()
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError):
        return None
    return str(exif.get(DESCRIPTION, "")) if exif.get(SOFTWARE) == _mark() else None


def _place(path: Path) -> str:
    """Where a file lies, or would lie, whatever links lead there."""
    return str(path.resolve())


def _photographs(inputs: Sequence[Path]) -> list[Path]:
    paths: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = photographs_in(path)
            if not found:
                raise NothingRestoredError(f"{path} holds no photographs")
            paths += found
        elif path.exists():
            paths.append(path)
        else:
            raise NothingRestoredError(f"{path}: no such file or folder")
    return list(dict.fromkeys(paths))
