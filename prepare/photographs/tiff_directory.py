"""The directory of a TIFF file's first page: tags, pages, places of its pixels; also BigTIFF.

Reference: TIFF Revision 6.0 (Adobe, 1992), Sec. 2; libtiff's BigTIFF design.
"""

import struct
from dataclasses import dataclass

from prepare.photographs.photograph import UnusablePhotograph

MAX_ENTRIES, MAX_VALUES, MAX_PAGES = 4096, 1 << 22, 1000
SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP = 266, 273, 274, 277, 278
STRIP_COUNTS, X_DPI, Y_DPI, PLANAR, DPI_UNIT, PREDICTOR = 279, 282, 283, 284, 296, 317
COLOR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 320, 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, XMP, ICC_PROFILE, DNG_VERSION = 338, 339, 700, 34675, 50706
# Size and code of struct for each type of value; rationals are two of them.
TYPES = {
    1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii",
    11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
BYTE_TYPES = (1, 2, 7)


@dataclass(frozen=True)
class Directory:
    """Tags of the first page, and what surrounds it."""

    order: str  # "<" or ">"
    tags: dict[int, tuple | bytes]  # bytes for types of single bytes
    pages: int  # without reduced copies and masks
    places: dict[int, int]  # where a tag's value lies in the file

    def value(self, tag: int, default: int | None = None) -> int:
        """The first value of a tag.

        Raises:
            UnusablePhotograph: if it is missing and there is no default.
        """
        values = self.tags.get(tag) or ()
        if len(values):
            return values[0]
        if default is None:
            raise UnusablePhotograph(f"damaged (TIFF tag {tag} is missing)")
        return default


def read_directory(data: bytes) -> Directory:
    """The first directory of a TIFF file.

    Raises:
        UnusablePhotograph: if it is damaged.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    first = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    tags, places, at = _tags(data, first, order, big)
    pages, seen = 1, {first}
    while at and at not in seen and len(seen) < MAX_PAGES:
        seen.add(at)
        try:
            others, _, at = _tags(data, at, order, big, only=SUBFILE_TYPE)
        except UnusablePhotograph:
            break  # what is damaged is not the page we read
        pages += not (others.get(SUBFILE_TYPE) or (0,))[0] & 5
    return Directory(order, tags, pages, places)


def entries(
    data: bytes, at: int, order: str, big: bool = False
) -> tuple[list[tuple[int, int, int, int, int]], int]:
    """Of a directory at `at`: tag, type, number of values, their place and bytes of each entry.

    Returns:
        The entries, and where the next directory is (0 for none).

    Raises:
        UnusablePhotograph: if it lies beyond the file or has more than 4096 entries.
    """
    count_code, entry_code, inline = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    offset_code = order + ("Q" if big else "I")
    found = []
    try:
        count = struct.unpack_from(order + count_code, data, at)[0]
        start, size = at + struct.calcsize(count_code), 4 + 2 * inline
        if count > MAX_ENTRIES:
            raise UnusablePhotograph("damaged (a TIFF directory of too many entries)")
        for place in range(start, start + size * count, size):
            tag, kind, number = struct.unpack_from(order + entry_code, data, place)
            if kind in TYPES:
                num_bytes = number * struct.calcsize("=" + TYPES[kind])
                value_at = place + 4 + inline
                if num_bytes > inline:
                    value_at = struct.unpack_from(offset_code, data, value_at)[0]
                found.append((tag, kind, number, value_at, num_bytes))
        return found, struct.unpack_from(offset_code, data, start + size * count)[0]
    except (struct.error, OverflowError) as error:
        raise UnusablePhotograph("damaged or cut off (TIFF directory)") from error


def _tags(
    data: bytes, at: int, order: str, big: bool, only: int | None = None
) -> tuple[dict, dict, int]:
    """Values and their places by tag, and where the next directory is (0 for none)."""
    found, after = entries(data, at, order, big)
    tags, places = {}, {}
    for tag, kind, number, value_at, num_bytes in found:
        if only in (None, tag):
            tags[tag] = _values(data, value_at, num_bytes, order, kind, number)
            places[tag] = value_at
    return tags, places, after


def _values(
    data: bytes, at: int, num_bytes: int, order: str, kind: int, number: int
) -> tuple | bytes:
    """bytes or a tuple of numbers; empty if it lies beyond the file, or is absurdly long."""
    if at + num_bytes > len(data):
        return ()
    if kind in BYTE_TYPES:
        return data[at : at + num_bytes]
    if number > MAX_VALUES:
        return ()
    return struct.unpack_from(order + TYPES[kind] * number, data, at)
