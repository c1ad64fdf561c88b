"""The fused operator against the definition: float64 convolution by SciPy, then area average."""

import numpy as np
import pytest
from scipy.signal import oaconvolve

from prepare.blur.blur_downsample import Lens, blur_and_average
from prepare.records.blur import Aperture
from prepare.records.psf import aperture_psf

DISC = Aperture()
TRIANGLE = Aperture(3, 0.0, 11.0)
HEXAGON = Aperture(6, 0.0, 0.0)
SQUARE = Aperture(4, 0.0, 45.0)  # its straight sides are the worst for halving
BOWED = Aperture(5, 40.0, 20.0)
SOFT = Aperture(7, 20.0, 10.0, softness=20.0)
RIMMED = Aperture(0, 0.0, 30.0, softness=3.0, rim=60.0, vignetting=40.0)
GAUSSIAN = Aperture(softness=100.0)


def area_weights(height: int, size: int) -> np.ndarray:
    """Row i holds the overlap of pixel i of the result with each pixel of the source."""
    edges = np.arange(size + 1) * height / size
    low = np.maximum(edges[:-1, None], np.arange(height))
    high = np.minimum(edges[1:, None], np.arange(height) + 1)
    return np.clip(high - low, 0, None) * size / height


def definition(photo, radius_px, aperture, size) -> np.ndarray:
    """What is to be computed, written down with SciPy and NumPy in float64."""
    psf = aperture_psf(radius_px, aperture).astype(np.float64)
    reach = psf.shape[0] // 2
    padded = np.pad(photo.astype(np.float64), reach, mode="edge")
    blurred = oaconvolve(padded, psf, mode="valid")
    weights = area_weights(photo.shape[0], size)
    return weights @ blurred @ weights.T


def noise(height):
    return np.random.default_rng(height).choice(np.uint8([0, 255]), (height, height))


def step(height):
    return np.where(np.arange(height) * np.ones((height, 1)) > height // 2, 255, 0).astype(np.uint8)


def gratings(height):
    """Rings of every spatial frequency that the grid can hold."""
    y, x = np.mgrid[:height, :height] - height / 2
    waves = np.cos(np.pi / height / 1.2 * (x**2 + y**2))
    return np.rint(127.5 + 127.5 * waves).astype(np.uint8)


def checkers(height):
    """Squares of 1.5 pixels: the halving filter rounds all of them the same way."""
    places = np.arange(height) // 1.5
    return ((places + places[:, None]) % 2 * 255).astype(np.uint8)


def frame(height):
    """A bright border, three pixels wide: all that replication multiplies."""
    return np.pad(np.zeros((height - 6, height - 6), np.uint8), 3, constant_values=255)


def assert_within_one_level(photo, radius_px, aperture, size):
    [ours] = blur_and_average(photo, [(radius_px, aperture)], size)
    assert ours.dtype == np.float32
    assert ours.shape == (size, size, 1)
    expected = definition(photo, radius_px, aperture, size)
    levels = np.rint(np.clip(ours[..., 0], 0, 255)) - np.rint(expected)
    assert np.abs(levels).max() <= 1


SHAPES = [
    *((0.5, DISC), (4, HEXAGON), (8, DISC), (12, SQUARE)),
    *((20.5, TRIANGLE), (30, DISC), (33.5, HEXAGON), (60, BOWED)),
]


@pytest.mark.parametrize("picture", [noise, step, gratings, checkers, frame])
@pytest.mark.parametrize(("radius_px", "aperture"), SHAPES)
def test_worst_pictures_are_within_one_level(picture, radius_px, aperture):
    assert_within_one_level(picture(512), radius_px, aperture, 128)


@pytest.mark.parametrize("picture", [noise, gratings, checkers])
@pytest.mark.parametrize("radius_px", [0.7, 6, 17, 45])
@pytest.mark.parametrize("aperture", [SOFT, RIMMED, GAUSSIAN])
def test_apertures_of_real_lenses_are_within_one_level(picture, radius_px, aperture):
    assert_within_one_level(picture(512), radius_px, aperture, 128)


@pytest.mark.parametrize(("radius_px", "aperture"), [(1.7, TRIANGLE), (15, DISC), (60, BOWED)])
@pytest.mark.parametrize(
    ("height", "size"),
    [
        *((1024, 256), (512, 256), (256, 256), (768, 128), (1024, 128), (320, 64)),  # whole factors
        *((517, 256), (683, 256), (300, 256)),
    ],
)
def test_other_sizes_are_within_one_level(height, size, radius_px, aperture):
    assert_within_one_level(noise(height), radius_px, aperture, size)


@pytest.mark.parametrize(("height", "size"), [(1365, 256), (2048, 512)])
def test_kernels_too_large_to_be_kept_are_within_one_level(height, size):
    assert_within_one_level(noise(height), 21.3, DISC, size)


@pytest.mark.parametrize("radius_px", [9, 12, 25, 60])
@pytest.mark.parametrize("aperture", [DISC, Aperture(softness=50.0)])
def test_wide_blurs_of_small_photographs_are_within_one_level(radius_px, aperture):
    for height, size in ((128, 32), (256, 64)):
        assert_within_one_level(noise(height), radius_px, aperture, size)


def test_fringe_gives_colors_radii_of_their_own():
    photo = np.dstack([noise(512)] * 3)
    [fringed] = blur_and_average(photo, [Lens(20, DISC, 10.0)], 128)
    for channel, radius_px in enumerate((22, 20, 18)):
        [plain] = blur_and_average(photo, [(radius_px, DISC)], 128)
        np.testing.assert_allclose(fringed[..., channel], plain[..., channel], atol=1e-3)


@pytest.mark.parametrize("aperture", [DISC, TRIANGLE, BOWED])
@pytest.mark.parametrize("radius_px", [0.4, 6.5, 14])
def test_a_point_of_light_is_imaged_as_the_psf(aperture, radius_px):
    photo = np.zeros((101, 101, 1), np.uint8)
    photo[50, 50] = 255
    psf = aperture_psf(radius_px, aperture)
    reach = psf.shape[0] // 2
    [image] = blur_and_average(photo, [(radius_px, aperture)], 101)
    around = slice(50 - reach, 51 + reach)
    np.testing.assert_allclose(image[around, around, 0] / 255, psf, atol=1e-6)


@pytest.mark.parametrize("height", [162, 300, 512, 1280])
@pytest.mark.parametrize("radius_px", [0, 0.5, 7, 30, 130])
def test_a_plain_surface_stays_as_it_is(height, radius_px):
    photo = np.full((height, height, 3), (3, 128, 255), np.uint8)
    [ours] = blur_and_average(photo, [(radius_px, HEXAGON)], 128)
    np.testing.assert_allclose(ours, np.broadcast_to((3, 128, 255), ours.shape), atol=1e-3)


@pytest.mark.parametrize(
    ("photo", "radius_px", "size"),
    [(noise(1024).astype(np.float32) * 11, 30, 256), (noise(64), 90, 64)],
)
def test_float_light_and_small_photographs_are_not_halved_and_exact(photo, radius_px, size):
    [ours] = blur_and_average(photo, [(radius_px, DISC)], size)
    np.testing.assert_allclose(ours[..., 0], definition(photo, radius_px, DISC, size), atol=0.01)
