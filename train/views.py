"""What the metrics look at of one picture, each part computed once, when it is first wanted."""

from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy.ndimage import gaussian_filter

WINDOW_REACH = 5  # of SSIM's 11-pixel window of sigma 1.5
# Rows are luma Y and the two color differences I and Q of the NTSC standard.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
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
