"""Blur of any radius in pictures of any size: estimated at the scale that fits it, and taken back
there, tile by tile where the picture is large."""

import tracemalloc

import numpy as np
import pytest
from helpers.engines import untrained_engine
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from prepare.records.blur import Aperture
from prepare.records.psf import aperture_psf
from train.restore import tiles
from train.restore.content import filled
from train.restore.restore import enlarged, mean_and_certainty, restore


def leaves(side: int, seed: int = 0) -> np.ndarray:
    """Overlapping discs of all sizes, gray with some grain: detail at every scale; 0..255."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side, 3), 128.0)
    for _ in range(500):
        radius = min(3 / rng.uniform(0.02, 1), side / 5)
        top, left = rng.uniform(0, side, 2)
        picture[(y - top) ** 2 + (x - left) ** 2 < radius**2] = rng.uniform(20, 235)
    return picture + rng.normal(0, 3, (side, side, 1))


def blurred_by(picture: np.ndarray, radius_px: float) -> np.ndarray:
    psf = aperture_psf(radius_px, Aperture())
    reach = len(psf) // 2
    wide = np.pad(picture, [(reach, reach), (reach, reach), (0, 0)], "reflect")
    return fftconvolve(wide, psf[..., None], "valid", (0, 1)).clip(0, 255)


def error_of(picture: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((picture.astype(float) - truth)[48:-48, 48:-48] ** 2)))


@pytest.mark.parametrize("radius_px", [6.0, 30.0])
def test_blur_of_any_radius_is_estimated_and_taken_back(radius_px: float) -> None:
    """Beyond the 12 pixels that the network knows, too."""
    sharp = leaves(384)
    photo = np.rint(blurred_by(sharp, radius_px)).astype(np.uint8)
    restored, blur = restore(untrained_engine(pooled=True), photo)
    assert blur.radius_px.shape == (96, 96)
    assert np.median(blur.radius_px) == pytest.approx(radius_px, rel=0.15)
    assert error_of(restored, sharp) < (0.85 if radius_px < 20 else 1) * error_of(photo, sharp)


def test_what_is_sharp_is_the_photographs_own() -> None:
    engine = untrained_engine(pooled=True)
    sharp = leaves(512)  # smaller ones have too few scales
    photo = np.rint(sharp.clip(0, 255)).astype(np.uint16) * 257
    photo[:, 330:] = np.rint(257 * blurred_by(sharp, 6.0)[:, 330:]).astype(np.uint16)
    restored, blur = restore(engine, photo)
    assert restored.dtype == np.uint16
    same = (restored == photo).all(-1)
    left = enlarged(blur.radius_px, 512, 512, 4) < 0.1
    assert np.mean(left[:, :250]) > 0.5
    assert np.mean(same[left]) > 0.98  # to the bit
    assert np.mean(same[:, :250]) > 0.8
    assert np.mean(same[:, 400:]) < 0.05
    assert len(np.unique(restored[:, 400:] % 257)) > 100  # of 16 bits, not of 8
    assert np.median(blur.radius_px[:, 100:]) == pytest.approx(6, rel=0.15)
    np.testing.assert_array_equal(blur.confidence, np.ones((128, 128), np.float32))


@pytest.mark.parametrize("radius_px", [0.0, 17.0])
def test_a_small_picture_is_told_no_more_than_it_has(radius_px: float) -> None:
    sharp = leaves(128)
    photo = np.rint(blurred_by(sharp, radius_px) if radius_px else sharp).clip(0, 255)
    _, blur = restore(untrained_engine(pooled=True), photo.astype(np.uint8))
    assert np.median(blur.radius_px) == pytest.approx(radius_px, rel=0.2, abs=0.5)


@pytest.mark.parametrize(("pooled", "shape"), [(False, (3, 700)), (True, (97, 193))])
def test_any_size(pooled: bool, shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    restored, blur = restore(untrained_engine(pooled), photo)
    assert restored.shape == photo.shape
    assert blur.radius_px.shape == (-(-shape[0] // 4), -(-shape[1] // 4))


def test_the_radius_is_the_mean_and_its_certainty_falls_with_the_spread() -> None:
    radii_px = np.array([0, 2, 6], np.float32)
    probs = np.array([[[0.5, 0.25, 0.25], [0, 0, 1]]])
    mean, certainty = mean_and_certainty(probs, radii_px)
    np.testing.assert_allclose(mean, [[2, 6]])
    np.testing.assert_allclose(certainty, [[1 - np.sqrt(6) / 3, 1]], rtol=1e-6)


@pytest.mark.parametrize(("limits_px", "least", "most"), [
    ((6, 6), 5.9, 6.4), ((30, 30), 28, 33), ((9, 14), 9, 10), ((0, 4), 3.5, 4.4),
])  # fmt: skip
def test_a_told_radius_stands_in_the_place_of_the_estimate(
    limits_px: tuple[float, float], least: float, most: float
) -> None:
    photo = np.rint(blurred_by(leaves(384), 6.0)).astype(np.uint8)
    restored, blur = restore(untrained_engine(pooled=True), photo, limits_px=limits_px)
    assert least <= np.median(blur.radius_px) <= most
    by_estimate, _ = restore(untrained_engine(pooled=True), photo)
    assert (restored != by_estimate).any()


def test_what_a_mask_spares_is_the_photographs_own() -> None:
    photo = np.rint(blurred_by(leaves(128), 4.0)).astype(np.uint8)
    mask = np.zeros((128, 128), np.float32)
    mask[:, 64:] = 1
    whole, _ = restore(untrained_engine(pooled=True), photo)
    restored, _ = restore(untrained_engine(pooled=True), photo, mask=mask)
    assert np.array_equal(restored[:, :64], photo[:, :64])
    assert np.array_equal(restored[:, 64:], whole[:, 64:])


def test_a_wide_photograph_is_restored_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.rint(blurred_by(leaves(160), 4.0)[:100]).astype(np.uint8)
    mask = np.linspace(0, 1, 160, dtype=np.float32)[None].repeat(100, 0)
    engine = untrained_engine(pooled=True)
    expected, blur = restore(engine, photo.swapaxes(0, 1), mask=mask.T)
    monkeypatch.setattr("train.restore.restore.WIDEST_PX", 128)
    restored, seen = restore(engine, photo, mask=mask)
    assert np.array_equal(restored, expected.swapaxes(0, 1))
    assert np.array_equal(seen.radius_px, blur.radius_px.T)


@pytest.mark.parametrize("sides", [(20, 0, 0, 0), (0, 0, 9, 9), (13, 20, 7, 1)])
def test_bars_are_no_part_of_the_scene(sides: tuple[int, ...]) -> None:
    photo = np.rint(blurred_by(leaves(160), 4.0)).astype(np.uint8)
    top, bottom, left, right = sides
    framed = np.pad(photo, [(top, bottom), (left, right), (0, 0)], constant_values=16)
    framed[:top] += np.random.default_rng(0).integers(0, 5, framed[:top].shape, np.uint8)  # JPEG's
    engine = untrained_engine(pooled=True)
    expected, own = restore(engine, photo)
    restored, blur = restore(engine, framed)
    inner = slice(top, top + 160), slice(left, left + 160)
    assert np.array_equal(restored[inner], expected)
    restored[inner] = framed[inner]
    assert np.array_equal(restored, framed)
    assert blur.radius_px.shape == tuple(-(-side // 4) for side in framed.shape[:2])
    assert blur.radius_px.max() == own.radius_px.max()


def test_what_is_hidden_is_filled_by_what_is_around_it() -> None:
    ramp = np.add.outer(np.arange(50), np.arange(70)).astype(np.uint8)
    picture, is_seen = np.repeat(ramp[..., None], 3, 2), np.ones((50, 70), bool)
    is_seen[20:31, 20:41] = is_seen[:, 60:] = False
    result = filled(np.where(is_seen[..., None], picture, 255), is_seen)
    assert np.array_equal(result[is_seen], picture[is_seen])
    assert np.abs(result.astype(int) - picture)[20:31, 20:41].max() <= 6
    assert np.abs(np.diff(result[..., 0].astype(int), axis=1)).max() <= 8  # nothing jumps
    assert np.array_equal(filled(picture, np.zeros_like(is_seen)), picture)


def test_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.rint(blurred_by(leaves(480), 14.0)[:320]).astype(np.uint8)
    whole, _ = restore(untrained_engine(pooled=True), photo)
    monkeypatch.setattr(tiles, "TILE_PX", 384)
    tiled, _ = restore(untrained_engine(pooled=True), photo)
    assert np.abs(tiled.astype(int) - whole).max() <= 2


def sharpened(blurred: np.ndarray) -> np.ndarray:
    """A stand-in for a network: looks 48 pixels far."""
    wide = blurred.astype(np.float32)
    return wide - gaussian_filter(wide, (12, 12, 0), radius=48)


def change_of(photo: np.ndarray, correct, multiple: int = 4) -> np.ndarray:
    parts = list(tiles.corrected_strips(correct, photo, multiple))
    assert [top for top, _ in parts] == [0, *np.cumsum([len(part) for _, part in parts])[:-1]]
    return np.concatenate([part for _, part in parts])


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TILE_PX", 256), ("CONTEXT_PX", 48), ("FEATHER_PX", 16)):
        monkeypatch.setattr(tiles, name, value)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("multiple", [4, 32])
@pytest.mark.parametrize("shape", [(333, 518), (256, 257), (255, 90)])
def test_tiles_equal_the_whole_picture(shape: tuple[int, int], multiple: int) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    padding = [(0, -side % multiple) for side in shape]
    expected = sharpened(np.pad(photo, [*padding, (0, 0)], "edge"))[: shape[0], : shape[1]]

    def correct(tile: np.ndarray, top: int, left: int) -> np.ndarray:
        assert not any(px % multiple for px in (top, left, *tile.shape[:2]))
        return sharpened(tile)

    np.testing.assert_allclose(change_of(photo, correct, multiple), expected, atol=1e-2)


@pytest.mark.usefixtures("small_tiles")
def test_neighbors_that_disagree_fade_into_each_other() -> None:
    calls = []

    def darker_each_time(tile: np.ndarray, top: int, left: int) -> np.ndarray:
        calls.append((tile.shape, top % 4, left % 4))
        return np.full(tile.shape, -10 * len(calls), np.float32)

    change = change_of(np.zeros((333, 518, 3), np.uint8), darker_each_time)
    assert len(calls) == tiles.num_tiles(333, 518, 4)
    assert len(set(calls)) == 1
    assert np.abs(np.diff(change, axis=1)).max() <= 2
    assert np.abs(np.diff(change, axis=0)).max() <= 6


def test_memory_does_not_grow_with_the_square_of_the_picture() -> None:
    photo = np.zeros((12000, 1500, 3), np.uint8)
    tracemalloc.start()
    for _ in tiles.corrected_strips(lambda tile, *_: np.zeros(tile.shape, "f4"), photo, 4):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2048 * 1500 * 3 * 4


@pytest.mark.parametrize("shape", [(301, 3), (5, 1030), (1030, 2000)])
def test_a_survey_by_strips_equals_that_of_the_whole(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "SURVEY_PIXELS", 256 * 500)

    def means(strip: np.ndarray) -> np.ndarray:
        rows, columns = strip.shape[0] // 4, strip.shape[1] // 4
        return strip.reshape(rows, 4, columns, 4, 3).mean((1, 3))

    photo = np.random.default_rng(0).uniform(0, 1, (*shape, 3))
    expected = means(np.pad(photo, [(0, -shape[0] % 4), (0, -shape[1] % 4), (0, 0)], "edge"))
    np.testing.assert_allclose(tiles.survey(means, photo, 4), expected, rtol=1e-3)
