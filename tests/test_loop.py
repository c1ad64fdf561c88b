"""Short trainings in this process: what they leave behind, how they go on, what they refuse."""

import contextlib
import csv
import json
import math
import re
import sys
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from helpers.pair_files import tree, write_matched_folders
from helpers.runs import (
    IDS,
    KERNEL,
    SETTINGS,
    assert_same_run,
    folders_of,
    record_of,
    run,
    steps_in,
    tensors_of,
)
from PIL import Image

import pipeline
import train.loop
from prepare.records.jsonl import read_log
from prepare.records.settings import DamagedRecordError, SettingError
from train.dataset import UnmatchedPairsError
from train.devices import FullMemoryError
from train.log import Recorder
from train.loop import (
    NonFiniteLossError,
    UnsuitableSizeError,
    begin_best,
    keep_best,
    out_of_patience,
)

PIXEL = {"gan_weight": 0, "log_every": 1}


# A run and what it leaves behind.


def test_run_folder_holds_what_the_contract_names(finished):
    assert steps_in(finished) == [2, 3, 4]  # the newest few
    # What was validated before the adversarial term set in is not what the run is to be.
    assert steps_in(finished / "ckpt-best") == [4]
    own, pixel = (tensors_of(place, 2) for place in (finished, finished / "ckpt-pixel"))
    for name in filter(lambda name: name.startswith("averaged/"), pixel):  # as before that term
        np.testing.assert_array_equal(pixel[name], own[name], err_msg=name)
    record = json.loads((finished / "settings.json").read_text())
    assert record["precision"] in ("bfloat16", "float32")  # not "auto": whoever asks must know
    assert record["steps"] == 4
    assert record["kernels"] == [KERNEL]
    assert record["tensorflow"] == tf.__version__
    assert list(finished.glob("events.*"))
    with Image.open(finished / "samples" / "step-0000002.jpg") as sheet:
        assert sheet.width == 3 * 32  # blurred | restored | sharp


