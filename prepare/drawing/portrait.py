"""Draws portraits, so that the whole pipeline runs with no network.

Nobody is portrayed: faces, hair, clothes and places are lines and polygons placed by chance. They
are as detailed at pixel scale as photographs, so that a lens blur takes as much from them, and as
smooth where photographs are: how much skin and backdrop show, each portrait draws.
"""

import numpy as np

from prepare.drawing import clothes, features, hair, head
from prepare.drawing.backdrops import BACKDROPS
from prepare.drawing.canvas import add_grain, blank_canvas, log_uniform, shade, soften
from prepare.drawing.face import Face, random_face

GRAIN_LEVELS = 1.2  # standard deviation of the film grain, of 255: far below the detail


def portrait(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
    """A drawn portrait, framed like an aligned face photograph.

    Arguments, result and errors are those of `sample_picture`. It takes about half a second of one
    core at 1024 pixels.
    """
    canvas = blank_canvas(side)
    rng = np.random.default_rng([seed, index])
    face = random_face(rng, canvas)
    BACKDROPS[rng.integers(len(BACKDROPS))](rng, canvas)
    # From nearly sharp to far out of focus behind a close person.
    soften(canvas, log_uniform(rng, 0.0005, 0.04) * side)
    draw_person(face)
    along = np.linspace(-1, 1, side, dtype=np.float32) ** 2
    darker_corners = 1 - 0.1 * (along[:, None] + along[None, :])
    shade(canvas, rng.uniform(1, 1.45) * darker_corners)
    return add_grain(rng, canvas, GRAIN_LEVELS)


def draw_person(face: Face) -> None:
    """Draws from back to front."""
    rng = face.rng
    shell = hair.HairShell(
        face.sitter,
        parting=rng.uniform(-0.45, 0.45),
        volume=rng.uniform(0.9, 1.25),
        fringe=rng.uniform(-0.08, 0.14),
    )
    hair.draw_back_hair(face, shell)
    head.draw_neck(face)
    clothes.draw_garment(face)
    head.draw_ears(face)
    head.draw_head(face, features.paint_lips)
    gaze = rng.normal(0, (0.025, 0.008))
    for sign in (-1, 1):
        features.draw_eye(face, sign, gaze)
    features.draw_nostrils(face)
    features.draw_mouth(face)
    features.draw_brows(face)
    hair.draw_beard(face)
    hair.draw_hair(face, shell)
    if rng.random() < (0.15 if face.sitter.masculine else 0.45):
        clothes.draw_earrings(face)
    if rng.random() < 0.28:
        clothes.draw_glasses(face)
    if rng.random() < 0.13:
        clothes.draw_hat(face)
