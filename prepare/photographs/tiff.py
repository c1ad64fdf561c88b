"""Decodes TIFF of 1, 2, 4, 8 and 16 bits: gray, RGB, CMYK, palette; in strips, tiles or planes.

Deflated pixels carry a checksum, which is checked. Pixels that are not compressed, or by LZW,
PackBits or JPEG, carry none: changed bytes may decode to a wrong picture, and nothing can tell
but an end of zeros. Refused, with the reason: floating point, 32 bits, signed values, CIELab,
YCbCr without JPEG, raw sensor data.

Reference: TIFF Revision 6.0 (Adobe, 1992), Secs. 3 to 8, 14 to 16, 18.
"""

import io
import struct

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from prepare.photographs import tiff_directory as tags
from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size
from prepare.photographs.tiff_directory import Directory, read_directory
from prepare.photographs.tiff_pixels import OWN_COMPRESSIONS, read_samples

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
CHANNELS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
NAMES = {8: "CIELab", 9: "CIELab", 10: "CIELab", 32803: "raw sensor", 34892: "raw sensor"}
FORMAT_NAMES = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
PILLOW_COMPRESSIONS = (2, 3, 4, 7)  # of fax, and JPEG
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2


def decode_tiff(data: bytes, max_pixels: int) -> Decoded:
    """The first page of a TIFF file, with the number of pages as `frames`.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, or of pixels not supported.
    """
    directory = read_directory(data)
    check_size(directory.value(tags.WIDTH), directory.value(tags.HEIGHT), max_pixels)
    _refuse_unsupported(directory)
    if directory.value(tags.COMPRESSION, 1) in PILLOW_COMPRESSIONS:
        pixels, alpha = _through_pillow(data, directory), None
    else:
        pixels, alpha = _colors_and_alpha(read_samples(data, directory), directory)
    orientation = directory.value(tags.ORIENTATION, 1)
    return Decoded(
        pixels,
        alpha,
        bytes(directory.tags.get(tags.ICC_PROFILE, b"")) or None,
        exif=data,
        orientation=orientation if orientation in range(1, 9) else 1,
        dpi=_dpi(directory),
        frames=directory.pages,
        dropped=["XMP"] if tags.XMP in directory.tags else [],
    )


def _refuse_unsupported(directory: Directory) -> None:
    """Raises for what the directory alone rules out."""
    photometric = directory.value(tags.PHOTOMETRIC)
    compression = directory.value(tags.COMPRESSION, 1)
    reduced = directory.value(tags.SUBFILE_TYPE, 0) & 1
    if tags.DNG_VERSION in directory.tags or reduced:
        raise UnusablePhotograph("a raw photograph; develop it first")
    if photometric not in CHANNELS:
        name = NAMES.get(photometric, f"TIFF color kind {photometric}")
        raise UnusablePhotograph(f"{name} pixels are not supported")
    kind = directory.value(tags.SAMPLE_FORMAT, 1)
    if kind not in (1, 4):
        name = FORMAT_NAMES.get(kind, "unknown")
        raise UnusablePhotograph(f"{name} pixels are not supported")
    bits = set(directory.tags.get(tags.BITS) or (1,))
    if len(bits) > 1 or not bits <= {1, 2, 4, 8, 16}:
        raise UnusablePhotograph(f"pixels of {max(bits)} bits are not supported")
    if compression not in (*OWN_COMPRESSIONS, *PILLOW_COMPRESSIONS):
        raise UnusablePhotograph(f"TIFF compression {compression} is not supported")
    if photometric == YCBCR and compression != 7:
        raise UnusablePhotograph("YCbCr pixels that are not JPEG are not supported")


def _colors_and_alpha(
    samples: np.ndarray, directory: Directory
) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels and alpha from stored samples, (H, W, samples)."""
    photometric = directory.value(tags.PHOTOMETRIC)
    channels = CHANNELS[photometric]
    if samples.shape[2] < channels:
        raise UnusablePhotograph("damaged (too few samples a pixel)")
    pixels, bits = samples[..., :channels], directory.value(tags.BITS, 1)
    alpha, kind = None, 0
    if samples.shape[2] > channels:
        # Without the tag a fourth sample is taken for transparency, as Pillow and others do.
        kind = directory.value(tags.EXTRA_SAMPLES, UNASSOCIATED_ALPHA)
        alpha = samples[..., channels] if kind in (ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA) else None
    if photometric == PALETTE:
        return _looked_up(pixels[..., 0], directory, bits), alpha
    if bits < 8:
        spread = np.uint8(255 // ((1 << bits) - 1))
        pixels, alpha = pixels * spread, None if alpha is None else alpha * spread
    if photometric == WHITE_IS_ZERO:
        pixels = np.iinfo(pixels.dtype).max - pixels
    if kind == ASSOCIATED_ALPHA and alpha is not None:
        pixels = _unmultiplied(pixels, alpha)
    return (pixels[..., 0] if channels == 1 else pixels), alpha


def _looked_up(indices: np.ndarray, directory: Directory, bits: int) -> np.ndarray:
    """RGB of a palette's indices. Values below 256 are of a writer that took 8 bits for 16."""
    values = np.array(directory.tags.get(tags.COLOR_MAP) or (), np.uint32)
    if bits > 8 or len(values) != 3 << bits:
        raise UnusablePhotograph("damaged (color map)")
    values = values if values.max() < 256 else values // 256
    return values.astype(np.uint8).reshape(3, -1).T[indices]


def _unmultiplied(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colors that were stored times alpha, as they were before; what is transparent is black."""
    highest, result = np.iinfo(pixels.dtype).max, np.empty_like(pixels)
    for top in range(0, len(pixels), 256):
        strip, part = pixels[top : top + 256], alpha[top : top + 256, :, None].astype(np.float32)
        colors = strip * (highest / np.maximum(part, 1))
        result[top : top + 256] = np.rint(np.minimum(colors, highest))
    return result


def _through_pillow(data: bytes, directory: Directory) -> np.ndarray:
    """Fax and JPEG, as they lie in the file; Pillow would turn some of them upright, once more."""
    if max(directory.tags.get(tags.BITS) or (1,)) > 8:
        raise UnusablePhotograph("JPEG of more than 8 bits in a TIFF is not supported")
    if tags.ORIENTATION in directory.places:
        upright = bytearray(data)
        struct.pack_into(directory.order + "H", upright, directory.places[tags.ORIENTATION], 1)
        data = bytes(upright)
    with TiffImageFile(io.BytesIO(data)) as image:
        if image.mode not in ("1", "L", "RGB", "CMYK"):
            raise UnusablePhotograph(f"{image.mode} pixels in a TIFF of this compression")
        image.load()
        return np.asarray(image.convert("L") if image.mode == "1" else image)


def _dpi(directory: Directory) -> tuple[float, float] | None:
    """Pixels an inch, if a unit is given."""
    inches = {2: 1.0, 3: 2.54}.get(directory.value(tags.DPI_UNIT, 2))
    values = [directory.tags.get(tag) or () for tag in (tags.X_DPI, tags.Y_DPI)]
    if not inches or any(len(value) != 2 or not value[1] for value in values):
        return None
    across, down = (inches * value[0] / value[1] for value in values)
    return across, down
