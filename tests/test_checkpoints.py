"""Checkpoints: kept, damaged, replaced while they are read, cut off by a full disk or by a kill."""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from helpers.pair_files import ROOT, write_matched_folders
from helpers.runs import IDS, PATIENCE_S, SETTINGS, assert_same_run, lines_in, run, steps_in

import pipeline
from train import checkpoints
from train.checkpoints import (
    NoCheckpointError,
    load_generator,
    manager_of,
    remove_leftovers,
    save,
    weights_sha256,
)
from train.run import Run
from train.train_step import TrainState


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=32)


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "finished"
    run(run_dir, data_dir, gan_weight=0)
    return run_dir


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


@contextlib.contextmanager
def files_of_at_most(num_bytes):
    """The system refuses to let a file grow further, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_lost_list_of_checkpoints_does_not_start_the_run_anew(copy, data_dir):
    log = (copy / "log.csv").read_bytes()
    for folder in (copy, copy / "ckpt-best"):
        (folder / "checkpoint").unlink()
    assert [path.name for path in Run(copy).checkpoints] == ["ckpt-2", "ckpt-3", "ckpt-4"]
    assert load_generator(copy)[1] in (2, 4)
    assert run(copy, data_dir, gan_weight=0) is False
    assert (copy / "log.csv").read_bytes() == log


def test_missing_files_are_to_be_brought_back_not_trained_again(copy, data_dir, capsys):
    for path in copy.glob("ckpt-*.data*"):
        path.unlink()
    with pytest.raises(NoCheckpointError, match=r"ckpt-4 because of .*; bring it back") as raised:
        run(copy, data_dir, gan_weight=0)
    assert "another RUN" not in str(raised.value)
    assert "ckpt-4 cannot be read (ckpt-4.data" in capsys.readouterr().out


def test_folder_in_the_place_of_a_checkpoint_is_named(copy, data_dir):
    for path in copy.glob("ckpt-*.index"):
        path.unlink()
        path.mkdir()
    with pytest.raises(NoCheckpointError, match=r"ckpt-4\.index: Is a directory; bring it back"):
        run(copy, data_dir, gan_weight=0)


def test_folder_in_the_place_of_the_list_is_named_and_kept(copy, data_dir):
    (copy / "checkpoint").unlink()
    (copy / "checkpoint").mkdir()
    (copy / "checkpoint" / "mine").write_text("mine")
    assert load_generator(copy)[1] == 4
    with pytest.raises(NoCheckpointError, match=r"checkpoint is no list .*; move it away"):
        run(copy, data_dir, steps=5, gan_weight=0)
    assert (copy / "checkpoint" / "mine").exists()


def test_one_that_is_missing_among_damaged_ones_is_named(copy, data_dir):
    (copy / "ckpt-3.index").unlink()
    for step in (2, 4):
        (copy / f"ckpt-{step}.index").write_bytes(b"")
    with pytest.raises(NoCheckpointError, match=r"ckpt-3 because of .*: No such file"):
        run(copy, data_dir, gan_weight=0)


def test_checkpoint_that_a_training_replaces_meanwhile_is_looked_for_again(copy, monkeypatch):
    best = copy / "ckpt-best"
    [step] = steps_in(best)
    restore_newest, calls = checkpoints.restore_newest, []

    def replaced(checkpoint, paths):
        calls.append(paths)
        if len(calls) == 1:
            for path in list(best.glob(f"ckpt-{step}.*")):
                path.rename(best / path.name.replace(f"ckpt-{step}", "ckpt-99"))
            (best / "checkpoint").unlink()
            raise NoCheckpointError("it is gone")
        restore_newest(checkpoint, paths)

    before = weights_sha256(load_generator(copy)[0])
    monkeypatch.setattr(checkpoints, "restore_newest", replaced)
    assert weights_sha256(load_generator(copy)[0]) == before
    assert calls[1] == [best / "ckpt-99"]


def test_weights_are_told_apart(copy):
    generator = load_generator(copy)[0]
    before = weights_sha256(generator)
    assert weights_sha256(load_generator(copy)[0]) == before
    weight = generator.trainable_weights[-1]
    weight.assign_add(weight * 0 + 1e-6)
    assert weights_sha256(generator) != before


# Disks that are full, and what a kill leaves.


def test_checkpoint_that_cannot_be_written_leaves_the_older_ones(copy, data_dir):
    manager = manager_of(TrainState(SETTINGS, num_steps=9).checkpoint(), copy)
    fault = "copy: the checkpoint of step 9 cannot be written"
    with files_of_at_most(20_000), pytest.raises(OSError, match=fault):
        save(manager, 9)
    remove_leftovers(Run(copy))
    assert steps_in(copy) == [2, 3, 4]
    assert not [path.name for path in copy.iterdir() if "temp" in path.name]
    assert run(copy, data_dir, gan_weight=0) is False


def test_disk_that_fills_up_in_training_is_named_and_gone_on_with(copy, data_dir, finished):
    with files_of_at_most(20_000):
        with pytest.raises(OSError, match="copy") as raised:
            run(copy, data_dir, gan_weight=0, steps=6)
        assert len(str(raised.value).splitlines()) == 1
    assert steps_in(copy) == [2, 3, 4]
    assert run(copy, data_dir, gan_weight=0, steps=6) is True
    lines = [(folder / "log.csv").read_text().splitlines() for folder in (copy, finished)]
    assert lines[0][:5] == lines[1]
    assert len(lines[0]) == 7


def test_leftovers_of_a_killed_training_are_swept_and_nothing_else(copy):
    before = sorted(path.name for path in copy.rglob("*"))
    (copy / "ckpt-5_temp").mkdir()
    (copy / "ckpt-5_temp" / "part-00000-of-00001.data").write_text("half")
    (copy / "ckpt-5.tempstate123").write_text("half")
    for folder in (copy, copy / "samples"):
        (folder / ".0123456789abcdef.part").write_text("half")
    remove_leftovers(Run(copy))
    assert sorted(path.name for path in copy.rglob("*")) == before


# Training that is stopped from outside, at any moment, goes on to the same end.

STEPS = 24  # enough for a signal to come before the end, on a busy machine too


def command(data_dir, runs_dir, checkpoint_minutes):
    """Trains with the adversarial term from step 4 on."""
    flags = ("--steps", STEPS, "--sample-every", 5, "--log-every", 4, "--gan-start", 0.125)
    flags += ("--channels", 8, "--blocks", 2, "--checkpoint-minutes", checkpoint_minutes)
    arguments = ["train", "--data-dir", data_dir, "--runs-dir", runs_dir, "--run", "r", *flags]
    return list(map(str, arguments))


def start_and_stop(arguments, signal_number, is_time):
    process = subprocess.Popen(
        [sys.executable, "pipeline.py", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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
    assert pipeline.main(command(data_dir, runs_dir, 100)) == 0
    return runs_dir / "r"


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_interrupted_run_saves_a_checkpoint_and_goes_on_from_it(
    data_dir, undisturbed, tmp_path, signal_number
):
    run_dir, arguments = tmp_path / "r", command(data_dir, tmp_path, 100)
    code, errors = start_and_stop(
        arguments, signal_number, lambda: lines_in(run_dir / "log.csv") >= 2
    )
    assert code == 130
    assert "Traceback" not in errors
    [step] = steps_in(run_dir)
    assert f"interrupted at step {step} of {STEPS}; the same command goes on" in errors
    assert 4 <= step < STEPS
    assert pipeline.main(arguments) == 0
    assert_same_run(undisturbed, run_dir, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("least_step", [1, 6])  # before the adversarial term, and with it
def test_killed_run_goes_on_to_the_same_end(data_dir, undisturbed, tmp_path, least_step):
    run_dir, arguments = tmp_path / "r", command(data_dir, tmp_path, 0)
    moment_s = random.Random(least_step).uniform(0, 0.1)  # in a step, a checkpoint or a line

    def is_time():
        if (steps_in(run_dir) or [0])[-1] < least_step:
            return False
        time.sleep(moment_s)
        return True

    start_and_stop(arguments, signal.SIGKILL, is_time)
    assert steps_in(run_dir)[-1] < STEPS
    assert pipeline.main(arguments) == 0
    assert_same_run(undisturbed, run_dir, STEPS)
