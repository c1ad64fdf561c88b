"""The classical front of the residual generator: filters, the guess of the radius, their sum."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import correlate, gaussian_filter

from prepare.records.psf import disc_psf
from train.evaluation.metrics import psnr_db
from train.networks.blind_deconvolution import blind_inverse
from train.networks.blurs import BANKS, Bank, Blur
from train.networks.deconvolution_filters import (
    FINE_REACH,
    FINE_RINGS,
    RING_REACH,
    RINGS,
    disc_transfer,
    inverse_filter,
    lens_transfers,
    radius_discriminant,
    ring_filters,
    space_to_depth_kernel,
)
from train.networks.layers import EdgePad, SpaceToDepth

LENSES, PHOTOGRAPHS, REAL, POOLED = (
    BANKS[name] for name in ("lenses", "photographs", "real", "pooled")
)
RADII = np.array(LENSES.radii)


@functools.cache
def front_of(bank: Bank) -> keras.Model:
    blurred = keras.Input((None, None, 3))
    return keras.Model(blurred, blind_inverse(blurred, bank))


@pytest.fixture(scope="module")
def front() -> keras.Model:
    return front_of(LENSES)


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
    luma = correlate(sharp[..., 0].astype(float), disc_psf(radius).astype(float), mode="nearest")
    return np.repeat(luma.round().astype(np.uint8)[..., None], 3, axis=2)


def signed(picture: np.ndarray) -> np.ndarray:
    return picture[None] / np.float32(127.5) - 1


def test_transfer_function_is_that_of_the_disc() -> None:
    psf = disc_psf(6.0)
    offsets = np.arange(len(psf)) - len(psf) // 2
    for frequency in (0.01, 0.05, 0.1, 0.15):
        expected = np.sum(psf * np.cos(2 * np.pi * frequency * offsets)[:, None])
        assert disc_transfer(6.0, np.array(frequency)) == pytest.approx(expected, abs=5e-3)
    assert disc_transfer(6.0, np.array(0.0)) == pytest.approx(1)


def test_apertures_of_a_blur_agree_on_coarse_detail_alone() -> None:
    hardest, *others = lens_transfers(Blur(6.0, (0.0, 0.3, 0.8), 0.25), np.array([0.01, 0.1]))
    for other in others:
        assert other[0] == pytest.approx(hardest[0], abs=0.002)
        assert other[1] > hardest[1] + 0.05  # where a hard edge turns detail into its negative


@pytest.mark.parametrize("radius", [2.0, 3.5])
def test_inverse_filter_is_round_and_adds_nothing_to_a_flat_picture(radius: float) -> None:
    inverse = inverse_filter(Blur(radius, (0.0, 0.1), 0.25), 12, 0.04)
    assert inverse.shape == (25, 25)
    assert inverse.sum() == pytest.approx(0, abs=1e-5)
    np.testing.assert_array_equal(inverse, inverse.T)
    np.testing.assert_array_equal(inverse, inverse[::-1])


def test_inverse_filter_is_best_for_its_own_radius() -> None:
    sharp, blurred = photograph(), blurred_by(3.0, photograph())

    def gain(radius: float) -> float:
        added = correlate(
            blurred[..., 0].astype(float),
            inverse_filter(Blur(radius, (0.0, 0.1), 0.25), 12, 0.04),
            mode="nearest",
        )
        restored = (blurred + added[..., None]).round().clip(0, 255).astype(np.uint8)
        return psnr_db(restored, sharp) - psnr_db(blurred, sharp)

    assert gain(3.0) > 2
    assert gain(3.0) > gain(2.0)
    assert gain(3.0) > gain(4.0)


@pytest.mark.parametrize(
    ("rings", "reach", "some"),
    [(RINGS, RING_REACH, (3, 8, 13)), (FINE_RINGS, FINE_REACH, (0, 1, 2, 3))],
)
def test_ring_filters_pass_their_ring_alone(
    rings: np.ndarray, reach: int, some: tuple[int, ...]
) -> None:
    filters = ring_filters(rings, reach)
    assert filters.shape == (2 * reach + 1, 2 * reach + 1, len(rings))
    np.testing.assert_allclose(filters.sum((0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose((filters**2).sum((0, 1)), 1, atol=1e-5)
    places = np.arange(-reach, reach + 1)
    for index in some:  # a wave of that ring's frequency moves it most
        waves = np.cos(2 * np.pi * rings * places[:, None])
        answers = np.abs(np.einsum("yxk,xf->kf", filters, waves))
        assert answers[index].argmax() == index


def test_discriminant_has_a_column_for_every_radius() -> None:
    both = len(RINGS) + len(FINE_RINGS)
    banks = ((LENSES, 16, 24), (PHOTOGRAPHS, 16, 24), (REAL, both, 24), (BANKS["discs"], 16, 22))
    for bank, num_rings, number in banks:
        weights, offsets = radius_discriminant(bank, bank.later or bank.guess)
        assert weights.shape == (num_rings, number)
        assert offsets.shape == (len(bank.radii),) == (number,)


@pytest.mark.parametrize("radius", [0.0, 2.5, 5.0, 7.5, 10.0, 11.25])
def test_radius_is_found_and_its_blur_reduced_without_training(
    front: keras.Model, radius: float
) -> None:
    sharp = photograph()
    blurred = blurred_by(radius, sharp)
    inverse, clues = (each.numpy() for each in front(signed(blurred)))
    radius_probs = clues[..., : len(RADII)]
    assert inverse.shape == (1, 256, 256, 1)
    assert radius_probs.shape == (1, 64, 64, len(RADII))
    np.testing.assert_allclose(radius_probs.sum(-1), 1, atol=1e-5)
    believed = np.sum(radius_probs.mean((0, 1, 2)) * RADII)
    assert believed == pytest.approx(radius, abs=0.6)
    restored = ((signed(blurred) + inverse)[0] * 127.5 + 127.5).round().clip(0, 255)
    gain = psnr_db(restored.astype(np.uint8), sharp) - psnr_db(blurred, sharp)
    if radius:
        assert gain > 1
    else:
        assert psnr_db(restored.astype(np.uint8), sharp) > 40


@pytest.mark.parametrize("sigma", [2.5, 4.0])
def test_a_gaussian_blur_is_told_from_a_disc_and_reduced(front: keras.Model, sigma: float) -> None:
    sharp = photograph()
    luma = gaussian_filter(sharp[..., 0].astype(float), sigma, mode="nearest")
    blurred = np.repeat(luma.round().astype(np.uint8)[..., None], 3, axis=2)
    inverse, clues = (each.numpy() for each in front(signed(blurred)))
    believed = np.sum(clues[..., : len(RADII)].mean((0, 1, 2)) * RADII)
    assert believed == pytest.approx(2 * sigma, rel=0.2)  # a disc of that variance
    restored = ((signed(blurred) + inverse)[0] * 127.5 + 127.5).round().clip(0, 255)
    assert psnr_db(restored.astype(np.uint8), sharp) > psnr_db(blurred, sharp) + 0.5


def told_of_smooth_and_noisy(bank: Bank) -> dict[float, float]:
    """Mean radius that is told of smooth pictures in noise, by the radius that they have."""
    front, rng, told = front_of(bank), np.random.default_rng(0), {}
    for radius in (0.0, 2.5, 7.5):
        noise = 2 * rng.standard_normal((256, 256, 1))
        seen = (blurred_by(radius, photograph(1.5)) + noise).round().clip(0, 255).astype(np.uint8)
        probs = front(signed(seen))[1].numpy()[..., : len(RADII)]
        told[radius] = probs.mean((0, 1, 2)) @ RADII
    return told


@pytest.mark.parametrize("bank", [PHOTOGRAPHS, REAL])
def test_guess_for_photographs_does_not_take_what_is_smooth_and_noisy_for_blurred(
    bank: Bank,
) -> None:
    for radius, believed in told_of_smooth_and_noisy(bank).items():
        assert believed == pytest.approx(radius, abs=1)  # that of the lenses errs by 1 to 2


def test_pooled_guess_errs_towards_leaving_what_is_smooth_and_noisy() -> None:
    least = {0.0: 0.0, 2.5: 0.5, 7.5: 6.5}
    for radius, believed in told_of_smooth_and_noisy(POOLED).items():
        assert least[radius] <= believed <= radius + 1


def test_finest_rings_tell_a_blur_of_one_pixel_from_one_of_two() -> None:
    seen = signed(blurred_by(1.25, photograph(1.3)))
    too_much = [
        front_of(bank)(seen)[1].numpy()[..., : len(RADII)].mean((0, 1, 2))[RADII >= 2].sum()
        for bank in (PHOTOGRAPHS, REAL)
    ]
    assert too_much[1] < too_much[0] / 2


def test_places_around_outvote_one_that_errs() -> None:
    """A tenth of a picture, of another texture, does not change what is told of its blur."""
    sharp = photograph(1.3)
    sharp[112:144, 112:144] = photograph(2.2)[112:144, 112:144] // 4 + 96
    seen = signed(blurred_by(5.0, sharp))
    there = [
        front_of(bank)(seen)[1].numpy()[0, 26:38, 26:38, : len(RADII)].mean((0, 1)) @ RADII
        for bank in (REAL, POOLED)
    ]
    assert abs(there[1] - 5) < min(0.5, abs(there[0] - 5))


def test_guess_for_photographs_is_that_of_lenses_while_training(front: keras.Model) -> None:
    other, seen = front_of(PHOTOGRAPHS), signed(blurred_by(5.0, photograph()))
    for trained, expected in zip(other(seen, training=True), front(seen), strict=True):
        np.testing.assert_array_equal(trained, expected)
    assert len(other.trainable_weights) == len(front.trainable_weights)
    assert len(other.weights) > len(front.weights)


def test_a_blurred_half_beside_a_sharp_one_is_told_nearly_up_to_it() -> None:
    """Energies of a wide window are those of the sharpest in it."""
    sharp = photograph(1.3)
    sharp[:, 128:] = blurred_by(4.0, sharp)[:, 128:]
    told = []
    for bank in (REAL, POOLED):
        probs = front_of(bank)(signed(sharp))[1].numpy()[0, ..., : len(RADII)]
        told.append(1 - probs[:, 40:44, 0].mean())  # 32 to 48 pixels from the edge
        assert probs[:, :28, 0].mean() > 0.95
    assert told[0] < 0.1
    assert told[1] > 0.9


def test_blur_that_differs_from_place_to_place_is_told_apart(front: keras.Model) -> None:
    sharp = photograph()
    left, right = blurred_by(3.0, sharp), blurred_by(9.0, sharp)
    halves = np.concatenate([left[:, :128], right[:, 128:]], axis=1)
    clues = front(signed(halves))[1].numpy()[0].mean(0)
    believed = clues[:, : len(RADII)] @ RADII
    assert believed[:8].mean() == pytest.approx(3, abs=1)
    assert believed[-8:].mean() == pytest.approx(9, abs=1)


@pytest.mark.parametrize("shape", [(4, 4), (12, 64), (64, 36)])
@pytest.mark.parametrize("bank", [LENSES, POOLED])
def test_front_takes_any_multiple_of_4(bank: Bank, shape: tuple[int, int]) -> None:
    inverse, clues = front_of(bank)(np.zeros((2, *shape, 3), np.float32))
    assert inverse.shape == (2, *shape, 1)
    assert clues.shape[1:3] == (shape[0] // 4, shape[1] // 4)
    np.testing.assert_allclose(inverse, 0, atol=1e-5)


def test_folded_filters_do_the_same() -> None:
    rng = np.random.default_rng(0)
    picture, filters = rng.normal(size=(1, 16, 24, 1)), rng.normal(size=(9, 9, 3))
    folded = tf.nn.conv2d(
        SpaceToDepth(4)(EdgePad(4)(picture)), space_to_depth_kernel(filters, 4), 1, "VALID"
    )
    expected = [correlate(picture[0, ..., 0], filters[..., k], mode="nearest") for k in range(3)]
    unfolded = tf.nn.depth_to_space(tf.cast(folded, tf.float32), 4)
    np.testing.assert_allclose(unfolded[0], np.stack(expected, -1), atol=1e-4)


def test_edges_are_continued_as_numpy_does() -> None:
    picture = np.random.default_rng(0).normal(size=(2, 3, 5, 2)).astype(np.float32)
    padding = [(0, 0), (4, 4), (4, 4), (0, 0)]
    np.testing.assert_array_equal(EdgePad(4)(picture), np.pad(picture, padding, "edge"))
