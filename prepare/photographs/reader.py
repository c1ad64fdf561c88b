"""Reads PNG, JPEG, WebP, TIFF, HEIC, AVIF, BMP and GIF as upright sRGB, or says why it cannot.

Memory and time are bounded before a decoder starts: by the kind and size of the file, by width
times height in its header, by the number of scans, by the size of what a chunk may unpack to. The
decoders run in this process: every path that led to a crash or a hang is closed before them.
"""

import contextlib
import os
import stat
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from prepare.photographs.color import adobe_rgb, to_srgb
from prepare.photographs.exif import kept_exif, orientation_of, parse_exif, tells_adobe_rgb
from prepare.photographs.heif import decode_avif, decode_heic, heif_kind
from prepare.photographs.icc import profile_to_srgb
from prepare.photographs.jpeg import decode_jpeg
from prepare.photographs.photograph import Decoded, Photograph, UnusablePhotograph
from prepare.photographs.png import FastDecoder, decode_png
from prepare.photographs.simple import decode_bmp, decode_gif, decode_webp
from prepare.photographs.tiff import decode_tiff

DATASET_PIXELS = 80_000_000  # 240 MB as RGB; a small file can claim far more
MOST_BYTES_A_PIXEL = 8  # RGBA of 16 bits; a larger file holds something else
BYTES_BESIDE_PIXELS = 1 << 26
HEAD_BYTES = 1 << 12

DECODERS: dict[str, Callable[..., Decoded]] = {
    "PNG": decode_png, "JPEG": decode_jpeg, "WebP": decode_webp, "TIFF": decode_tiff,
    "BMP": decode_bmp, "GIF": decode_gif, "HEIC": decode_heic, "AVIF": decode_avif,
}  # fmt: skip
TAKES_FAST_DECODER = ("PNG", "WebP")


