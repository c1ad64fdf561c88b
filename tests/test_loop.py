"""Short trainings in this process: what they leave behind, how they go on, what they refuse."""

import csv
import json
import math
import re
import shutil
import sys
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from helpers.pair_files import write_matched_folders
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
from train.checkpoints import NoCheckpointError, load_generator
from train.dataset import UnmatchedPairsError
from train.log import Recorder
from train.loop import (
    FullMemoryError,
    NonFiniteLossError,
    UnsuitableSizeError,
    begin_best,
    keep_best,
    out_of_patience,
)
from train.run import UnfitRunError
from train.settings import TrainSettings

HALF = replace(
    SETTINGS, channels=4, blocks=1, gan_start=0.5, schedule="cosine"
)  # the adversarial term from step 3 on
PIXEL = {"gan_weight": 0, "log_every": 1}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=32)


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    """A run of 4 steps without a break."""
    run_dir = tmp_path_factory.mktemp("runs") / "finished"
    assert run(run_dir, data_dir, HALF) is True
    return run_dir


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


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


def test_trained_generator_comes_back(finished):
    generator, step, record = load_generator(finished)
    assert (step, record.settings.generator) == (4, "residual")
    saved = tensors_of(finished / "ckpt-best", step)
    averages = [value for name, value in saved.items() if name.startswith("averaged/")]
    # Kernels and biases of the blocks, of what stands before and after, and of the guess of radius.
    assert len(generator.trainable_weights) == 2 * (2 * record.settings.blocks + 2 + 1)
    for weight in generator.weights:
        assert any(np.array_equal(weight.numpy(), average) for average in averages)


# Going on.


def test_resumed_equals_uninterrupted(finished, data_dir, tmp_path, capsys):
    run_dir = tmp_path / "run"
    run(run_dir, data_dir, HALF, max_minutes=1e-9, checkpoint_minutes=60)
    assert "minutes are over at step 1" in capsys.readouterr().out
    assert steps_in(run_dir) == [1]
    run(run_dir, data_dir, HALF)
    assert "run goes on from step 1 of 4" in capsys.readouterr().out
    assert_same_run(finished, run_dir, 4)


def test_planned_run_is_as_long_as_the_time_allows_and_equals_one_of_so_many_steps(
    finished, data_dir, tmp_path, monkeypatch
):
    """With a clock that goes on by a second whenever it is looked at: no part takes longer."""
    monkeypatch.setattr(train.loop, "time", SimpleNamespace(monotonic=count().__next__))
    pairs, validation = folders_of(data_dir)
    settings = replace(HALF, steps=0, max_minutes=14 / 60)
    record = record_of(settings, pairs)
    assert train.loop.train(tmp_path / "run", pairs, validation, record, plan=True)
    # Half of 14 s are for the run: a second to validate at its end, and for each two steps three.
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["steps"] == 4
    assert_same_run(finished, tmp_path / "run", 4)


def test_most_of_a_long_time_is_for_the_run(data_dir, monkeypatch):
    """Where every look at the clock takes a second, and nothing else takes time."""
    state = SimpleNamespace(step=tf.Variable(0), ema_generator=None)
    replacements = {
        "time": SimpleNamespace(monotonic=count().__next__),
        "TrainState": lambda *_: state,
        "build_train_step": lambda *_: lambda *_: None,
        "validate": lambda *_: None,
    }
    for name, replacement in replacements.items():
        monkeypatch.setattr(train.loop, name, replacement)
    settings = replace(HALF, steps=0, max_minutes=10, precision="float32")
    strategy = tf.distribute.get_strategy()
    steps = train.loop.planned_steps(settings, *folders_of(data_dir), strategy)
    # 25 looks at the clock until the plan is made; the same is left for the real networks.
    assert steps == int((0.95 * 600 - 2 * 25 - 1) / 1.5)


def test_command_says_how_long_a_run_will_be(finished, data_dir, capsys):
    words = ["train", "--data-dir", data_dir, "--runs-dir", finished.parent, "--dry-run"]
    words += ["--max-minutes", 5]
    for run_name, said in (("new", "as many steps of 4 as 5 minutes allow"), ("finished", "4 st")):
        assert pipeline.main([str(word) for word in (*words, "--run", run_name)]) == 0
        assert said in capsys.readouterr().out


def test_finished_run_returns_false_and_changes_nothing(copy, data_dir):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for steps in (4, 2):  # its record stays, whatever is asked for
        assert run(copy, data_dir, HALF, steps=steps) is False
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


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


# Damage, as power cuts and full disks leave it.


@pytest.mark.parametrize("suffix", ["data-00000-of-00001", "index"])
def test_damaged_newest_checkpoint_falls_back_to_the_one_before(
    copy, finished, data_dir, capsys, suffix
):
    path = copy / f"ckpt-4.{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run(copy, data_dir, HALF) is True
    said = capsys.readouterr().out
    assert re.search(r"ckpt-4 is damaged \(.*\), trying the one before it", said)
    assert_same_run(finished, copy, 4)


def test_damaged_list_of_checkpoints_does_not_start_the_run_anew(copy, data_dir):
    (copy / "checkpoint").write_text("no list of checkpoints")
    assert run(copy, data_dir, HALF) is False
    (copy / "ckpt-best" / "checkpoint").write_text("")
    assert load_generator(copy)[1] == 4


