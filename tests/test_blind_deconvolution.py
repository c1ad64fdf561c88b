"""The classical front of the residual generator: filters, the estimate of the radius, their sum."""

import functools
from collections.abc import Callable

import keras
import numpy as np
import pytest
from scipy.ndimage import correlate, gaussian_filter
from scipy.special import softmax

from prepare.records.blur import Aperture
from prepare.records.psf import aperture_psf
from train.evaluation.metrics import psnr_db
from train.networks.blind_deconvolution import (
    FAR_WINDOW,
    NEAR_WINDOW,
    NOISE_LAYER,
    blind_inverse,
    pooled_probs,
)
from train.networks.deconvolution_filters import RADII, Blur, inverse_filter, lens_transfers


@functools.cache
def front_of(pooled: bool) -> keras.Model:
    blurred = keras.Input((None, None, 3))
    return keras.Model(blurred, blind_inverse(blurred, pooled))


def probs_of(picture: np.ndarray, pooled: bool, training: bool = False) -> np.ndarray:
    """Probabilities of each radius, at each cell of a uint8 picture."""
    clues = front_of(pooled)(signed(picture), training=training)[1]
    return clues.numpy()[0, ..., : len(RADII)]


@functools.cache
def photograph(slope: float = 1.1) -> np.ndarray:
    """Noise with the spectrum of a photograph; uint8, shape (256, 256, 3)."""
    rng = np.random.default_rng(0)
    frequency = np.maximum(np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)), 1 / 256)
    luma = np.fft.ifft2(np.fft.fft2(rng.normal(size=(256, 256))) * frequency**-slope).real
    levels = 128 + 40 * luma / luma.std()
    return np.repeat(levels.round().clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def blurred_by(radius: float, sharp: np.ndarray) -> np.ndarray:
    """The photograph behind a disc, rounded to bytes."""
    if radius == 0:
        return sharp
    luma = correlate(
        sharp[..., 0].astype(float), aperture_psf(radius, Aperture()).astype(float), mode="nearest"
    )
    return np.repeat(luma.round().astype(np.uint8)[..., None], 3, axis=2)


def signed(picture: np.ndarray) -> np.ndarray:
    return picture[None] / np.float32(127.5) - 1


def test_transfer_function_is_that_of_the_disc() -> None:
    psf = aperture_psf(6.0, Aperture())
    offsets = np.arange(len(psf)) - len(psf) // 2
    for frequency in (0.01, 0.05, 0.1, 0.15):
        expected = np.sum(psf * np.cos(2 * np.pi * frequency * offsets)[:, None])
        (hard, soft) = lens_transfers(Blur(6.0, (0.0, 0.8), 0.25), np.array(frequency))
        assert hard == pytest.approx(expected, abs=5e-3)
        assert soft > 0  # where a hard edge turns detail into its negative


def test_inverse_filter_is_round_sums_to_nothing_and_is_best_for_its_own_radius() -> None:
    sharp, blurred = photograph(), blurred_by(3.0, photograph())
    gains = {}
    for radius in (2.0, 3.0, 4.0):
        inverse = inverse_filter(Blur(radius, (0.0, 0.1), 0.25), 12, 0.04)
        assert inverse.shape == (25, 25)
        assert inverse.sum() == pytest.approx(0, abs=1e-5)
        np.testing.assert_array_equal(inverse, inverse.T)
        np.testing.assert_array_equal(inverse, inverse[::-1])
        added = correlate(blurred[..., 0].astype(float), inverse, mode="nearest")
        restored = (blurred + added[..., None]).round().clip(0, 255).astype(np.uint8)
        gains[radius] = psnr_db(restored, sharp) - psnr_db(blurred, sharp)
    assert gains[3.0] > 2
    assert gains[3.0] == max(gains.values())


def gaussian_of(radius: float, sharp: np.ndarray) -> np.ndarray:
    """Behind a Gaussian of the variance of that disc."""
    luma = gaussian_filter(sharp[..., 0].astype(float), radius / 2, mode="nearest")
    return np.repeat(luma.round().astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(("blur", "radius", "off", "least_db"), [
    (blurred_by, 0.0, 0.6, None), (blurred_by, 2.5, 0.6, 1), (blurred_by, 5.0, 0.6, 1),
    (blurred_by, 11.25, 0.6, 1), (gaussian_of, 5.0, 1.0, 0.5), (gaussian_of, 8.0, 1.6, 0.5),
])  # fmt: skip
def test_radius_is_found_and_its_blur_reduced_without_training(
    blur: Callable, radius: float, off: float, least_db: float | None
) -> None:
    sharp = photograph()
    blurred = blur(radius, sharp)
    inverse, clues = (each.numpy() for each in front_of(False)(signed(blurred)))
    radius_probs = clues[..., : len(RADII)]
    assert inverse.shape == (1, 256, 256, 1)
    assert radius_probs.shape == (1, 64, 64, len(RADII))
    np.testing.assert_allclose(radius_probs.sum(-1), 1, atol=1e-5)
    assert radius_probs.mean((0, 1, 2)) @ RADII == pytest.approx(radius, abs=off)
    restored = ((signed(blurred) + inverse)[0] * 127.5 + 127.5).round().clip(0, 255)
    restored_db = psnr_db(restored.astype(np.uint8), sharp)
    assert restored_db > (psnr_db(blurred, sharp) + least_db if least_db else 40)


@pytest.mark.parametrize("radius", [3.0, 8.0])
@pytest.mark.parametrize("noise", [0.0, 1.5, 4.0, 8.0])
def test_noise_is_estimated_and_a_blur_is_found_in_it(radius: float, noise: float) -> None:
    """The same in all channels, so that its luma has as much."""
    grain = noise * np.random.default_rng(0).standard_normal((256, 256, 1))
    seen = (blurred_by(radius, photograph(1.5)) + grain).round().clip(0, 255).astype(np.uint8)
    energy = keras.Model(front_of(True).input, front_of(True).get_layer(NOISE_LAYER).output)
    found = 127.5 * np.sqrt(energy(signed(seen)).numpy().item())
    assert found == pytest.approx(noise, rel=0.15, abs=0.6)
    mean = probs_of(seen, pooled=True).mean((0, 1)) @ RADII
    assert mean == pytest.approx(radius, rel=0.15 if noise < 8 else 0.5, abs=0.5)


@pytest.mark.parametrize(("radius", "least"), [(0.0, 0.0), (2.5, 0.5), (7.5, 6.5)])
def test_pooled_estimate_errs_towards_leaving_what_is_smooth_and_noisy(
    radius: float, least: float
) -> None:
    noise = 2 * np.random.default_rng(0).standard_normal((256, 256, 1))
    seen = (blurred_by(radius, photograph(1.5)) + noise).round().clip(0, 255).astype(np.uint8)
    assert least <= probs_of(seen, pooled=True).mean((0, 1)) @ RADII <= radius + 1


def test_finest_rings_tell_a_blur_of_one_pixel_from_one_of_two() -> None:
    seen = blurred_by(1.25, photograph(1.3))
    blind, fine = (
        probs_of(seen, pooled).mean((0, 1))[np.array(RADII) >= 2].sum() for pooled in (False, True)
    )
    assert fine < blind / 2


def test_places_around_outvote_one_that_errs() -> None:
    """A tenth of a picture, of another texture, does not change what is told of its blur."""
    sharp = photograph(1.3).copy()
    sharp[112:144, 112:144] = photograph(2.2)[112:144, 112:144] // 4 + 96
    seen = blurred_by(5.0, sharp)
    alone, pooled = (
        probs_of(seen, pooled)[26:38, 26:38].mean((0, 1)) @ RADII for pooled in (False, True)
    )
    assert abs(pooled - 5) < min(0.5, abs(alone - 5))


def test_a_blurred_half_beside_a_sharp_one_is_told_nearly_up_to_it() -> None:
    """Energies of a wide window are those of the sharpest in it."""
    halves = photograph(1.3).copy()
    halves[:, 128:] = blurred_by(4.0, halves)[:, 128:]
    probs = probs_of(halves, pooled=True)
    assert probs[:, :28, 0].mean() > 0.95
    assert probs[:, 40:44, 0].mean() < 0.1  # 32 to 48 pixels from the edge


def test_the_estimate_that_learns_is_used_in_training_alone() -> None:
    front = front_of(True)
    seen = blurred_by(5.0, photograph(1.5))
    assert np.abs(probs_of(seen, True, training=True) - probs_of(seen, True)).max() > 0.1
    (kernel, _) = front.trainable_weights
    assert kernel.shape == (4, 1, 1, 20, 24)  # for each of four noises
    kept = [weight for weight in front.weights if weight.shape == kernel.shape]
    assert len(kept) == 1  # what is computed is no weight


@pytest.mark.parametrize("shape", [(4, 4), (12, 64)])
@pytest.mark.parametrize("pooled", [False, True])
def test_front_takes_any_multiple_of_4(pooled: bool, shape: tuple[int, int]) -> None:
    inverse, clues = front_of(pooled)(np.zeros((2, *shape, 3), np.float32))
    assert inverse.shape == (2, *shape, 1)
    assert clues.shape[1:3] == (shape[0] // 4, shape[1] // 4)
    np.testing.assert_allclose(inverse, 0, atol=1e-5)


# How places are pooled, of maps of 5 radii.


def pooled(logits: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    inputs = [keras.Input((None, None, 5)), keras.Input((None, None, 1))]
    probs = keras.Model(inputs, pooled_probs(*inputs))([logits[None], contrast[None]]).numpy()[0]
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-4)  # so nothing is NaN
    return probs.astype(float)


def test_log_odds_are_means_by_contrast_and_by_how_sure_each_is_to_be_blurred() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (6, 6, 5)).astype(np.float32)
    contrast = rng.uniform(0.1, 1, (6, 6, 1)).astype(np.float32)
    probs = pooled(logits, contrast)  # every window holds all of these, so all are told alike
    sharp = softmax(logits, -1)[..., :1]
    mean = (sharp * contrast).sum() / contrast.sum()
    both = mean**2 / (mean**2 + (1 - mean) ** 2)  # near and far are two witnesses
    np.testing.assert_allclose(probs[..., 0], both, atol=1e-4)
    weight = (1.001 - sharp) * contrast
    odds = (weight * logits[..., 1:]).sum((0, 1)) / weight.sum((0, 1))
    np.testing.assert_allclose(probs[3, 4, 1:], (1 - both) * softmax(1.8 * odds), atol=1e-4)


def test_near_and_far_differ_and_nothing_beyond_has_a_say() -> None:
    logits, contrast = np.zeros((100, 100, 5), np.float32), np.ones((100, 100, 1), np.float32)
    logits[..., 0] = 1.0
    before = pooled(logits, contrast)
    logits[48:52, 48:52, 0] = -20.0  # blurred for certain, in the middle
    changed = before[..., 0] - pooled(logits, contrast)[..., 0]
    row, beyond = changed[50], 50 + NEAR_WINDOW // 2 + 4
    assert row[50] > 0.03
    assert row[beyond] < row[50] / 5  # only by what is far
    assert row[beyond] > row[50 + FAR_WINDOW - 4] > 1e-6  # which fades out
    assert np.abs(row[: 50 - FAR_WINDOW - 4]).max() < 1e-6
    np.testing.assert_allclose(changed[:, 50], row, atol=1e-6)
