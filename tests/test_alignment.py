"""Real pairs brought together: moves, sizes and exposures that are known are found again."""

import numpy as np
import pytest
import skimage
from scipy.ndimage import affine_transform, fourier_shift, gaussian_filter

from prepare.records.srgb import linear_to_srgb, srgb_to_linear
from train.evaluation.alignment import align

WHOLE = np.ones((256, 256), bool)


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    return skimage.data.astronaut().astype(np.float64)


def cut(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture[128:384, 100:356]).clip(0, 255).astype(np.uint8)


def shifted(picture: np.ndarray, down: float, right: float) -> np.ndarray:
    """What was `down` lower and `right` further right, by the exact shift of a periodic picture."""
    channels = [
        np.fft.ifft2(fourier_shift(np.fft.fft2(picture[..., c]), (-down, -right))).real
        for c in range(3)
    ]
    return np.stack(channels, axis=-1)


def out_of_focus(picture: np.ndarray, sigma_px: float, exposure: float = 1.0) -> np.ndarray:
    light = gaussian_filter(srgb_to_linear(picture.clip(0, 255) / 255), (sigma_px, sigma_px, 0))
    return 255.0 * linear_to_srgb(light * exposure)


def rms(one: np.ndarray, other: np.ndarray, border: int = 16) -> float:
    inner = slice(border, -border)
    return float(np.sqrt(np.mean((one[inner, inner].astype(float) - other[inner, inner]) ** 2)))


@pytest.mark.parametrize("move", [(0.3, -0.4), (2.6, -5.3), (0.0, 9.5)])
@pytest.mark.parametrize("sigma_px", [1.0, 4.0])
def test_moves_are_found_through_blur(large, move, sigma_px):
    there = shifted(large, *move)
    aligned = align(cut(out_of_focus(there, sigma_px)), cut(large), WHOLE)
    assert aligned.found
    assert aligned.moved_px == pytest.approx(np.hypot(*move), abs=0.08)
    assert rms(aligned.sharp_u8, cut(there)) < 0.35 * rms(cut(large), cut(there))
    assert aligned.inside.mean() == pytest.approx(np.prod(1 - np.abs(move) / 256), abs=0.01)


def test_growth_with_the_focus_is_found(large):
    """A picture that is 1.5 % larger is 1.9 pixels off at the middle of its sides."""
    center = np.array([127.5 + 128, 127.5 + 100])
    grown = [
        affine_transform(large[..., c], [1.015] * 2, center - 1.015 * center, order=5)
        for c in range(3)
    ]
    there = np.stack(grown, axis=-1)
    aligned = align(cut(out_of_focus(there, 3)), cut(large), WHOLE)
    assert rms(aligned.sharp_u8, cut(there)) < 0.2 * rms(cut(large), cut(there))


def test_what_fits_is_left_as_it_is(large):
    noise = np.random.default_rng(0).normal(0, 2, (256, 256, 3))
    blurred = np.rint(cut(out_of_focus(large, 3)) + noise).clip(0, 255).astype(np.uint8)
    sharp = cut(large)
    aligned = align(blurred, sharp, WHOLE)
    assert aligned.moved_px == 0
    assert aligned.inside.all()
    assert aligned.light_ratio == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(aligned.sharp_u8, sharp)


def test_other_exposure_is_brought_over(large):
    dimmed = 255.0 * linear_to_srgb(0.6 * srgb_to_linear(large / 255))
    aligned = align(cut(out_of_focus(dimmed, 3, exposure=1.3)), cut(dimmed), WHOLE)
    assert aligned.light_ratio == pytest.approx(1.3, abs=0.03)
    assert rms(aligned.sharp_u8, cut(out_of_focus(dimmed, 0, exposure=1.3))) < 3


@pytest.mark.parametrize("what", ["noise", "flat", "small"])
def test_what_cannot_be_told_is_left(what):
    rng = np.random.default_rng(0)
    side = 20 if what == "small" else 128
    one, other = (rng.integers(0, 256, (side, side, 3), np.uint8) for _ in range(2))
    if what == "flat":
        one, other = np.full_like(one, 90), np.full_like(other, 90)
    aligned = align(one, other, np.ones((side, side), bool))
    assert aligned.sharp_u8.shape == other.shape
    assert aligned.moved_px <= 0.05 * side
    if what != "noise":
        assert aligned.moved_px == 0
