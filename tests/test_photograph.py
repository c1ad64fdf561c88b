"""Photographs of every kind, written by Pillow, OpenCV or by hand, and read back."""

import io
import struct

import cv2
import numpy as np
import pytest
from helpers.photographs import cmyk_profile, encoded, gray_profile, picture, png_with, saved
from PIL import Image, ImageCms

from prepare.photograph import (
    encode_jpeg,
    read_depth_map,
    read_u8,
    square_crop,
)
from prepare.photographs.photograph import UnusablePhotograph


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_lossless_formats_come_back_as_they_were(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path, Image.fromarray(picture()), name, **options)
    np.testing.assert_array_equal(read_u8(path), picture())


def test_jpeg_is_decoded_like_pillow_does_and_alike_every_time(tmp_path):
    path = saved(tmp_path, Image.fromarray(picture()), "a.jpg", quality=90)
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_u8(path), np.array(image))
    np.testing.assert_array_equal(read_u8(path), read_u8(path))


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_grey_palette_and_opaque_alpha_become_rgb(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    photo = read_u8(saved(tmp_path, image, "a.png"))
    np.testing.assert_array_equal(photo, np.array(image.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_every_orientation_is_turned_upright(tmp_path, orientation, name):
    # Top half white, left quarter of it red: no two orientations look alike.
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8] = 255
    upright[:8, :8] = (255, 0, 0)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    photo = read_u8(saved(tmp_path, image, name, exif=exif))
    assert photo.shape == upright.shape
    assert np.abs(photo.astype(int) - upright).mean() < 12


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_rounded_not_cut_off(tmp_path, name, channels):
    deep = np.random.default_rng(1).integers(0, 65536, (16, 16, channels)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
    expected = np.rint(deep / 257).astype(np.uint8)
    np.testing.assert_array_equal(read_u8(tmp_path / name), np.broadcast_to(expected, (16, 16, 3)))


def test_16_bits_with_opaque_alpha(tmp_path):
    deep = np.full((8, 8, 4), 65535, np.uint16)
    deep[..., :3] = (257 * 10, 257 * 20, 257 * 30)
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    assert read_u8(tmp_path / "a.png")[0, 0].tolist() == [30, 20, 10]


def test_color_profile_is_converted(tmp_path):
    # XYZ as a color space of its own: far from sRGB, so leaving it unconverted would show.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    same = saved(tmp_path, Image.fromarray(picture()), "a.png", icc_profile=profile.tobytes())
    assert np.abs(read_u8(same).astype(int) - picture()).max() <= 1
    swapped = bytearray(profile.tobytes())
    red, green = swapped.find(b"rXYZ"), swapped.find(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    pure = Image.fromarray(np.full((4, 4, 3), (255, 0, 0), np.uint8))
    path = saved(tmp_path, pure, "b.png", icc_profile=bytes(swapped))
    red_as_green = read_u8(path)[0, 0]
    assert red_as_green[1] > 250
    assert red_as_green[0] < 5


def test_plain_png_with_several_harmless_chunks_takes_the_same_values(tmp_path):
    for kind, body in ((b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455))):
        path = tmp_path / "a.png"
        path.write_bytes(png_with(encoded(picture(), "PNG"), (kind, body)))
        np.testing.assert_array_equal(read_u8(path), picture())


def test_other_gamma_is_converted(tmp_path):
    photo = np.full((8, 8, 3), 128, np.uint8)
    gamma = b"gAMA", struct.pack(">I", 100000)
    (tmp_path / "a.png").write_bytes(png_with(encoded(photo, "PNG"), gamma))
    # Linear light of 128 / 255 is 188 as IEC 61966-2-1 encodes it.
    np.testing.assert_array_equal(read_u8(tmp_path / "a.png"), np.full((8, 8, 3), 188))


def test_depth_maps_are_grey_of_8_or_16_bits(tmp_path):
    depth = np.arange(256, dtype=np.uint8).reshape(16, 16)
    cv2.imwrite(str(tmp_path / "8.png"), depth)
    cv2.imwrite(str(tmp_path / "16.png"), depth.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_depth_map(tmp_path / "8.png"), depth)
    np.testing.assert_array_equal(read_depth_map(tmp_path / "16.png"), depth)
    path = saved(tmp_path, Image.fromarray(picture()), "color.png")
    with pytest.raises(UnusablePhotograph, match="must be grey"):
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


def test_gray_profile_is_converted(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    path = tmp_path / "gray.jpg"
    Image.fromarray(ramp).save(path, quality=100, icc_profile=gray_profile(1.8))
    linear = (np.asarray(Image.open(path)) / 255) ** 1.8
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    got = read_u8(path)
    assert np.abs(got - 255 * expected[..., None]).max() <= 1.5


def test_cmyk_jpeg_with_profile_has_white_paper_and_black_ink(tmp_path):
    inks = np.zeros((32, 96, 4), np.uint8)
    inks[:, 32:64, 3] = 255
    inks[:, 64:, 0] = 255
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(inks, "CMYK").save(path, quality=100, icc_profile=cmyk_profile())
    paper, black, cyan = (read_u8(path)[16, x] for x in (16, 48, 80))
    assert paper.min() >= 253
    assert black.max() <= 2
    np.testing.assert_allclose(cyan, 185, atol=3)  # L* = 75 in sRGB


def test_first_picture_of_a_telephones_file_is_meant(tmp_path):
    first, second = (Image.fromarray(picture(64, 48) + np.uint8(seed)) for seed in (1, 2))
    path = tmp_path / "phone.jpg"
    first.save(path, "MPO", save_all=True, append_images=[second], quality=95)
    alone = tmp_path / "alone.jpg"
    first.save(alone, quality=95)
    assert Image.open(path).n_frames == 2
    np.testing.assert_array_equal(read_u8(path), read_u8(alone))
