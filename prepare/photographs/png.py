"""Decodes PNG of 8 and 16 bits, once the checksum of every chunk is right.

Reference: Portable Network Graphics Specification, Third Edition (W3C, 2025).
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from prepare.photographs.color import png_colors
from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE_BYTES = 1 << 24  # of an unpacked ICC profile; CMYK profiles have up to 4 MB
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


class FastDecoder(NamedTuple):
    """Decoders that the caller may have; each returns None where it fails."""

    whole: Callable[[bytes], np.ndarray | None]  # of a PNG or WebP file, 8 bits a channel
    rgb: Callable[[bytes, int, int], np.ndarray | None]  # see `fast_png.decode_rgb`


def decode_png(data: bytes, max_pixels: int, fast_decoder: FastDecoder | None = None) -> Decoded:
    """A PNG file; of an animated one the first picture, with `frames` above 1.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, or of colors not supported.
    """
    chunks = _chunks(data)
    header = chunks.get(b"IHDR", [b""])[0]
    if len(header) != 13:
        raise UnusablePhotograph("damaged (no PNG header)")
    width, height, bits, kind = struct.unpack_from(">IIBB", header)
    check_size(width, height, max_pixels)
    pixels = None
    if fast_decoder and (bits, kind) == (8, RGB) and b"tRNS" not in chunks:
        pixels = _fast_pixels(chunks, fast_decoder)
    if pixels is None:  # Pillow finds the reason
        pixels = _pixels(_without_ancillary(chunks), bits, kind)
    alpha = None
    if kind == PALETTE:
        pixels, alpha = _looked_up(pixels, chunks)
    elif kind in (GRAY_ALPHA, RGB_ALPHA):
        pixels, alpha = pixels[..., :-1], pixels[..., -1]
        pixels = pixels[..., 0] if kind == GRAY_ALPHA else pixels
    elif b"tRNS" in chunks:
        alpha = _keyed_alpha(pixels, bits, chunks[b"tRNS"][0])
    first = {name: bodies[0] for name, bodies in chunks.items()}
    profile = _profile(first)
    return Decoded(
        pixels,
        alpha,
        profile,
        None if profile else png_colors(first),
        exif=first.get(b"eXIf"),
        dpi=_dpi(first.get(b"pHYs", b"")),
        frames=struct.unpack_from(">I", first[b"acTL"])[0] if b"acTL" in first else 1,
        dropped=["text"] if TEXT_CHUNKS & set(chunks) else [],
    )


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yields name and body (a memoryview) of each chunk up to IEND.

    Raises:
        UnusablePhotograph: if a chunk reaches beyond the file, its checksum is wrong, or IEND
            is missing.
    """
    view, at = memoryview(data), len(SIGNATURE)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if length > len(data) - at - 12:
            raise UnusablePhotograph("damaged or cut off (a chunk reaches beyond the file)")
        checksum = struct.unpack_from(">I", data, at + 8 + length)[0]
        if zlib.crc32(view[at + 4 : at + 8 + length]) != checksum:
            raise UnusablePhotograph("damaged (wrong checksum)")
        if name == b"IEND":
            return
        yield name, view[at + 8 : at + 8 + length]
        at += 12 + length
    raise UnusablePhotograph("cut off (no end)")


def png_chunk(name: bytes, *bodies: bytes | memoryview) -> bytes:
    """A chunk with length and checksum."""
    body = b"".join(bodies)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(data: bytes) -> dict[bytes, list]:
    """Bodies by name: all of IDAT, the first few of any other."""
    chunks: dict[bytes, list] = {}
    for name, body in png_chunks(data):
        bodies = chunks.setdefault(name, [])
        if name == b"IDAT" or not bodies:
            bodies.append(body if name == b"IDAT" else bytes(body))
    return chunks


def _without_ancillary(chunks: dict[bytes, list]) -> bytes:
    """The same picture with nothing that a decoder could stumble over, or unpack."""
    kept = [name for name in (b"IHDR", b"PLTE") if name in chunks]
    parts = [SIGNATURE, *(png_chunk(name, chunks[name][0]) for name in kept)]
    parts += [png_chunk(b"IDAT", *chunks.get(b"IDAT", [])), png_chunk(b"IEND")]
    return b"".join(parts)


