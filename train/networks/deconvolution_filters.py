"""The blurs that the residual generator knows, and the filters that estimate and invert them.

Real lenses blur with any shape between a hard-edged disc and a Gaussian. So one blur here stands
for several apertures of equal variance. Its name is the radius of the disc with that variance, in
pixels of the picture. All filters are computed from theory.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import j0, j1


class Blur(NamedTuple):
    """Blurs of one size: apertures with different edges and the variance of one disc."""

    radius: float  # of that disc, pixels
    softness: tuple[float, ...]  # of each edge: sigma of a Gaussian, in radii of the aperture
    step: float  # to the next radius, roughly, pixels


class Inverses(NamedTuple):
    """The blurs that have an inverse filter at one resolution."""

    blurs: tuple[Blur, ...]
    block: int  # side of a cell of 4 pixels there
    reach: int  # of the filters to each side, pixels
    rest: float  # energy over that of detail at one cycle a pixel: what restored faces best
    white: float  # energy of a picture's white noise there, over that in the picture itself


class Prior(NamedTuple):
    """The assumptions of the radius estimate about pictures."""

    slopes: tuple[float, ...]  # powers of the frequency that energies of sharp pictures fall with
    rest: float  # that blur does not take, in energies of rounding and JPEG at quality 95
    trust: float  # in the evidence: below 1, as rings side by side tell the same twice
    sharp_log_odds: float  # that a place is sharp


# A start for training, which the estimate then improves. Log odds of 1.5 spare soft subjects,
# which look like a small blur.
TRAINING_PRIOR = Prior((1.9, 2.3, 2.7), 3.0, 1.0, 1.5)
# For pictures of any kind. At log odds of 6 what is sharp comes back at 47 dB, at 7 at 51; at 8
# real blurred scenes gain less.
INFERENCE_PRIOR = Prior((2.0, 2.6, 3.2), 8.0, 0.4, 7.0)

_HARD_RADII = (4.0, 4.5, 5.0, 5.5, 6.0, 6.7, 7.4, 8.2, 9.0, 10.0, 11.0, 12.0)
_SOFT_RADII = (4.0, 5.0, 6.3, 7.8, 9.7, 12.0)
_ANY_EDGE = (0.0, 0.15, 0.35, 0.7)  # below 4 pixels, edges cannot be distinguished
SHARP = tuple(Blur(radius, _ANY_EDGE, 0.0) for radius in (0.0, 0.5, 1.0))  # counts as no blur
BLURS = (
    *(Blur(radius, _ANY_EDGE, radius / 10) for radius in (1.5, 2.0, 2.5, 3.0, 3.5)),
    *(Blur(radius, (0.0, 0.1), 0.25) for radius in _HARD_RADII),
    *(Blur(radius, (0.25, 0.45, 0.8), radius / 10) for radius in _SOFT_RADII),
)
RADII = (0.0, *(blur.radius for blur in BLURS))  # of each class, pixels; the first is no blur
FULL_RES = Inverses(tuple(blur for blur in BLURS if blur.radius < 4), 4, 12, 0.04, 1.0)
# In the halved picture, where blurs of 4 pixels and more lose nothing.
HALF_RES = Inverses(
    tuple(blur._replace(radius=blur.radius / 2) for blur in BLURS if blur.radius >= 4),
    2, 24, 0.0025, 0.25,
)  # fmt: skip

# Frequencies looked at, cycles a pixel of the halved picture and of the picture itself, and reach
# of the filters. Without the latter a blur of one pixel is taken for one of two.
RINGS, RING_REACH = np.linspace(0.04, 0.48, 16), 16
MIDDLE_RINGS = slice(4, 8)  # 0.16 to 0.25 cycles a pixel of the halved picture
FINE_RINGS, FINE_REACH = np.array([0.28, 0.33, 0.38, 0.43]), 8
# Energies of white noise, of the luma in -1..1, that filters are computed for: sigmas of 0.5, 2, 4
# and 8 levels of 255. What lies between takes means of their filters.
NOISE_ENERGIES = tuple((sigma / 127.5) ** 2 for sigma in (0.5, 2.0, 4.0, 8.0))
WHITES = tuple(energy - NOISE_ENERGIES[0] for energy in NOISE_ENERGIES)  # the least is in all else
# What JPEG leaves is seen as so much noise; to take it for noise cost real scenes 0.2 dB.
JPEG_ENERGY = 1e-4
DETAIL_ENERGY = 0.004  # of detail at one cycle a pixel, in most photographs
FLOOR = 1e-5  # energy of rounding and JPEG in a ring filter's answer to a picture in -1..1


def lens_transfers(blur: Blur, frequency: np.ndarray) -> np.ndarray:
    """Transfer function of each aperture of a blur, at frequencies in cycles a pixel.

    Reference: for the disc, Hopkins, Proc. R. Soc. A 231, 1955, the limit of geometric optics.
    """
    transfers = []
    for softness in blur.softness:
        own_radius = blur.radius / np.sqrt(1 + 4 * softness**2)  # a disc's variance is radius^2 / 4
        gaussian = np.exp(-2 * (np.pi * softness * own_radius * frequency) ** 2)
        x = 2 * np.pi * np.maximum(own_radius * frequency, 1e-6)
        transfers.append(2 * j1(x) / x * gaussian)
    return np.array(transfers)


@functools.cache
def inverse_filter(blur: Blur, reach: int, rest: float, white: float = 0.0) -> np.ndarray:
    """A short filter whose result, added to a picture blurred by a lens, sharpens it.

    The least-squares inverse of all its apertures at once, among the filters of that reach
    that look the same turned. It leaves alone the frequencies on which they do not agree. A
    Wiener filter rings on for many radii, and cut short it is worse than nothing.

    Reach and rest are those of `Inverses`, white that of the picture's noise over its detail at
    one cycle a pixel. Gives float32, (2 * reach + 1,) * 2, of sum 0.
    """
    frequency = frequencies(128).ravel()
    transfers, signal = lens_transfers(blur, frequency), frequency**-2.0  # of natural pictures
    energy = signal * (transfers**2).mean(0) + rest / frequency + white  # of what is seen
    tents, answers = tent_basis(reach)
    # Sums as numpy does them itself: threads of a matrix product would wait for busy cores.
    products = np.einsum("af,bf->ab", answers * energy, answers)
    wanted = np.einsum("af,f->a", answers, signal * transfers.mean(0))
    heights = np.linalg.solve(products, wanted)
    inverse = np.tensordot(heights, tents, 1)
    inverse[reach, reach] -= inverse.sum()
    return inverse.astype(np.float32)


@functools.cache
def tent_basis(reach: int) -> tuple[np.ndarray, np.ndarray]:
    """The basis of round filters, and the transfer function of each, flat."""
    distance = distances(reach)
    tents = np.array([np.maximum(0, 1 - np.abs(distance - radius)) for radius in range(reach + 1)])
    return tents, np.array([spectrum(tent, 128).real.ravel() for tent in tents])


def ring_filters(rings: np.ndarray, reach: int) -> np.ndarray:
    """Band-pass filters, each of one ring of a picture's spectrum, of sum 0 and energy 1.

    Of frequencies in cycles a pixel; float32, (2 * reach + 1, 2 * reach + 1, number of rings).
    """
    distance = distances(reach)
    window = np.cos(np.pi / 2 * np.minimum(1, distance / (reach + 1))) ** 2
    filters = j0(2 * np.pi * rings * distance[..., None]) * window[..., None]
    filters -= window[..., None] * (filters.sum((0, 1)) / window.sum())
    return (filters / np.sqrt((filters**2).sum((0, 1)))).astype(np.float32)


def radius_discriminant(
    prior: Prior, fine: bool, white: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The linear function of a blurred picture's log energies on rings that gives its radius.

    Fisher's discriminant, computed from theory and not from examples: pictures of any contrast,
    blurred by each of BLURS, a little less and a little more, in white noise of that energy.

    Returns:
        weights, float32, (number of rings, number of RADII), and offsets, whose softmax is the
        probability of each radius; of RINGS, and of FINE_RINGS after them if `fine`.
    """
    spreads = [SHARP]
    for blur in BLURS:
        radii = (blur.radius - blur.step, blur.radius, blur.radius + blur.step)
        spreads.append(tuple(blur._replace(radius=radius) for radius in radii))
    halved = [[blur._replace(radius=blur.radius / 2) for blur in spread] for spread in spreads]
    groups = expected_log_energies(halved, prior, white / 4, ring_filters(RINGS, RING_REACH), 1)
    if fine:
        fine_rings = ring_filters(FINE_RINGS, FINE_REACH)
        others = expected_log_energies(spreads, prior, white, fine_rings, 2)
        groups = [np.concatenate(both, -1) for both in zip(groups, others, strict=True)]
    means = np.array([group.mean(0) for group in groups])
    covariance = np.mean([np.cov(group.T) for group in groups], 0) + 0.03 * np.eye(means.shape[1])
    weights = np.linalg.solve(covariance, means.T)
    offsets = -np.einsum("ij,ji->i", means, weights) / 2
    weights, offsets = prior.trust * weights, prior.trust * offsets
    offsets[0] += prior.sharp_log_odds
    return weights.astype(np.float32), offsets.astype(np.float32)


