"""Blur and reduction as one linear operator, evaluated only where its result is wanted.

The definition: convolve with the PSF at full resolution, border pixels replicated, then take the
area average down to `size`. Both steps together are one correlation with a kernel, the PSF
averaged over a block, read off once a block. It is done by discrete Fourier transform, which costs
the same for every radius. A blurred picture holds nothing finer than a few pixels, so from a
radius of 8 pixels on the photograph is first halved, and the kernel is the one that, behind the
halving filter, comes closest to the definition.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import scipy.fft

from prepare.aperture import Aperture, aperture_psf, inner_radius

# The filter of cv2.pyrDown, [1 4 6 4 1] / 16 centered on even pixels, correlated with itself at
# distances of 0, 2 and 4 pixels.
HALVING_OVERLAP = np.array([70, 28, 1]) / 256


class Grid(NamedTuple):
    """How a photograph is laid out for the transform.

    Its padded, perhaps halved pixels are dealt out to phases x phases smaller pictures, each of
    which holds one pixel of every block, so that all that is computed has the size of the result.
    """

    stride: int  # 1, or 2 where the photograph is halved first
    phases: int  # pixels from block to block on the (halved) photograph
    margin: int  # replicated border before the first pixel of the photograph, in whole blocks
    side: int  # of each phase, and of the transform


def blur_and_average(
    photo: np.ndarray, blurs: Sequence[tuple[float, Aperture]], size: int
) -> list[np.ndarray]:
    """Convolves with each PSF at full resolution, then averages areas down to the wanted size.

    Accurate to less than 1 level of 255 on the worst pictures we know (black and white noise,
    full-contrast gratings), to 0.1 on photographs. The result for a blur does not depend on the
    others asked for with it.

    Args:
        photo: uint8 or float32, shape (H, H, channels), any light.
        blurs: for each result the radius in pixels of this photograph, and the aperture.
        size: side of the results, in pixels.

    Returns:
        For each blur float32, shape (size, size, channels), in the units of the photograph, not
        clipped. At radius 0 the photograph is only averaged, in its own type.
    """
    spectra: dict[Grid, list[list[np.ndarray]]] = {}
    results = []
    for radius_px, aperture in blurs:
        if radius_px == 0:
            averaged = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)
            results.append(averaged.astype(np.float32).reshape(size, size, -1))
            continue
        grid = _grid(photo, size, radius_px, aperture)
        if grid not in spectra:
            spectra[grid] = _spectra(photo, grid)
        transfer = _transfer(radius_px, aperture, grid)
        first = grid.margin // (grid.stride * grid.phases)
        last = first + photo.shape[0] // (grid.stride * grid.phases)
        product = np.empty((grid.side, grid.side), np.float32)
        planes = []
        for channel in spectra[grid]:
            total = np.zeros((grid.side, grid.side), np.float32)
            for spectrum, phase in zip(channel, transfer, strict=True):
                # conjB makes it the correlation that the kernel is written for.
                cv2.mulSpectrums(spectrum, phase, 0, c=product, conjB=True)
                cv2.add(total, product, dst=total)
            plane = cv2.idft(total, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
            plane = plane[first:last, first:last]
            if plane.shape[0] != size:
                plane = cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA)
            planes.append(plane)
        results.append(cv2.merge(planes).reshape(size, size, -1))
    return results


def _grid(photo: np.ndarray, size: int, radius_px: float, aperture: Aperture) -> Grid:
    """Layout for a blur: few different ones, so that blurs of one photograph share it."""
    height = photo.shape[0]
    block = height // size if height % size == 0 else 1
    soft_from = 8 if aperture.num_blades == 0 else 10  # straight sides leave more fine detail
    soft = inner_radius(radius_px, aperture) >= soft_from
    # Light that is encoded afterwards or exceeds white would magnify the error of halving.
    stride = 2 if soft and photo.dtype == np.uint8 and block >= 4 and block % 2 == 0 else 1
    # The border must hold the kernel and the fading tail of the one that undoes the halving.
    margin = math.ceil(height / 16 / block)
    while margin * block < radius_px + block:
        margin *= 2
    side = cv2.getOptimalDFTSize(math.ceil(height / block) + 2 * margin)
    return Grid(stride, block // stride, margin * block, side)


def _spectra(photo: np.ndarray, grid: Grid) -> list[list[np.ndarray]]:
    """Packed Fourier transforms of all phases of each channel of the padded photograph."""
    padded = photo
    if grid.stride == 2:
        # Behind 4 replicated pixels the halving filter sees nothing else, as it would farther out.
        padded = cv2.copyMakeBorder(photo, 4, 4, 4, 4, cv2.BORDER_REPLICATE)
        padded = cv2.pyrDown(padded.astype(np.float32))
    before = (grid.margin + (photo.shape[0] - padded.shape[0] * grid.stride) // 2) // grid.stride
    after = grid.side * grid.phases - before - padded.shape[0]
    padded = cv2.copyMakeBorder(padded, before, after, before, after, cv2.BORDER_REPLICATE)
    channels = 1 if photo.ndim == 2 else photo.shape[2]
    # Neighbors within a block become channels; split deals them out faster than slicing.
    columns = cv2.split(padded.reshape(padded.shape[0], grid.side, -1))
    return [
        [
            cv2.dft(column[row :: grid.phases].astype(np.float32, copy=False))
            for row in range(grid.phases)
            for column in columns[channel::channels]
        ]
        for channel in range(channels)
    ]


@lru_cache(maxsize=8)
def _transfer(radius_px: float, aperture: Aperture, grid: Grid) -> list[np.ndarray]:
    """Packed Fourier transforms of all phases of the kernel."""
    psf = aperture_psf(radius_px, aperture).astype(np.float64)
    reach = psf.shape[0] // 2
    block = grid.stride * grid.phases
    # Correlation kernel of "convolve with the PSF, then average a block": offsets -reach to
    # reach + block - 1 from the first pixel of the block. Convolution is why the PSF is flipped.
    flipped = np.pad(psf[::-1, ::-1], block - 1)
    kernel = cv2.boxFilter(flipped, -1, (block, block), anchor=(block - 1, block - 1))
    kernel = kernel[block - 1 :, block - 1 :]
    if grid.stride == 2:
        kernel, reach = _behind_halving(kernel, reach)
    before = -reach % grid.phases
    kernel = np.pad(kernel, (before, grid.phases)).astype(np.float32)
    origin = (reach + before) // grid.phases
    transfer = []
    for row in range(grid.phases):
        for column in range(grid.phases):
            phase = kernel[row :: grid.phases, column :: grid.phases]
            placed = np.zeros((grid.side, grid.side), np.float32)
            placed[: phase.shape[0], : phase.shape[1]] = phase
            transfer.append(cv2.dft(np.roll(placed, (-origin, -origin), (0, 1))))
    return transfer


def _behind_halving(kernel: np.ndarray, reach: int) -> tuple[np.ndarray, int]:
    """Kernel h on the halved grid for which the halving filter, then h, is closest to `kernel`.

    Closest in the sum of squares over all pixels, that is on white noise. The normal equations are
    overlap * h = halved kernel, a convolution, so a quotient of Fourier transforms.
    """
    tail = 32  # pixels of the halved grid in which the solution has faded
    reach_halved = (reach + 1) // 2 + tail
    before = 2 * reach_halved - reach
    side = 2 * scipy.fft.next_fast_len(reach_halved + kernel.shape[0] // 2 + tail)
    kernel = np.pad(kernel, (before, side - before - kernel.shape[0]))
    halved = cv2.pyrDown(kernel, borderType=cv2.BORDER_REPLICATE)
    frequency = 2 * np.pi * np.arange(side // 2) / (side // 2)
    waves = np.cos(np.outer(frequency, np.arange(3)))
    overlap = waves @ (HALVING_OVERLAP * [1, 2, 2])
    solved = scipy.fft.fft2(halved) / np.outer(overlap, overlap)
    return scipy.fft.ifft2(solved).real, reach_halved
