"""Decodes HEIC (telephones' photographs) and AVIF, of 8 bits or more.

Both containers turn and mirror the picture themselves: the decoder does it for HEIC, Pillow hands
it on as EXIF orientation for AVIF; the EXIF's own orientation does not count. Neither carries a
checksum, so that changed bytes may decode to a wrong picture, and nothing can tell but an end of
zeros.

Reference: ISO/IEC 23008-12 (HEIF), Secs. 6.5.10 and 6.5.12; ISO/IEC 14496-12, Sec. 4.2 (boxes).
"""

import io
import struct
import warnings

import numpy as np
from PIL.AvifImagePlugin import AvifImageFile

from prepare.photographs.color import from_code_points
from prepare.photographs.photograph import (
    Decoded,
    UnusablePhotograph,
    check_size,
    ends_in_zeros,
)

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

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, as far as that shows, or HDR.
    """
    try:
        import pi_heif  # here, as it is the one decoder that some systems have no wheel of
    except ImportError as error:
        raise UnusablePhotograph("HEIC or AVIF, which take the package pi-heif to read") from error
    if media_ends_in_zeros(data):
        raise UnusablePhotograph("damaged (its pixels end in zeros)")
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = heif[heif.primary_index]
    width, height = image.size
    check_size(width, height, max_pixels)
    if "a" in image.mode:
        raise UnusablePhotograph("premultiplied alpha is not supported")
    info, bits = image.info, image.info.get("bit_depth", 8)
    points, profile = info.get("nclx_profile"), info.get("icc_profile")
    colors = None
    if points and not profile:
        colors = from_code_points(points["color_primaries"], points["transfer_characteristics"])
    dropped = ["XMP"] if info.get("xmp") else []
    if heif_kind(data) == "AVIF":
        with warnings.catch_warnings(action="ignore"), AvifImageFile(io.BytesIO(data)) as avif:
            pixels, frames, exif = np.asarray(avif), avif.n_frames, avif.info.get("exif")
        dropped += ["more than 8 bits a channel"] if bits > 8 else []
        decoded = Decoded(pixels, None, profile, colors, exif, frames=frames, dropped=dropped)
    else:
        pixels = np.array(image)  # a copy: what it views is freed with the decoder
        if pixels.dtype == np.uint16:
            highest = (1 << bits) - 1
            wide = (pixels.astype(np.uint32) * 65535 + highest // 2) // highest
            pixels = wide.astype(np.uint16)
        decoded = Decoded(pixels, None, profile, colors, info.get("exif"), 1, dropped=dropped)
    if decoded.pixels.ndim == 3 and decoded.pixels.shape[2] in (2, 4):
        decoded.pixels, decoded.alpha = decoded.pixels[..., :-1], decoded.pixels[..., -1]
    if decoded.pixels.ndim == 3 and decoded.pixels.shape[2] == 1:
        decoded.pixels = decoded.pixels[..., 0]
    return decoded


def media_ends_in_zeros(data: bytes) -> bool:
    """Whether the coded pixels (`mdat`) do; other boxes may hold nothing but zeros."""
    at = 0
    while at + 16 <= len(data):
        size, name, large_size = struct.unpack_from(">I4sQ", data, at)
        size = large_size if size == 1 else size or len(data) - at
        if name == b"mdat" and ends_in_zeros(data[at : at + size]):
            return True
        at += max(size, 8)
    return False
