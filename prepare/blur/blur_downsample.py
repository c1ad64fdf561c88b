"""Blur and reduction as one linear operator, computed only at the written pixels.

The definition: convolve with the PSF at full resolution, border pixels replicated, then take the
area average down to `size`. Together both steps are one correlation with a kernel, the PSF averaged
over a block, evaluated once per block. It is computed as a polyphase filter: photograph and kernel
are split into phases, one for each position in a block, and the correlations of the phases are
added. A small kernel is correlated directly, a big one by discrete Fourier transform. For a radius
of 8 pixels and more, the photograph is halved first, since its blurred copy has no fine detail. The
kernel then comes as close to the definition as the halving filter allows.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import scipy.fft

from prepare.records.blur import Aperture
from prepare.records.psf import aperture_psf, inner_radius

# The filter of cv2.pyrDown, [1 4 6 4 1] / 16 centered on even pixels, correlated with itself at
# distances of 0, 2 and 4 pixels.
HALVING_OVERLAP = np.array([70, 28, 1]) / 256
HALVING_TAIL = 32  # pixels of the halved grid in which the kernel that undoes the halving has faded
LARGEST_KEPT_SIDE = 1280  # pixels; the eight kernels kept take at most 52 MB


class Lens(NamedTuple):
    """A blur: radius in pixels of the photograph, and shape of the aperture."""

    radius_px: float
    aperture: Aperture
    fringe: float = 0.0  # radius of red larger, of blue smaller by so many percent

    def radius_of_channel(self, index: int) -> float:
        """Radius of red, green and blue; of further channels the same again."""
        return self.radius_px * (1 + (1, 0, -1)[index % 3] * self.fringe / 100)


class Grid(NamedTuple):
    """Polyphase layout of a photograph: phases x phases small pictures, each the result's size."""

    stride: int  # 1, or 2 where the photograph is halved first
    phases: int  # pixels from block to block on the (halved) photograph
    margin: int  # replicated border before the first pixel of the photograph, in whole blocks
    side: int  # of each phase
    spectral: bool  # correlate by Fourier transform


def blur_and_average(
    photo: np.ndarray, blurs: Sequence[Lens | tuple[float, Aperture]], size: int
) -> list[np.ndarray]:
    """Convolves with each PSF at full resolution, then averages areas down to the wanted size.

    Accurate to less than 1 level of 255 on the worst pictures we know (black and white noise,
    full-contrast gratings), to 0.1 on photographs. The result for a blur does not depend on the
    others asked for with it.

    Args:
        photo: uint8 or float32, shape (H, H, channels), any light.
        blurs: one for each result.
        size: side of the results, in pixels.

    Returns:
        For each blur float32, shape (size, size, channels), in the units of the photograph, not
        clipped. At radius 0 the photograph is only averaged, in its own type.
    """
    lenses = [Lens(*blur) for blur in blurs]
    planes: list[list[np.ndarray]] = [[] for _ in blurs]
    kernels: dict[tuple[float, Aperture, Grid], tuple[list[np.ndarray], int]] = {}
    # One channel after the other: less memory, and more of it near the processor.
    for index, channel in enumerate(cv2.split(photo)):
        phases_of: dict[Grid, list[np.ndarray]] = {}
        for lens, done in zip(lenses, planes, strict=True):
            radius_px = lens.radius_of_channel(index)
            if radius_px == 0:
                averaged = cv2.resize(channel, (size, size), interpolation=cv2.INTER_AREA)
                done.append(averaged.astype(np.float32))
                continue
            grid = grid_for(photo, size, radius_px, lens.aperture)
            key = (radius_px, lens.aperture, grid)
            if key not in kernels:
                is_kept = grid.side * grid.phases <= LARGEST_KEPT_SIDE
                kernels[key] = (kernel_phases if is_kept else kernel_phases.__wrapped__)(*key)
            if grid not in phases_of:
                phases_of[grid] = channel_phases(channel, grid)
            correlate = spectral_sum if grid.spectral else direct_sum
            first = grid.margin // (grid.stride * grid.phases)
            last = first + channel.shape[0] // (grid.stride * grid.phases)
            reduced = correlate(phases_of[grid], *kernels[key])[first:last, first:last]
            if last - first != size:
                reduced = cv2.resize(reduced, (size, size), interpolation=cv2.INTER_AREA)
            done.append(reduced)
    return [cv2.merge(done).reshape(size, size, -1) for done in planes]


