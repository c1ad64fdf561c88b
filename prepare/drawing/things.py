"""The things of a scene: leaves that hide what lies behind them, with shape, surface and shadow."""

from dataclasses import dataclass

import cv2
import numpy as np

from prepare.drawing.canvas import blend, direction, ellipse, fill, log_uniform, smooth_curve

# Shapes: closed polygons in a disc of radius 1, smooth, angular, concave or ragged.


def blob(rng: np.random.Generator) -> np.ndarray:
    """A smooth closed curve with bays, (96, 2)."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    waves = np.arange(2, 8)
    strength = rng.normal(0, 0.32, len(waves)) / waves**0.7
    phase = rng.uniform(0, 2 * np.pi, len(waves))
    radius = np.exp((strength * np.cos(angle[:, None] * waves + phase)).sum(axis=1))
    return radius[:, None] * direction(angle)


def polygon(rng: np.random.Generator) -> np.ndarray:
    """3 to 9 corners at unequal distances, some of them bays, (num_corners, 2)."""
    num_corners = int(rng.integers(3, 10))
    angle = np.sort(rng.uniform(-0.35, 0.35, num_corners) + np.arange(num_corners))
    angle *= 2 * np.pi / num_corners
    radius = rng.uniform(0.4, 1, num_corners)
    return radius[:, None] * direction(angle)


def leaning_box(rng: np.random.Generator) -> np.ndarray:
    """A rectangle, now and then leaning, (4, 2)."""
    tall, lean = rng.uniform(0.2, 1), rng.normal(0, 0.12)
    return np.array([(-1, -tall), (1, -tall), (1 + lean, tall), (-1 + lean, tall)])


def oval(rng: np.random.Generator) -> np.ndarray:
    return ellipse((0, 0), 1, rng.uniform(0.45, 1), 64)


def blade(rng: np.random.Generator) -> np.ndarray:
    """The leaf of a plant: two bows that meet in points, (48, 2)."""
    along = np.linspace(-1, 1, 24)
    bow = rng.uniform(0.15, 0.5) * (1 - along**2) ** rng.uniform(0.8, 1.6)
    bend = rng.normal(0, 0.25) * along**2
    upper, lower = np.stack([along, bend + bow], -1), np.stack([along, bend - bow], -1)
    return np.concatenate([upper, lower[::-1]])


def band(rng: np.random.Generator) -> np.ndarray:
    """A bent strip: a branch, a cable, a limb, (64, 2)."""
    across = rng.normal(0, 0.3, 5)
    spine = smooth_curve(np.stack([np.linspace(-1, 1, 5), across], -1), 32)
    taper = np.linspace(1, rng.uniform(0.3, 1.2), 32)[:, None]
    slope = np.gradient(spine, axis=0)
    normal = slope[:, ::-1] * (-1, 1) / np.linalg.norm(slope, axis=1, keepdims=True)
    width = log_uniform(rng, 0.02, 0.25)
    return np.concatenate([spine + width * taper * normal, (spine - width * taper * normal)[::-1]])


def ragged(rng: np.random.Generator) -> np.ndarray:
    """A coast: an outline with detail at every scale, (400, 2)."""
    num = 400
    spectrum = rng.normal(size=num // 2 + 1) + 1j * rng.normal(size=num // 2 + 1)
    waves = np.arange(num // 2 + 1)
    spectrum[0] = 0
    spectrum[1:] *= waves[1:] ** -rng.uniform(1.1, 1.8)
    rough = np.fft.irfft(spectrum, num)
    radius = np.exp(0.28 * rough / rough.std())
    angle = np.linspace(0, 2 * np.pi, num, endpoint=False)
    return radius[:, None] * direction(angle)


SHAPES = (blob, polygon, leaning_box, oval, blade, band, ragged)
SHAPE_ODDS = (0.28, 0.16, 0.16, 0.08, 0.12, 0.12, 0.08)


def random_outline(rng: np.random.Generator, odds: np.ndarray) -> np.ndarray:
    """An outline of any of SHAPES, turned at random, that touches the circle of radius 1."""
    outline = SHAPES[rng.choice(len(SHAPES), p=odds)](rng)
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    outline = outline @ np.array([(cos, sin), (-sin, cos)])
    return outline / np.linalg.norm(outline, axis=1).max()


NUM_TEXTURES = 6  # tiles of a scene
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


def random_leaf(
    rng: np.random.Generator,
    palette: np.ndarray,
    center: np.ndarray,
    radius: float,
    smooth_share: float,
    shape_odds: np.ndarray,
) -> Leaf:
    """A leaf of random shape, color of a palette, (num_colors, 3), surface and light."""
    color, other = palette[rng.integers(len(palette), size=2)] * rng.lognormal(0, 0.15, (2, 1))
    is_smooth, is_soft, has_shadow = rng.random(3) < (smooth_share, 0.1, 0.3)
    contrast = min(0.5, (0.09 if is_smooth else 0.18) * rng.lognormal(0, 0.7))
    pattern = contrast * (color if rng.random() < 0.6 else other - color)
    outline = center + radius * random_outline(rng, shape_odds)
    softness = log_uniform(rng, 0.001, 0.01)
    return Leaf(
        outline=outline,
        center=center,
        radius=radius,
        color=color,
        pattern=pattern,
        texture=0 if is_smooth else int(rng.integers(1, NUM_TEXTURES)),
        turn_rad=rng.uniform(0, 2 * np.pi),
        zoom=log_uniform(rng, 0.8, 2),
        slope=rng.normal(0, 0.22, 2),
        dome=np.clip(rng.normal(0.05, 0.25), 0, 0.5),
        softness=softness if is_soft else 0.0,
        shadow=rng.uniform(0.15, 0.7) if has_shadow else 0.0,
    )


def mask_in_box(
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


def lit_surface(leaf: Leaf, box: tuple[slice, slice], side: int, tile: np.ndarray) -> np.ndarray:
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
    """Lays a leaf, and its shadow, over the picture; a pixel of a tile is one of the canvas."""
    side = len(canvas)
    if leaf.radius < PLAIN_BELOW:
        fill(canvas, leaf.outline * side, leaf.color)
        return
    if leaf.shadow > 0:
        throw_shadow(canvas, leaf)
    softness_px = leaf.softness * side
    box, mask = mask_in_box(leaf.outline * side, side, 3 * softness_px)
    if mask.size:
        if softness_px > 0:
            mask = cv2.GaussianBlur(mask, (0, 0), softness_px)
        surface = lit_surface(leaf, box, side, tiles[leaf.texture])
        blend(canvas[box], surface, mask.astype(np.float32) / 255)


def throw_shadow(canvas: np.ndarray, leaf: Leaf) -> None:
    """Darkens what lies behind a leaf in place, with the half-shadow of a square lamp."""
    side = len(canvas)
    penumbra_px = 2 * round(0.1 * min(leaf.radius, 0.25) * side) + 1
    outline = leaf.outline + leaf.radius * np.array([0.08, 0.12])
    box, mask = mask_in_box(outline * side, side, penumbra_px / 2)
    if mask.size:
        mask = cv2.blur(mask, (penumbra_px, penumbra_px))
        blend(canvas[box], (0, 0, 0), mask * np.float32(leaf.shadow / 255))
