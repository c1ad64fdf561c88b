"""Photographs as the preparation wants them, 8-bit sRGB squares, and the JPEGs that it writes."""

from pathlib import Path

import cv2
import numpy as np

from prepare.photographs.photograph import UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import read_photograph


def read_u8(path: str | Path) -> np.ndarray:
    """A photograph as it should be seen on an sRGB screen; 16 bits are rounded to 8.

    Args:
        path: file of the photograph.

    Returns:
        uint8, shape (H, W, 3), RGB, sRGB encoded.

    Raises:
        UnusablePhotograph: for the reasons of `read_photograph`.
        OSError: if the file cannot be opened.
    """
    return rounded_to_8_bits(read_photograph(path).pixels)


def read_depth_map(path: str | Path) -> np.ndarray:
    """A depth map, upright like its photograph: uint8, shape (H, W), 0 near, 255 far.

    Raises:
        UnusablePhotograph: if the file is colored, or for the reasons of `read_u8`.
        OSError: if the file cannot be opened.
    """
    depth = read_u8(path)
    if (depth != depth[..., :1]).any():
        raise UnusablePhotograph("a depth map must be grey, this one is colored")
    return np.ascontiguousarray(depth[..., 0])


def square_crop(photo: np.ndarray) -> np.ndarray:
    """The largest square from the middle of a photograph or depth map; not a copy."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]


def encode_jpeg(photo_u8: np.ndarray, quality: int, subsampled: bool = False) -> bytes:
    """JPEG file of an RGB photograph.

    Args:
        photo_u8: uint8, shape (H, W, 3), RGB.
        quality: 1 to 100.
        subsampled: chroma at half the resolution (4:2:0), in place of the full (4:4:4).

    Returns:
        The bytes of the file; the same on every call.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    full, half = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, half if subsampled else full]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(photo_u8, cv2.COLOR_RGB2BGR), settings)
    return encoded.tobytes()
