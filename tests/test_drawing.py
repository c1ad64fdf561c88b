"""Drawn pictures: what holds for every one, for portraits, and for scenes."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from prepare.drawing.sample import portrait, sample_picture
from prepare.drawing.scene import scene


def test_pictures_are_the_same_from_any_number_of_workers():
    alone = [sample_picture(index, side=64) for index in range(3)]
    with ThreadPoolExecutor(3) as workers:
        together = list(workers.map(lambda index: sample_picture(index, side=64), range(3)))
    np.testing.assert_array_equal(alone, together)
    assert (together[0].shape, together[0].dtype) == ((64, 64, 3), np.uint8)


@pytest.mark.parametrize("index", [0, 2])
def test_picture_does_not_depend_on_the_threads_of_opencv(index):
    num_threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        single = sample_picture(index, side=512)
        cv2.setNumThreads(4)
        np.testing.assert_array_equal(sample_picture(index, side=512), single)
    finally:
        cv2.setNumThreads(num_threads)


@pytest.mark.parametrize("draw", [portrait, scene])
def test_pictures_differ_between_indexes_and_seeds(draw):
    base = draw(0, seed=0, side=128).astype(float)
    for index, seed in ((1, 0), (0, 1), (1, 1)):
        assert np.abs(base - draw(index, seed=seed, side=128)).mean() > 10


@pytest.mark.parametrize("side", [62, 101])
def test_rejects_sides_it_cannot_draw(side):
    for index in (0, 2):
        with pytest.raises(ValueError, match=str(side)):
            sample_picture(index, side=side)


@pytest.mark.parametrize("index", [0, 2])
@pytest.mark.parametrize(("draw", "least"), [(portrait, 0.9), (scene, 0.95)])
def test_a_smaller_picture_shows_the_same(draw, least, index):
    small = draw(index, side=256)
    large = cv2.resize(draw(index, side=512), (256, 256), interpolation=cv2.INTER_AREA)
    structure = [cv2.GaussianBlur(image, (0, 0), 4).ravel() for image in (small, large)]
    assert np.corrcoef(structure)[0, 1] > least  # other sitters reach 0.75


def test_every_third_sample_is_a_scene():
    for index in range(3):
        expected = (portrait, portrait, scene)[index % 3](index, 4, 64)
        assert np.abs(sample_picture(index, 4, 64) - expected.astype(float)).mean() < 12


def test_most_samples_are_softer_than_they_were_drawn_and_some_are_not():
    edges = []
    for index in (0, 1, 3, 4, 6, 7):
        pictures = [draw(index, 0, 512) for draw in (sample_picture, portrait)]
        # Reduced, so that what counts is not the grain.
        small = [cv2.resize(each, (128, 128), interpolation=cv2.INTER_AREA) for each in pictures]
        edges.append([np.percentile(np.abs(cv2.Laplacian(each, cv2.CV_32F)), 98) for each in small])
    assert all(soft <= sharp for soft, sharp in edges)
    assert 2 < sum(soft < sharp for soft, sharp in edges) < 6


def luma(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


# Portraits.


def high_frequency_energy(image):
    """Mean squared response of the Laplacian, which a smooth image does not excite."""
    return float(np.mean(cv2.Laplacian(luma(image), cv2.CV_32F) ** 2))


def test_blur_takes_most_of_the_fine_detail(portraits):
    for sharp in portraits[:3]:
        blurred = cv2.blur(sharp, (15, 15))
        assert high_frequency_energy(sharp) > 50 * high_frequency_energy(blurred)


def test_detail_is_structure_rather_than_noise():
    sharp = portrait(1)
    lightly_denoised = cv2.medianBlur(sharp, 3)
    assert high_frequency_energy(lightly_denoised) > 0.1 * high_frequency_energy(sharp)


@pytest.fixture(scope="module")
def portraits():
    return [portrait(index, side=256) for index in range(24)]


def test_faces_stand_where_aligned_faces_stand(portraits):
    mean = np.mean(portraits, axis=0)
    cheek, backdrop = mean[140:160, 100:156].mean((0, 1)), mean[80:180, :24].mean((0, 1))
    assert cheek[0] - cheek[2] > 30  # skin of every tone is redder than blue
    assert cheek[0] - cheek[2] > backdrop[0] - backdrop[2] + 15


def test_backdrops_lie_at_many_depths(portraits):
    """Beside the head, some are nearly sharp and some without any detail."""
    edges = [picture[20:160, :24] for picture in portraits]
    energy = [high_frequency_energy(cv2.GaussianBlur(edge, (0, 0), 1)) for edge in edges]
    assert min(energy) < 2
    assert max(energy) > 40


# Scenes.


def gradient_magnitude(image):
    gray = luma(image)
    return np.hypot(np.diff(gray, axis=1)[:-1], np.diff(gray, axis=0)[:, :-1])


def amplitude_slope(image):
    """Exponent with which the amplitude falls over spatial frequency, fitted from 4 cycles on."""
    gray = luma(image)
    side = len(gray)
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    cycles = np.abs(np.fft.fftfreq(side, 1 / side))
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    at = np.arange(4, side * 3 // 8)
    return np.polyfit(np.log(at), 0.5 * np.log(mean[at]), 1)[0]


@pytest.fixture(scope="module")
def scenes():
    """Scenes of 512 pixels, reduced to 256 as pairs are."""
    drawings = [scene(index, side=512) for index in range(8)]
    return [cv2.resize(each, (256, 256), interpolation=cv2.INTER_AREA) for each in drawings]


def test_amplitude_falls_over_frequency_about_as_in_photographs(scenes):
    """Landscapes lie about -0.9 (van der Schaaf and van Hateren 1996), faces near -1.5."""
    slopes = [amplitude_slope(image) for image in scenes]
    assert -1.7 < np.mean(slopes) < -1.1


def test_gradients_are_mostly_faint_and_seldom_steep(scenes):
    gradients = np.array([gradient_magnitude(image) for image in scenes])
    assert 0.15 < (gradients < 2).mean() < 0.5
    assert 0.03 < (gradients > 30).mean() < 0.15
    assert all((each > 30).mean() > 0.003 for each in gradients)  # no scene without edges
