"""Pairs of real photographs: which files belong together, what is wrong, and what has moved."""

import os

import numpy as np
import pytest
import skimage
from helpers.pair_files import photo_u8
from PIL import Image
from scipy.ndimage import affine_transform, fourier_shift, gaussian_filter

from prepare.records.srgb import linear_to_srgb, srgb_to_linear
from train.evaluation.alignment import align
from train.evaluation.real_pairs import ExampleError, find_real_pairs, read_example


def write(folder, *names, picture=None):
    for name in names:
        Image.fromarray(photo_u8(1, 40) if picture is None else picture).save(folder / name)


def test_parts_are_joined_whatever_their_format(tmp_path):
    write(
        tmp_path, "b_1_blurred.png", "b_1_sharp.tif", "a_Blurred.JPG", "a_sharp.webp", "notes.png"
    )
    mask = np.zeros((40, 40), np.uint8)
    mask[:10] = 255
    write(tmp_path, "a_mask.bmp", picture=mask)
    first, second = find_real_pairs(tmp_path)
    assert (first.id, first.mask.name) == ("a", "a_mask.bmp")
    assert (second.id, second.mask) == ("b_1", None)
    assert read_example(first)[2].sum() == 400
    blurred, sharp, scored = read_example(second)
    np.testing.assert_array_equal(blurred, sharp)
    assert scored.all()


def test_sixteen_bits_are_rounded(tmp_path):
    write(tmp_path, "a_blurred.png", picture=np.full((20, 20), 257 * 77, np.uint16))
    write(tmp_path, "a_sharp.png", picture=np.full((20, 20), 77, np.uint8))
    blurred, sharp, _ = read_example(*find_real_pairs(tmp_path))
    np.testing.assert_array_equal(blurred, sharp)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "holds no pairs; name two photographs"),
        (["a.png", "b.png"], "holds no pairs"),
        (["a_blurred.png"], "a_blurred.png is without a sharp partner"),
        (["a_sharp.png", "b_sharp.png"], "a_sharp.png, b_sharp.png are without a blurred partner"),
        (["a_blurred.png", "a_sharp.png", "b_mask.png"], "b_mask.png is without a blurred partner"),
        (["a_blurred.png", "a_blurred.jpg", "a_sharp.png"], "are the same part; remove one"),
    ],
)
def test_wrong_folders_are_named(tmp_path, names, said):
    write(tmp_path, *names)
    with pytest.raises(ExampleError, match=said):
        find_real_pairs(tmp_path)


def test_odd_and_missing_names_are_named(tmp_path):
    with pytest.raises(ExampleError, match=r"none is not a folder; REAL=.. names a folder"):
        find_real_pairs(tmp_path / "none")
    for half in (b"caf\xe9_blurred.png", b"caf\xe9_sharp.png"):
        (tmp_path / os.fsdecode(half)).write_bytes(b"")
    with pytest.raises(ExampleError, match=r"the name caf\\xe9_blurred.png is no text; rename"):
        find_real_pairs(tmp_path)


@pytest.mark.parametrize(
    ("name", "picture", "said"),
    [
        ("a_sharp.png", photo_u8(1, 41), "a_sharp.png is 41x41, but a_blurred.png 40x40"),
        ("a_mask.png", np.zeros((40, 40), np.uint8), "a_mask.png is black everywhere"),
        ("a_mask.png", np.full((20, 40), 255, np.uint8), "a_mask.png is 40x20"),
    ],
)
def test_pairs_that_do_not_fit_are_named(tmp_path, name, picture, said):
    write(tmp_path, "a_blurred.png", "a_sharp.png")
    write(tmp_path, name, picture=picture)
    with pytest.raises(ExampleError, match=said):
        read_example(*find_real_pairs(tmp_path))


