"""The record of a run, `settings.json`: how it is trained, on what, and with which versions."""

import os
import platform
import shlex
import subprocess
import typing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prepare.records.files import write_json
from prepare.records.settings import DamagedRecordError, explain_damage
from train import TrainError
from train.records import read_object
from train.settings import (
    BEFORE_IT_EXISTED,
    FORMAT,
    FREE_TO_CHANGE,
    PRESETS,
    TrainSettings,
)

# Folders of a run: its best checkpoint, and the network of before its adversarial term.
BEST, PIXEL = "ckpt-best", "ckpt-pixel"
OTHERS = {"size": int, "preset": str, "from_step": int, "from_weights": str}
NOT_IN_EVERY_RECORD = {"preset": "sharp", "from_step": 0, "from_weights": ""}


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

    @property
    def content(self) -> dict[str, Any]:
        """What `settings.json` holds of it."""
        trained_on = {"kernels": list(self.kernels), "size": self.size, "preset": self.preset}
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


def read_run(run_dir: Path) -> RunRecord | None:
    """A run's record, or None for a run that was never begun.

    Raises:
        DamagedSettingsError: if it is there but makes no sense.
        OtherVersionError: if it is of a version that cannot be read.
    """
    path = run_dir / "settings.json"
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
    begun = (read_run(run_dir) or record).content
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
