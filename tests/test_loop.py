import csv
import json
import re
import shutil
from dataclasses import replace
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
    run,
    steps_in,
    tensors_of,
)
from PIL import Image

from prepare.records.settings import DamagedRecordError
from train.checkpoints import NoCheckpointError, load_generator
from train.dataset import UnmatchedPairsError, read_split
from train.log import Recorder
from train.loop import (
    FullMemoryError,
    NonFiniteLossError,
    UnsuitableSizeError,
    keep_best,
    out_of_patience,
)
from train.run import UnfitRunError
from train.settings import TrainSettings
from train.train_step import TrainState


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=64)


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    """A run of 4 steps without a break."""
    run_dir = tmp_path_factory.mktemp("runs") / "finished"
    assert run(run_dir, data_dir) is True
    return run_dir


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


# A run and what it leaves behind.


def test_run_folder_holds_what_the_contract_names(finished):
    assert steps_in(finished) == [2, 3, 4]  # the newest few
    assert steps_in(finished / "ckpt-best")[0] in (2, 4)
    record = json.loads((finished / "settings.json").read_text())
    assert record["precision"] in ("bfloat16", "float32")  # not "auto": whoever asks must know
    assert record["steps"] == 4
    assert record["kernels"] == [KERNEL]
    assert record["tensorflow"] == tf.__version__
    assert list(finished.glob("events.*"))
    with Image.open(finished / "samples" / "step-0000002.jpg") as sheet:
        assert sheet.width == 3 * 64  # blurred | restored | sharp


def test_log_has_one_line_a_log_step_with_the_loss_that_was_differentiated(finished, data_dir):
    header, *lines = (finished / "log.csv").read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    num_training = len(folders_of(data_dir)[0].ids)
    for row in rows:
        expected = float(row["adversarial_loss"]) + 100 * float(row["l1"])
        expected += 100 * float(row["grid"])
        assert float(row["generator_loss"]) == pytest.approx(expected, rel=1e-5)
        assert float(row["epoch"]) == pytest.approx(int(row["step"]) / num_training)
        assert bool(row["validation_psnr_db"]) == (int(row["step"]) % 2 == 0)


def test_finished_run_returns_false_and_changes_nothing(copy, data_dir):
    before = {path: path.read_bytes() for path in copy.rglob("ckpt-*") if path.is_file()}
    log = (copy / "log.csv").read_bytes()
    assert run(copy, data_dir) is False
    assert {path: path.read_bytes() for path in before} == before
    assert (copy / "log.csv").read_bytes() == log


@pytest.mark.slow
def test_resumed_equals_uninterrupted(finished, data_dir, tmp_path):
    run(tmp_path / "run", data_dir, max_minutes=1e-9)
    assert steps_in(tmp_path / "run") == [1]
    run(tmp_path / "run", data_dir)
    assert_same_run(finished, tmp_path / "run", 4)


@pytest.mark.slow
def test_a_run_without_an_average_goes_on_and_comes_back(data_dir, tmp_path):
    run(tmp_path / "whole", data_dir, average=False)
    run(tmp_path / "run", data_dir, average=False, max_minutes=1e-9)
    run(tmp_path / "run", data_dir, average=False)
    assert_same_run(tmp_path / "whole", tmp_path / "run", 4)
    generator, step, _ = load_generator(tmp_path / "run")
    saved = tensors_of(tmp_path / "run" / "ckpt-best", step)
    for weight in generator.trainable_weights:
        assert any(np.array_equal(weight.numpy(), each) for each in saved.values())


def test_trained_generator_comes_back(finished):
    generator, step, record = load_generator(finished)
    assert record.settings.generator == "residual"
    saved = tensors_of(finished / "ckpt-best", step)
    kernels = [value for name, value in saved.items() if name.startswith("averaged/")]
    # Kernels and biases of the blocks, of what stands before and after, and of the guess of radius.
    assert len(generator.trainable_weights) == 2 * (2 * record.settings.blocks + 2 + 1)
    for weight in generator.weights:
        assert any(np.array_equal(weight.numpy(), each) for each in kernels)


# Damage, as power cuts and full disks leave it.


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["data-00000-of-00001", "index"])
@pytest.mark.parametrize("share", [0, 0.5])
def test_damaged_newest_checkpoint_falls_back_to_the_one_before(
    copy, finished, data_dir, capsys, suffix, share
):
    path = copy / f"ckpt-4.{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert run(copy, data_dir) is True
    said = capsys.readouterr().out
    assert re.search(r"ckpt-4 is damaged \(.*\), trying the one before it", said)
    assert_same_run(finished, copy, 4)


@pytest.mark.slow
def test_checkpoint_that_is_gone_falls_back_to_the_one_before(copy, finished, data_dir):
    for path in copy.glob("ckpt-4.*"):
        path.unlink()
    assert run(copy, data_dir) is True
    assert_same_run(finished, copy, 4)


