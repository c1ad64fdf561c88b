"""The blur of a place, told by all that is seen around it."""

import keras
import numpy as np
from scipy.special import softmax

from train.networks.pooling import FAR, NEAR, pooled_probs


def pooled(logits: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """What is told of a map of 5 radii by 20 rings; shape (h, w, 5)."""
    inputs = [keras.Input((None, None, values.shape[-1])) for values in (logits, logs)]
    probs = keras.Model(inputs, pooled_probs(*inputs))([logits[None], logs[None]]).numpy()[0]
    np.testing.assert_allclose(probs.sum(-1), 1, atol=1e-4)  # so nothing is NaN
    return probs.astype(float)


def alike(side: int, *log_odds: float, energy: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A map whose places all tell the same."""
    odds = np.zeros((side, side, 5), np.float32)
    odds[..., : len(log_odds)] = log_odds
    return odds, np.full((side, side, 20), np.log(energy), np.float32)


def test_log_odds_are_means_by_contrast_and_by_how_sure_each_is_to_be_blurred() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (6, 6, 5)).astype(np.float32)
    logs = rng.normal(0, 2, (6, 6, 20)).astype(np.float32)
    probs = pooled(logits, logs)  # every window holds all of these, so all places are told alike
    contrast = np.exp(logs[..., 4:8].mean(-1, keepdims=True) / 3)
    sharp = softmax(logits, -1)[..., :1]
    mean = (sharp * contrast).sum() / contrast.sum()
    both = mean**2 / (mean**2 + (1 - mean) ** 2)  # near and far are two witnesses
    np.testing.assert_allclose(probs[..., 0], both, atol=1e-4)
    weight = (1.001 - sharp) * contrast
    odds = (weight * logits[..., 1:]).sum((0, 1)) / weight.sum((0, 1))
    np.testing.assert_allclose(probs[3, 4, 1:], (1 - both) * softmax(1.8 * odds), atol=1e-4)


def test_what_is_certain_stays_so() -> None:
    for log_odds in (80.0, -80.0):
        probs = pooled(*alike(8, log_odds, energy=1e-5))
        np.testing.assert_allclose(probs[..., 0], log_odds > 0, atol=1e-4)


def test_near_and_far_differ_and_nothing_beyond_has_a_say() -> None:
    logits, logs = alike(100, 1.0)
    before = pooled(logits, logs)
    logits[48:52, 48:52, 0] = -20.0  # blurred for certain, in the middle
    changed = before[..., 0] - pooled(logits, logs)[..., 0]
    row = changed[50]
    assert row[50] > 0.03
    assert row[50 + NEAR // 2 + 4] < row[50] / 5  # only by what is far
    assert row[50 + NEAR // 2 + 4] > row[50 + FAR - 4] > 1e-6  # which fades out
    assert np.abs(row[: 50 - FAR - 4]).max() < 1e-6
    np.testing.assert_allclose(changed[:, 50], row, atol=1e-6)


def test_what_has_contrast_outvotes_a_smooth_surrounding_that_is_larger() -> None:
    logits, logs = alike(12, 0.0, 4.0)  # the first of the radii
    logits[:4, :, 1:3] = (0.0, 4.0)  # the second
    logs[:4] = np.log(1e3)
    probs = pooled(logits, logs)
    assert (probs[..., 2] > probs[..., 1]).all()
