"""Writes restored photographs as PNG of 8 or 16 bits, with the metadata that is kept.

Reference: Portable Network Graphics Specification, Third Edition (W3C, 2025).
"""

import contextlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from prepare.photographs.photograph import Photograph, rounded_to_8_bits
from prepare.photographs.png import SIGNATURE, png_chunk, png_chunks
from prepare.records.files import open_regular
from prepare.records.srgb import LUMA

MARK = b"Software\0Pix2Pix-Deblurrer"  # tells our files from the user's
SOURCE = b"Source\0"
# Level 1 of PNG's compression is four times as fast as 6, for files a tenth larger.
COMPRESSION_LEVEL = 1
BLOCK_BYTES = 1 << 24
HEAD_BYTES = 1 << 16  # within which our notes stand


def write_photograph(
    file: BinaryIO, photograph: Photograph, restored: np.ndarray, source: str = ""
) -> None:
    """Writes restored pixels with the photograph's alpha, grayness, EXIF and resolution.

    The file is marked as sRGB, and as ours (see `source_of`).

    Args:
        file: opened for writing.
        photograph: the source of the metadata; its pixels are not used.
        restored: uint8 or uint16, (H, W, 3), sRGB; its bits are those of the file.
        source: how the file was made, in Latin-1 letters; stored in it.
    """
    assert restored.shape == photograph.pixels.shape
    file.writelines(png_parts(photograph, restored, source))


def source_of(path: str | Path) -> str | None:
    """The source stored in a PNG of ours, "" for none; None if it is not ours."""
    texts: list[bytes] = []
    with contextlib.suppress(OSError, ValueError):  # our notes stand before any damage
        with open_regular(path) as file:
            head = file.read(HEAD_BYTES)
        for name, body in png_chunks(head) if head.startswith(SIGNATURE) else ():
            texts += [bytes(body)] if name == b"tEXt" else []
    sources = [text.removeprefix(SOURCE) for text in texts if text.startswith(SOURCE)]
    return (sources or [b""])[0].decode("latin-1") if texts[:1] == [MARK] else None


def png_parts(photograph: Photograph, restored: np.ndarray, source: str) -> Iterator[bytes]:
    """The parts of the file, in order; the mark comes second, where `source_of` looks."""
    height, width = restored.shape[:2]
    bits = 16 if restored.dtype == np.uint16 else 8
    kind = (0 if photograph.gray else 2) + (0 if photograph.alpha is None else 4)
    yield SIGNATURE + png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    )
    yield png_chunk(b"tEXt", MARK) + png_chunk(b"sRGB", b"\0")
    if source:
        yield png_chunk(b"tEXt", SOURCE + source.encode("latin-1"))
    if photograph.dpi:
        per_meter = [min(round(value / 0.0254), 2**31 - 1) for value in photograph.dpi]
        yield png_chunk(b"pHYs", struct.pack(">IIB", *per_meter, 1))
    if photograph.exif:
        yield png_chunk(b"eXIf", photograph.exif)
    yield from pixel_chunks(photograph, restored)
    yield png_chunk(b"IEND")


def pixel_chunks(photograph: Photograph, restored: np.ndarray) -> Iterator[bytes]:
    """IDAT chunks, of a block of rows each, so that memory stays small."""
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    rows = max(1, BLOCK_BYTES // restored[:1].nbytes)
    above = None
    for top in range(0, len(restored), rows):
        block = stored_channels(photograph, restored, slice(top, top + rows))
        stored = block.astype(block.dtype.newbyteorder(">")).view(np.uint8)
        stored = stored.reshape(len(block), -1)
        filtered = filtered_rows(stored, above, block.shape[2] * block.dtype.itemsize)
        above = stored[-1]
        if packed := packer.compress(filtered.tobytes()):
            yield png_chunk(b"IDAT", packed)
    yield png_chunk(b"IDAT", packer.flush())


def stored_channels(photograph: Photograph, restored: np.ndarray, rows: slice) -> np.ndarray:
    """(rows, W, channels) as the file holds them."""
    block = restored[rows]
    if photograph.gray:
        block = np.rint(block @ LUMA.astype(np.float32)).astype(restored.dtype)[..., None]
    if photograph.alpha is None:
        return np.ascontiguousarray(block)
    alpha = photograph.alpha[rows]
    if restored.dtype == np.uint8:
        alpha = rounded_to_8_bits(alpha)
    return np.concatenate([block, alpha[..., None]], axis=2)


def filtered_rows(stored: np.ndarray, above: np.ndarray | None, bytes_a_pixel: int) -> np.ndarray:
    """Rows of bytes as differences from the pixel above, or left in the first row.

    They are uint8, (rows, 1 + bytes a row), led by the filter's number (1 Sub, 2 Up).
    """
    result = np.empty((len(stored), 1 + stored.shape[1]), np.uint8)
    result[:, 0] = 2
    result[1:, 1:] = stored[1:] - stored[:-1]
    if above is not None:
        result[0, 1:] = stored[0] - above
    else:
        result[0, 0] = 1
        result[0, 1:] = stored[0]
        result[0, 1 + bytes_a_pixel :] -= stored[0, :-bytes_a_pixel]
    return result
