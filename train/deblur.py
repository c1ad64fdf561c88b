"""Restores photographs of any size."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from train import TrainError
from train.files import write_picture

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


class NothingRestoredError(TrainError):
    """A photograph to be restored is missing, cannot be read, or would be overwritten."""


def restore_any_size(
    restore: Callable[[np.ndarray], np.ndarray], photo_u8: np.ndarray, multiple: int
) -> np.ndarray:
    """Restores a picture of any size, continued at its edges to a size the network takes.

    Args:
        restore: from uint8 (height, width, 3), both divisible by `multiple`, to the same shape.
        photo_u8: uint8, shape (height, width, 3), RGB, 0..255.
        multiple: what the network's input must be a multiple of, pixels.

    Returns:
        uint8, shape (height, width, 3).
    """
    height, width = photo_u8.shape[:2]
    padding = [(0, -height % multiple), (0, -width % multiple), (0, 0)]
    return restore(np.pad(photo_u8, padding, "edge"))[:height, :width]


def deblur(
    restore: Callable[[np.ndarray], np.ndarray],
    inputs: Sequence[Path],
    out_dir: Path,
    multiple: int,
) -> int:
    """Restores files, and the photographs directly in folders, to PNG files of the same names.

    Returns:
        how many were restored.

    Raises:
        NothingRestoredError: if an input is missing or would be overwritten, before anything is
            done; if some could not be read, after all others are done.
    """
    paths = _photographs(inputs)
    targets = [out_dir / f"{path.stem}.png" for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if target.resolve() == path.resolve():
            raise NothingRestoredError(
                f"{path} would be overwritten; name another folder (OUT=...)"
            )
    if len(set(targets)) < len(targets):
        raise NothingRestoredError("two photographs have the same name; restore them one at a time")
    failed = []
    for path, target in tqdm(
        list(zip(paths, targets, strict=True)), desc="deblur", unit="photograph", disable=None
    ):
        try:
            with Image.open(path) as image:
                photo = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            failed.append(path.name)
            continue
        write_picture(target, restore_any_size(restore, photo, multiple))
    if failed:
        raise NothingRestoredError(
            f"{len(failed)} of {len(paths)} could not be read ({', '.join(failed[:5])}); the "
            f"others are in {out_dir}"
        )
    return len(paths)


def _photographs(inputs: Sequence[Path]) -> list[Path]:
    paths = []
    for path in inputs:
        if path.is_dir():
            found = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
            if not found:
                raise NothingRestoredError(f"{path} holds no photographs")
            paths += found
        elif path.exists():
            paths.append(path)
        else:
            raise NothingRestoredError(f"{path}: no such file or folder")
    return paths
