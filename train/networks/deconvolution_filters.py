"""Filters that tell one blur from another, and filters that take it back.

All are computed from theory alone.
"""

import functools
from collections.abc import Sequence

import numpy as np
from scipy.special import j0, j1

from train.networks.blurs import Bank, Blur, Guess

FULL_RES_REACH, HALF_RES_REACH = 12, 24  # of the filters, pixels of the full and halved picture
# Energy of noise over that of detail at one cycle a pixel, in either: what restored faces best.
FULL_RES_NOISE, HALF_RES_NOISE = 0.04, 0.0025
# Frequencies looked at, cycles a pixel of the halved picture and of the picture itself, and reach
# of the filters. Without the latter a blur of one pixel is taken for one of two.
RINGS, RING_REACH = np.linspace(0.04, 0.48, 16), 16
MIDDLE_RINGS = slice(4, 8)  # 0.16 to 0.25 cycles a pixel of the halved picture
FINE_RINGS, FINE_REACH = np.array([0.28, 0.33, 0.38, 0.43]), 8
FLOOR = 1e-5  # energy of rounding and JPEG in a ring filter's answer to a picture in -1..1


def disc_transfer(radius: float, frequency: np.ndarray) -> np.ndarray:
    """Transfer function of a disc of that radius, pixels, at frequencies in cycles a pixel.

    Reference: Hopkins, Proc. R. Soc. A 231, 1955, the limit of geometric optics.
    """
    x = 2 * np.pi * np.maximum(radius * frequency, 1e-6)
    return 2 * j1(x) / x


def lens_transfers(blur: Blur, frequency: np.ndarray) -> np.ndarray:
    """Transfer functions of the apertures of a blur.

    Args:
        blur: their size and softness.
        frequency: cycles a pixel, any shape.

    Returns:
        shape (number of apertures,) and that of the frequencies.
    """
    transfers = []
    for softness in blur.softness:
        # The variance of a disc is radius^2 / 4.
        own_radius = blur.radius / np.sqrt(1 + 4 * softness**2)
        gaussian = np.exp(-2 * (np.pi * softness * own_radius * frequency) ** 2)
        transfers.append(disc_transfer(own_radius, frequency) * gaussian)
    return np.array(transfers)


@functools.cache
def inverse_filter(blur: Blur, reach: int, noise: float) -> np.ndarray:
    """What has to be added to a picture blurred by a lens to sharpen it, as a short filter.

    The least-squares inverse of all its apertures at once, among the filters of that reach
    that look the same turned. It leaves alone the frequencies on which they do not agree. A
    Wiener filter rings on for many radii, and cut short it is worse than nothing.

    Args:
        blur: of more than 0 pixels.
        reach: of the filter to each side, pixels, at most 31.
        noise: energy of noise over that of detail at one cycle a pixel, falling with frequency.

    Returns:
        float32, shape (2 * reach + 1,) * 2, sums to 0.
    """
    frequency = _frequencies(128).ravel()
    transfers, signal = lens_transfers(blur, frequency), frequency**-2.0  # of natural pictures
    energy = signal * (transfers**2).mean(0) + noise / frequency  # of what is seen
    tents, answers = _tent_basis(reach)
    # Sums as numpy does them itself: threads of a matrix product would wait for busy cores.
    products = np.einsum("af,bf->ab", answers * energy, answers)
    wanted = np.einsum("af,f->a", answers, signal * transfers.mean(0))
    heights = np.linalg.solve(products, wanted)
    inverse = np.tensordot(heights, tents, 1)
    inverse[reach, reach] -= inverse.sum()
    return inverse.astype(np.float32)


@functools.cache
def _tent_basis(reach: int) -> tuple[np.ndarray, np.ndarray]:
    """What round filters are put together of, and the transfer function of each, flat."""
    distance = _distances(reach)
    tents = np.array([np.maximum(0, 1 - np.abs(distance - radius)) for radius in range(reach + 1)])
    return tents, np.array([_spectrum(tent, 128).real.ravel() for tent in tents])


def ring_filters(rings: np.ndarray, reach: int) -> np.ndarray:
    """Band-pass filters, each of one ring of a picture's spectrum.

    Args:
        rings: their frequencies, cycles a pixel.
        reach: of the filters to each side, pixels.

    Returns:
        float32, shape (2 * reach + 1, 2 * reach + 1, number of rings), each of sum 0 and energy 1.
    """
    distance = _distances(reach)
    window = np.cos(np.pi / 2 * np.minimum(1, distance / (reach + 1))) ** 2
    filters = j0(2 * np.pi * rings * distance[..., None]) * window[..., None]
    filters -= window[..., None] * (filters.sum((0, 1)) / window.sum())
    return (filters / np.sqrt((filters**2).sum((0, 1)))).astype(np.float32)