def test_no_whole_checkpoint_is_an_error_that_says_what_to_do(copy, data_dir):
    for path in copy.glob("ckpt-*.data*"):
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(NoCheckpointError, match=r"no checkpoint in .* can be read; train again"):
        run(copy, data_dir, HALF)


def test_best_generator_is_taken_and_the_newest_stands_in_for_a_damaged_one(copy):
    best_dir = copy / "ckpt-best"
    shutil.rmtree(best_dir)
    best_dir.mkdir()
    for path in copy.glob("ckpt-2.*"):
        shutil.copy(path, best_dir)
    assert load_generator(copy)[1] == 2
    for path in best_dir.glob("*.data*"):
        path.write_bytes(path.read_bytes()[:1000])
    assert load_generator(copy)[1] == 4
    with pytest.raises(NoCheckpointError, match="run `make train RUN=none` first"):
        load_generator(copy / "none")


# Progress.


class StateOfLog:
    """All that a recorder asks of a state."""

    def __init__(self, step):
        self.step, self.loss_sums = tf.Variable(step), tf.Variable([0.0])

    def num_skipped(self):
        return 0


def recorder_at(run_dir, step):
    return Recorder(run_dir, StateOfLog(step), replace(SETTINGS, steps=20), 10, writes=True)


def test_torn_last_line_of_the_log_is_forgotten(tmp_path):
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


@pytest.mark.parametrize("in_terminal", [True, False])
def test_progress_has_step_loss_validation_rate_and_time_left(
    tmp_path, monkeypatch, capsys, in_terminal
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: in_terminal, raising=False)
    with recorder_at(tmp_path / "mine", 5) as recorder:
        for step in range(6, 11):
            recorder.bar.update()
            scores = {"validation_psnr_db": 31.2345} if step == 8 else {}
            recorder.write(step, {"l1": step / 100} | scores)
    out, err = capsys.readouterr()
    begin, *lines = out.splitlines()
    assert begin == "mine goes on from step 5 of 20"
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
    with pytest.raises(NonFiniteLossError, match=r"between steps \d+ and (\d+); .* is step \d+"):
        run(tmp_path, data_dir, learning_rate=2e9, steps=20, sample_every=20, **PIXEL)
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
    settings = replace(SETTINGS, gan_weight=gan_weight, patience=2, sample_every=2)
    state = SimpleNamespace(step=tf.Variable(step), best_step=tf.Variable(2))
    assert out_of_patience(state, settings, num_steps=20) is expected
    assert out_of_patience(state, replace(settings, patience=0), num_steps=20) is False


def test_patience_ends_a_run_that_gets_no_better(tmp_path, data_dir):
    idle = {"steps": 8, "patience": 1, "learning_rate": 1e-30, **PIXEL}
    assert run(tmp_path, data_dir, **idle) is True
    assert steps_in(tmp_path)[-1] == 4  # step 2 was the best, step 4 no better
    assert run(tmp_path, data_dir, **idle) is False


def test_the_best_of_an_adversarial_run_is_of_the_last_quarter_of_its_part():
    settings = TrainSettings(gan_weight=1, gan_start=0.6)
    assert settings.best_eligible_step(1000) == 901
    assert replace(settings, gan_weight=0).best_eligible_step(1000) == 0


def test_damaged_picture_is_named(tmp_path):
    data_dir = write_matched_folders(tmp_path, IDS, 32)
    damaged = tmp_path / "blurred_resized" / KERNEL / f"{folders_of(data_dir)[0].ids[0]}.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(UnmatchedPairsError, match=rf"{damaged.name} is damaged; .*make dataset"):
        run(tmp_path / "run", data_dir, steps=20, **PIXEL)


@pytest.mark.parametrize("change", [{"batch": 2}, {"l1_weight": 10.0}])
def test_changed_settings_are_refused_by_name(copy, data_dir, change):
    [(name, value)] = change.items()
    before = (copy / "settings.json").read_bytes()
    with pytest.raises(UnfitRunError, match=rf"{name} {value}.*RUN="):
        run(copy, data_dir, HALF, **change)
    assert (copy / "settings.json").read_bytes() == before


@pytest.mark.parametrize(
    ("size", "changes", "expected"),
    [
        (64, {"generator": "unet"}, "a multiple of 256.* 64 pixels"),
        (30, {}, "a multiple of 4.* 30 pixels"),
        (20, {}, "24.* 20 pixels"),
        (32, {"jitter_px": 32}, "--jitter-px must be less than the 32 pixels"),
    ],
)
def test_pictures_of_an_unsuitable_size_are_refused(tmp_path, size, changes, expected):
    write_matched_folders(tmp_path, IDS, size=size)
    with pytest.raises(UnsuitableSizeError, match=expected):
        run(tmp_path / "run", tmp_path, **changes)
    assert not (tmp_path / "run").exists()


def test_smallest_pictures_can_be_trained_on(tmp_path):
    write_matched_folders(tmp_path, IDS, size=24)
    assert run(tmp_path / "run", tmp_path, steps=1) is True


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError(None, None, ""), MemoryError()])
def test_a_full_memory_is_said_in_one_line(tmp_path, data_dir, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(train.loop, "strategy_for", full)
    with pytest.raises(FullMemoryError, match="make BATCH, CROP or CHANNELS smaller"):
        run(tmp_path, data_dir)
