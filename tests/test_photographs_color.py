"""Colors as a color-managed viewer shows them, against LittleCMS or values computed by hand."""

import io
import struct
import zlib

import numpy as np
import pytest
from helpers.photographs import (
    KEEP,
    P3_PRIMARIES,
    cmyk_profile,
    encoded,
    gray_profile,
    heic,
    picture,
    png_of,
    png_with,
    read,
    refused,
    rgb_profile,
)
from PIL import Image, ImageCms

from prepare.photographs.photograph import rounded_to_8_bits

ADOBE_PRIMARIES = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def by_littlecms(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    converted = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(converted).astype(int)


def srgb(linear: np.ndarray) -> np.ndarray:
    low = linear <= 0.0031308
    return np.where(low, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def gamut() -> np.ndarray:
    """Colors on a grid, (27, 27, 3)."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)


@pytest.mark.parametrize("primaries", [ADOBE_PRIMARIES, P3_PRIMARIES])
def test_profiles_of_8_and_16_bits_agree_with_littlecms(tmp_path, primaries):
    profile = rgb_profile(primaries, 563 / 256)
    expected = by_littlecms(gamut(), profile)
    shallow = read(tmp_path, encoded(gamut(), "PNG", icc_profile=profile)).pixels
    np.testing.assert_array_equal(shallow, expected)
    packed = zlib.compress(profile)
    deep = png_of(gamut().astype(np.uint16) * 257, 2, (b"iCCP", b"a\0\0" + packed), bits=16)
    photo = read(tmp_path, deep, **KEEP)
    assert photo.pixels.dtype == np.uint16
    assert np.abs(rounded_to_8_bits(photo.pixels).astype(int) - expected).max() <= 2


def test_code_points_of_display_p3(tmp_path):
    # H.273: primaries 12 (P3 with D65), transfer 13 (sRGB's), RGB, full range.
    data = png_with(encoded(gamut(), "PNG"), (b"cICP", bytes([12, 13, 0, 1])))
    # SMPTE EG 432-1 to sRGB, as in CSS Color 4, Sec. 10.9.
    matrix = np.array([[1.2249402, -0.2249402, 0], [-0.0420570, 1.0420570, 0],
                       [-0.0196376, -0.0786361, 1.0982736]])  # fmt: skip
    encoded_p3 = gamut() / 255
    low = encoded_p3 <= 0.04045
    linear = np.where(low, encoded_p3 / 12.92, ((encoded_p3 + 0.055) / 1.055) ** 2.4) @ matrix.T
    expected = np.rint(255 * srgb(np.clip(linear, 0, 1)))
    assert np.abs(read(tmp_path, data).pixels - expected).max() <= 1


def test_hdr_is_refused(tmp_path):
    for transfer in (16, 18):
        points = (b"cICP", bytes([9, transfer, 0, 1]))
        assert "HDR" in refused(tmp_path, png_with(encoded(picture(), "PNG"), points))


@pytest.mark.parametrize("stored", [100_000, 55_556])
@pytest.mark.parametrize("bits", [8, 16])
def test_gamma_of_a_png(tmp_path, stored, bits):
    highest = (1 << bits) - 1
    pixels = picture(dtype=np.uint16 if bits == 16 else np.uint8)
    data = png_of(pixels, 2, (b"gAMA", struct.pack(">I", stored)), bits=bits)
    expected = highest * srgb((pixels / highest) ** (100_000 / stored))
    got = read(tmp_path, data).pixels
    assert np.abs(got - expected).max() <= (0.51 if bits == 8 else 2)


def test_gamma_with_primaries(tmp_path):
    chromaticities = struct.pack(">8I", 31270, 32900, *(round(v * 1e5) for v in ADOBE_PRIMARIES))
    gamma = (b"gAMA", struct.pack(">I", round(1e5 * 256 / 563)))
    data = png_with(encoded(gamut(), "PNG"), gamma, (b"cHRM", chromaticities))
    expected = by_littlecms(gamut(), rgb_profile(ADOBE_PRIMARIES, 563 / 256))
    assert np.abs(read(tmp_path, data).pixels - expected).max() <= 2


def test_precedence_of_chunks(tmp_path):
    packed = zlib.compress(rgb_profile(ADOBE_PRIMARIES, 2.2))
    gamma, mark = (b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")
    profile, points = (b"iCCP", b"a\0\0" + packed), (b"cICP", bytes([1, 13, 0, 1]))
    png = encoded(gamut(), "PNG")
    srgb_white_first = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    own = (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *srgb_white_first))
    as_stored = [(gamma, mark), (gamma, profile, points), (points, gamma), (mark,), own]
    for chunks in as_stored:
        np.testing.assert_array_equal(read(tmp_path, png_with(png, *chunks)).pixels, gamut())
    expected = by_littlecms(gamut(), rgb_profile(ADOBE_PRIMARIES, 2.2))
    for chunks in [(profile, gamma), (mark, profile), (gamma, mark, profile)]:
        got = read(tmp_path, png_with(png, *chunks)).pixels
        np.testing.assert_array_equal(got, expected)


def adobe_exif(index: str = "R03", color_space: int = 0xFFFF) -> Image.Exif:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: color_space, 0xA005: {1: index}}
    return exif


def test_adobe_rgb_told_by_exif_alone(tmp_path):
    data = encoded(gamut(), "JPEG", quality=100, subsampling=0, exif=adobe_exif().tobytes())
    stored = np.asarray(Image.open(io.BytesIO(data)))
    expected = by_littlecms(stored, rgb_profile(ADOBE_PRIMARIES, 563 / 256))
    photo = read(tmp_path, data)
    assert np.abs(photo.pixels - expected).max() <= 2
    assert np.abs(photo.pixels.astype(int) - stored).mean() > 5
    kept = Image.Exif()
    kept.load(photo.exif)
    assert kept.get_ifd(0x8769)[0xA001] == 1  # what is written is sRGB, and says so
    assert 0xA005 not in kept.get_ifd(0x8769)
    for exif in (adobe_exif("R98", 1), adobe_exif("R98", 0xFFFF)):
        plain = read(tmp_path, encoded(gamut(), "PNG", exif=exif.tobytes()))
        np.testing.assert_array_equal(plain.pixels, gamut())


def test_inks_with_a_profile_and_without(tmp_path):
    inks = np.zeros((32, 96, 4), np.uint8)
    inks[:, 32:64, 3] = 255
    inks[:, 64:, 0] = 255
    for kind, options in (("JPEG", {"quality": 100}), ("TIFF", {})):
        file = io.BytesIO()
        Image.fromarray(inks, "CMYK").save(file, kind, icc_profile=cmyk_profile(), **options)
        paper, black, cyan = (read(tmp_path, file.getvalue()).pixels[16, x] for x in (16, 48, 80))
        assert paper.min() >= 253
        assert black.max() <= 2
        np.testing.assert_allclose(cyan, 185, atol=3)  # L* = 75 in sRGB
        file = io.BytesIO()
        Image.fromarray(inks, "CMYK").save(file, kind, **options)
        assert "CMYK without a color profile" in refused(tmp_path, file.getvalue())


@pytest.mark.parametrize("bits", [8, 16])
def test_gray_profile(tmp_path, bits):
    highest = (1 << bits) - 1
    ramp = np.tile(np.arange(256) * (highest // 255), (4, 1))
    ramp = ramp.astype(np.uint16 if bits == 16 else np.uint8)
    packed = zlib.compress(gray_profile(1.8))
    photo = read(tmp_path, png_of(ramp, 0, (b"iCCP", b"a\0\0" + packed), bits=bits))
    expected = highest * srgb((ramp / highest) ** (461 / 256))
    assert np.abs(photo.pixels - expected[..., None]).max() <= 1.5 * highest / 255
    assert photo.gray


def test_gray_pixels_with_a_profile_of_colors_stay_gray(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = read(tmp_path, encoded(ramp, "PNG", icc_profile=profile))
    assert photo.gray
    assert np.abs(photo.pixels.astype(int) - ramp[..., None]).max() <= 1


def test_16_bits_with_a_profile_of_tables_become_8_and_it_is_said(tmp_path):
    import tifffile

    inks = np.zeros((16, 16, 4), np.uint16)
    tags = [(34675, 7, len(cmyk_profile()), cmyk_profile(), True)]
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", extratags=tags)
    photo = read(tmp_path, (tmp_path / "a.tif").read_bytes())
    assert photo.pixels.min() >= 253
    assert "more than 8 bits" in photo.dropped[0]


def test_heic_and_avif_with_code_points_or_a_profile(tmp_path):
    profile = rgb_profile(P3_PRIMARIES, 2.2)
    large = np.kron(gamut()[:9, :9], np.ones((8, 8, 1), np.uint8))
    expected = by_littlecms(large, profile)
    for data in (
        heic(large, icc_profile=profile, icc_profile_type="prof"),
        encoded(large, "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile),
    ):
        assert np.abs(read(tmp_path, data).pixels - expected).mean() < 2
    srgb_points = b"colrnclx" + struct.pack(">HHH", 1, 13, 6)
    p3_points = b"colrnclx" + struct.pack(">HHH", 12, 13, 6)
    data = heic(large)
    assert srgb_points in data
    changed = read(tmp_path, data.replace(srgb_points, p3_points)).pixels
    png = png_with(encoded(large, "PNG"), (b"cICP", bytes([12, 13, 0, 1])))
    assert np.abs(changed.astype(int) - read(tmp_path, png).pixels).mean() < 2
    hdr = data.replace(srgb_points, b"colrnclx" + struct.pack(">HHH", 9, 16, 6))
    assert "HDR" in refused(tmp_path, hdr)


def test_profiles_of_another_kind_or_broken_are_refused(tmp_path):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert "profile for Lab" in refused(tmp_path, encoded(picture(), "PNG", icc_profile=lab))
    broken = encoded(picture(), "PNG", icc_profile=b"nonsense" * 30)
    assert "unusable color profile" in refused(tmp_path, broken)
