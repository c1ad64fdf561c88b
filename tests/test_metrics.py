"""PSNR, SSIM, HaarPSI, detail and ripples, against independent programs and arithmetic."""

import numpy as np
import pytest
import skimage
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from train.evaluation import metrics
from train.evaluation.metrics import DETAIL_SIGMA_PX, Views


@pytest.fixture(scope="module")
def sharp():
    return np.ascontiguousarray(skimage.data.astronaut()[:201, 100:301])


@pytest.fixture(scope="module")
def blurred(sharp):
    return gaussian_filter(sharp, (2, 2, 0))


def of(metric, *pictures, **mask):
    """A metric of pictures that have not been looked at before."""
    return metric(*map(Views, pictures), **mask)


def gray(levels):
    picture = np.rint(levels).clip(0, 255).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=2)


def test_psnr_and_ssim_of_the_noisy_camera():
    """Computed by IPOL's separate program, for the noisy picture of scikit-image's own tests."""
    camera = skimage.data.camera()
    noise = 20.0 * np.random.RandomState(5).randn(*camera.shape)
    noisy = np.clip(camera + noise, 0, 255).astype(np.uint8)
    assert metrics.psnr_db(gray(noisy), gray(camera)) == pytest.approx(22.4094, abs=1e-4)
    assert metrics.ssim(gray(noisy), gray(camera)) == pytest.approx(0.3580, abs=1e-4)


def test_equal_and_flat_pictures_score_best_and_stay_finite(sharp):
    for picture in (sharp, np.full((64, 64, 3), 77, np.uint8)):
        assert metrics.psnr_db(picture, picture) == metrics.MOST_PSNR_DB
        assert metrics.ssim(picture, picture) == pytest.approx(1)
        assert of(metrics.haarpsi, picture, picture) == pytest.approx(1)
        assert of(metrics.detail_shares, picture, picture) == pytest.approx((1, 0), abs=1e-9)


