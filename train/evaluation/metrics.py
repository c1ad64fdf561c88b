"""Measures how close a restored picture is to the sharp one.

Every picture is uint8, shape (height, width, 3), RGB, 0..255, and the data range is always 255.
`Views` of a picture hold what several metrics compute from it.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.ndimage import (
    gaussian_filter,
    gaussian_gradient_magnitude,
    maximum_filter,
    minimum_filter,
)
from scipy.stats import bootstrap
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from prepare.records.srgb import LUMA
from train.evaluation import MOST_PSNR_DB

SCORES = ("psnr_db", "ssim", "haarpsi", "detail_returned", "detail_invented", "ripples")
WITHIN_MASK = ("psnr_db", "ssim", "ripples")  # those that can be taken of a part of a picture
# Rows are luma Y and the two color differences I and Q of the NTSC standard.
YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
DETAIL_SIGMA_PX = 2.0  # what a Gaussian of this width takes away counts as detail
STEEPEST_SMOOTH = 3.0  # levels a pixel, under a Gaussian of sigma 1: skin and sky, not their edges
RIPPLE_SIGMA_PX, RIPPLE_REACH_PX = 3.0, 3  # over which energy is averaged, and values compared
RIPPLE_TOLERANCE = 2.0  # levels beyond what was there that are tone or grain, no halo
MOST_RESAMPLED = 2_000_000  # values in memory at once


class Views:
    """The parts of a picture that metrics use, float64, each computed when it is first used."""

    def __init__(self, picture_u8: np.ndarray) -> None:
        self.picture_u8 = picture_u8

    @cached_property
    def luma(self) -> np.ndarray:
        """Shape (height, width), 0..255."""
        return self.picture_u8 @ YIQ[0]

    @cached_property
    def detail(self) -> np.ndarray:
        """Luma less its Gaussian of sigma 2 pixels."""
        return self.luma - gaussian_filter(self.luma, DETAIL_SIGMA_PX)

    @cached_property
    def wavelets(self) -> list[list[np.ndarray]]:
        """Magnitudes of HaarPSI's three wavelets, finest first, down and across."""
        luma = self.halved_yiq[0]
        return [[abs(haar(luma, 2**scale, axis)) for scale in (1, 2, 3)] for axis in (0, 1)]

    @cached_property
    def colors(self) -> np.ndarray:
        """Magnitudes of HaarPSI's two color differences, (2, height / 2, width / 2)."""
        boxes = [sums_of(sums_of(framed(plane, 2), 2, 0), 2, 1) for plane in self.halved_yiq[1:]]
        return np.stack([abs(box) / 4 for box in boxes])

    @cached_property
    def halved_yiq(self) -> np.ndarray:
        """Luma and color differences of means of 2x2 pixels; an odd last row is half black."""
        halved = []
        for plane in np.moveaxis(self.picture_u8, 2, 0):
            even = np.pad(plane.astype(np.float64), [(0, side % 2) for side in plane.shape])
            halved.append(even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])
        return np.tensordot(YIQ / 4, np.stack(halved), 1)