def radius_discriminant(bank: Bank, guess: Guess) -> tuple[np.ndarray, np.ndarray]:
    """The linear function of a blurred picture's log energies on rings that tells its radius.

    Fisher's discriminant, not of examples but of what theory expects: pictures of any contrast
    whose energy falls with the guess's powers of the frequency, blurred by each of the bank.

    Returns:
        weights, float32, shape (number of rings, 1 + number of blurs), and offsets. Their softmax
        is the probability of "no blur to speak of", and of each blur. The rings are RINGS and, of a
        bank that is fine, FINE_RINGS.
    """
    spreads = [bank.sharp, *(blur.with_neighbors for blur in bank.blurs)]
    halved = [[blur.halved for blur in spread] for spread in spreads]
    groups = _expected_logs(halved, guess, ring_filters(RINGS, RING_REACH), 1)
    if bank.fine:
        fine = _expected_logs(spreads, guess, ring_filters(FINE_RINGS, FINE_REACH), 2)
        groups = [np.concatenate(both, -1) for both in zip(groups, fine, strict=True)]
    means = np.array([group.mean(0) for group in groups])
    covariance = np.mean([np.cov(group.T) for group in groups], 0) + 0.03 * np.eye(means.shape[1])
    weights = np.linalg.solve(covariance, means.T)
    offsets = -np.einsum("ij,ji->i", means, weights) / 2
    weights, offsets = guess.trust * weights, guess.trust * offsets
    offsets[0] += guess.prior_of_sharp
    return weights.astype(np.float32), offsets.astype(np.float32)


def _expected_logs(
    spreads: Sequence[Sequence[Blur]], guess: Guess, rings: np.ndarray, scale: int
) -> list[np.ndarray]:
    """Log energies that theory expects behind ring filters, of any blur, contrast and slope.

    Args:
        spreads: groups of blurs, in pixels of the picture that the filters look at.
        guess: what is expected.
        rings: the filters.
        scale: 1 if they look at the halved picture, 2 if at the picture itself: a frequency there
            is twice as high in the halved one, and holds four times as much.

    Returns:
        of each group, shape (number of combinations, number of rings).
    """
    frequency = _frequencies(64)
    passed = np.array([np.abs(_spectrum(ring, 64)) ** 2 for ring in rings.T])
    slopes = np.array([frequency**-slope for slope in guess.slopes])
    slopes[:, 0, 0] = 0
    shares = 1 / slopes.sum((1, 2))  # of the energy of the halved picture
    slopes *= (shares * [scale ** (2 - slope) for slope in guess.slopes])[:, None, None]
    energies = 0.1 * np.exp([-1.5, 0.0, 1.5])  # of a picture in -1..1
    groups = []
    for blurs in spreads:
        transfers = np.concatenate([lens_transfers(blur, frequency) ** 2 for blur in blurs])
        seen = np.einsum("rhw,shw,ahw->rsa", transfers, slopes, passed)
        logs = np.log(seen[:, :, None] * energies[:, None] + guess.noise * FLOOR)
        groups.append(logs.reshape(-1, rings.shape[-1]))
    return groups


def _distances(reach: int) -> np.ndarray:
    """Distance of each pixel of a filter from its middle."""
    offsets = np.arange(-reach, reach + 1)
    return np.hypot(offsets[:, None], offsets)


def _frequencies(side: int) -> np.ndarray:
    """Distance from 0 of each frequency of a picture, in cycles a pixel; of 0 itself, a little."""
    along = np.fft.fftfreq(side)
    return np.maximum(np.hypot(along[:, None], along), 1 / side)


def _spectrum(filter_: np.ndarray, side: int) -> np.ndarray:
    """Transfer function of a filter about its middle, at the frequencies of a picture."""
    reach = len(filter_) // 2
    padded = np.zeros((side, side))
    padded[: len(filter_), : len(filter_)] = filter_
    return np.fft.fft2(np.roll(padded, (-reach, -reach), (0, 1)))


def space_to_depth_kernel(filters: np.ndarray, block: int) -> np.ndarray:
    """The kernel that does to folded pictures what some filters do to the pictures themselves.

    Args:
        filters: shape (2 * reach + 1, 2 * reach + 1, number), where the block divides the reach.
        block: side of the squares of pixels that were made channels.

    Returns:
        shape (2 * reach / block + 1,) * 2 + (block**2, block**2 * number).
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
