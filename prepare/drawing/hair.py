"""Hair of the head and beard, strand by strand.

Scalp hair lives in a shell around the skull. A point in it has two coordinates: `along`, 0 at the
parting and growing down the side of the head to 6 at the chest, and `out`, 0 at the hairline and 1
at the silhouette. A hairstyle is a way for strands to run through the shell.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from prepare.drawing.canvas import direction
from prepare.drawing.face import Face, Sitter
from prepare.drawing.head import half_width

HAIRLINE = [
    (0.0, -1.12), (0.55, -1.02), (0.9, -0.62), (1.08, -0.05), (1.1, 0.6), (1.08, 1.3), (1.0, 2.2),
]  # fmt: skip
SILHOUETTE = [
    (0.0, -1.92), (0.75, -1.8), (1.22, -1.2), (1.33, -0.3), (1.36, 0.6), (1.42, 1.4), (1.4, 2.5),
]  # fmt: skip
STYLE_LENGTH = {  # in the coordinate `along`
    "parted": 3.1, "swept": 2.9, "buzzed": 2.9, "curly": 3.6, "bob": 4.6, "wavy": 6.0, "long": 6.0,
}  # fmt: skip
WAVE_SIZE = {"wavy": 0.07, "long": 0.02, "bob": 0.015}
BEARDS = {  # length in face units, number of hairs
    "stubble": (0.025, 9000), "mustache": (0.12, 7000), "short": (0.09, 9000), "full": (0.26, 9000),
}  # fmt: skip

Strands = tuple[np.ndarray, np.ndarray, np.ndarray]  # along and out of their points, their lock


class HairShell:
    """Maps (along, out) to face units for one head of hair."""

    def __init__(self, sitter: Sitter, parting: float, volume: float, fringe: float):
        """Lays out the shell.

        The parting is an x, and the fringe how far the hair falls into the forehead, in face units;
        `volume` is a factor on the thickness of the hair.
        """
        hairline, silhouette = np.array(HAIRLINE), np.array(SILHOUETTE)
        broad = sitter.face_width / 1.08
        hairline[:, 0] *= broad
        hairline[:3, 1] += fringe
        hairline[:4, 1] -= 0.12 * sitter.age * sitter.masculine
        silhouette[:, 0] *= broad
        silhouette += (silhouette - hairline) * (volume - 1) * 0.8
        knots = np.arange(len(HAIRLINE))
        self.parting = parting
        self.hairline = CubicSpline(knots, hairline, bc_type="natural")
        self.silhouette = CubicSpline(knots, silhouette, bc_type="natural")

    def at(self, along: np.ndarray, out: np.ndarray, sign: ArrayLike) -> np.ndarray:
        """Points, (..., 2), face units; sign is -1 for the left half of the picture, else 1."""
        along = np.clip(along, 0, 6)
        inner, outer = self.hairline(along), self.silhouette(along)
        points = inner + (outer - inner) * np.asarray(out)[..., None]
        nearness = np.clip(1 - along / 1.5, 0, 1)
        points[..., 0] = points[..., 0] * sign + self.parting * nearness
        return points

    def outline(self, length: float) -> np.ndarray:
        """The region of the hair as a polygon, (240, 2), face units."""
        along = np.linspace(0, length, 60)
        ones = np.ones(60)
        halves = [self.at(along, ones * out, sign) for out in (1, 0) for sign in (1, -1)]
        return np.concatenate([halves[1][::-1], halves[0], halves[2][::-1], halves[3]])


def strand_brightness(
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


def combed(rng: np.random.Generator, num: int, length: float) -> Strands:
    """Strands that run down from the parting."""
    lock = rng.integers(0, 60, num) / 60
    out = np.clip(lock + rng.normal(0, 0.03, num), -0.05, 1.07)
    start = rng.uniform(-0.3, length - 0.5, num)
    reach = rng.uniform(0.6, 1.8, num)
    steps = np.linspace(0, 1, 12)
    ragged = length + rng.normal(0, 0.12, num)
    along = np.minimum(start[:, None] + reach[:, None] * steps, ragged[:, None])
    drift = rng.normal(0, 0.13, num)[:, None] * steps
    return along, out[:, None] + drift, lock


def swept(rng: np.random.Generator, num: int, length: float) -> Strands:
    """Strands combed back: from the hairline towards the silhouette."""
    lock = rng.integers(0, 60, num) / 60
    along = lock * length + rng.normal(0, 0.04, num)
    start = rng.uniform(-0.03, 0.75, num)
    reach = rng.uniform(0.2, 0.5, num)
    steps = np.linspace(0, 1, 10)
    out = np.minimum(start[:, None] + reach[:, None] * steps, 1.04)
    lean = 0.35 * np.sin(lock * 9)[:, None] * steps**2
    return np.abs(along[:, None] + lean), out, lock


def cropped(rng: np.random.Generator, num: int, length: float) -> Strands:
    """Short hairs that stand up all over."""
    along = rng.uniform(0, length, num)
    out = rng.uniform(-0.02, 0.92, num)
    steps = np.linspace(0, 1, 3)
    tilt = rng.normal(0.12, 0.08, num)
    return along[:, None] + tilt[:, None] * steps, out[:, None] + 0.09 * steps, rng.random(num)


def coil(rng: np.random.Generator, curves: np.ndarray, size: float) -> np.ndarray:
    """Winds strands into loops of a radius in face units."""
    num = len(curves)
    turns = np.linspace(0, 1, curves.shape[1]) * rng.uniform(5, 11, num)[:, None]
    turns = turns + rng.uniform(0, 2 * np.pi, num)[:, None]
    radius = size * rng.uniform(0.5, 1.2, num)[:, None]
    return curves + radius[..., None] * direction(turns)


def wave(curves: np.ndarray, lock: np.ndarray, size: float) -> np.ndarray:
    """Bends strands sideways in step with their lock."""
    phase = curves[..., 1] * 7 + np.sin(lock * 23)[:, None] * 3
    return curves + size * np.stack([np.sin(phase), np.zeros_like(phase)], -1)


def draw_hair(face: Face, shell: HairShell) -> None:
    """Draws the hair over the head; nothing for the bald."""
    rng, sitter, style = face.rng, face.sitter, face.sitter.hair_style
    if style == "bald":
        return
    length, is_curly = STYLE_LENGTH[style], style == "curly"
    face.fill(shell.outline(min(length, 3.2) - 0.2), sitter.hair * 0.34)
    num = 2600 if is_curly else 4200
    run = {"swept": swept, "buzzed": cropped}.get(style, combed)
    along, out, lock = run(rng, num, length)
    curves = shell.at(along, out, rng.choice([-1.0, 1.0], num)[:, None])
    if is_curly:
        finer = np.linspace(0, curves.shape[1] - 1, 26)
        left = np.clip(finer.astype(int), 0, curves.shape[1] - 2)
        part = (finer - left)[:, None]
        curves = coil(rng, curves[:, left] * (1 - part) + curves[:, left + 1] * part, 0.075)
    else:
        curves = wave(curves, lock, WAVE_SIZE.get(style, 0.008))
    brightness = strand_brightness(rng, sitter, curves, lock, 0.25 if is_curly else 0.08)
    face.strands(curves, sitter.hair, brightness, 0.012)


def draw_back_hair(face: Face, shell: HairShell) -> None:
    """Draws the long hair that falls behind the neck."""
    rng, sitter = face.rng, face.sitter
    length = STYLE_LENGTH.get(sitter.hair_style, 0)
    if length < 4:
        return
    along = np.linspace(1.5, length, 40)
    right, left = (shell.at(along, np.full(40, 0.9), sign) for sign in (1, -1))
    face.fill(np.concatenate([right, left[::-1]]), sitter.hair * 0.25)
    top = rng.uniform(-1.2, 1.2, 700)
    drop = np.linspace(0.3, right[-1, 1], 10)
    curves = np.stack(np.broadcast_arrays(top[:, None] * (0.9 + 0.1 * drop), drop), -1)
    curves = wave(curves, top, 0.04) + rng.normal(0, 0.03, (700, 1, 2))
    face.strands(curves, sitter.hair, rng.uniform(0.15, 0.6, 700), 1 / face.unit_px)


def beard_roots(rng: np.random.Generator, sitter: Sitter, num: int) -> np.ndarray:
    """Where beard hairs grow, (at most num, 2), face units."""
    y = rng.uniform(0.3, 1.78, num)
    x = rng.uniform(-1, 1, num) * half_width(sitter, y) * 0.985
    cheek = y > 1.3 - 0.95 * np.clip(np.abs(x) - 0.28, 0, 1) ** 0.8
    cheek &= y > 0.3 + 1.6 * np.clip(0.97 - np.abs(x), 0, 0.6)
    lips = (x / 0.46) ** 2 + ((y - 1.09) / 0.17) ** 2 < 1
    over_lips = (np.abs(x) < 0.5) & (y > 0.8 + 0.25 * np.abs(x)) & (y < 1.12)
    grows = {"mustache": over_lips}.get(sitter.beard, cheek | over_lips) & ~lips
    return np.stack([x, y], -1)[grows]


def draw_beard(face: Face) -> None:
    """Draws stubble, mustache or beard, hair by hair."""
    rng, sitter = face.rng, face.sitter
    if sitter.beard == "none":
        return
    length, num = BEARDS[sitter.beard]
    roots = beard_roots(rng, sitter, num)
    num = len(roots)
    heading = np.stack([roots[:, 0] * 0.9, np.full(num, 0.8)], -1) + rng.normal(0, 0.25, (num, 2))
    reach = length * rng.uniform(0.5, 1.1, num) * np.clip(roots[:, 1] - 0.2, 0.3, 1)
    step = heading * reach[:, None]
    curl = rng.normal(0, 0.2, (num, 2)) * reach[:, None]
    curves = np.stack([roots, roots + step * 0.5 + curl, roots + step], axis=1)
    brightness = strand_brightness(rng, sitter, curves, rng.random(num)) * 0.8
    color = sitter.hair if sitter.hair_style != "bald" else sitter.skin * 0.4
    face.strands(curves, color, brightness, 0.004 if sitter.beard == "stubble" else 0.009, 0.3)
