"""Restores files and folders of photographs, and keeps what else is in them.

Memory is that of a few copies of the decoded photograph and of one row of tiles: under 2 GB for 87
megapixels of 8 bits.
"""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from prepare.photographs.listing import shown_name
from prepare.photographs.photograph import UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import read_photograph
from prepare.photographs.writer import write_photograph
from train.pictures import Restore
from train.restore.targets import NothingRestoredError, Target, fingerprint, write_comparison
from train.restore.tiles import num_tiles, restore_any_size

MOST_PIXELS = 400_000_000  # of a photograph; a larger one is taken for a decompression bomb


def deblur(
    restore: Restore, targets: Sequence[Target], multiple: int, *, strength: float = 1.0
) -> None:
    """Restores photographs to PNG files.

    Colors become sRGB, as a color-managed viewer shows them; 16 bits stay 16. EXIF, resolution and
    transparency are kept, and photographs are turned upright; what is not kept is said.

    Args:
        restore: from uint8 or uint16 (height, width, 3), both divisible by `multiple`, to the same
            shape and type.
        targets: see `train.restore.targets.plan`; folders are made when missing.
        multiple: what the network's input must be a multiple of, pixels.
        strength: 0 leaves the photograph as it is, 1 is fully restored, between is a blend.

    Raises:
        NothingRestoredError: if some could not be read, after all others are done.
        OSError: if a result cannot be written.
    """
    failed = []
    for target in targets:
        name = shown_name(target.source)
        try:
            photograph = read_photograph(
                target.source, max_pixels=MOST_PIXELS, alpha="keep", frames="first"
            )
            source = fingerprint(target.source)
        except (OSError, UnusablePhotograph) as error:
            print(f"{name}: cannot be read ({error})")
            failed.append(name)
            continue
        restored = _restored(restore, photograph.pixels, multiple, strength, name)
        target.result.parent.mkdir(parents=True, exist_ok=True)
        write_photograph(target.result, photograph, restored, source)
        if target.comparison:
            halves = rounded_to_8_bits(photograph.pixels), rounded_to_8_bits(restored)
            write_comparison(target.comparison, *halves, source)
        if photograph.dropped:
            print(f"{name}: not kept: {', '.join(photograph.dropped)}")
    if failed:
        raise NothingRestoredError(
            f"{len(failed)} of {len(targets)} could not be read ({', '.join(failed[:5])}); the "
            "others are done"
        )


def _restored(
    restore: Restore, photo: np.ndarray, multiple: int, strength: float, name: str
) -> np.ndarray:
    """The restored photograph, blended with the given one; a bar counts tiles."""
    height, width = photo.shape[:2]
    total = num_tiles(height, width, multiple)
    with tqdm(total=total, desc=name, unit="tile", disable=None) as progress:

        def restore_tile(tile: np.ndarray) -> np.ndarray:
            result = restore(tile)
            if strength < 1:
                change = strength * (result.astype(np.float32) - tile)
                result = np.rint(tile + change).astype(tile.dtype)
            progress.update()
            return result

        return restore_any_size(restore_tile, photo, multiple)
