"""TIFF files, and EXIF, which has the same directories.

Only deflated pixels have a checksum. In others, changed bytes may decode to a wrong picture.

Reference: TIFF Revision 6.0 (Adobe, 1992), Secs. 2, 8, 15, 18; libtiff's BigTIFF design; EXIF 2.32
(CIPA, 2019), Sec. 4.6; DCF 2.0 (CIPA, 2010), for Adobe RGB.
"""

import struct
from dataclasses import dataclass

import numpy as np

from prepare.photographs.libvips import load
from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size

MAX_ENTRIES, MAX_PAGES, MAX_TAGS, MAX_EXIF_BYTES = 4096, 1000, 1 << 16, 1 << 24
FIRST_BYTES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SUBFILE_TYPE, WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 259, 262
ORIENTATION, EXTRA_SAMPLES, DNG_VERSION = 274, 338, 50706
# Codes of struct for one value of each kind.
TYPES = {
    1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii",
    11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"
}  # fmt: skip
GRAY_RGB_PALETTE_CMYK, YCBCR, JPEG = (0, 1, 2, 3, 5), 6, 7
SHORT, LONG = 3, 4
UNSPECIFIED = 0  # kind of an extra sample that is no transparency

EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD = 0x8769, 0x8825, 0xA005
COLOR_SPACE, SRGB, UNCALIBRATED = 0xA001, 1, 0xFFFF
ADOBE_RGB = 2  # no standard value, but cameras write it
# Of the first directory; the others describe how pixels are stored, or lie in their own chunks.
KEPT_TAGS = frozenset({
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298,
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F
})  # fmt: skip

# The kind of a tag and its values, at least one; rationals are two numbers each.
Directory = dict[int, tuple[int, np.ndarray]]


def decode_tiff(data: bytes, max_pixels: int) -> Decoded:
    """The first page of a TIFF file that is no preview, with the number of such as `frames`."""
    pages = read_pages(data)
    if sum(values.nbytes for page in pages for _, values in page.values()) > 2 * len(data):
        raise UnusablePhotograph("damaged (TIFF tags that share their values)")
    whole = [n for n, page in enumerate(pages) if not first(page, SUBFILE_TYPE, 0) & 5]
    if not whole or DNG_VERSION in pages[0]:  # but previews and masks
        raise UnusablePhotograph("a raw photograph; develop it first")
    page = pages[whole[0]]
    check_size(first(page, WIDTH, 0), first(page, HEIGHT, 0), max_pixels)
    colors, compression = first(page, PHOTOMETRIC, -1), first(page, COMPRESSION, 1)
    if colors not in GRAY_RGB_PALETTE_CMYK and (colors, compression) != (YCBCR, JPEG):
        raise UnusablePhotograph(f"pixels of TIFF color kind {colors} are not supported")
    decoded = load("tiff", data, max_pixels, fail_on="error", page=whole[0], unlimited=True)
    if first(page, EXTRA_SAMPLES, 2) == UNSPECIFIED:
        decoded.alpha = None
    decoded.exif, decoded.frames = data, len(whole)
    decoded.orientation = orientation_of(page)
    return decoded


def first(directory: Directory, tag: int, default: int) -> int:
    """The first value of a tag."""
    return int(directory[tag][1][0]) if tag in directory else default


def orientation_of(directory: Directory) -> int:
    """1 to 8; 1 (upright) if there is none or it is not valid."""
    orientation = first(directory, ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def read_pages(data: bytes) -> list[Directory]:
    """The directories of the pages, up to the first that is damaged, but for the first of all."""
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
    if not data.startswith(FIRST_BYTES):
        raise UnusablePhotograph("damaged (TIFF header)")
    return "<" if data.startswith(b"I") else ">", b"+" in data[2:4]


def read_directory(data: bytes, at: int) -> tuple[Directory, int]:
    """The directory at `at`, and where the next one is (0 for none)."""
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
                    directory[tag] = kind, np.frombuffer(values, order + TYPES[kind][0])
        return directory, struct.unpack_from(offset_code, data, start + size * count)[0]
    except (struct.error, OverflowError) as error:
        raise UnusablePhotograph("damaged or cut off (TIFF directory)") from error


@dataclass(frozen=True)
class Exif:
    """The EXIF of a photograph."""

    orientation: int = 1  # to 8
    is_adobe_rgb: bool = False
    kept: bytes | None = None  # a TIFF stream for a copy that is upright and sRGB
    is_whole: bool = True  # whether all of it could be read, and takes at most 16 MB


def read_exif(data: bytes | None) -> Exif:
    """EXIF, or that of a whole TIFF file; camera, exposure, place, time and names are kept."""
    if not data:
        return Exif()
    data = data.removeprefix(b"Exif\0\0")
    main: Directory = {}
    nested: dict[int, Directory] = {EXIF_IFD: {}, GPS_IFD: {}, INTEROPERABILITY_IFD: {}}
    try:
        main = read_pages(data)[0]
        for tag in nested:
            parent = nested[EXIF_IFD] if tag == INTEROPERABILITY_IFD else main
            if tag in parent:
                nested[tag], _ = read_directory(data, first(parent, tag, 0))
        is_whole = True
    except (UnusablePhotograph, struct.error):
        is_whole = False
    orientation = orientation_of(main)
    exif, index = nested[EXIF_IFD], nested.pop(INTEROPERABILITY_IFD)
    color_space = first(exif, COLOR_SPACE, UNCALIBRATED)
    names_adobe = 1 in index and index[1][1].tobytes().startswith(b"R03")
    is_adobe_rgb = color_space == ADOBE_RGB or (color_space == UNCALIBRATED and names_adobe)
    exif.pop(INTEROPERABILITY_IFD, None)
    if COLOR_SPACE in exif:
        exif[COLOR_SPACE] = SHORT, np.array([SRGB], np.uint16)
    kept: dict = {tag: main[tag] for tag in KEPT_TAGS & main.keys()}
    tags = [*kept.values(), *exif.values(), *nested[GPS_IFD].values()]
    if sum(values.nbytes for _, values in tags) > MAX_EXIF_BYTES:  # they may share their place
        return Exif(orientation, is_adobe_rgb, is_whole=False)
    kept |= {tag: directory for tag, directory in nested.items() if directory}
    stream = b"MM\0*" + struct.pack(">I", 8) + directory_bytes(kept, 8) if kept else None
    return Exif(orientation, is_adobe_rgb, stream, is_whole)


def directory_bytes(directory: dict, at: int) -> bytes:
    """A directory that stands `at` in a big-endian stream, with its values behind it.

    A tag's value may be a directory itself.
    """
    entries, bodies = [struct.pack(">H", len(directory))], bytearray()
    behind = at + 2 + 12 * len(directory) + 4
    for tag, value in sorted(directory.items()):
        place = struct.pack(">I", behind + len(bodies))
        if isinstance(value, dict):
            kind, number, body = LONG, 1, directory_bytes(value, behind + len(bodies))
        else:
            kind, values = value
            number = len(values) // len(TYPES[kind])
            body = values.astype(values.dtype.newbyteorder(">")).tobytes()
            if len(body) <= 4:
                place, body = body.ljust(4, b"\0"), b""
        entries.append(struct.pack(">HHI", tag, kind, number) + place)
        bodies += body + bytes(len(body) % 2)
    return b"".join([*entries, bytes(4), bodies])
