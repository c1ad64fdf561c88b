"""Directories of TIFF files and of EXIF, and the page of a TIFF file that is the photograph.

Deflated pixels carry a checksum, which libtiff passes over and which is checked here. All others
carry none: changed bytes may decode to a wrong picture, and nothing can tell but an end of zeros.

Reference: TIFF Revision 6.0 (Adobe, 1992), Secs. 2, 8, 15, 18; libtiff's BigTIFF design.
"""

import struct
import zlib

import numpy as np

from prepare.photographs.libvips import load
from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size, ends_in_zeros

MAX_ENTRIES, MAX_PAGES, MAX_TAGS = 4096, 1000, 1 << 16
SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 274, 279, 324, 325
EXTRA_SAMPLES, DNG_VERSION = 338, 50706
# Code of struct for each type of value; rationals are two of them.
TYPES = {
    1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii",
    11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
GRAY_RGB_PALETTE_CMYK, YCBCR = (0, 1, 2, 3, 5), 6
NOT_COMPRESSED, JPEG, DEFLATE = 1, 7, (8, 32946)
UNSPECIFIED = 0  # kind of an extra sample that is no transparency


Directory = dict[int, np.ndarray]  # at least one value for each tag


def first(directory: Directory, tag: int, default: int) -> int:
    """The first value of a tag."""
    return int(directory[tag][0]) if tag in directory else default


def decode_tiff(data: bytes, max_pixels: int) -> Decoded:
    """The first page of a TIFF file that is no preview, with the number of such as `frames`.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off, or of pixels not supported.
    """
    pages = read_directories(data)
    if sum(values.nbytes for page in pages for values in page.values()) > 2 * len(data):
        raise UnusablePhotograph("damaged (TIFF tags that share their values)")
    whole = [n for n, page in enumerate(pages) if not first(page, SUBFILE_TYPE, 0) & 5]
    if not whole or DNG_VERSION in pages[0]:  # but previews and masks
        raise UnusablePhotograph("a raw photograph; develop it first")
    page = pages[whole[0]]
    width, height = first(page, WIDTH, 0), first(page, HEIGHT, 0)
    check_size(width, height, max_pixels)
    colors, compression = first(page, PHOTOMETRIC, -1), first(page, COMPRESSION, NOT_COMPRESSED)
    if colors not in GRAY_RGB_PALETTE_CMYK and (colors, compression) != (YCBCR, JPEG):
        raise UnusablePhotograph(f"pixels of TIFF color kind {colors} are not supported")
    check_segments(data, page, 16 * width * height + (1 << 26))  # tiles reach beyond the picture
    decoded = load("tiff", data, max_pixels, fail_on="error", page=whole[0], unlimited=True)
    if first(page, EXTRA_SAMPLES, 2) == UNSPECIFIED:
        decoded.alpha = None
    decoded.exif = data
    orientation = first(page, ORIENTATION, 1)
    decoded.orientation = orientation if orientation in range(1, 9) else 1
    decoded.frames = len(whole)
    return decoded


def check_segments(data: bytes, page: Directory, most_bytes: int) -> None:
    """Refuses compressed strips and tiles that end in zeros or fail their checksum."""
    offsets, counts = (
        page[tag] if tag in page else page[other]
        for tag, other in ((TILE_OFFSETS, STRIP_OFFSETS), (TILE_COUNTS, STRIP_COUNTS))
    )
    compression = first(page, COMPRESSION, NOT_COMPRESSED)
    if compression == NOT_COMPRESSED:
        return
    if int(counts.sum()) > len(data):
        raise UnusablePhotograph("damaged or cut off (strips or tiles beyond the file)")
    for offset, count in zip(offsets.tolist(), counts.tolist(), strict=False):
        segment = data[offset : offset + count]
        if ends_in_zeros(segment):
            raise UnusablePhotograph("damaged (its pixels end in zeros)")
        unpacker = zlib.decompressobj()
        while compression in DEFLATE and not unpacker.eof:
            part = unpacker.decompress(segment, 1 << 20)
            segment, most_bytes = unpacker.unconsumed_tail, most_bytes - len(part)
            if most_bytes < 0 or not (part or segment or unpacker.eof):
                raise UnusablePhotograph("damaged or cut off (deflated pixels)")


def read_directories(data: bytes) -> list[Directory]:
    """Those of the pages, up to the first that is damaged, but for the first of all.

    Raises:
        UnusablePhotograph: if the first is damaged.
    """
    order, is_big = header(data)
    at = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)[0]
    directories = {at: read_directory(data, at)}
    while (at := directories[at][1]) not in (0, *directories):
        try:
            directories[at] = read_directory(data, at)
        except UnusablePhotograph:
            break  # what is damaged is not the page we read
        num_tags = sum(len(tags) for tags, _ in directories.values())
        if len(directories) > MAX_PAGES or num_tags > MAX_TAGS:
            raise UnusablePhotograph(f"more than {MAX_PAGES} pages or {MAX_TAGS} TIFF tags")
    return [tags for tags, _ in directories.values()]


def header(data: bytes) -> tuple[str, bool]:
    """struct's code of the order of bytes, and whether it is a BigTIFF."""
    order = "<" if data[:2] == b"II" else ">"
    return order, struct.unpack_from(order + "H", data, 2)[0] == 43


def read_directory(data: bytes, at: int) -> tuple[Directory, int]:
    """The directory at `at`, and where the next one is (0 for none).

    Raises:
        UnusablePhotograph: if it lies beyond the file or has more than 4096 entries.
    """
    order, is_big = header(data)
    count_code, entry_code, inline = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    offset_code = order + ("Q" if is_big else "I")
    directory: Directory = {}
    try:
        count = struct.unpack_from(order + count_code, data, at)[0]
        start, size = at + struct.calcsize(count_code), 4 + 2 * inline
        if count > MAX_ENTRIES:
            raise UnusablePhotograph("damaged (a TIFF directory of too many entries)")
        for place in range(start, start + size * count, size):
            tag, kind, number = struct.unpack_from(order + entry_code, data, place)
            if kind in TYPES:
                num_bytes, values_at = number * struct.calcsize(TYPES[kind]), place + 4 + inline
                if num_bytes > inline:
                    values_at = struct.unpack_from(offset_code, data, values_at)[0]
                values = memoryview(data)[values_at : values_at + num_bytes]
                if num_bytes and len(values) == num_bytes:
                    directory[tag] = np.frombuffer(values, order + TYPES[kind][0])
        return directory, struct.unpack_from(offset_code, data, start + size * count)[0]
    except (struct.error, OverflowError) as error:
        raise UnusablePhotograph("damaged or cut off (TIFF directory)") from error
