"""Pictures, PNG chunks and small ICC profiles made by hand, for the tests of photographs."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prepare.photographs.photograph import UnusablePhotograph
from prepare.photographs.reader import read_photograph

P3_PRIMARIES = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


def picture(height: int = 48, width: int = 64, dtype: type = np.uint8) -> np.ndarray:
    """Noise that is the same on every call, (height, width, 3)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


def scene(height: int = 160, width: int = 192) -> np.ndarray:
    """A smooth picture with some grain: what coders of photographs are made for."""
    y, x = np.mgrid[:height, :width] / 20
    waves = np.stack([np.sin(x + y), np.cos(x * 0.7), np.sin(y * 1.3)], -1) * 90 + 127
    grain = np.random.default_rng(1).normal(0, 6, waves.shape)
    return np.clip(waves + grain, 0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str, **options) -> bytes:
    """The file that Pillow makes of it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def saved(tmp_path: Path, image: Image.Image, name: str, **options) -> Path:
    """Path of the file that Pillow writes of it."""
    path = tmp_path / name
    image.save(path, **options)
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with more chunks behind its header."""
    return png[:33] + b"".join(chunk(*each) for each in chunks) + png[33:]


def png_of(pixels: np.ndarray, kind: int, *chunks: tuple[bytes, bytes], bits: int = 8) -> bytes:
    """A PNG written by hand, rows of bytes as they are given, with no filter."""
    width = pixels.shape[1] if bits >= 8 else pixels.shape[1] * 8 // bits
    rows = pixels.astype(">u2") if bits == 16 else pixels
    rows = rows.reshape(len(pixels), -1).view(np.uint8)
    header = struct.pack(">IIBBBBB", width, len(pixels), bits, kind, 0, 0, 0)
    stored = np.hstack([np.zeros((len(rows), 1), np.uint8), rows]).tobytes()
    parts = [chunk(b"IHDR", header), *(chunk(*each) for each in chunks)]
    parts += [chunk(b"IDAT", zlib.compress(stored)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def rgb_profile(primaries: tuple[float, ...], gamma: float) -> bytes:
    """An ICC profile of primaries (white D65) and a power law, with ICC's own adaptation."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367],
                         [0.0389, -0.0685, 1.0296]])  # fmt: skip
    x, y = np.array([*primaries, 0.3127, 0.3290]).reshape(4, 2).T
    xyz = np.array([x / y, np.ones(4), (1 - x - y) / y])
    matrix = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    d50 = np.array([0.9642, 1.0, 0.8249])
    gains = (bradford @ d50) / (bradford @ xyz[:, 3])
    matrix = np.linalg.inv(bradford) @ np.diag(gains) @ bradford @ matrix
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"wtpt": _xyz(*d50)}
    for i, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"], tags[name + b"TRC"] = _xyz(*matrix[:, i]), curve
    return _profile(b"RGB ", b"XYZ ", tags, b"mntr")


def gray_profile(gamma: float) -> bytes:
    """Gray pixels of a plain power law."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    return _profile(b"GRAY", b"XYZ ", {b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Inks of which each takes a quarter of the lightness away, and black all of it."""
    table = b""
    for corner in range(16):  # K changes fastest
        cyan, magenta, yellow, black = (corner >> shift & 1 for shift in (3, 2, 1, 0))
        lightness = 0 if black else 100 - 25 * (cyan + magenta + yellow)
        table += bytes([round(2.55 * lightness), 128, 128])
    identity = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + table + ramp * 3
    return _profile(b"CMYK", b"Lab ", {b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"A2B0": lut})


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _profile(
    space: bytes, connection: bytes, tags: dict[bytes, bytes], device: bytes = b"prtr"
) -> bytes:
    table, body, offset = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s", offset + len(body), b"", 0x02400000, device, space, connection,
        bytes(12), b"acsp"
    )  # fmt: skip
    header = header.ljust(68, b"\0") + _xyz(0.9642, 1.0, 0.8249)[8:]
    return header.ljust(128, b"\0") + table + body


KEEP = {"alpha": "keep", "frames": "first", "max_pixels": 400_000_000}


def read(tmp_path: Path, data: bytes, **options):
    (tmp_path / "photo").write_bytes(data)
    return read_photograph(tmp_path / "photo", **options)


def refused(tmp_path: Path, data: bytes, **options) -> str:
    with pytest.raises(UnusablePhotograph) as caught:
        read(tmp_path, data, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def heic(pixels: np.ndarray, **options) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")  # encodes; the reader needs pi-heif alone
    file, height, width = io.BytesIO(), *pixels.shape[:2]
    mode = "RGB;16" if pixels.dtype == np.uint16 else "RGB"
    image = pillow_heif.from_bytes(mode, (width, height), np.ascontiguousarray(pixels).tobytes())
    image.info.update(options)
    image.save(file, quality=100, chroma=444)
    return file.getvalue()


def one_of_each_kind() -> dict[str, bytes]:
    """One small file of each kind that is read, by a name for it."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    small = scene(96, 112)
    return {
        "jpeg": encoded(small, "JPEG", exif=exif, quality=90),
        "progressive": encoded(small, "JPEG", progressive=True),
        "png": encoded(small, "PNG", exif=exif),
        "webp": encoded(small, "WEBP", exif=exif),
        "lossless webp": encoded(small, "WEBP", lossless=True),
        "tiff": encoded(small, "TIFF", exif=exif),
        "deflated tiff": encoded(small, "TIFF", compression="tiff_adobe_deflate"),
        "lzw tiff": encoded(small, "TIFF", compression="tiff_lzw"),
        "jpeg tiff": encoded(small, "TIFF", compression="jpeg"),
        "bmp": encoded(small, "BMP"),
        "gif": encoded(small, "GIF"),
        "avif": encoded(small, "AVIF", exif=exif),
        "heic": heic(small, exif=exif.tobytes()),
    }


def photographs_with_colors() -> dict[str, bytes]:
    """Files of rarer pixels and of everything that tells their colors, by a name for each."""
    small, profile = scene(64, 80), rgb_profile(P3_PRIMARIES, 2.2)
    deep = small.astype(np.uint16) * 257
    cmyk, palette, gray = io.BytesIO(), io.BytesIO(), small[..., 0]
    Image.fromarray(small).convert("CMYK").save(cmyk, "JPEG", icc_profile=cmyk_profile())
    Image.fromarray(small).quantize(16).save(palette, "PNG", transparency=3)
    told = [(b"gAMA", struct.pack(">I", 100_000)), (b"tRNS", bytes(6))]
    return {
        "jpeg with profile": encoded(small, "JPEG", icc_profile=profile),
        "cmyk jpeg": cmyk.getvalue(),
        "png with profile": encoded(small, "PNG", icc_profile=profile),
        "deep png with gamma": png_of(deep, 2, *told, bits=16),
        "gray png with cicp": png_of(gray, 0, (b"cICP", bytes([12, 13, 0, 1]))),
        "palette png": palette.getvalue(),
        "webp with profile": encoded(small, "WEBP", icc_profile=profile),
        "tiff with profile": encoded(small, "TIFF", icc_profile=profile),
        "deep gray tiff": encoded(deep[..., 0], "TIFF"),
        "heic of 10 bits": heic(deep),
    }
