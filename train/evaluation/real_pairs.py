"""The pairs that are scored: a scene out of focus and in focus, of a set or of real photographs."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prepare.photographs.photograph import UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import photographs_in, read_photograph, shown_name
from prepare.records.data_folder import why_no_id
from train import TrainError
from train.dataset import first_few

NAME = re.compile(r"(.+)_(blurred|sharp|mask)", re.IGNORECASE | re.DOTALL)
NAMED = "name two photographs of one scene <name>_blurred.png and <name>_sharp.png"
LEAST_SIDE_PX = 11  # the window of SSIM


class ExampleError(TrainError):
    """There are no two pictures of one scene that can be scored."""


@dataclass(frozen=True)
class Example:
    """Files of one scene: out of focus, in focus, and where to score if not everywhere."""

    id: str
    blurred: Path
    sharp: Path
    mask: Path | None = None

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.blurred, self.sharp, self.mask) if path]


def find_real_pairs(folder: Path) -> list[Example]:
    """The pairs `<name>_blurred.*` and `<name>_sharp.*` of a folder, in order of their names.

    Each may have a `<name>_mask.*`; other photographs are ignored. Raises ExampleError if there is
    no such folder, no pair in it, or a half is missing or double.
    """
    if not folder.is_dir():
        raise ExampleError(f"{folder} is not a folder; REAL=.. names a folder of pairs: {NAMED}")
    found: dict[str, dict[str, Path]] = {}
    for path in photographs_in(folder):
        if match := NAME.fullmatch(path.stem):
            if why_no_id(match[1]):  # it names pictures and stands in records, as an id does
                raise ExampleError(f"{folder}: the name {shown_name(path)} is no text; rename it")
            other = found.setdefault(match[1], {}).setdefault(match[2].lower(), path)
            if other is not path:
                both = f"{shown_name(other)} and {shown_name(path)}"
                raise ExampleError(f"{folder}: {both} are the same part; remove one of them")
    if not found:
        raise ExampleError(f"{folder} holds no pairs; {NAMED}")
    for part, partner in (("blurred", "sharp"), ("sharp", "blurred"), ("mask", "blurred")):
        alone = [parts[part] for parts in found.values() if part in parts and partner not in parts]
        if alone:
            raise ExampleError(
                f"{folder}: {first_few([shown_name(path) for path in alone])} without a {partner} "
                f"partner; add it as <name>_{partner}.png, or remove what stands alone"
            )
    return [
        Example(name, parts["blurred"], parts["sharp"], parts.get("mask"))
        for name, parts in sorted(found.items())
    ]


def read_example(example: Example) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The blurred and the sharp picture, and where to score.

    Gives uint8, (height, width, 3), RGB, twice, and bool, (height, width). Raises ExampleError,
    which names a file, if that cannot be read or does not fit the others.
    """
    pictures = []
    for path in example.files:
        try:
            pictures.append(rounded_to_8_bits(read_photograph(path).pixels))
        except (OSError, UnusablePhotograph) as error:
            reason = getattr(error, "strerror", None) or error
            raise ExampleError(f"{path}: {reason}; replace it, or remove the pair") from error
    sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in pictures]
    for path, size in zip(example.files, sizes, strict=True):
        if size != sizes[0]:
            raise ExampleError(
                f"{path} is {size}, but {shown_name(example.blurred)} {sizes[0]}; cut both to the "
                "same part of the scene, or remove the pair"
            )
    blurred, sharp, *masks = pictures
    if min(blurred.shape[:2]) < LEAST_SIDE_PX:
        raise ExampleError(
            f"{example.blurred} is {sizes[0]}, too small to score; at least {LEAST_SIDE_PX} "
            "pixels a side are needed"
        )
    mask = masks[0].mean(-1) > 127 if masks else np.ones(blurred.shape[:2], bool)
    if not mask.any():
        raise ExampleError(
            f"{example.mask} is black everywhere; make it white (255) where to "
            "score, or remove it to score everywhere"
        )
    return blurred, sharp, mask
