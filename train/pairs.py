"""Joins the pictures of matched folders by their ids, and says what does not match."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from prepare.records.data_folder import read_manifest
from prepare.records.files import hash_of
from prepare.records.sets import KernelRecord, read_kernel
from train import TrainError

MEND = "remove what is damaged, run `make dataset`, then the same command again"
VALIDATION_SHARE = 16  # one in so many training images is kept for validation


class UnmatchedPairsError(TrainError):
    """The sharp and blurred folders do not hold the same images at the same size."""


@dataclass(frozen=True)
class Pairs:
    """Paths of matched pictures: `blurred[k][i]` is kernel k's copy of `sharp[i]`."""

    ids: tuple[str, ...]
    sharp: tuple[str, ...]
    blurred: tuple[tuple[str, ...], ...]  # one tuple a kernel
    size: int  # side of the pictures, pixels
    mirror: bool = True  # whether the blur is the same in a mirror
    turn: bool = False  # whether it is the same after a quarter turn
    any_scale: bool = False  # whether it has no size of its own, but a range of radii


def read_split(manifest_path: Path) -> dict[str, list[str]]:
    """Ids on each side of the split: "train", "validation" (a slice of training) and "test".

    Raises:
        UnmatchedPairsError: if there is no manifest, or it has no image to train or to test on.
        DamagedRecordError: if it cannot be read.
    """
    if not manifest_path.exists():
        raise UnmatchedPairsError(f"no {manifest_path}; run `make dataset` first")
    split: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for image in read_manifest(manifest_path).values():
        split[image.split].append(image.id)
    if len(split["train"]) < 2 or not split["test"]:
        counts = f"{len(split['train'])} training and {len(split['test'])} test images"
        raise UnmatchedPairsError(f"{manifest_path} has {counts}; run `make dataset` with more")
    ranks = {image_id: hash_of(f"validation {image_id}") for image_id in split["train"]}
    ranked = sorted(split["train"], key=ranks.__getitem__)
    chosen = [image_id for image_id in ranked if ranks[image_id] % VALIDATION_SHARE == 0]
    split["validation"] = chosen or ranked[:1]
    kept_aside = set(split["validation"])
    split["train"] = [image_id for image_id in split["train"] if image_id not in kept_aside]
    return split


def find_pairs(ids: Sequence[str], sharp_dir: Path, blurred_dirs: Sequence[Path]) -> Pairs:
    """Joins the pictures of `ids` across folders, by id.

    Raises:
        UnmatchedPairsError: if a picture is missing or of another size; names the first few.
    """
    folders = [sharp_dir, *blurred_dirs]
    paths = [[folder / f"{image_id}.jpg" for image_id in ids] for folder in folders]
    for folder, column in zip(folders, paths, strict=True):
        if missing := [str(path) for path in column if not path.exists()]:
            raise UnmatchedPairsError(f"{first_few(missing)} missing; {_how_to_make(folder)}")
    sizes = {str(path): size_of(path) for column in paths for path in column}
    if damaged := [path for path, size in sizes.items() if size is None]:
        raise UnmatchedPairsError(f"{first_few(damaged)} damaged; {MEND}")
    size = sizes[str(paths[0][0])]
    assert size is not None  # none is damaged
    odd = [path for path, other in sizes.items() if other != size]
    if odd or size[0] != size[1]:
        raise UnmatchedPairsError(
            f"{first_few(odd or [str(paths[0][0])])} not {size[0]}x{size[0]} as the others; "
            "run `make clean-pairs` and `make dataset`"
        )
    orphans = [
        str(path)
        for folder in blurred_dirs
        for path in sorted(folder.glob("*.jpg"))
        if not (sharp_dir / path.name).exists()
    ]
    if orphans:
        raise UnmatchedPairsError(
            f"no sharp partner: {first_few(orphans)} alone; run `make dataset` to make missing "
            "pairs, or remove what you put there"
        )
    sharp, *blurred = (tuple(map(str, column)) for column in paths)
    records = [read_kernel(folder) for folder in blurred_dirs]
    any_scale = all(record and "radius_px" in record.blur.spreads for record in records)
    return Pairs(tuple(ids), sharp, tuple(blurred), size[0], *_symmetry(records), any_scale)


def _how_to_make(folder: Path) -> str:
    """What to run where a picture of a folder is missing."""
    record = read_kernel(folder)
    if record is None:
        return "run `make dataset` to make missing pairs"
    return f"run `{record.make_command}` to make missing pictures"


def _symmetry(records: Sequence[KernelRecord | None]) -> tuple[bool, bool]:
    """Whether the blurs of all sets are the same in a mirror, and after a quarter turn.

    Of a set without a record, as of pictures blurred elsewhere, the former is taken for granted.
    """
    symmetries = [record.blur.symmetry for record in records if record]
    mirror = all(mirror for mirror, _ in symmetries)
    turn = all(turn for _, turn in symmetries)
    return mirror, turn and len(symmetries) == len(records)


def size_of(path: str | Path, whole: bool = False) -> tuple[int, int] | None:
    """Width and height of a picture, or None if its header, or all of it, cannot be read."""
    try:
        with Image.open(path) as image:
            if whole:
                image.load()
            return image.size
    except (OSError, SyntaxError):
        return None


def first_few(names: Sequence[str]) -> str:
    """The first names of a list that may be long, and the verb that follows them."""
    shown = ", ".join(names[:3])
    return shown + (f" and {len(names) - 3} more are" if len(names) > 3 else " is")
