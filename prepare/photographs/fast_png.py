"""A faster decoder for the pixels of plain PNG files, for `reader.read_photograph`.

libdeflate unpacks the pixels and checks their checksum, kornia-rs undoes the filters of their rows.
The latter alone takes about as long, but takes a wrong checksum, too. Whatever either refuses, or
is not exactly as long as it should be, is left to another decoder: so no file is read or refused
that would not be without this one.
"""

import struct

import deflate
import numpy as np
from kornia_rs.io import decode_image_png_u8

from prepare.photographs.png import SIGNATURE, png_chunk

ZLIB_HEADS = (0x7801, 0x785E, 0x789C, 0x78DA)  # deflate with the full window, no dictionary
MOST_STORED_BYTES = 0xFFFF  # in a block of a deflate stream


def decode_rgb(stream: bytes, width: int, height: int) -> np.ndarray | None:
    """uint8, shape (H, W, 3), of the pixels of a PNG file with 8 bits a channel, not interlaced.

    Args:
        stream: the bodies of all its IDAT chunks.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        None where anything is not as it should be.
    """
    if int.from_bytes(stream[:2], "big") not in ZLIB_HEADS:
        return None
    num_bytes = height * (1 + 3 * width)
    try:
        rows = deflate.zlib_decompress(stream, num_bytes)
        if len(rows) != num_bytes:
            return None
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = SIGNATURE, png_chunk(b"IHDR", header), *_stored(rows), png_chunk(b"IEND")
        return decode_image_png_u8(b"".join(parts), (height, width), "rgb")
    except Exception:
        return None


def _stored(rows: bytearray) -> list[bytes | memoryview]:
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