def read_photograph(
    path: str | Path,
    *,
    max_pixels: int = DATASET_PIXELS,
    alpha: Literal["refuse", "keep"] = "refuse",
    frames: Literal["refuse", "first"] = "refuse",
    fast_decoder: FastDecoder | None = None,
) -> Photograph:
    """A photograph as a color-managed viewer shows it, in sRGB.

    Upright; colors converted from ICC profile, code points, gamma and primaries, or Adobe RGB
    told by EXIF; gray made RGB; 16 bits kept (`rounded_to_8_bits`).

    Args:
        path: of the file.
        max_pixels: more are refused.
        alpha: "refuse" refuses transparent pixels and drops an opaque channel.
        frames: "refuse" refuses animations and pages, "first" takes the first. Of a telephone's
            JPEG or HEIC the main picture is always taken.
        fast_decoder: for plain PNG and WebP files.

    Raises:
        UnusablePhotograph: no regular file, too large, no image, damaged as far as its decoder
            can tell, transparent, animated, HDR, without a profile (CMYK) or of a broken one.
        OSError: if it cannot be opened.
    """
    try:
        data = _read_bytes(path, MOST_BYTES_A_PIXEL * max_pixels + BYTES_BESIDE_PIXELS)
        kind = _kind(data)
        options = {"fast_decoder": fast_decoder} if kind in TAKES_FAST_DECODER else {}
        with _pillow_limits:
            decoded = DECODERS[kind](data, max_pixels, **options)
        _refuse_or_drop(decoded, alpha, frames)
        return _photograph(decoded)
    except UnusablePhotograph:
        raise
    except _CannotOpen as error:
        raise error.reason from None
    except Exception as error:  # a file's fault is that file's reason, whatever a decoder raises
        raise UnusablePhotograph(f"damaged or cut off ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    """What an exception says, or its name."""
    return " ".join(str(error).split())[:200] or type(error).__name__


class _CannotOpen(Exception):  # noqa: N818
    """Carries the OSError of a file that cannot be opened past those of the decoders."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _read_bytes(path: str | Path, max_bytes: int) -> bytes:
    """The content of a regular file; looks at kind and size before it opens and reads."""
    try:
        _check_status(os.stat(path), max_bytes)
        # Without waiting, should a pipe have taken the file's place meanwhile.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            size = _check_status(os.fstat(descriptor), max_bytes)
            _kind(file.read(HEAD_BYTES))
            file.seek(0)
            return file.read(size)
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise _CannotOpen(error) from error


class _PillowLimits:
    """Lifts Pillow's limit of 179 megapixels while anyone reads, as ours is checked first.

    Also ignores its warnings, which are of tags beside the pixels; those of pixels are errors. Both
    belong to the whole process, so the first reader in sets them, and the last one out restores.
    """

    def __init__(self) -> None:
        self.lock, self.num_readers, self.restores = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        with self.lock:
            self.num_readers += 1
            if self.num_readers == 1:
                limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                self.restores.callback(setattr, Image, "MAX_IMAGE_PIXELS", limit)
                self.restores.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.num_readers -= 1
            if self.num_readers == 0:
                self.restores.close()


_pillow_limits = _PillowLimits()


def _check_status(status: os.stat_result, max_bytes: int) -> int:
    """The size in bytes."""
    if not stat.S_ISREG(status.st_mode):
        raise UnusablePhotograph("no regular file, but a folder, pipe, socket or device")
    if status.st_size > max_bytes:
        raise UnusablePhotograph(f"{status.st_size:,} bytes, more than {max_bytes:,}")
    return status.st_size


def _kind(data: bytes) -> str:
    """The format, by the first bytes: names of files tell little."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if kind := heif_kind(data):
        return kind
    raise UnusablePhotograph("no image, or of a kind not supported")


def _refuse_or_drop(decoded: Decoded, alpha: str, frames: str) -> None:
    """The choices of the caller."""
    if decoded.frames > 1:
        if frames == "refuse":
            raise UnusablePhotograph(f"animated or of several pages ({decoded.frames})")
        decoded.dropped.append(f"{decoded.frames - 1} further frames")
    if decoded.alpha is not None and alpha == "refuse":
        # What lies behind a hole is not ours to guess.
        if decoded.alpha.min() < np.iinfo(decoded.alpha.dtype).max:
            raise UnusablePhotograph("transparent pixels; lay it on a background first")
        decoded.alpha = None


def _photograph(decoded: Decoded) -> Photograph:
    """Converted, upright, with what is kept."""
    exif, whole = parse_exif(decoded.exif)
    gray = decoded.pixels.ndim == 2
    pixels = _in_srgb(decoded, tells_adobe_rgb(exif))
    turned = decoded.orientation or orientation_of(exif)
    kept = kept_exif(exif)
    if not whole or (exif is not None and kept is None):
        decoded.dropped.append("EXIF")
    photograph = Photograph(
        _upright(pixels, turned),
        None if decoded.alpha is None else _upright(_as(decoded.alpha, pixels.dtype), turned),
        gray or _equal_channels(pixels),
        kept or None,
        decoded.dpi if turned < 5 or not decoded.dpi else decoded.dpi[::-1],
        tuple(dict.fromkeys(decoded.dropped)),
    )
    return replace(photograph, dpi=_sensible(photograph.dpi))


def _in_srgb(decoded: Decoded, adobe: bool) -> np.ndarray:
    """(H, W, 3), of the dtype that it is stored in, or 8 bits where a profile allows no more."""
    pixels = decoded.pixels
    if decoded.profile:
        return profile_to_srgb(decoded)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        raise UnusablePhotograph("CMYK without a color profile")
    colors = decoded.colors or (adobe_rgb() if adobe else None)
    if colors is not None:
        return to_srgb(pixels, colors)
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turned and mirrored by an EXIF orientation, 1 to 8, in memory of its own."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _equal_channels(pixels: np.ndarray) -> bool:
    """Whether an RGB picture has no colors; a few pixels mostly tell that it has."""
    for part in (pixels[::61, ::61], pixels):
        if (part[..., 0] != part[..., 1]).any() or (part[..., 0] != part[..., 2]).any():
            return False
    return True


def _as(alpha: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Alpha of the pixels' dtype: they lose bits where a color profile allows no more."""
    if alpha.dtype == dtype:
        return alpha
    return ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _sensible(dpi: tuple | None) -> tuple[float, float] | None:
    """Two finite numbers that a file can hold, or None."""
    try:
        across, down = (float(value) for value in dpi or ())
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return (across, down) if 0.01 < across < 1e6 and 0.01 < down < 1e6 else None
