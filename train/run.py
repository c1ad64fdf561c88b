"""A run's folder, opened once: its record, its checkpoints, its export; and where runs are found.

Without TensorFlow; `train.checkpoints` reads and writes what checkpoints hold.
"""

import os
import platform
import re
import shlex
import subprocess
import typing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prepare.records.files import write_json
from prepare.records.jsonl import read_object
from prepare.records.settings import DamagedRecordError, explain_damage
from train import TrainError
from train.settings import (
    BEFORE_IT_EXISTED,
    FORMAT,
    FREE_TO_CHANGE,
    PRESETS,
    TrainSettings,
)

ONNX_NAME = "generator.onnx"  # in a run's folder `export`
CHECKPOINT = re.compile(r"ckpt-(\d+)")
# A line of TensorFlow's list, the text of its protocol buffer CheckpointState.
LISTED = re.compile(r'^all_model_checkpoint_paths: "(?:.*/)?(ckpt-\d+)"$', re.MULTILINE)
OTHERS = {"size": int, "preset": str, "from_step": int, "from_weights": str, "fixed_radii": bool}
NOT_IN_EVERY_RECORD = {"preset": "sharp", "from_step": 0, "from_weights": "", "fixed_radii": False}


class ChangedSettingsError(TrainError):
    """A run is asked to go on with settings other than those it was begun with."""


class DamagedSettingsError(TrainError):
    """A run's `settings.json` cannot be read."""


class OtherVersionError(TrainError):
    """A run was written by a version whose runs this one cannot read."""


@dataclass(frozen=True)
class RunRecord:
    """How a run is trained, and on what."""

    settings: TrainSettings
    kernels: tuple[str, ...]  # names of the blurred sets
    size: int  # side of their pictures, pixels
    preset: str  # the recipe that the settings began with
    from_step: int = 0  # step of the weights of the run that it starts from, if any
    from_weights: str = ""  # SHA-256 of these weights
    fixed_radii: bool = False  # whether each set has one radius, the same in all its pictures

    @property
    def content(self) -> dict[str, Any]:
        """What `settings.json` holds of it."""
        trained_on = {"kernels": list(self.kernels), "size": self.size, "preset": self.preset}
        trained_on |= {"fixed_radii": self.fixed_radii}
        started = {"from_step": self.from_step, "from_weights": self.from_weights}
        return asdict(self.settings) | trained_on | (started if self.settings.from_run else {})

    def make_command(self, run: str) -> str:
        """The command that trains this very run, given its sets."""
        words = ["make train", f"RUN={run}", f'KERNEL="{" ".join(self.kernels)}"']
        words.append(f"PRESET={self.preset}")
        preset = PRESETS.get(self.preset, TrainSettings())
        for field in fields(TrainSettings):
            value = getattr(self.settings, field.name)
            if value != getattr(preset, field.name) or field.name == "seed":
                shown = int(value) if isinstance(value, bool) else value
                words.append(f"{field.name.upper()}={shlex.quote(str(shown))}")
        return " ".join(words)


class Run:
    """The folder of a run. Each property is read when it is asked for, as a training may be on.

    Checkpoints are named by their paths without a suffix, as TensorFlow names them.

    Attributes:
        path: of the folder, which may be missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> RunRecord | None:
        """How it is trained, and on what; None for a run that was never begun.

        Raises:
            DamagedSettingsError: if `settings.json` is there but makes no sense.
            OtherVersionError: if it is of a version that cannot be read.
        """
        return read_record(self.path / "settings.json")

    @property
    def checkpoints(self) -> list[Path]:
        """All that a training may go on from, in the order of their steps."""
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
        """The checkpoint that validated best; None if there is none yet."""
        return next(reversed(checkpoints_in(self.best_dir)), None)

    @property
    def pixel(self) -> Path | None:
        """The generator of before the adversarial term; None where it did not set in."""
        return next(reversed(checkpoints_in(self.pixel_dir)), None)

    @property
    def weights(self) -> Path | None:
        """The checkpoint to restore with: the best, or else the newest whose index is there."""
        paths = [*self.checkpoints, *checkpoints_in(self.best_dir)]
        return next((path for path in reversed(paths) if index_of(path).exists()), None)

    @property
    def exported(self) -> Path:
        """The ONNX file of its generator, which may be missing."""
        return self.path / "export" / ONNX_NAME

    @property
    def can_restore(self) -> bool:
        """Whether it has weights, or was handed on as its ONNX file alone."""
        return self.weights is not None or self.exported.is_file()


def checkpoints_in(folder: Path) -> list[Path]:
    """A folder's checkpoints in the order of their steps, without suffix.

    TensorFlow's own list is a file that a power cut may leave empty; then, and where it is missing,
    the folder is the list.
    """
    names = listed_in(folder) or [path.stem for path in folder.glob("ckpt-*.index")]
    numbers = {int(match[1]): name for name in names if (match := CHECKPOINT.fullmatch(name))}
    return [folder / numbers[step] for step in sorted(numbers)]


def listed_in(folder: Path) -> list[str]:
    """Names of the checkpoints that TensorFlow's list names; empty if it cannot be read."""
    try:
        return LISTED.findall((folder / "checkpoint").read_text("utf-8", "replace"))
    except OSError:
        return []


