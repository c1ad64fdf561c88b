"""Any blurred set can be trained on and scored: what names it is its folder."""

import json
import re
import shutil

import numpy as np
import pytest
from helpers.drawn_blurs import drawn_blur
from helpers.pair_files import photo_u8, write_jpeg, write_matched_folders, write_photos

import pipeline
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.sets import (
    KernelRecord,
    NoSuchSetError,
    choose_sets,
    set_names,
    the_only_set,
)
from train.run import Run, RunRecord
from train.settings import TrainSettings

IDS = [f"{index:02d}" for index in range(10)]
TOY = [
    "--steps",
    "2",
    "--channels",
    "4",
    "--blocks",
    "1",
    "--crop",
    "0",
    "--gan-weight",
    "0",
    "--sample-every",
    "2",
]


def run(capsys, *arguments, code=0):
    """What a command prints, in this process."""
    assert pipeline.main([str(word) for word in arguments]) == code
    captured = capsys.readouterr()
    return captured.err.splitlines()[-1] if code else captured.out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten photographs, and sets of a hexagon, of linear light and of a range."""
    folder = tmp_path_factory.mktemp("sets")
    photos = write_photos(folder / "photos", [f"{image_id}.png" for image_id in IDS])
    words = ["--data-dir", folder / "data", "--size", 32]
    where = ["--num-images", 10, "--source", "folder", "--from", photos]
    for command in (
        ["dataset", *where, *words, "--radius", 33.5, "--blades", 6],
        ["blur", *words, "--linear", 1],
        ["blur", *words, "--radius", "10-40", "--blades", 5, "--curvature", 40],
    ):
        assert pipeline.main([str(word) for word in command]) == 0
    return folder


@pytest.fixture
def places(folder, tmp_path):
    return ["--data-dir", folder / "data", "--runs-dir", tmp_path / "runs"]


@pytest.mark.slow
def test_training_and_scoring_on_sets_that_are_no_disc(places, tmp_path, capsys):
    names = ["hexagon-r33.5", "disc-r30-linear"]
    said = run(capsys, "train", *places, "--kernel", *names, *TOY)
    assert "of hexagon-r33.5, disc-r30-linear, 2 steps" in said
    assert "is finished" in run(capsys, "train", *places, *TOY)  # with the sets it was begun with
    said = run(capsys, "evaluate", *places)
    reports = [tmp_path / "runs" / "run-01" / "evaluation" / name / "report.html" for name in names]
    assert all(report.exists() for report in reports)
    assert said.count("richardson_lucy") == 2
    commands = re.findall(r"make [^<]+", reports[0].read_text())
    assert any("make blur RADIUS=33.5 BLADES=6 SIZE=32" in command for command in commands)
    assert any("make blur RADIUS=30 LINEAR=1 SIZE=32" in command for command in commands)
    assert "report" in run(capsys, "report", *places, "--kernel", "hex*")


@pytest.mark.slow
def test_pictures_blurred_elsewhere_can_be_trained_on_and_scored(folder, places, tmp_path, capsys):
    by_hand = folder / "data" / "blurred_resized" / "photoshop"
    for number in range(10):
        write_jpeg(by_hand / f"{number:02d}.jpg", photo_u8(number, 32))
    run(capsys, "train", *places, "--kernel", "photoshop", "--run", "hand", *TOY)
    said = run(capsys, "evaluate", *places, "--run", "hand")
    assert "richardson_lucy" not in said
    assert "unsharp_mask" in said
    scored = tmp_path / "runs" / "hand" / "evaluation" / "photoshop"
    reason = "needs one PSF for the set, and it has no kernel.json"
    baselines = json.loads((scored / "metrics.json").read_text())["baselines"]
    assert baselines["wiener"] == baselines["richardson_lucy"] == {"left_out": reason}
    assert f"Wiener left out ({reason})" in (scored / "report.html").read_text()


def test_patterns_and_radii_name_sets_too(places, tmp_path, capsys):
    """What would be trained on, by the words that name it."""
    data_dir = write_matched_folders(tmp_path, IDS, 32, ("disc-r15", "disc-r30", "disc-r10-40"))
    discs = ["--data-dir", data_dir, "--runs-dir", tmp_path / "runs"]
    for where, words, names in (
        (places, ["--kernel", "hex*"], "hexagon-r33.5"),
        (places, ["--kernel", "*linear", "*-r33.5"], "disc-r30-linear, hexagon-r33.5"),
        (discs, ["--radius", "30"], "disc-r30"),
        (discs, ["--radius", "30.0", "10-40"], "disc-r30, disc-r10-40"),
        (discs, ["--radius", "15", "--kernel", "disc-r[31]*"], "disc-r10-40, disc-r15, disc-r30"),
    ):
        said = run(capsys, "train", *where, *words, "--steps", "7", "--dry-run")
        assert f" validation images of {names}, 7 steps" in said
    assert not (tmp_path / "runs").exists()


def test_a_run_goes_on_with_the_sets_it_was_begun_with(places, tmp_path, capsys):
    kernels = ("hexagon-r33.5", "disc-r30-linear")
    record = RunRecord(TrainSettings(steps=7), kernels, 32, "sharp")
    Run(tmp_path / "runs" / "begun").write(record, [])
    said = run(capsys, "train", *places, "--run", "begun", "--dry-run")
    assert " images of hexagon-r33.5, disc-r30-linear, " in said


def test_several_sets_and_none_named_is_an_error_that_names_them(places, capsys):
    error = run(capsys, "train", *places, "--run", "new", *TOY, code=1)
    assert "name one or more of them" in error
    assert "disc-r30-linear, hexagon-r33.5, pentagon-r10-40-curvature40" in error


def test_a_set_that_is_missing_is_answered_with_the_command_that_makes_it(places, capsys):
    error = run(capsys, "train", *places, "--run", "new", "--radius", "45", code=1)
    assert "no blurred set disc-r45" in error
    assert "or make it with `make blur RADIUS=..`" in error
    error = run(capsys, "train", *places, "--run", "new", "--kernel", "wild-*", code=1)
    assert "no blurred set wild-*" in error
    assert "run `make blur KERNEL=wild DRAWS=12`" in error


def test_name_and_command_say_the_settings():
    rng = np.random.default_rng(0)
    for _ in range(300):
        blur = drawn_blur(rng)
        words = dict(word.split("=") for word in blur.make_words)
        depth = words.pop("DEPTH", None) is not None
        radius = tuple(map(float, words.pop("RADIUS").split("-")))
        values = {name.lower(): value for name, value in words.items()}
        numbers = {
            name: value if name == "noise_kind" else float(value) for name, value in values.items()
        }
        switches = {
            name: bool(numbers[name]) for name in ("monochromatic", "linear") if name in values
        }
        radius_px = radius if len(radius) > 1 else radius[0]
        assert LensBlur(radius_px, depth=depth, **(numbers | switches)) == blur


def test_what_changes_nothing_makes_no_other_set(folder, tmp_path, capsys):
    data = DataFolder(shutil.copytree(folder / "data", tmp_path / "data", symlinks=True))
    before = set(set_names(data.blurred))
    words = ["--data-dir", data.path, "--size", 32, "--blades", 6, "--gamma", 2.2, "--jpeg", 0]
    assert "0 blurred copies to make for hexagon-r33.5" in run(
        capsys, "blur", *words, "--radius", 33.5
    )
    assert set(set_names(data.blurred)) == before


def test_command_tells_what_is_no_default():
    record = KernelRecord(LensBlur(30), OutputSettings())
    assert record.make_command == "make blur RADIUS=30"
    record = KernelRecord(LensBlur((0, 45), noise=2.5), OutputSettings(512, 80))
    assert record.make_command == "make blur RADIUS=0-45 NOISE=2.5 SIZE=512 QUALITY=80"


def test_sets_are_chosen_by_name_or_pattern_and_none_twice(tmp_path):
    for name in ("wild-02", "wild-01", "disc-r30", "a[b]"):
        (tmp_path / name).mkdir()
    assert choose_sets(tmp_path, ["wild-*", "wild-01"]) == ["wild-01", "wild-02"]
    assert choose_sets(tmp_path, ["a[b]"]) == ["a[b]"]  # a name that looks like a pattern
    with pytest.raises(NoSuchSetError, match="holds 4 blurred sets"):
        the_only_set(tmp_path)
    with pytest.raises(NoSuchSetError, match="run `make dataset` first"):
        the_only_set(tmp_path / "nowhere")


def test_blurred_sets_need_a_dataset(tmp_path, capsys):
    error = run(capsys, "blur", "--data-dir", tmp_path, "--radius", "15", code=1)
    assert "no images in" in error
    assert "run `make dataset` first" in error
