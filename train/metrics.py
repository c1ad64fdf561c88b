"""How close a restored picture comes to the sharp one.

Every picture is uint8, shape (height, width, 3), RGB, 0..255; the data range is 255 throughout.
"""

import numpy as np
from scipy.ndimage import (
    gaussian_filter,
    gaussian_gradient_magnitude,
    maximum_filter,
    minimum_filter,
)
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

MOST_PSNR_DB = 100.0  # of equal pictures, so that means and JSON stay finite
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, Sec. 3.2
WINDOW_REACH = 5  # of the 11-pixel window of sigma 1.5
# Rows are luma Y and the two color differences I and Q of the NTSC standard.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
DETAIL_SIGMA_PX = 2.0  # what a Gaussian of this width takes away counts as detail
STEEPEST_SMOOTH = 3.0  # levels a pixel, under a Gaussian of sigma 1: skin and sky, not their edges
RIPPLE_SIGMA_PX, RIPPLE_REACH_PX = 3.0, 3  # over which energy is averaged, and values compared
RIPPLE_TOLERANCE = 2.0  # levels beyond what was there that are tone or grain, no halo


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


def ms_ssim(picture_u8: np.ndarray, sharp_u8: np.ndarray) -> float:
    """Multi-scale structural similarity, 1 for equal pictures: mean over RGB channels.

    Five scales need 176 pixels a side; smaller pictures are scored on as many as fit, with the
    weights scaled to sum to 1.

    Reference: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar 2003, Eq. 7, with the window of `ssim` and no padding.
    """
    x, y = picture_u8.astype(np.float64), sharp_u8.astype(np.float64)
    smallest = 2 * WINDOW_REACH + 1
    num_scales = min(len(MS_SSIM_WEIGHTS), 1 + int(np.log2(min(x.shape[:2]) / smallest)))
    weights = np.array(MS_SSIM_WEIGHTS[:num_scales])
    terms = []
    for scale in range(num_scales):
        luminance, structure = _ssim_terms(x, y)
        terms.append((luminance * structure if scale == num_scales - 1 else structure).mean((0, 1)))
        x, y = _halved(x), _halved(y)
    # A negative covariance has no real power; 0 is the worst score, as in TensorFlow's.
    per_channel = np.prod(np.maximum(terms, 0.0) ** (weights / weights.sum())[:, None], axis=0)
    return float(per_channel.mean())


