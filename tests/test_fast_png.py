"""The fast decoder reads what the others read, and refuses or leaves to them all else."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.photographs import encoded, picture
from PIL import Image

from prepare.photograph import FAST
from prepare.photographs.fast_png import decode_rgb
from prepare.photographs.photograph import UnusablePhotograph
from prepare.photographs.png import SIGNATURE, FastDecoder, png_chunk
from prepare.photographs.reader import read_photograph

WITHOUT = FastDecoder(FAST.whole, lambda *_: None)


def filtered(photo, kinds):
    """Rows of a PNG, each filtered by one of the kinds in turn (PNG specification, Sec. 9)."""
    height, width = photo.shape[:2]
    rows, before = bytearray(), bytes(3 * width)
    for number in range(height):
        kind, row = kinds[number % len(kinds)], photo[number].tobytes()
        rows.append(kind)
        for at, value in enumerate(row):
            left, corner = (row[at - 3], before[at - 3]) if at > 2 else (0, 0)
            up = before[at]
            paeth = min((left, up, corner), key=lambda each: abs(left + up - corner - each))
            guess = (0, left, up, (left + up) // 2, paeth)[kind]
            rows.append((value - guess) % 256)
        before = row
    return bytes(rows)


def png(stream, width, height, methods=(0, 0, 0)):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, *methods)
    return SIGNATURE + b"".join(
        png_chunk(*each) for each in ((b"IHDR", header), (b"IDAT", stream), (b"IEND",))
    )


def outcome(path, decoder):
    """Pixels, or the reason why there are none."""
    try:
        return read_photograph(path, fast_decoder=decoder).pixels.tolist()
    except UnusablePhotograph as error:
        return str(error)


@pytest.mark.parametrize("kinds", [[0], [1], [2], [3], [4], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (30, 33), (300, 80)])
def test_every_filter_is_undone(kinds, size):
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    for level in (0, 1, 9):
        stream = zlib.compress(filtered(photo, kinds), level)
        np.testing.assert_array_equal(decode_rgb(stream, size[1], size[0]), photo)


STREAM = zlib.compress(filtered(picture(), [4]))
ROWS = zlib.decompress(STREAM)
WRONG_STREAMS = {
    "checksum": STREAM[:-1] + bytes([STREAM[-1] ^ 1]),
    "checksum that is missing": STREAM[:-4],
    "end": STREAM[:-40],
    "middle": STREAM[:50] + bytes([STREAM[50] ^ 8]) + STREAM[51:],
    "first bytes": b"\x79" + STREAM[1:],
    "filter": zlib.compress(b"\5" + ROWS[1:]),
    "too few rows": zlib.compress(ROWS[:-9]),
    "too many rows": zlib.compress(ROWS + bytes(99)),
    "more behind": STREAM + b"more",
    "nothing": b"",
}


@pytest.mark.parametrize("name", WRONG_STREAMS)
def test_what_is_wrong_is_refused_or_read_as_without_it(tmp_path, name):
    height, width = picture().shape[:2]
    path = tmp_path / "photo.png"
    path.write_bytes(png(WRONG_STREAMS[name], width, height))
    assert outcome(path, FAST) == outcome(path, WITHOUT)
    if name == "checksum":
        assert outcome(path, FAST).startswith("damaged or cut off")


@pytest.mark.parametrize("methods", [(1, 0, 0), (0, 64, 0), (0, 0, 1), (0, 0, 7)])
def test_methods_that_it_does_not_know_are_left_to_others(tmp_path, methods):
    height, width = picture().shape[:2]
    path = tmp_path / "photo.png"
    path.write_bytes(png(STREAM, width, height, methods))
    assert outcome(path, FAST) == outcome(path, WITHOUT)


def test_wrong_checksum_of_a_chunk_is_told_as_such(tmp_path):
    data = bytearray(encoded(picture(), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    (tmp_path / "photo.png").write_bytes(data)
    assert outcome(tmp_path / "photo.png", FAST) == "damaged (wrong checksum)"


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_other_kinds_are_left_to_others(tmp_path, mode):
    def refuse(*_):
        raise AssertionError("asked for a kind that it does not read")

    image = Image.fromarray(picture()).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    image.save(tmp_path / "photo.png")
    decoder = FAST._replace(rgb=refuse)
    read_photograph(tmp_path / "photo.png", alpha="keep", fast_decoder=decoder)


def test_chunks_that_tell_colors_still_count(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, "PNG")
    data = buffer.getvalue()
    gamma = png_chunk(b"gAMA", struct.pack(">I", 100_000))  # linear light
    (tmp_path / "photo.png").write_bytes(data[:33] + gamma + data[33:])
    photo = read_photograph(tmp_path / "photo.png", fast_decoder=FAST)
    assert not np.array_equal(photo.pixels, picture())
    assert outcome(tmp_path / "photo.png", FAST) == outcome(tmp_path / "photo.png", WITHOUT)


def test_real_photographs_are_read_as_by_opencv():
    root = Path(__file__).resolve().parents[1]
    paths = [path for each in (root, root.parent) for path in (each / "shared/faces").glob("*.png")]
    if not paths:
        pytest.skip("no photographs here")
    fast = []
    for path in sorted(paths):
        expected = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        decoder = FAST._replace(rgb=lambda *a: fast.append(decode_rgb(*a)) or fast[-1])
        pixels = read_photograph(path, fast_decoder=decoder).pixels
        np.testing.assert_array_equal(pixels, expected)
    assert all(pixels is not None for pixels in fast)
    assert len(fast) == len(paths)