def expected_log_energies(
    spreads: Sequence[Sequence[Blur]], prior: Prior, white: float, rings: np.ndarray, scale: int
) -> list[np.ndarray]:
    """Log energies that theory expects behind ring filters, of any blur, contrast and slope.

    `white` is the energy of the noise in the input of the filters.

    The scale is 1 if the filters look at the halved picture, 2 if at the picture itself: a
    frequency there is twice as high in the halved one, and holds four times as much.

    Returns:
        of each group of blurs, (number of combinations, number of rings).
    """
    frequency = frequencies(64)
    passed = np.array([np.abs(spectrum(ring, 64)) ** 2 for ring in rings.T])
    slopes = np.array([frequency**-slope for slope in prior.slopes])
    slopes[:, 0, 0] = 0
    shares = 1 / slopes.sum((1, 2))  # of the energy of the halved picture
    slopes *= (shares * [scale ** (2 - slope) for slope in prior.slopes])[:, None, None]
    energies = 0.1 * np.exp([-1.5, 0.0, 1.5])  # of a picture in -1..1
    groups = []
    for blurs in spreads:
        transfers = np.concatenate([lens_transfers(blur, frequency) ** 2 for blur in blurs])
        seen = np.einsum("rhw,shw,ahw->rsa", transfers, slopes, passed)
        logs = np.log(seen[:, :, None] * energies[:, None] + prior.rest * FLOOR + white)
        groups.append(logs.reshape(-1, rings.shape[-1]))
    return groups


