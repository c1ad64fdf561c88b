"""The things of a scene: leaves that hide what lies behind them, with surface, light and shadow."""

from dataclasses import dataclass

import cv2
import numpy as np

from prepare.drawing.canvas import blend, fill
from prepare.drawing.shapes import draw_outline

PLAIN_BELOW = 0.008  # leaves of a smaller radius, fraction of the side, are of one color


@dataclass(frozen=True)
class Leaf:
    """One thing. Lengths are fractions of the picture's side, colors RGB 0..255."""

    outline: np.ndarray  # (num_points, 2)
    center: np.ndarray  # x and y
    radius: float
    color: np.ndarray
    pattern: np.ndarray  # what one standard deviation of texture adds to the color
    texture: int  # which of the scene's tiles; the first is the smooth one
    turn_rad: float  # of the tile
    zoom: float  # of the tile
    slope: np.ndarray  # how much brighter right and down, share of the color over the radius
    dome: float  # how much darker the rim is than the middle, share
    softness: float  # standard deviation of the Gaussian that softens it; 0 keeps it sharp
    shadow: float  # opacity of the shadow it throws, 0..1


@dataclass(frozen=True)
class Habit:
    """What the leaves of a scene have in common."""

    smooth_share: float  # chance that a leaf is smooth, 0..1
    shape_odds: np.ndarray  # chance of each of SHAPES, sums to 1
    num_textures: int  # of the scene's tiles


def draw_leaf(
    rng: np.random.Generator,
    palette: np.ndarray,
    center: np.ndarray,
    radius: float,
    habit: Habit,
) -> Leaf:
    """A leaf of random shape, color, surface and light.

    Args:
        rng: source of chance.
        palette: (num_colors, 3), RGB, 0..255.
        center: x and y, fraction of the side.
        radius: of the circle that the outline touches, fraction of the side.
        habit: what the leaves of this scene have in common.
    """
    color, other = palette[rng.integers(len(palette), size=2)] * rng.lognormal(0, 0.15, (2, 1))
    is_smooth, is_soft, has_shadow = rng.random(3) < (habit.smooth_share, 0.1, 0.3)
    contrast = min(0.5, (0.09 if is_smooth else 0.18) * rng.lognormal(0, 0.7))
    pattern = contrast * (color if rng.random() < 0.6 else other - color)
    outline = center + radius * draw_outline(rng, habit.shape_odds)
    softness = np.exp(rng.uniform(np.log(0.001), np.log(0.01)))
    return Leaf(
        outline=outline,
        center=center,
        radius=radius,
        color=color,
        pattern=pattern,
        texture=0 if is_smooth else int(rng.integers(1, habit.num_textures)),
        turn_rad=rng.uniform(0, 2 * np.pi),
        zoom=np.exp(rng.uniform(np.log(0.8), np.log(2))),
        slope=rng.normal(0, 0.22, 2),
        dome=np.clip(rng.normal(0.05, 0.25), 0, 0.5),
        softness=softness if is_soft else 0.0,
        shadow=rng.uniform(0.15, 0.7) if has_shadow else 0.0,
    )


def _mask(
    outline_px: np.ndarray, side: int, margin_px: float
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The box of the picture around an outline, and its coverage there, uint8, 0..255."""
    margin = 1 + margin_px
    left, top = np.clip(np.floor(outline_px.min(axis=0) - margin), 0, side).astype(int)
    right, bottom = np.clip(np.ceil(outline_px.max(axis=0) + margin), 0, side).astype(int)
    mask = np.zeros((max(0, bottom - top), max(0, right - left)), np.uint8)
    if mask.size:
        fill(mask, outline_px - (left, top), (255,))
    return np.s_[top:bottom, left:right], mask


def _surface(leaf: Leaf, box: tuple[slice, slice], side: int, tile: np.ndarray) -> np.ndarray:
    """Lit color of a leaf in a box of the picture, float32, (height, width, 3)."""
    rows, columns = (np.arange(s.start, s.stop, dtype=np.float32) for s in box)
    y = ((rows / side - leaf.center[1]) / leaf.radius)[:, None].astype(np.float32)
    x = ((columns / side - leaf.center[0]) / leaf.radius)[None, :].astype(np.float32)
    light = 1 + leaf.slope[0] * x + leaf.slope[1] * y - leaf.dome * (x * x + y * y)
    light = np.clip(light, 0.4, 1.3)
    cos, sin = np.cos(leaf.turn_rad) / leaf.zoom, np.sin(leaf.turn_rad) / leaf.zoom
    corner = np.array([columns[0], rows[0]]) - leaf.center * side
    turn = np.array([(cos, -sin), (sin, cos)])
    move = np.column_stack([turn, turn @ corner + len(tile) / 2])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (len(columns), len(rows))
    texture = cv2.warpAffine(tile, move, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    if leaf.softness > 0:
        texture = cv2.GaussianBlur(texture, (0, 0), leaf.softness * side)
    levels = zip(leaf.color.astype(np.float32), leaf.pattern.astype(np.float32), strict=True)
    return cv2.merge([light * (color + pattern * texture) for color, pattern in levels])


def paint_leaf(canvas: np.ndarray, leaf: Leaf, tiles: list[np.ndarray]) -> None:
    """Lays a leaf, and its shadow, over the picture in place.

    Args:
        canvas: uint8, (side, side, 3) RGB.
        leaf: what is laid over it.
        tiles: float32 squares, mean 0, standard deviation 1, one pixel a pixel of the canvas.
    """
    side = len(canvas)
    if leaf.radius < PLAIN_BELOW:
        fill(canvas, leaf.outline * side, leaf.color)
        return
    if leaf.shadow > 0:
        _throw_shadow(canvas, leaf)
    softness_px = leaf.softness * side
    box, mask = _mask(leaf.outline * side, side, 3 * softness_px)
    if mask.size:
        if softness_px > 0:
            mask = cv2.GaussianBlur(mask, (0, 0), softness_px)
        surface = _surface(leaf, box, side, tiles[leaf.texture])
        blend(canvas[box], surface, mask.astype(np.float32) / 255)


def _throw_shadow(canvas: np.ndarray, leaf: Leaf) -> None:
    """Darkens what lies behind a leaf in place, with the half-shadow of a square lamp."""
    side = len(canvas)
    penumbra_px = 2 * round(0.1 * min(leaf.radius, 0.25) * side) + 1
    outline = leaf.outline + leaf.radius * np.array([0.08, 0.12])
    box, mask = _mask(outline * side, side, penumbra_px / 2)
    if mask.size:
        mask = cv2.blur(mask, (penumbra_px, penumbra_px))
        blend(canvas[box], (0, 0, 0), mask * np.float32(leaf.shadow / 255))
