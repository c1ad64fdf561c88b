"""Draws scenes of nothing in particular that have the statistics of photographs.

Things of all sizes hide each other, as real objects do. Dead leaves whose radii follow a power law
have the edges, contrasts and spectrum of photographs, whatever the things are. About a third of a
scene is smooth, so that a network learns to leave smooth parts unchanged.

Reference: Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001; Achddou et
al., "VibrantLeaves", arXiv 2504.10201.
"""

import cv2
import numpy as np

from prepare.drawing.canvas import (
    add_grain,
    blank_canvas,
    direction,
    log_uniform,
    shade,
    smooth_curve,
    smooth_noise,
    soften,
    stroke,
)
from prepare.drawing.face import SKIN_TONES
from prepare.drawing.textures import TILE_SIDE, random_texture, smooth_texture
from prepare.drawing.things import NUM_TEXTURES, SHAPE_ODDS, paint_leaf, random_leaf

STREAM = 1  # of random numbers, beside that of the portrait of the same index
SMALLEST, LARGEST = 0.005, 0.6  # radius, fraction of the side
NUM_CLUSTERS = 4
NUM_COLORS = 9
NUM_LARGE = 5  # leaves that are drawn first and leave no gap

# Colors that go together as in photographs.
FAMILIES = (
    SKIN_TONES,
    [(104, 132, 62), (60, 84, 40), (150, 160, 90), (36, 52, 30), (92, 116, 84)],  # leaves
    [(150, 186, 222), (205, 216, 226), (96, 132, 172), (236, 222, 204)],  # sky
    [(150, 122, 92), (110, 84, 60), (186, 164, 134), (72, 56, 44), (204, 190, 168)],  # soil
    [(128, 128, 126), (72, 74, 78), (186, 186, 182), (34, 34, 38), (226, 224, 220)],  # stone
    [(150, 86, 66), (176, 120, 92), (112, 60, 50), (196, 166, 144)],  # brick
    [(52, 74, 92), (28, 40, 58), (92, 122, 132), (148, 172, 172)],  # water
    [(206, 188, 150), (172, 136, 84), (124, 84, 46), (78, 52, 34)],  # wood
)
VIVID = np.array(
    [(196, 40, 44), (228, 168, 36), (34, 96, 172), (38, 140, 90), (214, 92, 40), (150, 64, 130)],
    np.float64,
)
NEUTRALS = np.array([(38, 37, 40), (228, 226, 222), (80, 78, 78)], np.float64)


def scene(index: int, seed: int = 0, side: int = 1024) -> np.ndarray:
    """A drawn scene; see `sample_picture`."""
    canvas = blank_canvas(side)
    rng = np.random.default_rng([seed, index, STREAM])
    palette = random_palette(rng)
    tiles = [smooth_texture(rng), *(random_texture(rng) for _ in range(NUM_TEXTURES - 1))]
    size = round(TILE_SIDE * side / 1024)
    how = cv2.INTER_AREA if size < TILE_SIDE else cv2.INTER_CUBIC
    tiles = [cv2.resize(tile, (size, size), interpolation=how) for tile in tiles]
    draw_things(rng, canvas, palette, tiles)
    light_unevenly(rng, canvas)
    return add_grain(rng, canvas, rng.uniform(0, 2))