def distances(reach: int) -> np.ndarray:
    """Distance of each pixel of a filter from its middle."""
    offsets = np.arange(-reach, reach + 1)
    return np.hypot(offsets[:, None], offsets)


def frequencies(side: int) -> np.ndarray:
    """Distance from 0 of each frequency of a picture, in cycles a pixel; of 0 itself, a little."""
    along = np.fft.fftfreq(side)
    return np.maximum(np.hypot(along[:, None], along), 1 / side)


def spectrum(filter_: np.ndarray, side: int) -> np.ndarray:
    """Transfer function of a filter about its middle, at the frequencies of a picture."""
    reach = len(filter_) // 2
    padded = np.zeros((side, side))
    padded[: len(filter_), : len(filter_)] = filter_
    return np.fft.fft2(np.roll(padded, (-reach, -reach), (0, 1)))


def space_to_depth_kernel(filters: np.ndarray, block: int) -> np.ndarray:
    """The kernel that does to folded pictures what some filters do to the pictures themselves.

    Of filters (2 * reach + 1, 2 * reach + 1, number), where the block divides the reach.
    """
    side, _, number = filters.shape
    cells = side // block + 1
    kernel = np.zeros((cells, cells, block, block, block, block, number), filters.dtype)
    for y in range(block):
        for x in range(block):
            moved = np.zeros((cells * block, cells * block, number), filters.dtype)
            moved[y : y + side, x : x + side] = filters
            moved = moved.reshape(cells, block, cells, block, number).transpose(0, 2, 1, 3, 4)
            kernel[:, :, :, :, y, x] = moved
    return kernel.reshape(cells, cells, block**2, block**2 * number)
