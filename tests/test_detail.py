"""DETAIL: between a run's network before its adversarial term, and after it."""

import numpy as np
import pytest
from helpers.pair_files import write_matched_folders
from helpers.runs import IDS, run

from train.checkpoints import load_generator, load_pixel_average
from train.restore.engine import NoWeightsError, open_engine
from train.run import Run

PICTURE = np.random.default_rng(0).uniform(-1, 1, (32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=32)


@pytest.fixture(scope="module")
def run_dir(data_dir, tmp_path_factory):
    """Two steps without the adversarial term, two with it."""
    run_dir = tmp_path_factory.mktemp("runs") / "both"
    run(run_dir, data_dir, gan_start=0.5)
    return run_dir


def test_the_network_before_the_adversarial_term_is_kept(data_dir, run_dir, tmp_path):
    run(tmp_path / "pixels", data_dir, gan_weight=0, steps=2, sample_every=9)
    alone, step, _ = load_generator(tmp_path / "pixels")
    assert step == 2
    pairs = zip(load_pixel_average(run_dir).weights, alone.weights, strict=True)
    for kept, expected in pairs:
        np.testing.assert_array_equal(kept, expected)


def test_weights_are_blended(run_dir):
    own, pixel = load_generator(run_dir)[0], load_pixel_average(run_dir)
    blended = [0.25 * a + 0.75 * b for a, b in zip(own.weights, pixel.weights, strict=True)]
    changes = {}
    for detail, network in ((1.0, own), (0.0, pixel), (0.25, pixel)):
        if detail == 0.25:
            network.set_weights(blended)
        expected = network(PICTURE[None], training=False)[0] - PICTURE
        changes[detail] = open_engine(Run(run_dir), detail).correction(PICTURE)
        np.testing.assert_allclose(changes[detail], expected, atol=2e-4)
    assert np.abs(changes[1.0] - changes[0.0]).max() > 1e-3
    assert {path.name for path in (run_dir / "export").glob("*.onnx")} == {
        "generator.onnx",
        "generator-detail0.onnx",
        "generator-detail25.onnx",
    }


def test_a_run_with_one_network_says_so(data_dir, tmp_path):
    run(tmp_path / "pixels", data_dir, gan_weight=0)
    with pytest.raises(NoWeightsError, match="one network, not two"):
        open_engine(Run(tmp_path / "pixels"), 0.5)
