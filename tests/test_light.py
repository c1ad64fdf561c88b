"""Light against the published sRGB values and scikit-image."""

import numpy as np
import pytest
from skimage.color import rgb2xyz

from prepare.blur.light import encoded_values, light_of
from prepare.records.blur import LensBlur
from prepare.records.srgb import linear_to_srgb, srgb_to_linear


def test_linear_light_is_the_luminance_of_grey():
    levels = np.arange(256) / 255
    luminance = rgb2xyz(np.repeat(levels[:, None], 3, axis=1))[:, 1]
    np.testing.assert_allclose(srgb_to_linear(levels), luminance, atol=2e-6)


def test_known_values():
    assert srgb_to_linear(np.float64(0.5)) == pytest.approx(0.21404, abs=1e-5)
    assert linear_to_srgb(np.float32(0.5)) == pytest.approx(0.73536, abs=1e-5)


def test_encoding_undoes_linearization_on_every_level():
    photo = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    light = light_of(photo, LensBlur(linear=True))
    np.testing.assert_allclose(encoded_values(light, LensBlur(linear=True)), photo, atol=1e-3)


def test_encoding_undoes_a_tone_curve_of_its_own():
    photo = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    blur = LensBlur(linear=True, gamma=1.8)
    light = light_of(photo, blur)
    np.testing.assert_allclose(light / 255, (photo / 255) ** 1.8, atol=1e-6)
    np.testing.assert_allclose(encoded_values(light, blur), photo, atol=1e-3)


def test_unchanged_light_is_the_photograph_itself():
    photo = np.zeros((4, 4, 3), np.uint8)
    assert light_of(photo, LensBlur(brightness=50, threshold=255)) is photo
    assert light_of(photo, LensBlur(brightness=0, threshold=10)) is photo


def test_highlights_are_chosen_by_luma_and_multiplied():
    photo = np.array([[[255, 0, 0], [0, 255, 0], [200, 200, 200]]], np.uint8)
    light = light_of(photo, LensBlur(brightness=30, threshold=180))
    np.testing.assert_allclose(light[0], [[255, 0, 0], [0, 1020, 0], [800, 800, 800]], rtol=1e-6)


def test_a_pixel_that_reaches_the_threshold_is_a_highlight():
    photo = np.array([[[239] * 3, [240] * 3, [241] * 3]], np.uint8)
    light = light_of(photo, LensBlur(brightness=10, threshold=240))
    np.testing.assert_allclose(light[0, :, 0], [239, 480, 482])
