"""The radius that is found by what restoring with each gives, and the detail that is raised."""

import numpy as np
import pytest

from train.restore.crisp import fine_detail
from train.restore.hypotheses import weighed_by_results


class Rippling:
    """An engine whose result has ripples, but for the right kind of blur, the last of three."""

    def correction(self, signed: np.ndarray, probs: np.ndarray) -> np.ndarray:
        ripples = 0.1 * np.sin(np.arange(signed.shape[1]) * 1.3)[None, :, None]
        return np.float32((1 - probs[0, 0, 3]) * ripples) * np.ones_like(signed)


def test_the_radius_without_ripples_wins_where_the_estimate_is_alike() -> None:
    photo = np.random.default_rng(0).choice(np.uint8([60] * 4 + [160]), (256, 256, 1)).repeat(3, 2)
    probs = np.zeros((64, 64, 4), np.float16)
    probs[:, :40] = 0.1, 0.1, 0.4, 0.4
    probs[:, 40:] = 0.1, 0.9, 0, 0  # at another depth, where that result says nothing
    found = weighed_by_results(Rippling(), photo, probs, np.ones((64, 64), np.float32))
    assert found.dtype == probs.dtype
    np.testing.assert_array_equal(found[..., 0], probs[..., 0])
    np.testing.assert_allclose(found.sum(-1, dtype=np.float32), 1, atol=2e-3)
    assert min(found[:, :40, 3].min(), found[:, 40:, 1].min()) > 0.85


@pytest.mark.parametrize(("contrast", "least", "most"), [(0.8, 0.05, 0.3), (0.01, 0, 1e-4)])
def test_fine_detail_is_raised_where_it_is_strong(contrast, least, most) -> None:
    lines = contrast * np.sign(np.sin(np.arange(64) * 1.1, dtype=np.float32))
    picture = np.broadcast_to(lines[:, None, None], (64, 64, 3))
    added = fine_detail(picture, 0.4)
    assert least <= np.abs(added).mean() <= most
    assert np.all(added * picture >= -1e-6)
    np.testing.assert_allclose(fine_detail(picture, 0.8), 2 * added, rtol=1e-4)
