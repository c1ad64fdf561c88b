"""Training that is stopped from outside, at any moment, goes on to the same end."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from helpers.pair_files import ROOT, write_matched_folders
from helpers.runs import IDS, assert_same_run, lines_in, steps_in

PATIENCE_S = 900  # of a machine with much else to do; seconds alone


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=64)


STEPS = 40  # enough for a signal to come before the end, on a busy machine too


def command(data_dir, runs_dir, steps, checkpoint_minutes):
    """Trains with the adversarial term from step 4 on."""
    flags = ("--steps", steps, "--sample-every", 5, "--log-every", 4, "--gan-start", 0.075)
    flags += ("--checkpoint-minutes", checkpoint_minutes)
    arguments = ["train", "--data-dir", data_dir, "--runs-dir", runs_dir, "--run", "r", *flags]
    return [sys.executable, str(ROOT / "pipeline.py"), *map(str, arguments)]


def start_and_stop(arguments, signal_number, is_time):
    process = subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until_s = time.monotonic() + PATIENCE_S
    try:
        while not is_time():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until_s
            time.sleep(0.005)
        os.kill(process.pid, signal_number)
        _, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()  # does nothing to one that has ended
    return process.returncode, errors


@pytest.fixture(scope="module")
def undisturbed(data_dir, tmp_path_factory):
    runs_dir = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(
        command(data_dir, runs_dir, STEPS, 100), cwd=ROOT, check=True, timeout=PATIENCE_S
    )
    return runs_dir / "r"


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_interrupted_run_saves_a_checkpoint_and_goes_on_from_it(
    data_dir, undisturbed, tmp_path, signal_number
):
    run_dir, arguments = tmp_path / "r", command(data_dir, tmp_path, STEPS, 100)
    code, errors = start_and_stop(
        arguments, signal_number, lambda: lines_in(run_dir / "log.csv") >= 2
    )
    assert code == 130
    assert "Traceback" not in errors
    [step] = steps_in(run_dir)
    assert 4 <= step < STEPS
    subprocess.run(arguments, cwd=ROOT, check=True, timeout=PATIENCE_S)
    assert_same_run(undisturbed, run_dir, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("least_step", [1, 6])  # before the adversarial term, and with it
def test_killed_run_goes_on_to_the_same_end(data_dir, undisturbed, tmp_path, least_step):
    run_dir, arguments = tmp_path / "r", command(data_dir, tmp_path, STEPS, 0)
    moment_s = random.Random(least_step).uniform(0, 0.1)  # in a step, a checkpoint or a line

    def is_time():
        if (steps_in(run_dir) or [0])[-1] < least_step:
            return False
        time.sleep(moment_s)
        return True

    start_and_stop(arguments, signal.SIGKILL, is_time)
    assert steps_in(run_dir)[-1] < STEPS
    subprocess.run(arguments, cwd=ROOT, check=True, timeout=PATIENCE_S)
    assert_same_run(undisturbed, run_dir, STEPS)
