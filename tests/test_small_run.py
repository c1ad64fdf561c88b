"""The run folder that is handed on: small, the same each time, and as good as the run itself."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.pair_files import tree, write_matched_folders
from helpers.runs import IDS, SETTINGS, run

import pipeline
from train.checkpoints import load_generator
from train.restore.onnx_file import open_engine


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=32)


@pytest.fixture(scope="module")
def runs_dir(data_dir, tmp_path_factory):
    """A run of a few steps, and its small folder as another run."""
    runs_dir = tmp_path_factory.mktemp("runs")
    run(runs_dir / "whole", data_dir)
    export(data_dir, runs_dir)
    (runs_dir / "whole" / "export" / "run").rename(runs_dir / "small")
    return runs_dir


def export(data_dir, runs_dir):
    keras.utils.clear_session()  # layers are numbered as in a process of their own
    words = ["export", "--run", "whole", "--formats", "run"]
    assert pipeline.main([*words, "--runs-dir", str(runs_dir), "--data-dir", str(data_dir)]) == 0


def test_it_restores_as_the_run_does(runs_dir):
    generator, step, record = load_generator(runs_dir / "whole")
    small, small_step, small_record = load_generator(runs_dir / "small")
    assert (small_step, small_record) == (step, record)
    for one, other in zip(generator.get_weights(), small.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    before = tree(runs_dir / "small")
    picture = np.random.default_rng(0).uniform(-1, 1, (32, 32, 3)).astype(np.float32)
    engines = [open_engine(runs_dir / name) for name in ("whole", "small")]
    one, other = (engine.correction(picture) for engine in engines)
    assert np.abs(one - other).max() < 1 / 255
    assert tree(runs_dir / "small") == before  # its file is no older than its weights


def test_it_is_the_same_each_time_and_takes_less_room(data_dir, runs_dir):
    export(data_dir, runs_dir)
    again = tree(runs_dir / "whole" / "export" / "run")
    assert again == tree(runs_dir / "small")
    assert sum(map(len, again.values())) < sum(map(len, tree(runs_dir / "whole").values())) / 3


def test_another_run_starts_from_it(data_dir, runs_dir):
    settings = replace(SETTINGS, from_run="small", steps=SETTINGS.steps + 1)
    run(runs_dir / "next", data_dir, settings, source=runs_dir / "small")
    assert load_generator(runs_dir / "next")[2].from_step == SETTINGS.steps
