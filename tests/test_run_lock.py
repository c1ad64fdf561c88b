"""One training a run and one evaluation; everything else works beside them."""

import json

import pytest
from helpers.pair_files import tree, write_matched_folders
from helpers.runs import IDS, KERNEL, run

import pipeline
from prepare.records.files import only_writer
from train.devices import is_chief


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_matched_folders(folder / "data", IDS)
    run(folder / "runs" / "run-01", folder / "data", steps=2, gan_weight=0)
    return folder


def command(folder, *words):
    where = ["--data-dir", str(folder / "data"), "--runs-dir", str(folder / "runs")]
    return pipeline.main([words[0], *where, *words[1:]])


def test_second_training_is_told_of_the_first_and_changes_nothing(folder, capsys):
    run_dir = folder / "runs" / "run-01"
    with only_writer(run_dir, "make train"):
        before = tree(run_dir)
        assert command(folder, "train", "--steps", "9") == 1
        [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
        assert "run-01 is in use by make train, process" in line
        assert tree(run_dir) == before


def test_second_evaluation_is_told_of_the_first(folder, capsys):
    with only_writer(folder / "runs" / "run-01" / "evaluation", "make evaluate"):
        assert command(folder, "evaluate", "--kernel", KERNEL) == 1
    assert "is in use by make evaluate, process" in capsys.readouterr().err


def test_everything_else_works_beside_a_training(folder):
    photo = folder / "data" / "not_blurred_resized" / "00.jpg"
    with only_writer(folder / "runs" / "run-01", "make train"):
        assert command(folder, "evaluate", "--kernel", KERNEL) == 0
        assert command(folder, "report") == 0
        assert command(folder, "deblur", str(photo), "--out", str(folder / "out")) == 0
        assert command(folder, "export", "--formats", "savedmodel") == 0


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (None, True),
        ({"type": "worker", "index": 0}, True),
        ({"type": "worker", "index": 1}, False),
        ({"type": "chief", "index": 0}, True),
    ],
)
def test_of_several_machines_the_one_that_writes_holds_the_lock(monkeypatch, task, expected):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if task:
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {}, "task": task}))
    assert is_chief() is expected
