"""Blur of any radius: seen at the scale that fits it, and taken back there."""

import numpy as np
import pytest
from helpers.engines import engine_of
from scipy.signal import fftconvolve

from prepare.records.psf import disc_psf
from train.networks.blurs import BANKS
from train.networks.generators import build_residual
from train.restore.engine import Engine
from train.restore.restore import restore
from train.restore.scales import enlarged, halved, look, of_what_is_blurred


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A generator before any training, the classical inverse alone, that knows hard discs best."""
    return engine_of(
        build_residual(8, 1, 0, BANKS["discs"]), tmp_path_factory.mktemp("run") / "untrained"
    )


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One that tells each place by all that is seen around it."""
    return engine_of(
        build_residual(8, 1, 0, BANKS["pooled"]), tmp_path_factory.mktemp("run") / "pooled"
    )


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
    psf = disc_psf(radius_px)
    reach = len(psf) // 2
    wide = np.pad(picture, [(reach, reach), (reach, reach), (0, 0)], "reflect")
    return fftconvolve(wide, psf[..., None], "valid", (0, 1)).clip(0, 255)


def error_of(picture: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((picture.astype(float) - truth)[48:-48, 48:-48] ** 2)))


@pytest.mark.parametrize("radius_px", [3.0, 6.0, 10.0, 16.0, 30.0])
def test_radii_are_told_beyond_what_the_network_knows(engine: Engine, radius_px: float) -> None:
    photo = np.rint(blurred_by(leaves(512), radius_px)).astype(np.uint8)
    _, seen = look(engine, photo)
    assert seen.radius_px.shape == (128, 128)
    assert np.median(seen.radius_px) == pytest.approx(radius_px, rel=0.12)
    assert np.median(seen.sureness) > 0.9


@pytest.mark.parametrize("radius_px", [3.0, 6.0, 16.0])
def test_blur_of_any_radius_is_taken_back(engine: Engine, radius_px: float) -> None:
    sharp = leaves(384)
    photo = np.rint(blurred_by(sharp, radius_px)).astype(np.uint8)
    restored, _ = restore(engine, photo)
    assert error_of(restored, sharp) < 0.85 * error_of(photo, sharp)
    half, _ = restore(engine, photo, strength=0.5)
    between = (photo.astype(float) + restored) / 2
    within = (restored > 0) & (restored < 255)  # what was clipped is not halfway
    assert np.abs(half - between)[within].max() <= 1


def test_what_is_sharp_is_the_photographs_own(engine: Engine) -> None:
    sharp = leaves(512)
    photo = np.rint(sharp.clip(0, 255)).astype(np.uint16) * 257
    photo[:, 330:] = np.rint(257 * blurred_by(sharp, 6.0)[:, 330:]).astype(np.uint16)
    restored, seen = restore(engine, photo)
    assert restored.dtype == np.uint16
    same = (restored == photo).all(-1)
    left = enlarged(seen.radius_px, 512, 512, 4) < 0.1
    assert np.mean(left[:, :250]) > 0.5
    assert np.mean(same[left]) > 0.98  # to the bit
    assert np.mean(same[:, :250]) > 0.8
    assert np.mean(same[:, 400:]) < 0.05
    assert len(np.unique(restored[:, 400:] % 257)) > 100  # of 16 bits, not of 8
    assert np.median(seen.radius_px[:, 100:]) == pytest.approx(6, rel=0.1)


def test_told_by_all_around_no_place_is_spared_for_doubt(engine: Engine, pooled: Engine) -> None:
    assert pooled.weighs_surroundings
    assert not engine.weighs_surroundings
    sharp = leaves(512)
    photo = np.rint(sharp.clip(0, 255)).astype(np.uint8)
    photo[:, 330:] = np.rint(blurred_by(sharp, 6.0)[:, 330:]).astype(np.uint8)
    restored, seen = restore(pooled, photo)
    np.testing.assert_array_equal(seen.sureness, np.ones((128, 128), np.float32))
    same = (restored == photo).all(-1)
    assert np.mean(same[:, :200]) > 0.9
    assert np.mean(same[:, 400:]) < 0.2  # untrained, it changes some by less than half a level
    assert np.median(seen.radius_px[:, 100:]) == pytest.approx(6, rel=0.15)


