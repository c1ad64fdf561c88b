"""Decodes by libvips, one picture at a time, in one thread: JPEG, WebP and GIF.

Each loader is called by its name, so that a file cannot choose one. These formats have no checksum:
a file of the right length with changed bytes may decode to a wrong picture. Damage is noticed by a
warning of the library behind libvips, or by pixels that end in zeros.
"""

import re
import struct
import threading
from typing import Any

import pyvips

from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size, colors_and_alpha

pyvips.cache_set_max(0)
pyvips.vips_lib.vips_concurrency_set(1)  # the parallelism is over photographs
FIELDS = ("icc-profile-data", "exif-data", "xmp-data", "n-pages", "resolution-unit")
COLOR_SPACES = ("b-w", "grey16", "srgb", "rgb16", "cmyk")
# libvips keeps the reason of a failure in one place for all threads.
one_at_a_time = threading.Lock()

MAX_SCANS = 200  # of a JPEG; many empty ones take minutes to decode; usual are 10
MAX_SEGMENTS = 10_000  # of a JPEG; an EXIF, a profile and a panorama's notes take some hundred
SEQUENTIAL = (b"\xff\xc0", b"\xff\xc1")  # frames whose scans each have blocks of their own
SCAN, END, COMMENT = b"\xff\xda", b"\xff\xd9", b"\xff\xfe"
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # that begins a segment, or ends a scan's data
# The first warning of libjpeg: of the header, or of bytes behind all blocks.
HARMLESS = (
    "unknown JFIF revision",
    "Unknown Adobe color",
    "Invalid SOS parameters for sequential JPEG",
    "extraneous bytes before marker 0xd9",
)


def load(
    loader: str, data: bytes, max_pixels: int, fail_on: str = "warning", **options: Any
) -> Decoded:
    """The first picture in a file of a known kind, with its metadata.

    Args:
        loader: libvips' name of the kind.
        max_pixels: more are refused by the header.
        fail_on: "error" or "warning", as in libvips.
        options: of the loader.

    Raises:
        UnusablePhotograph: with libvips' reason, as does each decoder in this folder.
    """
    with one_at_a_time:
        try:
            load_buffer = getattr(pyvips.Image, f"{loader}load_buffer")
            image = load_buffer(data, access="sequential", fail_on=fail_on, **options)
            check_size(image.width, image.height, max_pixels)
            if image.format not in ("uchar", "ushort") or image.interpretation not in COLOR_SPACES:
                kind = f"{image.format} {image.interpretation} values"
                raise UnusablePhotograph(f"pixels of {kind} are not supported")
            stored = image.numpy()
            complaint = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode("latin-1")
            if complaint and not any(warning in complaint for warning in HARMLESS):
                raise pyvips.Error("damaged")  # of which libvips did not make an error itself
            values = {name: image.get(name) for name in FIELDS if image.get_typeof(name)}
        except pyvips.Error as error:
            lines = dict.fromkeys(error.detail.split("\n"))  # each comes several times
            reason = " ".join(" ".join(lines).split())[:200]
            what = "not supported" if "support" in reason else "damaged or cut off"
            raise UnusablePhotograph(f"{what} ({reason})") from error
        finally:
            pyvips.vips_lib.vips_error_clear()
    pixels, alpha = colors_and_alpha(stored, 4 if image.interpretation == "cmyk" else None)
    return Decoded(
        pixels,
        alpha,
        values.get("icc-profile-data"),
        exif=values.get("exif-data"),
        dpi=(image.xres * 25.4, image.yres * 25.4) if "resolution-unit" in values else None,
        frames=values.get("n-pages", 1),
        dropped=["XMP"] if "xmp-data" in values else [],
    )


def decode_jpeg(data: bytes, max_pixels: int) -> Decoded:
    """The first picture of a JPEG file; telephones append previews, depth maps and videos."""
    segments = jpeg_segments(data)
    picture = b"".join([data[:2], *segments, END])
    decoded = load("jpeg", picture, max_pixels, fail_on="error")  # libjpeg warns only once
    if any(segment.startswith(COMMENT) for segment in segments):
        decoded.dropped.append("a comment")
    return decoded


def jpeg_segments(data: bytes) -> list[bytes]:
    """Those of the first picture, without the bytes between; a scan's with its coded data."""
    segments: list[bytes] = []
    at, num_scans = 2, 0
    while (found := MARKER.search(data, at)) and found[0] != END:
        start = found.start()
        at = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if found[0] == SCAN:
            after = MARKER.search(data, at)
            at = after.start() if after else len(data)
            num_scans += 1
        segments.append(data[start:at])
        if len(segments) > MAX_SEGMENTS or num_scans > MAX_SCANS:
            raise UnusablePhotograph(f"more than {MAX_SCANS} scans or {MAX_SEGMENTS} segments")
    # Without an end, a sole scan is whole if libjpeg misses no block; later scans would be missed.
    num_colors = [each[9:10] for each in segments if each.startswith(SEQUENTIAL)]
    if not found and not (num_scans == 1 and num_colors == [segments[-1][4:5]]):
        raise UnusablePhotograph("damaged or cut off (no end)")
    return segments


def decode_webp(data: bytes, max_pixels: int) -> Decoded:
    """A WebP file; of an animated one the first picture, with `frames` above 1.

    Reference: RFC 9649 (WebP), Secs. 2.3 to 2.7.
    """
    if data[12:16] == b"VP8X":  # before an animation takes memory for it
        width, height = (1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
        check_size(width, height, max_pixels)
    decoded = load("webp", data, max_pixels)
    # Measured with libwebp: a flat end of a lossy picture takes up to 1.2 bits of zeros a block of
    # 16 by 16 pixels. Behind the pixels of an extended file may stand EXIF, which is missed then.
    blocks = -(-decoded.pixels.shape[0] // 16) * -(-decoded.pixels.shape[1] // 16)
    picture = data[: 8 + int.from_bytes(data[4:8], "little")]
    if data[12:16] != b"VP8X" and picture.endswith(bytes(128 + blocks * 3 // 16)):
        raise UnusablePhotograph("damaged (its pixels end in zeros)")
    return decoded


def decode_gif(data: bytes, max_pixels: int) -> Decoded:
    """A GIF file; of an animated one the first picture, with `frames` above 1."""
    width, height = struct.unpack_from("<HH", data, 6)
    check_size(width, height, max_pixels)  # before its decoder takes memory for it
    return load("gif", data, max_pixels)
