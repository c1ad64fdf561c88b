"""Drawing on uint8 RGB canvases, (height, width, 3): shapes and strokes, blending, smooth noise.

Points are (..., 2), x and y in pixels. Colors are RGB or gray levels 0..255, and are clipped. What
draws changes the canvas in place.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

SUBPIXEL_BITS = 4  # OpenCV takes coordinates in 1/16 pixel
NUM_LAYERS = 3  # of hairs


def blank_canvas(side: int) -> np.ndarray:
    """A black canvas, uint8, (side, side, 3); ValueError if the side is odd or below 64."""
    if side < 64 or side % 2:
        raise ValueError(f"side must be an even number of at least 64 pixels, got {side}")
    return np.zeros((side, side, 3), np.uint8)


def fixed_point(points_px: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(points_px) * (1 << SUBPIXEL_BITS)).astype(np.int32, order="C")


def levels(color: ArrayLike) -> tuple[int, ...]:
    return tuple(int(level) for level in np.clip(np.asarray(color), 0, 255))


def fill(canvas: np.ndarray, points_px: np.ndarray, color: ArrayLike) -> None:
    """Fills a polygon; the canvas may also be (height, width)."""
    cv2.fillPoly(canvas, [fixed_point(points_px)], levels(color), cv2.LINE_AA, SUBPIXEL_BITS)


def stroke(
    canvas: np.ndarray, curves_px: np.ndarray, color: ArrayLike, thickness_px: float = 1
) -> None:
    """Draws open curves, (num_curves, num_points, 2) or one; thickness is rounded, at least 1."""
    curves = fixed_point(curves_px).reshape(-1, *np.shape(curves_px)[-2:])
    thickness = max(1, round(thickness_px))
    cv2.polylines(canvas, list(curves), False, levels(color), thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def strands(
    canvas: np.ndarray,
    curves_px: np.ndarray,
    color: ArrayLike,
    brightness: np.ndarray,
    thickness_px: float = 1,
    num_shades: int = 16,
) -> None:
    """Draws many hairs, in layers of every third one, each from its dark hairs to its lit ones.

    Curves are (num_curves, num_points, 2); `brightness`, (num_curves,), holds factors on the color,
    about 0.2..1.6. OpenCV draws the hairs of a layer in `num_shades` groups, one call each.
    """
    for first in range(NUM_LAYERS):
        layer = np.arange(first, len(curves_px), NUM_LAYERS)
        darkest_first = layer[np.argsort(brightness[layer], kind="stable")]
        for group in np.array_split(darkest_first, min(num_shades, max(1, len(layer)))):
            color_of_group = np.asarray(color) * brightness[group].mean()
            stroke(canvas, curves_px[group], color_of_group, thickness_px)


def coverage(side: int, points_px: np.ndarray, softness_px: float = 0.0) -> np.ndarray:
    """How much of every pixel lies inside a polygon, float32, (side, side), 0..1.

    `softness_px` is the standard deviation of a Gaussian that softens the edge.
    """
    mask_u8 = np.zeros((side, side), np.uint8)
    fill(mask_u8, points_px, (255,))
    mask = mask_u8.astype(np.float32) / 255
    return cv2.GaussianBlur(mask, (0, 0), softness_px) if softness_px > 0 else mask


def blend(canvas: np.ndarray, layer: ArrayLike, opacity: np.ndarray) -> None:
    """Lays a layer, or one color, over the canvas; opacity is float32, (height, width), 0..1.

    Only the part where it is visible is touched.
    """
    x, y, width, height = cv2.boundingRect((opacity > 0.004).astype(np.uint8))
    if width == 0:
        return
    box = np.s_[y : y + height, x : x + width]
    over = np.asarray(layer, np.float32)
    over = over[box] if over.ndim == 3 else over
    under = canvas[box].astype(np.float32)
    # Three equal channels, since numpy is slow to spread one over a last axis of three.
    mixed = under + (over - under) * cv2.merge([opacity[box]] * 3)
    canvas[box] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def shade(canvas: np.ndarray, factor: np.ndarray) -> None:
    """Multiplies the canvas by a factor per pixel, (height, width), 1 for no change."""
    lit = canvas.astype(np.float32) * cv2.merge([factor.astype(np.float32)] * 3)
    canvas[:] = np.clip(lit + 0.5, 0, 255).astype(np.uint8)


def soften(canvas: np.ndarray, softness_px: float) -> None:
    """Blurs by nearly a Gaussian of that standard deviation, in the same time at any width.

    Below half a pixel nothing changes.
    """
    width_px = 2 * round(softness_px) + 1  # the variance of three boxes is nearly width**2 / 4
    for _ in range(3):
        canvas[:] = cv2.blur(canvas, (width_px, width_px))


def add_grain(rng: np.random.Generator, picture: np.ndarray, sigma_levels: float) -> np.ndarray:
    """The picture with film grain, the same in all channels, as uint8."""
    grain = sigma_levels * rng.standard_normal((len(picture), len(picture), 1), dtype=np.float32)
    return np.clip(picture + grain + 0.5, 0, 255).astype(np.uint8)


def smooth_noise(
    rng: np.random.Generator, side: int, grain: float, num_octaves: int = 3
) -> np.ndarray:
    """Cloudy noise, float32, (side, side), mean about 0, standard deviation about 0.5.

    A sum of octaves of half the grain and 0.6 times the strength each; `grain` is the size of the
    coarsest clouds, as a fraction of the side.
    """
    total = np.zeros((side, side), np.float32)
    for octave in range(num_octaves):
        # Not limited by the side: pictures of all sizes use up the same random numbers.
        cells = round(2**octave / grain)
        coarse = rng.standard_normal((cells, cells), dtype=np.float32) * 0.6**octave
        total += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return total / 1.6


def smooth_curve(
    control_points: ArrayLike, num_points: int = 24, closed: bool = False
) -> np.ndarray:
    """Cubic spline through control points, (..., num_controls, 2), as (..., num_points, 2)."""
    control = np.asarray(control_points, float)
    if closed:
        control = np.concatenate([control, control[..., :1, :]], axis=-2)
    knots = np.arange(control.shape[-2])
    ends = "periodic" if closed else "natural"
    spline = CubicSpline(knots, control, axis=-2, bc_type=ends)
    return spline(np.linspace(0, knots[-1], num_points))


def moved(points: ArrayLike, right: float, down: float) -> np.ndarray:
    """Points shifted by an offset in their own unit."""
    return np.asarray(points, float) + np.array([right, down])


def mirrored(points: ArrayLike) -> np.ndarray:
    """Points on the other side of the vertical axis."""
    return np.asarray(points, float) * np.array([-1, 1])


def ellipse(
    center: ArrayLike, half_width: float, half_height: float, num_points: int = 40
) -> np.ndarray:
    """Points of an upright ellipse, (num_points, 2), in the unit of its arguments."""
    angle = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    return np.asarray(center) + np.stack(
        [half_width * np.cos(angle), half_height * np.sin(angle)], axis=-1
    )


def direction(angle_rad: ArrayLike) -> np.ndarray:
    """Unit vectors, (..., 2), at angles from rightwards to downwards."""
    return np.stack([np.cos(angle_rad), np.sin(angle_rad)], -1)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A random number whose logarithm is uniform."""
    return np.exp(rng.uniform(np.log(low), np.log(high)))
