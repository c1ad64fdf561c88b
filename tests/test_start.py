"""Which run a new one may start from, as the command line answers; nothing is trained here."""

import json
from dataclasses import replace

import pytest
from helpers.pair_files import tree, write_matched_folders

import pipeline
from train.run import Run, RunRecord, find_run, write_run
from train.settings import PRESETS, TrainSettings
from train.start import (
    LENGTH_OF_DEMO,
    OF_DEMO,
    UnfitStartError,
    taken_over,
    with_recipe_of_demo,
)

OTHER = TrainSettings(channels=8, blocks=3, start="discs", steps=2)


def write_trained(run_dir, settings=OTHER, step=2, **changes):
    """What a training leaves, as far as its weights need not be read."""
    write_run(run_dir, RunRecord(settings, ("disc-r30",), 32, "sharp", **changes), [])
    (run_dir / f"ckpt-{step}.index").write_bytes(b"")


@pytest.fixture
def runs_dir(tmp_path):
    write_matched_folders(tmp_path / "data", [f"{n:02d}" for n in range(10)], 32)
    write_trained(tmp_path / "runs" / "other")
    return tmp_path / "runs"


@pytest.fixture
def train(runs_dir, capsys):
    """What a dry run of `train` prints, or its one line of error; nothing is written."""

    def command(*words, code=0, run="mine"):
        before = tree(runs_dir)
        where = ["--data-dir", str(runs_dir.parent / "data"), "--runs-dir", str(runs_dir)]
        words = ["train", *where, "--run", run, "--dry-run", *map(str, words)]
        assert pipeline.main(words) == code
        said = capsys.readouterr()
        assert tree(runs_dir) == before
        if code == 0:
            return said.out
        [line] = said.err.splitlines()
        assert line.startswith("error: ")
        return line

    return command


def begin(runs_dir, from_run, run="mine"):
    settings = TrainSettings(from_run=from_run, channels=8, blocks=3, start="discs")
    write_trained(runs_dir / run, settings, from_step=2, from_weights="ab12")


def test_network_is_that_of_the_other_run_and_all_else_is_not(train):
    said = train("--from-run", "other")
    for line in ("from_run = other", "channels = 8", "blocks = 3", "start = discs", "steps = 0"):
        assert f"  {line}\n" in said


def test_network_of_another_kind_is_taken_with_a_recipe_that_fits_it(train, runs_dir):
    paper = TrainSettings(generator="unet", normalization="instance", crop=0)
    write_trained(runs_dir / "unet", paper)
    said = train("--from-run", "unet", "--preset", "paper")
    assert "  normalization = instance\n" in said
    assert "--crop must be a multiple of 256" in train("--from-run", "unet", code=2)
    assert "  crop = 128\n" in train("--from-run", "other", "--preset", "paper", "--crop", 128)


def test_flags_that_say_the_same_are_no_contradiction(train):
    assert "  channels = 8\n" in train("--from-run", "other", "--channels", 8, "--start", "discs")


@pytest.mark.parametrize(
    ("flag", "value"), [("channels", 9), ("blocks", 1), ("start", "lenses"), ("generator", "unet")]
)
def test_flags_that_contradict_its_network_are_refused_by_name(train, flag, value):
    line = train("--from-run", "other", f"--{flag}", value, code=1)
    assert f"--{flag} {value} does not fit the weights of run other" in line


def test_run_that_is_missing_is_told_beside_those_there_are(train, runs_dir):
    line = train("--from-run", "nobody", code=1)
    assert f"no run nobody in {runs_dir} to start from (found other)" in line


def test_run_without_a_checkpoint_is_told_with_what_makes_one(train, runs_dir):
    (runs_dir / "other" / "ckpt-2.index").unlink()
    line = train("--from-run", "other", code=1)
    assert "has no checkpoint to start from; run `make train RUN=other` first" in line


def test_best_checkpoint_alone_is_enough(train, runs_dir):
    (runs_dir / "other" / "ckpt-best").mkdir()
    (runs_dir / "other" / "ckpt-2.index").rename(runs_dir / "other" / "ckpt-best" / "ckpt-2.index")
    assert "  from_run = other\n" in train("--from-run", "other")


def test_run_whose_record_is_damaged_is_told(train, runs_dir):
    (runs_dir / "other" / "settings.json").write_text("{")
    assert "settings.json is damaged" in train("--from-run", "other", code=1)


@pytest.mark.parametrize("name", ["mine", "mine/", "../runs/mine", "link"])
def test_run_cannot_start_from_itself(train, runs_dir, name):
    runs_dir.joinpath("link").symlink_to(runs_dir / "mine")
    assert "mine cannot start from itself" in train("--from-run", name, code=1)
    begin(runs_dir, "other")
    assert "mine cannot start from itself" in train("--from-run", name, code=1)