def haar(luma: np.ndarray, side: int, axis: int) -> np.ndarray:
    """Difference of the halves of a box around each pixel, split across `axis`, by 1 / side."""
    halves = np.moveaxis(sums_of(framed(luma, side), side // 2, axis), axis, 0)
    difference = np.moveaxis(halves[side // 2 :] - halves[: -(side // 2)], 0, axis)
    return sums_of(difference, side, 1 - axis) / side


def framed(plane: np.ndarray, side: int) -> np.ndarray:
    """A plane with zeros around it, so that a box has its place at every pixel."""
    return np.pad(plane, (side // 2 - 1, side // 2))


def sums_of(plane: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Sums of `length` neighbors along an axis, wherever they all exist."""
    sums = np.cumsum(np.moveaxis(plane, axis, 0), axis=0)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    return np.moveaxis(sums[length:] - sums[:-length], 0, axis)


def psnr_db(picture_u8: np.ndarray, sharp_u8: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio over all channels, in dB; at most 100, for equal pictures.

    A mask, bool (height, width), chooses the pixels that are scored.
    """
    if mask is not None:
        picture_u8, sharp_u8 = picture_u8[mask], sharp_u8[mask]
    if np.array_equal(picture_u8, sharp_u8):
        return MOST_PSNR_DB
    return min(MOST_PSNR_DB, peak_signal_noise_ratio(sharp_u8, picture_u8, data_range=255))


def ssim(picture_u8: np.ndarray, sharp_u8: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Structural similarity, 1 for equal pictures: mean over RGB channels.

    A mask, bool (height, width), chooses windows by their centers.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 2004, Sec. III-C: Gaussian window of 11 pixels and sigma 1.5, population
    covariance, so at least 11 pixels a side.
    """
    as_published = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    mean, places = structural_similarity(
        sharp_u8, picture_u8, data_range=255, channel_axis=2, full=True, **as_published
    )
    return float(mean if mask is None else places[mask].mean())


def haarpsi(picture: Views, sharp: Views) -> float:
    """Haar wavelet-based perceptual similarity index, 0..1, 1 for equal pictures.

    Follows people's judgment of blur better than SSIM, without any trained weights.

    Reference: Reisenhofer, Bosse, Kutyniok, Wiegand, "A Haar wavelet-based perceptual similarity
    index for image quality assessment", Signal Processing: Image Communication 61, 2018, with the
    constants of the authors' program: C = 30, not squared, alpha = 4.2, color, halved first.
    """
    constant, alpha = 30.0, 4.2
    similarities, weights = [], []
    for axis in (0, 1):
        first, second, third = zip(picture.wavelets[axis], sharp.wavelets[axis], strict=True)
        both = similarity(first, constant) + similarity(second, constant)
        similarities.append(both / 2)
        weights.append(np.maximum(*third))
    similarities.append(similarity((picture.colors, sharp.colors), constant).mean(0))
    weights.append((weights[0] + weights[1]) / 2)
    total = np.sum(weights)
    if total == 0:
        return 1.0  # both pictures are flat
    mean = np.sum(weights / (1 + np.exp(-alpha * np.array(similarities)))) / total
    return float((np.log(mean / (1 - mean)) / alpha) ** 2)


def similarity(pair: tuple[np.ndarray, ...], constant: float) -> np.ndarray:
    """Likeness of two positive numbers, 1 for equal ones, at every place."""
    a, b = pair
    return (2 * a * b + constant) / (a**2 + b**2 + constant)


def detail_shares(picture: Views, sharp: Views) -> tuple[float, float]:
    """Recovered and hallucinated detail, as shares of the sharp picture's fine detail energy.

    Detail is luma less its Gaussian of sigma 2 pixels. Regressing the picture's detail on the
    sharp one's leaves the part that came back (the fit; 1 is all, more is exaggerated) and the part
    that was invented (the rest).
    """
    energy = np.sum(sharp.detail**2)
    if energy < 1e-6 * sharp.detail.size:
        return 1.0, 0.0  # a flat picture has no detail to bring back or to compare with
    fit = max(0.0, np.sum(picture.detail * sharp.detail) / energy)
    return float(fit**2), float(np.sum((picture.detail - fit * sharp.detail) ** 2) / energy)


def ripples(restored: Views, given: Views, sharp: Views, mask: np.ndarray | None = None) -> float:
    """Ripples and halos that a restoration lays where the scene is smooth, RMS in levels of luma.

    Smooth is where no neighbor in the sharp picture is steeper than 3 levels a pixel under a
    Gaussian of sigma 1: skin and sky up to 3 or 4 pixels beside an edge. There counts the larger of

    - energy of detail (luma less its Gaussian of sigma 2: periods of up to about 10 pixels),
      averaged over smooth neighbors, beyond that of the blurred and of the sharp picture;
    - by how much, squared, a value lies more than 2 levels beyond all that the blurred and the
      sharp picture have within 3 pixels.

    So it is 0 for the blurred picture (`given`), 0 for the sharp one, and grain may go. A wave of
    amplitude a and period 3 to 6 gives 0.6 to 0.7 a. A mask, bool (height, width), says what is
    scored. Reference: none known; our own.
    """
    if restored is given:
        return 0.0
    smooth = maximum_filter(gaussian_gradient_magnitude(sharp.luma, 1.0), 3) < STEEPEST_SMOOTH
    if mask is not None:
        smooth &= mask
    if not smooth.any():
        return 0.0
    share = gaussian_filter(smooth.astype(np.float64), RIPPLE_SIGMA_PX)[smooth]
    on_restored, on_given, on_sharp = (
        gaussian_filter(np.where(smooth, each.detail, 0.0) ** 2, RIPPLE_SIGMA_PX)[smooth] / share
        for each in (restored, given, sharp)
    )
    waves = on_restored - np.maximum(on_given, on_sharp)
    side = 2 * RIPPLE_REACH_PX + 1
    above = restored.luma - maximum_filter(np.maximum(given.luma, sharp.luma), side)
    below = minimum_filter(np.minimum(given.luma, sharp.luma), side) - restored.luma
    halo = np.maximum(np.maximum(above, below)[smooth] - RIPPLE_TOLERANCE, 0.0)
    return float(np.sqrt(np.mean(np.maximum(waves, halo**2).clip(0.0))))


def all_scores(
    picture: Views, blurred: Views, sharp: Views, mask: np.ndarray | None = None
) -> dict[str, float]:
    """Every score of a picture that was made of a blurred one, by its name.

    A mask, bool (height, width), says where to score; then there are those of WITHIN_MASK alone.
    """
    scores = {
        "psnr_db": psnr_db(picture.picture_u8, sharp.picture_u8, mask),
        "ssim": ssim(picture.picture_u8, sharp.picture_u8, mask),
    }
    if mask is None:
        scores["haarpsi"] = haarpsi(picture, sharp)
        scores["detail_returned"], scores["detail_invented"] = detail_shares(picture, sharp)
    scores["ripples"] = ripples(picture, blurred, sharp, mask)
    return {name: float(score) for name, score in scores.items()}


def mean_with_ci95(values: Sequence[float], seed: int) -> tuple[float, list[float]]:
    """Mean and its 95 % percentile bootstrap interval [low, high] over images (9999 resamples).

    One value, or equal ones, have the interval [mean, mean]: there is nothing to resample.
    """
    sample = np.asarray(values, np.float64)
    mean = float(sample.mean())
    if np.ptp(sample) == 0:
        return mean, [mean, mean]
    batch = min(1000, max(1, MOST_RESAMPLED // sample.size))
    interval = bootstrap(
        (sample,), np.mean, method="percentile", batch=batch, rng=np.random.default_rng(seed)
    ).confidence_interval
    return mean, [float(interval.low), float(interval.high)]
