"""Finds photographs in folders, and reads them as upright sRGB, or gives the reason why it cannot.

PNG, JPEG, WebP, TIFF, HEIC, AVIF, BMP and GIF are read. Memory and time are limited before a
decoder starts: by the kind and size of the file, by width and height in its header, by the number
of scans, and by the unpacked size of each chunk. The decoders run in this process. Everything that
led to a crash or a hang is checked before them.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from prepare.photographs.color import in_srgb
from prepare.photographs.libvips import decode_gif, decode_jpeg, decode_webp
from prepare.photographs.photograph import (
    Decoded,
    Photograph,
    UnusablePhotograph,
    rounded_to_8_bits,
)
from prepare.photographs.pillow import decode_bmp, decode_heif, heif_kind
from prepare.photographs.png import decode_png
from prepare.photographs.tiff import decode_tiff, read_exif
from prepare.records.files import NotRegularError, named_errors, open_regular

SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff",
    ".heic", ".heif", ".avif", ".gif"
})  # fmt: skip
DATASET_PIXELS = 80_000_000  # 240 MB as RGB; a small file can claim far more
MOST_BYTES_A_PIXEL = 8  # RGBA of 16 bits; a larger file holds something else
BYTES_BESIDE_PIXELS = 1 << 26


def photographs_in(
    folder: str | Path, recursive: bool = False, on_error: Callable[[OSError], object] | None = None
) -> list[Path]:
    """Paths in a folder that end in a photograph's suffix, of upper or lower case.

    Hidden files and folders are skipped, and with them the `._*` files that macOS leaves beside
    photographs. Links are followed, folders each but once. Whether a path is a file that can be
    read is for the reader to say. OSError if the folder cannot be read.

    Args:
        recursive: look in folders below it, too.
        on_error: gets the reason why a subfolder cannot be read, whose photographs are left out;
            without it that ends the search.

    Returns:
        Paths that begin with `folder`, in order of their bytes: the same on every system.
    """

    def tell(error: OSError) -> None:
        if on_error is None or error.filename == os.fspath(folder):
            raise error
        on_error(error)

    found, seen = [], set()
    for place, folders, names in os.walk(os.fspath(folder), onerror=tell, followlinks=True):
        status = os.stat(place)
        is_new = (status.st_dev, status.st_ino) not in seen
        seen.add((status.st_dev, status.st_ino))
        below = [name for name in folders if not name.startswith(".")]
        folders[:] = sorted(below, key=os.fsencode) if recursive and is_new else []
        shown = [name for name in names if is_new and not name.startswith(".")]
        fitting = [name for name in shown if os.path.splitext(name)[1].lower() in SUFFIXES]
        found += [os.path.join(place, name) for name in fitting]
    return [Path(path) for path in sorted(found, key=os.fsencode)]


def shown_name(path: str | Path) -> str:
    """A file's name for a message: one line, printable, though its bytes may be any."""
    name = os.fsencode(os.path.basename(path)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def read_photograph(
    path: str | Path,
    *,
    max_pixels: int = DATASET_PIXELS,
    alpha: Literal["refuse", "keep"] = "refuse",
    frames: Literal["refuse", "first"] = "refuse",
) -> Photograph:
    """A photograph as a color-managed viewer shows it, in sRGB.

    Upright; colors converted from ICC profile, code points, gamma and primaries, or Adobe RGB
    told by EXIF; gray made RGB; 16 bits kept (`rounded_to_8_bits`).

    Args:
        max_pixels: more are refused.
        alpha: "refuse" refuses transparent pixels and drops an opaque channel.
        frames: "refuse" refuses animations and pages, "first" takes the first. Of a telephone's
            JPEG or HEIC the main picture is always taken.

    Raises:
        UnusablePhotograph: no regular file, too large, no image, damaged as far as its decoder
            can tell, transparent, animated, HDR, without a profile (CMYK) or of a broken one.
        OSError: if it cannot be opened.
    """
    max_bytes = MOST_BYTES_A_PIXEL * max_pixels + BYTES_BESIDE_PIXELS
    try:
        with open_regular(path) as file, named_errors(Path(path)):
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise UnusablePhotograph(f"{size:,} bytes, more than {max_bytes:,}")
            data = file.read(size)
    except NotRegularError as error:
        raise UnusablePhotograph("no regular file: a folder, pipe or device") from error
    try:
        decoded = decoder_of(data)(data, max_pixels)
        refuse_or_drop(decoded, alpha, frames)
        return converted(decoded)
    except UnusablePhotograph:
        raise
    except Exception as error:  # a file's fault is that file's reason, whatever a decoder raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnusablePhotograph(f"damaged or cut off ({reason})") from error


def decoder_of(data: bytes) -> Callable[[bytes, int], Decoded]:
    """The decoder of a file, by its first bytes: names of files tell little."""
    by_first_bytes: dict[tuple[bytes, ...], Callable[[bytes, int], Decoded]] = {
        (b"\x89PNG\r\n\x1a\n",): decode_png, (b"\xff\xd8\xff",): decode_jpeg,
        (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"): decode_tiff,
        (b"GIF87a", b"GIF89a"): decode_gif, (b"BM",): decode_bmp
    }  # fmt: skip
    for first_bytes, decoder in by_first_bytes.items():
        if data.startswith(first_bytes):
            return decoder
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return decode_webp
    if heif_kind(data):
        return decode_heif
    raise UnusablePhotograph("no image, or its kind is not supported")


def refuse_or_drop(decoded: Decoded, alpha: str, frames: str) -> None:
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


def converted(decoded: Decoded) -> Photograph:
    """The photograph in sRGB, upright, with the metadata that is kept."""
    exif = read_exif(decoded.exif)
    if not exif.is_whole:
        decoded.dropped.append("EXIF")
    is_gray = decoded.pixels.ndim == 2
    pixels, alpha = in_srgb(decoded, exif.is_adobe_rgb), decoded.alpha
    if alpha is not None and alpha.dtype != pixels.dtype:  # a profile allowed 8 bits alone
        alpha = rounded_to_8_bits(alpha)
    orientation = decoded.orientation or exif.orientation
    dpi = decoded.dpi if decoded.dpi and all(0.01 < each < 1e6 for each in decoded.dpi) else None
    return Photograph(
        upright(pixels, orientation),
        None if alpha is None else upright(alpha, orientation),
        is_gray or has_equal_channels(pixels),
        exif.kept,
        dpi[::-1] if dpi and orientation > 4 else dpi,
        tuple(dict.fromkeys(decoded.dropped)),
    )


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """A copy, turned and mirrored by an EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def has_equal_channels(pixels: np.ndarray) -> bool:
    """Whether an RGB picture has no colors; a few pixels mostly tell that it has."""
    for part in (pixels[::61, ::61], pixels):
        if (part[..., 0] != part[..., 1]).any() or (part[..., 0] != part[..., 2]).any():
            return False
    return True
