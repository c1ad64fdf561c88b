"""Clothes and what people wear on their heads: garments, glasses, earrings, hats."""

import cv2
import numpy as np

from prepare.drawing.canvas import (
    blend,
    coverage,
    ellipse,
    fill,
    mirrored,
    moved,
    shade,
    smooth_curve,
    smooth_noise,
    stroke,
)
from prepare.drawing.sitter import Pose, Sitter
from prepare.drawing.skin import half_width

FABRIC_COLORS = [
    (36, 46, 74), (150, 44, 44), (222, 214, 198), (52, 92, 80), (206, 160, 62),
    (44, 44, 48), (120, 152, 184), (196, 128, 120), (96, 76, 116), (236, 236, 236),
]  # fmt: skip


def _knit(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    """Rows of V-shaped stitches."""
    side = cloth.shape[0]
    pitch = side * rng.uniform(0.014, 0.022)
    cloth[:] = colors[0] * 0.45
    x, y = np.meshgrid(np.arange(0, side, pitch), np.arange(0, side, pitch * 0.75))
    roots = np.stack([x.ravel(), y.ravel()], -1)
    for sign in (-1, 1):
        leg = np.array([(0, 0), (sign * 0.42, -0.6)]) * pitch
        row = (roots[:, 1] // (pitch * 6)).astype(int) % 3 == 0
        for picked, color in ((row, colors[1]), (~row, colors[0])):
            brightness = 1.0 if sign > 0 else 0.8
            stroke(cloth, roots[picked][:, None] + leg, color * brightness, pitch * 0.3)


def _stripes(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    side = cloth.shape[0]
    pitch = side * rng.uniform(0.02, 0.06)
    slope = rng.choice([0.0, 0.0, 1.0])
    cloth[:] = colors[0]
    for offset in np.arange(-side, 2 * side, pitch):
        middle = (side / 2, offset + slope * side / 2 + pitch / 3)
        line = smooth_curve([(0, offset), middle, (side, offset + slope * side)])
        stroke(cloth, line, colors[1], pitch * 0.4)


def _checks(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    side = cloth.shape[0]
    pitch = side * rng.uniform(0.035, 0.07)
    at = np.arange(side)
    wide = ((at // (pitch / 2)) % 2).astype(np.float32) * 0.5
    thin = (at % pitch < pitch * 0.08).astype(np.float32) * 0.8
    cloth[:] = colors[0]
    blend(cloth, colors[1], np.clip(wide[:, None] * 0.9 + wide[None, :] * 0.9, 0, 1))
    blend(cloth, colors[2], np.maximum(thin[:, None], thin[None, :]))


def _print(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    """Scattered flowers."""
    side = cloth.shape[0]
    cloth[:] = colors[0]
    for _ in range(130):
        center = rng.uniform((0, 0.6), 1) * side
        size = side * rng.uniform(0.008, 0.018)
        color = colors[rng.integers(1, 3)]
        for angle in rng.uniform(0, 6) + np.arange(5) * 2 * np.pi / 5:
            petal = center + size * np.array([np.cos(angle), np.sin(angle)])
            fill(cloth, ellipse(petal, size * 0.75, size * 0.75, 12), color)
        fill(cloth, ellipse(center, size * 0.5, size * 0.5, 10), (244, 206, 90))


def _twill(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    """Plain cloth with a fine diagonal weave."""
    side = cloth.shape[0]
    pitch = side * rng.uniform(0.006, 0.010)
    across = np.arange(side)[None, :] + np.arange(side)[:, None]
    weave = np.sin(across * (2 * np.pi / pitch)).astype(np.float32)
    cloth[:] = colors[0]
    shade(cloth, 1 + 0.16 * weave * (0.7 + 0.5 * smooth_noise(rng, side, 0.01, 2)))


def _plain(rng: np.random.Generator, cloth: np.ndarray, colors: np.ndarray) -> None:
    """Smooth cloth with soft folds."""
    cloth[:] = colors[0]
    shade(cloth, 1 + 0.12 * smooth_noise(rng, cloth.shape[0], 0.07, 1))


def draw_garment(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws shoulders and a garment with its neckline in place."""
    side, unit_px = pose.side, pose.eye_distance_px
    colors = np.array(FABRIC_COLORS, float)[rng.permutation(len(FABRIC_COLORS))[:3]]
    cloth = np.zeros_like(canvas)
    pattern = (_knit, _stripes, _checks, _print, _twill, _plain)[rng.integers(6)]
    pattern(rng, cloth, colors)
    shade(cloth, 0.82 + 0.25 * smooth_noise(rng, side, 0.12, 3))
    neck = 0.66 + 0.14 * sitter.masculine
    deep = rng.choice([2.15, 2.3, 2.75])
    shoulder = smooth_curve(
        [(neck, 1.72), (neck + 0.3, 1.88), (1.7, 2.05), (2.35, 2.5), (2.6, 3.4)]
    )
    half_neckline = [(neck, 1.72), (neck * 0.7, deep - 0.15)]
    neckline = smooth_curve([*mirrored(half_neckline), (0, deep), *half_neckline[::-1]], 40)
    outline = np.concatenate([neckline, shoulder, (shoulder * (-1, 1))[::-1]])
    x, _ = pose.face_grid(side)
    shade(cloth, np.clip(0.82 + 0.25 * x * sitter.light[0], 0.45, 1.2))
    edge_px = pose.to_px(neckline)
    shadow = coverage(side, pose.to_px(ellipse((0, 1.5), 1.0, 0.55)), 0.12 * unit_px)
    shade(cloth, 1 - 0.5 * shadow)
    blend(canvas, cloth, coverage(side, pose.to_px(outline)))
    stroke(canvas, edge_px, colors[0] * 0.5, 0.12 * unit_px)
    stroke(canvas, edge_px, colors[0] * 0.85, 0.09 * unit_px)
    ribs = np.stack([moved(neckline, 0, -0.035), moved(neckline, 0, 0.035)], axis=1)
    stroke(canvas, pose.to_px(ribs), colors[0] * 0.55, 0.01 * unit_px)


def draw_glasses(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws spectacles with a reflection in each glass in place."""
    unit_px = pose.eye_distance_px
    color = np.array([(26, 24, 26), (120, 70, 36), (168, 140, 80), (60, 66, 80)])[rng.integers(4)]
    width_px = rng.uniform(0.02, 0.06) * unit_px
    half, tall = rng.uniform(0.34, 0.4), rng.uniform(0.24, 0.33)
    power = rng.choice([1.0, 0.6])  # 1 is round; below, the corners fill out
    angle = np.linspace(0, 2 * np.pi, 60)
    unit = np.stack([np.cos(angle), np.sin(angle)], -1)
    rim = np.sign(unit) * np.abs(unit) ** power * (half, tall)
    for sign in (-1, 1):
        center = np.array([sign * 0.5, 0.06])
        rim_px = pose.to_px(rim + center, 0.5)
        glass = coverage(pose.side, rim_px)
        glare = np.array([(-0.25, -0.4), (-0.02, -0.4), (-0.2, 0.4), (-0.43, 0.4)]) + center
        blend(canvas, (235, 242, 250), 0.16 * glass * coverage(pose.side, pose.to_px(glare, 0.5)))
        stroke(canvas, moved(rim_px, 0, 0.03 * unit_px), sitter.skin * 0.5, width_px * 0.6)
        stroke(canvas, rim_px, color, width_px)
        stroke(canvas, rim_px - 0.25 * width_px, color + 70, width_px * 0.25)
        hinge = np.array([(sign * (0.5 + half), 0.0), (sign * 1.12, -0.04)])
        stroke(canvas, pose.to_px(hinge, 0.2), color, width_px)
    bridge = smooth_curve([(-0.5 + half, 0.04), (0, -0.04), (0.5 - half, 0.04)])
    stroke(canvas, pose.to_px(bridge, 0.55), color, width_px)


def draw_earrings(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws a pair of hoops or beads in place."""
    unit_px = pose.eye_distance_px
    gold = np.array([(222, 184, 92), (206, 208, 214), (196, 60, 70)])[rng.integers(3)]
    hoop = rng.random() < 0.5
    for sign in (-1, 1):
        center = (sign * (float(half_width(sitter, np.float64(0.3))) + 0.06), 0.82)
        ring = pose.to_px(ellipse(center, 0.12, 0.17), -0.2)
        if hoop:
            closed = np.concatenate([ring, ring[:1]])
            stroke(canvas, closed, gold * 0.6, 0.04 * unit_px)
            stroke(canvas, closed - 1, gold * 1.1, 0.018 * unit_px)
            continue
        for drop in (-0.08, 0.04, 0.19):
            bead = (center[0], center[1] + drop)
            fill(canvas, pose.to_px(ellipse(bead, 0.055, 0.065, 20), -0.2), gold * 0.7)
            glint = (bead[0] + sitter.light[0] * 0.03, bead[1] - 0.02)
            fill(canvas, pose.to_px(ellipse(glint, 0.018, 0.018, 8), -0.2), (255, 250, 240))


def draw_hat(rng: np.random.Generator, canvas: np.ndarray, pose: Pose, sitter: Sitter) -> None:
    """Draws a knitted hat with a turned-up edge in place."""
    side, unit_px = pose.side, pose.eye_distance_px
    colors = np.array(FABRIC_COLORS, float)[rng.permutation(len(FABRIC_COLORS))[:3]]
    cloth = np.zeros_like(canvas)
    _knit(rng, cloth, colors)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), -np.rad2deg(pose.roll_rad), 1.1)
    cloth = cv2.warpAffine(cloth, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    x, y = pose.face_grid(side)
    bulge = np.sqrt(np.clip(1 - (x / 1.5) ** 2, 0.03, 1))
    shade(
        cloth, np.clip(0.45 + 0.5 * bulge + 0.35 * x * sitter.light[0] - 0.15 * (y + 1.3), 0.3, 1.3)
    )
    width = sitter.face_width / 1.08
    dome = [
        (-1.3, -0.62),
        (-1.3, -1.2),
        (-0.8, -1.95),
        (0, -2.15),
        (0.8, -1.95),
        (1.3, -1.2),
        (1.3, -0.62),
    ]
    edge = [(1.33, -0.52), (0.7, -0.78), (0, -0.86), (-0.7, -0.78), (-1.33, -0.52)]
    fold = [(-1.34, -0.9), (-0.7, -1.16), (0, -1.24), (0.7, -1.16), (1.34, -0.9)]
    edge_curve, fold_curve = smooth_curve(edge) * (width, 1), smooth_curve(fold) * (width, 1)
    dome_px = pose.to_px(np.concatenate([smooth_curve(dome) * (width, 1), edge_curve]))
    blend(canvas, cloth, coverage(side, dome_px))
    brim_px = pose.to_px(np.concatenate([fold_curve, edge_curve]))
    blend(canvas, cv2.flip(cloth, 1), coverage(side, brim_px))
    stroke(canvas, pose.to_px(fold_curve), colors[0] * 0.3, 0.03 * unit_px)
    stroke(canvas, pose.to_px(edge_curve), colors[0] * 0.3, 0.02 * unit_px)
