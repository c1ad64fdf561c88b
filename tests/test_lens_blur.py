"""The blurred halves of pairs against the definition: light, blur, depth, and the camera."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.pair_files import photo_u8
from PIL import Image
from scipy.ndimage import convolve
from skimage.color import rgb2xyz

from prepare.blur.blur_downsample import Lens, blur_and_average
from prepare.blur.depth_blur import blur_by_depth, random_depth
from prepare.blur.lens_blur import as_photographed, blur_and_reduce, grain, light_of, reduce_photo
from prepare.records.blur import Aperture, LensBlur
from prepare.records.psf import aperture_psf
from prepare.records.srgb import linear_to_srgb, srgb_to_linear

DISC = Aperture()
SIDE = 128


def flat(side, level=128, dtype=np.uint8):
    return np.full((side, side, 3), level, dtype)


# Whole pairs.


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("blades", [0, 5])
def test_pairs_are_within_one_level_of_the_definition(linear, blades):
    photo = photo_u8(0, 128)
    blur = LensBlur(40, blades=blades, linear=linear)
    psf = aperture_psf(40 * 128 / 1024, blur.aperture).astype(np.float64)
    # scikit-image's luminance Y of a grey pixel is its linear light.
    grey = np.repeat(photo[..., None].astype(np.float64) / 255, 3, axis=-1)
    light = rgb2xyz(grey)[..., 1] if linear else photo / 255
    blurred = np.stack([convolve(light[..., c], psf, mode="nearest") for c in range(3)], axis=-1)
    reduced = blurred.reshape(64, 2, 64, 2, 3).mean((1, 3))
    if linear:
        levels = np.linspace(0, 1, 4096)
        table = rgb2xyz(np.repeat(levels[:, None], 3, axis=1))[:, 1]
        reduced = np.interp(reduced, table, levels)
    [ours] = blur_and_reduce(photo, [blur], 64, "00001")
    assert ours.dtype == np.uint8
    assert np.abs(ours - np.rint(reduced * 255)).max() <= 1


@pytest.mark.parametrize("height", [256, 1024, 700])
def test_radius_zero_gives_the_sharp_half(height):
    photo = photo_u8(0, height)
    [ours] = blur_and_reduce(photo, [LensBlur(0)], 256, "00001")
    np.testing.assert_array_equal(ours, reduce_photo(photo, 256))
    if height == 1024:
        blocks = photo.reshape(256, 4, 256, 4, 3).mean((1, 3))
        assert np.abs(ours - blocks).max() <= 0.5


def test_radius_counts_pixels_of_a_1024_pixel_wide_original():
    large = np.kron(photo_u8(0, 256), np.ones((2, 2, 1), np.uint8))
    [from_large] = blur_and_reduce(large, [LensBlur(60)], 128, "a")
    [from_small] = blur_and_reduce(photo_u8(0, 256), [LensBlur(60)], 128, "a")
    assert np.abs(from_large.astype(int) - from_small).max() <= 2


def test_sets_depend_neither_on_each_other_nor_on_what_lies_around_a_crop():
    photo, base = photo_u8(0, 300)[20:276, 20:276], LensBlur((10, 40))
    depth = np.linspace(0, 255, 256).astype(np.uint8)[None].repeat(256, axis=0)
    blurs = [base, LensBlur(60), replace(base, linear=True), replace(base, noise=4)]
    blurs += [LensBlur(30, brightness=50, threshold=200), LensBlur(60, linear=True)]
    blurs += [LensBlur(30, depth=True), LensBlur(50, layers=2), LensBlur(20)]
    together = blur_and_reduce(photo, blurs, 64, "00042", depth)
    for one, blur in zip(together, blurs, strict=True):
        [alone] = blur_and_reduce(photo.copy(), [blur], 64, "00042", depth)
        np.testing.assert_array_equal(one, alone)


def test_grain_is_added_after_the_blur_and_every_picture_has_its_own():
    photo, blur = flat(256), LensBlur(30, noise=4)
    [first] = blur_and_reduce(photo, [blur], 256, "00001")
    second, other_set = blur_and_reduce(photo, [blur, LensBlur(31, noise=4)], 256, "00002")
    assert first.std() == pytest.approx(4 / 100 * 255, rel=0.02)
    for one, other in ((first, second), (second, other_set)):
        assert np.abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_highlights_become_brighter_than_the_plain_blur_of_them():
    photo = flat(256, 20)
    photo[120:136, 120:136] = 250
    boosts = [{}, {"brightness": 20, "threshold": 240}, {"brightness": 20, "threshold": 255}]
    blurs = [LensBlur(80, **boost) for boost in boosts]
    plain, boosted, none = blur_and_reduce(photo, blurs, 128, "a")
    np.testing.assert_array_equal(plain, none)
    gain = (boosted[64, 64].astype(float) - 20) / (plain[64, 64].astype(float) - 20)
    np.testing.assert_allclose(gain, (750 - 20) / (250 - 20), rtol=0.03)
    np.testing.assert_array_equal(boosted[:30], plain[:30])


# Light, and what a camera does to it.


def photographed(values, **settings):
    return as_photographed(np.float32(values), LensBlur(**settings), "seed")


def test_linear_light_is_the_published_srgb():
    levels = np.arange(256) / 255
    luminance = rgb2xyz(np.repeat(levels[:, None], 3, axis=1))[:, 1]
    np.testing.assert_allclose(srgb_to_linear(levels), luminance, atol=2e-6)
    assert srgb_to_linear(np.float64(0.5)) == pytest.approx(0.21404, abs=1e-5)
    assert linear_to_srgb(np.float32(0.5)) == pytest.approx(0.73536, abs=1e-5)


@pytest.mark.parametrize("settings", [{"linear": True}, {"linear": True, "gamma": 1.8}])
def test_encoding_undoes_linearization_on_every_level(settings):
    photo = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    light = light_of(photo, LensBlur(**settings))
    if "gamma" in settings:
        np.testing.assert_allclose(light / 255, (photo / 255) ** 1.8, atol=1e-6)
    np.testing.assert_array_equal(photographed(light, **settings), photo)


def test_highlights_are_chosen_by_luma_and_multiplied():
    photo = np.array([[[255, 0, 0], [0, 255, 0], [200, 200, 200]]], np.uint8)
    light = light_of(photo, LensBlur(brightness=30, threshold=180))
    np.testing.assert_allclose(light[0], [[255, 0, 0], [0, 1020, 0], [800, 800, 800]], rtol=1e-6)
    at_threshold = np.array([[[239] * 3, [240] * 3]], np.uint8)
    light = light_of(at_threshold, LensBlur(brightness=10, threshold=240))
    np.testing.assert_allclose(light[0, :, 0], [239, 480])


@pytest.mark.parametrize(("kind", "spread"), [("gaussian", 25.5), ("uniform", 25.5 / np.sqrt(3))])
def test_amount_of_grain_is_percent_of_the_range(kind, spread):
    offsets = grain("00001", flat(256), LensBlur(noise=10, noise_kind=kind))
    assert abs(np.corrcoef(offsets[..., 0].ravel(), offsets[..., 1].ravel())[0, 1]) < 0.03
    assert grain("a", flat(9), LensBlur(noise=10, monochromatic=True)).shape == (9, 9, 1)
    assert offsets.std() == pytest.approx(spread, rel=0.01)
    assert abs(offsets.mean()) < 0.2
    assert kind == "gaussian" or np.abs(offsets).max() <= 25.5


def test_photon_grain_grows_with_the_root_of_the_light():
    blur = LensBlur(noise=4, noise_kind="photon")
    at_white, darker = (grain("a", flat(256, level), blur) for level in (255, 64))
    assert at_white.std() == pytest.approx(10.2, rel=0.02)
    assert darker.std() == pytest.approx(5.1, rel=0.02)


def test_coarse_grain_is_as_strong_and_smoother():
    fine = grain("a", flat(256), LensBlur(noise=4))
    coarse = grain("a", flat(256), LensBlur(noise=4, coarseness=1))
    assert coarse.std() == pytest.approx(fine.std(), rel=0.02)
    assert np.diff(coarse, axis=0).std() < 0.7 * np.diff(fine, axis=0).std()


def test_sharpening_overshoots_at_an_edge_and_leaves_flat_parts():
    step = np.where(np.arange(64) < 32, 79.6, 160)[None, :, None].repeat(64, 0).repeat(3, 2)
    assert (photographed(step)[:, :32] == 80).all()  # rounded
    picture = photographed(step, sharpening=100)
    assert picture[32, 31, 0] < 75
    assert picture[32, 32, 0] > 165
    np.testing.assert_array_equal(picture[:, :24], 80)


@pytest.mark.parametrize("subsampling", [False, True])
def test_jpeg_is_what_pillow_makes_of_it(subsampling):
    rng = np.random.default_rng(0)
    values = cv2.GaussianBlur(rng.uniform(0, 255, (64, 64, 3)), (0, 0), 2)
    picture, plain = photographed(values, jpeg=60, subsampling=subsampling), photographed(values)
    file = io.BytesIO()
    Image.fromarray(plain).save(file, "jpeg", quality=60, subsampling=2 if subsampling else 0)
    assert np.abs(picture.astype(int) - np.asarray(Image.open(file))).mean() < 1
    assert (picture != plain).any()


# Depth, against a layered composite at full resolution.


def by_depth(photo, depth, *, focus, size=SIDE, fringe=0.0):
    return blur_by_depth(photo, depth, Lens(12.0, DISC, fringe), focus=focus, size=size)


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
        psf = aperture_psf(radius_px, DISC).astype(np.float64)
        return convolve(image.astype(np.float64), psf, mode="nearest")

    values = photo[..., 0].astype(np.float64)
    light, covered = blur(values * ~person, far_radius), blur(~person, far_radius)
    coverage = blur(person, near_radius)
    light = light * (1 - coverage) + blur(values * person, near_radius)
    return light / (covered * (1 - coverage) + coverage)


@pytest.mark.parametrize(("focus", "near_radius", "far_radius"), [(0, 0, 12), (255, 12, 0)])
def test_edges_in_depth_are_those_of_a_layered_reference(focus, near_radius, far_radius):
    photo, depth, person = person_before_a_wall()
    ours = by_depth(photo, depth, focus=focus)[..., 0]
    reference = layered_reference(photo, person, near_radius, far_radius)
    assert np.abs(ours - reference).max() < 3
    assert np.abs(ours - reference).mean() < 0.1
    if focus == 0:  # a sharp person lends no color to the wall
        assert 169 <= ours[~person].min() <= ours[~person].max() <= 231
        np.testing.assert_allclose(ours[person], 60, atol=1)


@pytest.mark.parametrize("fringe", [0.0, 30.0])
def test_plain_surfaces_stay_plain_at_any_depth(fringe):
    depth = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    photo = np.full((SIDE, SIDE, 3), (10, 128, 250), np.uint8)
    ours = by_depth(photo, depth, focus=100, size=64, fringe=fringe)
    np.testing.assert_allclose(ours, np.broadcast_to((10, 128, 250), ours.shape), atol=0.05)


@pytest.mark.parametrize(("focus", "depth"), [(0, 255), (51, 255), (204, 0)])
def test_the_end_of_the_range_farther_from_the_focus_has_the_whole_radius(focus, depth):
    photo, everywhere = photo_u8(0, SIDE), np.full((SIDE, SIDE), depth, np.uint8)
    [whole] = blur_and_average(photo, [(12.0, DISC)], 64)
    np.testing.assert_allclose(by_depth(photo, everywhere, focus=focus, size=64), whole, atol=0.01)
    assert np.abs(by_depth(photo, everywhere, focus=depth) - photo).max() < 6


@pytest.mark.parametrize("num_layers", [2, 3, 4])
def test_random_depth_has_a_back_and_parts_in_front(num_layers):
    focuses = set()
    for seed in range(20):
        depth_u8, focus = random_depth(128, num_layers, np.random.default_rng(seed))
        focuses.add(focus)
        assert depth_u8.shape == (128, 128)
        assert 255 - focus in depth_u8  # something has the whole blur
        assert len(np.unique(depth_u8)) <= num_layers
    assert focuses == {0, 255}
