"""Decodes JPEG and refuses what libjpeg warns of.

Entropy-coded data carries no checksum. Damage shows as a warning of the decoder (a bad code, a
missing or early marker, bytes too many), or as blocks brighter than white or darker than black,
which no encoder writes. A flipped bit that does neither cannot be told from a photograph.
"""

import io
import struct

import numpy as np
import simplejpeg
from PIL.JpegImagePlugin import JpegImageFile

from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size

MAX_SCANS = 200  # a progressive file of many empty scans takes hours to decode; usual are 10
COLOR_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
ADOBE_UNTRANSFORMED = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
# An encoder may overshoot to sharpen white letters (mozjpeg does by up to 31 levels).
OVERSHOOT = 1.3
# Start-of-frame markers. Damage in progressive files, of many scans, hardly escapes libjpeg.
SEQUENTIAL_FRAMES = (0xC0, 0xC1, 0xC9)


def decode_jpeg(data: bytes, max_pixels: int) -> Decoded:
    """The first picture of a JPEG file; telephones append previews and depth maps.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off.
    """
    with JpegImageFile(io.BytesIO(data)) as image:
        check_size(*image.size, max_pixels)
        info, mode = image.info, image.mode
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise UnusablePhotograph(f"more than {MAX_SCANS} scans")
    try:
        pixels = simplejpeg.decode_jpeg(data, COLOR_SPACES[mode], strict=True)
    except ValueError as error:
        raise UnusablePhotograph(f"damaged or cut off ({error})") from error
    if _beyond_black_and_white(data, COLOR_SPACES[mode]):
        raise UnusablePhotograph("damaged (blocks brighter than white or darker than black)")
    if mode == "L":
        pixels = pixels[..., 0]
    if mode == "CMYK":
        pixels = 255 - pixels  # inks are stored inverted, as Adobe does
    dropped = {"XMP": info.get("xmp"), "a comment": info.get("comment")}
    return Decoded(
        pixels,
        profile=info.get("icc_profile"),
        exif=info.get("exif"),
        dpi=info.get("dpi"),
        dropped=[name for name, content in dropped.items() if content],
    )


def _beyond_black_and_white(data: bytes, color_space: str) -> bool:
    """Whether a block's mean lies outside 0..255 by more than an encoder's overshoot.

    The file is decoded once more at an eighth of its size, with other quantization tables: a
    step of 1 for the mean (DC), 0 for all else. So a mean in steps is seen whole, where the true
    step q would clip it. At q = 1 there is no room to see beyond, and nothing is found.
    """
    header, steps, scans = _mean_only_header(data)
    if not steps or b"\xff\xdb" in data[scans : data.find(b"\xff\xd9", scans)]:
        return False  # not sequential, or tables that change between scans
    space = {1: "GRAY", 4: "CMYK"}.get(len(steps), "RGB")
    if space != color_space:
        return False
    means = simplejpeg.decode_jpeg(
        header + data[scans:], space, min_height=1, min_width=1, min_factor=8, strict=False
    )
    highest = np.maximum(means.max((0, 1)).astype(int) - 128, 128 - means.min((0, 1)).astype(int))
    return any(highest[i] * step > 128 * OVERSHOOT + step for i, step in enumerate(steps))


def _mean_only_header(data: bytes) -> tuple[bytes, list[int], int]:
    """Header with steps of 1 and 0, the true DC step of each component, where scans begin."""
    kept, tables = [b"\xff\xd8", ADOBE_UNTRANSFORMED], []
    step_of_table: dict[int, int] = {}
    at = 2
    while data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:  # fill byte
            at += 1
            continue
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        segment = data[at : at + 2 + length]
        if marker == 0xDB:
            segment = _unit_tables(segment, step_of_table)
        if marker in SEQUENTIAL_FRAMES:
            tables = [segment[12 + 3 * i] for i in range(segment[9])]
        if not 0xE0 <= marker <= 0xEF and marker != 0xFE:  # no application data, no comment
            kept.append(segment)
        at += 2 + length
    return b"".join(kept), [step_of_table.get(table, 0) for table in tables], at


def _unit_tables(segment: bytes, step_of_table: dict[int, int]) -> bytes:
    """A DQT segment with 1 for DC and 0 for AC; notes its DC steps."""
    changed, at = bytearray(segment), 4
    while at < len(segment):
        width = 2 if segment[at] >> 4 else 1
        step_of_table[segment[at] & 15] = int.from_bytes(segment[at + 1 : at + 1 + width], "big")
        table = bytes(width - 1) + b"\1" + bytes(63 * width)
        changed[at + 1 : at + 1 + len(table)] = table
        at += 1 + len(table)
    return bytes(changed)
