"""Decodes HEIC (telephones' photographs) and AVIF, of 8 bits or more.

Both containers turn and mirror the picture themselves: the decoder does it for HEIC, Pillow hands
it on as EXIF orientation for AVIF; the EXIF's own orientation does not count. Neither carries a
checksum, so that changed bytes may decode to a wrong picture, and nothing can tell.

Reference: ISO/IEC 23008-12 (HEIF), Secs. 6.5.10 and 6.5.12; ISO/IEC 14496-12, Sec. 12.1.5 (colr).
"""

import io
import struct

import numpy as np
from PIL.AvifImagePlugin import AvifImageFile

from prepare.photographs.color import Colors, from_code_points
from prepare.photographs.photograph import (
    Decoded,
    UnusablePhotograph,
    check_size,
    ends_in_zeros,
)

AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def decode_heic(data: bytes, max_pixels: int) -> Decoded:
    """The primary picture of a HEIC file; 10 and 12 bits become 16.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, as far as that shows, or HDR.
    """
    try:
        import pi_heif  # here, as it is the one decoder that some systems have no wheel of
    except ImportError as error:
        raise UnusablePhotograph("HEIC, which takes the package pi-heif to read") from error
    if ends_in_zeros(data):
        raise UnusablePhotograph("damaged (its pixels end in zeros)")
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = heif[heif.primary_index]
    width, height = image.size
    check_size(width, height, max_pixels)
    info = image.info
    profile = info.get("icc_profile") or None
    colors = None if profile else _colors(data)
    pixels = np.array(image)  # a copy: what it views is freed with the decoder
    bits = info.get("bit_depth", 8)
    if pixels.dtype == np.uint16:
        highest = (1 << bits) - 1
        pixels = ((pixels.astype(np.uint32) * 65535 + highest // 2) // highest).astype(np.uint16)
    premultiplied = "a" in image.mode
    if premultiplied:
        raise UnusablePhotograph("premultiplied alpha is not supported")
    alpha = None
    if pixels.ndim == 3:
        if pixels.shape[2] in (2, 4):
            pixels, alpha = pixels[..., :-1], pixels[..., -1]
        pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return Decoded(
        pixels, alpha, profile, colors, info.get("exif"), 1, dropped=_dropped(info.get("xmp"))
    )


def decode_avif(data: bytes, max_pixels: int) -> Decoded:
    """An AVIF file, of 8 bits a channel (Pillow's decoder makes more than 8 bits 8).

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, as far as that shows, or HDR.
    """
    if ends_in_zeros(data):
        raise UnusablePhotograph("damaged (its pixels end in zeros)")
    with AvifImageFile(io.BytesIO(data)) as image:
        check_size(*image.size, max_pixels)
        profile = image.info.get("icc_profile") or None
        colors = None if profile else _colors(data)
        image.load()
        gray = image.mode == "L"
        pixels = np.asarray(image)
        decoded = Decoded(pixels, None, profile, colors, image.info.get("exif"))
        if not gray and pixels.shape[2] == 4:
            decoded.pixels, decoded.alpha = pixels[..., :3], pixels[..., 3]
        decoded.frames, decoded.dropped = image.n_frames, _dropped(image.info.get("xmp"))
    if _bits(data) > 8:
        decoded.dropped.append("more than 8 bits a channel")
    return decoded


def heif_kind(data: bytes) -> str | None:
    """ "AVIF", "HEIC" or None, by the brands of the file."""
    if data[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, size, 4))]
    if any(brand in AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in HEIC_BRANDS for brand in brands) else None


def _colors(data: bytes) -> Colors | None:
    """Of the first code points in the container; every tile of a picture has the same."""
    at = data.find(b"colrnclx", 0, 1 << 20)
    if at < 0 or at + 12 > len(data):
        return None
    return from_code_points(*struct.unpack_from(">HH", data, at + 8))


def _bits(data: bytes) -> int:
    """Bits a channel by the first `pixi` box, 8 if there is none."""
    at = data.find(b"pixi", 0, 1 << 20)
    return data[at + 9] if 0 <= at < len(data) - 9 else 8


def _dropped(xmp: bytes | None) -> list[str]:
    return ["XMP"] if xmp else []
