"""Decodes PNG of 8 and 16 bits after checking the checksum of every chunk.

Decoders get only the pixels, palette and transparency of a file. Plain files of 8 bits use two
decoders, if they are installed, that are faster together than libvips: libdeflate unpacks the
pixels and checks their checksum, and kornia-rs reverses the filters of their rows.

Reference: Portable Network Graphics Specification, Third Edition (W3C, 2025).
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from prepare.photographs.color import png_colors
from prepare.photographs.libvips import load
from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size

try:
    import deflate
    from kornia_rs.io import decode_image_png_u8
except ImportError:  # the environment that restores has neither
    HAS_FAST_DECODERS = False
else:
    HAS_FAST_DECODERS = True

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE_BYTES = 1 << 24  # of an unpacked ICC profile; CMYK profiles have up to 4 MB
MAX_CHUNKS = 1 << 18  # of a kilobyte each, in the largest file
RGB = 2
TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
ZLIB_HEADS = (0x7801, 0x785E, 0x789C, 0x78DA)  # deflate with the full window, no dictionary
MOST_STORED_BYTES = 0xFFFF  # in a block of a deflate stream


def decode_png(data: bytes, max_pixels: int) -> Decoded:
    """A PNG file; of an animated one the first picture, with `frames` above 1."""
    chunks: dict[bytes, bytes] = {}  # the first of each name
    stream = bytearray()
    for name, body in png_chunks(data):
        if name == b"IDAT":
            stream += body
        elif name not in chunks:
            chunks[name] = bytes(body)
    header = chunks.get(b"IHDR", b"")
    if len(header) != 13:
        raise UnusablePhotograph("damaged (no PNG header)")
    width, height = struct.unpack_from(">II", header)
    check_size(width, height, max_pixels)
    fast = None
    if header[8:] == bytes([8, RGB, 0, 0, 0]) and b"tRNS" not in chunks:
        fast = decode_rgb(stream, width, height)
    if fast is None:  # libvips finds the reason
        kept = [name for name in (b"IHDR", b"PLTE", b"tRNS") if name in chunks]
        parts = [png_chunk(name, chunks[name]) for name in kept]
        parts += [png_chunk(b"IDAT", stream), png_chunk(b"IEND")]
        decoded = load("png", SIGNATURE + b"".join(parts), max_pixels)
    else:
        decoded = Decoded(fast)
    if b"iCCP" in chunks and b"cICP" not in chunks:  # code points come before a profile
        unpacker = zlib.decompressobj()
        packed = chunks[b"iCCP"].partition(b"\0")[2][1:]
        decoded.profile = unpacker.decompress(packed, MAX_PROFILE_BYTES)
        if not unpacker.eof:
            raise UnusablePhotograph("unusable color profile (cut off, or larger than 16 MB)")
    decoded.colors = None if decoded.profile else png_colors(chunks)
    decoded.exif = chunks.get(b"eXIf")
    if len(physical := chunks.get(b"pHYs", b"")) == 9 and physical[8] == 1:  # a meter
        across, down = struct.unpack_from(">II", physical)
        decoded.dpi = across * 0.0254, down * 0.0254
    decoded.frames = struct.unpack_from(">I", chunks[b"acTL"])[0] if b"acTL" in chunks else 1
    decoded.dropped = ["text"] if TEXT_CHUNKS & set(chunks) else []
    return decoded


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yields name and body of each chunk up to IEND, once its checksum is right."""
    view, at, num_chunks = memoryview(data), len(SIGNATURE), 0
    while at + 12 <= len(data):
        num_chunks += 1
        if num_chunks > MAX_CHUNKS:
            raise UnusablePhotograph(f"more than {MAX_CHUNKS:,} chunks")
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


def png_chunk(name: bytes, body: bytes | bytearray = b"") -> bytes:
    """A chunk with length and checksum."""
    checksum = zlib.crc32(body, zlib.crc32(name))
    return b"".join([struct.pack(">I", len(body)), name, body, struct.pack(">I", checksum)])


def decode_rgb(stream: bytes | bytearray, width: int, height: int) -> np.ndarray | None:
    """Pixels, uint8, (H, W, 3), of all IDAT chunks of a PNG with 8 bits a channel, not interlaced.

    None where anything is not exactly as it should be, for libvips: so no file is read or refused
    that would not be without this. kornia-rs alone takes about as long, but takes a wrong checksum.
    """
    if not HAS_FAST_DECODERS or int.from_bytes(stream[:2], "big") not in ZLIB_HEADS:
        return None
    num_bytes = height * (1 + 3 * width)
    try:
        rows = deflate.zlib_decompress(stream, num_bytes)
        if len(rows) != num_bytes:
            return None
        header = struct.pack(">IIBBBBB", width, height, 8, RGB, 0, 0, 0)
        parts = SIGNATURE, png_chunk(b"IHDR", header), *stored_pixels(rows), png_chunk(b"IEND")
        return decode_image_png_u8(b"".join(parts), (height, width), "rgb")
    except Exception:
        return None


def stored_pixels(rows: bytearray) -> list[bytes | memoryview]:
    """An IDAT chunk of rows that are not packed, in parts."""
    view = memoryview(rows)
    parts: list[bytes | memoryview] = [b"IDAT\x78\x01"]
    for start in range(0, len(rows), MOST_STORED_BYTES):
        block = view[start : start + MOST_STORED_BYTES]
        is_last = start + len(block) == len(rows)
        parts += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack(">I", deflate.adler32(rows)))
    checksum = 0
    for part in parts:
        checksum = deflate.crc32(part, checksum)
    length = sum(map(len, parts)) - len(b"IDAT")
    return [struct.pack(">I", length), *parts, struct.pack(">I", checksum)]
