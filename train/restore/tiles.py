"""Processes pictures of any size in tiles, so that memory is bounded."""

from collections.abc import Callable, Iterator

import numpy as np

TILE_PX = 2048  # longest side of what the network is given at once: bounds its memory
CONTEXT_PX = 128  # on each side of a tile: seen by the network, which looks so far, but thrown away
FEATHER_PX = 64  # over which two neighbors fade into each other
SURVEY_PIXELS, SURVEY_CONTEXT_PX = 1 << 22, 256  # likewise, of a strip whose blur is estimated

Correct = Callable[[np.ndarray, int, int], np.ndarray]  # a tile, its top and left, to its change
Estimate = Callable[[np.ndarray], np.ndarray]  # a picture to values of its cells


def corrected_strips(
    correct: Correct, photo: np.ndarray, multiple: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The change of a picture of any size, strip by strip from its top to its bottom.

    Up to 2048 pixels a side it is done whole, continued at its edges to a size the network takes.
    Beyond, in tiles of one size that overlap. A network that looks no further than 128 pixels gives
    the same picture either way; so does the residual generator, but for a level or two: the
    estimate of its blur looks as far as 176 pixels. The U-Net normalizes over all it sees, so its
    tiles may differ in tone.

    Args:
        correct: from (height, width, 3), its top and its left, to a change of that shape, float32.
        photo: shape (height, width, 3), of any type.
        multiple: the sides of the network's input must be multiples of this, pixels; divides 1024.

    Returns:
        the top of each strip, and its change, float32 (rows, width, 3).
    """
    height, width = photo.shape[:2]
    tops, side_y = tile_starts(height, multiple)
    lefts, side_x = tile_starts(width, multiple)

    def strip_at(top: int) -> np.ndarray:
        def turned_tile_at(left: int) -> np.ndarray:
            tile = photo[top : top + side_y, left : left + side_x]
            return correct(continued(tile, side_y, side_x), top, left).swapaxes(0, 1)

        strip = np.empty((side_y, width, 3), np.float32)
        for left, part in faded(turned_tile_at, lefts, side_x, width):
            strip[:, left : left + len(part)] = part.swapaxes(0, 1)
        return strip

    return faded(strip_at, tops, side_y, height)


def faded(
    part_at: Callable[[int], np.ndarray], starts: list[int], side: int, length: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Parts along the first axis, without their context, each faded into the next one."""
    fading = np.empty((0, 1, 1), np.float32)  # the end of a part, to be mixed with the next one
    for index, start in enumerate(starts):
        begin, end = tile_core(starts, index, side, length)
        is_last = index == len(starts) - 1
        stop = end if is_last else tile_core(starts, index + 1, side, length)[0]
        part = part_at(start)[begin - start : end - start]
        overlap = len(fading)
        weights = ((np.arange(overlap) + 0.5) / max(1, overlap)).astype(np.float32)[:, None, None]
        part[:overlap] = fading + weights * (part[:overlap] - fading)
        fading = part[stop - begin :].copy()
        yield begin, part[: stop - begin]


def survey(estimate: Estimate, photo: np.ndarray, cell: int) -> np.ndarray:
    """The estimate for each cell of a picture, strip by strip; float16, to save memory.

    The estimate takes sides divisible by the cell's, which divides 256 pixels.
    """
    height, width = photo.shape[:2]
    step = max(256, SURVEY_PIXELS // width // cell * cell)
    parts = []
    for top in range(0, height, step):
        start = max(0, top - SURVEY_CONTEXT_PX)
        strip = photo[start : min(height, top + step + SURVEY_CONTEXT_PX)]
        sides = (side + -side % cell for side in strip.shape[:2])
        rows = slice((top - start) // cell, (min(top + step, height) - start + cell - 1) // cell)
        parts.append(estimate(continued(strip, *sides))[rows].astype(np.float16))
    return np.concatenate(parts)


def continued(tile: np.ndarray, height: int, width: int) -> np.ndarray:
    """The tile, continued by its edge pixels at its end."""
    missing = [(0, height - tile.shape[0]), (0, width - tile.shape[1]), (0, 0)]
    return np.pad(tile, missing, "edge") if any(end for _, end in missing) else tile


def tile_starts(length: int, multiple: int) -> tuple[list[int], int]:
    """Where tiles begin along a side, and their length; both multiples of `multiple`."""
    if length <= TILE_PX:
        return [0], length + -length % multiple
    overlap = 2 * CONTEXT_PX + FEATHER_PX
    num_tiles = -(-(length - overlap) // (TILE_PX - overlap))
    side = -(-(length - overlap) // num_tiles) + overlap
    side = min(side + -side % multiple, TILE_PX)
    stride = side - overlap
    stride -= stride % multiple
    num_tiles = 1 + -(-(length - side) // stride)
    # The last tile is moved back to end with the picture, on the grid of the multiple.
    last = -(-(length - side) // multiple) * multiple
    return [min(index * stride, last) for index in range(num_tiles)], side


def tile_core(starts: list[int], index: int, side: int, length: int) -> tuple[int, int]:
    """The part of a tile that is used: without its context, but for the picture's own edges."""
    begin = 0 if index == 0 else starts[index] + CONTEXT_PX
    if index and begin < starts[index - 1] + side - CONTEXT_PX - FEATHER_PX:
        begin = starts[index - 1] + side - CONTEXT_PX - FEATHER_PX  # the last tile, moved back
    end = length if index == len(starts) - 1 else starts[index] + side - CONTEXT_PX
    return begin, end


def num_tiles(height: int, width: int, multiple: int) -> int:
    """How many tiles a picture of this size has."""
    return len(tile_starts(height, multiple)[0]) * len(tile_starts(width, multiple)[0])
