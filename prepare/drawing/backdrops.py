"""Backdrops behind the sitter: each function fills a canvas with another place."""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from prepare.drawing.canvas import direction, ellipse, fill, levels, shade, smooth_noise, stroke

WORDS = [
    "OPEN", "CAFE", "BOOKS", "ECHO", "NORTH", "1984", "MUSIC", "METRO", "NOVA", "27", "TEA", "ART",
]  # fmt: skip


def gradient(canvas: np.ndarray, top: ArrayLike, bottom: ArrayLike) -> None:
    """Fills the canvas in place from one RGB color, 0..255, at the top to another."""
    part = np.linspace(0, 1, canvas.shape[0])[:, None, None]
    canvas[:] = np.clip(np.asarray(top) * (1 - part) + np.asarray(bottom) * part, 0, 255)


def rectangle(left: float, top: float, width: float, height: float) -> np.ndarray:
    return np.array(
        [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    )


def muted_color(rng: np.random.Generator, low: float = 60, high: float = 200) -> np.ndarray:
    """A random color of moderate saturation, RGB 0..255."""
    gray = rng.uniform(low, high)
    return np.clip(gray + rng.normal(0, 0.13 * gray, 3), 0, 255)


def bokeh(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """City lights at night: translucent discs with bright rims."""
    side = canvas.shape[0]
    gradient(canvas, (18, 22, 44), (60, 38, 46))
    lamps = [(255, 190, 96), (255, 120, 80), (140, 200, 255), (255, 236, 190), (170, 255, 200)]
    for _ in range(4):
        layer = canvas.copy()
        for _ in range(28):
            center, radius = rng.uniform(0, side, 2), side * rng.uniform(0.008, 0.05)
            disc = ellipse(center, radius, radius)
            lamp = np.array(lamps[rng.integers(len(lamps))]) * rng.uniform(0.5, 1)
            fill(layer, disc, lamp)
            stroke(layer, disc, lamp * 1.4 + 20, side * 0.003)
        canvas[:] = cv2.addWeighted(layer, 0.5, canvas, 0.5, 0)


def bricks(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A brick wall with pale mortar."""
    side = canvas.shape[0]
    canvas[:] = round(rng.uniform(125, 165))
    base = np.array([(150, 86, 66), (128, 96, 80), (196, 190, 180)][rng.integers(3)])
    height = side / rng.uniform(11, 16)
    width, joint = height * 2.8, height * 0.12
    for row in range(int(side / height) + 1):
        for left in np.arange(-(row % 2) * width / 2, side, width):
            box = rectangle(left, row * height, width - joint, height - joint)
            color = base * rng.uniform(0.72, 1.15) + rng.normal(0, 5, 3)
            fill(canvas, box + joint * 0.3, color * 0.5)
            fill(canvas, box + rng.normal(0, side * 0.0012, (4, 2)), color)
    shade(canvas, 1 + 0.14 * smooth_noise(rng, side, 0.02, 3))


def foliage(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Leaves, the lit ones in front, with midribs."""
    side = canvas.shape[0]
    gradient(canvas, (34, 56, 30), (14, 26, 16))
    tint = np.array([(104, 150, 60), (70, 130, 80), (170, 130, 50)][rng.integers(3)])
    for depth in np.linspace(0.25, 1.25, 750):
        angle, length = rng.uniform(0, 2 * np.pi), side * rng.uniform(0.03, 0.07)
        axis = direction(angle)
        normal = axis[::-1] * (-1, 1) * rng.uniform(0.18, 0.32)
        root = rng.uniform(-0.03, 1.03, 2) * side
        sides = [(0, 0), (0.3, 0.8), (0.6, 0.8), (1, 0), (0.6, -0.8), (0.3, -0.8)]
        leaf = root + length * np.array([a * axis + b * normal for a, b in sides])
        color = tint * depth * rng.uniform(0.7, 1.2)
        fill(canvas, leaf, color)
        stroke(canvas, leaf[[0, 3]], color * 1.3 + 10, side * 0.002)


def bookshelf(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Shelves of books with lettered spines."""
    side = canvas.shape[0]
    canvas[:] = (40, 28, 20)
    shelf = side / 4
    for row in range(4):
        bottom, left = (row + 1) * shelf - side * 0.02, -rng.uniform(0, side * 0.03)
        while left < side:
            width, height = side * rng.uniform(0.022, 0.05), shelf * rng.uniform(0.6, 0.88)
            draw_book(rng, canvas, (left, bottom - height), width, height)
            left += width + side * 0.002
        fill(canvas, rectangle(0, bottom, side, side * 0.02), (126, 86, 52))
        fill(canvas, rectangle(0, bottom, side, side * 0.004), (176, 132, 88))


def draw_book(
    rng: np.random.Generator, canvas: np.ndarray, corner: tuple, width: float, height: float
) -> None:
    left, top = corner
    color = muted_color(rng, 40, 190)
    ink = color * 0.3 if color.mean() > 120 else color * 0.5 + 130
    fill(canvas, rectangle(left, top, width, height), color)
    fill(canvas, rectangle(left, top, width * 0.14, height), color * 1.2)
    fill(canvas, rectangle(left + width * 0.9, top, width * 0.1, height), color * 0.6)
    for at in (0.08, 0.11, 0.88):
        fill(canvas, rectangle(left, top + at * height, width, height * 0.012), ink)
    # OpenCV writes along rows only: write on a strip, then turn it.
    strip = np.zeros((round(width), round(height * 0.7), 3), np.uint8)
    strip[:] = np.clip(color, 0, 255)
    text = " ".join(rng.choice(WORDS, 2))
    write(strip, text, (strip.shape[1] * 0.03, strip.shape[0] * 0.7), strip.shape[0] * 0.42, ink)
    turned = np.rot90(strip[2:-2], -1)
    x, y = round(left + 2), round(top + height * 0.15)
    paste(canvas, turned, x, y)


def paste(canvas: np.ndarray, patch: np.ndarray, left: int, top: int) -> None:
    """Copies the part of the patch that falls on the canvas, in place."""
    right = min(left + patch.shape[1], canvas.shape[1])
    bottom = min(top + patch.shape[0], canvas.shape[0])
    x, y = max(left, 0), max(top, 0)
    if x < right and y < bottom:
        canvas[y:bottom, x:right] = patch[y - top : bottom - top, x - left : right - left]


def write(
    canvas: np.ndarray, text: str, corner_px: ArrayLike, height_px: float, color: ArrayLike
) -> None:
    """Writes in place; the corner is the lower left one of the first letter, x and y in pixels."""
    corner = tuple(round(float(c)) for c in np.asarray(corner_px))
    thickness = max(1, round(height_px / 7))
    font, scale = cv2.FONT_HERSHEY_DUPLEX, height_px / 22
    cv2.putText(canvas, text, corner, font, scale, levels(color), thickness, cv2.LINE_AA)


def signs(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A wall of posters with large and small letters."""
    side = canvas.shape[0]
    canvas[:] = np.clip(muted_color(rng, 90, 170), 0, 255)
    shade(canvas, 1 + 0.12 * smooth_noise(rng, side, 0.03, 4))
    for _ in range(16):
        paper = muted_color(rng, 50, 235)
        ink = paper * 0.2 if paper.mean() > 130 else paper * 0.3 + 170
        left, top = rng.uniform(-0.1, 0.95, 2) * side
        width, height = rng.uniform(0.2, 0.34, 2) * side
        fill(canvas, rectangle(left + 4, top + 5, width, height), (30, 28, 28))
        fill(canvas, rectangle(left, top, width, height), paper)
        line = top
        while True:
            size = side * rng.choice([0.014, 0.022, 0.045])
            line += size * 1.6
            if line > top + height - size * 0.4:
                break
            fits = int(width / size / 1.05)
            text = " ".join(rng.choice(WORDS, 6))[:fits]
            write(canvas, text, (left + side * 0.01, line), size, ink)


def window(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A window over a street of houses with lit rooms."""
    side = canvas.shape[0]
    gradient(canvas, (150, 186, 222), (236, 214, 190))
    for left in np.arange(-0.05, 1, 0.13) * side:
        wall = muted_color(rng, 60, 170)
        top, width = side * rng.uniform(0.15, 0.5), side * rng.uniform(0.1, 0.16)
        fill(canvas, rectangle(left, top, width, side), wall)
        pane = width / 5
        for y in np.arange(top + pane, side, pane * 1.6):
            for x in left + pane * (0.6 + 1.4 * np.arange(3)):
                lit = (250, 222, 150) if rng.random() < 0.35 else wall * 0.6
                fill(canvas, rectangle(x, y, pane * 0.9, pane * 1.1), lit)
    frame = np.array([(222, 218, 210), (104, 80, 60), (66, 70, 76)][rng.integers(3)])
    for at in (0.0, rng.uniform(0.22, 0.3), rng.uniform(0.7, 0.78), 0.97):
        fill(canvas, rectangle(at * side, 0, side * 0.034, side), frame * 0.6)
        fill(canvas, rectangle(at * side, 0, side * 0.024, side), frame)
    fill(canvas, rectangle(0, side * 0.3, side, side * 0.028), frame * 0.6)
    fill(canvas, rectangle(0, side * 0.3, side, side * 0.018), frame)


def tiles(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Patterned wallpaper: diamonds with dots."""
    side = canvas.shape[0]
    ground = muted_color(rng, 70, 180)
    ink, dot = ground * rng.choice([0.6, 1.4]), ground * 0.4 + 120
    canvas[:] = np.clip(ground, 0, 255)
    pitch = side / rng.integers(6, 11)
    for row, y in enumerate(np.arange(0, side + pitch, pitch / 2)):
        for x in np.arange((row % 2) * pitch / 2, side + pitch, pitch):
            diamond = ellipse((x, y), pitch * 0.4, pitch * 0.4, 4)
            fill(canvas, diamond, ink * rng.uniform(0.9, 1.1))
            fill(canvas, ellipse((x, y), pitch * 0.25, pitch * 0.25, 4), ground)
            fill(canvas, ellipse((x, y), pitch * 0.1, pitch * 0.1, 12), dot)
    shade(canvas, 1 + 0.08 * smooth_noise(rng, side, 0.02, 3))


def studio(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A painted studio wall: broad brush strokes over a gradient."""
    side = canvas.shape[0]
    color = muted_color(rng, 70, 190)
    gradient(canvas, color * 1.15, color * 0.6)
    layer = canvas.copy()
    for _ in range(900):
        start, heading = rng.uniform(-0.1, 1.1, 2) * side, rng.normal(0.6, 0.5)
        run = side * rng.uniform(0.03, 0.15) * direction(heading)
        stroke(layer, np.stack([start, start + run]), color * rng.uniform(0.5, 1.3), side * 0.006)
    canvas[:] = cv2.addWeighted(layer, 0.4, canvas, 0.6, 0)


def wall(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A plain wall, unevenly lit."""
    color = muted_color(rng, 50, 225)
    gradient(canvas, color * rng.uniform(0.7, 1.2), color * rng.uniform(0.6, 1))
    along = np.linspace(-1, 1, canvas.shape[1], dtype=np.float32)
    fall = (1 + rng.normal(0, 0.15) * along)[None, :].repeat(len(canvas), axis=0)
    shade(canvas, fall * (1 + 0.1 * smooth_noise(rng, canvas.shape[0], 0.4, 1)))


BACKDROPS = (bokeh, bricks, foliage, bookshelf, signs, window, tiles, studio, wall, wall)
