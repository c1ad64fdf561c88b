"""An export that is killed at spread moments leaves nothing half written, and is made again."""

import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from helpers.pair_files import ROOT, tree, write_matched_folders
from helpers.runs import IDS, SETTINGS, folders_of, record_of

from train.checkpoints import manager_of, save
from train.run import Run
from train.train_step import TrainState

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, and a run that was saved before its first step."""
    folder = tmp_path_factory.mktemp("killed")
    pairs, _ = folders_of(write_matched_folders(folder / "data", IDS))
    Run(folder / "run").write(record_of(SETTINGS, pairs), ["CPU"])
    save(manager_of(TrainState(SETTINGS, 4).checkpoint(), folder / "run"), 1)
    return folder


@pytest.fixture(scope="module")
def export(folder):
    """Exports in a process of its own: its exit code, and how often the folder changed."""
    program = [sys.executable, "tests/helpers/killed_commands.py"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = ["export", "--data-dir", str(folder / "data"), "--runs-dir", str(folder)]
    words += ["--run", "run", "--formats", "savedmodel", "tflite"]

    with subprocess.Popen(
        program, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:

        def run(kill_after=None):
            watch = str(folder / "run" / "export")
            job = {"words": words, "watch": watch, "kill_after": kill_after}
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def restored_by(path):
    """What a SavedModel makes of one picture."""
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    blurred = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    return serve(blurred=tf.constant(blurred))["restored"].numpy()


def test_killed_export_is_made_again_whole(folder, export):
    out_dir = folder / "run" / "export"
    undisturbed = export()
    assert undisturbed["code"] == 0
    whole, expected = tree(out_dir), restored_by(out_dir / "savedmodel")
    moments, num_changes = random.Random(17), undisturbed["changes"]
    for share in (0.0, 0.5):  # while the first format is written, and later
        moment = 1 + int(num_changes * (share + moments.uniform(0, 0.4)))
        while export(kill_after=moment)["code"] != -signal.SIGKILL:  # it was seen changing less
            moment -= 1
            assert moment > 0
        assert tree(out_dir)["generator.tflite"] == whole["generator.tflite"]
    assert export()["code"] == 0
    assert tree(out_dir).keys() == whole.keys()
    assert tree(out_dir)["generator.tflite"] == whole["generator.tflite"]
    np.testing.assert_array_equal(restored_by(out_dir / "savedmodel"), expected)
