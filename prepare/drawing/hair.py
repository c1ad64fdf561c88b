"""Hair of the head and beard, strand by strand.

Scalp hair lives in a shell around the skull. A point in it has two coordinates: `along`, 0 at the
parting and growing down the side of the head to 6 at the chest, and `out`, 0 at the hairline and 1
at the silhouette. A hairstyle is a way for strands to run through the shell.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from prepare.drawing.canvas import fill, strands
from prepare.drawing.sitter import Pose, Sitter
from prepare.drawing.skin import half_width

HAIRLINE = [
    (0.0, -1.12),
    (0.55, -1.02),
    (0.9, -0.62),
    (1.08, -0.05),
    (1.1, 0.6),
    (1.08, 1.3),
    (1.0, 2.2),
]
SILHOUETTE = [
    (0.0, -1.92),
    (0.75, -1.8),
    (1.22, -1.2),
    (1.33, -0.3),
    (1.36, 0.6),
    (1.42, 1.4),
    (1.4, 2.5),
]
STYLE_LENGTH = {  # in the coordinate `along`
    "parted": 3.1,
    "swept": 2.9,
    "buzzed": 2.9,
    "curly": 3.6,
    "bob": 4.6,
    "wavy": 6.0,
    "long": 6.0,
}


class HairShell:
    """Maps (along, out) to face units for one head of hair."""

    def __init__(self, sitter: Sitter, parting: float, volume: float, fringe: float):
        """Lays out the shell.

        Args:
            sitter: whose hair it is.
            parting: x of the parting, face units.
            volume: factor on the thickness of the hair, about 1.
            fringe: how far the hair falls into the forehead, face units; may be negative.
        """
        hairline, silhouette = np.array(HAIRLINE), np.array(SILHOUETTE)
        broad = sitter.face_width / 1.08
        hairline[:, 0] *= broad
        hairline[:3, 1] += fringe
        hairline[:4, 1] -= 0.12 * sitter.age * sitter.masculine
        silhouette[:, 0] *= broad
        silhouette += (silhouette - hairline) * (volume - 1) * 0.8
        knots = np.arange(len(HAIRLINE))
        self._parting = parting
        self._hairline = CubicSpline(knots, hairline, bc_type="natural")
        self._silhouette = CubicSpline(knots, silhouette, bc_type="natural")

    def at(self, along: np.ndarray, out: np.ndarray, sign: ArrayLike) -> np.ndarray:
        """Points, (..., 2), face units; sign is -1 for the left half of the picture, else 1."""
        along = np.clip(along, 0, 6)
        inner, outer = self._hairline(along), self._silhouette(along)
        points = inner + (outer - inner) * np.asarray(out)[..., None]
        nearness = np.clip(1 - along / 1.5, 0, 1)
        points[..., 0] = points[..., 0] * sign + self._parting * nearness
        return points

    def outline(self, length: float) -> np.ndarray:
        """The region of the hair as a polygon, (240, 2), face units."""
        along = np.linspace(0, length, 60)
        ones = np.ones(60)
        halves = [self.at(along, ones * out, sign) for out in (1, 0) for sign in (1, -1)]
        return np.concatenate([halves[1][::-1], halves[0], halves[2][::-1], halves[3]])


def _brightness(
    rng: np.random.Generator,
    sitter: Sitter,
    curves: np.ndarray,
    lock: np.ndarray,
    spread: float = 0.07,
) -> np.ndarray:
    """Light on each strand: a ball lit like the face, a glossy band, and chance per lock."""
    place = curves[:, curves.shape[1] // 4]
    x, y = place[:, 0] / 1.8, (place[:, 1] + 0.1) / 2.2
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0.05, 1))
    facing = np.clip(x * sitter.light[0] + y * sitter.light[1] + z * sitter.light[2], 0, 1)
    gloss = np.exp(-(((facing - 0.86) / 0.09) ** 2))
    lit = (0.3 + 0.6 * facing + 0.35 * gloss) * (1 + 0.2 * np.sin(lock * 2999))
    unclipped = 240 / sitter.hair.max()  # brighter hair would lose its color
    return np.clip(lit + rng.normal(0, spread, len(curves)), 0.15, min(1.4, unclipped))


def _combed(
    rng: np.random.Generator, num: int, length: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strands that run down from the parting: (along, out) of their points, and their lock."""
    lock = rng.integers(0, 60, num) / 60
    out = np.clip(lock + rng.normal(0, 0.03, num), -0.05, 1.07)
    start = rng.uniform(-0.3, length - 0.5, num)
    reach = rng.uniform(0.6, 1.8, num)
    steps = np.linspace(0, 1, 12)
    ragged = length + rng.normal(0, 0.12, num)
    along = np.minimum(start[:, None] + reach[:, None] * steps, ragged[:, None])
    drift = rng.normal(0, 0.13, num)[:, None] * steps
    return along, out[:, None] + drift, lock


