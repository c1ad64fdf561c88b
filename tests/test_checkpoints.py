"""Checkpoints: kept, damaged, replaced while they are read, cut off by a full disk or by a kill."""

import contextlib
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from helpers.pair_files import ROOT, tree
from helpers.runs import PATIENCE_S, assert_same_run, lines_in, run, steps_in, tensors_of

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


def cut_off(*paths):
    """As a power cut leaves files."""
    assert paths
    for path in paths:
        path.write_bytes(path.read_bytes()[:1000])


@contextlib.contextmanager
def files_of_at_most(num_bytes):
    """The system refuses to let a file grow further, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def averages_in(folder, step):
    saved = tensors_of(folder, step)
    return {name: value for name, value in saved.items() if name.startswith("averaged/")}


def test_trained_generator_comes_back(finished):
    generator, step, record = load_generator(finished)
    assert (step, record.settings.generator) == (4, "residual")
    averages = averages_in(finished / "ckpt-best", step)
    # Kernels and biases of the blocks, of what stands before and after, and of the guess of radius.
    assert len(generator.trainable_weights) == 2 * (2 * record.settings.blocks + 2 + 1)
    for weight in generator.weights:
        assert any(np.array_equal(weight.numpy(), average) for average in averages.values())


# Damage, as power cuts and full disks leave it.


def test_damaged_newest_checkpoint_falls_back_to_the_one_before(copy, finished, data_dir, capsys):
    cut_off(copy / "ckpt-4.data-00000-of-00001")
    (copy / "checkpoint").write_text("no list of checkpoints")
    assert run(copy, data_dir) is True
    assert "ckpt-4 is damaged" in capsys.readouterr().out
    assert_same_run(finished, copy, 4)


def test_no_whole_checkpoint_is_an_error_that_says_what_to_do(copy, data_dir, capsys):
    cut_off(copy / "ckpt-2.index", copy / "ckpt-3.data-00000-of-00001")
    (copy / "ckpt-4.data-00000-of-00001").unlink()
    hint = r"no checkpoint in .* can be read; bring back .* or train again as another RUN"
    with pytest.raises(NoCheckpointError, match=hint):
        run(copy, data_dir)
    assert capsys.readouterr().out.count("is damaged") == 3


def test_folder_in_the_place_of_the_list_is_named_and_kept(copy, data_dir):
    (copy / "checkpoint").unlink()
    (copy / "checkpoint").mkdir()
    (copy / "checkpoint" / "mine").write_text("mine")
    assert load_generator(copy)[1] == 4
    with pytest.raises(OSError, match="copy/checkpoint"):
        run(copy, data_dir, steps=5)
    assert (copy / "checkpoint" / "mine").exists()


def test_best_generator_is_taken_and_the_newest_stands_in_for_a_damaged_one(copy):
    best_dir = copy / "ckpt-best"
    shutil.rmtree(best_dir)
    best_dir.mkdir()
    for path in copy.glob("ckpt-2.*"):
        shutil.copy(path, best_dir)
    assert load_generator(copy)[1] == 2
    cut_off(*best_dir.glob("*.data*"))
    assert load_generator(copy)[1] == 4
    with pytest.raises(NoCheckpointError, match="run `make train RUN=none` first"):
        load_generator(copy / "none")


def test_checkpoint_that_a_training_replaces_meanwhile_is_looked_for_again(copy, monkeypatch):
    best = copy / "ckpt-best"
    [step] = steps_in(best)
    restore_newest, calls = checkpoints.restore_newest, []

    def replaced(checkpoint, paths):
        calls.append(paths)
        if len(calls) == 1:
            for path in list(best.glob(f"ckpt-{step}.*")):
                path.rename(best / path.name.replace(f"ckpt-{step}", "ckpt-99"))
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


def test_disk_that_fills_up_in_training_is_named_and_gone_on_with(copy, data_dir, finished):
    fault = r"^[^\n]*copy: the checkpoint of step \d cannot be written [^\n]*$"
    with files_of_at_most(20_000), pytest.raises(OSError, match=fault):
        run(copy, data_dir, steps=6)
    assert steps_in(copy) == [2, 3, 4]
    assert run(copy, data_dir, steps=6) is True
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


def test_the_network_before_the_adversarial_term_is_kept_for_detail(finished):
    kept, of_step = averages_in(finished / "ckpt-pixel", 2), averages_in(finished, 2)
    assert kept.keys() == of_step.keys()
    for name, value in kept.items():
        np.testing.assert_array_equal(value, of_step[name])


# One training a run and one evaluation; everything else works beside them.


@pytest.fixture
def beside(copy, data_dir):
    """Does what is called with the run that is trained or evaluated meanwhile: its exit code."""

    def call(*words):
        where = ["--data-dir", data_dir, "--runs-dir", copy.parent, "--run", copy.name]
        return pipeline.main(list(map(str, [words[0], *where, *words[1:]])))

    return call


def test_second_training_or_evaluation_is_told_of_the_first_and_changes_nothing(
    beside, copy, capsys
):
    places = {"train": copy, "evaluate": copy / "evaluation"}
    for name, locked in places.items():
        with only_writer(locked, f"make {name}"):
            before = tree(copy)
            assert beside(name) == 1
            [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
            assert f"{locked.name} is in use by make {name}, process" in line
            assert tree(copy) == before


def test_everything_else_works_beside_a_training(beside, data_dir, copy, tmp_path):
    with only_writer(copy, "make train"):
        assert beside("evaluate") == 0
        assert beside("report") == 0
        photo = data_dir / "not_blurred_resized" / "00.jpg"
        assert beside("deblur", photo, "--out", tmp_path / "out") == 0
        assert beside("export", "--formats", "savedmodel") == 0


# Training that is stopped from outside, at any moment, goes on to the same end.

STEPS = 24  # enough for three signals to come before the end, on a busy machine too


def command(data_dir, runs_dir, checkpoint_minutes):
    """Trains with the adversarial term from step 6 on."""
    words = f"train --data-dir {data_dir} --runs-dir {runs_dir} --run r --steps {STEPS} --batch 1"
    words += " --sample-every 5 --log-every 4 --gan-start 0.2 --channels 4 --blocks 1"
    return [*words.split(), "--checkpoint-minutes", str(checkpoint_minutes)]


def is_saved(run_dir, step):
    return (steps_in(run_dir) or [0])[-1] >= step


def stop(arguments, signal_number, is_time, delay_s=0):
    """Exit code and errors of a command that gets a signal when it is time, or so long after."""
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
            time.sleep(delay_s)
            process.send_signal(signal_number)
            _, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()  # does nothing to one that has ended
    return process.returncode, errors


@pytest.mark.slow
def test_killed_and_interrupted_run_goes_on_to_the_same_end(data_dir, tmp_path):
    run_dir, log_path = tmp_path / "r", tmp_path / "r" / "log.csv"
    # Before the adversarial term, and with it; in a step, a checkpoint or a line.
    for least_step, delay_s in ((1, 0.07), (8, 0.02)):
        is_time = partial(is_saved, run_dir, least_step)
        stop(command(data_dir, tmp_path, 0), signal.SIGKILL, is_time, delay_s)
    killed_at, num_lines = steps_in(run_dir)[-1], lines_in(log_path)
    assert killed_at < STEPS
    arguments = command(data_dir, tmp_path, 100)
    code, errors = stop(arguments, signal.SIGINT, lambda: lines_in(log_path) > num_lines)
    assert code == 130
    assert "Traceback" not in errors
    step = steps_in(run_dir)[-1]
    assert killed_at < step < STEPS
    assert f"interrupted at step {step} of {STEPS}; the same command continues" in errors
    assert pipeline.main(arguments) == 0
    assert pipeline.main(command(data_dir, tmp_path / "undisturbed", 100)) == 0
    assert_same_run(tmp_path / "undisturbed" / "r", run_dir, STEPS)
