"""Clothes and what people wear on their heads: garments, glasses, earrings, hats."""

import cv2
import numpy as np

from prepare.drawing.canvas import (
    blend,
    direction,
    ellipse,
    fill,
    mirrored,
    moved,
    shade,
    smooth_curve,
    smooth_noise,
    stroke,
)
from prepare.drawing.face import Face
from prepare.drawing.head import half_width

FABRIC_COLORS = [
    (36, 46, 74), (150, 44, 44), (222, 214, 198), (52, 92, 80), (206, 160, 62),
    (44, 44, 48), (120, 152, 184), (196, 128, 120), (96, 76, 116), (236, 236, 236),
]  # fmt: skip


# Cloth: each function covers a canvas with another pattern of three colors, (3, 3).


def knit(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    """Rows of V-shaped stitches."""
    side = len(cloth)
    pitch = side * rng.uniform(0.014, 0.022)
    cloth[:] = colors[0] * 0.45
    x, y = np.meshgrid(np.arange(0, side, pitch), np.arange(0, side, pitch * 0.75))
    roots = np.stack([x.ravel(), y.ravel()], -1)
    row = (roots[:, 1] // (pitch * 6)).astype(int) % 3 == 0
    for sign, brightness in ((-1, 0.8), (1, 1.0)):
        leg = np.array([(0, 0), (sign * 0.42, -0.6)]) * pitch
        for picked, color in ((row, colors[1]), (~row, colors[0])):
            stroke(cloth, roots[picked][:, None] + leg, color * brightness, pitch * 0.3)


def stripes(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    side = len(cloth)
    pitch = side * rng.uniform(0.02, 0.06)
    slope = rng.choice([0.0, 0.0, 1.0])
    cloth[:] = colors[0]
    for offset in np.arange(-side, 2 * side, pitch):
        middle = (side / 2, offset + slope * side / 2 + pitch / 3)
        line = smooth_curve([(0, offset), middle, (side, offset + slope * side)])
        stroke(cloth, line, colors[1], pitch * 0.4)


def checks(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    side = len(cloth)
    pitch = side * rng.uniform(0.035, 0.07)
    at = np.arange(side)
    wide = ((at // (pitch / 2)) % 2).astype(np.float32) * 0.5
    thin = (at % pitch < pitch * 0.08).astype(np.float32) * 0.8
    cloth[:] = colors[0]
    blend(cloth, colors[1], np.clip(wide[:, None] * 0.9 + wide[None, :] * 0.9, 0, 1))
    blend(cloth, colors[2], np.maximum(thin[:, None], thin[None, :]))


def flowers(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    side = len(cloth)
    cloth[:] = colors[0]
    for _ in range(130):
        center = rng.uniform((0, 0.6), 1) * side
        size = side * rng.uniform(0.008, 0.018)
        color = colors[rng.integers(1, 3)]
        for angle in rng.uniform(0, 6) + np.arange(5) * 2 * np.pi / 5:
            petal = center + size * direction(angle)
            fill(cloth, ellipse(petal, size * 0.75, size * 0.75, 12), color)
        fill(cloth, ellipse(center, size * 0.5, size * 0.5, 10), (244, 206, 90))


def twill(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    """Plain cloth with a fine diagonal weave."""
    side = len(cloth)
    pitch = side * rng.uniform(0.006, 0.010)
    across = np.arange(side)[None, :] + np.arange(side)[:, None]
    weave = np.sin(across * (2 * np.pi / pitch)).astype(np.float32)
    cloth[:] = colors[0]
    shade(cloth, 1 + 0.16 * weave * (0.7 + 0.5 * smooth_noise(rng, side, 0.01, 2)))


def plain(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    """Smooth cloth with soft folds."""
    cloth[:] = colors[0]
    shade(cloth, 1 + 0.12 * smooth_noise(rng, len(cloth), 0.07, 1))


PATTERNS = (knit, stripes, checks, flowers, twill, plain)


def fabric_colors(rng: np.random.Generator) -> np.ndarray:
    return np.array(FABRIC_COLORS, float)[rng.permutation(len(FABRIC_COLORS))[:3]]


def draw_garment(face: Face) -> None:
    """Draws shoulders and a garment with its neckline."""
    rng, sitter = face.rng, face.sitter
    colors, cloth = fabric_colors(rng), np.zeros_like(face.canvas)
    PATTERNS[rng.integers(len(PATTERNS))](rng, cloth, colors)
    shade(cloth, 0.82 + 0.25 * smooth_noise(rng, face.side, 0.12, 3))
    neck = 0.66 + 0.14 * sitter.masculine
    deep = rng.choice([2.15, 2.3, 2.75])
    slope = [(neck, 1.72), (neck + 0.3, 1.88), (1.7, 2.05), (2.35, 2.5), (2.6, 3.4)]
    shoulder = smooth_curve(slope)
    half_neckline = [(neck, 1.72), (neck * 0.7, deep - 0.15)]
    neckline = smooth_curve([*mirrored(half_neckline), (0, deep), *half_neckline[::-1]], 40)
    outline = np.concatenate([neckline, shoulder, mirrored(shoulder)[::-1]])
    x, _ = face.grid(face.side)
    shade(cloth, np.clip(0.82 + 0.25 * x * sitter.light[0], 0.45, 1.2))
    under_chin = face.inside(ellipse((0, 1.5), 1.0, 0.55), softness_px=0.12 * face.unit_px)
    shade(cloth, 1 - 0.5 * under_chin)
    face.blend(cloth, face.inside(outline))
    face.stroke(neckline, colors[0] * 0.5, 0.12)
    face.stroke(neckline, colors[0] * 0.85, 0.09)
    ribs = np.stack([moved(neckline, 0, -0.035), moved(neckline, 0, 0.035)], axis=1)
    face.stroke(ribs, colors[0] * 0.55, 0.01)


def draw_glasses(face: Face) -> None:
    """Draws spectacles with a reflection in each glass."""
    rng, canvas = face.rng, face.canvas
    color = np.array([(26, 24, 26), (120, 70, 36), (168, 140, 80), (60, 66, 80)])[rng.integers(4)]
    width = rng.uniform(0.02, 0.06)
    width_px = width * face.unit_px
    half, tall = rng.uniform(0.34, 0.4), rng.uniform(0.24, 0.33)
    power = rng.choice([1.0, 0.6])  # 1 is round; below, the corners fill out
    unit = direction(np.linspace(0, 2 * np.pi, 60))
    rim = np.sign(unit) * np.abs(unit) ** power * (half, tall)
    for sign in (-1, 1):
        center = np.array([sign * 0.5, 0.06])
        rim_px = face.px(rim + center, 0.5)
        glare = np.array([(-0.25, -0.4), (-0.02, -0.4), (-0.2, 0.4), (-0.43, 0.4)]) + center
        seen = 0.16 * face.inside(rim + center, 0.5) * face.inside(glare, 0.5)
        face.blend((235, 242, 250), seen)
        shadow_px = moved(rim_px, 0, 0.03 * face.unit_px)
        stroke(canvas, shadow_px, face.sitter.skin * 0.5, width_px * 0.6)
        stroke(canvas, rim_px, color, width_px)
        stroke(canvas, rim_px - 0.25 * width_px, color + 70, width_px * 0.25)
        face.stroke([(sign * (0.5 + half), 0.0), (sign * 1.12, -0.04)], color, width, 0.2)
    bridge = smooth_curve([(-0.5 + half, 0.04), (0, -0.04), (0.5 - half, 0.04)])
    face.stroke(bridge, color, width, 0.55)


def draw_earrings(face: Face) -> None:
    """Draws a pair of hoops or beads."""
    rng, sitter = face.rng, face.sitter
    gold = np.array([(222, 184, 92), (206, 208, 214), (196, 60, 70)])[rng.integers(3)]
    hoop = rng.random() < 0.5
    for sign in (-1, 1):
        x, y = sign * (float(half_width(sitter, np.float64(0.3))) + 0.06), 0.82
        if hoop:
            ring = face.px(ellipse((x, y), 0.12, 0.17), -0.2)
            closed = np.concatenate([ring, ring[:1]])
            stroke(face.canvas, closed, gold * 0.6, 0.04 * face.unit_px)
            stroke(face.canvas, closed - 1, gold * 1.1, 0.018 * face.unit_px)
            continue
        for drop in (-0.08, 0.04, 0.19):
            face.fill(ellipse((x, y + drop), 0.055, 0.065, 20), gold * 0.7, -0.2)
            glint = (x + sitter.light[0] * 0.03, y + drop - 0.02)
            face.fill(ellipse(glint, 0.018, 0.018, 8), (255, 250, 240), -0.2)


def draw_hat(face: Face) -> None:
    """Draws a knitted hat with a turned-up edge."""
    side, sitter = face.side, face.sitter
    colors, cloth = fabric_colors(face.rng), np.zeros_like(face.canvas)
    knit(face.rng, cloth, colors)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), -np.rad2deg(face.roll_rad), 1.1)
    cloth = cv2.warpAffine(cloth, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    x, y = face.grid(side)
    bulge = np.sqrt(np.clip(1 - (x / 1.5) ** 2, 0.03, 1))
    light = 0.45 + 0.5 * bulge + 0.35 * x * sitter.light[0] - 0.15 * (y + 1.3)
    shade(cloth, np.clip(light, 0.3, 1.3))
    width = sitter.face_width / 1.08
    dome = [
        (-1.3, -0.62), (-1.3, -1.2), (-0.8, -1.95), (0, -2.15), (0.8, -1.95), (1.3, -1.2),
        (1.3, -0.62),
    ]  # fmt: skip
    edge = [(1.33, -0.52), (0.7, -0.78), (0, -0.86), (-0.7, -0.78), (-1.33, -0.52)]
    fold = [(-1.34, -0.9), (-0.7, -1.16), (0, -1.24), (0.7, -1.16), (1.34, -0.9)]
    top, low, high = (smooth_curve(curve) * (width, 1) for curve in (dome, edge, fold))
    face.blend(cloth, face.inside(np.concatenate([top, low])))
    face.blend(cv2.flip(cloth, 1), face.inside(np.concatenate([high, low])))
    face.stroke(high, colors[0] * 0.3, 0.03)
    face.stroke(low, colors[0] * 0.3, 0.02)