def _fast_pixels(chunks: dict[bytes, list], decoder: FastDecoder) -> np.ndarray | None:
    """Pixels of an RGB picture of 8 bits, by the first decoder that can."""
    pixels = None
    width, height, *_, compression, filters, interlacing = struct.unpack(
        ">IIBBBBB", chunks[b"IHDR"][0]
    )
    if compression == filters == interlacing == 0 and b"IDAT" in chunks:
        pixels = decoder.rgb(b"".join(chunks[b"IDAT"]), width, height)
    return decoder.whole(_without_ancillary(chunks)) if pixels is None else pixels


def _pixels(plain: bytes, bits: int, kind: int) -> np.ndarray:
    """uint8 or uint16: (H, W) for gray and palette, else (H, W, channels)."""
    if bits != 16:
        return _decoded(plain, "L" if (bits, kind) == (1, GRAY) else None)
    if kind == GRAY:
        return _decoded(plain).astype(np.uint16)
    if kind == GRAY_ALPHA:  # four bytes a pixel, read as if they were four channels
        return _decoded(plain, rawmode="RGBA").view(">u2").astype(np.uint16)
    # Pillow keeps the upper byte of a big-endian value. Asked for little-endian, the lower one.
    layout = "RGBA;16" if kind == RGB_ALPHA else "RGB;16"
    pixels = _decoded(plain, rawmode=layout + "B").astype(np.uint16)
    pixels <<= 8
    pixels |= _decoded(plain, rawmode=layout + "L")
    return pixels


def _decoded(plain: bytes, mode: str | None = None, rawmode: str | None = None) -> np.ndarray:
    with PngImageFile(io.BytesIO(plain)) as image:
        if rawmode:
            image.tile = [tile._replace(args=rawmode) for tile in image.tile]
        image.load()
        return np.asarray(image.convert(mode) if mode else image)


def _looked_up(indices: np.ndarray, chunks: dict) -> tuple[np.ndarray, np.ndarray | None]:
    """Colors and alpha of a palette's indices."""
    colors = np.zeros((256, 3), np.uint8)
    stored = np.frombuffer(chunks[b"PLTE"][0], np.uint8).reshape(-1, 3)[:256]
    colors[: len(stored)] = stored
    if b"tRNS" not in chunks:
        return colors[indices], None
    alphas = np.full(256, 255, np.uint8)
    stored = np.frombuffer(chunks[b"tRNS"][0], np.uint8)[:256]
    alphas[: len(stored)] = stored
    return colors[indices], alphas[indices]


def _keyed_alpha(pixels: np.ndarray, bits: int, key: bytes) -> np.ndarray:
    """0 where a pixel has the one color that tRNS names, else opaque."""
    channels = 1 if pixels.ndim == 2 else 3
    values = np.array(struct.unpack_from(f">{channels}H", key)) & (1 << bits) - 1
    if bits < 8:
        values = values * 255 // ((1 << bits) - 1)  # as the decoder spreads the few levels
    same = pixels == values.astype(pixels.dtype)
    same = same if channels == 1 else same.all(-1)
    return np.where(same, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)


def _profile(first: dict[bytes, bytes]) -> bytes | None:
    """The ICC profile, unless code points (cICP) come before it."""
    if b"iCCP" not in first or b"cICP" in first:
        return None
    packed = first[b"iCCP"].partition(b"\0")[2][1:]
    unpacker = zlib.decompressobj()
    profile = unpacker.decompress(packed, MAX_PROFILE_BYTES)
    if not unpacker.eof:
        raise UnusablePhotograph("unusable color profile (cut off, or larger than 16 MB)")
    return profile


def _dpi(physical: bytes) -> tuple[float, float] | None:
    if len(physical) != 9:
        return None
    across, down, unit = struct.unpack(">IIB", physical)
    return (across * 0.0254, down * 0.0254) if unit == 1 and across and down else None
