"""Photographs that are refused, with the reason: none of them is guessed at."""

import struct
import zlib

import numpy as np
import pytest
from helpers.photographs import chunk, encoded, picture, png_with, saved
from PIL import Image, ImageCms

from prepare.photograph import read_u8
from prepare.photographs.photograph import UnusablePhotograph


def refused(path) -> str:
    with pytest.raises(UnusablePhotograph) as caught:
        read_u8(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_high_dynamic_range_is_refused(tmp_path):
    png = png_with(encoded(picture(), "PNG"), (b"cICP", bytes([9, 16, 0, 1])))
    (tmp_path / "a.png").write_bytes(png)
    assert "HDR" in refused(tmp_path / "a.png")


def test_transparency_is_refused(tmp_path):
    image = Image.fromarray(picture()).convert("RGBA")
    image.putpixel((3, 3), (1, 2, 3, 200))
    assert "transparent" in refused(saved(tmp_path, image, "a.png"))
    paletted = Image.fromarray(picture()).convert("P")
    hole = paletted.getpixel((0, 0))
    assert "transparent" in refused(saved(tmp_path, paletted, "b.png", transparency=hole))


def test_cmyk_without_profile_is_refused(tmp_path):
    image = Image.fromarray(picture()).convert("CMYK")
    assert "CMYK without a color profile" in refused(saved(tmp_path, image, "a.jpg"))


def test_profiles_of_another_kind_or_broken_are_refused(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = Image.fromarray(picture())
    assert "profile for" in refused(saved(tmp_path, photo, "a.png", icc_profile=lab))
    path = saved(tmp_path, photo, "b.png", icc_profile=b"nonsense" * 30)
    assert "profile" in refused(path)


def test_animations_and_pages_are_refused(tmp_path):
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture())]
    for name in ("a.gif", "a.webp", "a.png", "a.tif"):
        path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
        assert "several pages (2)" in refused(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.97])
def test_cut_off_files_are_refused(tmp_path, name, kept):
    path = saved(tmp_path, Image.fromarray(picture(200, 300)), name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert refused(path)


def test_damaged_png_is_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(picture(200, 300)), "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    assert "damaged" in refused(path)


def test_what_is_no_image_is_refused(tmp_path):
    for content in (b"", b"<html>Quota exceeded</html>", b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "a.png").write_bytes(content)
        assert refused(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        read_u8(tmp_path / "missing.png")


def test_decompression_bombs_are_refused_before_they_are_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)
    (tmp_path / "a.png").write_bytes(data)
    assert "more than 80,000,000 pixels" in refused(tmp_path / "a.png")


def test_floating_point_pixels_are_refused(tmp_path):
    image = Image.fromarray(np.ones((8, 8), np.float32))
    assert "float" in refused(saved(tmp_path, image, "a.tif"))
