"""Our blur against others of the same photographs; Photoshop's are in no clone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.pair_files import ROOT, photo_u8
from PIL import Image
from scipy.ndimage import convolve
from skimage.morphology import disk

from benchmarks.photoshop_parity import parity_db

PICTURES = Path(__file__).resolve().parents[2] / "shared" / "photoshop"


@pytest.mark.skipif(not PICTURES.is_dir(), reason="Photoshop's pictures are not at hand")
@pytest.mark.parametrize(("shown_radius_px", "blades"), [(4.9, 0), (5.4, 6)])
def test_our_blur_is_photoshops(shown_radius_px, blades):
    scores = parity_db(PICTURES, shown_radius_px, blades)
    assert np.mean(list(scores.values())) >= 40.9


@pytest.fixture
def pairs(tmp_path):
    """Two photographs, and what scipy makes of them with scikit-image's disc of 5 pixels."""
    psf = disk(5) / disk(5).sum()
    for name in ("a", "b"):
        sharp = photo_u8(ord(name), 96)
        channels = [convolve(sharp[..., c].astype(float), psf, mode="nearest") for c in range(3)]
        Image.fromarray(sharp).save(tmp_path / f"{name}_sharp.png")
        blurred = np.rint(np.dstack(channels)).astype(np.uint8)
        Image.fromarray(blurred).save(tmp_path / f"{name}_photoshop.png")
    return tmp_path


def test_radius_counts_pixels_of_the_pictures_in_the_folder(pairs):
    near = parity_db(pairs, 5.1, 0)  # a disc of 81 pixels, as theirs
    assert list(near) == ["a", "b"]
    assert min(near.values()) > 38
    assert max(parity_db(pairs, 10.2, 0).values()) < min(near.values()) - 6


def test_command_tells_each_pair_and_the_mean(pairs):
    command = [sys.executable, "-m", "benchmarks.photoshop_parity", str(pairs)]
    words = ["--shown-radius", "5.1"]
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores = parity_db(pairs, 5.1, 0)
    lines = [f"{name}: {score:.2f} dB" for name, score in scores.items()]
    mean = np.mean(list(scores.values()))
    assert done.stdout.splitlines() == [*lines, f"mean of 2: {mean:.2f} dB (data range 255)"]
