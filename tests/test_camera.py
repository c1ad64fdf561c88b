"""What a camera does to blurred light."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from prepare.blur.camera import as_photographed
from prepare.records.blur import LensBlur


def step():
    return np.repeat(np.where(np.arange(64) < 32, 80, 160)[None, :, None], 64, 0).repeat(3, 2)


def photographed(values, **settings):
    return as_photographed(values.astype(np.float32), LensBlur(**settings), "seed")


def test_without_a_setting_values_are_rounded():
    values = np.full((8, 8, 3), 99.6)
    assert (photographed(values) == 100).all()


def test_sharpening_overshoots_at_an_edge_and_leaves_flat_parts():
    picture = photographed(step(), sharpening=100)
    assert picture[32, 31, 0] < 75
    assert picture[32, 32, 0] > 165
    np.testing.assert_array_equal(picture[:, :24], 80)


@pytest.mark.parametrize("subsampling", [False, True])
def test_jpeg_is_what_pillow_makes_of_it(subsampling):
    rng = np.random.default_rng(0)
    values = cv2.GaussianBlur(rng.uniform(0, 255, (64, 64, 3)), (0, 0), 2)
    picture = photographed(values, jpeg=60, subsampling=subsampling)
    file = io.BytesIO()
    plain = photographed(values)
    Image.fromarray(plain).save(file, "jpeg", quality=60, subsampling=2 if subsampling else 0)
    file.seek(0)
    expected = np.asarray(Image.open(file))
    assert np.abs(picture.astype(int) - expected).mean() < 1
    assert (picture != plain).any()
