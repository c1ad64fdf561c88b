"""An evaluation is whole or not there, and goes on where it was stopped."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest
from helpers.evaluated import Restoration
from helpers.pair_files import tree, write_matched_folders
from helpers.runs import IDS, run

import pipeline
from prepare.records.sets import read_kernel
from train import checkpoints
from train.dataset import find_pairs, read_split
from train.evaluation import folder as evaluation_folder
from train.evaluation.evaluate import evaluate
from train.evaluation.folder import EvaluationPlaceError, begin, evaluated_in, take_place

NAME = "disc-r30"
CONTEXT = {"kernel": NAME, "step": 7, "weights": "a", "seed": 0}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), [f"{n:02d}" for n in range(30)])


def score(data_dir: Path, folder: Path, restore: Restoration, **changes: object) -> dict:
    """Evaluates the six test images on one thread, so that what is done when is known."""
    split = read_split(data_dir / "manifest.jsonl")
    sharp_dir, blurred_dir = data_dir / "not_blurred_resized", data_dir / "blurred_resized" / NAME
    test, tuning = (find_pairs(split[side], sharp_dir, [blurred_dir]) for side in ("test", "train"))
    context = CONTEXT | changes
    return evaluate(restore, test, tuning, folder, read_kernel(blurred_dir), context)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def without_times(content: dict) -> dict:
    return {name: value for name, value in content.items() if name not in ("seconds", "date")}


def test_stopped_evaluation_goes_on_to_the_numbers_of_an_undisturbed_one(data_dir, tmp_path):
    whole = score(data_dir, tmp_path / "whole", Restoration())
    with pytest.raises(KeyboardInterrupt):
        score(data_dir, tmp_path / "resumed", Restoration(stop_after=4))
    assert not (tmp_path / "resumed" / "metrics.json").exists()
    with (tmp_path / "resumed" / ".scores.jsonl").open("a") as file:
        file.write('{"id": "29", "pa')  # torn, as a kill leaves it
    rest = Restoration()
    assert without_times(score(data_dir, tmp_path / "resumed", rest)) == without_times(whole)
    assert rest.num_calls == 6 - 4
    for name in ("per_image.csv", *(f"restored/{index:02d}.png" for index in range(4, 30, 5))):
        one, other = (tmp_path / folder / name for folder in ("whole", "resumed"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("change", [{"step": 8}, {"weights": "b"}, {"seed": 1}])
def test_other_weights_start_anew(data_dir, tmp_path, change):
    with pytest.raises(KeyboardInterrupt):
        score(data_dir, tmp_path, Restoration(stop_after=4))
    (tmp_path / "restored" / "gone.png").write_bytes(b"of an image that is no longer there")
    anew = Restoration()
    assert score(data_dir, tmp_path, anew, **change).items() >= change.items()
    assert anew.num_calls == 6
    assert not (tmp_path / "restored" / "gone.png").exists()


def test_changed_pair_and_missing_picture_are_scored_again(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "data")
    score(copy, tmp_path / "e", Restoration())
    sharp = copy / "not_blurred_resized"
    shutil.copy(sharp / "00.jpg", sharp / "04.jpg")
    (tmp_path / "e" / "restored" / "09.png").unlink()
    again = Restoration()
    content = score(copy, tmp_path / "e", again)
    assert again.num_calls == 2
    assert without_times(content) == without_times(score(copy, tmp_path / "f", Restoration()))


@pytest.mark.parametrize(
    "line",
    [
        "[" * 99_999,
        "3",
        '{"id": "04", "pair": "x", "spent_s": 1.0, "scores": {"a": "b"}}',
        "\udcff",
    ],
)
def test_lines_that_make_no_sense_are_scored_again(data_dir, tmp_path, line):
    score(data_dir, tmp_path, Restoration())
    path = tmp_path / ".scores.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([line, *lines[1:]]), errors="surrogateescape")
    again = Restoration()
    score(data_dir, tmp_path, again)
    assert again.num_calls == 1
    with (tmp_path / "per_image.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [f"{n:02d}" for n in range(4, 30, 5)]


# How it takes its place.


def fill(folder: Path, what: str) -> None:
    (folder / "restored").mkdir(parents=True)
    for name in ("metrics.json", "per_image.csv", "restored/04.png", ".of.json"):
        (folder / name).write_text(what)


def test_place_is_taken_whole_and_what_others_put_there_is_kept(tmp_path):
    place = tmp_path / NAME
    fill(place, "old")
    (place / "restored" / "99.png").write_text("old")
    (place / "notes.txt").write_text("mine")
    (place / "restored" / "mine.jpg").write_text("mine")
    folder = begin(place)
    folder.rmdir()
    fill(folder, "new")
    take_place(folder, place)
    assert {path: content.decode() for path, content in tree(tmp_path).items()} == {
        f"{NAME}/metrics.json": "new",
        f"{NAME}/per_image.csv": "new",
        f"{NAME}/restored/04.png": "new",
        f"{NAME}/notes.txt": "mine",
        f"{NAME}/restored/mine.jpg": "mine",
    }


@pytest.mark.parametrize("num_renames", [1, 2])
def test_kill_between_renames_is_mended(tmp_path, monkeypatch, num_renames):
    place = tmp_path / NAME
    fill(place, "old")
    (place / "notes.txt").write_text("mine")
    folder = begin(place)
    folder.rmdir()
    fill(folder, "new")
    renames = []

    def rename(path: Path, target: Path) -> None:
        if len(renames) == num_renames:
            raise KeyboardInterrupt
        renames.append(os.rename(path, target))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            take_place(folder, place)
    assert begin(place) == folder
    assert (place / "metrics.json").read_text() == ("old" if num_renames == 1 else "new")
    assert (place / "notes.txt").read_text() == "mine"
    assert evaluated_in(tmp_path) == [NAME]


def test_file_in_the_place_of_an_evaluation_is_left_alone(tmp_path):
    (tmp_path / NAME).write_text("mine")
    with pytest.raises(EvaluationPlaceError, match="is a file; move it away"):
        begin(tmp_path / NAME)


# The command.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_matched_folders(folder / "data", IDS, kernels=(NAME, "disc-r40"))
    run(folder / "runs" / "run-01", folder / "data", steps=2, gan_weight=0)
    return folder


def command(folder: Path, *words: str) -> int:
    where = ["--data-dir", str(folder / "data"), "--runs-dir", str(folder / "runs")]
    return pipeline.main([words[0], *where, *words[1:]])


def test_stopped_command_leaves_the_old_evaluation_and_goes_on(trained, tmp_path, monkeypatch):
    folder = shutil.copytree(trained, tmp_path / "folder")
    evaluations_dir = folder / "runs" / "run-01" / "evaluation"
    both = ("--kernel", NAME, "disc-r40")
    assert command(folder, "evaluate", *both) == 0
    before = tree(evaluations_dir)
    pages = {f"{name}/report.html" for name in both[1:]}
    assert pages | {"curve.json"} <= set(before)
    assert not [path for path in before if path.startswith((".unfinished", ".replaced"))]
    restore, calls = checkpoints.restore_picture, []

    def stopped(generator, blurred):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(0)
        return restore(generator, blurred)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "restore_picture", stopped)
        assert command(folder, "evaluate", *both) == 130
    assert before.items() <= tree(evaluations_dir).items()
    assert command(folder, "report") == 0
    monkeypatch.setattr(
        checkpoints, "restore_picture", lambda *call: calls.append(1) or restore(*call)
    )
    assert command(folder, "evaluate", *both) == 0
    assert calls == [0, 0, 0, 1]
    after = tree(evaluations_dir)
    assert set(after) == set(before)
    for path in (f"{NAME}/per_image.csv", "disc-r40/per_image.csv", "curve.json"):
        assert after[path] == before[path]
    one, other = (json.loads(files[f"{NAME}/metrics.json"]) for files in (before, after))
    assert without_times(one) == without_times(other)


def test_report_of_a_pattern_and_of_what_was_not_evaluated(trained, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "folder")
    assert command(folder, "evaluate", "--kernel", NAME) == 0
    (folder / "runs" / "run-01" / "evaluation" / evaluation_folder.UNFINISHED).mkdir()
    capsys.readouterr()
    assert command(folder, "report", "--kernel", "*") == 0
    assert capsys.readouterr().out.count("report: ") == 1
    assert command(folder, "report", "--kernel", "disc-r40") == 1
    assert 'make evaluate RUN=run-01 KERNEL="disc-r40"' in capsys.readouterr().err
