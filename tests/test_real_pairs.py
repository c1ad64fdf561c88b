"""Pairs of real photographs: which files belong together, and what is wrong with the others."""

import os

import numpy as np
import pytest
from helpers.pair_files import photo_u8
from PIL import Image

from train.evaluation.real_pairs import RealPairsError, find_real_pairs, read_real_pair


def write(folder, name, picture=None, side=40):
    folder.mkdir(exist_ok=True)
    Image.fromarray(photo_u8(1, side) if picture is None else picture).save(folder / name)


def test_parts_are_joined_whatever_their_format(tmp_path):
    write(tmp_path, "b_1_blurred.png")
    write(tmp_path, "b_1_sharp.tif")
    write(tmp_path, "a_Blurred.JPG")
    write(tmp_path, "a_sharp.webp")
    mask = np.zeros((40, 40), np.uint8)
    mask[:10] = 255
    write(tmp_path, "a_mask.bmp", mask)
    write(tmp_path, "notes.png")
    first, second = find_real_pairs(tmp_path)
    assert (first.name, first.mask.name, second.name, second.mask) == (
        "a",
        "a_mask.bmp",
        "b_1",
        None,
    )
    assert read_real_pair(first)[2].sum() == 400
    blurred, sharp, scored = read_real_pair(second)
    np.testing.assert_array_equal(blurred, sharp)
    assert scored.all()


def test_sixteen_bits_are_rounded(tmp_path):
    write(tmp_path, "a_blurred.png", np.full((20, 20), 257 * 77, np.uint16))
    write(tmp_path, "a_sharp.png", np.full((20, 20), 77, np.uint8))
    blurred, sharp, _ = read_real_pair(*find_real_pairs(tmp_path))
    np.testing.assert_array_equal(blurred, sharp)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "holds no pairs; name two photographs"),
        (["a.png", "b.png"], "holds no pairs"),
        (["a_blurred.png"], "a_blurred.png has no sharp partner"),
        (["a_sharp.png", "b_sharp.png"], "a_sharp.png, b_sharp.png have no blurred partner"),
        (["a_blurred.png", "a_sharp.png", "b_mask.png"], "b_mask.png has no blurred partner"),
        (["a_blurred.png", "a_blurred.jpg", "a_sharp.png"], "are the same part; remove one"),
    ],
)
def test_wrong_folders_are_named(tmp_path, names, said):
    for name in names:
        write(tmp_path, name)
    with pytest.raises(RealPairsError, match=said):
        find_real_pairs(tmp_path)


def test_names_that_are_no_text_are_refused(tmp_path):
    for half in (b"caf\xe9_blurred.png", b"caf\xe9_sharp.png"):
        (tmp_path / os.fsdecode(half)).write_bytes(b"")
    with pytest.raises(RealPairsError, match=r"the name caf\\xe9_blurred.png is no text; rename"):
        find_real_pairs(tmp_path)


def test_missing_folder_and_file_are_named(tmp_path):
    with pytest.raises(RealPairsError, match=r"none is not there; REAL=.. names a folder"):
        find_real_pairs(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(RealPairsError, match="file is no folder"):
        find_real_pairs(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("a_sharp.png", photo_u8(1, 41)), "a_sharp.png is 41x41, but a_blurred.png 40x40"),
        (("a_mask.png", np.zeros((40, 40), np.uint8)), "a_mask.png is black all over"),
        (("a_mask.png", np.full((20, 40), 255, np.uint8)), "a_mask.png is 40x20"),
    ],
)
def test_pairs_that_do_not_fit_are_named(tmp_path, change, said):
    write(tmp_path, "a_blurred.png")
    write(tmp_path, "a_sharp.png")
    write(tmp_path, *change)
    with pytest.raises(RealPairsError, match=said):
        read_real_pair(*find_real_pairs(tmp_path))


def test_damaged_and_tiny_photographs_are_named(tmp_path):
    for name in ("a_blurred.png", "a_sharp.png"):
        write(tmp_path, name, side=10)
    with pytest.raises(RealPairsError, match=r"a_blurred.png is 10x10, too small to score"):
        read_real_pair(*find_real_pairs(tmp_path))
    (tmp_path / "a_sharp.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    with pytest.raises(RealPairsError, match=r"a_sharp.png: .*; replace it, or remove the pair"):
        read_real_pair(*find_real_pairs(tmp_path))
