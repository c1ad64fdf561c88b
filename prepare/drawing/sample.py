"""The pictures of `SOURCE=sample`, drawn so that the whole pipeline runs with no network.

Every third picture is a scene; the others are portraits. They show no real person: faces, hair,
clothes and places are lines and polygons placed at random. They have as much fine detail as
photographs, so that a lens blur removes as much, and are as smooth where photographs are smooth.
Each portrait chooses at random how detailed its skin and backdrop are.
"""

import cv2
import numpy as np

from prepare.drawing import clothes, features, hair, head
from prepare.drawing.backdrops import BACKDROPS
from prepare.drawing.canvas import (
    add_grain,
    blank_canvas,
    blend,
    log_uniform,
    shade,
    smooth_noise,
    soften,
)
from prepare.drawing.face import Face, random_face
from prepare.drawing.scene import scene

SCENE_EVERY = 3  # of so many pictures in a row the last is a scene
STREAM = 2  # of random numbers, beside those of the portrait and the scene of the same index
SOFT_SHARE = 0.7  # of the pictures
LEAST_SOFT, MOST_SOFT = 0.0005, 0.007  # sigma, fraction of the side
MOST_GRAIN_LEVELS = 2.0
GRAIN_LEVELS = 1.2  # of a portrait's film grain, standard deviation: far below the detail


def sample_picture(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
    """A drawn picture: two portraits, then a scene, and so on.

    The same arguments give the same picture, in any order and in any number of threads, and another
    side gives the same picture at another size. It takes half a second of a core at 1024 pixels.

    Args:
        index: which picture, >= 0.
        seed: which collection of pictures, >= 0.
        side: width and height, in pixels, even, at least 64.

    Returns:
        uint8, (side, side, 3), RGB, 0..255, sRGB.
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


def portrait(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
    """A drawn portrait, framed like an aligned face photograph; see `sample_picture`."""
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
    head.draw_head(face)
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
