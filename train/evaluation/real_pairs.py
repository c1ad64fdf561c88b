"""Finds and reads pairs of real photographs: one scene out of focus and in focus."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prepare.photographs.listing import photographs_in, shown_name
from prepare.photographs.photograph import UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import read_photograph
from prepare.records.data_folder import why_no_id
from train import TrainError

NAME = re.compile(r"(.+)_(blurred|sharp|mask)", re.IGNORECASE | re.DOTALL)
NAMED = "name two photographs of one scene <name>_blurred.png and <name>_sharp.png"
LEAST_SIDE_PX = 11  # the window of SSIM


class RealPairsError(TrainError):
    """A folder does not hold real pairs that can be scored."""


@dataclass(frozen=True)
class RealPair:
    """Files of one scene: out of focus, in focus, and where to score if not everywhere."""

    name: str
    blurred: Path
    sharp: Path
    mask: Path | None

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.blurred, self.sharp, self.mask) if path]


def find_real_pairs(folder: Path) -> list[RealPair]:
    """The pairs of a folder in order of their names; other photographs in it are left alone.

    Args:
        folder: holds `<name>_blurred.*`, `<name>_sharp.*` and, if wanted, `<name>_mask.*`.

    Raises:
        RealPairsError: if there is no such folder, no pair in it, or a half is missing or double.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "is not there"
        raise RealPairsError(f"{folder} {what}; REAL=.. names a folder of pairs: {NAMED}")
    found: dict[str, dict[str, Path]] = {}
    for path in photographs_in(folder):
        if match := NAME.fullmatch(path.stem):
            if why_no_id(match[1]):  # it names pictures and stands in records, as an id does
                raise RealPairsError(f"{folder}: the name {shown_name(path)} is no text; rename it")
            parts = found.setdefault(match[1], {})
            other = parts.setdefault(match[2].lower(), path)
            if other is not path:
                both = f"{shown_name(other)} and {shown_name(path)}"
                raise RealPairsError(f"{folder}: {both} are the same part; remove one of them")
    if not found:
        raise RealPairsError(f"{folder} holds no pairs; {NAMED}")
    for part, partner in (("blurred", "sharp"), ("sharp", "blurred"), ("mask", "blurred")):
        alone = [parts[part] for parts in found.values() if part in parts and partner not in parts]
        if alone:
            raise RealPairsError(
                f"{folder}: {_first_few(alone)} no {partner} partner; add it as "
                f"<name>_{partner}.png, or remove what stands alone"
            )
    return [
        RealPair(name, parts["blurred"], parts["sharp"], parts.get("mask"))
        for name, parts in sorted(found.items())
    ]


def read_real_pair(pair: RealPair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The blurred and the sharp picture, and where to score.

    Returns:
        uint8, (height, width, 3), RGB, twice; bool, (height, width).

    Raises:
        RealPairsError: if a file cannot be read, or they do not fit together; names it.
    """
    blurred, sharp, *masks = (_read(path) for path in pair.files)
    for path, picture in zip(pair.files, (blurred, sharp, *masks), strict=True):
        if picture.shape != blurred.shape:
            raise RealPairsError(
                f"{path} is {_size(picture)}, but {shown_name(pair.blurred)} {_size(blurred)}; "
                "cut both to the same part of the scene, or remove the pair"
            )
    if min(blurred.shape[:2]) < LEAST_SIDE_PX:
        raise RealPairsError(
            f"{pair.blurred} is {_size(blurred)}, too small to score; at least {LEAST_SIDE_PX} "
            "pixels a side are needed"
        )
    if not masks:
        return blurred, sharp, np.ones(blurred.shape[:2], bool)
    mask = masks[0].mean(-1) > 127
    if not mask.any():
        raise RealPairsError(
            f"{pair.mask} is black all over; make it white (255) where the pair is to be scored, "
            "or remove it to score everywhere"
        )
    return blurred, sharp, mask


def _read(path: Path) -> np.ndarray:
    try:
        return rounded_to_8_bits(read_photograph(path).pixels)
    except OSError as error:
        raise RealPairsError(
            f"{path} cannot be read ({error.strerror or error}); make it readable, or remove the "
            "pair"
        ) from error
    except UnusablePhotograph as error:
        raise RealPairsError(f"{path}: {error}; replace it, or remove the pair") from error


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"


def _first_few(paths: Sequence[Path]) -> str:
    """The first names of a list that may be long, and the verb that follows them."""
    shown = ", ".join(shown_name(path) for path in paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"{shown}{more} {'has' if len(paths) == 1 else 'have'}"