def test_bad_flag_comes_before_a_missing_run(train):
    assert "--batch must be" in train("--from-run", "nobody", "--batch", 0, code=2)


# A run that was begun.


def test_begun_run_needs_the_other_no_more(train, runs_dir):
    begin(runs_dir, "gone")
    for words in (["--from-run", "gone"], ["--from-run", "gone/"], []):
        said = train(*words)
        assert "  from_run = gone\n" in said
        assert "  channels = 8\n" in said
    assert "--channels 9 does not fit" in train("--channels", 9, code=1)


def test_begun_run_keeps_what_it_started_from(train, runs_dir):
    begin(runs_dir, "gone")
    line = train("--from-run", "other", code=1)
    assert "was begun from gone, now asked to start from other" in line
    write_trained(runs_dir / "scratch")
    line = train("--from-run", "other", code=1, run="scratch")
    assert "was begun from no other run, now asked to start from other" in line


def test_record_of_before_there_was_a_start_still_reads(train, runs_dir):
    path = runs_dir / "other" / "settings.json"
    content = json.loads(path.read_text())
    del content["from_run"]
    path.write_text(json.dumps(content))
    assert Run(runs_dir / "other").record.settings == OTHER
    assert "  channels = 8\n" in train("--from-run", "other")


def test_run_of_the_box_is_never_trained_itself(tmp_path):
    with pytest.raises(UnfitStartError, match="RUN=mine FROM_RUN=pretrained"):
        taken_over(tmp_path, "pretrained", tmp_path / "pretrained", {})


def test_run_of_the_box_is_known_by_its_name_wherever_runs_lie(tmp_path):
    box_dir = tmp_path / "project" / "pretrained"
    assert find_run(tmp_path, "mine", box_dir).path == tmp_path / "mine"
    assert find_run(tmp_path, "pretrained", box_dir).path == box_dir
    (tmp_path / "pretrained").mkdir()
    assert find_run(tmp_path, "pretrained", box_dir).path == tmp_path / "pretrained"


def test_a_demo_has_a_recipe_of_its_own_and_goes_on_with_what_it_was_begun_with(tmp_path, capsys):
    flags = {"runs_dir": tmp_path, "run": "demo"}
    assert with_recipe_of_demo(flags) == LENGTH_OF_DEMO | OF_DEMO | flags
    paper = flags | {"preset": "paper"}
    assert with_recipe_of_demo(paper) == LENGTH_OF_DEMO | paper
    assert "steps" not in with_recipe_of_demo(flags | {"epochs": 3.0})
    assert "steps" not in with_recipe_of_demo(flags | {"max_minutes": 5.0})
    assert with_recipe_of_demo(flags | {"steps": 7})["steps"] == 7
    assert with_recipe_of_demo(flags | {"gan_start": 0.5})["gan_start"] == 0.5
    write_trained(tmp_path / "demo")  # by a version whose demo had the preset's own
    begun = with_recipe_of_demo(flags)
    taken = taken_over(tmp_path, "demo", tmp_path / "box", begun)
    shared = {**OF_DEMO, **LENGTH_OF_DEMO}
    assert {name: taken[name] for name in shared} == {name: getattr(OTHER, name) for name in shared}
    words = ["demo", "--dry-run", "--runs-dir", str(tmp_path / "new"), "--data-dir", str(tmp_path)]
    assert pipeline.main(words) == 0
    assert f"  learning_rate = {OF_DEMO['learning_rate']}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "channels", "gan_weight", "steps"),
    [
        ([], 24, 0.0, 9),
        (["--preset", "faithful"], 24, 0.0, 9),
        (["--steps", "12"], 24, 0.0, 12),
        (["--epochs", "2"], 24, 0.0, 0),
        (["--channels", "32", "--seed", "1"], 32, 0.0, 9),  # is refused then
        (["--preset", "sharp"], 24, PRESETS["sharp"].gan_weight, 9),  # likewise
    ],
)
def test_a_run_goes_on_with_what_it_was_begun_with(tmp_path, typed, channels, gan_weight, steps):
    begun = replace(
        PRESETS["faithful"], channels=24, steps=9, seed=5, patience=3, max_minutes=1.0, batch=2
    )
    write_run(tmp_path / "mine", RunRecord(begun, ("disc-r30",), 64, "faithful"), [])
    words = ["train", "--run", "mine", "--runs-dir", str(tmp_path), *typed]
    settings = pipeline.recipe(pipeline.build_parser().parse_args(words))
    assert (settings.channels, settings.gan_weight, settings.steps) == (channels, gan_weight, steps)
    assert (settings.patience, settings.max_minutes, settings.batch) == (3, 0.0, 2)
    assert settings.seed == (1 if "--seed" in typed else 5)
