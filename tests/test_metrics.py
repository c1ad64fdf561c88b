"""PSNR, SSIM, HaarPSI, detail and ripples, against independent programs and arithmetic."""

import numpy as np
import pytest
import skimage
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from train.evaluation import metrics
from train.evaluation.metrics import DETAIL_SIGMA_PX, Views


@pytest.fixture
def sharp() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[:256, 100:356])


@pytest.fixture
def blurred(sharp: np.ndarray) -> np.ndarray:
    return gaussian_filter(sharp, (2, 2, 0))


def gray(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., None], 3, axis=2)


@pytest.mark.parametrize(("error", "expected"), [(1, 48.1308), (10, 28.1308)])
def test_psnr_of_a_constant_error(error: int, expected: float) -> None:
    flat = np.full((32, 32, 3), 100, np.uint8)
    assert metrics.psnr_db(flat + np.uint8(error), flat) == pytest.approx(expected, abs=1e-4)


def test_psnr_and_ssim_of_the_noisy_camera() -> None:
    """Computed by IPOL's separate program, for the noisy picture of scikit-image's own tests."""
    camera = skimage.data.camera()
    noise = 20.0 * np.random.RandomState(5).randn(*camera.shape)
    noisy = np.clip(camera + noise, 0, 255).astype(np.uint8)
    assert metrics.psnr_db(gray(noisy), gray(camera)) == pytest.approx(22.4094, abs=1e-4)
    assert metrics.ssim(gray(noisy), gray(camera)) == pytest.approx(0.3580, abs=1e-4)


def test_equal_pictures_score_best_and_stay_finite(sharp: np.ndarray) -> None:
    assert metrics.psnr_db(sharp, sharp) == metrics.MOST_PSNR_DB
    assert metrics.ssim(sharp, sharp) == pytest.approx(1)
    assert metrics.haarpsi(sharp, sharp) == pytest.approx(1)
    assert metrics.detail_shares(sharp, sharp) == pytest.approx((1, 0), abs=1e-9)


@pytest.mark.parametrize("metric", [metrics.haarpsi, metrics.detail_shares])
def test_flat_pictures_have_finite_scores(metric) -> None:
    flat = np.full((64, 64, 3), 77, np.uint8)
    assert np.isfinite(metric(flat, flat)).all()


def test_ssim_equals_tensorflow(sharp: np.ndarray, blurred: np.ndarray) -> None:
    import tensorflow as tf

    expected = float(tf.image.ssim(blurred, sharp, 255))  # without the border, unlike ours
    assert metrics.ssim(blurred, sharp) == pytest.approx(expected, abs=5e-3)


