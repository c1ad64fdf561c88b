"""How long a run takes, and how long one may be; none of these tests looks at a clock."""

import json
from dataclasses import replace

import pytest
import tensorflow as tf
from helpers.pair_files import write_matched_folders
from helpers.runs import IDS, SETTINGS, assert_same_run, folders_of, record_of, run, tensors_of

import pipeline
from train import duration
from train.checkpoints import manager_of
from train.dataset import training_batches
from train.devices import dtype_policy_scope
from train.duration import Pace, in_words, kinds_ahead, measure, tell_duration
from train.loop import train
from train.settings import TrainSettings
from train.train_step import TrainState, build_train_step

HALF = TrainSettings(gan_start=0.5, sample_every=10)


def test_seconds_of_each_part_add_up() -> None:
    pace = Pace(pixel_s=1, adversarial_s=10, validation_s=100)
    assert pace.seconds(HALF, 0, 20) == 10 * 1 + 10 * 10 + 2 * 100
    assert pace.seconds(HALF, 0, 24) == 12 * 1 + 12 * 10 + 3 * 100  # the last is at the end
    assert pace.seconds(HALF, 5, 20) == 5 * 1 + 10 * 10 + 2 * 100
    assert pace.seconds(HALF, 15, 20) == 5 * 10 + 100
    assert pace.seconds(replace(HALF, gan_weight=0), 0, 20) == 20 * 1 + 2 * 100
    assert pace.seconds(replace(HALF, gan_start=0), 0, 20) == 20 * 10 + 2 * 100


def test_a_run_is_as_long_as_the_time_allows() -> None:
    pace = Pace(pixel_s=1, adversarial_s=10, validation_s=100)
    for within_s in (1, 250, 309.9, 310, 5000):
        most = pace.most_steps(HALF, within_s)
        assert most == 1 or pace.seconds(HALF, 0, most) <= within_s
        assert pace.seconds(HALF, 0, most + 1) > within_s
    assert pace.most_steps(HALF, -5) == 1


def test_kinds_of_steps_that_are_still_to_come() -> None:
    assert kinds_ahead(HALF, 0, 20) == [False, True]
    assert kinds_ahead(HALF, 9, 20) == [False, True]
    assert kinds_ahead(HALF, 10, 20) == [True]
    assert kinds_ahead(replace(HALF, gan_weight=0), 0, 20) == [False]


def test_durations_are_told_to_two_digits_or_so() -> None:
    told = [in_words(seconds) for seconds in (40.4, 720, 12_000, 216_000)]
    assert told == ["40 s", "12 min", "3 h 20 min", "2.5 days"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_timing_leaves_all_that_a_checkpoint_holds_as_it_was(
    data_dir, tmp_path, capsys, precision
) -> None:
    pairs, validation = folders_of(data_dir)
    settings = replace(SETTINGS, gan_start=0.5, steps=200, precision=precision)
    with dtype_policy_scope(precision):
        state = TrainState(settings, 200)
    train_step = build_train_step(state, settings, tf.distribute.get_strategy())
    batches = training_batches(pairs, settings, 0, 200)
    for blurred, sharp in batches.take(3):  # so that no moment is zero
        train_step(blurred, sharp, True)
    manager_of(state.checkpoint(), tmp_path / "before").save(3)
    pace = measure(state, train_step, batches, validation, [False, True])
    manager_of(state.checkpoint(), tmp_path / "after").save(3)
    before, after = (tensors_of(tmp_path / name, 3) for name in ("before", "after"))
    assert before.keys() == after.keys()
    assert [name for name in before if (before[name] != after[name]).any()] == []
    assert min(pace.pixel_s, pace.adversarial_s, pace.validation_s) > 0
    tell_duration(state, train_step, batches, validation, settings, 200)
    assert "the 197 steps that are left take about " in capsys.readouterr().out
    tell_duration(state, train_step, batches, validation, settings, 20)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_planned_run_equals_one_of_so_many_steps(data_dir, tmp_path, monkeypatch) -> None:
    asked = []

    def six(_pace: Pace, _settings: TrainSettings, within_s: float) -> int:
        asked.append(within_s)
        return 6

    monkeypatch.setattr(duration.Pace, "most_steps", six)
    pairs, validation = folders_of(data_dir)
    changes = {"gan_start": 0.5, "schedule": "cosine", "max_minutes": 600.0}
    record = record_of(replace(SETTINGS, steps=0, **changes), pairs)
    assert train(tmp_path / "planned", pairs, validation, record, plan=True)
    assert 0 < asked[0] < 600 * 60
    assert json.loads((tmp_path / "planned" / "settings.json").read_text())["steps"] == 6
    run(tmp_path / "told", data_dir, steps=6, **changes)
    assert_same_run(tmp_path / "planned", tmp_path / "told", 6)


@pytest.mark.slow
def test_planned_run_goes_on_to_its_length(data_dir, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(duration.Pace, "most_steps", lambda *_: 4)
    words = ["train", "--data-dir", data_dir, "--runs-dir", tmp_path, "--channels", 8]
    words += ["--blocks", 3, "--crop", 0, "--batch", 1, "--gan-weight", 0]

    def command(*more: object) -> int:
        return pipeline.main([str(word) for word in (*words, *more)])

    assert command("--max-minutes", 1, "--dry-run") == 0
    assert "as many steps of 1 as 1 minutes allow" in capsys.readouterr().out
    assert command("--max-minutes", 1e-9) == 0  # stops after a step, as it always did
    assert "minutes are over at step 1" in capsys.readouterr().out
    for more in (["--max-minutes", 60], []):
        assert command(*more) == 0
        assert ", 4 steps of 1" in capsys.readouterr().out
    assert (tmp_path / "run-01" / "ckpt-4.index").exists()
    assert command("--max-minutes", 60, "--steps", 5) == 0
    assert (tmp_path / "run-01" / "ckpt-5.index").exists()
