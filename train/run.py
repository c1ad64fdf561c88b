"""A run's folder, opened once: its record, its checkpoints, its export, and what it starts from.

It needs no TensorFlow; `train.checkpoints` reads and writes the checkpoints.
"""

import contextlib
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from prepare.records import PROGRAM
from prepare.records.files import sha256_of, write_json
from prepare.records.jsonl import read_json
from prepare.records.settings import DamagedRecordError, explain_damage, require
from train import TrainError
from train.settings import FREE_TO_CHANGE, PRESETS, USUAL_STEPS, TrainSettings

# Comes with the project.
PRETRAINED_DIR = Path(__file__).parents[1] / "tf_checkpoints" / "pretrained"
ONNX_NAME = "generator.onnx"  # in a run's folder `export`
FORMAT = 3  # of `settings.json` and the checkpoints; a run of another one is refused
CHECKPOINT = re.compile(r"ckpt-(\d+)")
# The settings of the network, which a run that starts from another one's weights shares with it.
OF_NETWORK = ("generator", "channels", "blocks", "start", "normalization")
ANOTHER_RUN = "give the new run another name (RUN=...)"


class UnfitRunError(TrainError):
    """A run cannot be read, started from or continued as asked."""


@dataclass(frozen=True)
class RunRecord:
    """How a run is trained, and on what: its `settings.json`."""

    settings: TrainSettings
    kernels: tuple[str, ...]  # names of the blurred sets
    size: int  # side of their pictures, pixels
    preset: str  # the recipe that the settings began with
    fixed_radii: bool = False  # whether each set has one radius, the same for all its images
    from_step: int = 0  # step of the weights of the run that it starts from, if any
    from_weights: str = ""  # SHA-256 of these weights

    def __post_init__(self) -> None:
        require(bool(self.kernels), "kernels", "the name of a set at least", self.kernels)
        require(self.preset in PRESETS, "preset", " or ".join(PRESETS), self.preset)

    @property
    def content(self) -> dict[str, Any]:
        """The content of `settings.json`."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        settings = asdict(content.pop("settings"))
        return settings | content | {"kernels": list(self.kernels)}

    def make_command(self, run_dir: Path, data_dir: Path) -> str:
        """The command that trains this very run, given its sets."""
        words = [f'KERNEL="{" ".join(self.kernels)}"', f"PRESET={self.preset}"]
        preset = PRESETS[self.preset]
        for field in fields(TrainSettings):
            value = getattr(self.settings, field.name)
            if value != getattr(preset, field.name) or field.name == "seed":
                shown = int(value) if isinstance(value, bool) else value
                words.append(f"{field.name.upper()}={shlex.quote(str(shown))}")
        folders = folder_words(run_dir.parent, data_dir)
        return " ".join([f"{PROGRAM} train", f"RUN={shlex.quote(run_dir.name)}", *words, *folders])


def folder_words(runs_dir: Path | None = None, data_dir: Path | None = None) -> list[str]:
    """The variables of make that say where runs and pairs are, if not where they usually are."""
    folders = {"RUNS": (runs_dir, "tf_checkpoints"), "DATA": (data_dir, "data")}
    return [
        f"{variable}={shlex.quote(str(folder))}"
        for variable, (folder, usual) in folders.items()
        if folder not in (None, Path(usual))
    ]


class Run:
    """The folder of a run. Each property is read when it is asked for, as a training may be on.

    Checkpoints are named by their paths without a suffix, as TensorFlow names them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> RunRecord | None:
        """Its record: settings and sets; None for a run that was never begun.

        Raises:
            DamagedRecordError: if `settings.json` is there but makes no sense.
            UnfitRunError: if it is of another version, or lacks a setting.
        """
        path, hint = self.path / "settings.json", "bring it back, or train again as another RUN=.."
        content = read_json(path, dict, hint)
        if content is None:
            return None
        if content.get("format") != FORMAT:
            raise UnfitRunError(
                f"{path} has another format (version {str(content.get('format'))[:20]}, known is "
                f"{FORMAT}); train again as another RUN=.."
            )
        names = {field.name for kind in (TrainSettings, RunRecord) for field in fields(kind)}
        if missing := sorted(names - content.keys() - {"settings"}):
            raise UnfitRunError(f"{path} lacks {', '.join(missing)}; {hint}")
        with explain_damage(path, hint):
            return msgspec.convert(content | {"settings": content}, RunRecord)

    def check_unchanged(self, record: RunRecord) -> None:
        """Raises UnfitRunError if it was begun with something that going on may not change."""
        asked = record.content
        begun = (self.record or record).content
        free = {*FREE_TO_CHANGE, "fixed_radii", "from_step", "from_weights"}
        if changed := [name for name in asked if name not in free and begun[name] != asked[name]]:
            was = ", ".join(f"{name} {begun[name]}" for name in changed)
            now = ", ".join(f"{name} {asked[name]}" for name in changed)
            raise UnfitRunError(
                f"{self.path} was begun with {was}, now asked for {now}; {ANOTHER_RUN}"
            )

    def write(self, record: RunRecord, devices: Sequence[str]) -> None:
        """Writes `settings.json`: the record, the machine's versions and the git commit."""
        self.check_unchanged(record)
        versions = {
            "format": FORMAT,
            "python": platform.python_version(),
            "tensorflow": version_of("tensorflow"),
            "keras": version_of("keras"),
            "devices": list(devices),
            "num_cores": os.cpu_count(),
            "git_commit": git_commit(),
        }
        write_json(self.path / "settings.json", record.content | versions)

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints that a training may continue from, in the order of their steps."""
        return checkpoints_in(self.path)

    @property
    def best_dir(self) -> Path:
        """The folder of the checkpoint that validated best."""
        return self.path / "ckpt-best"

    @property
    def pixel_dir(self) -> Path:
        """The folder of the generator as it was before the adversarial term, for DETAIL."""
        return self.path / "ckpt-pixel"

    @property
    def best(self) -> Path | None:
        """The checkpoint with the best validation; None if there is none yet."""
        return next(reversed(checkpoints_in(self.best_dir)), None)

    @property
    def pixel(self) -> Path | None:
        """The generator of before the adversarial term; None where it did not set in."""
        return next(reversed(checkpoints_in(self.pixel_dir)), None)

    @property
    def weights(self) -> Path | None:
        """The checkpoint to restore with: the best, or else the newest."""
        return self.best or next(reversed(self.checkpoints), None)

    @property
    def weights_hash(self) -> str:
        """A hash that changes with its weights; empty if it has none.

        The index of a checkpoint holds the checksum of every tensor.
        """
        while path := self.weights:
            with contextlib.suppress(FileNotFoundError):  # a training replaced it meanwhile
                return sha256_of(index_of(path))
        return ""

    @property
    def exported(self) -> Path:
        """The ONNX file of its generator, which may be missing."""
        return self.path / "export" / ONNX_NAME

    @property
    def can_restore(self) -> bool:
        """Whether it has weights, or only an ONNX file."""
        return self.weights is not None or self.exported.is_file()

    @property
    def why_no_checkpoint(self) -> str:
        """Why a run has no weights yet, and what to do."""
        if (self.path / "settings.json").exists():
            return (
                f"{self.path} has no checkpoint yet: the training saves the first one after "
                f"some minutes (CHECKPOINT_MINUTES); wait, or continue with `make train "
                f"RUN={self.name}`"
            )
        return f"no checkpoint in {self.path}; run `make train RUN={self.name}` first"

    @property
    def fixed_radius_sets(self) -> tuple[str, ...]:
        """Names of its sets, if each has one radius: it makes other blurs worse. Else empty."""
        try:
            record = self.record
        except (TrainError, DamagedRecordError):  # its weights may be whole
            return ()
        return record.kernels if record and record.fixed_radii else ()


def checkpoints_in(folder: Path) -> list[Path]:
    """A folder's checkpoints in the order of their steps, without suffix.

    TensorFlow writes an index once all else of a checkpoint is there, and its list of them after
    that; a power cut may leave the list empty. So the folder is the list.
    """
    names = [path.stem for path in folder.glob("ckpt-*.index")]
    numbers = {int(match[1]): name for name in names if (match := CHECKPOINT.fullmatch(name))}
    return [folder / numbers[step] for step in sorted(numbers)]


def index_of(checkpoint: Path) -> Path:
    """The file of a checkpoint that holds the checksum of every tensor."""
    return checkpoint.with_suffix(".index")


def version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # as AMD's own build, under another name
        return None


def git_commit() -> str | None:
    clone = Path(__file__).parents[1]
    command = ["git", f"--git-dir={clone / '.git'}", "rev-parse", "HEAD"]  # of no folder above it
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def own_run(runs_dir: Path, name: str, setting: str = "run") -> Run:
    """A run among the user's, which is there or is to be trained.

    Raises:
        SettingError: if the name leads out of the folder of the runs.
    """
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    expected = f"the name of a folder in {runs_dir}"
    require(inside and Path(name) != Path(), setting, expected, name)
    return Run(runs_dir / name)


def find_run(runs_dir: Path, name: str | None, pretrained_dir: Path, setting: str = "run") -> Run:
    """A run that is read.

    Args:
        runs_dir: the user's runs.
        name: of the run; None takes the pretrained network.
        pretrained_dir: the run that comes with the project, known by its name among all runs; one
            of the user's may have its name.
        setting: that has the name.

    Raises:
        SettingError: see `own_run`.
        UnfitRunError: if the pretrained network is asked for, and not there.
    """
    if name is None and not Run(pretrained_dir).can_restore:
        raise UnfitRunError(
            f"the pretrained network is not in {pretrained_dir}; bring it back, or name a run of "
            "your own with RUN=.."
        )
    if name is None:
        return Run(pretrained_dir)
    run = own_run(runs_dir, name, setting)
    is_own = run.path.exists() or run.name != pretrained_dir.name
    return run if is_own else Run(pretrained_dir)


def runs_in(runs_dir: Path) -> list[Run]:
    """The runs of a folder that were begun or can restore, by name."""
    folders = sorted(path for path in runs_dir.glob("*") if path.is_dir())
    runs = [Run(path) for path in folders if not path.name.startswith(".")]
    return [run for run in runs if (run.path / "settings.json").exists() or run.can_restore]


def runs_for_menu(runs_dir: Path, chosen: str | None, pretrained_dir: Path) -> dict[str, Run]:
    """The runs that can restore, by name: the chosen one, the pretrained network, then the rest."""
    usual = pretrained_dir.name
    first = [find_run(runs_dir, name, pretrained_dir) for name in (chosen or usual, usual)]
    runs = {run.name: run for run in [*first, *runs_in(runs_dir)]}
    return {name: run for name, run in runs.items() if run.can_restore}


@dataclass(frozen=True)
class StartPlan:
    """How a run is begun or continued."""

    run: Run
    settings: TrainSettings
    preset: str  # the recipe that the settings began with
    source: Run | None  # the run whose weights a new one starts from, if any
    by_minutes: bool  # makes a new run as long as `max_minutes` allow


def plan_start(
    runs_dir: Path, name: str, pretrained_dir: Path, typed: Mapping[str, Any]
) -> StartPlan:
    """How a run is trained: by the settings it was begun with or starts from, and the typed ones.

    An existing run keeps all settings that are not typed now: defaults may change, and the run that
    it started from may have changed or disappeared.

    Args:
        runs_dir, name, pretrained_dir: of the run that is to be trained; see `find_run`.
        typed: the flags that were given, by setting, and others, which are not looked at.

    Raises:
        UnfitRunError: if the run, or the one that it is to start from, cannot be used so.
        SettingError: if a flag makes no sense.
        DamagedRecordError: if the record of either cannot be read.
    """
    run = own_run(runs_dir, name)
    if run.path.resolve() == pretrained_dir.resolve():
        raise UnfitRunError(
            f"{run.path} is part of the project and is not trained further; start a run of your "
            f"own from it: `make train RUN=mine FROM_RUN={run.name}`"
        )
    changes = {each.name: typed[each.name] for each in fields(TrainSettings) if each.name in typed}
    begun = run.record
    preset = typed.get("preset", begun.preset if begun else "sharp")
    # The time is that of one call.
    inherited = replace(begun.settings, max_minutes=0) if begun else PRESETS[preset]
    source, from_run = None, changes.get("from_run", inherited.from_run)
    if from_run is not None:
        source = find_run(runs_dir, from_run, pretrained_dir, "from_run")
        changes["from_run"] = Path(from_run).as_posix()
    if source and not begun:
        inherited = inherited_settings(inherited, source, changes)
    is_length_typed = not {"epochs", "steps"}.isdisjoint(changes)
    if is_length_typed:  # either says how long
        inherited = replace(inherited, epochs=0, steps=0)
    settings = replace(inherited, **changes)
    by_minutes = not begun and not is_length_typed and settings.max_minutes > 0
    if not (by_minutes or settings.epochs or settings.steps):
        settings = replace(settings, steps=USUAL_STEPS)  # a record outlives what is usual
    return StartPlan(run, settings, preset, source, by_minutes)


def inherited_settings(
    inherited: TrainSettings, source: Run, changes: Mapping[str, Any]
) -> TrainSettings:
    """Settings with the network of another run, which has weights and which no flag contradicts."""
    record = source.record
    if record is None:
        names = [run.name for run in runs_in(source.path.parent)]
        found = f"found {', '.join(names)}" if names else "there is none"
        raise UnfitRunError(
            f"no run {source.name} in {source.path.parent} to start from ({found}); name another "
            "with FROM_RUN=.., or leave it out"
        )
    if source.weights is None:
        raise UnfitRunError(source.why_no_checkpoint)
    network = {setting: getattr(record.settings, setting) for setting in OF_NETWORK}
    for setting, value in network.items():
        if changes.get(setting, value) != value:
            raise UnfitRunError(
                f"--{setting} {changes[setting]} does not fit the weights of run {source.name}, "
                f"whose network has {setting} {value}; leave it out"
            )
    return replace(inherited, **network)
