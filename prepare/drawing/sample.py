"""The pictures of `SOURCE=sample`: which of them are portraits, and which are scenes."""

import numpy as np

from prepare.drawing.portrait import portrait
from prepare.drawing.scene import scene

SCENE_EVERY = 3  # of so many pictures in a row the last is a scene


def drawn(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
    """A drawn picture: two portraits, then a scene, and so on.

    The same arguments give the same picture, in any order and in any number of threads, and another
    side gives the same picture at another size.

    Args:
        index: which picture, >= 0.
        seed: which collection of pictures, >= 0.
        side: width and height, in pixels, even, at least 64.

    Returns:
        uint8, (side, side, 3), RGB, 0..255, sRGB.

    Raises:
        ValueError: if the side is odd or smaller than 64.
    """
    draw = scene if index % SCENE_EVERY == SCENE_EVERY - 1 else portrait
    return draw(index, seed, side)
