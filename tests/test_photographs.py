"""Photographs of every kind come back as they are stored, upright, or with the reason why not."""

import functools
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from helpers.photographs import (
    KEEP,
    chunk,
    encoded,
    heic,
    one_of_each_kind,
    picture,
    png_of,
    png_with,
    read,
    refused,
    saved,
    scene,
)
from PIL import Image

from prepare.photographs import png
from prepare.photographs.photograph import rounded_to_8_bits
from prepare.photographs.reader import read_photograph

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_files_come_back_as_they_were(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    photo = read(tmp_path, encoded(picture(), kind, **options))
    np.testing.assert_array_equal(photo.pixels, picture())
    assert not photo.gray
    assert photo.dropped == ()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("options", [{"quality": 30}, {"progressive": True, "subsampling": 2}])
def test_jpeg_and_webp_decode_to_the_bytes_of_pillow(tmp_path, kind, options):
    data = encoded(scene(), kind, **options)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(read(tmp_path, data).pixels, expected)


def test_the_reader_does_without_opencv_and_prints_nothing(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(encoded(scene(), "JPEG")[:-900] + b"\xff\xd9")
    code = "import sys; from prepare.photographs import reader, writer\n"
    code += f"try: reader.read_photograph({str(tmp_path / 'cut.jpg')!r})\nexcept ValueError: pass\n"
    code += "sys.exit('cv2' in sys.modules or 'tensorflow' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_stay_and_round_to_the_nearest_8(tmp_path, channels, suffix):
    deep = np.random.default_rng(1).integers(0, 65536, (16, 20, channels)).astype(np.uint16)
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), deep[..., [2, 1, 0, 3][:channels]] if channels > 1 else deep)
    photo = read_photograph(path, **KEEP)
    colors = np.broadcast_to(deep[..., :3], (16, 20, 3))
    np.testing.assert_array_equal(photo.pixels, colors)
    np.testing.assert_array_equal(rounded_to_8_bits(photo.pixels), np.rint(colors / 257))
    if channels == 4:
        np.testing.assert_array_equal(photo.alpha, deep[..., 3])