@pytest.mark.parametrize("content", ["", "no list of checkpoints"])
def test_damaged_list_of_checkpoints_does_not_start_the_run_anew(copy, data_dir, content):
    (copy / "checkpoint").write_text(content)
    assert run(copy, data_dir) is False
    (copy / "ckpt-best" / "checkpoint").write_text(content)
    assert load_generator(copy)[1] in (2, 4)


def test_no_whole_checkpoint_is_an_error_that_says_what_to_do(copy, data_dir):
    for path in copy.glob("ckpt-*.data*"):
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(NoCheckpointError, match=r"no checkpoint in .* can be read; train again"):
        run(copy, data_dir)


def test_best_generator_is_taken_before_the_newest(copy):
    shutil.rmtree(copy / "ckpt-best")
    (copy / "ckpt-best").mkdir()
    for path in copy.glob("ckpt-2.*"):
        shutil.copy(path, copy / "ckpt-best")
    (copy / "ckpt-best" / "checkpoint").touch()
    assert load_generator(copy)[1] == 2


def test_newest_generator_stands_in_for_a_damaged_best_one(copy):
    for path in (copy / "ckpt-best").glob("*.data*"):
        path.write_bytes(path.read_bytes()[:1000])
    assert load_generator(copy)[1] == 4


def test_run_without_a_checkpoint_says_what_to_type(tmp_path):
    with pytest.raises(NoCheckpointError, match="run `make train RUN=none` first"):
        load_generator(tmp_path / "none")


@pytest.mark.parametrize("content", ["", '{"steps": 4, "ba', "[]"])
def test_damaged_settings_are_an_error_by_name(copy, data_dir, content):
    (copy / "settings.json").write_text(content)
    with pytest.raises(DamagedRecordError, match=r"settings\.json is damaged"):
        run(copy, data_dir)


def test_settings_of_another_version_are_an_error_by_name(copy, data_dir):
    path = copy / "settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({key: settings[key] for key in settings if key != "schedule"}))
    with pytest.raises(UnfitRunError, match=r"settings\.json lacks schedule"):
        run(copy, data_dir)


def test_torn_last_line_of_the_log_is_forgotten(tmp_path):
    state = TrainState(SETTINGS, num_steps=20)
    recorder = Recorder(tmp_path, state, SETTINGS, 10, writes=True)
    for step in (1, 2, 3):
        recorder.write(step, {"l1": 0.5})
    whole = (tmp_path / "log.csv").read_text()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1")  # of "12,..."
    state.step.assign(20)
    Recorder(tmp_path, state, SETTINGS, 10, writes=True)
    assert (tmp_path / "log.csv").read_text() == whole
    state.step.assign(2)
    Recorder(tmp_path, state, SETTINGS, 10, writes=True)
    assert (tmp_path / "log.csv").read_text() == "".join(whole.splitlines(keepends=True)[:3])


def test_adversarial_term_sets_in_when_its_share_of_the_run_has_come(tmp_path, data_dir):
    run(tmp_path / "run", data_dir, gan_start=0.5)
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        rows = {int(row["step"]): row for row in csv.DictReader(file)}
    judged = {step: float(row["discriminator_loss"]) > 0 for step, row in rows.items()}
    assert judged == {1: False, 2: False, 3: True, 4: True}
    # What was validated before the term set in is not what the run is to be.
    assert [path.stem for path in (tmp_path / "run" / "ckpt-best").glob("*.index")] == ["ckpt-4"]


# What is refused.


@pytest.mark.parametrize("kept", [0.1, 0.9])
@pytest.mark.parametrize("folder", ["not_blurred_resized", f"blurred_resized/{KERNEL}"])
def test_damaged_picture_is_named(tmp_path, folder, kept):
    data_dir = write_matched_folders(tmp_path, IDS, 64)
    damaged = tmp_path / folder / f"{read_split(data_dir / 'manifest.jsonl')['train'][0]}.jpg"
    content = damaged.read_bytes()
    damaged.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UnmatchedPairsError, match=rf"{damaged.name} is damaged; .*make dataset"):
        run(tmp_path / "run", data_dir, steps=20)


@pytest.mark.parametrize("change", [{"batch": 2}, {"seed": 1}, {"l1_weight": 10.0}])
def test_changed_settings_are_refused_by_name(copy, data_dir, change):
    [(name, value)] = change.items()
    before = (copy / "settings.json").read_bytes()
    with pytest.raises(UnfitRunError, match=rf"{name} {value}.*RUN="):
        run(copy, data_dir, **change)
    assert (copy / "settings.json").read_bytes() == before


@pytest.mark.parametrize(
    ("size", "generator", "expected"),
    [
        (64, "unet", "a multiple of 256"),
        (30, "residual", "a multiple of 4"),
        (20, "residual", "24"),
    ],
)
def test_pictures_of_an_unsuitable_size_are_refused(tmp_path, size, generator, expected):
    write_matched_folders(tmp_path, IDS, size=size)
    with pytest.raises(UnsuitableSizeError, match=f"{expected}.* {size} pixels"):
        run(tmp_path / "run", tmp_path, generator=generator)
    assert not (tmp_path / "run").exists()


