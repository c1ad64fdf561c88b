"""Decodes WebP, GIF and BMP, whose pixels carry no checksum.

A file of the right length whose bytes changed may decode to a wrong picture, and nothing can tell.
What a WebP file says of its length is checked, and an end of zeros is refused, but for a lossy one
whose picture ends in one color: its coder writes zeros for that.
"""

import io
import struct

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from prepare.photographs.libvips import load
from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size, ends_in_zeros

MAX_CHUNKS = 100_000  # of an animation, three a frame


def decode_webp(data: bytes, max_pixels: int) -> Decoded:
    """A WebP file; of an animated one the first picture, with `frames` above 1.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, as far as that shows.

    Reference: RFC 9649 (WebP), Secs. 2.3 to 2.7.
    """
    end, at, num_chunks = 8 + struct.unpack_from("<I", data, 4)[0], 12, 0
    num_zeros, is_lossless = 0, False
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        body = memoryview(data)[at + 8 : at + 8 + length]
        if at + 8 + length > min(end, len(data)):
            raise UnusablePhotograph("damaged or cut off (a chunk reaches beyond the file)")
        if name == b"VP8X":  # before an animation takes memory for it
            width, height = (1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7))
            check_size(width, height, max_pixels)
        if name in (b"VP8 ", b"VP8L") and ends_in_zeros(body):
            num_zeros, is_lossless = length - len(bytes(body).rstrip(b"\0")), name == b"VP8L"
        at += 8 + length + length % 2
        num_chunks += 1
        if num_chunks > MAX_CHUNKS:
            raise UnusablePhotograph(f"more than {MAX_CHUNKS:,} chunks")
    decoded = load("webp", data, max_pixels)
    # Measured with libwebp: a flat end of a lossy picture takes up to 1.2 bits a macroblock, and
    # more only if it has but one color and was written with method 0.
    macroblocks = -(-decoded.pixels.shape[0] // 16) * -(-decoded.pixels.shape[1] // 16)
    is_flat = (np.ptp(decoded.pixels[-16:].reshape(-1, 3), axis=0) <= 8).all()
    if num_zeros and (is_lossless or (8 * num_zeros > 1.5 * macroblocks and not is_flat)):
        raise UnusablePhotograph("damaged (its pixels end in zeros)")
    return decoded


def decode_gif(data: bytes, max_pixels: int) -> Decoded:
    """A GIF file; of an animated one the first picture, with `frames` above 1."""
    width, height = struct.unpack_from("<HH", data, 6)
    check_size(width, height, max_pixels)  # before its decoder takes memory for it
    return load("gif", data, max_pixels)


def decode_bmp(data: bytes, max_pixels: int) -> Decoded:
    """A BMP file; a color space in its header is not looked at."""
    with BmpImageFile(io.BytesIO(data)) as image:
        check_size(*image.size, max_pixels)
        has_alpha = image.mode == "RGBA"
        pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGBA"))
        dpi = image.info.get("dpi")
    if pixels.ndim == 2:
        return Decoded(pixels, dpi=dpi)
    return Decoded(pixels[..., :3], pixels[..., 3] if has_alpha else None, dpi=dpi)
