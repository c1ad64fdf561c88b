"""Runs that start from the weights of another: what they begin with, and how they go on."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.pair_files import ROOT, tree, write_matched_folders
from helpers.runs import IDS, assert_same_run, run, steps_in, tensors_of

import pipeline
import train.loop
from train.checkpoints import load_generator, save_generator, weights_sha256
from train.resume import FIRST, forget_unbegun
from train.run import Run
from train.start import UnfitStartError

PATIENCE_S = 900  # of a machine with much else to do; seconds alone


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=64)


@pytest.fixture(scope="module")
def other(data_dir, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "other"
    run(run_dir, data_dir, gan_weight=0, learning_rate=0.01)
    return run_dir


def make_older(run_dir):
    """Leaves a run no checkpoint but that of step 2, which has other weights."""
    shutil.rmtree(run_dir / "ckpt-best")
    for path in (run_dir / "checkpoint", *run_dir.glob("ckpt-[34].*")):
        path.unlink()


@contextlib.contextmanager
def ended_before(name):
    """The training is ended where it would call one of its functions, as by a kill."""

    def end(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.loop, name, end)
        with pytest.raises(KeyboardInterrupt):
            yield


def start(run_dir, data_dir, other, **changes):
    return run(run_dir, data_dir, from_dir=other, **changes)


def test_new_run_starts_from_the_best_averaged_weights_and_all_else_is_fresh(
    data_dir, other, tmp_path, capsys
):
    with ended_before("build_train_step"):
        start(tmp_path / "mine", data_dir, other, seed=5)
    [step] = steps_in(other / "ckpt-best")
    assert f"mine starts from other, step {step}" in capsys.readouterr().out
    begun, best = tensors_of(tmp_path / "mine", 0), tensors_of(other / "ckpt-best", step)
    averaged = [name for name in begun if name.startswith("averaged/")]
    assert averaged
    for name in averaged:
        np.testing.assert_array_equal(begun[name], best[name], err_msg=name)
    optimizer = "generator_optimizer/{}/.ATTRIBUTES/VARIABLE_VALUE"  # which holds what it trains
    for number, weight in enumerate(load_generator(other)[0].trainable_weights):
        taken = begun[optimizer.format(f"_trainable_variables/{number}")]
        np.testing.assert_array_equal(taken, weight.numpy())
    assert begun["step/.ATTRIBUTES/VARIABLE_VALUE"] == 0
    assert begun[optimizer.format("_iterations")] == 0
    moments = [value for name, value in begun.items() if "generator_optimizer/_variables/" in name]
    assert sum(value.ndim == 4 for value in moments) > 3
    assert not any(np.any(value) for value in moments if value.ndim == 4)
    record, (generator, *_) = Run(tmp_path / "mine").record, load_generator(other)
    expected = ("other", step, weights_sha256(generator))
    assert (record.settings.from_run, record.from_step, record.from_weights) == expected
    assert not (tmp_path / "mine" / "ckpt-best").exists()


def test_killed_before_its_record_is_written_the_run_is_as_good_as_new(data_dir, other, tmp_path):
    run_dir = tmp_path / "mine"
    with ended_before("write_run"):
        start(run_dir, data_dir, other)
    assert steps_in(run_dir) == [0]
    assert Run(run_dir).record is None
    changed = shutil.copytree(other, tmp_path / "changed")
    make_older(changed)
    with ended_before("build_train_step"):
        start(run_dir, data_dir, changed)
    weights = weights_sha256(load_generator(changed)[0])
    assert weights != weights_sha256(load_generator(other)[0])
    assert Run(run_dir).record.from_weights == weights
    assert weights_sha256(load_generator(run_dir)[0]) == weights
    before = tree(run_dir)
    forget_unbegun(run_dir)  # a run that was begun is left alone
    assert tree(run_dir) == before
    (run_dir / "settings.json").unlink()
    forget_unbegun(run_dir)
    assert not [name for name in tree(run_dir) if FIRST in name or name == "checkpoint"]
    with ended_before("build_train_step"):
        run(run_dir, data_dir)  # from scratch, and not from what was left
    assert steps_in(run_dir) == []


def test_checkpoints_without_their_record_are_not_mixed_with_other_weights(
    data_dir, other, tmp_path
):
    copy = shutil.copytree(other, tmp_path / "copy")
    (copy / "settings.json").unlink()
    before = tree(copy)
    with pytest.raises(UnfitStartError, match=r"has checkpoints but no settings\.json"):
        start(copy, data_dir, other, gan_weight=0)
    with pytest.raises(UnfitStartError, match=r"has checkpoints but no settings\.json"):
        run(copy, data_dir, gan_weight=0)
    assert tree(copy) == before


def test_a_run_that_was_handed_on_without_its_training_is_not_trained_anew(
    data_dir, other, tmp_path
):
    small = tmp_path / "small"
    small.mkdir()
    for name in ("settings.json", "log.csv"):
        shutil.copyfile(other / name, small / name)
    save_generator(load_generator(other)[0], small / "ckpt-best", 4)
    before = tree(small)
    with pytest.raises(UnfitStartError, match=r"make train RUN=\.\. FROM_RUN=small"):
        run(small, data_dir, gan_weight=0, learning_rate=0.01)
    assert tree(small) == before
    with ended_before("build_train_step"):
        start(tmp_path / "mine", data_dir, small)


def test_run_that_lost_its_checkpoints_takes_no_other_weights(data_dir, other, tmp_path):
    copy, run_dir = shutil.copytree(other, tmp_path / "other"), tmp_path / "mine"
    with ended_before("build_train_step"):
        start(run_dir, data_dir, copy)
    for path in (run_dir / "checkpoint", *run_dir.glob(f"{FIRST}.*")):
        path.unlink()
    with ended_before("build_train_step"):
        start(run_dir, data_dir, copy)  # the same weights are as good as the lost ones
    for path in (run_dir / "checkpoint", *run_dir.glob(f"{FIRST}.*")):
        path.unlink()
    make_older(copy)
    with pytest.raises(UnfitStartError, match=r"no longer has the weights .*another RUN="):
        start(run_dir, data_dir, copy)


def test_other_run_whose_checkpoints_are_damaged_is_one_line_and_nothing_begins(
    data_dir, other, tmp_path, capsys
):
    copy = shutil.copytree(other, tmp_path / "other")
    for path in copy.rglob("ckpt-*.data*"):
        path.write_bytes(path.read_bytes()[:1000])
    words = ["train", "--data-dir", data_dir, "--runs-dir", tmp_path, "--run", "mine"]
    assert pipeline.main([*map(str, words), "--from-run", "other", "--gan-weight", "0"]) == 1
    [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert "other can be read" in line
    assert not (tmp_path / "mine").exists()


@pytest.mark.slow
def test_killed_run_equals_an_undisturbed_one_though_the_other_is_gone(data_dir, other, tmp_path):
    def command(runs_dir):
        words = ["train", "--data-dir", data_dir, "--runs-dir", runs_dir, "--run", "mine"]
        words += ["--from-run", "other", "--steps", 6, "--sample-every", 3, "--log-every", 2]
        words += ["--gan-start", 0.5, "--checkpoint-minutes", 100]
        return [sys.executable, str(ROOT / "pipeline.py"), *map(str, words)]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for runs_dir in (whole, killed):
        shutil.copytree(other, runs_dir / "other")
    subprocess.run(command(whole), cwd=ROOT, check=True, timeout=PATIENCE_S)
    process = subprocess.Popen(command(killed), cwd=ROOT, stderr=subprocess.DEVNULL)
    until_s = time.monotonic() + PATIENCE_S
    while not (killed / "mine" / "settings.json").exists():
        assert process.poll() is None
        assert time.monotonic() < until_s
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert steps_in(killed / "mine") == [0]
    shutil.rmtree(killed / "other")
    subprocess.run(command(killed), cwd=ROOT, check=True, timeout=PATIENCE_S)
    assert_same_run(whole / "mine", killed / "mine", 6)
    again = subprocess.run(command(killed), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "mine is finished" in again.stdout
