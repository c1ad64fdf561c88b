"""Settings of a training, its record, which checkpoint is which, and where runs are found."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import pipeline
from prepare.records.settings import DamagedRecordError
from train.devices import is_chief
from train.run import FORMAT, Run, RunRecord, UnfitRunError, find_run, runs_for_menu
from train.settings import PRESETS, USUAL_STEPS, TrainSettings

RECORD = RunRecord(
    TrainSettings(generator="unet", crop=0, steps=7, from_run="another"),
    ("hexagon-r33.5",),
    256,
    "sharp",
    fixed_radii=True,
    from_step=7,
    from_weights="ab12",
)


@pytest.fixture
def path(tmp_path):
    Run(tmp_path).write(RECORD, ["CPU:0"])
    return tmp_path / "settings.json"


def rewrite(path, remove=(), **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: content[key] for key in content if key not in remove}))


# Its record.


def test_record_comes_back_with_its_format(path, tmp_path):
    assert Run(tmp_path).record == RECORD
    content = json.loads(path.read_text())
    assert (content["format"], content["devices"]) == (FORMAT, ["CPU:0"])
    assert Run(tmp_path / "nothing").record is None


@pytest.mark.parametrize("version", [FORMAT + 1, FORMAT - 1, None])
def test_run_of_another_version_is_refused_by_name(path, tmp_path, version):
    rewrite(path, format=version)
    with pytest.raises(UnfitRunError, match=r"settings\.json has another format .*RUN="):
        _ = Run(tmp_path).record


@pytest.mark.parametrize("name", ["schedule", "from_step"])
def test_what_a_record_lacks_is_named(path, tmp_path, name):
    rewrite(path, remove=[name])
    with pytest.raises(UnfitRunError, match=rf"settings\.json lacks {name}; bring it back"):
        _ = Run(tmp_path).record


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", "4"),
        ("batch", None),
        ("batch", 10**400),
        ("batch", 0),
        ("batch", True),
        ("epochs", float("nan")),
        ("turns", 1),
        ("generator", "transformer"),
        ("from_run", 3),
        ("kernels", []),
        ("kernels", [3]),
        ("kernels", "disc-r30"),
        ("size", 32.5),
        ("preset", "none"),
        ("from_step", "seven"),
        ("from_weights", None),
    ],
)
def test_value_that_makes_no_sense_is_damage(path, tmp_path, name, value):
    rewrite(path, **{name: value})
    with pytest.raises(DamagedRecordError, match=r"settings\.json is damaged"):
        _ = Run(tmp_path).record
    assert Run(tmp_path).fixed_radius_sets == ()


def test_only_length_and_frequency_may_change(path, tmp_path):
    longer = replace(RECORD, settings=replace(RECORD.settings, steps=9))
    Run(tmp_path).write(longer, ["CPU:0"])
    assert Run(tmp_path).record.settings.steps == 9
    changes = {"kernels": ("disc-r30",), "size": 64, "preset": "paper"}
    for name, value in changes.items():
        with pytest.raises(UnfitRunError, match=rf"{name} .*, now asked for {name} .*RUN="):
            Run(tmp_path).write(replace(RECORD, **{name: value}), ["CPU:0"])
    assert Run(tmp_path).record == longer


def test_command_trains_this_very_run_where_it_lies():
    usual = Path("tf_checkpoints/mine"), Path("data")
    command = RECORD.make_command(*usual)
    assert command.startswith('make train RUN=mine KERNEL="hexagon-r33.5" PRESET=sharp STEPS=7')
    for word in ("GENERATOR=unet", "CROP=0", "SEED=0", "FROM_RUN=another"):
        assert word in command.split()
    paper = RunRecord(PRESETS["paper"], ("disc-r30", "disc-r10"), 256, "paper")
    text = 'make train RUN=mine KERNEL="disc-r30 disc-r10" PRESET=paper SEED=0'
    assert paper.make_command(*usual) == text
    elsewhere = paper.make_command(Path("/my runs/mine"), Path("data/demo"))
    assert elsewhere == f"{text} RUNS='/my runs' DATA=data/demo"


# Its checkpoints.


def touch(folder, *steps):
    folder.mkdir(parents=True, exist_ok=True)
    for step in steps:
        (folder / f"ckpt-{step}.index").touch()


def test_checkpoints_are_in_the_order_of_their_steps(tmp_path):
    touch(tmp_path, 100, 9, 20, 1000, "mine", "", "4-old")
    assert Run(tmp_path).checkpoints == [tmp_path / f"ckpt-{n}" for n in (9, 20, 100, 1000)]


def test_the_best_checkpoint_is_taken_before_the_newest(tmp_path):
    found = Run(tmp_path)
    assert (found.weights, found.weights_hash, found.can_restore) == (None, "", False)
    touch(tmp_path, 9, 10, "x")
    assert found.weights == tmp_path / "ckpt-10"
    touch(tmp_path / "ckpt-best", 7)
    touch(tmp_path / "ckpt-pixel", 5)
    assert found.weights == found.best == tmp_path / "ckpt-best" / "ckpt-7"
    assert found.pixel == tmp_path / "ckpt-pixel" / "ckpt-5"
    before = found.weights_hash
    (tmp_path / "ckpt-best" / "ckpt-7.index").write_text("new")
    assert found.weights_hash != before


# Where runs are.


def test_pretrained_network_is_the_default_whatever_was_trained(tmp_path):
    runs_dir, pretrained = tmp_path / "runs", tmp_path / "project" / "pretrained"
    with pytest.raises(UnfitRunError, match=r"pretrained network is not in .*RUN=\.\."):
        find_run(runs_dir, None, pretrained)
    touch(pretrained, 1)
    touch(runs_dir / "mine", 1)
    assert find_run(runs_dir, None, pretrained).path == pretrained
    assert find_run(runs_dir, "mine", pretrained).path == runs_dir / "mine"
    assert find_run(runs_dir, "pretrained", pretrained).path == pretrained
    touch(runs_dir / "pretrained", 1)
    assert find_run(runs_dir, "pretrained", pretrained).path == runs_dir / "pretrained"
    assert find_run(runs_dir, None, pretrained).path == pretrained


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ".", ""])
def test_name_that_leads_out_of_the_folder_of_runs_is_refused(tmp_path, name, capsys):
    for words in (["train"], ["evaluate"], ["export"], ["train", "--run", "a", "--from-run", name]):
        words = [*words[:1], "--run", name, *words[1:], "--runs-dir", str(tmp_path / "runs")]
        assert pipeline.main(words) == 2
        assert "must be the name of a folder in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("chosen", "order"),
    [
        (None, ["pretrained", "a", "b"]),
        ("b", ["b", "pretrained", "a"]),
        ("none", ["pretrained", "a", "b"]),
    ],
)
def test_menu_has_the_chosen_run_first_and_the_pretrained_network_next(tmp_path, chosen, order):
    runs_dir, pretrained = tmp_path / "runs", tmp_path / "pretrained"
    assert runs_for_menu(runs_dir, chosen, pretrained) == {}
    for run_dir in (runs_dir / "b", runs_dir / "a", pretrained):
        touch(run_dir, 1)
    os.utime(runs_dir / "b" / "ckpt-1.index", (1, 1))  # times say nothing
    (runs_dir / "empty").mkdir()
    menu = runs_for_menu(runs_dir, chosen, pretrained)
    assert list(menu) == order
    assert menu["pretrained"].path == pretrained


# What settings of a training may be, and what its presets are.


@pytest.mark.parametrize(
    "change",
    [
        {"generator": "transformer"},
        {"crop": 30},
        {"patience": -1},
        {"batch": 0},
        {"batch": 2**64},
        {"log_every": 0},
        {"epochs": -1},
        {"epochs": float("nan")},
        {"epochs": float("inf")},
        {"learning_rate": 0.0},
        {"l1_weight": float("inf")},
        {"beta1": 1.0},
        {"gan_share": 0.0},
        {"scales": 4.5},
    ],
)
def test_settings_out_of_range_are_refused_by_name(change):
    [name] = change
    with pytest.raises(ValueError, match=f"^{name} must be"):
        TrainSettings(**change)


def test_presets():
    assert PRESETS["sharp"] == TrainSettings()
    # Isola et al., Sec. 3.3 and appendix: Adam 2e-4 and 0.5 for both networks, L1 weight 100.
    paper = PRESETS["paper"]
    assert paper.generator == "unet"
    assert (paper.learning_rate, paper.discriminator_learning_rate) == (2e-4, 2e-4)
    assert (paper.beta1, paper.l1_weight, paper.gan_weight, paper.batch) == (0.5, 100, 1, 1)
    assert paper.grid_weight == 0  # its objective is Eq. 4 and nothing else
    assert (paper.epochs, paper.schedule, paper.jitter_px) == (200, "constant", 15)  # (286-256)/2


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"epochs": 20, "batch": 1}, 1600),
        ({"epochs": 20, "batch": 4}, 400),
        ({"epochs": 0.5, "batch": 1}, 40),
        ({"epochs": 0.001}, 1),  # never none
        ({"epochs": 20, "steps": 77}, 77),
        ({}, USUAL_STEPS),
    ],
)
def test_steps_of_a_run_on_80_images(settings, steps):
    assert TrainSettings(**settings).total_steps(80) == steps


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"type": "worker", "index": 0}, True),
        ({"type": "worker", "index": 1}, False),
        ({"type": "chief", "index": 0}, True),
    ],
)
def test_of_several_machines_the_one_that_writes_holds_the_lock(monkeypatch, task, expected):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {}, "task": task}))
    assert is_chief() is expected