@pytest.mark.parametrize("radius_px", [0.0, 3.0])
@pytest.mark.parametrize("name", ["engine", "pooled"])
def test_a_small_picture_is_told_no_more_than_it_has(
    name: str, radius_px: float, request: pytest.FixtureRequest
) -> None:
    sharp = leaves(128)
    photo = np.rint(blurred_by(sharp, radius_px) if radius_px else sharp).clip(0, 255)
    _, seen = look(request.getfixturevalue(name), photo.astype(np.uint8))
    assert np.median(seen.radius_px) == pytest.approx(radius_px, abs=0.5)


def test_a_small_picture_of_wide_blur_is_looked_at_smaller(pooled: Engine) -> None:
    sharp = leaves(128)
    photo = np.rint(blurred_by(sharp, 17.0)).astype(np.uint8)
    restored, seen = restore(pooled, photo)
    assert np.median(seen.radius_px) == pytest.approx(17, rel=0.2)  # the network knows 12
    assert error_of(restored, sharp) < error_of(photo, sharp)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (97, 193), (130, 5)])
@pytest.mark.parametrize("name", ["engine", "pooled"])
def test_any_size(name: str, shape: tuple[int, int], request: pytest.FixtureRequest) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    restored, seen = restore(request.getfixturevalue(name), photo)
    assert restored.shape == photo.shape
    assert seen.radius_px.shape == (-(-shape[0] // 4), -(-shape[1] // 4))


@pytest.mark.parametrize("name", ["engine", "pooled"])
def test_no_seams(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = request.getfixturevalue(name)
    photo = np.rint(blurred_by(leaves(560), 14.0)).astype(np.uint8)
    whole, _ = restore(engine, photo)
    monkeypatch.setattr("train.restore.tiles.TILE_PX", 448)
    tiled, _ = restore(engine, photo)
    assert np.abs(tiled.astype(int) - whole).max() <= 2


def test_a_wide_blur_beside_something_sharp_is_told_from_half_of_it() -> None:
    share = np.array([0.25, 0.5, 1.0], np.float32)
    mean_px = 12 * share
    deviation = 12 * np.sqrt(share * (1 - share))
    radius_px, blurred = of_what_is_blurred(mean_px, 1 - deviation / (1 + mean_px))
    np.testing.assert_allclose(radius_px, 12, rtol=1e-5)
    np.testing.assert_allclose(blurred, share, rtol=1e-5)
    nothing = np.zeros(1, np.float32)
    assert [float(values[0]) for values in of_what_is_blurred(nothing, nothing + 1)] == [0, 0]


def test_halved_is_the_mean_of_four() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    even = np.pad(picture, [(0, 1), (0, 1), (0, 0)], "edge").astype(float)
    expected = even.reshape(3, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(halved(picture) / 257 - expected).max() < 0.01
    assert np.abs(halved(picture.astype(np.uint16)) - expected).max() <= 0.5


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarged_is_linear_about_the_middles_of_cells(factor: int) -> None:
    values = np.random.default_rng(0).uniform(0, 1, (20, 30)).astype(np.float32)
    high = np.zeros((20 * factor, 30 * factor))
    for row in range(20 * factor):
        at = np.clip((row + 0.5) / factor - 0.5, 0, 19)
        low = int(at)
        line = values[low] + (at - low) * (values[min(low + 1, 19)] - values[low])
        across = (np.arange(30 * factor) + 0.5) / factor - 0.5
        high[row] = np.interp(across, np.arange(30), line)
    result = enlarged(values, 20 * factor, 30 * factor, factor)
    np.testing.assert_allclose(result, high, atol=1e-5)
    part = enlarged(values, 11, 30 * factor, factor, 7)
    np.testing.assert_allclose(part, high[7:18], atol=1e-5)
