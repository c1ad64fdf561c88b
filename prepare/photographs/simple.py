"""Decodes WebP, BMP and GIF, through Pillow.

WebP's, BMP's and GIF's pixels carry no checksum: a file of the right length whose bytes changed
may decode to a wrong picture, and nothing can tell. What a WebP file says of its length is
checked, and an end of zeros is refused, but for a lossy one whose picture ends in one color: its
coder writes zeros for that.
"""

import io
import struct

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Image import Image
from PIL.WebPImagePlugin import WebPImageFile

from prepare.photographs.photograph import (
    Decoded,
    UnusablePhotograph,
    check_size,
    ends_in_zeros,
)
from prepare.photographs.png import FastDecoder


def decode_webp(data: bytes, max_pixels: int, fast_decoder: FastDecoder | None = None) -> Decoded:
    """A WebP file; of an animated one the first picture, with `frames` above 1.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, as far as that shows.
    """
    size, lossy_zeros = _webp_canvas(data)
    check_size(*size, max_pixels)
    with WebPImageFile(io.BytesIO(data)) as image:
        check_size(*image.size, max_pixels)
        pixels = None
        if fast_decoder and image.mode == "RGB" and image.n_frames == 1:
            pixels = fast_decoder.whole(data)
        decoded = _decoded(image) if pixels is None else Decoded(pixels)
        if _unfinished(lossy_zeros, decoded.pixels):
            raise UnusablePhotograph("damaged (its pixels end in zeros)")
        decoded.frames = image.n_frames
        decoded.profile, decoded.exif = image.info.get("icc_profile"), image.info.get("exif")
        if image.info.get("xmp"):
            decoded.dropped.append("XMP")
    return decoded


def decode_bmp(data: bytes, max_pixels: int) -> Decoded:
    """A BMP file; a color space in its header is not looked at."""
    with BmpImageFile(io.BytesIO(data)) as image:
        check_size(*image.size, max_pixels)
        return _decoded(image)


def decode_gif(data: bytes, max_pixels: int) -> Decoded:
    """A GIF file; of an animated one the first picture, with `frames` above 1."""
    with GifImageFile(io.BytesIO(data)) as image:
        check_size(*image.size, max_pixels)
        decoded = _decoded(image)
        decoded.frames = image.n_frames
        return decoded


def _decoded(image: Image) -> Decoded:
    """Pixels, alpha and resolution of an opened file."""
    image.load()
    dpi = image.info.get("dpi")
    if "A" in image.getbands() or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        return Decoded(pixels[..., :3], pixels[..., 3], dpi=dpi)
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return Decoded(np.asarray(image), dpi=dpi)


def _webp_canvas(data: bytes) -> tuple[tuple[int, int], int]:
    """Width and height, and how many zeros end lossy pixels; checks the lengths of all parts."""
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise UnusablePhotograph("cut off (shorter than its header says)")
    size, lossy_zeros, at = None, 0, 12
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        body = memoryview(data)[at + 8 : at + 8 + length]
        if at + 8 + length > end:
            raise UnusablePhotograph("damaged or cut off (a chunk reaches beyond the file)")
        if name in (b"VP8 ", b"VP8L") and ends_in_zeros(body):
            if name == b"VP8L":
                raise UnusablePhotograph("damaged (its pixels end in zeros)")
            lossy_zeros = length - len(bytes(body).rstrip(b"\0"))
        if size is None:
            size = _size_in_chunk(name, bytes(body[:10]))
        at += 8 + length + length % 2
    if size is None:
        raise UnusablePhotograph("damaged (no picture in the WebP file)")
    return size, lossy_zeros


def _unfinished(lossy_zeros: int, pixels: np.ndarray) -> bool:
    """Whether zeros end more of a lossy picture than its coder needs for a flat end.

    Measured with libwebp: a flat end takes up to 1.2 bits a macroblock, and more only if it has
    but one color and was written with method 0.
    """
    macroblocks = -(-pixels.shape[0] // 16) * -(-pixels.shape[1] // 16)
    last_rows = pixels[-16:].reshape(-1, pixels.shape[-1] if pixels.ndim == 3 else 1)
    return 8 * lossy_zeros > 1.5 * macroblocks and bool((np.ptp(last_rows, axis=0) > 8).any())


def _size_in_chunk(name: bytes, head: bytes) -> tuple[int, int] | None:
    """Reference: RFC 9649 (WebP), Secs. 2.5 to 2.7."""
    if name == b"VP8X":
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if name == b"VP8L":
        packed = int.from_bytes(head[1:5], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None
