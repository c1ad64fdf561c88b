"""Damaged files give a photograph or a reason, and nothing else."""

import io
from collections import Counter

import numpy as np
import pytest
from helpers.photographs import KEEP, encoded, one_of_each_kind, read, refused, scene
from PIL import Image

from prepare.photographs.photograph import Photograph, UnusablePhotograph
from prepare.photographs.reader import read_photograph

FILES = one_of_each_kind()


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Bits flipped, cut off, a tail of zeros, or bytes replaced; often in the first 600 bytes."""
    changed, how = bytearray(data), rng.integers(5)
    end = min(600, len(data)) if rng.random() < 0.5 else len(data)
    if how == 0:
        return bytes(changed[: rng.integers(len(data))])
    if how == 1:
        start = rng.integers(len(data))
        return bytes(changed[:start]) + bytes(len(data) - start)
    for place in rng.integers(4, end, rng.integers(1, 21)):
        changed[place] = changed[place] ^ (1 << rng.integers(8)) if how < 4 else rng.integers(256)
    return bytes(changed)


@pytest.mark.parametrize("name", FILES)
def test_any_damage_gives_a_photograph_or_a_reason(tmp_path, name):
    rng, path, data = np.random.default_rng(7), tmp_path / "photo", FILES[name]
    outcomes = Counter()
    for _ in range(300):
        path.write_bytes(damaged(data, rng))
        try:
            photo = read_photograph(path, **KEEP)
        except UnusablePhotograph:
            outcomes["refused"] += 1
        else:
            assert isinstance(photo, Photograph)
            outcomes["taken"] += 1
    if name == "png":
        assert outcomes["taken"] == 0  # every byte is under a checksum
    assert outcomes["refused"] > 50


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("bmp", "tiff")])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_tail_of_zeros_or_none_is_refused(tmp_path, name, kept):
    data = FILES[name]
    size = int(len(data) * kept)
    assert refused(tmp_path, data[:size])
    assert refused(tmp_path, data[:size] + bytes(len(data) - size))


def test_twenty_flipped_bits_of_jpegs_are_mostly_found(tmp_path):
    """Of 60 photographs; without a checksum a few look whole (see `jpeg`)."""
    rng, taken = np.random.default_rng(3), 0
    for quality in (75, 90, 95):
        data = encoded(scene(320, 320), "JPEG", quality=quality)
        for _ in range(20):
            changed = bytearray(data)
            for place in rng.integers(700, len(data) - 2, 20):
                changed[place] ^= 1 << rng.integers(8)
            try:
                read(tmp_path, bytes(changed))
                taken += 1
            except UnusablePhotograph:
                pass
    assert taken <= 6


@pytest.mark.parametrize("quality", [1, 5, 30, 75, 95, 100])
def test_whole_jpegs_of_extreme_colors_are_taken(tmp_path, quality):
    rng = np.random.default_rng(4)
    flat = [np.full((64, 64, 3), color, np.uint8) for color in ((255,) * 3, (0,) * 3, (255, 0, 0))]
    noise = np.kron(rng.integers(0, 2, (8, 8, 3)) * 255, np.ones((8, 8, 1))).astype(np.uint8)
    for pixels in [*flat, noise, noise[..., 0]]:
        for options in ({}, {"subsampling": 0}, {"progressive": True}):
            read(tmp_path, encoded(pixels, "JPEG", quality=quality, **options))


def test_bytes_around_a_jpegs_picture_are_no_damage(tmp_path):
    data = encoded(scene(), "JPEG")
    read(tmp_path, data[:-2] + bytes(50) + data[-2:])
    assert "damaged" in refused(tmp_path, data[:-2])  # no end
    assert read(tmp_path, data + b"a telephone's appendix").pixels.shape == (160, 192, 3)


def test_what_is_no_image_is_refused(tmp_path):
    for content in (b"", b"<html>Quota exceeded</html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"):
        assert refused(tmp_path, content)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "EPS")
    assert "not supported" in refused(tmp_path, file.getvalue())  # would start a program
