"""Apertures against analytic areas and against counting small cells of a finely drawn outline."""

import math

import numpy as np
import pytest
from skimage.draw import polygon2mask

from prepare.records.blur import Aperture
from prepare.records.psf import aperture_psf

CELLS = 64  # per pixel and axis, for the outlines drawn here


def counted_coverage(outline_xy: np.ndarray, reach: int) -> np.ndarray:
    """Share of each pixel inside an outline (x right, y up, origin in the middle pixel)."""
    rows = (reach + 0.5 - outline_xy[:, 1]) * CELLS - 0.5
    columns = (reach + 0.5 + outline_xy[:, 0]) * CELLS - 0.5
    side = 2 * reach + 1
    mask = polygon2mask((side * CELLS, side * CELLS), np.stack([rows, columns], axis=1))
    return mask.reshape(side, CELLS, side, CELLS).mean((1, 3))


def corners(radius_px: float, num_blades: int, rotation: float) -> np.ndarray:
    angles = np.radians(90 + rotation + 360 / num_blades * np.arange(num_blades))
    return radius_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("radius_px", [0.6, 1.0, 2.5, 4.9, 7.3])
def test_disc_covers_what_a_drawn_circle_covers(radius_px):
    angles = np.linspace(0, 2 * math.pi, 500, endpoint=False)
    circle = radius_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    counted = counted_coverage(circle, math.ceil(radius_px))
    area = math.pi * radius_px**2
    np.testing.assert_allclose(
        aperture_psf(radius_px, Aperture()) * area, counted, atol=2.5 / CELLS / 2
    )


@pytest.mark.parametrize("radius_px", [0, 0.3, 1, 7.25, 60])
@pytest.mark.parametrize("num_blades", [0, 3, 6, 9])
@pytest.mark.parametrize(("curvature", "rotation"), [(0, 0), (35, 11), (100, 200)])
def test_every_psf_sums_to_one_and_is_well_formed(radius_px, num_blades, curvature, rotation):
    psf = aperture_psf(radius_px, Aperture(num_blades, curvature, rotation))
    assert psf.dtype == np.float32
    assert psf.shape == (2 * math.ceil(radius_px) + 1,) * 2
    assert psf.min() >= 0
    assert abs(psf.sum(dtype=np.float64) - 1) < 1e-6


@pytest.mark.parametrize("radius_px", [3, 8.5, 30, 60])
def test_inner_pixels_of_a_disc_hold_one_over_its_area(radius_px):
    psf = aperture_psf(radius_px, Aperture())
    middle = psf.shape[0] // 2
    assert psf[middle, middle] == pytest.approx(1 / (math.pi * radius_px**2), rel=1e-6)
    np.testing.assert_allclose(psf, psf[::-1], atol=1e-9)
    np.testing.assert_allclose(psf, psf.T, atol=1e-9)


