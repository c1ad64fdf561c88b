"""Pictures of any size in tiles: no seam, bounded memory, every pixel."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from train.restore import tiles


def sharpen(blurred: np.ndarray, _top: int = 0, _left: int = 0) -> np.ndarray:
    """A stand-in for a network: looks 48 pixels far, takes multiples of 4 alone."""
    assert blurred.shape[0] % 4 == 0
    assert blurred.shape[1] % 4 == 0
    wide = blurred.astype(np.float32)
    return wide - gaussian_filter(wide, (12, 12, 0), radius=48)


def whole(photo: np.ndarray, correct=sharpen) -> np.ndarray:
    parts = list(tiles.corrected_strips(correct, photo, 4))
    assert [top for top, _ in parts] == [0, *np.cumsum([len(part) for _, part in parts])[:-1]]
    return np.concatenate([part for _, part in parts])


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TILE_PX", 256), ("CONTEXT_PX", 48), ("FEATHER_PX", 16)):
        monkeypatch.setattr(tiles, name, value)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("shape", [(333, 518), (518, 333), (256, 257), (100, 300), (255, 90)])
def test_tiles_equal_the_whole_picture(shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    padding = [(0, -shape[0] % 4), (0, -shape[1] % 4), (0, 0)]
    expected = sharpen(np.pad(photo, padding, "edge"))[: shape[0], : shape[1]]
    np.testing.assert_allclose(whole(photo), expected, atol=1e-2)


@pytest.mark.usefixtures("small_tiles")
def test_neighbors_that_disagree_fade_into_each_other() -> None:
    calls = []

    def darker_each_time(tile: np.ndarray, top: int, left: int) -> np.ndarray:
        calls.append((tile.shape, top % 4, left % 4))
        return np.full(tile.shape, -10 * len(calls), np.float32)

    change = whole(np.zeros((333, 518, 3), np.uint8), darker_each_time)
    assert len(calls) == tiles.num_tiles(333, 518, 4)
    assert len(set(calls)) == 1
    assert np.abs(np.diff(change, axis=1)).max() <= 2
    assert np.abs(np.diff(change, axis=0)).max() <= 6


@pytest.mark.parametrize("multiple", [4, 256])
@pytest.mark.parametrize("length", [1, 255, 256, 1024, 2048, 2049, 2060, 3000, 4001, 12345])
def test_tiles_cover_every_length(multiple: int, length: int) -> None:
    starts, side = tiles._starts(length, multiple)
    assert side % multiple == 0
    assert side <= 2048
    assert all(start % multiple == 0 for start in starts)
    assert starts[0] == 0
    assert length <= starts[-1] + side < length + multiple + (side if length <= side else 0)
    cores = [tiles._core(starts, i, side, length) for i in range(len(starts))]
    assert cores[0][0] == 0
    assert cores[-1][1] == length
    for (_, end), (begin, _) in pairwise(cores):
        assert begin < end


def test_a_twelve_megapixel_picture_is_not_done_much_more_than_once() -> None:
    sides = [tiles._starts(length, 4) for length in (3000, 4000)]
    done = np.prod([len(starts) * side for starts, side in sides])
    assert done < 1.35 * 12e6


def test_memory_does_not_grow_with_the_square_of_the_picture() -> None:
    photo = np.zeros((12000, 1500, 3), np.uint8)
    tracemalloc.start()
    for _ in tiles.corrected_strips(lambda tile, *_: np.zeros(tile.shape, "f4"), photo, 4):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2048 * 1500 * 3 * 4


@pytest.mark.parametrize("shape", [(300, 500), (301, 3), (5, 1030), (1030, 2000)])
def test_a_survey_by_strips_equals_that_of_the_whole(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "SURVEY_PIXELS", 256 * 500)

    def means(strip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = strip.shape[0] // 4, strip.shape[1] // 4
        cells = strip[..., 0].reshape(rows, 4, columns, 4).mean((1, 3))
        return cells, -cells

    photo = np.random.default_rng(0).uniform(0, 1, (*shape, 3))
    expected = means(np.pad(photo, [(0, -shape[0] % 4), (0, -shape[1] % 4), (0, 0)], "edge"))
    for values, right in zip(tiles.survey(means, photo, 4), expected, strict=True):
        np.testing.assert_allclose(values, right)
