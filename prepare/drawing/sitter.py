"""Who is portrayed: the traits of a sitter and the pose of the head, drawn at random.

Faces are described in face units: the origin lies midway between the eyes, x points right and y
down in the picture, and 1 is the distance between the pupils.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

SKIN_TONES = np.array(
    [
        (238, 202, 182),
        (230, 188, 162),
        (218, 168, 134),
        (192, 138, 102),
        (156, 104, 74),
        (116, 75, 54),
        (84, 54, 42),
    ]
)
DARK_HAIR = [(38, 31, 29), (54, 40, 32), (78, 54, 38)]
LIGHT_HAIR = [(112, 76, 48), (140, 72, 40), (188, 140, 84), (200, 166, 116), (166, 112, 62)]
GRAY_HAIR = [(140, 138, 136), (178, 176, 172), (96, 92, 90)]
DYED_HAIR = [(190, 84, 112), (64, 120, 168), (120, 70, 150)]
IRIS_COLORS = [
    (92, 60, 36),
    (70, 44, 30),
    (110, 92, 50),
    (88, 118, 84),
    (84, 124, 158),
    (128, 142, 150),
]
HAIR_STYLES = ("parted", "swept", "curly", "buzzed", "bob", "long", "wavy", "bald")
HAIR_ODDS = (0.18, 0.14, 0.14, 0.08, 0.13, 0.13, 0.11, 0.09)
BEARDS = ("none", "stubble", "mustache", "short", "full")
BEARD_ODDS = (0.3, 0.24, 0.1, 0.22, 0.14)

EYE_DEPTH = 0.35  # face units over the plane that the head turns about
MOUTH_DEPTH = 0.42
NOSE_DEPTH = 0.6


@dataclass(frozen=True)
class Pose:
    """Where the head is in the picture: a similarity, and a sideways turn as parallax."""

    side: int  # of the picture, in pixels
    eye_distance_px: float  # one face unit
    center_px: np.ndarray  # x and y of the point midway between the eyes
    roll_rad: float  # clockwise tilt of the head
    turn: float  # sideways shift of features, face units per unit of depth

    def to_px(self, points: ArrayLike, depth: float = 0.0) -> np.ndarray:
        """Face units, (..., 2), to pixels; depth is how far the points stand out, face units."""
        turned = np.asarray(points, float) + np.array([self.turn * depth, 0.0])
        cos, sin = np.cos(self.roll_rad), np.sin(self.roll_rad)
        rotation = np.array([(cos, sin), (-sin, cos)])
        return turned @ rotation * self.eye_distance_px + self.center_px

    def face_grid(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Face coordinates of the pixels of a picture reduced to `side`, two float32 squares."""
        step = self.side / side
        along = ((np.arange(side) + 0.5) * step - 0.5).astype(np.float32)
        x = (along - self.center_px[0])[None, :] / self.eye_distance_px
        y = (along - self.center_px[1])[:, None] / self.eye_distance_px
        cos, sin = np.float32(np.cos(self.roll_rad)), np.float32(np.sin(self.roll_rad))
        return (cos * x + sin * y).astype(np.float32), (cos * y - sin * x).astype(np.float32)


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


def draw_pose(rng: np.random.Generator, side: int) -> Pose:
    """A pose as in aligned face photographs: the eyes near fixed places, a slight tilt and turn.

    Args:
        rng: source of chance.
        side: of the picture, in pixels.
    """
    center = np.array([0.5, 0.475]) + rng.normal(0, (0.012, 0.01))
    return Pose(
        side=side,
        eye_distance_px=side * rng.uniform(0.215, 0.25),
        center_px=center * side,
        roll_rad=np.deg2rad(np.clip(rng.normal(0, 5), -12, 12)),
        turn=np.clip(rng.normal(0, 0.12), -0.25, 0.25),
    )


def _pick(rng: np.random.Generator, colors: Sequence[Any]) -> np.ndarray:
    color = np.array(colors[int(rng.integers(len(colors)))], np.float64)
    return np.clip(color * rng.uniform(0.88, 1.12) * rng.normal(1, 0.025, 3), 12, 250)


def _hair_color(rng: np.random.Generator, darkness: float, age: float) -> np.ndarray:
    if rng.random() < 0.04:
        return _pick(rng, DYED_HAIR)
    if rng.random() < 0.75 * age:
        return _pick(rng, GRAY_HAIR)
    return _pick(rng, DARK_HAIR if rng.random() < 0.25 + darkness else LIGHT_HAIR)


def draw_sitter(rng: np.random.Generator) -> Sitter:
    """A sitter of any age, origin and sex."""
    tone = rng.uniform(0, len(SKIN_TONES) - 1)
    skin = [np.interp(tone, np.arange(len(SKIN_TONES)), channel) for channel in SKIN_TONES.T]
    darkness = tone / (len(SKIN_TONES) - 1)
    masculine = rng.random() < 0.5
    age = rng.random() ** 1.5
    light = np.array([rng.choice([-1, 1]) * rng.uniform(0.25, 0.75), rng.uniform(-0.7, -0.3), 0.8])
    styles = HAIR_STYLES
    style = rng.choice(styles, p=HAIR_ODDS)
    if masculine and style in ("bob", "long", "wavy"):
        style = rng.choice(styles, p=HAIR_ODDS)
    if not masculine and style in ("bald", "buzzed"):
        style = rng.choice(styles, p=HAIR_ODDS)
    return Sitter(
        skin=np.array(skin) * rng.normal(1, 0.025, 3),
        hair=_hair_color(rng, darkness, age),
        iris=_pick(rng, IRIS_COLORS[: 6 if darkness < 0.5 else 3]),
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
