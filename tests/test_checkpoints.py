"""Checkpoints that cannot be read, are replaced while they are read, or cannot be written."""

import contextlib
import resource
import shutil

import numpy as np
import pytest
from helpers.pair_files import write_matched_folders
from helpers.runs import IDS, SETTINGS, run, steps_in

from train import checkpoints
from train.checkpoints import (
    NoCheckpointError,
    load_generator,
    manager_of,
    save,
    sweep,
    weights_sha256,
)
from train.export.export import ExportError, export
from train.export.export import sweep as sweep_export
from train.run import checkpoints_in
from train.train_step import TrainState


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=64)


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
    assert [path.name for path in checkpoints_in(copy)] == ["ckpt-2", "ckpt-3", "ckpt-4"]
    assert load_generator(copy)[1] in (2, 4)
    assert run(copy, data_dir, gan_weight=0) is False
    assert (copy / "log.csv").read_bytes() == log


def test_files_of_other_names_are_no_checkpoints(copy):
    for name in ("ckpt-mine.index", "ckpt-.index", "ckpt-4-old.index"):
        (copy / name).write_text("mine")
    (copy / "checkpoint").unlink()
    assert len(checkpoints_in(copy)) == 3


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
    manager = manager_of(TrainState(SETTINGS, num_steps=9), copy)
    fault = "copy: the checkpoint of step 9 cannot be written"
    with files_of_at_most(20_000), pytest.raises(OSError, match=fault):
        save(manager, 9)
    sweep(copy)
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
    sweep(copy)
    assert sorted(path.name for path in copy.rglob("*")) == before


@pytest.mark.parametrize("name", ["savedmodel", "onnx", "tflite"])
def test_export_onto_a_full_disk_is_one_line(copy, tmp_path, name):
    generator = load_generator(copy)[0]
    pictures = [np.zeros((32, 32, 3), np.uint8)]
    with files_of_at_most(5_000), pytest.raises((ExportError, OSError)) as raised:
        export(generator, tmp_path / "export", pictures, [name])
    assert len(str(raised.value).splitlines()) == 1
    assert "export" in str(raised.value)
    assert not list((tmp_path / "export").rglob("*.*"))


def test_leftovers_of_a_killed_export_are_swept(tmp_path):
    (tmp_path / ".savedmodel-abc" / "savedmodel").mkdir(parents=True)
    (tmp_path / ".0123456789abcdef.part").write_text("half")
    (tmp_path / "generator.onnx").write_text("whole")
    sweep_export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["generator.onnx"]
