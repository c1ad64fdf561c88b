"""Runs outlive versions: an older record says what was done then, a newer one is refused."""

import json
from dataclasses import replace

import pytest

import pipeline
from train.run import (
    ChangedSettingsError,
    DamagedSettingsError,
    OtherVersionError,
    Run,
    RunRecord,
    check_unchanged,
    write_run,
)
from train.settings import BEFORE_IT_EXISTED, FORMAT, PRESETS, TrainSettings

RECORD = RunRecord(
    TrainSettings(generator="unet", crop=0, steps=7), ("hexagon-r33.5",), 256, "sharp"
)


@pytest.fixture
def path(tmp_path):
    write_run(tmp_path, RECORD, ["CPU:0"])
    return tmp_path / "settings.json"


def rewrite(path, remove=(), **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: content[key] for key in content if key not in remove}))


def test_record_comes_back_with_its_format(path, tmp_path):
    assert Run(tmp_path).record == RECORD
    assert json.loads(path.read_text())["format"] == FORMAT
    assert Run(tmp_path / "nothing").record is None


@pytest.mark.parametrize("name", sorted(BEFORE_IT_EXISTED))
def test_setting_that_did_not_exist_has_the_value_of_what_was_done(path, tmp_path, name):
    rewrite(path, remove=(name, "format"))
    assert getattr(Run(tmp_path).record.settings, name) == BEFORE_IT_EXISTED[name]


def test_run_of_a_newer_version_is_refused_by_name(path, tmp_path):
    rewrite(path, format=FORMAT + 1)
    with pytest.raises(OtherVersionError, match=r"settings\.json is of a newer version"):
        _ = Run(tmp_path).record


def test_residual_generator_of_before_the_first_version_is_refused_by_name(path, tmp_path):
    rewrite(path, remove=("grid_weight", "format"), generator="residual")
    with pytest.raises(OtherVersionError, match=r"before 0\.1\.0"):
        _ = Run(tmp_path).record


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch", "four"), ("batch", 0), ("epochs", float("nan")), ("kernels", 3), ("size", None)],
)
def test_value_that_makes_no_sense_is_refused_by_name(path, tmp_path, name, value):
    rewrite(path, **{name: value})
    with pytest.raises(DamagedSettingsError, match=r"settings\.json is damaged"):
        _ = Run(tmp_path).record


def test_only_length_and_frequency_may_change(path, tmp_path):
    longer = RunRecord(
        TrainSettings(generator="unet", crop=0, steps=9), *list(vars(RECORD).values())[1:]
    )
    write_run(tmp_path, longer, ["CPU:0"])
    assert Run(tmp_path).record.settings.steps == 9
    other = RunRecord(RECORD.settings, ("disc-r30",), 256, "sharp")
    with pytest.raises(ChangedSettingsError, match=r"kernels \['hexagon-r33.5'\], now asked for"):
        write_run(tmp_path, other, ["CPU:0"])


def test_what_a_run_starts_from_comes_back(tmp_path):
    settings = TrainSettings(from_run="another")
    record = RunRecord(settings, ("disc-r30",), 64, "sharp", from_step=7, from_weights="ab12")
    write_run(tmp_path, record, [])
    assert Run(tmp_path).record == record
    content = json.loads((tmp_path / "settings.json").read_text())
    told = {name: content[name] for name in ("from_run", "from_step", "from_weights")}
    assert told == {"from_run": "another", "from_step": 7, "from_weights": "ab12"}
    for name, value in (("from_run", 3), ("from_step", "seven"), ("from_weights", None)):
        rewrite(tmp_path / "settings.json", **(told | {name: value}))
        with pytest.raises(DamagedSettingsError, match=r"settings\.json is damaged"):
            _ = Run(tmp_path).record


def test_run_from_scratch_tells_of_no_weights(path):
    content = json.loads(path.read_text())
    assert content["from_run"] is None
    assert not {"from_step", "from_weights"} & content.keys()


def test_command_trains_this_very_run():
    command = RECORD.make_command("mine")
    assert command.startswith('make train RUN=mine KERNEL="hexagon-r33.5" PRESET=sharp STEPS=7')
    for word in ("GENERATOR=unet", "CROP=0", "SEED=0"):
        assert word in command.split()
    paper = RunRecord(PRESETS["paper"], ("disc-r30", "disc-r10"), 256, "paper")
    assert paper.make_command("p") == (
        'make train RUN=p KERNEL="disc-r30 disc-r10" PRESET=paper SEED=0'
    )


def test_a_run_of_before_a_setting_goes_on_by_the_command_that_began_it(tmp_path):
    old = replace(PRESETS["sharp"], start="discs", scales=1.0, steps=10)
    write_run(tmp_path / "old", RunRecord(old, ("disc-r30",), 64, "sharp"), [])
    path = tmp_path / "old" / "settings.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in content.items() if k not in ("start", "scales")}))
    args = pipeline.build_parser().parse_args(
        ["train", "--run", "old", "--runs-dir", str(tmp_path), "--steps", "10"]
    )
    settings = pipeline.recipe(args)
    assert (settings.start, settings.scales) == ("discs", 1.0)
    check_unchanged(tmp_path / "old", RunRecord(settings, ("disc-r30",), 64, "sharp"))
    new = pipeline.build_parser().parse_args(["train", "--run", "new", "--runs-dir", str(tmp_path)])
    assert pipeline.recipe(new) == PRESETS["sharp"]
    args.start = "lenses"  # as typed
    assert pipeline.recipe(args).start == "lenses"


def test_a_run_goes_on_with_the_start_that_its_preset_had_then(tmp_path):
    old = replace(PRESETS["faithful"], start="photographs")
    write_run(tmp_path / "old", RunRecord(old, ("disc-r30",), 64, "faithful"), [])
    places = ["--run", "old", "--runs-dir", str(tmp_path)]
    args = pipeline.build_parser().parse_args(["train", *places, "--preset", "faithful"])
    settings = pipeline.recipe(args)
    assert settings.start == "photographs"
    check_unchanged(tmp_path / "old", RunRecord(settings, ("disc-r30",), 64, "faithful"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("batch", value) for value in ([4], "4", 4.0, True, None, 10**400, {"a": 1})],
        *[("epochs", value) for value in ([1.0], "1", False, -1.0)],
        *[("turns", value) for value in (1, "yes", [])],
        *[("schedule", value) for value in (1, [], "steps")],
        *[("kernels", value) for value in ([], "disc-r30", [3], {"disc-r30": 1}, None)],
        *[("size", value) for value in ("32", 32.5, [])],
        *[("preset", value) for value in ([], 3)],
        *[("format", value) for value in ("2", None, [])],
    ],
)
def test_setting_of_a_wrong_kind_is_named(tmp_path, name, value):
    content = vars(TrainSettings()) | {"kernels": ["disc-r30"], "size": 32, "format": 2}
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content))
    assert Run(tmp_path).record.settings == TrainSettings()
    path.write_text(json.dumps(content | {name: value}))
    with pytest.raises(
        DamagedSettingsError, match=rf"settings\.json is damaged \({name} .*another"
    ):
        _ = Run(tmp_path).record
