"""TIFF of every layout, written by tifffile, OpenCV and Pillow, and what is refused."""

import io
import itertools
import struct

import cv2
import numpy as np
import pytest
import tifffile
from helpers.photographs import KEEP, encoded, picture, read, refused
from PIL import Image

LAYOUTS = ({}, {"rowsperstrip": 5}, {"tile": (16, 32)})
PACKINGS = ({}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True})


def tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_rgb_in_strips_tiles_and_planes(tmp_path, dtype, byteorder, planes):
    pixels = picture(37, 53, dtype)
    stored = pixels if planes == "contig" else np.moveaxis(pixels, 2, 0)
    layouts = LAYOUTS if planes == "contig" else LAYOUTS[:2]  # libvips reads no tiles of planes
    for layout, packing in itertools.product(layouts, PACKINGS):
        data = tiff(stored, byteorder=byteorder, photometric="rgb", planarconfig=planes,
                    **layout, **packing)  # fmt: skip
        photo = read(tmp_path, data, **KEEP)
        assert photo.pixels.dtype == dtype
        np.testing.assert_array_equal(photo.pixels, pixels)
        assert photo.dropped == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("zero", ["minisblack", "miniswhite"])
def test_gray_whichever_end_is_black(tmp_path, dtype, byteorder, zero):
    gray = picture(37, 53, dtype)[..., 0]
    expected = gray if zero == "minisblack" else np.iinfo(dtype).max - gray
    for layout, packing in itertools.product(LAYOUTS, PACKINGS):
        data = tiff(gray, byteorder=byteorder, photometric=zero, **layout, **packing)
        photo = read(tmp_path, data, **KEEP)
        np.testing.assert_array_equal(photo.pixels[..., 2], expected)
        assert photo.gray


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [1, 5, 8, 32946, 32773])
@pytest.mark.parametrize("predictor", [1, 2])
def test_what_opencv_writes(tmp_path, dtype, compression, predictor):
    pixels = picture(37, 53, dtype)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    cv2.imwrite(str(tmp_path / "a.tif"), pixels[..., ::-1], options)
    photo = read(tmp_path, (tmp_path / "a.tif").read_bytes(), **KEEP)
    np.testing.assert_array_equal(photo.pixels, pixels)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits", "group4"])
def test_black_and_white_and_few_levels(tmp_path, compression):
    image = Image.fromarray(picture()).convert("1")
    file = io.BytesIO()
    image.save(file, "TIFF", compression=compression)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read(tmp_path, file.getvalue()).pixels, expected)


def test_palettes(tmp_path):
    image = Image.fromarray(picture()).convert("P")
    file = io.BytesIO()
    image.save(file, "TIFF")
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read(tmp_path, file.getvalue()).pixels, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_stored_beside_or_multiplied_in(tmp_path, dtype):
    highest = np.iinfo(dtype).max
    colors = picture(20, 30, dtype)
    alpha = np.full((20, 30, 1), highest // 3, dtype)
    data = tiff(np.dstack([colors, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    photo = read(tmp_path, data, **KEEP)
    np.testing.assert_array_equal(photo.pixels, colors)
    np.testing.assert_array_equal(photo.alpha, alpha[..., 0])
    multiplied = np.rint(colors * (alpha / highest)).astype(dtype)
    data = tiff(np.dstack([multiplied, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    photo = read(tmp_path, data, **KEEP)
    assert np.abs(photo.pixels.astype(int) - colors).max() <= 2
    data = tiff(np.dstack([colors, alpha]), photometric="rgb", extrasamples=["unspecified"])
    assert read(tmp_path, data).alpha is None


def test_big_tiff_and_resolution(tmp_path):
    data = tiff(picture(), photometric="rgb", bigtiff=True, resolution=(300, 200),
                resolutionunit="INCH")  # fmt: skip
    photo = read(tmp_path, data)
    np.testing.assert_array_equal(photo.pixels, picture())
    assert photo.dpi == pytest.approx((300, 200))


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((8, 8), np.nan, np.float32), "float"),
        (np.eye(8, dtype=np.float64), "samples out of range"),
        (np.eye(8, dtype=np.uint32), "uint"),
        (np.eye(8, dtype=np.int16), "short"),
        (np.eye(8, dtype=np.int32), "int"),
    ],
)
def test_rare_pixels_are_refused_with_the_reason(tmp_path, pixels, reason):
    assert reason in refused(tmp_path, tiff(pixels, photometric="minisblack"))


def test_raw_photographs_are_not_taken_for_their_preview(tmp_path):
    version = [(50706, 1, 4, b"\1\4\0\0", True)]
    data = tiff(picture(), photometric="rgb", extratags=version)
    assert "raw" in refused(tmp_path, data)
    assert "raw" in refused(tmp_path, tiff(picture(), photometric="rgb", subfiletype=1))
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(picture(), photometric="rgb", metadata=None)
        writer.write(picture(8, 8), photometric="rgb", metadata=None, subfiletype=1)
    photo = read(tmp_path, file.getvalue())  # a reduced copy is no second page
    np.testing.assert_array_equal(photo.pixels, picture())


def test_tags_of_any_type_and_number_give_a_photograph_or_a_reason(tmp_path):
    """What made TypeError, KeyError, struct.error, OverflowError and others of a decoder."""
    from prepare.photographs.photograph import UnusablePhotograph

    data = encoded(picture(8, 8), "TIFF")
    at = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, at)[0]
    reasons = set()
    for place in range(at + 2, at + 2 + 12 * count, 12):
        for kind, number, value in itertools.product(
            (0, 1, 2, 3, 4, 5, 7, 10, 12, 16, 99), (0, 1, 3, 2**31), (0, 1, 8, 2**31, 2**32 - 1)
        ):
            changed = bytearray(data)
            struct.pack_into("<HII", changed, place + 2, kind, number, value)
            try:
                read(tmp_path, bytes(changed), **KEEP)
            except UnusablePhotograph as error:
                reasons.add(str(error))
    assert len(reasons) > 5


def test_directories_in_a_circle_end(tmp_path):
    data = bytearray(encoded(picture(8, 8), "TIFF"))
    at = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    np.testing.assert_array_equal(read(tmp_path, bytes(data)).pixels, picture(8, 8))


def test_pillows_own_limit_of_pixels_is_not_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for kind, options in (
        ("TIFF", {"compression": "tiff_lzw"}), ("PNG", {}), ("JPEG", {}), ("GIF", {}),
    ):  # fmt: skip
        assert read(tmp_path, encoded(picture(), kind, **options)).pixels.shape == (48, 64, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000
