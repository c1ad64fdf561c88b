"""Blur by depth against a layered composite at full resolution, made with SciPy."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import convolve

from prepare.blur.blur_downsample import Lens, blur_and_average
from prepare.blur.depth_blur import blur_by_depth, random_depth
from prepare.records.blur import Aperture
from prepare.records.psf import disc_psf

DISC = Aperture(0, 0.0, 0.0)
SIDE = 128


def blurred(photo, depth, *, focus, radius_px=12.0, size=SIDE):
    return blur_by_depth(photo, depth, Lens(radius_px, DISC), focus=focus, size=size)


def person_before_a_wall():
    """A grey near disc before a bright striped wall, and the depth of both."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    person = np.hypot(x, y) < 35
    wall = np.where(x // 8 % 2 == 0, 230, 170)
    photo = np.where(person, 60, wall).astype(np.uint8)[..., None].repeat(3, axis=2)
    return photo, np.where(person, 0, 255).astype(np.uint8), person


def layered_reference(photo, person, near_radius, far_radius):
    """Normalized layers, far to near, in float64."""

    def blur(image, radius_px):
        psf = disc_psf(radius_px).astype(np.float64)
        return convolve(image.astype(np.float64), psf, mode="nearest")

    values = photo[..., 0].astype(np.float64)
    light, covered = blur(values * ~person, far_radius), blur(~person, far_radius)
    coverage = blur(person, near_radius)
    light = light * (1 - coverage) + blur(values * person, near_radius)
    return light / (covered * (1 - coverage) + coverage)


@pytest.mark.parametrize(("focus", "near_radius", "far_radius"), [(0, 0, 12), (255, 12, 0)])
def test_edges_in_depth_are_those_of_a_layered_reference(focus, near_radius, far_radius):
    photo, depth, person = person_before_a_wall()
    ours = blurred(photo, depth, focus=focus)[..., 0]
    reference = layered_reference(photo, person, near_radius, far_radius)
    assert np.abs(ours - reference).max() < 3
    assert np.abs(ours - reference).mean() < 0.1


def test_a_sharp_person_lends_no_color_to_the_wall():
    photo, depth, person = person_before_a_wall()
    ours = blurred(photo, depth, focus=0)[..., 0]
    assert ours[~person].min() >= 169
    assert ours[~person].max() <= 231
    np.testing.assert_allclose(ours[person], 60, atol=1)
    # One blur of everything would darken the wall beside the person.
    [flat] = blur_and_average(photo, [(12.0, DISC)], SIDE)
    assert flat[..., 0][~person].min() < 140


def test_plain_surfaces_stay_plain_at_any_depth():
    depth = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    photo = np.full((SIDE, SIDE, 3), (10, 128, 250), np.uint8)
    ours = blurred(photo, depth, focus=100, size=64)
    np.testing.assert_allclose(ours, np.broadcast_to((10, 128, 250), ours.shape), atol=0.05)


def test_one_depth_is_one_blur():
    photo = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    far = np.full((SIDE, SIDE), 255, np.uint8)
    [flat] = blur_and_average(photo, [(12.0, DISC)], 64)
    np.testing.assert_allclose(blurred(photo, far, focus=0, size=64), flat, atol=0.01)
    in_focus = blurred(photo, far, focus=255, size=SIDE)
    assert np.abs(in_focus - photo).max() < 6


@pytest.mark.parametrize(("focus", "depth"), [(51, 255), (204, 0)])
def test_the_end_of_the_range_farther_from_the_focus_has_the_whole_radius(focus, depth):
    photo = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    [flat] = blur_and_average(photo, [(12.0, DISC)], 64)
    everywhere = np.full((SIDE, SIDE), depth, np.uint8)
    np.testing.assert_allclose(blurred(photo, everywhere, focus=focus, size=64), flat, atol=0.01)


def test_radius_grows_with_the_distance_from_the_focus():
    photo = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    ramp = np.linspace(0, 255, SIDE).astype(np.uint8)[None].repeat(SIDE, axis=0)
    ours = blurred(photo, ramp, focus=0)
    spread = [ours[:, start : start + 16].std() for start in range(0, SIDE, 16)]
    assert all(left > right for left, right in pairwise(spread[:6]))


@pytest.mark.parametrize("num_layers", [2, 3, 4])
def test_random_depth_has_a_back_and_parts_in_front(num_layers):
    depths = [random_depth(128, num_layers, f"seed {number}") for number in range(20)]
    for depth_u8, focus in depths:
        assert depth_u8.shape == (128, 128)
        assert focus in (0, 255)
        assert 255 - focus in depth_u8  # something has the whole blur
        assert len(np.unique(depth_u8)) <= num_layers
    assert {focus for _, focus in depths} == {0, 255}
    np.testing.assert_array_equal(depths[3][0], random_depth(128, num_layers, "seed 3")[0])


def test_color_fringes_leave_gray_that_is_even_as_it_is():
    photo = np.full((SIDE, SIDE, 3), 128, np.uint8)
    depth = np.full((SIDE, SIDE), 255, np.uint8)
    depth[40:90, 40:90] = 100
    result = blur_by_depth(photo, depth, Lens(12, DISC, 30.0), focus=0, size=SIDE // 2)
    np.testing.assert_allclose(result, 128, atol=0.01)
