"""Surfaces of things: square tiles of relative brightness, each kind another structure.

Tiles are float32, (TILE_SIDE, TILE_SIDE), mean 0, standard deviation 1.
"""

import string

import cv2
import numpy as np
from scipy import fft

from prepare.drawing.canvas import direction, log_uniform, strands

TILE_SIDE = 512  # a tile covers half of a picture's side: one of its pixels is one of 1024
LETTERS = list(string.ascii_letters * 2 + string.digits + ".,-&")


def noise(
    rng: np.random.Generator, slope: float, stretch: float = 1, turn: float = 0
) -> np.ndarray:
    """Noise whose amplitude falls as frequency to the power of -slope, standard deviation 1.

    `stretch` > 1 draws it out along one direction, which `turn` (radians) turns.
    """
    white = rng.standard_normal((TILE_SIDE, TILE_SIDE), dtype=np.float32)
    down, right = np.fft.fftfreq(TILE_SIDE)[:, None], np.fft.rfftfreq(TILE_SIDE)[None, :]
    along = (right * np.cos(turn) + down * np.sin(turn)) * stretch
    across = down * np.cos(turn) - right * np.sin(turn)
    frequency = np.hypot(along, across).astype(np.float32)
    frequency[0, 0] = np.inf
    spectrum = fft.rfft2(white) * np.maximum(frequency, 2 / TILE_SIDE) ** -np.float32(slope)
    noise = fft.irfft2(spectrum, (TILE_SIDE, TILE_SIDE))
    return noise / noise.std()


def turned_axes(turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Two turned coordinates in pixels, float32, (TILE_SIDE, TILE_SIDE) each."""
    at = np.arange(TILE_SIDE, dtype=np.float32)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    return cos * at[None, :] + sin * at[:, None], cos * at[:, None] - sin * at[None, :]


def random_period_px(rng: np.random.Generator) -> float:
    return float(log_uniform(rng, 7, 56))


def clouds(rng: np.random.Generator) -> np.ndarray:
    """Plaster, rock, cloth seen from afar: noise of any slope, often drawn out."""
    stretch = np.exp(max(0.0, rng.normal(0, 0.9)))
    return noise(rng, rng.uniform(0.7, 1.7), stretch, rng.uniform(0, np.pi))


def stripes(rng: np.random.Generator) -> np.ndarray:
    """A grating of lines, hard or soft, even or wavy."""
    x, _ = turned_axes(rng.uniform(0, np.pi))
    wavy = abs(rng.normal(0, 0.8)) * noise(rng, 2.0)
    wave = np.sin(2 * np.pi * x / random_period_px(rng) + wavy)
    hardness = rng.uniform(0.5, 5)
    return np.tanh(hardness * (wave + rng.uniform(-0.6, 0.6)))


def weave(rng: np.random.Generator) -> np.ndarray:
    """Threads that cross over and under each other."""
    x, y = turned_axes(rng.uniform(0, np.pi))
    period = random_period_px(rng)
    bend = 0.3 * noise(rng, 2.0)
    u, v = np.pi * x / period + bend, np.pi * y / period + bend
    over = np.sin(u) * np.sin(v) > 0
    return np.where(over, np.abs(np.sin(u)), 0.8 * np.abs(np.sin(v)) - 0.1)


def speckle(rng: np.random.Generator) -> np.ndarray:
    """Spots of one size: gravel, blossoms, terrazzo."""
    grain = cv2.GaussianBlur(noise(rng, 0), (0, 0), rng.uniform(1.2, 6))
    return np.tanh(rng.uniform(2, 6) * (grain / grain.std() - rng.uniform(0, 1.5)))


def wood(rng: np.random.Generator) -> np.ndarray:
    """Warped rings cut lengthwise, with pores along them."""
    turn = rng.uniform(0, np.pi)
    x, y = turned_axes(turn)
    x, y = x - rng.uniform(-200, 700), y / rng.uniform(4, 12)
    rings = np.hypot(x, y) / random_period_px(rng)
    wave = np.sin(2 * np.pi * rings + 1.5 * noise(rng, 2.0))
    return wave + 0.5 * noise(rng, 0.8, 12, turn + np.pi / 2)


def cells(rng: np.random.Generator) -> np.ndarray:
    """Pebbles, scales, cracked earth: cells of unequal brightness with dark seams."""
    seeds = np.full((TILE_SIDE, TILE_SIDE), 255, np.uint8)
    num = int(log_uniform(rng, 80, 2500))
    rows, columns = rng.integers(0, TILE_SIDE, (2, num))
    seeds[rows, columns] = 0
    distance, owner = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    brightness = rng.standard_normal(num + 1, dtype=np.float32)[owner]
    seam = cv2.morphologyEx(owner.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    domed = rng.uniform(0, 2) * distance / distance.mean()
    return brightness - domed - rng.uniform(0, 3) * cv2.blur(seam.astype(np.float32), (2, 2))


def fur(rng: np.random.Generator) -> np.ndarray:
    """Hair, grass or needles that lie about one way."""
    num = int(rng.uniform(900, 2600))
    root = rng.uniform(-40, TILE_SIDE + 40, (num, 2))
    heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, rng.uniform(0.08, 0.5), num)
    step = direction(heading) * rng.uniform(15, 90, (num, 1))
    bend = step[:, ::-1] * (-1, 1) * rng.normal(0, 0.2, (num, 1))
    hairs = np.stack([root, root + step / 2 + bend, root + step], axis=1)
    tile = np.full((TILE_SIDE, TILE_SIDE, 3), 90, np.uint8)
    strands(tile, hairs, (128, 128, 128), rng.uniform(0.3, 1.7, num), rng.uniform(1, 4))
    return tile[..., 0].astype(np.float32)


def letters(rng: np.random.Generator) -> np.ndarray:
    """A printed page, in lines of one or more sizes."""
    page, line_px = np.zeros((TILE_SIDE, TILE_SIDE), np.uint8), 0.0
    sizes_px = np.exp(rng.uniform(np.log(10), np.log(70), 3))
    fonts = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
    while line_px < TILE_SIDE:
        size_px = float(rng.choice(sizes_px))
        line_px += size_px * rng.uniform(1.3, 1.9)
        text = "".join(rng.choice([*LETTERS, *" " * 20], 60))
        corner = (round(rng.uniform(0, 30)), round(line_px))
        bold = max(1, round(size_px / rng.uniform(6, 14)))
        font = fonts[rng.integers(len(fonts))]
        cv2.putText(page, text, corner, font, size_px / 22, (255,), bold, cv2.LINE_AA)
    return page.astype(np.float32)


TEXTURES = (clouds, stripes, weave, speckle, wood, cells, fur, letters)
TEXTURE_ODDS = (0.34, 0.1, 0.08, 0.1, 0.1, 0.1, 0.1, 0.08)


def smooth_texture(rng: np.random.Generator) -> np.ndarray:
    """A tile of soft clouds, the uneven light and color of a smooth surface."""
    return noise(rng, rng.uniform(1.1, 1.9))


def random_texture(rng: np.random.Generator) -> np.ndarray:
    """A tile of one structure, of any size and direction, limited to -3..3."""
    tile = TEXTURES[rng.choice(len(TEXTURES), p=TEXTURE_ODDS)](rng)
    tile = (tile - tile.mean()) / max(float(tile.std()), 1e-6)
    return np.clip(tile, -3, 3).astype(np.float32)
