"""Decodes HEIC (photographs of phones), AVIF and BMP, which our libvips does not read.

HEIC and AVIF contain their own orientation: the decoder applies it for HEIC, and Pillow passes it
as EXIF orientation for AVIF. The orientation in their EXIF has no effect. Neither format has a
checksum, so changed bytes may decode to a wrong picture. Only pixels that end in zeros show it.

Reference: ISO/IEC 23008-12 (HEIF), Secs. 6.5.10 and 6.5.12; ISO/IEC 14496-12, Sec. 4.2 (boxes).
"""

import io
import struct
import warnings

import numpy as np
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile

from prepare.photographs.color import from_code_points
from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size, colors_and_alpha

AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def heif_kind(data: bytes) -> str | None:
    """ "AVIF", "HEIC" or None, by the brands of the file."""
    if data[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, size, 4))]
    if any(brand in AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in HEIC_BRANDS for brand in brands) else None


def decode_heif(data: bytes, max_pixels: int) -> Decoded:
    """The primary picture of a HEIC or AVIF file; 10 and 12 bits of HEIC become 16.

    Pillow's decoder makes more than 8 bits of AVIF 8.
    """
    try:
        import pi_heif  # here, as it is the one decoder that some systems have no wheel of
    except ImportError as error:
        raise UnusablePhotograph("HEIC or AVIF; install the package pi-heif to read it") from error
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = heif[heif.primary_index]
    width, height = image.size
    check_size(width, height, max_pixels)
    if media_ends_in_zeros(data):
        raise UnusablePhotograph("damaged (its pixels end in zeros)")
    info, bits = image.info, image.info.get("bit_depth", 8)
    dropped = ["XMP"] if info.get("xmp") else []
    if heif_kind(data) == "AVIF":
        with warnings.catch_warnings(action="ignore"), AvifImageFile(io.BytesIO(data)) as avif:
            stored, frames = np.asarray(avif), avif.n_frames
            exif, orientation = avif.info.get("exif"), None
        dropped += ["more than 8 bits per channel"] if bits > 8 else []
    else:
        stored = np.array(image)  # a copy: what it views is freed with the decoder
        frames, exif, orientation = 1, info.get("exif"), 1
        if stored.dtype == np.uint16:
            highest = (1 << bits) - 1
            wide = (stored.astype(np.uint32) * 65535 + highest // 2) // highest
            stored = wide.astype(np.uint16)
    profile, points, colors = info.get("icc_profile"), info.get("nclx_profile"), None
    if points and not profile:
        colors = from_code_points(points["color_primaries"], points["transfer_characteristics"])
    pixels, alpha = colors_and_alpha(stored)
    return Decoded(
        pixels, alpha, profile, colors, exif, orientation, frames=frames, dropped=dropped
    )


def media_ends_in_zeros(data: bytes) -> bool:
    """Whether coded pixels (`mdat`) end in 128 zeros, as after a copy that was broken off.

    Other boxes may hold nothing but zeros.
    """
    at = 0
    while at + 16 <= len(data):
        size, name, large_size = struct.unpack_from(">I4sQ", data, at)
        size = max(8, large_size if size == 1 else size or len(data) - at)
        if name == b"mdat" and data[at : at + size].endswith(bytes(128)):
            return True
        at += size
    return False


def decode_bmp(data: bytes, max_pixels: int) -> Decoded:
    """A BMP file; a color space in its header is not looked at."""
    with BmpImageFile(io.BytesIO(data)) as image:
        check_size(*image.size, max_pixels)
        modes = {"1": "L", "L": "L", "RGBA": "RGBA"}
        pixels, alpha = colors_and_alpha(np.asarray(image.convert(modes.get(image.mode, "RGB"))))
        return Decoded(pixels, alpha, dpi=image.info.get("dpi"))