def slow_haarpsi(distorted, reference):
    """HaarPSI by plain convolutions, written from the paper's Sec. 2 and 3."""

    def same(picture, kernel):
        start = kernel.shape[0] // 2
        height, width = picture.shape
        return convolve2d(picture, kernel)[start : start + height, start : start + width]

    def channels(picture):
        weights = [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]
        yiq = np.moveaxis(picture @ np.array(weights).T, 2, 0)
        return [same(each, np.full((2, 2), 0.25))[::2, ::2] for each in yiq]

    def kernel(scale):
        side = 2**scale
        half = np.repeat([-1.0, 1.0], side // 2)
        return np.outer(half, np.ones(side)) / side

    def similar(a, b):
        a, b = np.abs(a), np.abs(b)
        return (2 * a * b + 30) / (a**2 + b**2 + 30)

    a, b = channels(distorted), channels(reference)
    maps, weights = [], []
    for turn in (lambda k: k, np.transpose):
        filtered = [(same(a[0], turn(kernel(s))), same(b[0], turn(kernel(s)))) for s in (1, 2, 3)]
        maps.append((similar(*filtered[0]) + similar(*filtered[1])) / 2)
        weights.append(np.maximum(np.abs(filtered[2][0]), np.abs(filtered[2][1])))
    box = np.full((2, 2), 0.25)
    maps.append(sum(similar(same(a[c], box), same(b[c], box)) for c in (1, 2)) / 2)
    weights.append((weights[0] + weights[1]) / 2)
    logistic = [1 / (1 + np.exp(-4.2 * each)) for each in maps]
    value = sum((m * w).sum() for m, w in zip(logistic, weights, strict=True))
    value /= sum(w.sum() for w in weights)
    return float((np.log(value / (1 - value)) / 4.2) ** 2)


@pytest.mark.parametrize("crop", [(200, 200), (101, 64)])
def test_haarpsi_equals_the_papers_equations(sharp, blurred, crop):
    part = slice(0, crop[0]), slice(0, crop[1])
    expected = slow_haarpsi(blurred[part], sharp[part])
    assert of(metrics.haarpsi, blurred[part], sharp[part]) == pytest.approx(expected, abs=1e-9)


def test_detail_shares_tell_exaggeration_from_invention():
    detail, other = np.random.default_rng(0).normal(0, 20, (2, 256, 256))
    sharp, half, noisy = (gray(128 + each) for each in (detail, 0.5 * detail, detail + other))
    assert of(metrics.detail_shares, half, sharp) == pytest.approx((0.25, 0), abs=0.01)
    assert of(metrics.detail_shares, noisy, sharp) == pytest.approx((1, 1), abs=0.05)
    assert of(metrics.detail_shares, 255 - sharp, sharp) == (0, pytest.approx(1, abs=0.01))


def test_mask_says_what_is_scored(sharp):
    """Half of the picture off by 10 levels: 28.13 dB there, and nothing elsewhere."""
    mask = np.zeros(sharp.shape[:2], bool)
    mask[:, 128:] = True
    middle = sharp // 2 + 60
    other = np.where(mask[..., None], middle + 10, middle).astype(np.uint8)
    assert metrics.psnr_db(other, middle, mask) == pytest.approx(28.1308, abs=1e-4)
    assert metrics.psnr_db(other, middle, ~mask) == metrics.MOST_PSNR_DB
    everywhere, far = np.ones_like(mask), np.zeros_like(mask)
    far[:, :100] = True
    # The whole picture's mean leaves out the border.
    whole = metrics.ssim(other, middle)
    assert metrics.ssim(other, middle, everywhere) == pytest.approx(whole, abs=5e-3)
    assert metrics.ssim(other, middle, far) == pytest.approx(1)
    assert of(metrics.ripples, other, sharp, middle, mask=np.zeros_like(mask)) == 0


# Ripples: 0 for the input and for the truth, what was laid on in levels elsewhere.

ACROSS = np.tile(np.arange(200.0), (200, 1))
GRADIENT = 60 + 0.37 * ACROSS


@pytest.mark.parametrize("period_px", [3, 4, 6, 8])
def test_ripples_on_a_gradient_grow_with_their_amplitude(period_px):
    """A sine of amplitude a has 0.707 a; less where the band lets part of it through."""
    base, wave = gray(GRADIENT), np.sin(2 * np.pi * ACROSS / period_px)
    passed = 1 - np.exp(-2 * (np.pi * DETAIL_SIGMA_PX / period_px) ** 2)
    for amplitude in (2, 6):
        measured = of(metrics.ripples, gray(GRADIENT + amplitude * wave), base, base)
        assert measured == pytest.approx(amplitude * passed / np.sqrt(2), rel=0.1)


@pytest.fixture
def edge():
    """Levels of an edge of 100 in focus, and out of it by a disc of radius 7."""
    sharp = gaussian_filter(np.where(ACROSS < 100, 80.0, 180.0), 0.7)
    disc = (np.hypot(*np.mgrid[-7:8, -7:8]) <= 7).astype(float)
    blurred = convolve2d(np.pad(sharp, 7, "edge"), disc / disc.sum(), "valid")
    return sharp, blurred


def test_halo_and_rings_beside_an_edge_are_seen(edge):
    sharp, given = edge
    halo = sharp + 0.5 * (sharp - gaussian_filter(sharp, 5))
    rings = sharp + 16 * np.exp(-abs(ACROSS - 100) / 15) * np.cos(2 * np.pi * (ACROSS - 100) / 7)
    for harmless in (sharp, given):
        assert of(metrics.ripples, *map(gray, (harmless, given, sharp))) == 0
    for restored in (halo, rings):
        pictures = [gray(levels) for levels in (restored, given, sharp)]
        assert of(metrics.ripples, *pictures, mask=abs(ACROSS - 100) < 15) > 2
        assert of(metrics.ripples, *pictures, mask=abs(ACROSS - 100) > 70) < 0.2


def test_true_detail_that_comes_back_and_grain_that_goes_are_no_ripples():
    rng = np.random.default_rng(0)
    texture = GRADIENT + 25 * np.sin(2 * np.pi * ACROSS / 6) * (ACROSS > 100)
    given = gray(gaussian_filter(texture, 5) + rng.normal(0, 2, texture.shape))
    truth = gray(texture + rng.normal(0, 2, texture.shape))
    assert of(metrics.ripples, gray(texture), given, truth) < 0.2
    amplified = gaussian_filter(texture, 5) + rng.normal(0, 6, texture.shape)
    assert of(metrics.ripples, gray(amplified), given, truth) > 4


def test_scores_that_share_their_work_are_those_of_each_metric_alone(sharp, blurred):
    restored = blurred[::-1]
    made, seen, wanted = map(Views, (restored, blurred, sharp))
    scores = metrics.all_scores(made, seen, wanted)
    assert tuple(scores) == metrics.SCORES
    assert scores["psnr_db"] == metrics.psnr_db(restored, sharp)
    assert scores["ssim"] == metrics.ssim(restored, sharp)
    assert scores["haarpsi"] == of(metrics.haarpsi, restored, sharp)
    shares = of(metrics.detail_shares, restored, sharp)
    assert (scores["detail_returned"], scores["detail_invented"]) == shares
    assert scores["ripples"] == of(metrics.ripples, restored, blurred, sharp)


def test_one_value_has_an_interval_of_one_value():
    assert metrics.mean_with_ci95([2.0], 0) == (2.0, [2.0, 2.0])