def test_damaged_and_tiny_photographs_are_named(tmp_path):
    write(tmp_path, "a_blurred.png", "a_sharp.png", picture=photo_u8(1, 10))
    with pytest.raises(ExampleError, match=r"a_blurred.png is 10x10, too small to score"):
        read_example(*find_real_pairs(tmp_path))
    (tmp_path / "a_sharp.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    with pytest.raises(ExampleError, match=r"a_sharp.png: .*; replace it, or remove the pair"):
        read_example(*find_real_pairs(tmp_path))


# Moves, sizes and exposures that are known are found again.

WHOLE = np.ones((256, 256), bool)


@pytest.fixture(scope="module")
def large():
    return skimage.data.astronaut().astype(np.float64)


def cut(picture):
    return np.rint(picture[128:384, 100:356]).clip(0, 255).astype(np.uint8)


def shifted(picture, down, right):
    """What was `down` lower and `right` further right, by the exact shift of a periodic picture."""
    channels = [fourier_shift(np.fft.fft2(picture[..., c]), (-down, -right)) for c in range(3)]
    return np.stack([np.fft.ifft2(channel).real for channel in channels], axis=-1)


def out_of_focus(picture, sigma_px, exposure=1.0):
    light = gaussian_filter(srgb_to_linear(picture.clip(0, 255) / 255), (sigma_px, sigma_px, 0))
    return 255.0 * linear_to_srgb(light * exposure)


def rms(one, other):
    inner = slice(16, -16)
    return float(np.sqrt(np.mean((one[inner, inner].astype(float) - other[inner, inner]) ** 2)))


@pytest.mark.parametrize(
    ("move", "sigma_px"), [((0.3, -0.4), 1.0), ((2.6, -5.3), 4.0), ((0.0, 9.5), 4.0)]
)
def test_moves_are_found_through_blur(large, move, sigma_px):
    there = shifted(large, *move)
    aligned = align(cut(out_of_focus(there, sigma_px)), cut(large), WHOLE)
    assert aligned.found
    assert aligned.moved_px == pytest.approx(np.hypot(*move), abs=0.08)
    assert rms(aligned.sharp_u8, cut(there)) < 0.35 * rms(cut(large), cut(there))
    assert aligned.inside.mean() == pytest.approx(np.prod(1 - np.abs(move) / 256), abs=0.01)


def test_growth_with_the_focus_is_found(large):
    """A picture that is 1.5 % larger is 1.9 pixels off at the middle of its sides."""
    offset = (1 - 1.015) * np.array([127.5 + 128, 127.5 + 100])
    grown = [affine_transform(large[..., c], [1.015] * 2, offset, order=5) for c in range(3)]
    there = np.stack(grown, axis=-1)
    aligned = align(cut(out_of_focus(there, 3)), cut(large), WHOLE)
    assert rms(aligned.sharp_u8, cut(there)) < 0.2 * rms(cut(large), cut(there))


def test_what_fits_is_left_as_it_is(large):
    noise = np.random.default_rng(0).normal(0, 2, large.shape)
    aligned = align(cut(out_of_focus(large, 3) + noise), cut(large), WHOLE)
    assert aligned.moved_px == 0
    assert aligned.inside.all()
    assert aligned.light_ratio == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(aligned.sharp_u8, cut(large))


def test_other_exposure_is_brought_over(large):
    dimmed = 255.0 * linear_to_srgb(0.6 * srgb_to_linear(large / 255))
    aligned = align(cut(out_of_focus(dimmed, 3, exposure=1.3)), cut(dimmed), WHOLE)
    assert aligned.light_ratio == pytest.approx(1.3, abs=0.03)
    assert rms(aligned.sharp_u8, cut(out_of_focus(dimmed, 0, exposure=1.3))) < 3


@pytest.mark.parametrize("what", ["noise", "flat", "small"])
def test_what_cannot_be_told_is_left(what):
    rng, side = np.random.default_rng(0), 20 if what == "small" else 128
    one, other = rng.integers(0, 256, (2, side, side, 3), np.uint8)
    if what == "flat":
        one, other = np.full_like(one, 90), np.full_like(other, 90)
    aligned = align(one, other, np.ones((side, side), bool))
    assert aligned.sharp_u8.shape == other.shape
    assert aligned.moved_px <= (0.05 * side if what == "noise" else 0)
