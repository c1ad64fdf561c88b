"""Draws scenes of nothing in particular that have the statistics of photographs.

Things of all sizes hide each other, as the objects of the world do: dead leaves whose radii follow
a power law give edges, contrasts and spectrum of photographs whatever the things are. About a
third of a scene is smooth, so that what learns from it learns to leave smooth places alone.

Reference: Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001; Achddou et
al., "VibrantLeaves", arXiv 2504.10201.
"""

import cv2
import numpy as np

from prepare.drawing.canvas import (
    check_side,
    shade,
    smooth_curve,
    smooth_noise,
    soften,
    stroke,
)
from prepare.drawing.leaves import Habit, draw_leaf, paint_leaf
from prepare.drawing.palettes import draw_palette
from prepare.drawing.shapes import SHAPE_ODDS
from prepare.drawing.textures import TILE_SIDE, draw_texture, smooth_texture

STREAM = 1  # of random numbers, beside that of the portrait of the same index
SMALLEST, LARGEST = 0.005, 0.6  # radius, fraction of the side
NUM_TEXTURES = 6
NUM_CLUSTERS = 4
NUM_LARGE = 5  # leaves that are drawn first and leave no gap


def scene(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
    """A drawn scene.

    The same arguments give the same picture, in any order and in any number of threads, and another
    side gives the same scene. At 1024 pixels it takes about half a second of one core.

    Args:
        index: which scene, >= 0.
        seed: which collection of scenes, >= 0.
        side: width and height, in pixels, even, at least 64.

    Returns:
        uint8, (side, side, 3), RGB, 0..255, sRGB.

    Raises:
        ValueError: if the side is odd or smaller than 64.
    """
    check_side(side)
    rng = np.random.default_rng([seed, index, STREAM])
    canvas = np.zeros((side, side, 3), np.uint8)
    palette = draw_palette(rng)
    tiles = [smooth_texture(rng), *(draw_texture(rng) for _ in range(NUM_TEXTURES - 1))]
    tiles = [_at_scale(tile, side) for tile in tiles]
    _draw_things(rng, canvas, palette, tiles)
    _light(rng, canvas)
    grain = rng.uniform(0, 2) * rng.standard_normal((side, side, 1), dtype=np.float32)
    return np.clip(canvas + grain + 0.5, 0, 255).astype(np.uint8)


def _at_scale(tile: np.ndarray, side: int) -> np.ndarray:
    """A tile with one pixel for each pixel of the picture."""
    size = round(TILE_SIDE * side / 1024)
    how = cv2.INTER_AREA if size < TILE_SIDE else cv2.INTER_CUBIC
    return cv2.resize(tile, (size, size), interpolation=how)


def _radii(rng: np.random.Generator, num: int, smallest: float) -> np.ndarray:
    """Radii whose density falls with the third power, fraction of the side."""
    part = rng.random(num)
    return (smallest**-2 + part * (LARGEST**-2 - smallest**-2)) ** -0.5


def _places(rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Where things are, (num, 2), fraction of the side, and the cluster of each, -1 for none."""
    anywhere = rng.uniform(-0.1, 1.1, (num, 2))
    centers = rng.uniform(0, 1, (NUM_CLUSTERS, 2))
    spreads = rng.uniform(0.04, 0.25, NUM_CLUSTERS)
    which = rng.integers(0, NUM_CLUSTERS, num)
    gathered = centers[which] + spreads[which, None] * rng.standard_normal((num, 2))
    is_gathered = rng.random(num) < rng.uniform(0.5, 0.98)
    return np.where(is_gathered[:, None], gathered, anywhere), np.where(is_gathered, which, -1)


def _draw_things(
    rng: np.random.Generator, canvas: np.ndarray, palette: np.ndarray, tiles: list[np.ndarray]
) -> None:
    """Covers the canvas from back to front; what is far is out of focus in two scenes of five."""
    odds = rng.dirichlet(6 * np.array(SHAPE_ODDS))
    habit = Habit(rng.uniform(0.1, 0.45), odds, len(tiles))
    num = int(np.exp(rng.uniform(np.log(80), np.log(600))))
    smallest = np.exp(rng.uniform(np.log(SMALLEST), np.log(0.03)))
    large = rng.uniform(0, 1, (NUM_LARGE, 2)), rng.uniform(0.25, 0.7, NUM_LARGE)
    places, clusters = _places(rng, num)
    places = np.concatenate([[(0.5, 0.5)], large[0], places])
    radii = np.concatenate([[2.5], large[1], _radii(rng, num, smallest)])
    clusters = np.concatenate([np.full(1 + NUM_LARGE, -1), clusters])
    colors = palette[rng.integers(len(palette), size=(NUM_CLUSTERS, 2))]
    num_far = int(rng.uniform(0.1, 0.8) * len(radii)) if rng.random() < 0.4 else 0
    softness = np.exp(rng.uniform(np.log(0.003), np.log(0.014)))
    for at, (place, radius, cluster) in enumerate(zip(places, radii, clusters, strict=True)):
        paints = palette if cluster < 0 else colors[cluster]
        paint_leaf(canvas, draw_leaf(rng, paints, place, radius, habit), tiles)
        if rng.random() < 0.006:
            _draw_lines(rng, canvas, palette)
        if at + 1 == num_far:
            soften(canvas, softness * len(canvas))


def _draw_lines(rng: np.random.Generator, canvas: np.ndarray, palette: np.ndarray) -> None:
    """Draws a tuft of hairs, or a few wires or twigs, in place."""
    side = len(canvas)
    num = int(np.exp(rng.uniform(0, np.log(250))))
    first = rng.uniform(0, 1, 2) + rng.normal(0, rng.uniform(0.01, 0.1), (num, 2))
    heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, rng.uniform(0.03, 0.4), num)
    step = np.stack([np.cos(heading), np.sin(heading)], -1) * rng.uniform(0.05, 0.4)
    bend = step[:, ::-1] * (-1, 1) * rng.normal(0, 0.2, (num, 1))
    curves = smooth_curve(np.stack([first, first + step / 2 + bend, first + step], axis=1), 12)
    color = palette[rng.integers(len(palette))]
    thickness = np.exp(rng.uniform(np.log(0.0008), np.log(0.004)))
    for group, part in enumerate(np.array_split(curves, min(4, num))):
        stroke(canvas, part * side, color * (0.7 + 0.2 * group), thickness * side)


def _light(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Lights the whole unevenly in place, as one lamp or window does."""
    side = len(canvas)
    along = np.linspace(-1, 1, side, dtype=np.float32)
    fall = rng.normal(0, 0.22, 2)
    light = 1 + fall[0] * along[None, :] + fall[1] * along[:, None]
    clouds = smooth_noise(rng, side, rng.uniform(0.3, 0.8), 1)
    shade(canvas, np.clip(light * (1 + rng.uniform(0, 0.25) * clouds), 0.3, 1.3))
