"""The samples of a TIFF's pixels: unpacks strips, tiles and planes of 1 to 16 bits.

LZW, PackBits and Zstandard are unpacked by libtiff, through Pillow, which gets each plane's strips
wrapped as a gray file of 8 bits. So the bytes come back as they are, whatever they mean.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from prepare.photographs import tiff_directory as tags
from prepare.photographs.photograph import UnusablePhotograph, ends_in_zeros
from prepare.photographs.tiff_directory import Directory

NONE, LZW, DEFLATE, ADOBE_DEFLATE, PACK_BITS, ZSTANDARD = 1, 5, 32946, 8, 32773, 50000
OWN_COMPRESSIONS = (NONE, LZW, DEFLATE, ADOBE_DEFLATE, PACK_BITS, ZSTANDARD)
MAX_SAMPLES = 8
LONG = 4
REVERSED_BITS = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], 1)[:, ::-1], 1)


def read_samples(data: bytes, directory: Directory) -> np.ndarray:
    """Stored samples of the first page, predictors undone.

    Returns:
        uint8 or uint16, (H, W, samples a pixel); below 8 bits their plain values.

    Raises:
        UnusablePhotograph: if it is damaged or cut off, or laid out as no writer does.
    """
    width, height = directory.value(tags.WIDTH), directory.value(tags.HEIGHT)
    num_samples = directory.value(tags.SAMPLES, 1)
    if not 1 <= num_samples <= MAX_SAMPLES:
        raise UnusablePhotograph(f"{num_samples} samples a pixel are not supported")
    planes = num_samples if directory.value(tags.PLANAR, 1) == 2 else 1
    tiled = tags.TILE_OFFSETS in directory.tags
    block_width = directory.value(tags.TILE_WIDTH) if tiled else width
    rows = directory.value(tags.TILE_HEIGHT if tiled else tags.ROWS_PER_STRIP, height)
    rows = rows if tiled else min(rows, height)
    if not (1 <= block_width <= width + 4096 and 1 <= rows <= height + 4096):
        raise UnusablePhotograph("damaged (size of strips or tiles)")
    across, down = -(-width // block_width), -(-height // rows)
    segments = _segments(data, directory, tiled, across * down * planes)
    dtype = np.uint16 if directory.value(tags.BITS, 1) == 16 else np.uint8
    result = np.empty((height, width, num_samples), dtype)
    for plane in range(planes):
        part = segments[plane * across * down : (plane + 1) * across * down]
        of_plane = 1 if planes > 1 else num_samples
        last_rows = rows if tiled else height - (down - 1) * rows
        blocks = _blocks(part, directory, block_width, of_plane, rows, last_rows)
        for i, block in enumerate(blocks):
            top, left = i // across * rows, i % across * block_width
            place = result[top : top + rows, left : left + block_width]
            place = place[..., plane : plane + 1] if planes > 1 else place
            place[:] = block[: place.shape[0], : place.shape[1]]
    return result


def _segments(data: bytes, directory: Directory, tiled: bool, number: int) -> list[memoryview]:
    """The bytes of each strip or tile."""
    offsets = directory.tags.get(tags.TILE_OFFSETS if tiled else tags.STRIP_OFFSETS) or ()
    counts = directory.tags.get(tags.TILE_COUNTS if tiled else tags.STRIP_COUNTS) or ()
    if len(offsets) == 1 and not counts:
        counts = (len(data) - offsets[0],)
    if not len(offsets) >= number <= len(counts):
        raise UnusablePhotograph("damaged (places of strips or tiles)")
    view = memoryview(data)
    segments = []
    for offset, count in zip(offsets[:number], counts, strict=False):
        if not 0 < offset <= offset + count <= len(data):
            raise UnusablePhotograph("damaged or cut off (strips or tiles beyond the file)")
        segments.append(view[offset : offset + count])
    if directory.value(tags.COMPRESSION, 1) != NONE and any(map(ends_in_zeros, segments)):
        raise UnusablePhotograph("damaged (its pixels end in zeros)")
    return segments


def _blocks(
    segments: Sequence[memoryview], directory: Directory, width: int, num_samples: int,
    rows: int, last_rows: int,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Yields the samples of each strip or tile of a plane, (rows, width, samples)."""
    bits, compression = directory.value(tags.BITS, 1), directory.value(tags.COMPRESSION, 1)
    row_bytes = (width * num_samples * bits + 7) // 8
    heights = [rows] * (len(segments) - 1) + [last_rows]
    fill_order = directory.value(tags.FILL_ORDER, 1)
    unpacked = None
    if compression in (LZW, PACK_BITS, ZSTANDARD):
        unpacked = _unpacked_by_libtiff(segments, compression, row_bytes, heights, rows)
    for i, (segment, height) in enumerate(zip(segments, heights, strict=True)):
        if unpacked is not None:
            stored = unpacked[i * rows : i * rows + height]
        else:
            stored = _stored(segment, compression, row_bytes, height, rows)
        if fill_order == 2:
            stored = REVERSED_BITS[stored][..., 0]
        yield _samples(stored, directory, width, num_samples)


