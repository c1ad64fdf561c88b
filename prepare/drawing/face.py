"""Random traits and pose of the sitter, and drawing in face units.

In face units the origin lies midway between the eyes, x points right and y down in the picture, and
1 is the distance between the pupils.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from prepare.drawing.canvas import blend, coverage, fill, strands, stroke

SKIN_TONES = np.array([
    (238, 202, 182), (230, 188, 162), (218, 168, 134), (192, 138, 102),
    (156, 104, 74), (116, 75, 54), (84, 54, 42),
])  # fmt: skip
DARK_HAIR = [(38, 31, 29), (54, 40, 32), (78, 54, 38)]
LIGHT_HAIR = [(112, 76, 48), (140, 72, 40), (188, 140, 84), (200, 166, 116), (166, 112, 62)]
GRAY_HAIR = [(140, 138, 136), (178, 176, 172), (96, 92, 90)]
DYED_HAIR = [(190, 84, 112), (64, 120, 168), (120, 70, 150)]
DARK_IRISES = [(92, 60, 36), (70, 44, 30), (110, 92, 50)]
LIGHT_IRISES = [(88, 118, 84), (84, 124, 158), (128, 142, 150)]
HAIR_STYLES = ("parted", "swept", "curly", "buzzed", "bob", "long", "wavy", "bald")
HAIR_ODDS = (0.18, 0.14, 0.14, 0.08, 0.13, 0.13, 0.11, 0.09)
BEARDS = ("none", "stubble", "mustache", "short", "full")
BEARD_ODDS = (0.3, 0.24, 0.1, 0.22, 0.14)

EYE_DEPTH, MOUTH_DEPTH, NOSE_DEPTH = 0.35, 0.42, 0.6  # face units over the plane of the turn


@dataclass(frozen=True)
class Sitter:
    """Everything that stays the same in all parts of one portrait. Colors are RGB, 0..255."""

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    hair_style: str
    beard: str
    masculine: bool
    age: float  # 0 young .. 1 old
    freckles: float  # 0 none .. 1 many
    smile: float  # 0 straight lips .. 1 teeth show
    face_width: float  # half width of the head, face units
    jaw_taper: float  # 0 square .. 0.25 pointed
    nose_width: float  # factor
    lip_fullness: float  # factor
    eye_opening: float  # factor
    light: np.ndarray  # unit vector towards the light: right, down, to the viewer
    skin_detail: float  # 0 smooth .. 1 with every pore, freckle and wrinkle


@dataclass(frozen=True)
class Face:
    """A face in a picture: whose it is, how it is held, and the canvas it is drawn on.

    It is held by a similarity, and a sideways turn as parallax.
    """

    rng: np.random.Generator
    canvas: np.ndarray  # uint8, (side, side, 3) RGB
    sitter: Sitter
    unit_px: float  # one face unit
    center_px: np.ndarray  # x and y of the point midway between the eyes
    roll_rad: float  # clockwise tilt of the head
    turn: float  # sideways shift of features, face units per unit of depth

    @property
    def side(self) -> int:
        return len(self.canvas)

    def on(self, canvas: np.ndarray) -> "Face":
        """The same face, to be drawn on another canvas of its size."""
        return replace(self, canvas=canvas)

    def px(self, points: ArrayLike, depth: float = 0.0) -> np.ndarray:
        """Face units, (..., 2), to pixels; depth is how far the points stand out, face units."""
        turned = np.asarray(points, float) + np.array([self.turn * depth, 0.0])
        cos, sin = np.cos(self.roll_rad), np.sin(self.roll_rad)
        rotation = np.array([(cos, sin), (-sin, cos)])
        return turned @ rotation * self.unit_px + self.center_px

    def grid(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Face coordinates of the pixels of a picture reduced to `side`, two float32 squares."""
        step = self.side / side
        along = ((np.arange(side) + 0.5) * step - 0.5).astype(np.float32)
        x = (along - self.center_px[0])[None, :] / self.unit_px
        y = (along - self.center_px[1])[:, None] / self.unit_px
        cos, sin = np.float32(np.cos(self.roll_rad)), np.float32(np.sin(self.roll_rad))
        return (cos * x + sin * y).astype(np.float32), (cos * y - sin * x).astype(np.float32)

    def fill(self, points: ArrayLike, color: ArrayLike, depth: float = 0.0) -> None:
        fill(self.canvas, self.px(points, depth), color)

    def stroke(self, curves: ArrayLike, color: ArrayLike, width: float, depth: float = 0.0) -> None:
        """Draws curves in face units, as wide as `width` face units."""
        stroke(self.canvas, self.px(curves, depth), color, width * self.unit_px)

    def strands(
        self,
        curves: np.ndarray,
        color: np.ndarray,
        brightness: np.ndarray,
        width: float,
        depth: float = 0.0,
        num_shades: int = 16,
    ) -> None:
        """Draws hairs in face units, as wide as `width` face units; see `canvas.strands`."""
        curves_px = self.px(curves, depth)
        strands(self.canvas, curves_px, color, brightness, width * self.unit_px, num_shades)

    def inside(
        self, outline: ArrayLike, depth: float = 0.0, softness_px: float = 0.0
    ) -> np.ndarray:
        """How much of every pixel lies inside an outline; see `canvas.coverage`."""
        return coverage(self.side, self.px(outline, depth), softness_px)

    def blend(self, layer: ArrayLike, opacity: np.ndarray) -> None:
        blend(self.canvas, layer, opacity)


