"""Outlines of things: closed polygons in a disc of radius 1, smooth, angular, concave or ragged."""

from collections.abc import Sequence

import numpy as np

from prepare.drawing.canvas import ellipse, smooth_curve


def _blob(rng: np.random.Generator) -> np.ndarray:
    """A smooth closed curve with bays, (96, 2)."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    waves = np.arange(2, 8)
    strength = rng.normal(0, 0.32, len(waves)) / waves**0.7
    phase = rng.uniform(0, 2 * np.pi, len(waves))
    radius = np.exp((strength * np.cos(angle[:, None] * waves + phase)).sum(axis=1))
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


def _polygon(rng: np.random.Generator) -> np.ndarray:
    """3 to 9 corners at unequal distances, some of them bays, (num_corners, 2)."""
    num_corners = int(rng.integers(3, 10))
    angle = np.sort(rng.uniform(-0.35, 0.35, num_corners) + np.arange(num_corners))
    angle *= 2 * np.pi / num_corners
    radius = rng.uniform(0.4, 1, num_corners)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


def _box(rng: np.random.Generator) -> np.ndarray:
    """A rectangle, now and then leaning, (4, 2)."""
    tall, lean = rng.uniform(0.2, 1), rng.normal(0, 0.12)
    return np.array([(-1, -tall), (1, -tall), (1 + lean, tall), (-1 + lean, tall)])


def _round(rng: np.random.Generator) -> np.ndarray:
    return ellipse((0, 0), 1, rng.uniform(0.45, 1), 64)


def _blade(rng: np.random.Generator) -> np.ndarray:
    """The leaf of a plant: two bows that meet in points, (48, 2)."""
    along = np.linspace(-1, 1, 24)
    bow = rng.uniform(0.15, 0.5) * (1 - along**2) ** rng.uniform(0.8, 1.6)
    bend = rng.normal(0, 0.25) * along**2
    upper, lower = np.stack([along, bend + bow], -1), np.stack([along, bend - bow], -1)
    return np.concatenate([upper, lower[::-1]])


def _band(rng: np.random.Generator) -> np.ndarray:
    """A bent strip: a branch, a cable, a limb, (64, 2)."""
    across = rng.normal(0, 0.3, 5)
    spine = smooth_curve(np.stack([np.linspace(-1, 1, 5), across], -1), 32)
    taper = np.linspace(1, rng.uniform(0.3, 1.2), 32)[:, None]
    slope = np.gradient(spine, axis=0)
    normal = slope[:, ::-1] * (-1, 1) / np.linalg.norm(slope, axis=1, keepdims=True)
    width = np.exp(rng.uniform(np.log(0.02), np.log(0.25)))
    return np.concatenate([spine + width * taper * normal, (spine - width * taper * normal)[::-1]])


def _ragged(rng: np.random.Generator) -> np.ndarray:
    """A coast: an outline with detail at every scale, (400, 2)."""
    num = 400
    spectrum = rng.normal(size=num // 2 + 1) + 1j * rng.normal(size=num // 2 + 1)
    waves = np.arange(num // 2 + 1)
    spectrum[0] = 0
    spectrum[1:] *= waves[1:] ** -rng.uniform(1.1, 1.8)
    rough = np.fft.irfft(spectrum, num)
    radius = np.exp(0.28 * rough / rough.std())
    angle = np.linspace(0, 2 * np.pi, num, endpoint=False)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


SHAPES = (_blob, _polygon, _box, _round, _blade, _band, _ragged)
SHAPE_ODDS = (0.28, 0.16, 0.16, 0.08, 0.12, 0.12, 0.08)


def draw_outline(
    rng: np.random.Generator, odds: Sequence[float] | np.ndarray = SHAPE_ODDS
) -> np.ndarray:
    """One outline of any kind, turned at random.

    Args:
        rng: source of chance.
        odds: chance of each of SHAPES, sums to 1.

    Returns:
        float64, (num_points, 2), closed, its farthest point at distance 1 from the origin.
    """
    outline = SHAPES[rng.choice(len(SHAPES), p=odds)](rng)
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    outline = outline @ np.array([(cos, sin), (-sin, cos)])
    return outline / np.linalg.norm(outline, axis=1).max()