def test_log_has_one_line_a_log_step_with_the_loss_that_was_differentiated(finished, data_dir):
    with (finished / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    num_training = len(folders_of(data_dir)[0].ids)
    for number, row in enumerate(rows, 1):
        expected = float(row["adversarial_loss"]) + 100 * float(row["l1"])
        expected += 100 * float(row["grid"])
        assert float(row["generator_loss"]) == pytest.approx(expected, rel=1e-5)
        assert float(row["epoch"]) == pytest.approx(number / num_training)
        assert bool(row["validation_psnr_db"]) == (number % 2 == 0)
        assert (float(row["discriminator_loss"]) > 0) == (number >= 3)


# Going on.


def test_resumed_equals_uninterrupted(finished, data_dir, tmp_path, capsys):
    run_dir = tmp_path / "run"
    run(run_dir, data_dir, max_minutes=1e-9, checkpoint_minutes=60)
    assert "minutes are over at step 1" in capsys.readouterr().out
    assert steps_in(run_dir) == [1]
    run(run_dir, data_dir)
    assert "run continues from step 1 of 4" in capsys.readouterr().out
    assert_same_run(finished, run_dir, 4)


def test_planned_run_is_as_long_as_the_time_allows_and_equals_one_of_so_many_steps(
    finished, data_dir, tmp_path, monkeypatch
):
    """With a clock that goes on by a second whenever it is looked at: no part takes longer."""
    monkeypatch.setattr(train.loop, "time", SimpleNamespace(monotonic=count().__next__))
    pairs, validation = folders_of(data_dir)
    settings = replace(SETTINGS, steps=0, max_minutes=14 / 60)
    record = record_of(settings, pairs)
    assert train.loop.train(tmp_path / "run", pairs, validation, record, plan=True)
    # Half of 14 s are for the run: a second to validate at its end, and for each two steps three.
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["steps"] == 4
    assert_same_run(finished, tmp_path / "run", 4)


def test_command_says_how_long_a_run_will_be(finished, data_dir, capsys):
    words = ["train", "--data-dir", data_dir, "--runs-dir", finished.parent, "--dry-run"]
    words += ["--max-minutes", 5]
    for run_name, said in (("new", "as many steps of 4 as 5 minutes allow"), ("finished", "4 st")):
        assert pipeline.main([str(word) for word in (*words, "--run", run_name)]) == 0
        assert said in capsys.readouterr().out


def test_finished_run_returns_false_and_changes_nothing(copy, data_dir):
    before = tree(copy)
    for steps in (4, 2):  # its record stays, whatever is asked for
        assert run(copy, data_dir, steps=steps) is False
    assert tree(copy) == before


def test_a_run_that_was_made_longer_gets_a_best_of_its_own_last_quarter():
    state = SimpleNamespace(best_haarpsi=tf.Variable(0.9), best_step=tf.Variable(95))
    for step, haarpsi, best_step in ((150, 0.95, 95), (180, 0.8, 180), (190, 0.7, 180)):
        keep_best(state, step, 175, {"validation_haarpsi": haarpsi}, None)
        assert state.best_step.numpy() == best_step
    assert state.best_haarpsi.numpy() == pytest.approx(0.8)


def test_the_best_is_chosen_anew_where_the_validation_images_are_others(tmp_path, capsys):
    state = SimpleNamespace(
        best_haarpsi=tf.Variable(0.9),
        best_step=tf.Variable(6),
        validated_on=tf.Variable(0, dtype=tf.int64),
    )
    for seed, best_step in ((0, 6), (0, 6), (1, 0)):
        data_dir = write_matched_folders(tmp_path / str(seed), IDS[seed:], 32)
        begin_best(state, folders_of(data_dir)[1])
        assert state.best_step.numpy() == best_step
    assert capsys.readouterr().out.count("the best network is chosen anew") == 1
    assert state.best_haarpsi.numpy() == -math.inf


# Progress.


class StateOfLog:
    """All that a recorder asks of a state."""

    def __init__(self, step):
        self.step, self.loss_sums = tf.Variable(step), tf.Variable([0.0])

    def num_skipped(self):
        return 0


def recorder_at(run_dir, step):
    return Recorder(run_dir, StateOfLog(step), replace(SETTINGS, steps=20), 10, writes=True)


def test_log_of_an_older_version_is_gone_on_with_and_a_torn_line_and_those_past_are_not(tmp_path):
    recorder = recorder_at(tmp_path, 0)
    for step in (1, 2, 3):
        recorder.write(step, {"l1": 0.5})
    whole = (tmp_path / "log.csv").read_text()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1")  # of "12,..."
    recorder_at(tmp_path, 20)
    assert (tmp_path / "log.csv").read_text() == whole
    recorder_at(tmp_path, 2)
    assert (tmp_path / "log.csv").read_text() == "".join(whole.splitlines(keepends=True)[:3])
    (tmp_path / "log.csv").write_text("step,l1\n1,0.5\n")
    recorder_at(tmp_path, 2)
    [row] = read_log(tmp_path / "log.csv", "")
    assert (row["step"], row["l1"], row["grid"]) == ("1", "0.5", "")
    (tmp_path / "log.csv").write_text("step,mine\n1,0.5\n")  # a column that nobody knows is kept
    with pytest.raises(DamagedRecordError, match="mine"):
        recorder_at(tmp_path, 2)
    assert (tmp_path / "log.csv").read_text() == "step,mine\n1,0.5\n"


@pytest.mark.parametrize("in_terminal", [True, False])
def test_progress_has_step_loss_validation_rate_and_time_left(
    tmp_path, monkeypatch, capsys, in_terminal
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: in_terminal, raising=False)
    recorder = recorder_at(tmp_path / "mine", 5)
    with contextlib.closing(recorder.bar):
        for step in range(6, 11):
            recorder.bar.update()
            scores = {"validation_psnr_db": 31.2345} if step == 8 else {}
            recorder.write(step, {"l1": step / 100} | scores)
    out, err = capsys.readouterr()
    begin, *lines = out.splitlines()
    assert begin == "mine continues from step 5 of 20"
    if in_terminal:
        last = err.split("\r")[-1]
        assert re.search(r"10/20 .*<.*step/s, L1 0\.1000, validation 31\.23 dB", last)
        assert lines == []
    else:
        assert err == ""
        assert len(lines) == 2  # at the beginning and at the end of what took no minute
        end = r"mine: step 10 of 20, .*step/s, \d\d:\d\d left, L1 0\.1000, validation 31\.23 dB"
        assert re.fullmatch(end, lines[1])


# What ends a run, and what is refused.


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    data_dir, tmp_path
):
    expected = r"between steps \d+ and (\d+); last good checkpoint: step \d+"
    with pytest.raises(NonFiniteLossError, match=expected):
        run(tmp_path, data_dir, learning_rate=2e9, steps=20, sample_every=20, blocks=4, **PIXEL)
    *_, last = steps_in(tmp_path)
    assert last < 20
    for name, value in tensors_of(tmp_path, last).items():
        if name.startswith("generator/"):
            assert np.all(np.isfinite(value)), name
    losses = (tmp_path / "log.csv").read_text()
    assert "nan" not in losses
    assert len(losses.splitlines()) == last + 1


