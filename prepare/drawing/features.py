"""Features of the face: brows, nostrils and mouth."""

from collections.abc import Sequence

import numpy as np

from prepare.drawing.canvas import (
    blend,
    coverage,
    fill,
    mirrored,
    moved,
    smooth_curve,
    soft_stroke,
    strands,
)
from prepare.drawing.sitter import EYE_DEPTH, MOUTH_DEPTH, NOSE_DEPTH, Pose, Sitter


def draw_brows(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws both eyebrows in place, hair by hair."""
    num_hairs = int(rng.uniform(160, 260))
    thick = rng.uniform(0.04, 0.065) + 0.025 * sitter.masculine
    lift = rng.uniform(0.0, 0.06)
    arch = [(0.18, -0.32), (0.37, -0.34 - lift), (0.6, -0.34 - lift), (0.84, -0.26)]
    ridge = smooth_curve(arch, 60)
    color = sitter.hair * 0.62 if sitter.hair_style != "bald" else sitter.skin * 0.35
    for sign in (-1, 1):
        at = rng.beta(1.1, 1.3, num_hairs)
        spine = np.stack([np.interp(at * 59, np.arange(60), c) for c in ridge.T], -1)
        width = thick * (1 - 0.75 * at)
        root = spine + np.stack(
            [np.zeros(num_hairs), width * rng.uniform(-0.6, 0.9, num_hairs)], -1
        )
        heading = -1.2 + 1.5 * at + rng.normal(0, 0.22, num_hairs)
        length = rng.uniform(0.07, 0.13, num_hairs)
        step = length[:, None] * np.stack([np.cos(heading), np.sin(heading)], -1)
        bend = np.stack([0.02 * np.ones(num_hairs), 0.01 * np.ones(num_hairs)], -1)
        hairs = np.stack([root, root + step * 0.5, root + step + bend], axis=1) * (sign, 1)
        brightness = rng.uniform(0.6, 1.25, num_hairs)
        curves_px = pose.to_px(hairs, EYE_DEPTH)
        strands(canvas, curves_px, color, brightness, 0.009 * pose.eye_distance_px, 8)


def draw_nostrils(canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws the nostrils and the creases of the wings in place."""
    unit_px = pose.eye_distance_px
    wide = sitter.nose_width
    for sign in (-1, 1):
        hole = [(0.05, 0.7), (0.11, 0.665), (0.17, 0.69), (0.12, 0.715)]
        hole_px = pose.to_px(smooth_curve(hole, closed=True) * (sign * wide, 1), NOSE_DEPTH)
        opening = coverage(pose.side, hole_px, 0.008 * unit_px)
        blend(canvas, sitter.skin * (0.22, 0.14, 0.13), 0.9 * opening)
        wing = smooth_curve([(0.22, 0.57), (0.25, 0.63), (0.24, 0.69), (0.2, 0.715)])
        wing_px = pose.to_px(wing * (sign * wide, 1), NOSE_DEPTH)
        lit = 0.5 + 0.15 * sign * sitter.light[0]
        color = sitter.skin * (lit, lit * 0.8, lit * 0.78)
        soft_stroke(canvas, wing_px, color, 0.016 * unit_px, 0.01 * unit_px)


def _lip_curves(sitter: Sitter) -> dict[str, np.ndarray]:
    """Edges of the lips from left to right, (48, 2) each, face units."""
    wide = 0.4 + 0.07 * sitter.smile
    corner = 1.045 - 0.055 * sitter.smile
    full = sitter.lip_fullness * (1 - 0.2 * sitter.smile)
    gap = 0.15 * max(0.0, sitter.smile - 0.35)

    def across(heights: Sequence[float]) -> np.ndarray:
        x = np.array((0, 0.09, 0.26, 0.38)) / 0.4 * wide
        right = [*zip(x, heights, strict=True), (wide + 0.01, corner)]
        return smooth_curve([*mirrored(right[:0:-1]), *right], 48)

    return {
        "top": across(
            (1.02 - 0.07 * full, 1.015 - 0.095 * full, 1.03 - 0.07 * full, corner - 0.01)
        ),
        "upper": across((1.06, 1.05, 1.055, corner + 0.004)),
        "lower": across((1.06 + gap, 1.052 + gap, 1.055 + gap * 0.8, corner + 0.008)),
        "bottom": across(
            (
                1.06 + gap + 0.15 * full,
                1.06 + gap + 0.145 * full,
                1.06 + gap * 0.8 + 0.09 * full,
                corner + 0.02,
            )
        ),
    }


def paint_lips(rng: np.random.Generator, albedo: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Colors the lips of an unlit face in place, with their fine vertical creases."""
    unit_px = pose.eye_distance_px
    edge = _lip_curves(sitter)
    made_up = 0.0 if sitter.masculine else max(0.0, rng.uniform(-0.5, 1))
    bare = sitter.skin * (0.88, 0.64, 0.64)
    color = (
        bare
        + (np.array(rng.choice([(176, 36, 52), (190, 70, 90), (140, 40, 70)])) - bare) * made_up
    )
    outline = np.concatenate([edge["top"], edge["bottom"][::-1]])
    blend(
        albedo, color, 0.9 * coverage(pose.side, pose.to_px(outline, MOUTH_DEPTH), 0.008 * unit_px)
    )
    for outer, inner in (("top", "upper"), ("bottom", "lower")):
        at = rng.uniform(4, 43, 60).astype(int)
        reach = rng.uniform(0.2, 0.85, (60, 1))
        start = edge[inner][at]
        tip = start + (edge[outer][at] - start) * reach
        creases = np.stack([start, tip], axis=1)
        brightness = rng.uniform(0.8, 1.1, 60)
        strands(albedo, pose.to_px(creases, MOUTH_DEPTH), color, brightness, 0.008 * unit_px, 6)


def draw_mouth(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws what lies between the lips in place: a dark line, or teeth."""
    unit_px = pose.eye_distance_px
    edge = _lip_curves(sitter)
    opening = np.concatenate([edge["upper"], edge["lower"][::-1]])
    inside = coverage(pose.side, pose.to_px(opening, MOUTH_DEPTH))
    mouth = np.full_like(canvas, 0)
    mouth[:] = (58, 20, 22)
    left = -0.33
    for width in (0.07, 0.08, 0.09, 0.09, 0.09, 0.09, 0.08, 0.07):
        tooth = smooth_curve(
            moved(
                [(0, 0.95), (0.006, 1.12), (width / 2, 1.155), (width, 1.12), (width, 0.95)],
                left,
                0,
            )
        )
        lightness = (1 - 1.1 * abs(left + width / 2)) * rng.uniform(0.94, 1)
        fill(mouth, pose.to_px(tooth, MOUTH_DEPTH), np.array((240, 232, 216)) * lightness)
        left += width + 0.004
    blend(canvas, mouth, inside)
    line_px = pose.to_px(edge["upper"], MOUTH_DEPTH)
    color = sitter.skin * (0.32, 0.18, 0.18)
    soft_stroke(canvas, line_px, color, 0.016 * unit_px, 0.005 * unit_px)
