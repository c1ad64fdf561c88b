"""What EXIF says of a photograph, and the part of it that a restored copy keeps."""

import struct
import warnings

from PIL import Image

from prepare.photographs.photograph import UnusablePhotograph
from prepare.photographs.tiff import first, read_directories, read_directory

MAX_EXIF_BYTES = 1 << 24
ORIENTATION, EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD = 0x0112, 0x8769, 0x8825, 0xA005
COLOR_SPACE, INTEROPERABILITY_INDEX = 0xA001, 0x0001
ADOBE_RGB_SPACE, UNCALIBRATED = 2, 0xFFFF  # 2 is no standard value, but cameras write it
# Of the first directory; the others describe how pixels are stored, or lie in their own chunks.
KEPT_TAGS = frozenset({
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298,
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,
})  # fmt: skip


def parse_exif(data: bytes | None) -> tuple[Image.Exif | None, bool]:
    """The directories of EXIF, or of a whole TIFF file, and whether all of it could be read.

    Returns:
        None if there are none, they would unpack to more than 16 MB, or not even the first can
        be read.
    """
    if not data:
        return None, True
    if bytes_of_values(data.removeprefix(b"Exif\0\0")) > MAX_EXIF_BYTES:
        return None, False
    for action in ("error", "ignore"):  # once more, for what can be read of a damaged one
        exif = Image.Exif()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(action)
                exif.load(data)
                exif.get(ORIENTATION)
                if action == "error":
                    exif.get_ifd(GPS_IFD)
                    interoperability(exif)
            return exif, action == "error"
        except Exception:  # whatever it raises: a photograph can do without EXIF
            continue
    return None, False


def bytes_of_values(data: bytes) -> int:
    """What reading all of EXIF would unpack; values may share their place in a small file."""
    total = 0
    try:
        main = read_directories(data)[0]
        total += sum(main[tag].nbytes for tag in KEPT_TAGS & main.keys())
        for tag in (EXIF_IFD, GPS_IFD):
            if tag in main:
                nested, _ = read_directory(data, first(main, tag, 0))
                total += sum(each.nbytes for each in nested.values())
                if INTEROPERABILITY_IFD in nested:
                    third, _ = read_directory(data, first(nested, INTEROPERABILITY_IFD, 0))
                    total += sum(each.nbytes for each in third.values())
    except (UnusablePhotograph, struct.error, OverflowError):
        pass  # what cannot be found is not unpacked either
    return total


def orientation_of(exif: Image.Exif | None) -> int:
    """1 to 8; 1, upright, if there is none or it makes no sense."""
    try:
        value = exif.get(ORIENTATION, 1) if exif is not None else 1
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def is_adobe_rgb(exif: Image.Exif | None) -> bool:
    """Whether EXIF alone says Adobe RGB (DCF 2.0: index R03, color space uncalibrated)."""
    if exif is None:
        return False
    try:
        color_space = exif.get_ifd(EXIF_IFD).get(COLOR_SPACE)
        index = interoperability(exif).get(INTEROPERABILITY_INDEX, "")
    except Exception:
        return False
    index = index.decode("latin-1") if isinstance(index, bytes) else str(index)
    is_index_of_adobe = color_space in (UNCALIBRATED, None) and index.startswith("R03")
    return color_space == ADOBE_RGB_SPACE or is_index_of_adobe


def interoperability(exif: Image.Exif) -> dict:
    """The directory within EXIF's own; asked for one that is missing, Pillow 12 raises."""
    if INTEROPERABILITY_IFD not in exif.get_ifd(EXIF_IFD):
        return {}
    return exif.get_ifd(INTEROPERABILITY_IFD)


def kept_exif(exif: Image.Exif | None) -> bytes | None:
    """EXIF for a copy that is upright and sRGB: camera, exposure, place, time, names.

    Returns:
        A TIFF stream, empty if nothing is to be kept; None if it cannot be written.
    """
    if exif is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept = Image.Exif()
            kept.update({tag: exif[tag] for tag in sorted(KEPT_TAGS) if tag in exif})
            directories = {tag: dict(exif.get_ifd(tag)) for tag in (EXIF_IFD, GPS_IFD)}
            directories[EXIF_IFD].pop(INTEROPERABILITY_IFD, None)
            if COLOR_SPACE in directories[EXIF_IFD]:
                directories[EXIF_IFD][COLOR_SPACE] = 1  # sRGB
            for tag, values in directories.items():
                if values:
                    kept.get_ifd(tag).update(values)
            stream = kept.tobytes() if len(kept) or any(directories.values()) else b""
    except Exception:
        return None
    return stream.removeprefix(b"Exif\0\0") if len(stream) <= MAX_EXIF_BYTES else None
