"""Restores pictures of any size, tile by tile where they are large, so that memory is bounded."""

import numpy as np

from train.pictures import Restore

TILE_PX = 1024  # side of what the network is given at once; also the largest picture done whole
CONTEXT_PX = 128  # on each side of a tile: seen by the network, but thrown away
FEATHER_PX = 64  # over which two neighbors fade into each other


def restore_any_size(restore: Restore, photo: np.ndarray, multiple: int) -> np.ndarray:
    """Restores a picture of any size.

    Up to 1024 pixels a side it is done whole, continued at its edges to a size the network takes.
    Beyond, in tiles that overlap; what a tile says near its own border is thrown away, and
    neighbors fade into each other over 64 pixels. A network that looks no further than 128 pixels
    (the residual generator, all but: see the tests) gives the same picture either way. The U-Net
    normalizes over all it sees, so for it the tiles may differ in tone.

    Args:
        restore: from uint8 or uint16 (height, width, 3), both divisible by `multiple`, to the same
            shape and type.
        photo: uint8 or uint16, shape (height, width, 3), RGB.
        multiple: what the network's input must be a multiple of, pixels; divides 1024.

    Returns:
        the same shape and type.
    """
    height, width = photo.shape[:2]
    tops, side_y = _starts(height, multiple)
    lefts, side_x = _starts(width, multiple)
    restored = np.empty_like(photo)
    fading: np.ndarray | None = None  # the end of the strip above, to be mixed with this one
    for index, top in enumerate(tops):
        strip = _strip(restore, photo, top, side_y, lefts, side_x)
        begin, end = _core(tops, index, side_y, height)
        strip = strip[begin - top :]
        if fading is not None:
            ramp = _ramp(len(fading))[:, None, None]
            strip[: len(fading)] = fading + ramp * (strip[: len(fading)] - fading)
        last = index == len(tops) - 1
        stop = end if last else _core(tops, index + 1, side_y, height)[0]
        fading = None if last else strip[stop - begin : end - begin].copy()
        restored[begin:stop] = np.rint(strip[: stop - begin])
    return restored


def _strip(
    restore: Restore, photo: np.ndarray, top: int, side_y: int, lefts: list[int], side_x: int
) -> np.ndarray:
    """One row of tiles, blended across; float32, shape (side_y, width, 3)."""
    width = photo.shape[1]
    strip = np.empty((side_y, width, 3), np.float32)
    done = 0
    for index, left in enumerate(lefts):
        tile = photo[top : top + side_y, left : left + side_x]
        missing = [(0, side_y - tile.shape[0]), (0, side_x - tile.shape[1]), (0, 0)]
        tile = restore(np.pad(tile, missing, "edge")).astype(np.float32)
        begin, end = _core(lefts, index, side_x, width)
        tile = tile[:, begin - left : end - left]
        overlap = done - begin
        if overlap > 0:
            ramp = _ramp(overlap)[None, :, None]
            tile[:, :overlap] = strip[:, begin:done] + ramp * (
                tile[:, :overlap] - strip[:, begin:done]
            )
        strip[:, begin:end] = tile
        done = end
    return strip


def _starts(length: int, multiple: int) -> tuple[list[int], int]:
    """Where tiles begin along a side, and their length; both multiples of `multiple`."""
    if length <= TILE_PX:
        return [0], length + -length % multiple
    stride = TILE_PX - 2 * CONTEXT_PX - FEATHER_PX
    stride -= stride % multiple
    num_tiles = 1 + -(-(length - TILE_PX) // stride)
    # The last tile is moved back to end with the picture, on the grid of the multiple.
    last = -(-(length - TILE_PX) // multiple) * multiple
    return [min(index * stride, last) for index in range(num_tiles)], TILE_PX


def _core(starts: list[int], index: int, side: int, length: int) -> tuple[int, int]:
    """The part of a tile that is used: without its context, but for the picture's own edges."""
    begin = 0 if index == 0 else starts[index] + CONTEXT_PX
    if index and begin < starts[index - 1] + side - CONTEXT_PX - FEATHER_PX:
        begin = starts[index - 1] + side - CONTEXT_PX - FEATHER_PX  # the last tile, moved back
    end = length if index == len(starts) - 1 else starts[index] + side - CONTEXT_PX
    return begin, end


def _ramp(length: int) -> np.ndarray:
    """Weights of the newer of two overlapping parts, from near 0 to near 1."""
    return ((np.arange(length) + 0.5) / length).astype(np.float32)


def num_tiles(height: int, width: int, multiple: int) -> int:
    """How many times the network is run for a picture of this size."""
    return len(_starts(height, multiple)[0]) * len(_starts(width, multiple)[0])
