"""The stage that restores photographs: it needs TensorFlow only where a run's weights are new."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prepare.records.files import named_errors, remove_old_parts
from train.restore.onnx_file import open_engine
from train.restore.photographs import deblur
from train.restore.targets import NothingRestoredError, plan
from train.run import find_run


@dataclass(frozen=True)
class Wanted:
    """What is made of photographs."""

    strength: float = 1.0  # 0 leaves a photograph as it is, 1 restores
    compare: bool = False  # also before and after side by side
    radius_map: bool = False  # also a map of the blur
    detail: float = 1.0  # 0 for nothing but what the pixels say, 1 for all that the run learned


def deblur_photographs(
    places: tuple[Path, str | None, Path],
    inputs: Sequence[Path],
    out_dir: Path,
    wanted: Wanted,
    *,
    dry_run: bool = False,
) -> None:
    """Restores photographs of any size and blur with a run's generator.

    Args:
        places: the runs, the name of one or None, the pretrained network; see `find_run`.
        inputs: files and folders of photographs.
        out_dir: of the results.
        wanted: what is made.
        dry_run: only says what would be done.

    Raises:
        TrainError: if there is no run to restore with, or a photograph could not be restored; all
            others are done.
    """
    targets = plan(inputs, out_dir, wanted.compare, wanted.radius_map)
    run = find_run(*places)
    name = run.name
    if dry_run:
        print(f"{name}: {len(targets)} to restore into {out_dir}")
        return
    engine = open_engine(run.path, wanted.detail)
    if sets := run.fixed_radius_sets:
        learned = f"{name} learned {', '.join(sets)} alone"
        print(f"{learned}, and can make other blur worse; RUN={places[2].name} is for any")
    print(f"{name}, step {engine.notes['step']}: {len(targets)} to restore into {out_dir}")
    try:
        with named_errors(out_dir):
            remove_old_parts(out_dir, below=False)
            deblur(engine, targets, strength=wanted.strength, detail=wanted.detail)
    except BrokenPipeError:  # of what is printed
        raise
    except OSError as error:
        raise NothingRestoredError(
            f"{error.filename or out_dir} cannot be written ({error.strerror or error}); make room "
            "or name another folder (OUT=...), then run the same command again: what is done stays"
        ) from error
