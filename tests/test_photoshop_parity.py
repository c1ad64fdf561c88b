"""Our blur against others of the same photographs; Photoshop's are in no clone."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.photoshop_parity import parity_db

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "photoshop"


@pytest.mark.skipif(not PICTURES.is_dir(), reason="Photoshop's pictures are not at hand")
@pytest.mark.parametrize(("shown_radius_px", "blades"), [(4.9, 0), (5.4, 6)])
def test_our_blur_is_photoshops(shown_radius_px, blades):
    scores = parity_db(PICTURES, shown_radius_px, blades)
    assert np.mean(list(scores.values())) >= 40.9
