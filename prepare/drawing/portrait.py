"""Draws portraits, so that the whole pipeline runs with no network.

Nobody is portrayed: faces, hair, clothes and places are lines and polygons placed by chance. They
are as detailed at pixel scale as photographs, so that a lens blur takes as much from them, and as
smooth where photographs are: how much skin and backdrop show, each portrait draws.
"""

import numpy as np

from prepare.drawing import backdrops, clothes, eyes, features, hair, skin
from prepare.drawing.canvas import check_side, shade, soften
from prepare.drawing.sitter import Pose, Sitter, draw_pose, draw_sitter

GRAIN_LEVELS = 1.2  # standard deviation of the film grain, of 255: far below the detail


def portrait(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
    """A drawn portrait, framed like an aligned face photograph.

    The same arguments give the same picture, in any order and in any number of threads, and another
    side gives the same person. At 1024 pixels it takes about half a second of one core.

    Args:
        index: which portrait, >= 0.
        seed: which collection of portraits, >= 0.
        side: width and height, in pixels, even, at least 64.

    Returns:
        uint8, (side, side, 3), RGB, 0..255, sRGB.

    Raises:
        ValueError: if the side is odd or smaller than 64.
    """
    check_side(side)
    rng = np.random.default_rng([seed, index])
    sitter, pose = draw_sitter(rng), draw_pose(rng, side)
    canvas = np.zeros((side, side, 3), np.uint8)
    _draw_backdrop(rng, canvas)
    _draw_person(rng, canvas, pose, sitter)
    return _finish(rng, canvas)


def _draw_backdrop(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Draws one of the places, from nearly sharp to far out of focus behind a close person."""
    backdrops.BACKDROPS[rng.integers(len(backdrops.BACKDROPS))](rng, canvas)
    softness = np.exp(rng.uniform(np.log(0.0005), np.log(0.04)))
    soften(canvas, softness * canvas.shape[0])


def _draw_person(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws from back to front."""
    shell = hair.HairShell(
        sitter,
        parting=rng.uniform(-0.45, 0.45),
        volume=rng.uniform(0.9, 1.25),
        fringe=rng.uniform(-0.08, 0.14),
    )
    hair.draw_back_hair(rng, canvas, pose, sitter, shell)
    skin.draw_neck(rng, canvas, pose, sitter)
    clothes.draw_garment(rng, canvas, pose, sitter)
    skin.draw_ears(canvas, pose, sitter)
    skin.draw_head(
        rng, canvas, pose, sitter, lambda albedo: features.paint_lips(rng, albedo, pose, sitter)
    )
    gaze = rng.normal(0, (0.025, 0.008))
    for sign in (-1, 1):
        eyes.draw_eye(rng, canvas, pose, sitter, sign, gaze)
    features.draw_nostrils(canvas, pose, sitter)
    features.draw_mouth(rng, canvas, pose, sitter)
    features.draw_brows(rng, canvas, pose, sitter)
    hair.draw_beard(rng, canvas, pose, sitter)
    hair.draw_hair(rng, canvas, pose, sitter, shell)
    _draw_accessories(rng, canvas, pose, sitter)


def _draw_accessories(
    rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter
) -> None:
    if rng.random() < (0.15 if sitter.masculine else 0.45):
        clothes.draw_earrings(rng, canvas, pose, sitter)
    if rng.random() < 0.28:
        clothes.draw_glasses(rng, canvas, pose, sitter)
    if rng.random() < 0.13:
        clothes.draw_hat(rng, canvas, pose, sitter)


def _finish(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Exposes the picture, darkens its corners a little and adds grain."""
    side = canvas.shape[0]
    along = np.linspace(-1, 1, side, dtype=np.float32) ** 2
    shade(canvas, rng.uniform(1, 1.45) * (1 - 0.1 * (along[:, None] + along[None, :])))
    grain = rng.standard_normal((side, side, 1), dtype=np.float32) * GRAIN_LEVELS
    return np.clip(canvas + grain + 0.5, 0, 255).astype(np.uint8)