def random_face(rng: np.random.Generator, canvas: np.ndarray) -> Face:
    """A face as in aligned photographs: eyes near fixed places, a slight tilt and turn."""
    sitter, side = random_sitter(rng), len(canvas)
    center = np.array([0.5, 0.475]) + rng.normal(0, (0.012, 0.01))
    return Face(
        rng=rng,
        canvas=canvas,
        sitter=sitter,
        unit_px=side * rng.uniform(0.215, 0.25),
        center_px=center * side,
        roll_rad=np.deg2rad(np.clip(rng.normal(0, 5), -12, 12)),
        turn=np.clip(rng.normal(0, 0.12), -0.25, 0.25),
    )


def random_sitter(rng: np.random.Generator) -> Sitter:
    """A sitter of any age, origin and sex."""
    tone = rng.uniform(0, len(SKIN_TONES) - 1)
    skin = [np.interp(tone, np.arange(len(SKIN_TONES)), channel) for channel in SKIN_TONES.T]
    darkness = tone / (len(SKIN_TONES) - 1)
    masculine = rng.random() < 0.5
    age = rng.random() ** 1.5
    light = np.array([rng.choice([-1, 1]) * rng.uniform(0.25, 0.75), rng.uniform(-0.7, -0.3), 0.8])
    style = rng.choice(HAIR_STYLES, p=HAIR_ODDS)
    if style in (("bob", "long", "wavy") if masculine else ("bald", "buzzed")):  # less often
        style = rng.choice(HAIR_STYLES, p=HAIR_ODDS)
    irises = DARK_IRISES + LIGHT_IRISES if darkness < 0.5 else DARK_IRISES
    return Sitter(
        skin=np.array(skin) * rng.normal(1, 0.025, 3),
        hair=hair_color(rng, darkness, age),
        iris=pick(rng, irises),
        hair_style=str(style),
        beard=str(rng.choice(BEARDS, p=BEARD_ODDS)) if masculine else "none",
        masculine=masculine,
        age=age,
        freckles=max(0.0, rng.uniform(-1.2, 1)) * (1 - darkness),
        smile=max(0.0, rng.uniform(-0.2, 1)),
        face_width=rng.uniform(1.02, 1.14) + 0.03 * masculine,
        jaw_taper=rng.uniform(0.06, 0.22) - 0.06 * masculine,
        nose_width=rng.uniform(0.85, 1.2) + 0.15 * darkness,
        lip_fullness=rng.uniform(0.75, 1.2) + 0.2 * darkness - 0.1 * masculine,
        eye_opening=rng.uniform(0.8, 1.15),
        light=light / np.linalg.norm(light),
        skin_detail=rng.random(),
    )


def hair_color(rng: np.random.Generator, darkness: float, age: float) -> np.ndarray:
    if rng.random() < 0.04:
        return pick(rng, DYED_HAIR)
    if rng.random() < 0.75 * age:
        return pick(rng, GRAY_HAIR)
    return pick(rng, DARK_HAIR if rng.random() < 0.25 + darkness else LIGHT_HAIR)


def pick(rng: np.random.Generator, colors: list[tuple[int, int, int]]) -> np.ndarray:
    """One of several colors, a little lighter or darker, redder or bluer."""
    color = np.array(colors[int(rng.integers(len(colors)))], np.float64)
    return np.clip(color * rng.uniform(0.88, 1.12) * rng.normal(1, 0.025, 3), 12, 250)