def _ssim_terms(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance term and contrast-structure term at every place the whole window fits."""

    def mean(values: np.ndarray) -> np.ndarray:
        inner = slice(WINDOW_REACH, -WINDOW_REACH)
        return gaussian_filter(values, (1.5, 1.5, 0), radius=WINDOW_REACH)[inner, inner]

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _halved(picture: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 for side in picture.shape[:2])
    return picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).mean((1, 3))


def haarpsi(picture_u8: np.ndarray, sharp_u8: np.ndarray) -> float:
    """Haar wavelet-based perceptual similarity index, 0..1, 1 for equal pictures.

    Follows people's judgment of blur better than SSIM, without any trained weights.

    Reference: Reisenhofer, Bosse, Kutyniok, Wiegand, "A Haar wavelet-based perceptual similarity
    index for image quality assessment", Signal Processing: Image Communication 61, 2018, with the
    constants of the authors' program: C = 30, not squared, alpha = 4.2, color, halved first.
    """
    constant, alpha = 30.0, 4.2
    x, y = (_every_other_box(picture @ YIQ.T) for picture in (picture_u8, sharp_u8))
    similarities, weights = [], []
    for axis in (0, 1):
        first, second, third = (
            tuple(abs(_haar(z[..., 0], 2**scale, axis)) for z in (x, y)) for scale in (1, 2, 3)
        )
        both = _similarity(first, constant) + _similarity(second, constant)
        similarities.append(both / 2)
        weights.append(np.maximum(*third))
    colors = tuple(abs(_boxes(z[..., 1:], 2)) / 4 for z in (x, y))
    similarities.append(_similarity(colors, constant).mean(-1))
    weights.append((weights[0] + weights[1]) / 2)
    total = np.sum(weights)
    if total == 0:
        return 1.0  # both pictures are flat
    mean = np.sum(weights / (1 + np.exp(-alpha * np.array(similarities)))) / total
    return float((np.log(mean / (1 - mean)) / alpha) ** 2)


def _similarity(pair: tuple[np.ndarray, ...], constant: float) -> np.ndarray:
    a, b = pair
    return (2 * a * b + constant) / (a**2 + b**2 + constant)


def _every_other_box(picture: np.ndarray) -> np.ndarray:
    return _boxes(picture, 2)[::2, ::2] / 4


def _boxes(picture: np.ndarray, side: int) -> np.ndarray:
    """Sums over side x side pixels around each pixel, zero outside (MATLAB's "same")."""
    return _windows(_windows(_framed(picture, side), side, 0), side, 1)


def _haar(luma: np.ndarray, side: int, axis: int) -> np.ndarray:
    """Difference of the two halves of such a box, split across `axis`; scaled by 1 / side."""
    halves = _windows(_framed(luma, side), side // 2, axis)
    halves = np.moveaxis(halves, axis, 0)
    difference = np.moveaxis(halves[side // 2 :] - halves[: -(side // 2)], 0, axis)
    return _windows(difference, side, 1 - axis) / side


def _framed(picture: np.ndarray, side: int) -> np.ndarray:
    frame = [(side // 2 - 1, side // 2)] * 2 + [(0, 0)] * (picture.ndim - 2)
    return np.pad(picture, frame)


def _windows(picture: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Sums of `length` neighbors along an axis, wherever they all exist."""
    sums = np.cumsum(np.moveaxis(picture, axis, 0), axis=0)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    return np.moveaxis(sums[length:] - sums[:-length], 0, axis)


def detail_returned(picture_u8: np.ndarray, sharp_u8: np.ndarray) -> float:
    """Share of the sharp picture's fine detail, as energy, that the picture holds; 1 is all.

    Detail is luma less its Gaussian of sigma 2 pixels. Regressing the picture's detail on the
    sharp one's leaves the part that came back (the fit) and the part that was invented (the
    rest). Above 1, true detail is exaggerated.
    """
    return _detail_shares(picture_u8, sharp_u8)[0]


def detail_invented(picture_u8: np.ndarray, sharp_u8: np.ndarray) -> float:
    """Energy of detail that the sharp picture does not have, as a share of the energy it has."""
    return _detail_shares(picture_u8, sharp_u8)[1]


def _detail_shares(picture_u8: np.ndarray, sharp_u8: np.ndarray) -> tuple[float, float]:
    lumas = (picture @ YIQ[0] for picture in (picture_u8, sharp_u8))
    picture, sharp = (luma - gaussian_filter(luma, DETAIL_SIGMA_PX) for luma in lumas)
    energy = np.sum(sharp**2)
    if energy < 1e-6 * sharp.size:
        return 1.0, 0.0  # a flat picture has no detail to bring back or to compare with
    fit = max(0.0, np.sum(picture * sharp) / energy)
    return float(fit**2), float(np.sum((picture - fit * sharp) ** 2) / energy)


def ripples(
    picture_u8: np.ndarray,
    blurred_u8: np.ndarray,
    sharp_u8: np.ndarray | None = None,
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
        picture_u8: the restoration.
        blurred_u8: what it was made of.
        sharp_u8: the truth, if there is any.
        mask: bool, (height, width), what is scored; None for all.

    Reference: none known; our own.
    """
    scene_u8 = blurred_u8 if sharp_u8 is None else sharp_u8
    picture, blurred, scene = (each @ YIQ[0] for each in (picture_u8, blurred_u8, scene_u8))
    smooth = maximum_filter(gaussian_gradient_magnitude(scene, 1.0), 3) < STEEPEST_SMOOTH
    if mask is not None:
        smooth &= mask
    if not smooth.any():
        return 0.0
    share = gaussian_filter(smooth.astype(np.float64), RIPPLE_SIGMA_PX)[smooth]

    def energy(luma: np.ndarray) -> np.ndarray:
        detail = np.where(smooth, luma - gaussian_filter(luma, DETAIL_SIGMA_PX), 0.0)
        return gaussian_filter(detail**2, RIPPLE_SIGMA_PX)[smooth] / share

    waves = energy(picture) - np.maximum(energy(blurred), energy(scene))
    side = 2 * RIPPLE_REACH_PX + 1
    above = picture - maximum_filter(np.maximum(blurred, scene), side)
    below = minimum_filter(np.minimum(blurred, scene), side) - picture
    halo = np.maximum(np.maximum(above, below)[smooth] - RIPPLE_TOLERANCE, 0.0)
    return float(np.sqrt(np.mean(np.maximum(waves, halo**2).clip(0.0))))
