"""How close a restored picture comes to the sharp one.

Every picture is uint8, shape (height, width, 3), RGB, 0..255; the data range is 255 throughout.
Where several metrics look at one picture, it may be handed over as its `Views`, which they share.
"""

from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy.ndimage import (
    gaussian_filter,
    gaussian_gradient_magnitude,
    maximum_filter,
    minimum_filter,
)
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from prepare.records.srgb import LUMA

SCORES = ("psnr_db", "ssim", "ms_ssim", "haarpsi", "detail_returned", "detail_invented", "ripples")
MOST_PSNR_DB = 100.0  # of equal pictures, so that means and JSON stay finite
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, Sec. 3.2
STEEPEST_SMOOTH = 3.0  # levels a pixel, under a Gaussian of sigma 1: skin and sky, not their edges
RIPPLE_SIGMA_PX, RIPPLE_REACH_PX = 3.0, 3  # over which energy is averaged, and values compared
RIPPLE_TOLERANCE = 2.0  # levels beyond what was there that are tone or grain, no halo
WINDOW_REACH = 5  # of SSIM's 11-pixel window of sigma 1.5
# Rows are luma Y and the two color differences I and Q of the NTSC standard.
YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
DETAIL_SIGMA_PX = 2.0  # what a Gaussian of this width takes away counts as detail


class Views:
    """A picture, uint8, shape (height, width, 3), RGB, and what is seen in it.

    Everything is float64. Channels lie one after the other: a plane at a time stays in the cache.
    """

    def __init__(self, picture_u8: np.ndarray) -> None:
        self.picture_u8 = picture_u8
        self._scales: list[list[np.ndarray]] = []
        self._means: dict[int, list[np.ndarray]] = {}

    @classmethod
    def of(cls, picture: "Picture") -> "Views":
        """The views that are handed over, or those of a picture."""
        return picture if isinstance(picture, Views) else cls(picture)

    @cached_property
    def luma(self) -> np.ndarray:
        """Shape (height, width), 0..255."""
        return self.picture_u8 @ YIQ[0]

    @cached_property
    def detail(self) -> np.ndarray:
        """Luma less its Gaussian of sigma 2 pixels."""
        return self.luma - gaussian_filter(self.luma, DETAIL_SIGMA_PX)

    @property
    def num_scales(self) -> int:
        """How often it can be halved, and once more, before SSIM's window no longer fits."""
        return 1 + int(np.log2(min(self.picture_u8.shape[:2]) / (2 * WINDOW_REACH + 1)))

    def scale(self, number: int) -> list[np.ndarray]:
        """The planes, halved so often, as means of 2x2 pixels; an odd last row is left out."""
        if not self._scales:
            planes = np.moveaxis(self.picture_u8, 2, 0)
            self._scales.append([plane.astype(np.float64, order="C") for plane in planes])
        while len(self._scales) <= number:
            self._scales.append([_sums_of_2x2(plane) / 4 for plane in self._scales[-1]])
        return self._scales[number]

    def mean(self, number: int) -> list[np.ndarray]:
        """`window_mean` of each plane of a scale."""
        if number not in self._means:
            self._means[number] = [window_mean(plane) for plane in self.scale(number)]
        return self._means[number]

    @cached_property
    def wavelets(self) -> list[list[np.ndarray]]:
        """Magnitudes of HaarPSI's three wavelets, finest first, down and across."""
        luma = self._halved_yiq[0]
        return [[abs(_haar(luma, 2**scale, axis)) for scale in (1, 2, 3)] for axis in (0, 1)]

    @cached_property
    def colors(self) -> np.ndarray:
        """Magnitudes of HaarPSI's two color differences, (2, height / 2, width / 2)."""
        return np.stack([abs(_boxes(plane, 2)) / 4 for plane in self._halved_yiq[1:]])

    @cached_property
    def _halved_yiq(self) -> np.ndarray:
        odd = [(0, side % 2) for side in self.picture_u8.shape[:2]]
        halved = [_sums_of_2x2(np.pad(plane, odd)) for plane in self.scale(0)]
        return np.tensordot(YIQ / 4, np.stack(halved), 1)


Picture: TypeAlias = np.ndarray | Views


def window_mean(values: np.ndarray) -> np.ndarray:
    """Means under SSIM's window, (height - 10, width - 10): wherever the whole of it fits."""
    inner = slice(WINDOW_REACH, -WINDOW_REACH)
    return gaussian_filter(values, 1.5, radius=WINDOW_REACH)[inner, inner]