@pytest.mark.parametrize("num_blades", [3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("rotation", [0, 13, 30, 90])
@pytest.mark.parametrize("radius_px", [2.3, 6.0])
def test_straight_polygons_cover_what_drawn_ones_cover(num_blades, rotation, radius_px):
    counted = counted_coverage(corners(radius_px, num_blades, rotation), math.ceil(radius_px))
    area = num_blades / 2 * radius_px**2 * math.sin(2 * math.pi / num_blades)
    psf = aperture_psf(radius_px, Aperture(num_blades, 0, rotation))
    np.testing.assert_allclose(psf * area, counted, atol=2.5 / CELLS / 2)


@pytest.mark.parametrize("num_blades", [3, 5, 6])
@pytest.mark.parametrize("curvature", [1, 40, 90])
def test_bowed_polygons_cover_what_drawn_ones_cover(num_blades, curvature):
    radius_px = 6.0
    points = corners(radius_px, num_blades, 17)
    outline = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        # The circle through both corners and a point on the way from the side's middle outward.
        middle = (start + end) / 2
        outward = middle / np.hypot(*middle)
        top = middle + outward * curvature / 100 * (radius_px - np.hypot(*middle))
        half, sagitta = np.hypot(*(end - start)) / 2, np.hypot(*(top - middle))
        bow_radius = (half**2 + sagitta**2) / (2 * sagitta)
        center = top - bow_radius * outward
        along = np.linspace(-half, half, 80, endpoint=False)[:, None]
        side = (end - start) / (2 * half)
        rise = np.sqrt(bow_radius**2 - along**2) * outward
        outline.append(center + along * side + rise)
    counted = counted_coverage(np.concatenate(outline), math.ceil(radius_px))
    psf = aperture_psf(radius_px, Aperture(num_blades, curvature, 17))
    np.testing.assert_allclose(psf * counted.sum(), counted, atol=2.5 / CELLS)


@pytest.mark.parametrize("num_blades", [3, 5, 6, 8])
def test_full_curvature_is_the_disc(num_blades):
    bowed = aperture_psf(9.4, Aperture(num_blades, 100, 23))
    np.testing.assert_allclose(bowed, aperture_psf(9.4, Aperture()), atol=1e-8)


def test_rotation_turns_counterclockwise_and_repeats_every_blade():
    upright = aperture_psf(8.2, Aperture(5))
    np.testing.assert_allclose(aperture_psf(8.2, Aperture(5, 0, 90)), np.rot90(upright), atol=1e-8)
    np.testing.assert_allclose(aperture_psf(8.2, Aperture(5, 0, 72)), upright, atol=1e-8)


def test_odd_polygon_points_up_and_even_one_is_its_own_mirror_image():
    rows = aperture_psf(10, Aperture(3)).sum(axis=1)
    assert rows[1] < rows[14]
    assert rows[-1] == 0  # the lower side lies at half the radius
    hexagon = aperture_psf(10, Aperture(6, 0, 10))
    np.testing.assert_allclose(hexagon, hexagon[::-1, ::-1], atol=1e-8)


@pytest.mark.parametrize("radius_px", [-1, math.nan, math.inf])
def test_impossible_radii_are_refused(radius_px):
    with pytest.raises(ValueError, match="radius_px must be"):
        aperture_psf(radius_px, Aperture())


def moments(psf: np.ndarray) -> tuple[float, float, float]:
    """Mean of x and of y (downward), and variance of both together, pixels."""
    down, across = np.indices(psf.shape) - psf.shape[0] // 2
    x, y = (psf * across).sum(), (psf * down).sum()
    return float(x), float(y), float((psf * (across**2 + down**2)).sum() - x**2 - y**2)


@pytest.mark.parametrize("num_blades", [0, 5, 9])
def test_softness_adds_the_variance_of_its_gaussian(num_blades):
    hard = aperture_psf(20, Aperture(num_blades, 30.0, 10.0))
    soft = aperture_psf(20, Aperture(num_blades, 30.0, 10.0, softness=25.0))
    assert soft.sum() == pytest.approx(1, abs=1e-5)
    assert soft.shape[0] % 2 == 1
    added = moments(soft)[2] - moments(hard)[2]
    assert added == pytest.approx(2 * 5.0**2, rel=0.04)  # a Gaussian cut off at 3 sigma has less


@pytest.mark.parametrize("rim", [-60.0, 60.0])
def test_rim_is_brighter_or_darker_than_the_middle(rim):
    psf = aperture_psf(30, Aperture(rim=rim))
    middle, near_rim = psf[30, 30], psf[30, 30 + 28]
    assert near_rim / middle == pytest.approx(1 + rim / 100 * (28 / 30) ** 2, rel=1e-3)


@pytest.mark.parametrize(("rotation", "missing"), [(0, (0, -1)), (90, (-1, 0)), (180, (0, 1))])
def test_vignetting_takes_a_side_away(rotation, missing):
    whole = aperture_psf(30, Aperture())
    cut = aperture_psf(30, Aperture(0, 0.0, float(rotation), vignetting=50.0))
    x, y, _ = moments(cut)
    assert (x, y) == pytest.approx((-7.5 * missing[0], -7.5 * missing[1]), abs=0.05)
    # What two circles of radius r share whose centers are r / 2 apart.
    share = (2 * math.acos(0.25) - 0.25 * math.sqrt(15) / 2 * 2 / 2) / math.pi
    assert whole.max() / cut.max() == pytest.approx(share, rel=0.01)