def test_a_shift_beyond_the_pictures_is_refused(tmp_path, data_dir):
    with pytest.raises(UnsuitableSizeError, match="--jitter-px must be less than the 64 pixels"):
        run(tmp_path / "run", data_dir, jitter_px=64)


@pytest.mark.slow
def test_smallest_pictures_can_be_trained_on(tmp_path):
    write_matched_folders(tmp_path, IDS, size=24)
    assert run(tmp_path / "run", tmp_path, steps=1) is True


@pytest.mark.slow
def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    data_dir, tmp_path
):
    with pytest.raises(NonFiniteLossError, match=r"between steps \d+ and (\d+); .* is step \d+"):
        run(tmp_path / "run", data_dir, learning_rate=1e15, steps=20, sample_every=20)
    *_, last = steps_in(tmp_path / "run")
    assert last < 20
    for name, value in tensors_of(tmp_path / "run", last).items():
        if name.startswith("generator/"):
            assert np.all(np.isfinite(value)), name
    losses = (tmp_path / "run" / "log.csv").read_text()
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


@pytest.mark.slow
def test_patience_ends_a_run_that_gets_no_better(tmp_path, data_dir):
    idle = {"steps": 8, "patience": 1, "gan_weight": 0, "learning_rate": 1e-30}
    assert run(tmp_path / "run", data_dir, **idle) is True
    assert steps_in(tmp_path / "run")[-1] == 4  # step 2 was the best, step 4 no better
    assert run(tmp_path / "run", data_dir, **idle) is False


def test_the_best_of_an_adversarial_run_is_of_the_last_quarter_of_its_part():
    settings = TrainSettings(gan_weight=1, gan_start=0.6)
    assert settings.best_eligible_step(1000) == 901
    assert replace(settings, gan_weight=0).best_eligible_step(1000) == 0


def test_a_run_that_was_made_longer_gets_a_best_of_its_own_last_quarter():
    state = SimpleNamespace(best_haarpsi=tf.Variable(0.9), best_step=tf.Variable(95))
    for step, haarpsi, best_step in ((150, 0.95, 95), (180, 0.8, 180), (190, 0.7, 180)):
        keep_best(state, step, 175, {"validation_haarpsi": haarpsi}, None)
        assert state.best_step.numpy() == best_step
    assert state.best_haarpsi.numpy() == pytest.approx(0.8)


def test_a_run_that_is_finished_keeps_its_record_whatever_is_asked_for(tmp_path, data_dir):
    run(tmp_path, data_dir, steps=2, gan_weight=0)
    before = (tmp_path / "settings.json").read_bytes()
    assert run(tmp_path, data_dir, steps=1, gan_weight=0) is False
    assert (tmp_path / "settings.json").read_bytes() == before


def test_a_full_memory_is_said_in_one_line(tmp_path, data_dir, monkeypatch):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr("train.loop.build_train_step", full)
    with pytest.raises(FullMemoryError, match="make BATCH, CROP or CHANNELS smaller"):
        run(tmp_path, data_dir)


def test_max_minutes_ends_the_call_and_keeps_the_step(data_dir, tmp_path):
    assert run(tmp_path, data_dir, max_minutes=1e-9, checkpoint_minutes=60) is True
    assert steps_in(tmp_path) == [1]


@pytest.mark.slow
def test_without_the_adversarial_term_there_is_no_discriminator(data_dir, tmp_path):
    run(tmp_path / "run", data_dir, steps=1, gan_weight=0.0)
    assert not [name for name in tensors_of(tmp_path / "run", 1) if "discriminator" in name]


@pytest.mark.slow
def test_resumed_unet_equals_uninterrupted_down_to_its_dropout(tmp_path):
    data_dir = write_matched_folders(tmp_path / "data", IDS[:6], size=256)
    changes = {"generator": "unet", "sample_every": 1, "checkpoint_minutes": 100.0}
    run(tmp_path / "whole", data_dir, steps=2, **changes)
    run(tmp_path / "resumed", data_dir, steps=1, **changes)
    run(tmp_path / "resumed", data_dir, steps=2, **changes)
    assert any("dropout" in name for name in tensors_of(tmp_path / "whole", 2))
    assert_same_run(tmp_path / "whole", tmp_path / "resumed", 2)


@pytest.mark.slow
def test_precision_of_a_run_is_not_that_of_what_comes_after(tmp_path, data_dir):
    run(tmp_path / "run", data_dir, precision="bfloat16", gan_weight=0)
    generator, _, record = load_generator(tmp_path / "run")
    assert record.settings.precision == "bfloat16"
    assert {layer.compute_dtype for layer in generator.layers} == {"float32"}
