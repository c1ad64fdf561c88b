"""The pictures of `SOURCE=sample`: which of them are portraits, and which are scenes."""

import cv2
import numpy as np

from prepare.drawing.canvas import add_grain, blend, log_uniform, smooth_noise
from prepare.drawing.portrait import portrait
from prepare.drawing.scene import scene

SCENE_EVERY = 3  # of so many pictures in a row the last is a scene
STREAM = 2  # of random numbers, beside those of the portrait and the scene of the same index
SOFT_SHARE = 0.7  # of the pictures
LEAST_SOFT, MOST_SOFT = 0.0005, 0.007  # sigma, fraction of the side
MOST_GRAIN_LEVELS = 2.0


def sample_picture(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
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
    picture = draw(index, seed, side)
    rng = np.random.default_rng([seed, index, STREAM])
    return softened(rng, picture) if rng.random() < SOFT_SHARE else picture


def softened(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """As lenses and skin are: soft, here more and there less.

    What is drawn is sharp to the pixel everywhere. A network that has only seen such takes
    whatever is soft for blurred.
    """
    side = len(picture)
    most = side * log_uniform(rng, LEAST_SOFT, MOST_SOFT)
    soft, softer = (cv2.GaussianBlur(picture, (0, 0), share * most) for share in (0.4, 1.0))
    clouds = smooth_noise(rng, side, rng.uniform(0.15, 0.6), 2)
    blend(soft, softer, np.clip(0.5 + 1.2 * clouds + rng.uniform(-0.3, 0.6), 0, 1))
    return add_grain(rng, soft, rng.uniform(0.3, MOST_GRAIN_LEVELS))
