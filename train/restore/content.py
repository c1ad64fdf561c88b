"""The parts of a picture that are not its scene: bars, frames and transparent pixels."""

import numpy as np

# From the color of a bar's corner, levels of 255: what JPEG leaves of a bar.
TOLERANCE = 6
LEAST_SIDE_PX = 16  # of a scene; what is smaller within a frame is a part of that


def scene_box(picture: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of a picture without bars of one color at its sides.

    Args:
        picture: uint8 or uint16, (height, width, 3).
    """
    top, bottom = bars_of(picture)
    left, right = bars_of(picture[top : len(picture) - bottom].swapaxes(0, 1))
    return slice(top, picture.shape[0] - bottom), slice(left, picture.shape[1] - right)


def bars_of(picture: np.ndarray) -> list[int]:
    """How many rows at the top and at the bottom have the color of their corner; 0 if all do."""
    tolerance = TOLERANCE * np.iinfo(picture.dtype).max // 255
    counts = []
    for rows in (picture, picture[::-1]):
        color = rows[0, 0].astype(int)
        low, high = (color - tolerance).clip(0), color + tolerance
        changes = (y for y, row in enumerate(rows) if ((row < low) | (row > high)).any())
        counts.append(next(changes, len(rows)))
    return counts if sum(counts) <= len(picture) - LEAST_SIDE_PX else [0, 0]


def filled(picture: np.ndarray, is_seen: np.ndarray) -> np.ndarray:
    """A picture whose hidden pixels are filled from the visible pixels around them.

    Each hidden pixel is a mean of the nearest seen ones to its left and right, above and below,
    weighted by how near they are; so nothing jumps where the hidden begins.

    Args:
        picture: (height, width, 3).
        is_seen: bool, (height, width).

    Returns:
        a copy, of the same type.
    """
    result = picture.copy()
    hidden = np.nonzero(~is_seen)
    if not is_seen.any():
        return result
    total = np.zeros((len(hidden[0]), 3), np.float32)
    weight = np.zeros((len(hidden[0]), 1), np.float32)
    for axis in (0, 1):
        for backward in (False, True):
            nearest = nearest_before(is_seen, axis, backward)[hidden]
            place = list(hidden)
            place[axis] = nearest
            nearness = (nearest >= 0)[:, None] / np.abs(hidden[axis] - nearest)[:, None]
            total += nearness * picture[tuple(place)]
            weight += nearness
    result[hidden] = total / np.maximum(weight, 1e-9)
    is_known = is_seen.copy()
    is_known[hidden] = weight[:, 0] > 0
    return result if is_known.all() else filled(result, is_known)


def nearest_before(is_seen: np.ndarray, axis: int, backward: bool) -> np.ndarray:
    """Index along an axis of the nearest seen pixel before each, or behind it; -1 for none."""
    step = -1 if backward else 1
    seen = np.moveaxis(is_seen, axis, 0)[::step]
    index = np.arange(len(seen), dtype=np.int32)[::step, None]
    if backward:
        found = np.minimum.accumulate(np.where(seen, index, len(seen)), 0)
        found[found == len(seen)] = -1
    else:
        found = np.maximum.accumulate(np.where(seen, index, -1), 0)
    return np.moveaxis(found[::step], 0, axis)
