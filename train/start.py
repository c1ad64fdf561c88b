"""Which run a new one starts from, and the network that it takes over.

Without TensorFlow, so that flags are answered at once; `train.checkpoints` loads the weights.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from train import TrainError
from train.run import ChangedSettingsError, Run, RunRecord, find_run
from train.settings import PRESETS, TrainSettings

NETWORK = ("generator", "channels", "blocks", "start", "normalization")  # settings taken over


LENGTH_OF_DEMO: dict[str, Any] = {"steps": 500, "sample_every": 100, "log_every": 20}
# Of its few steps: the discriminator, which costs three steps of time each, comes late.
OF_DEMO: dict[str, Any] = {"gan_start": 0.95, "learning_rate": 2e-3}


@dataclass(frozen=True)
class Beginning:
    """What a new run begins with, beside its settings."""

    preset: str  # the recipe that the settings began with
    from_dir: Path | None = None  # the run whose weights it starts from, if any
    plan: bool = False  # makes it as long as `max_minutes` allow, if there are any


class UnfitStartError(TrainError):
    """A run cannot start from the run that is named."""


def preset_of(typed: Mapping[str, Any]) -> str:
    """The recipe that a new run begins with, of the flags that were given."""
    return typed.get("preset", "sharp")


def with_recipe_of_demo(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flags of a demo, those of its recipe that were not typed added.

    Args:
        flags: of the command line; a demo that was begun goes on with what it was begun with.
    """
    if Run(flags["runs_dir"] / flags["run"]).record:
        return dict(flags)
    recipe = LENGTH_OF_DEMO | ({} if preset_of(flags) == "paper" else OF_DEMO)
    if not flags.keys().isdisjoint({"epochs", "max_minutes"}):  # the length is told otherwise
        del recipe["steps"]
    return recipe | dict(flags)


def taken_over(runs_dir: Path, run: str, box_dir: Path, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a run has from when it was begun, or from the one that it starts from.

    A run that was begun has all from its own record that no flag tells, nor a preset that is now
    named: what is usual may change, and the other run may have changed or vanished.

    Args:
        runs_dir: the user's runs.
        run: name of the run that is to be trained.
        box_dir: see `train.run.find_run`.
        typed: the flags that were given, by setting.

    Raises:
        UnfitStartError: if the other is missing, untrained, the run itself, or its network is none
            that the flags allow.
        SettingError: if a flag makes no sense.
        ChangedSettingsError: if the run was begun from another one, or from none.
        DamagedSettingsError: if the record of either cannot be read.
    """
    # Bad flags are told before a bad run. What the generator will be is not known yet.
    names = {field.name for field in fields(TrainSettings)} & typed.keys()
    TrainSettings(**{name: typed[name] for name in names} | {"generator": "residual"})
    run_dir, wanted = runs_dir / run, typed.get("from_run")
    begun = Run(run_dir).record
    begun_from = begun.settings.from_run if begun else None
    name = begun_from if wanted is None else Path(wanted).as_posix()
    own = _begun_with(begun, typed) if begun else {}
    if run_dir.resolve() == box_dir.resolve():
        raise UnfitStartError(
            f"{run_dir} comes with the project and stays as it is; go on from it in a run of your "
            f"own: `make train RUN=mine FROM_RUN={run}`"
        )
    if name is None:
        return own
    folder = find_run(runs_dir, name, box_dir).path
    if folder.resolve() == run_dir.resolve():
        raise UnfitStartError(
            f"{run_dir} cannot start from itself; give the new run another name (RUN=...)"
        )
    if begun and name != begun_from:
        raise ChangedSettingsError(
            f"{run_dir} was begun from {begun_from or 'no other run'}, now asked to start from "
            f"{name}; give the new run another name (RUN=...)"
        )
    record = begun or _trained(Run(folder))
    network = {setting: getattr(record.settings, setting) for setting in NETWORK}
    for setting, value in network.items():
        if typed.get(setting, value) != value:
            raise UnfitStartError(
                f"--{setting} {typed[setting]} does not fit the weights of run {name}, whose "
                f"network has {setting} {value}; leave it out"
            )
    return own | {"from_run": name} | network


def _begun_with(begun: RunRecord, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was begun with of all that is not told now."""
    told = {*typed, "max_minutes"}  # the time of one call
    if not {"epochs", "steps"}.isdisjoint(typed):  # either is a length
        told |= {"epochs", "steps"}
    settings = asdict(begun.settings)
    if typed.get("preset", begun.preset) != begun.preset:
        was, now = PRESETS.get(begun.preset, begun.settings), PRESETS[typed["preset"]]
        told |= {name for name in settings if getattr(was, name) != getattr(now, name)}
    return {name: value for name, value in settings.items() if name not in told}


def _trained(run: Run) -> RunRecord:
    """The record of a run that has weights."""
    record, folder = run.record, run.path
    if record is None:
        runs = sorted(path.parent.name for path in folder.parent.glob("*/settings.json"))
        found = f"found {', '.join(runs)}" if runs else "there is none"
        raise UnfitStartError(
            f"no run {folder.name} in {folder.parent} to start from ({found}); name another with "
            "FROM_RUN=.., or leave it out"
        )
    if run.weights is None:
        raise UnfitStartError(
            f"{folder} has no checkpoint to start from; run `make train RUN={folder.name}` first"
        )
    return record