def test_palettes_with_transparency(tmp_path):
    palette = (b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    data = png_of(np.array([[0, 1, 1]], np.uint8), 3, palette, (b"tRNS", b"\x80"))
    photo = read(tmp_path, data, **KEEP)
    assert photo.pixels.tolist() == [[[10, 20, 30], [40, 50, 60], [40, 50, 60]]]
    assert photo.alpha.tolist() == [[128, 255, 255]]
    assert "transparent" in refused(tmp_path, data)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_opaque_alpha_is_dropped_where_transparency_is_refused(tmp_path, mode):
    image = Image.fromarray(picture()).convert(mode)
    photo = read_photograph(saved(tmp_path, image, "a.png"))
    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    assert photo.alpha is None
    assert photo.gray == (mode in ("1", "L", "LA"))


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
@pytest.mark.parametrize("gray", [False, True])
def test_every_orientation_is_turned_upright_once(tmp_path, orientation, gray):
    stored = np.ascontiguousarray(STORED[orientation])
    stored = stored[..., 1] if gray else stored
    expected = UPRIGHT[..., 1:2] if gray else UPRIGHT
    for kind, options in (
        ("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("AVIF", {}), ("TIFF", {}),
        ("TIFF", {"compression": "jpeg"}), ("TIFF", {"compression": "tiff_lzw"})
    ):  # fmt: skip
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = orientation, "Maker"
        photo = read(tmp_path, encoded(stored, kind, exif=exif, **options))
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
    expected = read(tmp_path, encoded(scene(), "JPEG")).pixels
    np.testing.assert_array_equal(read(tmp_path, file.getvalue()).pixels, expected)


@functools.cache
def jpegs_with_bytes_around():
    """Whole JPEG files as cameras, drones, scanners and telephones write them, by what is odd."""
    whole = encoded(scene(), "JPEG")
    scan = whole.index(b"\xff\xda")
    end = scan + 2 + int.from_bytes(whole[scan + 2 : scan + 4], "big")
    video = np.random.default_rng(0).integers(0, 256, 20 << 20).astype(np.uint8).tobytes()
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x03"
    return {
        "zeros before the end": whole[:-2] + bytes(1000) + whole[-2:],
        "no end": whole[:-2],
        "a maker's text": whole[:-2] + b"a maker's text" + whole[-2:],
        "range of a scan": whole[: end - 3] + b"\x00\x40\x00" + whole[end:],
        "edition of JFIF": whole.replace(b"JFIF\0\x01", b"JFIF\0\x02", 1),
        "unknown colors": whole[:2] + adobe + whole[2:],
        "bytes between segments": whole[:20] + b"\0\0\0" + whole[20:],
        "a video behind": whole + video,
        "a preview behind": whole + encoded(255 - scene(), "JPEG"),
    }


@pytest.mark.parametrize("name", jpegs_with_bytes_around())
def test_jpegs_are_read_by_the_pictures_own_bytes(tmp_path, name):
    data = jpegs_with_bytes_around()[name]
    expected = np.asarray(Image.open(io.BytesIO(encoded(scene(), "JPEG"))))
    np.testing.assert_array_equal(read(tmp_path, data).pixels, expected)
    assert "no end" in refused(tmp_path, encoded(scene(), "JPEG", progressive=True)[:-2])


def test_boxes_of_zeros_behind_a_heic_are_no_damage(tmp_path):
    whole = heic(scene())
    photo = read(tmp_path, whole + struct.pack(">I4s", 4104, b"free") + bytes(4096))
    np.testing.assert_array_equal(photo.pixels, read(tmp_path, whole).pixels)


def test_too_many_pixels_are_refused_by_the_header(tmp_path):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    bomb = png.SIGNATURE + header + png_of(picture(), 2)[33:]
    assert "60000x60000, more than 80,000,000 pixels" in refused(tmp_path, bomb)
    for kind in ("JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        assert "more than 100 pixels" in refused(tmp_path, encoded(scene(), kind), max_pixels=100)
    assert "more than 100 pixels" in refused(tmp_path, heic(scene()), max_pixels=100)


@functools.cache
def bombs():
    """Small or long files that once took time or memory without end, by their kind."""
    plain, jpeg = encoded(picture(), "PNG"), encoded(scene(), "JPEG", progressive=True)
    packed = zlib.compress(bytes(300_000_000), 1)
    empty = (b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))) * 300_000
    tags = range(1000, 3000)
    shared = b"".join(struct.pack("<HHII", tag, 3, 50_000, 8) for tag in tags)
    scan = jpeg[jpeg.rfind(b"\xff\xda") : -2]
    return {
        "packed profile": (png_with(plain, (b"iCCP", b"a\0\0" + packed)), "color profile"),
        "empty chunks": (plain[:33] + empty + plain[33:], "chunks"),
        "shared values": (
            b"II*\0" + struct.pack("<IH", 8, len(tags)) + shared + bytes(100_000),
            "share",
        ),
        "scans": (jpeg[:-2] + scan * 300 + jpeg[-2:], "scans"),
        "segments": (jpeg[:2] + b"\xff\xfe\0\2" * 20_000 + jpeg[2:], "segments"),
        "canvas": (
            b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0" + b"\xfe\x3f\0" * 2 + bytes(8),
            "pixels",
        ),
    }


@pytest.mark.parametrize("name", bombs())
def test_bombs_are_refused_and_take_no_memory(tmp_path, name):
    import resource

    data, reason = bombs()[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert reason in refused(tmp_path, data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kB


def test_texts_that_unpack_to_much_are_left_packed(tmp_path):
    packed = zlib.compress(bytes(100_000_000), 1)
    text = (b"zTXt", b"a\0\0" + packed), (b"iTXt", b"a\0\1\0\0\0" + packed)
    photo = read(tmp_path, png_with(encoded(picture(), "PNG"), *text))
    np.testing.assert_array_equal(photo.pixels, picture())
    assert photo.dropped == ("text",)


STREAM = next(bytes(body) for name, body in png.png_chunks(png_of(picture(), 2)) if name == b"IDAT")
ROWS = zlib.decompress(STREAM)
WRONG_STREAMS = {
    "checksum": STREAM[:-1] + bytes([STREAM[-1] ^ 1]),
    "checksum that is missing": STREAM[:-4],
    "middle": STREAM[:50] + bytes([STREAM[50] ^ 8]) + STREAM[51:],
    "filter": zlib.compress(b"\5" + ROWS[1:]),
    "too few rows": zlib.compress(ROWS[:-9]),
}


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("name", WRONG_STREAMS)
def test_wrong_pixels_of_a_png_are_refused(tmp_path, name, is_fast, monkeypatch):
    monkeypatch.setattr(png, "HAS_FAST_DECODERS", is_fast)
    whole = png_of(picture(), 2)
    np.testing.assert_array_equal(read(tmp_path, whole).pixels, picture())
    start = whole.index(b"IDAT") - 4
    stream = chunk(b"IDAT", WRONG_STREAMS[name])
    assert "damaged" in refused(tmp_path, whole[:start] + stream + chunk(b"IEND", b""))


def tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_tiff_of_either_order_of_bytes(tmp_path, dtype, byteorder, layout):
    pixels = picture(37, 53, dtype)
    stored = np.moveaxis(pixels, 2, 0) if layout == "separate" else pixels
    options = {"photometric": "rgb", "planarconfig": layout, "compression": "zlib"}
    photo = read(tmp_path, tiff(stored, byteorder=byteorder, **options))
    assert photo.pixels.dtype == dtype
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert photo.dropped == ()


def test_fourth_channel_of_a_tiff_is_transparency_where_it_says_so(tmp_path):
    colors, alpha = picture(20, 30), np.full((20, 30, 1), 85, np.uint8)
    data = tiff(np.dstack([colors, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    photo = read(tmp_path, data, **KEEP)
    np.testing.assert_array_equal(photo.pixels, colors)
    np.testing.assert_array_equal(photo.alpha, alpha[..., 0])
    multiplied = np.rint(colors * (alpha / 255)).astype(np.uint8)
    data = tiff(np.dstack([multiplied, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(read(tmp_path, data, **KEEP).pixels.astype(int) - colors).max() <= 2
    data = tiff(np.dstack([colors, alpha]), photometric="rgb", extrasamples=["unspecified"])
    assert read(tmp_path, data).alpha is None


def test_big_tiff_and_resolution(tmp_path):
    options = {"resolution": (300, 200), "resolutionunit": "INCH"}
    photo = read(tmp_path, tiff(picture(), photometric="rgb", bigtiff=True, **options))
    np.testing.assert_array_equal(photo.pixels, picture())
    assert photo.dpi == pytest.approx((300, 200))


@pytest.mark.parametrize(
    ("dtype", "reason"),
    [(np.float32, "float"), (np.uint32, "uint"), (np.int16, "short"), (np.int32, "int")],
)
def test_rare_pixels_are_refused_with_the_reason(tmp_path, dtype, reason):
    assert reason in refused(tmp_path, tiff(np.eye(8, dtype=dtype), photometric="minisblack"))


def test_raw_photographs_are_not_taken_for_their_preview(tmp_path):
    version = [(50706, 1, 4, b"\1\4\0\0", True)]
    assert "raw" in refused(tmp_path, tiff(picture(), photometric="rgb", extratags=version))
    assert "raw" in refused(tmp_path, tiff(picture(), photometric="rgb", subfiletype=1))
    for kinds in ((0, 1), (1, 0)):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            for kind in kinds:
                pixels = picture(8, 8) if kind else picture()
                writer.write(pixels, photometric="rgb", metadata=None, subfiletype=kind)
        photo = read(tmp_path, file.getvalue())  # a reduced copy is no second page
        np.testing.assert_array_equal(photo.pixels, picture())


def test_directories_in_a_circle_end(tmp_path):
    data = bytearray(encoded(picture(8, 8), "TIFF"))
    at = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    np.testing.assert_array_equal(read(tmp_path, bytes(data)).pixels, picture(8, 8))


KINDS = one_of_each_kind()


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("bmp", "tiff")])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_tail_of_zeros_or_none_is_refused(tmp_path, name, kept):
    data = KINDS[name]
    size = int(len(data) * kept)
    assert refused(tmp_path, data[:size])
    assert refused(tmp_path, data[:size] + bytes(len(data) - size))


def test_twenty_flipped_bits_of_a_png_are_found(tmp_path):
    rng = np.random.default_rng(3)
    for _ in range(20):
        changed = bytearray(KINDS["png"])
        for place in rng.integers(8, len(changed) - 2, 20):
            changed[place] ^= 1 << rng.integers(8)
        assert refused(tmp_path, bytes(changed))


def test_what_is_no_image_is_refused(tmp_path):
    for content in (b"", b"<html>Quota exceeded</html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"):
        assert refused(tmp_path, content)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "EPS")
    assert "not supported" in refused(tmp_path, file.getvalue())  # would start a program
