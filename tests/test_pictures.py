"""Pictures of a run: written whole, and read back."""

import numpy as np
from helpers.pair_files import photo_u8
from PIL import Image

from train.dataset import read_picture, write_picture


def test_png_comes_back_exactly(tmp_path):
    picture = photo_u8(0, 20, 31)
    write_picture(tmp_path / "a.PNG", picture)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.PNG"), picture)


def test_jpeg_comes_back_nearly_with_full_chroma(tmp_path):
    picture = photo_u8(0, 32, 48)
    write_picture(tmp_path / "a.jpg", picture)
    back = read_picture(tmp_path / "a.jpg")
    assert back.shape == picture.shape
    assert np.abs(back.astype(float) - picture).mean() < 3
    with Image.open(tmp_path / "a.jpg") as image:
        assert len({(h, v) for _, h, v, _ in image.layer}) == 1


def test_grey_picture_is_read_as_rgb(tmp_path):
    Image.new("L", (5, 4), 77).save(tmp_path / "grey.png")
    picture = read_picture(tmp_path / "grey.png")
    assert picture.shape == (4, 5, 3)
    assert picture.dtype == np.uint8
    assert np.all(picture == 77)