def index_of(checkpoint: Path) -> Path:
    """The file of a checkpoint that holds the checksum of every tensor."""
    return checkpoint.with_suffix(".index")


def find_run(runs_dir: Path, name: str, pretrained_dir: Path) -> Run:
    """A run that is read.

    Args:
        runs_dir: the user's runs.
        name: of the run.
        pretrained_dir: the run that comes with the project, known by its name among all runs; one
            of the user's may have its name.
    """
    folder = runs_dir / name
    found = folder.exists() or name != pretrained_dir.name
    return Run(folder if found else pretrained_dir)


def runs_in(runs_dir: Path) -> list[Run]:
    """The runs that were begun in a folder, and those that can restore, by name."""
    folders = sorted(path for path in runs_dir.glob("*") if path.is_dir())
    runs = [Run(path) for path in folders if not path.name.startswith(".")]
    return [run for run in runs if (run.path / "settings.json").exists() or run.can_restore]


def read_record(path: Path) -> RunRecord | None:
    """What a `settings.json` holds, or None where there is none; see `Run.record`."""
    way_out = "bring it back, or train again as another RUN=.."
    try:
        if not path.exists():
            return None
        content = read_object(path, way_out)
        with explain_damage(path, way_out):
            _check_version(path, content)
            content = BEFORE_IT_EXISTED | NOT_IN_EVERY_RECORD | content
            if isinstance(content["cache"], bool):  # before it could be "auto"
                content["cache"] = str(int(content["cache"]))
            hints = typing.get_type_hints(TrainSettings)
            if missing := sorted({*hints, "kernels", "size"} - content.keys()):
                raise DamagedSettingsError(f"{path} lacks {', '.join(missing)}; {way_out}")
            settings = {name: _typed(name, content[name], hint) for name, hint in hints.items()}
            kernels = [_typed("kernels", name, str) for name in _typed_list(content["kernels"])]
            others = [_typed(name, content[name], hint) for name, hint in OTHERS.items()]
            return RunRecord(TrainSettings(**settings), tuple(kernels), *others)
    except DamagedRecordError as error:
        raise DamagedSettingsError(str(error)) from error
    except OSError as error:  # its folder, not the file
        reason = f"cannot be read ({error.strerror})"
        raise DamagedSettingsError(f"{path} {reason}; make its folder readable") from error


def _typed(name: str, value: Any, hint: Any) -> Any:
    """A value of `settings.json`, if it is of the kind that a type hint wants.

    Raises:
        TypeError: if it is not; names it.
    """
    if value is None and type(None) in typing.get_args(hint):
        return None
    kinds = {float: (float, int), int: (int,), bool: (bool,)}.get(hint, (str,))
    odd = not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool)
    if odd or (isinstance(value, int) and abs(value) >= 2**63):
        raise TypeError(f"{name} is {str(value)[:40]!r}")
    return value


def _typed_list(kernels: Any) -> list:
    if not isinstance(kernels, list) or not kernels:
        raise TypeError(f"kernels is {str(kernels)[:40]!r}")
    return kernels


def _check_version(path: Path, content: dict) -> None:
    """Raises OtherVersionError where the run holds what this version has no code for."""
    if _typed("format", content.get("format", 1), int) > FORMAT:
        raise OtherVersionError(
            f"{path} is of a newer version (format {content['format']}, known up to {FORMAT}); "
            "update this project"
        )
    if content.get("generator") == "residual" and "grid_weight" not in content:
        raise OtherVersionError(
            f"{path} is of a version before 0.1.0, whose residual generator is no longer known; "
            "train again as another RUN=.."
        )


def check_unchanged(run_dir: Path, record: RunRecord) -> None:
    """Raises ChangedSettingsError if a run was begun with what resuming may not change."""
    content = record.content
    begun = (Run(run_dir).record or record).content
    fixed = [field.name for field in fields(TrainSettings) if field.name not in FREE_TO_CHANGE]
    fixed += ["kernels", "size"]
    if changed := [name for name in fixed if begun[name] != content[name]]:
        was = ", ".join(f"{name} {begun[name]}" for name in changed)
        now = ", ".join(f"{name} {content[name]}" for name in changed)
        raise ChangedSettingsError(
            f"{run_dir} was begun with {was}, now asked for {now}; give the new run another name "
            "(RUN=...)"
        )


def write_run(run_dir: Path, record: RunRecord, devices: Sequence[str]) -> None:
    """Writes `settings.json`: every setting, what it is trained on, versions and git commit.

    Raises:
        ChangedSettingsError: see `check_unchanged`.
    """
    check_unchanged(run_dir, record)
    write_json(
        run_dir / "settings.json",
        record.content
        | {
            "format": FORMAT,
            "python": platform.python_version(),
            "tensorflow": _version_of("tensorflow"),
            "keras": _version_of("keras"),
            "devices": list(devices),
            "num_cores": os.cpu_count(),
            "git_commit": _git_commit(),
        },
    )


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # as AMD's own build, under another name
        return None


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
