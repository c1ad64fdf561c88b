"""Colors that go together as in photographs: muted ones of a few families, with rare vivid ones."""

import numpy as np

from prepare.drawing.sitter import SKIN_TONES

FAMILIES = tuple(
    np.array(colors, np.float64)
    for colors in (
        SKIN_TONES,
        [(104, 132, 62), (60, 84, 40), (150, 160, 90), (36, 52, 30), (92, 116, 84)],  # leaves
        [(150, 186, 222), (205, 216, 226), (96, 132, 172), (236, 222, 204)],  # sky
        [(150, 122, 92), (110, 84, 60), (186, 164, 134), (72, 56, 44), (204, 190, 168)],  # soil
        [(128, 128, 126), (72, 74, 78), (186, 186, 182), (34, 34, 38), (226, 224, 220)],  # stone
        [(150, 86, 66), (176, 120, 92), (112, 60, 50), (196, 166, 144)],  # brick
        [(52, 74, 92), (28, 40, 58), (92, 122, 132), (148, 172, 172)],  # water
        [(206, 188, 150), (172, 136, 84), (124, 84, 46), (78, 52, 34)],  # wood
    )
)
VIVID = np.array(
    [(196, 40, 44), (228, 168, 36), (34, 96, 172), (38, 140, 90), (214, 92, 40), (150, 64, 130)],
    np.float64,
)
NEUTRALS = np.array([(38, 37, 40), (228, 226, 222), (80, 78, 78)], np.float64)


def draw_palette(rng: np.random.Generator, num_colors: int = 9) -> np.ndarray:
    """Colors of one scene, from two families, with neutral and now and then vivid ones among them.

    Args:
        rng: source of chance.
        num_colors: at least 3.

    Returns:
        float64, (num_colors, 3), RGB, 30..215.
    """
    first, second = rng.choice(len(FAMILIES), 2, replace=False)
    num_neutral, num_vivid = rng.integers(1, 3), rng.integers(0, 2)
    num_second = num_colors // 3
    parts = [
        rng.choice(FAMILIES[second], num_second),
        rng.choice(NEUTRALS, num_neutral),
        rng.choice(VIVID, num_vivid),
    ]
    num_left = num_colors - sum(len(part) for part in parts)
    colors = np.concatenate([rng.choice(FAMILIES[first], num_left), *parts])
    colors *= rng.lognormal(0, 0.3, (num_colors, 1)) * rng.normal(1, 0.03, (num_colors, 3))
    return np.clip(colors, 30, 215)
