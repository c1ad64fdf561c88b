"""The eyes of a drawn face."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from prepare.drawing.canvas import (
    blend,
    coverage,
    ellipse,
    fill,
    moved,
    smooth_curve,
    strands,
    stroke,
)
from prepare.drawing.sitter import EYE_DEPTH, Pose, Sitter

IRIS_RADIUS = 0.106  # face units: 12 mm across, where the pupils are 63 mm apart

ToPx = Callable[[ArrayLike], np.ndarray]  # from face units, (..., 2), to pixels


def _lid_curves(sitter: Sitter, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the upper and lower lid from the nose outwards, (24, 2), face units."""
    tall = 0.1 * sitter.eye_opening
    upper = [(-0.25, 0.045), (-0.14, -tall * 0.75), (0.01, -tall), (0.15, -tall * 0.6), (0.25, 0.0)]
    lower = [
        (-0.25, 0.045),
        (-0.12, tall * 0.72),
        (0.04, tall * 0.85),
        (0.17, tall * 0.5),
        (0.25, 0.0),
    ]
    place = (sign * 0.5, 0.0)
    return smooth_curve(upper) * (sign, 1) + place, smooth_curve(lower) * (sign, 1) + place


def _draw_iris(
    rng: np.random.Generator,
    canvas: np.ndarray,
    to_px: ToPx,
    sitter: Sitter,
    center: np.ndarray,
    unit_px: float,
) -> None:
    radius = IRIS_RADIUS
    fill(canvas, to_px(ellipse(center, radius, radius)), sitter.iris * 0.38)
    fill(canvas, to_px(ellipse(center, radius * 0.9, radius * 0.9)), sitter.iris * 0.8)
    angle = rng.uniform(0, 2 * np.pi, 110)
    reach = np.stack([rng.uniform(0.3, 0.5, 110), rng.uniform(0.6, 0.93, 110)], -1) * radius
    direction = np.stack([np.cos(angle), np.sin(angle)], -1)
    fibers = center + reach[..., None] * direction[:, None]
    brightness = rng.uniform(0.6, 1.5, 110) + 0.3 * direction[:, 1]
    strands(canvas, to_px(fibers), sitter.iris, brightness, 0.006 * unit_px, 8)
    pupil = radius * rng.uniform(0.36, 0.44)
    fill(canvas, to_px(ellipse(center, pupil, pupil)), (10, 8, 8))


def _catch_light(canvas: np.ndarray, to_px: ToPx, sitter: Sitter, center: np.ndarray) -> None:
    glint = center + sitter.light[:2] * (0.055, 0.07)
    fill(canvas, to_px(ellipse(glint, 0.026, 0.03, 12)), (250, 250, 248))
    fill(canvas, to_px(ellipse(2 * center - glint, 0.009, 0.008, 8)), (120, 122, 128))


def _lashes(
    rng: np.random.Generator, curve: np.ndarray, sign: int, up: float, num_lashes: int
) -> np.ndarray:
    """Curved hairs along a lid, (num_lashes, 3, 2), face units; up is their length, down < 0."""
    along = rng.uniform(0.12, 0.98, num_lashes)
    at = along * (len(curve) - 1)
    root = np.stack([np.interp(at, np.arange(len(curve)), c) for c in curve.T], -1)
    lean = sign * (along - 0.42) * abs(up) * 1.5
    tip = root + np.stack([lean, -up * rng.uniform(0.6, 1.1, num_lashes)], -1)
    middle = (root + tip) / 2 + np.stack([lean * 0.25, np.full(num_lashes, up * 0.12)], -1)
    return np.stack([root, middle, tip], axis=1)


def _draw_lids(
    rng: np.random.Generator,
    canvas: np.ndarray,
    to_px: ToPx,
    sitter: Sitter,
    sign: int,
    unit_px: float,
) -> None:
    """Draws the edges of the lids, the fold over the upper one, and the lashes in place."""
    upper, lower = _lid_curves(sitter, sign)
    dark = sitter.skin * 0.22
    crease = upper[2:-1] - (0, 0.06 * (1.6 - sitter.eye_opening * 0.5))
    stroke(canvas, to_px(crease), sitter.skin * (0.5, 0.4, 0.38), 0.014 * unit_px)
    stroke(canvas, to_px(lower), sitter.skin * (0.78, 0.6, 0.56), 0.014 * unit_px)
    stroke(canvas, to_px(upper), dark, (0.022 + 0.014 * (not sitter.masculine)) * unit_px)
    length = 0.05 if sitter.masculine else 0.085
    lashes = _lashes(rng, upper, sign, length, 46)
    stroke(canvas, to_px(lashes), dark * 0.6, 0.004 * unit_px)
    stroke(canvas, to_px(_lashes(rng, lower, sign, -0.04, 26)), dark, 0.004 * unit_px)


def draw_eye(
    rng: np.random.Generator,
    canvas: np.ndarray,
    pose: Pose,
    sitter: Sitter,
    sign: int,
    gaze: np.ndarray,
) -> None:
    """Draws one eye in place.

    Args:
        rng: source of chance.
        canvas: uint8, (side, side, 3) RGB.
        pose: where the head is.
        sitter: whose eye it is.
        sign: -1 for the eye on the left of the picture, 1 for the other.
        gaze: shift of the iris, right and down, face units; the same for both eyes.
    """
    unit_px = pose.eye_distance_px
    upper, lower = _lid_curves(sitter, sign)

    def to_px(points: ArrayLike) -> np.ndarray:
        return pose.to_px(points, EYE_DEPTH)

    opening = coverage(pose.side, to_px(np.concatenate([upper, lower[::-1]])))
    ball = canvas.copy()
    lightness = 0.75 + 0.1 * sign * sitter.light[0]
    fill(ball, to_px(ellipse((sign * 0.5, 0), 0.3, 0.2)), np.array((238, 230, 226)) * lightness)
    corner = ellipse(upper[0] + (sign * 0.02, 0), 0.045, 0.03)
    fill(ball, to_px(corner), sitter.skin * 0.5 + (80, 40, 38))
    center = np.array([sign * 0.5, -0.008]) + gaze
    _draw_iris(rng, ball, to_px, sitter, center, unit_px)
    shadow = np.concatenate([moved(upper, 0, 0.035), moved(upper[::-1], 0, -0.2)])
    blend(ball, (40, 28, 26), 0.5 * coverage(pose.side, to_px(shadow), 0.015 * unit_px))
    _catch_light(ball, to_px, sitter, center)
    blend(canvas, ball, opening)
    _draw_lids(rng, canvas, to_px, sitter, sign, unit_px)