def _stored(
    segment: memoryview, compression: int, row_bytes: int, height: int, rows: int
) -> np.ndarray:
    """uint8 (height, row bytes), of a segment that is deflated or not compressed."""
    unpacked: bytes | memoryview = segment
    if compression != NONE:
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(segment, row_bytes * rows)
        unpacker.decompress(unpacker.unconsumed_tail, 1)
        if not unpacker.eof:
            raise UnusablePhotograph("damaged or cut off (deflated pixels)")
    if len(unpacked) < row_bytes * height:
        raise UnusablePhotograph("damaged or cut off (too few pixels)")
    return np.frombuffer(unpacked, np.uint8, row_bytes * height).reshape(height, row_bytes)


def _unpacked_by_libtiff(
    segments: Sequence[memoryview], compression: int, row_bytes: int, heights: Sequence[int],
    rows: int,
) -> np.ndarray:  # fmt: skip
    """uint8 (all rows, row bytes) of segments that lie below each other."""
    number, num_entries = len(segments), 9
    offsets_at = 8 + 2 + 12 * num_entries + 4
    counts_at = offsets_at + 4 * number
    counts = [len(segment) for segment in segments]
    starts = np.cumsum([counts_at + 4 * number, *counts[:-1]])
    if starts[-1] + counts[-1] >= 1 << 32:
        raise UnusablePhotograph("more than 4 GB of compressed pixels")
    offsets = starts.tolist()
    entries = [
        (tags.WIDTH, 1, row_bytes),
        (tags.HEIGHT, 1, sum(heights)),
        (tags.BITS, 1, 8),
        (tags.COMPRESSION, 1, compression),
        (tags.PHOTOMETRIC, 1, 1),
        (tags.STRIP_OFFSETS, number, offsets[0] if number == 1 else offsets_at),
        (tags.SAMPLES, 1, 1),
        (tags.ROWS_PER_STRIP, 1, rows),
        (tags.STRIP_COUNTS, number, counts[0] if number == 1 else counts_at),
    ]
    file = [b"II*\0\x08\0\0\0", struct.pack("<H", num_entries)]
    file += [struct.pack("<HHII", tag, LONG, count, value) for tag, count, value in entries]
    file += [bytes(4), struct.pack(f"<{2 * number}I", *offsets, *counts), *map(bytes, segments)]
    with TiffImageFile(io.BytesIO(b"".join(file))) as image:
        image.load()
        return np.asarray(image)


def _samples(stored: np.ndarray, directory: Directory, width: int, num_samples: int) -> np.ndarray:
    """(rows, width, samples) from rows of bytes, with the predictor undone."""
    bits, predictor = directory.value(tags.BITS, 1), directory.value(tags.PREDICTOR, 1)
    if bits < 8:
        values = np.unpackbits(stored, axis=1).reshape(len(stored), -1, bits)
        weights = (1 << np.arange(bits)[::-1]).astype(np.uint8)
        samples = (values * weights).sum(-1, dtype=np.uint8)[:, : width * num_samples]
    elif bits == 16:
        samples = np.ascontiguousarray(stored).view(directory.order + "u2").astype(np.uint16)
    else:
        samples = stored
    samples = samples.reshape(len(stored), width, num_samples)
    if predictor == 2 and directory.value(tags.COMPRESSION, 1) not in (NONE, PACK_BITS):
        if bits < 8:
            raise UnusablePhotograph("a predictor of few bits is not supported")
        samples = np.cumsum(samples, axis=1, dtype=samples.dtype)
    elif predictor not in (1, 2):
        raise UnusablePhotograph(f"TIFF predictor {predictor} is not supported")
    return samples
