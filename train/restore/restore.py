"""Restores one photograph, of any blur and any size."""

from collections.abc import Iterator

import numpy as np

from prepare.records.progress import Progress
from train.restore.engine import CELL_PX, Engine, to_signed
from train.restore.scales import BlurMap, Scale, enlarged, estimate_blur
from train.restore.tiles import corrected_strips, num_tiles


def restore(
    engine: Engine, photo: np.ndarray, strength: float = 1.0, name: str = ""
) -> tuple[np.ndarray, BlurMap | None]:
    """A photograph restored.

    Each blur is taken back at the scale that fits it, and the change brought to the photograph's
    own size. What is sharp is the photograph's own, to the bit.

    Args:
        engine: the generator.
        photo: uint8 or uint16, (height, width, 3), RGB.
        strength: share of the change that is made, 0..1.
        name: of the photograph, beside the bar that counts tiles; without one there is no bar.

    Returns:
        the same shape and type, and the estimated blur, None for a generator that estimates none.
    """
    multiple = int(engine.notes["multiple"])
    cells = [-(-side // CELL_PX) for side in photo.shape[:2]]
    blur: BlurMap | None = None
    scales = [Scale(photo, np.ones(cells, np.float32))]
    if engine.estimates_radius:
        scales, blur = estimate_blur(engine, photo)
    while len(scales) > 1 and not scales[-1].share.any():
        scales.pop()  # nothing is blurred so much
    sizes = [scale.picture.shape for scale in scales]
    total = sum(num_tiles(height, width, multiple) for height, width, _ in sizes)
    restored = np.empty_like(photo)
    peak = np.iinfo(photo.dtype).max
    with Progress(name=name, total=total, unit="tile", hidden=not name) as progress:
        coarse: np.ndarray | None = None  # the change of all coarser scales
        for scale in reversed(scales[1:]):
            parts = [part for _, part in changes_of(engine, scale, coarse, multiple, progress)]
            coarse = np.concatenate(parts)
        for top, change in changes_of(engine, scales[0], coarse, multiple, progress):
            rows = slice(top, top + len(change))
            change *= np.float32(strength * peak / 2)
            change += photo[rows]
            np.rint(change, out=change)
            restored[rows] = np.clip(change, 0, peak, out=change)
    return restored, blur


def changes_of(
    engine: Engine, scale: Scale, coarse: np.ndarray | None, multiple: int, progress: Progress
) -> Iterator[tuple[int, np.ndarray]]:
    """What one scale and those coarser than it change, strip by strip; in -1..1, float32."""
    width = scale.picture.shape[1]

    def correct(tile: np.ndarray, top: int, left: int) -> np.ndarray:
        progress.update()
        end_y, end_x = top + tile.shape[0], left + tile.shape[1]
        # Rounded outwards by a cell, as shares are interpolated between cells.
        rows = slice(max(0, top // CELL_PX - 1), end_y // CELL_PX + 1)
        columns = slice(max(0, left // CELL_PX - 1), end_x // CELL_PX + 1)
        if not scale.share[rows, columns].any():
            return np.zeros(tile.shape, np.float32)
        return engine.correction(to_signed(tile))

    for top, change in corrected_strips(correct, scale.picture, multiple):
        share = enlarged(scale.share, len(change), width, CELL_PX, top)
        change *= share[..., None]
        if coarse is not None:
            for channel in range(3):
                change[..., channel] += enlarged(coarse[..., channel], len(change), width, 2, top)
        yield top, change
