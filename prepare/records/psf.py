"""Point spread functions of disc and polygon apertures, by exact area coverage.

The value of a PSF at a pixel is the share of the aperture's area that falls into the pixel's
square. Every outline consists of straight sides and circle arcs, whose areas under a clipping line
have closed forms. So nothing is sampled, and fractional radii change the PSF smoothly.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from prepare.records.blur import Aperture


def aperture_psf(radius_px: float, aperture: Aperture) -> np.ndarray:
    """Point spread function of a defocused lens.

    The radius is that of the circle through the corners, so a polygon is smaller than the disc of
    the same radius: a hexagon of 33.5 has about the area of a disc of 30. A side of curvature c
    is the circle arc through its two corners whose middle lies c percent of the way from the
    straight side to the circle.

    Vignetting cuts away what lies outside a circle of the same radius, moved against the direction
    of the rotation: at 0 the top is missing. The rim's light grows with the square of the distance
    from the middle. Softness is a Gaussian over all of it. Pixels that both outlines cross are
    taken for covered by the product of their shares.

    Args:
        radius_px: of the circle of confusion, pixels, >= 0. At 0 the PSF is one pixel.
        aperture: its shape and light.

    Returns:
        float32, odd side, 2 * ceil(radius) + 1 where the edge is hard; non-negative, sums to 1.
        Row 0 is the top: a triangle has its corner there, and a point of light is imaged as this
        very picture.

    Raises:
        ValueError: if the radius is negative or not finite.

    Reference: geometric optics; diffraction is ignored.
    """
    if not (math.isfinite(radius_px) and radius_px >= 0):
        raise ValueError(f"radius_px must be a finite number >= 0, got {radius_px}")
    reach = math.ceil(radius_px)
    if radius_px < 1e-6:
        return np.pad(np.ones((1, 1), np.float32), reach)
    below = _area_below(np.arange(-reach, reach + 2) - 0.5, radius_px, aperture)
    # below[j, i] is the area left of edge i and under edge j; a pixel is its second difference.
    area = np.diff(np.diff(below, axis=0), axis=1)
    area[area < 1e-10] = 0.0  # what rounding leaves outside
    psf = (area[::-1] / area.sum()).astype(np.float32)
    is_plain = aperture.softness == aperture.rim == aperture.vignetting == 0
    return psf if is_plain else _with_light(psf, radius_px, aperture)


def _with_light(psf: np.ndarray, radius_px: float, aperture: Aperture) -> np.ndarray:
    """A PSF with its rim's light, the lens's edge and softness."""
    reach = psf.shape[0] // 2
    across, down = np.meshgrid(*[np.arange(-reach, reach + 1) / radius_px] * 2)
    light = psf * (1 + aperture.rim / 100 * np.minimum(across**2 + down**2, 1))
    if aperture.vignetting:
        angle, shift = math.radians(aperture.rotation), aperture.vignetting / 100
        distance = np.hypot(across - shift * math.sin(angle), down - shift * math.cos(angle))
        light = light * np.clip((1 - distance) * radius_px + 0.5, 0, 1)
    sigma = aperture.softness / 100 * radius_px
    if sigma > 0.05:
        offsets = np.arange(-math.ceil(3 * sigma), math.ceil(3 * sigma) + 1)
        gaussian = np.exp(-((offsets / sigma) ** 2) / 2)
        for _ in range(2):  # down, then across
            light = np.array([np.convolve(column, gaussian) for column in light.T])
    return (light / light.sum()).astype(np.float32)


def inner_radius(radius_px: float, aperture: Aperture) -> float:
    """Distance from the center of the aperture to the middle of a side, in pixels."""
    if aperture.num_blades == 0:
        return radius_px
    apothem = radius_px * math.cos(math.pi / aperture.num_blades)
    return apothem + aperture.curvature / 100 * (radius_px - apothem)


def _area_below(edges: np.ndarray, radius_px: float, aperture: Aperture) -> np.ndarray:
    """Area of the outline left of and under each edge, walked counterclockwise (y upward)."""
    if aperture.num_blades == 0:
        return _area_under_arc(edges, (0.0, 0.0), radius_px, -math.pi, math.pi)
    half = math.pi / aperture.num_blades
    first = math.radians(aperture.rotation) + math.pi / 2
    corners = [first + 2 * half * k for k in range(aperture.num_blades + 1)]
    sagitta = aperture.curvature / 100 * radius_px * (1 - math.cos(half))
    below = np.zeros((edges.size, edges.size))
    if sagitta < 1e-6:
        points = [(radius_px * math.cos(a), radius_px * math.sin(a)) for a in corners]
        for start, end in pairwise(points):
            below += _area_under_side(edges, start, end)
        return below
    half_side = radius_px * math.sin(half)
    bow_radius = (sagitta**2 + half_side**2) / (2 * sagitta)
    center = radius_px * math.cos(half) + sagitta - bow_radius
    opening = math.atan2(half_side, bow_radius - sagitta)
    for middle in (corner + half for corner in corners[:-1]):
        place = center * math.cos(middle), center * math.sin(middle)
        below += _area_under_arc(edges, place, bow_radius, middle - opening, middle + opening)
    return below


def _area_under_side(edges: np.ndarray, start: tuple, end: tuple) -> np.ndarray:
    """Area between a straight side, cut off at every height, and the axis; signed by its course."""
    (x0, y0), (x1, y1) = start, end
    if abs(x1 - x0) < 1e-12:
        return np.zeros((edges.size, edges.size))
    slope = (y1 - y0) / (x1 - x0)
    base = y0 - slope * x0
    height = edges[:, None]

    def antiderivative(x: np.ndarray) -> np.ndarray:
        """Integral over x of min(slope * x + base, height)."""
        if abs(slope) < 1e-12:
            return np.minimum(base, height) * x
        crossing = (height - base) / slope
        turn = np.minimum(x, crossing) if slope > 0 else np.maximum(x, crossing)
        return slope * turn**2 / 2 + base * turn + height * (x - turn)

    return _between(antiderivative, edges, x0, x1)


def _area_under_arc(
    edges: np.ndarray, center: tuple, radius: float, start: float, end: float
) -> np.ndarray:
    """The same for a circle arc, split where it turns from the upper to the lower half."""
    height = edges[:, None] - center[1]
    total = np.zeros((edges.size, edges.size))
    turns = math.pi * np.arange(math.ceil(start / math.pi), math.floor(end / math.pi) + 1)
    angles = [start, *(turn for turn in turns if start < turn < end), end]

    def under_upper(u: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Integral over u of min(sqrt(radius^2 - u^2), height)."""
        meets = np.sqrt(np.maximum(radius**2 - np.maximum(height, 0.0) ** 2, 0.0))
        flat = np.clip(u, -meets, meets)
        return _half_disc(u, radius) - _half_disc(flat, radius) + height * flat

    def under_lower(u: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Integral over u of min(-sqrt(radius^2 - u^2), height)."""
        return height * u - _half_disc(u, radius) + under_upper(u, -height)

    for first, last in pairwise(angles):
        under = under_upper if math.sin((first + last) / 2) > 0 else under_lower
        x0, x1 = radius * math.cos(first), radius * math.cos(last)
        total += _between(lambda u, f=under: f(u, height), edges - center[0], x0, x1)
    return total


def _between(antiderivative: Callable, edges: np.ndarray, x0: float, x1: float) -> np.ndarray:
    """Area from x0 to x1 that lies left of every edge; a course to the left adds (Green)."""
    left, right = min(x0, x1), max(x0, x1)
    reached = np.clip(edges, left, right)[None, :]
    area = antiderivative(reached) - antiderivative(np.full((1, 1), left))
    return area if x1 < x0 else -area


def _half_disc(u: np.ndarray, radius: float) -> np.ndarray:
    """Integral of sqrt(radius^2 - u^2) from 0 to u."""
    u = np.clip(u, -radius, radius)
    circle = np.sqrt(np.maximum(radius**2 - u**2, 0.0))
    return (u * circle + radius**2 * np.arcsin(u / radius)) / 2