def grid_for(photo: np.ndarray, size: int, radius_px: float, aperture: Aperture) -> Grid:
    """Layout for a blur: few different ones, so that blurs of one photograph share it."""
    height = photo.shape[0]
    block = height // size if height % size == 0 else 1
    blocks = math.ceil(height / block)
    reach_px = radius_px * (1 + 3 * aperture.softness / 100) + (aperture.softness > 0)
    # Straight sides leave more fine detail than a circle. Light that is encoded afterwards or
    # exceeds white would magnify the error of halving.
    soft = inner_radius(radius_px, aperture) >= (8 if aperture.num_blades == 0 else 18)
    soft = soft and aperture.rim == aperture.vignetting == 0  # rings and edges would be finer
    if soft and photo.dtype == np.uint8 and block >= 4 and block % 2 == 0:
        stride = 2
    elif reach_px <= 2 * block:  # at most 5 x 5 pixels of each phase
        return Grid(1, block, 3 * block, blocks + 6, spectral=False)
    else:
        stride = 1
    # The border must hold the kernel and the fading tail of the one that undoes the halving.
    margin = math.ceil(blocks / 16)
    while margin * block < reach_px + block:
        margin *= 2
    side = cv2.getOptimalDFTSize(blocks + 2 * margin)
    if stride == 2 and halved_side(math.ceil(reach_px), block) + block > side * block // 2:
        stride = 1  # a small photograph has no room for the tail
    return Grid(stride, block // stride, margin * block, side, spectral=True)


def channel_phases(channel: np.ndarray, grid: Grid) -> list[np.ndarray]:
    """All phases of a padded channel; their packed Fourier transforms if spectral."""
    padded = channel
    if grid.stride == 2:
        # Behind 4 replicated pixels the halving filter sees nothing else, as it would farther out.
        padded = cv2.copyMakeBorder(channel, 4, 4, 4, 4, cv2.BORDER_REPLICATE)
        padded = cv2.pyrDown(padded)
    before = (grid.margin + (channel.shape[0] - padded.shape[0] * grid.stride) // 2) // grid.stride
    after = grid.side * grid.phases - before - padded.shape[0]
    padded = cv2.copyMakeBorder(padded, before, after, before, after, cv2.BORDER_REPLICATE)
    # Neighbors within a block become channels; split takes them apart faster than slicing.
    columns = cv2.split(padded.reshape(padded.shape[0], grid.side, grid.phases))
    rows = range(grid.phases)
    phases = (column[r :: grid.phases].astype(np.float32) for r in rows for column in columns)
    return [cv2.dft(phase) if grid.spectral else phase for phase in phases]


@lru_cache(maxsize=8)
def kernel_phases(radius_px: float, aperture: Aperture, grid: Grid) -> tuple[list[np.ndarray], int]:
    """All phases of the kernel, or their Fourier transforms, and the index of their origin."""
    psf = aperture_psf(radius_px, aperture).astype(np.float64)
    reach = psf.shape[0] // 2
    block = grid.stride * grid.phases
    # Correlation kernel of "convolve with the PSF, then average a block": offsets -reach to
    # reach + block - 1 from the first pixel of the block. Convolution is why the PSF is flipped.
    flipped = np.pad(psf[::-1, ::-1], block - 1)
    kernel = cv2.boxFilter(flipped, -1, (block, block), anchor=(block - 1, block - 1))
    kernel = kernel[block - 1 :, block - 1 :]
    if grid.stride == 2:
        kernel, reach = behind_halving(kernel, reach)
    before = -reach % grid.phases
    after = -(before + kernel.shape[0]) % grid.phases
    kernel = np.pad(kernel, (before, after)).astype(np.float32)
    origin = (reach + before) // grid.phases
    places = range(grid.phases)
    phases = [kernel[row :: grid.phases, col :: grid.phases] for row in places for col in places]
    if not grid.spectral:
        return [np.ascontiguousarray(phase) for phase in phases], origin
    empty = grid.side - phases[0].shape[0]
    placed = [np.pad(phase, (0, empty)) for phase in phases]
    return [cv2.dft(np.roll(phase, (-origin, -origin), (0, 1))) for phase in placed], origin


def direct_sum(phases: list[np.ndarray], kernels: list[np.ndarray], origin: int) -> np.ndarray:
    """Sum of the correlations of all phases with theirs; filter2D is a correlation."""
    total = np.zeros_like(phases[0])
    part = np.empty_like(total)
    for phase, kernel in zip(phases, kernels, strict=True):
        cv2.filter2D(phase, -1, kernel, dst=part, anchor=(origin, origin))
        cv2.add(total, part, dst=total)
    return total


def spectral_sum(spectra: list[np.ndarray], transfers: list[np.ndarray], _: object) -> np.ndarray:
    """The same by Fourier transform; conjB makes the product a correlation."""
    total = cv2.mulSpectrums(spectra[0], transfers[0], 0, conjB=True)
    part = np.empty_like(total)
    for spectrum, transfer in zip(spectra[1:], transfers[1:], strict=True):
        cv2.mulSpectrums(spectrum, transfer, 0, c=part, conjB=True)
        cv2.add(total, part, dst=total)
    return cv2.idft(total, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)


def halved_side(reach: int, block: int) -> int:
    """Side of the kernel behind the halving, of an aperture of that reach."""
    wide = (reach + 1) // 2 + HALVING_TAIL + (2 * reach + block) // 2 + HALVING_TAIL
    return scipy.fft.next_fast_len(wide)


def behind_halving(kernel: np.ndarray, reach: int) -> tuple[np.ndarray, int]:
    """Kernel h on the halved grid for which the halving filter, then h, is closest to `kernel`.

    Closest in the sum of squares over all pixels, that is on white noise. The normal equations are
    overlap * h = halved kernel, a convolution, so a quotient of Fourier transforms.
    """
    reach_halved = (reach + 1) // 2 + HALVING_TAIL
    before = 2 * reach_halved - reach
    side = 2 * halved_side(reach, kernel.shape[0] - 2 * reach)
    kernel = np.pad(kernel, (before, side - before - kernel.shape[0]))
    halved = cv2.pyrDown(kernel, borderType=cv2.BORDER_REPLICATE)
    frequency = 2 * np.pi * np.arange(side // 2) / (side // 2)
    waves = np.cos(np.outer(frequency, np.arange(3)))
    overlap = waves @ (HALVING_OVERLAP * [1, 2, 2])
    solved = scipy.fft.fft2(halved) / np.outer(overlap, overlap)
    return scipy.fft.ifft2(solved).real, reach_halved