def slow_haarpsi(distorted: np.ndarray, reference: np.ndarray) -> float:
    """HaarPSI by plain convolutions, written from the paper's Sec. 2 and 3."""

    def same(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        start = kernel.shape[0] // 2
        height, width = picture.shape
        return convolve2d(picture, kernel)[start : start + height, start : start + width]

    def channels(picture: np.ndarray) -> list[np.ndarray]:
        r, g, b = np.moveaxis(picture.astype(float), 2, 0)
        yiq = [
            0.299 * r + 0.587 * g + 0.114 * b,
            0.596 * r - 0.274 * g - 0.322 * b,
            0.211 * r - 0.523 * g + 0.312 * b,
        ]
        return [same(each, np.full((2, 2), 0.25))[::2, ::2] for each in yiq]

    def kernel(scale: int) -> np.ndarray:
        side = 2**scale
        half = np.repeat([-1.0, 1.0], side // 2)
        return np.outer(half, np.ones(side)) / side

    def similar(a: np.ndarray, b: np.ndarray) -> np.ndarray:
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


@pytest.mark.parametrize("crop", [(256, 256), (101, 64)])
def test_haarpsi_equals_the_papers_equations(
    sharp: np.ndarray, blurred: np.ndarray, crop: tuple[int, int]
) -> None:
    part = slice(0, crop[0]), slice(0, crop[1])
    expected = slow_haarpsi(blurred[part], sharp[part])
    assert metrics.haarpsi(blurred[part], sharp[part]) == pytest.approx(expected, abs=1e-9)


def test_more_blur_scores_worse_everywhere(sharp: np.ndarray) -> None:
    copies = [gaussian_filter(sharp, (sigma, sigma, 0)) for sigma in (1, 2, 4)]
    for metric in (
        metrics.psnr_db,
        metrics.ssim,
        metrics.haarpsi,
        lambda copy, sharp: metrics.detail_shares(copy, sharp)[0],
    ):
        scores = [metric(copy, sharp) for copy in copies]
        assert scores == sorted(scores, reverse=True), metric


def test_detail_shares_tell_exaggeration_from_invention() -> None:
    rng = np.random.default_rng(0)
    detail, other = rng.normal(0, 20, (2, 256, 256))
    sharp = gray(np.clip(128 + detail, 0, 255).astype(np.uint8))
    half = gray(np.clip(128 + 0.5 * detail, 0, 255).astype(np.uint8))
    noisy = gray(np.clip(128 + detail + other, 0, 255).astype(np.uint8))
    assert metrics.detail_shares(half, sharp) == pytest.approx((0.25, 0), abs=0.01)
    assert metrics.detail_shares(noisy, sharp) == pytest.approx((1, 1), abs=0.05)


def test_detail_turned_into_its_negative_is_invented_and_not_returned() -> None:
    detail = np.random.default_rng(0).normal(0, 20, (64, 64))
    sharp = gray(np.clip(128 + detail, 0, 255).astype(np.uint8))
    assert metrics.detail_shares(255 - sharp, sharp) == (0, pytest.approx(1, abs=0.01))


def test_mask_says_what_is_scored(sharp: np.ndarray) -> None:
    """Half of the picture off by 10 levels: 28.13 dB there, and nothing elsewhere."""
    mask = np.zeros(sharp.shape[:2], bool)
    mask[:, 128:] = True
    middle = sharp // 2 + 60
    other = np.where(mask[..., None], middle + 10, middle).astype(np.uint8)
    assert metrics.psnr_db(other, middle, mask) == pytest.approx(28.1308, abs=1e-4)
    assert metrics.psnr_db(other, middle, ~mask) == metrics.MOST_PSNR_DB
    everywhere = np.ones_like(mask)
    assert metrics.ssim(other, middle, everywhere) == pytest.approx(
        metrics.ssim(other, middle), abs=5e-3
    )  # the whole picture's mean leaves out the border
    far = np.zeros_like(mask)
    far[:, :100] = True
    assert metrics.ssim(other, middle, far) == pytest.approx(1)


# Ripples: 0 for the input and for the truth, what was laid on in levels elsewhere.

ACROSS = np.tile(np.arange(200.0), (200, 1))
GRADIENT = 60 + 0.37 * ACROSS


def picture_of(levels: np.ndarray) -> np.ndarray:
    return gray(np.rint(levels).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("period_px", [3, 4, 6, 8])
def test_ripples_on_a_gradient_grow_with_their_amplitude(period_px: int) -> None:
    """A sine of amplitude a has 0.707 a; less where the band lets part of it through."""
    base = picture_of(GRADIENT)
    wave = np.sin(2 * np.pi * ACROSS / period_px)
    passed = 1 - np.exp(-2 * (np.pi * DETAIL_SIGMA_PX / period_px) ** 2)
    for amplitude in (2, 6):
        measured = metrics.ripples(picture_of(GRADIENT + amplitude * wave), base, base)
        assert measured == pytest.approx(amplitude * passed / np.sqrt(2), rel=0.1)


@pytest.fixture
def edge() -> tuple[np.ndarray, np.ndarray]:
    """Levels of an edge of 100 in focus, and out of it by a disc of radius 7."""
    sharp = gaussian_filter(np.where(ACROSS < 100, 80.0, 180.0), 0.7)
    disc = (np.hypot(*np.mgrid[-7:8, -7:8]) <= 7).astype(float)
    blurred = convolve2d(np.pad(sharp, 7, "edge"), disc / disc.sum(), "valid")
    return sharp, blurred


def test_input_and_truth_have_no_ripples(
    sharp: np.ndarray, blurred: np.ndarray, edge: tuple[np.ndarray, np.ndarray]
) -> None:
    for truth, given in ((sharp, blurred), tuple(map(picture_of, edge))):
        assert metrics.ripples(given, given, truth) == 0
        assert metrics.ripples(truth, given, truth) == 0
        assert metrics.ripples(given, given) == 0


def test_halo_and_rings_beside_an_edge_are_seen(edge: tuple[np.ndarray, np.ndarray]) -> None:
    sharp, given = edge
    halo = sharp + 0.5 * (sharp - gaussian_filter(sharp, 5))
    rings = sharp + 16 * np.exp(-abs(ACROSS - 100) / 15) * np.cos(2 * np.pi * (ACROSS - 100) / 7)
    beside = abs(ACROSS - 100) < 15
    for restored in (halo, rings):
        pictures = [picture_of(levels) for levels in (restored, given, sharp)]
        assert metrics.ripples(*pictures, beside) > 2
        assert metrics.ripples(*pictures, abs(ACROSS - 100) > 70) < 0.2


def test_true_detail_that_comes_back_and_grain_that_goes_are_no_ripples() -> None:
    rng = np.random.default_rng(0)
    texture = GRADIENT + 25 * np.sin(2 * np.pi * ACROSS / 6) * (ACROSS > 100)
    given = picture_of(gaussian_filter(texture, 5) + rng.normal(0, 2, texture.shape))
    truth = picture_of(texture + rng.normal(0, 2, texture.shape))
    assert metrics.ripples(picture_of(texture), given, truth) < 0.2
    assert metrics.ripples(picture_of(texture), given) > 3  # without the truth nobody can tell
    amplified = gaussian_filter(texture, 5) + rng.normal(0, 6, texture.shape)
    assert metrics.ripples(picture_of(amplified), given, truth) > 4


def test_nothing_smooth_has_no_ripples() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert metrics.ripples(255 - noise, noise, noise, np.zeros((64, 64), bool)) == 0


def test_scores_that_share_their_work_are_those_of_each_metric_alone(
    sharp: np.ndarray, blurred: np.ndarray
) -> None:
    odd = blurred[:201], sharp[:201]  # HaarPSI halves, and has a row too many
    for given, truth in ((blurred, sharp), odd):
        restored = given[::-1]
        made, seen, wanted = (Views(picture) for picture in (restored, given, truth))
        scores = metrics.all_scores(made, seen, wanted)
        assert tuple(scores) == metrics.SCORES
        for name in ("psnr_db", "ssim", "haarpsi"):
            alone = getattr(metrics, name)(restored, truth)
            assert scores[name] == pytest.approx(alone, rel=1e-12)
        shares = metrics.detail_shares(restored, truth)
        assert (scores["detail_returned"], scores["detail_invented"]) == shares
        assert scores["ripples"] == metrics.ripples(restored, given, truth)
        assert metrics.all_scores(seen, seen, wanted)["ripples"] == 0


def test_the_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        _, (low, high) = metrics.mean_with_ci95(rng.normal(3, 1, 40), seed=trial)
        covered += low <= 3 <= high
    assert covered >= 51
    assert metrics.mean_with_ci95([2.0], 0) == (2.0, [2.0, 2.0])
