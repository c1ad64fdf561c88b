"""What holds for every drawn picture, a portrait or a scene."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from prepare.drawing.portrait import portrait
from prepare.drawing.sample import drawn
from prepare.drawing.scene import scene

both_kinds = pytest.mark.parametrize("draw", [portrait, scene])


@both_kinds
def test_pictures_are_the_same_from_any_number_of_workers(draw):
    alone = [draw(index, side=128) for index in range(6)]
    with ThreadPoolExecutor(3) as workers:
        together = list(workers.map(lambda index: draw(index, side=128), range(6)))
    np.testing.assert_array_equal(alone, together)


@both_kinds
def test_picture_does_not_depend_on_the_threads_of_opencv(draw):
    num_threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        single = draw(3, side=512)
        cv2.setNumThreads(4)
        np.testing.assert_array_equal(draw(3, side=512), single)
    finally:
        cv2.setNumThreads(num_threads)


@both_kinds
def test_pictures_differ_between_indexes_and_seeds(draw):
    base = draw(0, seed=0, side=128).astype(float)
    for index, seed in ((1, 0), (0, 1), (1, 1)):
        assert np.abs(base - draw(index, seed=seed, side=128)).mean() > 10


@both_kinds
@pytest.mark.parametrize("side", [64, 256, 1024])
def test_shape_and_type(draw, side):
    image = draw(5, side=side)
    assert image.shape == (side, side, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("draw", [portrait, scene, drawn])
@pytest.mark.parametrize("side", [62, 101])
def test_rejects_sides_it_cannot_draw(draw, side):
    with pytest.raises(ValueError, match=str(side)):
        draw(0, side=side)
