"""The commands that a record names make the very same again: through make and its flags."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers.make_calls import args_of

import pipeline
from prepare.command_line import sets_to_make, settings_from
from prepare.records.blur import SHAPES, LensBlur, OutputSettings
from prepare.records.sets import KernelRecord
from train.run import RunRecord
from train.settings import PRESETS, TrainSettings

PARSER = pipeline.build_parser()


def parsed(command):
    """What the command line makes of a command of make."""
    target, *variables = shlex.split(command)[1:]
    words = [target]
    for variable in variables:
        name, _, value = variable.partition("=")
        listed = value.split() if name in ("RADIUS", "KERNEL") else [value]
        words += [f"--{name.lower().replace('_', '-')}", *listed]
    return PARSER.parse_args(words)


def drawn_blur(rng):
    """Settings within their ranges, any of them left at its default half of the time."""
    ranges = {"curvature": 100, "rotation": 360, "brightness": 100, "threshold": 255, "noise": 100}
    values = {
        name: round(rng.uniform(0, high), int(rng.integers(4))) for name, high in ranges.items()
    }
    values |= dict.fromkeys(("monochromatic", "linear", "depth"), True)
    values |= {"noise_kind": "uniform", "blades": int(rng.choice(list(SHAPES)))}
    values = {name: value for name, value in values.items() if rng.random() < 0.5}
    if values.get("depth") and rng.random() < 0.5:
        values["focus"] = round(rng.uniform(0, 255), 1)
    low, high = sorted(rng.uniform(0, 512, 2).round(int(rng.integers(3))))
    return LensBlur((low, high) if low < high and rng.random() < 0.3 else low, **values)


def random_record(rng):
    output = OutputSettings(int(rng.choice([256, 16, 512])), int(rng.choice([95, 1, 100])))
    return KernelRecord(drawn_blur(rng), output)


def record_from(args):
    sets = sets_to_make(args)
    [blur] = sets.blurs
    return KernelRecord(blur, sets.output)


def test_command_of_a_set_makes_it_without_what_changes_nothing():
    rng = np.random.default_rng(1)
    for _ in range(100):
        record = random_record(rng)
        wanted = replace(record, blur=record.blur.simplified)
        for asked in (record, wanted):
            assert record_from(parsed(asked.make_command)) == wanted


def test_make_understands_the_command_as_it_is_shown(clone):
    record = random_record(np.random.default_rng(2))
    record = replace(record, blur=record.blur.simplified)
    assert record_from(args_of(clone, *shlex.split(record.make_command)[1:])) == record
    settings = TrainSettings(steps=7, turns=False, from_run="the $HOME one")
    run = RunRecord(settings, ("wild-01", "disc-r30"), 32, "sharp")
    args = args_of(
        clone, *shlex.split(run.make_command(Path("their runs/my-run"), Path("data")))[1:]
    )
    assert (args.run, args.kernel) == ("my-run", ["wild-01", "disc-r30"])
    assert args.runs_dir.name == "their runs"
    assert settings_from(args, PRESETS[args.preset]) == settings


def test_command_of_a_run_trains_by_the_very_settings():
    rng = np.random.default_rng(3)
    for number in range(60):
        name = list(PRESETS)[number % len(PRESETS)]
        typed = {"from_run": "it's a;b $c", "learning_rate": float(rng.uniform(1e-9, 1))}
        typed |= {"beta1": float(rng.random()), "batch": int(rng.integers(1, 99)), "turns": False}
        typed["seed"] = int(rng.integers(0, 99))
        changes = {key: value for key, value in typed.items() if rng.random() < 0.6}
        record = RunRecord(replace(PRESETS[name], **changes), ("a-*", "b"), 256, name)
        args = parsed(record.make_command(Path("tf_checkpoints/r"), Path("data")))
        assert settings_from(args, PRESETS[args.preset]) == record.settings
        assert args.kernel == ["a-*", "b"]
