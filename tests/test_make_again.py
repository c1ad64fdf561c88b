"""The commands that a record names make the very same again: through make and its flags."""

import shlex
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from helpers.drawn_blurs import drawn_blur
from helpers.make_calls import args_of

import pipeline
from prepare.command_line import blurs_from, settings_from
from prepare.records.blur import OutputSettings
from prepare.records.sets import KernelRecord
from prepare.records.settings import choices_of
from train.run import RunRecord
from train.settings import PRESETS, TrainSettings


def flags_of(command):
    """What stands behind `python pipeline.py` for a command of make without lists and switches."""
    target, *variables = shlex.split(command)[1:]
    words = [target]
    for variable in variables:
        name, _, value = variable.partition("=")
        listed = value.split() if name in ("RADIUS", "KERNEL") else [value]
        words += [f"--{name.lower().replace('_', '-')}", *listed]
    return words


def drawn_record(rng):
    output = OutputSettings(int(rng.choice([256, 16, 512])), int(rng.choice([95, 1, 100])))
    return KernelRecord(drawn_blur(rng), output)


def record_from(args):
    """The one set that the command line makes of its arguments."""
    [blur] = blurs_from(args)
    return KernelRecord(blur, settings_from(args, OutputSettings()))


def test_command_of_a_set_makes_it_without_what_changes_nothing(tmp_path):
    rng = np.random.default_rng(1)
    for _ in range(300):
        record = drawn_record(rng)
        wanted = replace(record, blur=record.blur.simplified)
        for asked in (record, wanted):
            words = [*flags_of(asked.make_command), "--data-dir", str(tmp_path)]
            assert record_from(pipeline.build_parser().parse_args(words)) == wanted


def test_make_understands_the_command_as_it_is_shown(clone):
    rng = np.random.default_rng(2)
    for _ in range(4):
        record = drawn_record(rng)
        record = replace(record, blur=record.blur.simplified)
        args = args_of(clone, *shlex.split(record.make_command)[1:])
        assert record_from(args) == record
    run = RunRecord(
        TrainSettings(steps=7, turns=False, from_run="the $HOME one"),
        ("wild-01", "disc-r30"),
        32,
        "sharp",
    )
    command = run.make_command(Path("their runs/my-run"), Path("data"))
    args = args_of(clone, *shlex.split(command)[1:])
    assert (args.run, args.kernel) == ("my-run", ["wild-01", "disc-r30"])
    assert args.runs_dir.name == "their runs"
    assert settings_from(args, PRESETS[args.preset]) == run.settings


def drawn_settings(rng, preset):
    """A recipe that departs from a preset in some settings, none of which must be refused."""
    changes = {}
    for field in fields(TrainSettings):
        value, choices = getattr(preset, field.name), choices_of(field.type)
        if field.name in ("generator", "crop") or rng.random() < 0.6:
            continue
        if field.name == "from_run":
            changes[field.name] = str(rng.choice(["run-01", "it's mine", "a;b $c"]))
        elif choices:
            changes[field.name] = str(rng.choice(choices))
        elif isinstance(value, bool):
            changes[field.name] = not value
        elif field.name == "scales":
            changes[field.name] = float(rng.uniform(1, 4))
        elif field.name in ("beta1", "gan_start", "gan_share"):
            changes[field.name] = float(rng.uniform(0, 1))
        else:
            whole = field.type in (int, "int")
            changes[field.name] = int(rng.integers(1, 99)) if whole else float(rng.uniform(0, 9))
    return replace(preset, **changes)


def test_command_of_a_run_trains_by_the_very_settings():
    rng = np.random.default_rng(3)
    for number in range(100):
        name = list(PRESETS)[number % len(PRESETS)]
        record = RunRecord(drawn_settings(rng, PRESETS[name]), ("a-*", "b"), 256, name)
        command = record.make_command(Path("tf_checkpoints/r"), Path("data"))
        args = pipeline.build_parser().parse_args(flags_of(command))
        assert settings_from(args, PRESETS[args.preset]) == record.settings
        assert args.kernel == ["a-*", "b"]