def _sums_of_2x2(plane: np.ndarray) -> np.ndarray:
    """Sums of 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in plane.shape)
    even = plane[:height, :width]
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]


def _boxes(plane: np.ndarray, side: int) -> np.ndarray:
    """Sums over side x side pixels around each pixel, zero outside (MATLAB's "same")."""
    return _windows(_windows(_framed(plane, side), side, 0), side, 1)


def _haar(luma: np.ndarray, side: int, axis: int) -> np.ndarray:
    """Difference of the two halves of such a box, split across `axis`; scaled by 1 / side."""
    halves = _windows(_framed(luma, side), side // 2, axis)
    halves = np.moveaxis(halves, axis, 0)
    difference = np.moveaxis(halves[side // 2 :] - halves[: -(side // 2)], 0, axis)
    return _windows(difference, side, 1 - axis) / side


def _framed(plane: np.ndarray, side: int) -> np.ndarray:
    return np.pad(plane, (side // 2 - 1, side // 2))


def _windows(plane: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Sums of `length` neighbors along an axis, wherever they all exist."""
    sums = np.cumsum(np.moveaxis(plane, axis, 0), axis=0)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    return np.moveaxis(sums[length:] - sums[:-length], 0, axis)


def psnr_db(picture_u8: np.ndarray, sharp_u8: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio over all channels, in dB; at most 100, for equal pictures.

    A mask, bool (height, width), says which pixels are scored.
    """
    if mask is not None:
        picture_u8, sharp_u8 = picture_u8[mask], sharp_u8[mask]
    if np.array_equal(picture_u8, sharp_u8):
        return MOST_PSNR_DB
    return min(MOST_PSNR_DB, peak_signal_noise_ratio(sharp_u8, picture_u8, data_range=255))


def ssim(picture_u8: np.ndarray, sharp_u8: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Structural similarity, 1 for equal pictures: mean over RGB channels.

    A mask, bool (height, width), says which windows are scored, by their centers.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 2004, Sec. III-C: Gaussian window of 11 pixels and sigma 1.5, population
    covariance, so at least 11 pixels a side.
    """
    mean, places = structural_similarity(
        sharp_u8,
        picture_u8,
        data_range=255,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(mean if mask is None else places[mask].mean())


def ms_ssim(picture: Picture, sharp: Picture) -> float:
    """Multi-scale structural similarity, 1 for equal pictures: mean over RGB channels.

    Five scales need 176 pixels a side; smaller pictures are scored on as many as fit, with the
    weights scaled to sum to 1.

    Reference: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar 2003, Eq. 7, with the window of `ssim` and no padding.
    """
    return ssim_and_ms_ssim(picture, sharp)[1]


def ssim_and_ms_ssim(picture: Picture, sharp: Picture) -> tuple[float, float]:
    """Both at once: the first is a part of what the second takes."""
    x, y = Views.of(picture), Views.of(sharp)
    num_scales = min(len(MS_SSIM_WEIGHTS), x.num_scales)
    weights = np.array(MS_SSIM_WEIGHTS[:num_scales])
    whole, terms = np.empty((num_scales, 3)), np.empty((num_scales, 3))
    for scale in range(num_scales):
        for channel in range(3):
            luminance, structure = _ssim_terms(x, y, scale, channel)
            whole[scale, channel] = (luminance * structure).mean()
            terms[scale, channel] = structure.mean()
    terms[-1] = whole[-1]
    # A negative covariance has no real power; 0 is the worst score, as in TensorFlow's.
    per_channel = np.prod(np.maximum(terms, 0.0) ** (weights / weights.sum())[:, None], axis=0)
    return float(whole[0].mean()), float(per_channel.mean())


def _ssim_terms(x: Views, y: Views, scale: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Luminance term and contrast-structure term at every place the whole window fits."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    picture, sharp = x.scale(scale)[channel], y.scale(scale)[channel]
    mean_x, mean_y = x.mean(scale)[channel], y.mean(scale)[channel]
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = window_mean(picture * picture + sharp * sharp) - squares
    covariance = window_mean(picture * sharp) - product
    return (2 * product + c1) / (squares + c1), (2 * covariance + c2) / (variances + c2)


def haarpsi(picture: Picture, sharp: Picture) -> float:
    """Haar wavelet-based perceptual similarity index, 0..1, 1 for equal pictures.

    Follows people's judgment of blur better than SSIM, without any trained weights.

    Reference: Reisenhofer, Bosse, Kutyniok, Wiegand, "A Haar wavelet-based perceptual similarity
    index for image quality assessment", Signal Processing: Image Communication 61, 2018, with the
    constants of the authors' program: C = 30, not squared, alpha = 4.2, color, halved first.
    """
    constant, alpha = 30.0, 4.2
    x, y = Views.of(picture), Views.of(sharp)
    similarities, weights = [], []
    for axis in (0, 1):
        first, second, third = zip(x.wavelets[axis], y.wavelets[axis], strict=True)
        both = _similarity(first, constant) + _similarity(second, constant)
        similarities.append(both / 2)
        weights.append(np.maximum(*third))
    similarities.append(_similarity((x.colors, y.colors), constant).mean(0))
    weights.append((weights[0] + weights[1]) / 2)
    total = np.sum(weights)
    if total == 0:
        return 1.0  # both pictures are flat
    mean = np.sum(weights / (1 + np.exp(-alpha * np.array(similarities)))) / total
    return float((np.log(mean / (1 - mean)) / alpha) ** 2)


def _similarity(pair: tuple[np.ndarray, ...], constant: float) -> np.ndarray:
    a, b = pair
    return (2 * a * b + constant) / (a**2 + b**2 + constant)


def detail_returned(picture: Picture, sharp: Picture) -> float:
    """Share of the sharp picture's fine detail, as energy, that the picture holds; 1 is all.

    Detail is luma less its Gaussian of sigma 2 pixels. Regressing the picture's detail on the
    sharp one's leaves the part that came back (the fit) and the part that was invented (the
    rest). Above 1, true detail is exaggerated.
    """
    return detail_shares(picture, sharp)[0]


def detail_invented(picture: Picture, sharp: Picture) -> float:
    """Energy of detail that the sharp picture does not have, as a share of the energy it has."""
    return detail_shares(picture, sharp)[1]


def detail_shares(picture: Picture, sharp: Picture) -> tuple[float, float]:
    """What `detail_returned` and `detail_invented` give, at once."""
    picture_detail, sharp_detail = Views.of(picture).detail, Views.of(sharp).detail
    energy = np.sum(sharp_detail**2)
    if energy < 1e-6 * sharp_detail.size:
        return 1.0, 0.0  # a flat picture has no detail to bring back or to compare with
    fit = max(0.0, np.sum(picture_detail * sharp_detail) / energy)
    return float(fit**2), float(np.sum((picture_detail - fit * sharp_detail) ** 2) / energy)


def ripples(
    restored: Picture,
    given: Picture,
    sharp: Picture | None = None,
    mask: np.ndarray | None = None,
) -> float:
    """Ripples and halos that a restoration lays where the scene is smooth, RMS in levels of luma.

    Smooth is where no neighbor in the sharp picture is steeper than 3 levels a pixel under a
    Gaussian of sigma 1: skin and sky up to 3 or 4 pixels beside an edge. There counts the larger of

    - energy of detail (luma less its Gaussian of sigma 2: periods of up to about 10 pixels),
      averaged over smooth neighbors, beyond that of the blurred and of the sharp picture;
    - by how much, squared, a value lies more than 2 levels beyond all that the blurred and the
      sharp picture have within 3 pixels.

    So it is 0 for the blurred picture, 0 for the sharp one, and grain may go. A wave of amplitude
    a and period 3 to 6 gives 0.6 to 0.7 a. Without a sharp picture, smooth is where the blurred one
    is, and detail that truly came back there counts as well.

    Args:
        restored: the restoration.
        given: what it was made of.
        sharp: the truth, if there is any.
        mask: bool, (height, width), what is scored; None for all.

    Reference: none known; our own.
    """
    if restored is given:
        return 0.0
    views = [Views.of(each) for each in (restored, given, given if sharp is None else sharp)]
    picture, blurred, scene = (each.luma for each in views)
    smooth = maximum_filter(gaussian_gradient_magnitude(scene, 1.0), 3) < STEEPEST_SMOOTH
    if mask is not None:
        smooth &= mask
    if not smooth.any():
        return 0.0
    share = gaussian_filter(smooth.astype(np.float64), RIPPLE_SIGMA_PX)[smooth]
    on_picture, on_blurred, on_scene = (
        gaussian_filter(np.where(smooth, each.detail, 0.0) ** 2, RIPPLE_SIGMA_PX)[smooth] / share
        for each in views
    )
    waves = on_picture - np.maximum(on_blurred, on_scene)
    side = 2 * RIPPLE_REACH_PX + 1
    above = picture - maximum_filter(np.maximum(blurred, scene), side)
    below = minimum_filter(np.minimum(blurred, scene), side) - picture
    halo = np.maximum(np.maximum(above, below)[smooth] - RIPPLE_TOLERANCE, 0.0)
    return float(np.sqrt(np.mean(np.maximum(waves, halo**2).clip(0.0))))


def all_scores(picture: Views, blurred: Views, sharp: Views) -> dict[str, float]:
    """Every score of a picture that was made of a blurred one, by its name in SCORES."""
    scores = [
        psnr_db(picture.picture_u8, sharp.picture_u8),
        *ssim_and_ms_ssim(picture, sharp),
        haarpsi(picture, sharp),
        *detail_shares(picture, sharp),
        ripples(picture, blurred, sharp),
    ]
    return dict(zip(SCORES, map(float, scores), strict=True))
