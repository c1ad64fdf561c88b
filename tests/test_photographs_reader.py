"""Plain photographs come back byte for byte, upright, with the reason where they do not."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.photographs import (
    KEEP,
    encoded,
    heic,
    picture,
    png_of,
    png_with,
    read,
    refused,
    scene,
)
from PIL import Image

from prepare.photographs.photograph import rounded_to_8_bits
from prepare.photographs.reader import read_photograph


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})],
)
def test_lossless_files_come_back_as_they_were(tmp_path, kind, options):
    photo = read(tmp_path, encoded(picture(), kind, **options))
    np.testing.assert_array_equal(photo.pixels, picture())
    assert not photo.gray
    assert photo.dropped == ()


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}, {"quality": 30}]
)
def test_jpeg_and_webp_decode_to_the_bytes_of_pillow(tmp_path, options):
    data = encoded(scene(), "JPEG", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(read(tmp_path, data).pixels, expected)
    data = encoded(scene(), "WEBP", quality=options.get("quality", 80))
    photo = read(tmp_path, data)
    np.testing.assert_array_equal(photo.pixels, np.asarray(Image.open(io.BytesIO(data))))


def test_real_photographs_are_read_as_by_pillow():
    root = Path(__file__).resolve().parents[1]
    paths = [path for each in (root, root.parent) for path in (each / "shared/faces").glob("*.jpg")]
    if not paths:
        pytest.skip("no photographs here")
    for path in sorted(paths)[:20]:
        with Image.open(path) as image:
            np.testing.assert_array_equal(read_photograph(path).pixels, np.asarray(image))


def test_the_reader_does_without_opencv():
    code = "import sys, prepare.photographs.reader, prepare.photographs.writer;"
    code += "sys.exit('cv2' in sys.modules or 'tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_stay_and_round_to_the_nearest_8(tmp_path, channels):
    deep = np.random.default_rng(1).integers(0, 65536, (16, 20, channels)).astype(np.uint16)
    stored = deep[..., [2, 1, 0, 3][:channels]] if channels > 1 else deep
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    photo = read_photograph(tmp_path / "a.png", **KEEP)
    colors = np.broadcast_to(deep[..., :3], (16, 20, 3))
    np.testing.assert_array_equal(photo.pixels, colors)
    np.testing.assert_array_equal(rounded_to_8_bits(photo.pixels), np.rint(colors / 257))
    if channels == 4:
        np.testing.assert_array_equal(photo.alpha, deep[..., 3])


def test_gray_with_alpha_of_16_bits(tmp_path):
    stored = np.random.default_rng(2).integers(0, 65536, (9, 11, 2)).astype(np.uint16)
    photo = read(tmp_path, png_of(stored, 4, bits=16), **KEEP)
    np.testing.assert_array_equal(photo.pixels[..., 1], stored[..., 0])
    np.testing.assert_array_equal(photo.alpha, stored[..., 1])
    assert photo.gray


def test_one_color_is_transparent_at_all_its_bits(tmp_path):
    deep = np.array([[0x1234, 0x1235, 0x1234, 0xFFFF]], np.uint16)
    photo = read(tmp_path, png_of(deep, 0, (b"tRNS", b"\x12\x34"), bits=16), **KEEP)
    assert photo.alpha.tolist() == [[0, 65535, 0, 65535]]
    np.testing.assert_array_equal(photo.pixels[..., 0], deep)
    few = np.array([[0b00011011]], np.uint8)  # levels 0 to 3
    photo = read(tmp_path, png_of(few, 0, (b"tRNS", b"\0\2"), bits=2), **KEEP)
    assert photo.alpha.tolist() == [[255, 255, 0, 255]]
    assert photo.pixels[0, :, 0].tolist() == [0, 85, 170, 255]


def test_palettes_with_transparency(tmp_path):
    palette = (b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    data = png_of(np.array([[0, 1, 1]], np.uint8), 3, palette, (b"tRNS", b"\x80"))
    photo = read(tmp_path, data, **KEEP)
    assert photo.pixels.tolist() == [[[10, 20, 30], [40, 50, 60], [40, 50, 60]]]
    assert photo.alpha.tolist() == [[128, 255, 255]]
    assert "transparent" in refused(tmp_path, data)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA"])
def test_opaque_alpha_is_dropped_where_transparency_is_refused(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    image.save(tmp_path / "a.png")
    photo = read_photograph(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    assert photo.alpha is None
    assert photo.gray == (mode != "RGBA")


def test_gray_stored_as_rgb_is_gray(tmp_path):
    gray = np.repeat(picture()[..., :1], 3, axis=2)
    assert read(tmp_path, encoded(gray, "PNG")).gray
    gray[40, 50, 2] ^= 1
    assert not read(tmp_path, encoded(gray, "PNG")).gray


UPRIGHT = np.zeros((64, 96, 3), np.uint8)
UPRIGHT[:32] = 255
UPRIGHT[:32, :32] = (255, 0, 0)  # no two orientations look alike
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT),
    7: UPRIGHT.transpose(1, 0, 2)[::-1, ::-1],
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("AVIF", {}), ("TIFF", {}),
        ("TIFF", {"compression": "jpeg"}), ("TIFF", {"compression": "tiff_lzw"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("gray", [False, True])
def test_every_orientation_is_turned_upright_once(tmp_path, kind, options, orientation, gray):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    stored = np.ascontiguousarray(STORED[orientation])
    stored = stored[..., 1] if gray else stored
    photo = read(tmp_path, encoded(stored, kind, exif=exif, **options))
    expected = UPRIGHT[..., 1:2] if gray else UPRIGHT
    assert photo.pixels.shape == UPRIGHT.shape
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 3
    kept = Image.Exif()
    kept.load(photo.exif)
    assert kept[0x010F] == "Maker"
    assert 0x0112 not in kept


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_by_its_container(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = heic(STORED[orientation], exif=exif.tobytes())
    assert (b"irot" in data or b"imir" in data) == (orientation > 1)
    photo = read(tmp_path, data)
    assert np.abs(photo.pixels.astype(int) - UPRIGHT).mean() < 3


def test_heic_of_10_bits_fills_16(tmp_path):
    ramp = np.repeat(np.linspace(0, 65535, 1024).astype(np.uint16)[None, :, None], 64, 0)
    photo = read(tmp_path, heic(np.repeat(ramp, 3, 2)))
    assert photo.pixels.dtype == np.uint16
    assert photo.pixels.max() > 65000
    assert np.abs(photo.pixels.astype(int) - ramp).mean() < 65535 / 1023
    assert len(np.unique(photo.pixels)) > 900


def test_animations_and_the_first_picture_of_a_telephone(tmp_path):
    frames = [Image.fromarray(scene()), Image.fromarray(255 - scene())]
    for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:])
        assert "several pages (2)" in refused(tmp_path, file.getvalue())
        photo = read(tmp_path, file.getvalue(), frames="first")
        assert photo.dropped == ("1 further frames",)
        assert np.abs(photo.pixels.astype(int) - scene()).mean() < 12
    file = io.BytesIO()
    frames[0].save(file, "MPO", save_all=True, append_images=frames[1:])
    photo = read(tmp_path, file.getvalue())
    expected = read(tmp_path, encoded(scene(), "JPEG"))
    np.testing.assert_array_equal(photo.pixels, expected.pixels)


def test_too_many_pixels_are_refused_by_the_header(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = png_of(picture(), 2)
    bomb = bomb[:8] + struct.pack(">I", 13) + b"IHDR" + header
    bomb += struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png_of(picture(), 2)[33:]
    assert "60000x60000, more than 80,000,000 pixels" in refused(tmp_path, bomb)
    for kind in ("JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        assert "more than 100 pixels" in refused(tmp_path, encoded(scene(), kind), max_pixels=100)
    assert "more than 100 pixels" in refused(tmp_path, heic(scene()), max_pixels=100)


def test_what_a_chunk_claims_or_unpacks_to_takes_no_memory(tmp_path):
    import tracemalloc

    png = encoded(picture(), "PNG")
    end = png.find(b"IEND") - 4
    claims = png[:end] + struct.pack(">I", 0x7FFFFFFF) + b"tEXt" + b"x" * 10
    packed = zlib.compress(bytes(300_000_000), 9)
    text = png_with(png, (b"zTXt", b"a\0\0" + packed), (b"iTXt", b"a\0\1\0\0\0" + packed))
    profile = png_with(png, (b"iCCP", b"a\0\0" + packed))
    tracemalloc.start()
    assert "beyond the file" in refused(tmp_path, claims)
    assert "color profile" in refused(tmp_path, profile)
    np.testing.assert_array_equal(read(tmp_path, text).pixels, picture())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000


def test_scans_without_end_are_refused(tmp_path):
    data = encoded(scene(), "JPEG", progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    assert "scans" in refused(tmp_path, data[:-2] + scan * 300 + data[-2:])
