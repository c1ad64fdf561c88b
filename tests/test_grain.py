"""Grain against the moments of its distributions."""

import numpy as np
import pytest

from prepare.blur.grain import grain


@pytest.mark.parametrize(("kind", "spread"), [("gaussian", 25.5), ("uniform", 25.5 / np.sqrt(3))])
def test_amount_is_percent_of_the_range(kind, spread):
    offsets = grain("00001", 256, amount=10, kind=kind, monochromatic=False)
    assert offsets.shape == (256, 256, 3)
    assert offsets.std() == pytest.approx(spread, rel=0.01)
    assert abs(offsets.mean()) < 0.2
    if kind == "uniform":
        assert np.abs(offsets).max() <= 25.5


def test_channels_are_independent_unless_monochromatic():
    offsets = grain("00001", 128, amount=10, kind="gaussian", monochromatic=False)
    assert abs(np.corrcoef(offsets[..., 0].ravel(), offsets[..., 1].ravel())[0, 1]) < 0.03
    assert grain("00001", 128, amount=10, kind="gaussian", monochromatic=True).shape[2] == 1


def test_the_same_text_gives_the_same_grain():
    settings = {"amount": 3, "kind": "gaussian", "monochromatic": False}
    np.testing.assert_array_equal(grain("a", 32, **settings), grain("a", 32, **settings))
    assert (grain("a", 32, **settings) != grain("b", 32, **settings)).mean() > 0.99