def _swept(
    rng: np.random.Generator, num: int, length: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strands combed back: from the hairline towards the silhouette."""
    lock = rng.integers(0, 60, num) / 60
    along = lock * length + rng.normal(0, 0.04, num)
    start = rng.uniform(-0.03, 0.75, num)
    reach = rng.uniform(0.2, 0.5, num)
    steps = np.linspace(0, 1, 10)
    out = np.minimum(start[:, None] + reach[:, None] * steps, 1.04)
    lean = 0.35 * np.sin(lock * 9)[:, None] * steps**2
    return np.abs(along[:, None] + lean), out, lock


def _cropped(
    rng: np.random.Generator, num: int, length: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Short hairs that stand up all over."""
    along = rng.uniform(0, length, num)
    out = rng.uniform(-0.02, 0.92, num)
    steps = np.linspace(0, 1, 3)
    tilt = rng.normal(0.12, 0.08, num)
    return along[:, None] + tilt[:, None] * steps, out[:, None] + 0.09 * steps, rng.random(num)


def _coil(rng: np.random.Generator, curves: np.ndarray, size: float) -> np.ndarray:
    """Winds strands into loops of a radius in face units."""
    num = len(curves)
    turns = np.linspace(0, 1, curves.shape[1]) * rng.uniform(5, 11, num)[:, None]
    turns = turns + rng.uniform(0, 2 * np.pi, num)[:, None]
    radius = size * rng.uniform(0.5, 1.2, num)[:, None]
    return curves + radius[..., None] * np.stack([np.cos(turns), np.sin(turns)], -1)


def _wave(curves: np.ndarray, lock: np.ndarray, size: float) -> np.ndarray:
    """Bends strands sideways in step with their lock."""
    phase = curves[..., 1] * 7 + np.sin(lock * 23)[:, None] * 3
    return curves + size * np.stack([np.sin(phase), np.zeros_like(phase)], -1)


def _scalp_strands(
    rng: np.random.Generator, shell: HairShell, sitter: Sitter, num: int, length: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points, (num, num_points, 2) in face units, and lock, (num,), of hair in its style."""
    style = sitter.hair_style
    run = {"swept": _swept, "buzzed": _cropped}.get(style, _combed)
    along, out, lock = run(rng, num, length)
    sign = rng.choice([-1.0, 1.0], num)[:, None]
    curves = shell.at(along, out, sign)
    if style == "curly":
        finer = np.linspace(0, curves.shape[1] - 1, 26)
        left = np.clip(finer.astype(int), 0, curves.shape[1] - 2)
        part = (finer - left)[:, None]
        curves = curves[:, left] * (1 - part) + curves[:, left + 1] * part
        return _coil(rng, curves, 0.075), lock
    size = {"wavy": 0.07, "long": 0.02, "bob": 0.015}.get(style, 0.008)
    return _wave(curves, lock, size), lock


def draw_hair(
    rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter, shell: HairShell
) -> None:
    """Draws the hair over the head in place; nothing for the bald."""
    if sitter.hair_style == "bald":
        return
    length = STYLE_LENGTH[sitter.hair_style]
    num = 4200 if sitter.hair_style != "curly" else 2600
    region = shell.outline(min(length, 3.2) - 0.2)
    fill(canvas, pose.to_px(region), sitter.hair * 0.34)
    curves, lock = _scalp_strands(rng, shell, sitter, num, length)
    spread = 0.25 if sitter.hair_style == "curly" else 0.08
    brightness = _brightness(rng, sitter, curves, lock, spread)
    strands(canvas, pose.to_px(curves), sitter.hair, brightness, 0.012 * pose.eye_distance_px)


def draw_back_hair(
    rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter, shell: HairShell
) -> None:
    """Draws in place the long hair that falls behind the neck."""
    length = STYLE_LENGTH.get(sitter.hair_style, 0)
    if length < 4:
        return
    along = np.linspace(1.5, length, 40)
    right = shell.at(along, np.full(40, 0.9), 1)
    left = shell.at(along, np.full(40, 0.9), -1)
    fill(canvas, pose.to_px(np.concatenate([right, left[::-1]])), sitter.hair * 0.25)
    top = rng.uniform(-1.2, 1.2, 700)
    drop = np.linspace(0.3, right[-1, 1], 10)
    curves = np.stack(np.broadcast_arrays(top[:, None] * (0.9 + 0.1 * drop), drop), -1)
    curves = _wave(curves, top, 0.04) + rng.normal(0, 0.03, (700, 1, 2))
    strands(canvas, pose.to_px(curves), sitter.hair, rng.uniform(0.15, 0.6, 700))


def _beard_roots(rng: np.random.Generator, sitter: Sitter, num: int) -> np.ndarray:
    """Where beard hairs grow, (at most num, 2), face units."""
    y = rng.uniform(0.3, 1.78, num)
    x = rng.uniform(-1, 1, num) * half_width(sitter, y) * 0.985
    cheek = y > 1.3 - 0.95 * np.clip(np.abs(x) - 0.28, 0, 1) ** 0.8
    cheek &= y > 0.3 + 1.6 * np.clip(0.97 - np.abs(x), 0, 0.6)
    lips = (x / 0.46) ** 2 + ((y - 1.09) / 0.17) ** 2 < 1
    over_lips = (np.abs(x) < 0.5) & (y > 0.8 + 0.25 * np.abs(x)) & (y < 1.12)
    grows = {"mustache": over_lips}.get(sitter.beard, cheek | over_lips) & ~lips
    return np.stack([x, y], -1)[grows]


def draw_beard(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws stubble, mustache or beard in place, hair by hair."""
    if sitter.beard == "none":
        return
    length, num = {
        "stubble": (0.025, 9000),
        "mustache": (0.12, 7000),
        "short": (0.09, 9000),
        "full": (0.26, 9000),
    }[sitter.beard]
    roots = _beard_roots(rng, sitter, num)
    num = len(roots)
    heading = np.stack([roots[:, 0] * 0.9, np.full(num, 0.8)], -1) + rng.normal(0, 0.25, (num, 2))
    reach = length * rng.uniform(0.5, 1.1, num) * np.clip(roots[:, 1] - 0.2, 0.3, 1)
    step = heading * reach[:, None]
    curl = rng.normal(0, 0.2, (num, 2)) * reach[:, None]
    curves = np.stack([roots, roots + step * 0.5 + curl, roots + step], axis=1)
    brightness = _brightness(rng, sitter, curves, rng.random(num)) * 0.8
    color = sitter.hair if sitter.hair_style != "bald" else sitter.skin * 0.4
    thickness_px = (0.004 if sitter.beard == "stubble" else 0.009) * pose.eye_distance_px
    strands(canvas, pose.to_px(curves, 0.3), color, brightness, thickness_px)
