"""Grain against the moments of its distributions."""

import numpy as np
import pytest

from prepare.blur.grain import grain
from prepare.records.blur import LensBlur


def flat(side, level=128):
    return np.full((side, side, 3), level, np.float32)


@pytest.mark.parametrize(("kind", "spread"), [("gaussian", 25.5), ("uniform", 25.5 / np.sqrt(3))])
def test_amount_is_percent_of_the_range(kind, spread):
    offsets = grain("00001", flat(256), LensBlur(noise=10, noise_kind=kind))
    assert offsets.shape == (256, 256, 3)
    assert offsets.std() == pytest.approx(spread, rel=0.01)
    assert abs(offsets.mean()) < 0.2
    if kind == "uniform":
        assert np.abs(offsets).max() <= 25.5


def test_channels_are_independent_unless_monochromatic():
    offsets = grain("00001", flat(128), LensBlur(noise=10))
    assert abs(np.corrcoef(offsets[..., 0].ravel(), offsets[..., 1].ravel())[0, 1]) < 0.03
    assert grain("00001", flat(128), LensBlur(noise=10, monochromatic=True)).shape[2] == 1


def test_the_same_text_gives_the_same_grain():
    args = flat(32), LensBlur(noise=3)
    np.testing.assert_array_equal(grain("a", *args), grain("a", *args))
    assert (grain("a", *args) != grain("b", *args)).mean() > 0.99


def test_photon_grain_grows_with_the_root_of_the_light():
    blur = LensBlur(noise=4, noise_kind="photon")
    at_white, darker = (grain("a", flat(256, level), blur) for level in (255, 64))
    assert at_white.std() == pytest.approx(10.2, rel=0.02)
    assert darker.std() == pytest.approx(5.1, rel=0.02)


def test_coarse_grain_is_as_strong_and_smoother():
    fine = grain("a", flat(256), LensBlur(noise=4))
    coarse = grain("a", flat(256), LensBlur(noise=4, coarseness=1))
    assert coarse.std() == pytest.approx(fine.std(), rel=0.02)
    assert np.diff(coarse, axis=0).std() < 0.7 * np.diff(fine, axis=0).std()
