"""Checkpoints: kept, damaged, replaced while they are read, cut off by a full disk or by a kill."""

import contextlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from helpers.pair_files import ROOT, tree, write_matched_folders
from helpers.runs import IDS, PATIENCE_S, assert_same_run, lines_in, run, steps_in

import pipeline
from prepare.records.files import only_writer
from train import checkpoints
from train.checkpoints import (
    NoCheckpointError,
    load_generator,
    remove_leftovers,
    weights_sha256,
)
from train.run import Run


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


def test_missing_files_are_to_be_brought_back_not_trained_again(copy, data_dir, capsys):
    for path in copy.glob("ckpt-*.data*"):
        path.unlink()
    with pytest.raises(NoCheckpointError, match=r"ckpt-4 because of .*; bring it back") as raised:
        run(copy, data_dir, gan_weight=0)
    assert "another RUN" not in str(raised.value)
    assert "ckpt-4 cannot be read (ckpt-4.data" in capsys.readouterr().out


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

    generator = load_generator(copy)[0]
    before = weights_sha256(generator)
    monkeypatch.setattr(checkpoints, "restore_newest", replaced)
    assert weights_sha256(load_generator(copy)[0]) == before
    assert calls[1] == [best / "ckpt-99"]
    weight = generator.trainable_weights[-1]
    weight.assign_add(weight * 0 + 1e-6)
    assert weights_sha256(generator) != before


# Disks that are full, and what a kill leaves.


def test_disk_that_fills_up_in_training_is_named_and_gone_on_with(copy, data_dir, finished):
    fault = r"^[^\n]*copy: the checkpoint of step \d cannot be written [^\n]*$"
    with files_of_at_most(20_000), pytest.raises(OSError, match=fault):
        run(copy, data_dir, gan_weight=0, steps=6)
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


# One training a run and one evaluation; everything else works beside them.


@pytest.fixture
def beside(finished, data_dir, tmp_path):
    """Does what is called with the run that is trained or evaluated meanwhile: its exit code."""

    def call(*words):
        where = ["--data-dir", data_dir, "--runs-dir", finished.parent, "--run", finished.name]
        return pipeline.main(list(map(str, [words[0], *where, *words[1:]])))

    return call


def test_second_training_or_evaluation_is_told_of_the_first_and_changes_nothing(
    beside, finished, capsys
):
    places = {"train": finished, "evaluate": finished / "evaluation"}
    for name, locked in places.items():
        with only_writer(locked, f"make {name}"):
            before = tree(finished)
            assert beside(name) == 1
            [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
            assert f"{locked.name} is in use by make {name}, process" in line
            assert tree(finished) == before


def test_everything_else_works_beside_a_training(beside, data_dir, finished, tmp_path):
    with only_writer(finished, "make train"):
        assert beside("evaluate") == 0
        assert beside("report") == 0
        photo = data_dir / "not_blurred_resized" / "00.jpg"
        assert beside("deblur", photo, "--out", tmp_path / "out") == 0
        assert beside("export", "--formats", "savedmodel") == 0


# Training that is stopped from outside, at any moment, goes on to the same end.

STEPS = 24  # enough for a signal to come before the end, on a busy machine too


def command(data_dir, runs_dir, checkpoint_minutes):
    """Trains with the adversarial term from step 4 on."""
    words = f"train --data-dir {data_dir} --runs-dir {runs_dir} --run r --steps {STEPS}"
    words += " --sample-every 5 --log-every 4 --gan-start 0.125 --channels 8 --blocks 2"
    return [*words.split(), "--checkpoint-minutes", str(checkpoint_minutes)]


def start_and_stop(arguments, signal_number, is_time):
    program = [sys.executable, "pipeline.py", *arguments]
    with subprocess.Popen(
        program, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        until_s = time.monotonic() + PATIENCE_S
        try:
            while not is_time():
                assert process.poll() is None
                assert time.monotonic() < until_s
                time.sleep(0.005)
            process.send_signal(signal_number)
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
def test_interrupted_run_saves_a_checkpoint_and_goes_on_from_it(data_dir, undisturbed, tmp_path):
    run_dir, arguments = tmp_path / "r", command(data_dir, tmp_path, 100)
    code, errors = start_and_stop(
        arguments, signal.SIGINT, lambda: lines_in(run_dir / "log.csv") >= 2
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