@pytest.mark.parametrize(
    ("gan_weight", "step", "expected"),
    # Two validations, 2 steps apart, have passed since step 2; with the adversarial term those
    # before step 16 do not count, the first of the last quarter of its part.
    [(0, 5, False), (0, 6, True), (1, 19, False), (1, 20, True)],
)
def test_a_run_out_of_patience_is_finished(gan_weight, step, expected):
    settings = replace(SETTINGS, gan_weight=gan_weight, gan_start=0, patience=2)
    state = SimpleNamespace(step=tf.Variable(step), best_step=tf.Variable(2))
    assert out_of_patience(state, settings, num_steps=20) is expected
    assert out_of_patience(state, replace(settings, patience=0), num_steps=20) is False


def test_patience_ends_a_run_that_gets_no_better(tmp_path, data_dir):
    idle = {"steps": 8, "patience": 1, "learning_rate": 1e-30, **PIXEL}
    assert run(tmp_path, data_dir, **idle) is True
    assert steps_in(tmp_path)[-1] == 4  # step 2 was the best, step 4 no better
    assert run(tmp_path, data_dir, **idle) is False


def test_damaged_picture_is_named(tmp_path):
    data_dir = write_matched_folders(tmp_path, IDS, 32)
    damaged = tmp_path / "blurred_resized" / KERNEL / f"{folders_of(data_dir)[0].ids[0]}.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(UnmatchedPairsError, match=rf"{damaged.name} is damaged; .*make dataset"):
        run(tmp_path / "run", data_dir, steps=20, **PIXEL)


@pytest.mark.parametrize(
    ("size", "changes", "expected"),
    [
        (64, {"generator": "unet"}, "a multiple of 256.* 64 pixels"),
        (30, {}, "a multiple of 4.* 30 pixels"),
        (20, {}, "24.* 20 pixels"),
        (32, {"jitter_px": 32}, "jitter_px must be smaller than the pictures .32 pixels"),
    ],
)
def test_pictures_of_an_unsuitable_size_are_refused(tmp_path, size, changes, expected):
    write_matched_folders(tmp_path, IDS, size=size)
    with pytest.raises((UnsuitableSizeError, SettingError), match=expected):
        run(tmp_path / "run", tmp_path, **changes)
    assert not (tmp_path / "run").exists()


def test_smallest_pictures_can_be_trained_on(tmp_path):
    write_matched_folders(tmp_path, IDS, size=24)
    assert run(tmp_path / "run", tmp_path, steps=1, gan_start=0) is True


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, ""), MemoryError()])
def test_a_full_memory_is_said_in_one_line(tmp_path, data_dir, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(train.loop, "strategy_for", full)
    with pytest.raises(FullMemoryError, match="make BATCH, CROP or CHANNELS smaller"):
        run(tmp_path, data_dir)
