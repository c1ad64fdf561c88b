"""What holds for every drawn picture, a portrait or a scene."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from prepare.drawing.portrait import portrait
from prepare.drawing.sample import drawn
from prepare.drawing.scene import scene

every_kind = pytest.mark.parametrize("draw", [portrait, scene, drawn])


@every_kind
def test_pictures_are_the_same_from_any_number_of_workers(draw):
    alone = [draw(index, side=128) for index in range(6)]
    with ThreadPoolExecutor(3) as workers:
        together = list(workers.map(lambda index: draw(index, side=128), range(6)))
    np.testing.assert_array_equal(alone, together)


@every_kind
def test_picture_does_not_depend_on_the_threads_of_opencv(draw):
    num_threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        single = draw(3, side=512)
        cv2.setNumThreads(4)
        np.testing.assert_array_equal(draw(3, side=512), single)
    finally:
        cv2.setNumThreads(num_threads)


@every_kind
def test_pictures_differ_between_indexes_and_seeds(draw):
    base = draw(0, seed=0, side=128).astype(float)
    for index, seed in ((1, 0), (0, 1), (1, 1)):
        assert np.abs(base - draw(index, seed=seed, side=128)).mean() > 10


@every_kind
@pytest.mark.parametrize("side", [64, 256, 1024])
def test_shape_and_type(draw, side):
    image = draw(5, side=side)
    assert image.shape == (side, side, 3)
    assert image.dtype == np.uint8


@every_kind
@pytest.mark.parametrize("side", [62, 101])
def test_rejects_sides_it_cannot_draw(draw, side):
    with pytest.raises(ValueError, match=str(side)):
        draw(0, side=side)


def test_every_third_sample_is_a_scene():
    for index in range(6):
        expected = (portrait, portrait, scene)[index % 3](index, 4, 64)
        assert np.abs(drawn(index, 4, 64) - expected.astype(float)).mean() < 12


def test_most_samples_are_softer_than_they_were_drawn_and_some_are_not():
    unlike = []
    for index in (0, 1, 3, 4, 6, 7):
        as_drawn, picture = (draw(index, 0, 512) for draw in (portrait, drawn))
        if not np.array_equal(picture, as_drawn):
            # Reduced, so that what counts is not the grain.
            sharp, soft = (
                cv2.resize(each, (128, 128), interpolation=cv2.INTER_AREA)
                for each in (as_drawn, picture)
            )
            edges = [
                np.percentile(np.abs(cv2.Laplacian(each, cv2.CV_32F)), 98) for each in (soft, sharp)
            ]
            assert edges[0] < edges[1]
            unlike.append(index)
    assert 2 < len(unlike) < 6