def random_palette(rng: np.random.Generator) -> np.ndarray:
    """Colors of one scene, float64, (NUM_COLORS, 3), RGB, 30..215.

    They are muted ones of two families, with neutral and rarely vivid ones.
    """
    first, second = rng.choice(len(FAMILIES), 2, replace=False)
    num_neutral, num_vivid = rng.integers(1, 3), rng.integers(0, 2)
    parts = [
        rng.choice(FAMILIES[second], NUM_COLORS // 3),
        rng.choice(NEUTRALS, num_neutral),
        rng.choice(VIVID, num_vivid),
    ]
    num_left = NUM_COLORS - sum(len(part) for part in parts)
    colors = np.concatenate([rng.choice(FAMILIES[first], num_left), *parts])
    colors *= rng.lognormal(0, 0.3, (NUM_COLORS, 1)) * rng.normal(1, 0.03, (NUM_COLORS, 3))
    return np.clip(colors, 30, 215)


def random_places(rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Where things are, (num, 2), fraction of the side, and the cluster of each, -1 for none."""
    anywhere = rng.uniform(-0.1, 1.1, (num, 2))
    centers = rng.uniform(0, 1, (NUM_CLUSTERS, 2))
    spreads = rng.uniform(0.04, 0.25, NUM_CLUSTERS)
    which = rng.integers(0, NUM_CLUSTERS, num)
    gathered = centers[which] + spreads[which, None] * rng.standard_normal((num, 2))
    is_gathered = rng.random(num) < rng.uniform(0.5, 0.98)
    return np.where(is_gathered[:, None], gathered, anywhere), np.where(is_gathered, which, -1)


def draw_things(
    rng: np.random.Generator, canvas: np.ndarray, palette: np.ndarray, tiles: list[np.ndarray]
) -> None:
    """Covers the canvas from back to front; what is far is out of focus in two scenes of five."""
    odds = rng.dirichlet(6 * np.array(SHAPE_ODDS))
    smooth_share = rng.uniform(0.1, 0.45)
    num = int(log_uniform(rng, 80, 600))
    smallest = log_uniform(rng, SMALLEST, 0.03)
    large = rng.uniform(0, 1, (NUM_LARGE, 2)), rng.uniform(0.25, 0.7, NUM_LARGE)
    places, clusters = random_places(rng, num)
    places = np.concatenate([[(0.5, 0.5)], large[0], places])
    # Their density falls with the third power.
    radii = (smallest**-2 + rng.random(num) * (LARGEST**-2 - smallest**-2)) ** -0.5
    radii = np.concatenate([[2.5], large[1], radii])
    clusters = np.concatenate([np.full(1 + NUM_LARGE, -1), clusters])
    colors = palette[rng.integers(len(palette), size=(NUM_CLUSTERS, 2))]
    num_far = int(rng.uniform(0.1, 0.8) * len(radii)) if rng.random() < 0.4 else 0
    softness = log_uniform(rng, 0.003, 0.014)
    for at, (place, radius, cluster) in enumerate(zip(places, radii, clusters, strict=True)):
        paints = palette if cluster < 0 else colors[cluster]
        paint_leaf(canvas, random_leaf(rng, paints, place, radius, smooth_share, odds), tiles)
        if rng.random() < 0.006:
            draw_lines(rng, canvas, palette)
        if at + 1 == num_far:
            soften(canvas, softness * len(canvas))


def draw_lines(rng: np.random.Generator, canvas: np.ndarray, palette: np.ndarray) -> None:
    """Draws a tuft of hairs, or a few wires or twigs, in place."""
    side = len(canvas)
    num = int(np.exp(rng.uniform(0, np.log(250))))
    first = rng.uniform(0, 1, 2) + rng.normal(0, rng.uniform(0.01, 0.1), (num, 2))
    heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, rng.uniform(0.03, 0.4), num)
    step = direction(heading) * rng.uniform(0.05, 0.4)
    bend = step[:, ::-1] * (-1, 1) * rng.normal(0, 0.2, (num, 1))
    curves = smooth_curve(np.stack([first, first + step / 2 + bend, first + step], axis=1), 12)
    color = palette[rng.integers(len(palette))]
    thickness = log_uniform(rng, 0.0008, 0.004)
    for group, part in enumerate(np.array_split(curves, min(4, num))):
        stroke(canvas, part * side, color * (0.7 + 0.2 * group), thickness * side)


def light_unevenly(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Lights the whole unevenly in place, as one lamp or window does."""
    side = len(canvas)
    along = np.linspace(-1, 1, side, dtype=np.float32)
    fall = rng.normal(0, 0.22, 2)
    light = 1 + fall[0] * along[None, :] + fall[1] * along[:, None]
    clouds = smooth_noise(rng, side, rng.uniform(0.3, 0.8), 1)
    shade(canvas, np.clip(light * (1 + rng.uniform(0, 0.25) * clouds), 0.3, 1.3))
