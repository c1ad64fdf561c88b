"""Decodes JPEG by the first picture's own bytes, and refuses what lost blocks.

Entropy-coded data carries no checksum. Damage shows as a warning of libjpeg (a bad code, a missing
or early marker), or as blocks brighter than white or darker than black, which no encoder writes.
Warnings of bytes that cameras put around the picture are no damage.
"""

import io
import re
import struct
from collections.abc import Iterable

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from prepare.photographs.libvips import DamagedPixelsError, load
from prepare.photographs.photograph import Decoded, UnusablePhotograph

MAX_SCANS = 200  # a progressive file of many empty scans takes hours to decode; usual are 10
MAX_SEGMENTS = 10_000  # an EXIF, a profile and a panorama's notes take some hundred
TABLES, SCAN, END, COMMENT = 0xDB, 0xDA, 0xD9, 0xFE
# Start-of-frame markers. Damage in progressive files, of many scans, hardly escapes libjpeg.
SEQUENTIAL_FRAMES = (0xC0, 0xC1, 0xC9)
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # that begins a segment, or ends a scan's data
UNTRANSFORMED = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
# An encoder may overshoot to sharpen white letters (mozjpeg does by up to 31 levels).
OVERSHOOT = 1.3
# The first warning: of the header, or of bytes behind all blocks.
HARMLESS = ("unknown JFIF revision", "Unknown Adobe color", "extraneous bytes before marker 0xd9")

Segment = tuple[int, bytes]  # marker, and all bytes with it; a scan's with its entropy-coded data


def decode_jpeg(data: bytes, max_pixels: int) -> Decoded:
    """The first picture of a JPEG file; telephones append previews, depth maps and videos.

    Raises:
        UnusablePhotograph: if it is too large, damaged or cut off.
    """
    segments = read_segments(data)
    picture = file_of(segments)
    try:
        decoded = load("jpeg", picture, max_pixels)
    except DamagedPixelsError as error:
        if not any(warning in str(error) for warning in HARMLESS):
            raise
        decoded = load("jpeg", picture, max_pixels, fail_on="error")
    if has_impossible_blocks(segments):
        raise UnusablePhotograph("damaged (blocks brighter than white or darker than black)")
    if any(marker == COMMENT for marker, _ in segments):
        decoded.dropped.append("a comment")
    return decoded


def read_segments(data: bytes) -> list[Segment]:
    """What lies between the start and the end of the first picture, without bytes between.

    Parameters of a sequential scan that have no meaning there, and of which libjpeg warns, become
    what they should be.
    """
    segments: list[Segment] = []
    at, is_sequential, num_scans = 2, False, 0
    try:
        while (found := MARKER.search(data, at)) and (marker := found[0][1]) != END:
            at = found.start()
            end = content = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
            is_sequential = is_sequential or marker in SEQUENTIAL_FRAMES
            segment = data[at:end]
            if marker == SCAN:
                num_scans += 1
                after = MARKER.search(data, content)
                end = after.start() if after else len(data)
                head = data[at : content - 3] + b"\x00\x3f\x00" if is_sequential else segment
                segment = head + data[content:end]
            segments.append((marker, segment))
            at = end
            if len(segments) > MAX_SEGMENTS or num_scans > MAX_SCANS:
                raise UnusablePhotograph(f"more than {MAX_SCANS} scans or {MAX_SEGMENTS} segments")
    except struct.error:
        found = None
    if not found:
        raise UnusablePhotograph("damaged or cut off (no end)")
    return segments


def file_of(segments: Iterable[Segment]) -> bytes:
    """A JPEG file."""
    return b"".join([b"\xff\xd8", *(segment for _, segment in segments), b"\xff\xd9"])


def has_impossible_blocks(segments: list[Segment]) -> bool:
    """Whether a block's mean lies outside 0..255 by more than an encoder's overshoot.

    The file is decoded once more at an eighth of its size, with other quantization tables: a
    step of 1 for the mean (DC), 0 for all else. So a mean in steps is seen whole, where the true
    step q would clip it. At q = 1 there is no room to see beyond, and nothing is found.
    """
    markers = [marker for marker, _ in segments]
    frame = next((body for marker, body in segments if marker in SEQUENTIAL_FRAMES), None)
    if frame is None or TABLES in markers[markers.index(SCAN) :]:
        return False
    step_of_table: dict[int, int] = {}
    changed: list[Segment] = [(0xEE, UNTRANSFORMED)]
    for marker, segment in segments:
        if marker == TABLES:
            changed.append((marker, with_unit_steps(segment, step_of_table)))
        elif not 0xE0 <= marker <= 0xEF:  # an application's
            changed.append((marker, segment))
    steps = [step_of_table.get(frame[12 + 3 * i], 0) for i in range(frame[9])]
    with JpegImageFile(io.BytesIO(file_of(changed))) as image:  # faster than libvips at this
        image.draft(image.mode, (1, 1))
        channels = [np.asarray(channel, np.int16) for channel in image.split()]
    highest = [max(channel.max() - 128, 128 - channel.min()) for channel in channels]
    return any(
        mean * step > 128 * OVERSHOOT + step for mean, step in zip(highest, steps, strict=True)
    )


def with_unit_steps(segment: bytes, step_of_table: dict[int, int]) -> bytes:
    """A segment of tables with 1 for the mean and 0 for all else; notes the steps of the mean."""
    changed, at = bytearray(segment), 4
    while at < len(segment):
        width = 2 if segment[at] >> 4 else 1
        step_of_table[segment[at] & 15] = int.from_bytes(segment[at + 1 : at + 1 + width], "big")
        table = bytes(width - 1) + b"\1" + bytes(63 * width)
        changed[at + 1 : at + 1 + len(table)] = table
        at += 1 + len(table)
    return bytes(changed)
