"""Features of the face: eyes, brows, nostrils and mouth."""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from prepare.drawing.canvas import direction, ellipse, mirrored, moved, smooth_curve, stroke
from prepare.drawing.face import EYE_DEPTH, MOUTH_DEPTH, NOSE_DEPTH, Face, Sitter

IRIS_RADIUS = 0.106  # face units: 12 mm across, where the pupils are 63 mm apart


def lid_curves(sitter: Sitter, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the upper and lower lid from the nose outwards, (24, 2), face units."""
    tall = 0.1 * sitter.eye_opening
    inner, outer = (-0.25, 0.045), (0.25, 0.0)
    upper = [inner, (-0.14, -tall * 0.75), (0.01, -tall), (0.15, -tall * 0.6), outer]
    lower = [inner, (-0.12, tall * 0.72), (0.04, tall * 0.85), (0.17, tall * 0.5), outer]
    place = (sign * 0.5, 0.0)
    return smooth_curve(upper) * (sign, 1) + place, smooth_curve(lower) * (sign, 1) + place


def draw_iris(face: Face, center: np.ndarray) -> None:
    rng, iris, radius = face.rng, face.sitter.iris, IRIS_RADIUS
    face.fill(ellipse(center, radius, radius), iris * 0.38, EYE_DEPTH)
    face.fill(ellipse(center, radius * 0.9, radius * 0.9), iris * 0.8, EYE_DEPTH)
    outwards = direction(rng.uniform(0, 2 * np.pi, 110))
    reach = np.stack([rng.uniform(0.3, 0.5, 110), rng.uniform(0.6, 0.93, 110)], -1) * radius
    fibers = center + reach[..., None] * outwards[:, None]
    brightness = rng.uniform(0.6, 1.5, 110) + 0.3 * outwards[:, 1]
    face.strands(fibers, iris, brightness, 0.006, EYE_DEPTH, 8)
    pupil = radius * rng.uniform(0.36, 0.44)
    face.fill(ellipse(center, pupil, pupil), (10, 8, 8), EYE_DEPTH)


def lashes(
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


def draw_lids(face: Face, upper: np.ndarray, lower: np.ndarray, sign: int) -> None:
    """Draws the edges of the lids, the fold over the upper one, and the lashes."""
    rng, sitter = face.rng, face.sitter
    dark = sitter.skin * 0.22
    crease = upper[2:-1] - (0, 0.06 * (1.6 - sitter.eye_opening * 0.5))
    face.stroke(crease, sitter.skin * (0.5, 0.4, 0.38), 0.014, EYE_DEPTH)
    face.stroke(lower, sitter.skin * (0.78, 0.6, 0.56), 0.014, EYE_DEPTH)
    face.stroke(upper, dark, 0.022 + 0.014 * (not sitter.masculine), EYE_DEPTH)
    length = 0.05 if sitter.masculine else 0.085
    face.stroke(lashes(rng, upper, sign, length, 46), dark * 0.6, 0.004, EYE_DEPTH)
    face.stroke(lashes(rng, lower, sign, -0.04, 26), dark, 0.004, EYE_DEPTH)


def draw_eye(face: Face, sign: int, gaze: np.ndarray) -> None:
    """Draws one eye, the left one in the picture if `sign` is -1; `gaze` shifts the iris."""
    sitter = face.sitter
    upper, lower = lid_curves(sitter, sign)
    ball = face.on(face.canvas.copy())
    white = np.array((238, 230, 226)) * (0.75 + 0.1 * sign * sitter.light[0])
    ball.fill(ellipse((sign * 0.5, 0), 0.3, 0.2), white, EYE_DEPTH)
    corner = ellipse(upper[0] + (sign * 0.02, 0), 0.045, 0.03)
    ball.fill(corner, sitter.skin * 0.5 + (80, 40, 38), EYE_DEPTH)
    center = np.array([sign * 0.5, -0.008]) + gaze
    draw_iris(ball, center)
    shadow = np.concatenate([moved(upper, 0, 0.035), moved(upper[::-1], 0, -0.2)])
    ball.blend((40, 28, 26), 0.5 * face.inside(shadow, EYE_DEPTH, 0.015 * face.unit_px))
    glint = center + sitter.light[:2] * (0.055, 0.07)
    ball.fill(ellipse(glint, 0.026, 0.03, 12), (250, 250, 248), EYE_DEPTH)
    ball.fill(ellipse(2 * center - glint, 0.009, 0.008, 8), (120, 122, 128), EYE_DEPTH)
    face.blend(ball.canvas, face.inside(between(upper, lower), EYE_DEPTH))
    draw_lids(face, upper, lower, sign)


def draw_brows(face: Face) -> None:
    """Draws both eyebrows, hair by hair."""
    rng, sitter = face.rng, face.sitter
    num = int(rng.uniform(160, 260))
    thick = rng.uniform(0.04, 0.065) + 0.025 * sitter.masculine
    lift = rng.uniform(0.0, 0.06)
    ridge = smooth_curve(
        [(0.18, -0.32), (0.37, -0.34 - lift), (0.6, -0.34 - lift), (0.84, -0.26)], 60
    )
    color = sitter.hair * 0.62 if sitter.hair_style != "bald" else sitter.skin * 0.35
    for sign in (-1, 1):
        at = rng.beta(1.1, 1.3, num)
        spine = np.stack([np.interp(at * 59, np.arange(60), c) for c in ridge.T], -1)
        width = thick * (1 - 0.75 * at)
        root = spine + np.stack([np.zeros(num), width * rng.uniform(-0.6, 0.9, num)], -1)
        heading = -1.2 + 1.5 * at + rng.normal(0, 0.22, num)
        step = rng.uniform(0.07, 0.13, num)[:, None] * direction(heading)
        hairs = np.stack([root, root + step * 0.5, root + step + (0.02, 0.01)], axis=1) * (sign, 1)
        face.strands(hairs, color, rng.uniform(0.6, 1.25, num), 0.009, EYE_DEPTH, 8)


def soft_stroke(
    face: Face, curve: np.ndarray, color: ArrayLike, width: float, softness: float, depth: float
) -> None:
    """Draws one open curve with blurred edges; all lengths are face units."""
    mask_u8 = np.zeros((face.side, face.side), np.uint8)
    stroke(mask_u8, face.px(curve, depth), (255,), width * face.unit_px)
    softened = cv2.GaussianBlur(mask_u8, (0, 0), softness * face.unit_px)
    face.blend(color, softened.astype(np.float32) / 255)


def draw_nostrils(face: Face) -> None:
    """Draws the nostrils and the creases of the wings."""
    sitter = face.sitter
    hole = smooth_curve([(0.05, 0.7), (0.11, 0.665), (0.17, 0.69), (0.12, 0.715)], closed=True)
    wing = smooth_curve([(0.22, 0.57), (0.25, 0.63), (0.24, 0.69), (0.2, 0.715)])
    for sign in (-1, 1):
        wide = (sign * sitter.nose_width, 1)
        opening = face.inside(hole * wide, NOSE_DEPTH, 0.008 * face.unit_px)
        face.blend(sitter.skin * (0.22, 0.14, 0.13), 0.9 * opening)
        lit = 0.5 + 0.15 * sign * sitter.light[0]
        color = sitter.skin * (lit, lit * 0.8, lit * 0.78)
        soft_stroke(face, wing * wide, color, 0.016, 0.01, NOSE_DEPTH)


def lip_curves(sitter: Sitter) -> dict[str, np.ndarray]:
    """Edges of the lips from left to right, (48, 2) each, face units."""
    wide = 0.4 + 0.07 * sitter.smile
    corner = 1.045 - 0.055 * sitter.smile
    full = sitter.lip_fullness * (1 - 0.2 * sitter.smile)
    gap = 0.15 * max(0.0, sitter.smile - 0.35)

    def across(*heights: float) -> np.ndarray:
        x = np.array((0, 0.09, 0.26, 0.38)) / 0.4 * wide
        right = [*zip(x, heights, strict=True), (wide + 0.01, corner)]
        return smooth_curve([*mirrored(right[:0:-1]), *right], 48)

    low = 1.06 + gap
    return {
        "top": across(1.02 - 0.07 * full, 1.015 - 0.095 * full, 1.03 - 0.07 * full, corner - 0.01),
        "upper": across(1.06, 1.05, 1.055, corner + 0.004),
        "lower": across(low, 1.052 + gap, 1.055 + gap * 0.8, corner + 0.008),
        "bottom": across(
            low + 0.15 * full, low + 0.145 * full, 1.06 + gap * 0.8 + 0.09 * full, corner + 0.02
        ),
    }


def between(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Outline of what lies between two curves."""
    return np.concatenate([upper, lower[::-1]])


def paint_lips(face: Face) -> None:
    """Colors the lips of an unlit face, with their fine vertical creases."""
    rng, sitter, edge = face.rng, face.sitter, lip_curves(face.sitter)
    made_up = 0.0 if sitter.masculine else max(0.0, rng.uniform(-0.5, 1))
    bare = sitter.skin * (0.88, 0.64, 0.64)
    lipstick = np.array(rng.choice([(176, 36, 52), (190, 70, 90), (140, 40, 70)]))
    color = bare + (lipstick - bare) * made_up
    outline = between(edge["top"], edge["bottom"])
    face.blend(color, 0.9 * face.inside(outline, MOUTH_DEPTH, 0.008 * face.unit_px))
    for outer, inner in (("top", "upper"), ("bottom", "lower")):
        at = rng.uniform(4, 43, 60).astype(int)
        reach = rng.uniform(0.2, 0.85, (60, 1))
        start = edge[inner][at]
        creases = np.stack([start, start + (edge[outer][at] - start) * reach], axis=1)
        face.strands(creases, color, rng.uniform(0.8, 1.1, 60), 0.008, MOUTH_DEPTH, 6)


def draw_mouth(face: Face) -> None:
    """Draws what lies between the lips: a dark line, or teeth."""
    edge = lip_curves(face.sitter)
    mouth = face.on(np.zeros_like(face.canvas))
    mouth.canvas[:] = (58, 20, 22)
    left = -0.33
    for width in (0.07, 0.08, 0.09, 0.09, 0.09, 0.09, 0.08, 0.07):
        tooth = [(0, 0.95), (0.006, 1.12), (width / 2, 1.155), (width, 1.12), (width, 0.95)]
        lightness = (1 - 1.1 * abs(left + width / 2)) * face.rng.uniform(0.94, 1)
        color = np.array((240, 232, 216)) * lightness
        mouth.fill(smooth_curve(moved(tooth, left, 0)), color, MOUTH_DEPTH)
        left += width + 0.004
    face.blend(mouth.canvas, face.inside(between(edge["upper"], edge["lower"]), MOUTH_DEPTH))
    color = face.sitter.skin * (0.32, 0.18, 0.18)
    soft_stroke(face, edge["upper"], color, 0.016, 0.005, MOUTH_DEPTH)
