"""What the writer writes, read back by others; finding and naming; what the preparation takes."""

import io
import os
import struct

import cv2
import numpy as np
import pytest
from helpers.photographs import KEEP, encoded, picture, png_with, read, saved
from PIL import Image

from prepare.blur.lens_blur import encode_jpeg
from prepare.photographs.photograph import Photograph, UnusablePhotograph
from prepare.photographs.reader import photographs_in, read_photograph, shown_name
from prepare.photographs.writer import source_of, write_photograph
from prepare.pictures import read_depth_map, square_crop


def write(path, photograph, restored):
    with path.open("wb") as file:
        write_photograph(file, photograph, restored)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("transparent", [False, True])
def test_pixels_come_back(tmp_path, monkeypatch, dtype, gray, transparent):
    monkeypatch.setattr("prepare.photographs.writer.BLOCK_BYTES", 4000)  # some rows at a time
    pixels = picture(41, 67, dtype)
    pixels = np.repeat(pixels[..., :1], 3, 2) if gray else pixels
    alpha = pixels[::-1, :, 0].copy() if transparent else None
    write(tmp_path / "a.png", Photograph(pixels, alpha, gray), pixels)
    stored = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == dtype
    if not gray:
        np.testing.assert_array_equal(stored[..., 2::-1], pixels)
    photo = read_photograph(tmp_path / "a.png", **KEEP)
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert photo.gray == gray
    if transparent:
        np.testing.assert_array_equal(photo.alpha, alpha)
    bits, kind = (tmp_path / "a.png").read_bytes()[24:26]
    assert (bits, kind) == (8 * np.dtype(dtype).itemsize, 2 * (not gray) + 4 * transparent)


def test_a_gray_photograph_gets_no_colors(tmp_path):
    gray = np.repeat(picture()[..., :1], 3, 2)
    photo = read(tmp_path, encoded(gray, "PNG"))
    write(tmp_path / "a.png", photo, picture())
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        expected = np.asarray(Image.fromarray(picture()).convert("L")).astype(int)
        assert np.abs(np.asarray(image) - expected).max() <= 1


def test_exif_and_resolution_are_kept(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x0111] = "Maker", 6, 1234
    exif[0x8769] = {0x9003: "2024:05:06 07:08:09", 0x829A: (1, 250)}
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 33.0)}
    data = encoded(picture(), "JPEG", exif=exif.tobytes(), dpi=(300, 200))
    photo = read(tmp_path, data)
    write(tmp_path / "a.png", photo, photo.pixels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (48, 64)
        kept = image.getexif()
        assert image.info["dpi"] == pytest.approx((200, 300), abs=0.1)  # turned with the picture
        assert image.info["srgb"] == 0
    assert dict(kept).keys() == {0x010F, 0x8769, 0x8825}
    assert kept.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
    assert kept.get_ifd(0x8825)[1] == "N"


def test_damaged_exif_is_dropped_and_said(tmp_path):
    broken = b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<H", 500) + b"\xff" * 40
    photo = read(tmp_path, encoded(picture(), "JPEG", exif=broken))
    assert photo.exif is None
    assert photo.dropped == ("EXIF",)


def test_values_that_share_their_place_in_exif_take_no_memory(tmp_path):
    entries = b"".join(struct.pack("<HHII", i, 5, 1 << 17, 8) for i in range(1, 200))
    nested = struct.pack("<H", 199) + entries + bytes(4)
    head = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    exif = (b"eXIf", head + nested + bytes(1 << 20))
    assert read(tmp_path, png_with(encoded(picture(), "PNG"), exif)).dropped == ("EXIF",)


def test_our_own_files_are_told_from_others(tmp_path):
    write(tmp_path / "ours.png", Photograph(picture()), picture())
    (tmp_path / "other.png").write_bytes(encoded(picture(), "PNG"))
    (tmp_path / "text").write_text("Pix2Pix-Deblurrer")
    os.mkfifo(tmp_path / "pipe")
    assert source_of(tmp_path / "ours.png") == ""
    for name in ("other.png", "text", "pipe", "missing", "."):
        assert source_of(tmp_path / name) is None


def test_listing(tmp_path):
    names = ["b.JPG", "a.jfif", "c.jpe", "d.heic", "e.HEIF", "f.avif", "g.tiff", "no.ext.jpg.jpg"]
    for name in [*names, "._b.JPG", ".hidden.png", "text.txt", "jpg", ".jpg"]:
        (tmp_path / name).touch()
    latin = os.fsdecode("Müller.jpg".encode("latin-1"))
    (tmp_path / latin).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner.png").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.png").touch()
    os.symlink("..", tmp_path / "sub" / "up")
    os.symlink("self.jpg", tmp_path / "self.jpg")
    found = [path.name for path in photographs_in(tmp_path)]
    assert found == sorted([*names, latin, "self.jpg"], key=os.fsencode)
    below = photographs_in(tmp_path, recursive=True)
    assert [path for path in below if path.parent != tmp_path] == [tmp_path / "sub" / "inner.png"]
    assert shown_name(tmp_path / latin) == "M\\xfcller.jpg"
    assert shown_name("new\nline.jpg") == "new\\nline.jpg"
    with pytest.raises(FileNotFoundError):
        photographs_in(tmp_path / "missing")


def test_depth_maps_are_grey_of_8_or_16_bits(tmp_path):
    depth = np.arange(256, dtype=np.uint8).reshape(16, 16)
    cv2.imwrite(str(tmp_path / "8.png"), depth)
    cv2.imwrite(str(tmp_path / "16.png"), depth.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_depth_map(tmp_path / "8.png"), depth)
    np.testing.assert_array_equal(read_depth_map(tmp_path / "16.png"), depth)
    path = saved(tmp_path, Image.fromarray(picture()), "color.png")
    with pytest.raises(UnusablePhotograph, match="must be gray"):
        read_depth_map(path)


def test_square_crop_is_from_the_middle():
    photo = picture(10, 16)
    np.testing.assert_array_equal(square_crop(photo), photo[:, 3:13])
    np.testing.assert_array_equal(square_crop(photo.transpose(1, 0, 2)).shape, (10, 10, 3))


def test_jpeg_keeps_color_at_full_resolution():
    photo = np.zeros((32, 32, 3), np.uint8)
    photo[:, ::2] = (255, 0, 0)
    photo[:, 1::2] = (0, 0, 255)
    data = encode_jpeg(photo, 95)
    with Image.open(io.BytesIO(data)) as image:
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3
        assert np.abs(np.array(image).astype(int) - photo).mean() < 8
    assert encode_jpeg(photo, 95) == data
    assert len(encode_jpeg(photo, 50)) < len(data)
