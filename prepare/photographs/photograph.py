"""The results of reading: a photograph, a decoded file before that, or the reason for neither."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


class UnusablePhotograph(ValueError):  # noqa: N818
    """The file is no photograph we can read without guessing; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph as a color-managed viewer shows it, with its metadata.

    The original color profile is not kept: pixels are converted to sRGB, and written as such.
    """

    pixels: np.ndarray  # uint8 or uint16, (H, W, 3), RGB, sRGB encoded, upright
    alpha: np.ndarray | None = None  # of the same dtype, (H, W), 0 transparent; None without any
    gray: bool = False  # has no colors, whether stored as gray or as equal RGB values
    exif: bytes | None = None  # a TIFF stream without orientation, thumbnail and color space
    dpi: tuple[float, float] | None = None  # horizontal and vertical, pixels an inch
    dropped: tuple[str, ...] = ()  # what the file held and this does not, in words


@dataclass
class Decoded:
    """The pixels of a file as they are stored, with what defines their colors."""

    pixels: np.ndarray  # uint8 or uint16; (H, W) gray, (H, W, 3) RGB or (H, W, 4) CMYK
    alpha: np.ndarray | None = None
    profile: bytes | None = None  # ICC
    colors: Any = None  # color.Colors; applies if there is no profile. None is sRGB
    exif: bytes | None = None
    orientation: int | None = None  # 1 to 8, of the container; None asks the EXIF
    dpi: tuple[float, float] | None = None
    frames: int = 1
    dropped: list[str] = field(default_factory=list)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raises UnusablePhotograph for a size in a header, before memory is allocated."""
    if width < 1 or height < 1:
        raise UnusablePhotograph(f"{width}x{height}, no pixels")
    if width * height > max_pixels:
        raise UnusablePhotograph(f"{width}x{height}, more than {max_pixels:,} pixels")


def colors_and_alpha(
    pixels: np.ndarray, num_colors: int | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The channels of colors, (H, W) if they are gray, and the one behind them.

    `num_colors` of the channels are colors; by default one of up to two, three of more.
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    num_channels = pixels.shape[2]
    num_colors = num_colors or (3 if num_channels > 2 else 1)
    colors = pixels[..., :num_colors] if num_colors > 1 else pixels[..., 0]
    return colors, pixels[..., num_colors] if num_channels > num_colors else None


def rounded_to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """uint8 of the same shape, from uint8 (returned as it is) or uint16, rounded to nearest."""
    if pixels.dtype == np.uint8:
        return pixels
    result = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), 256):  # in strips, so that memory stays small
        result[top : top + 256] = (pixels[top : top + 256].astype(np.uint32) + 128) // 257
    return result
