"""Which run restores where none is named, and what it is not for."""

import contextlib
from pathlib import Path

from train import TrainError
from train.restore.onnx_file import NoWeightsError
from train.run import Run, find_run, index_of

OF_BOX = "the network in the box"


def choose_run(runs_dir: Path, run: str | None, box_dir: Path) -> tuple[Path, str]:
    """The folder of a run, and why it is this one, in words.

    Args:
        runs_dir: the user's runs.
        run: the name of one; None takes the newest that has weights, else the one in the box.
        box_dir: the run that comes with the project, passed over where it lies among the user's;
            one of theirs may have its name.

    Raises:
        NoWeightsError: if there is none at all.
    """
    if run is not None:
        return find_run(runs_dir, run, box_dir).path, ""
    if found := runs_with_weights(runs_dir, box_dir):
        return found[0], "the newest run"
    if _trained(box_dir):
        return box_dir, OF_BOX
    raise NoWeightsError(
        f"no run in {runs_dir} to restore with; run `make train` first, or name one with RUN=.."
    )


def runs_with_weights(runs_dir: Path, box_dir: Path) -> list[Path]:
    """Folders of the user's runs that can restore, without the one in the box; newest first."""
    written_s = {
        run_dir: at_s
        for run_dir in (runs_dir.iterdir() if runs_dir.is_dir() else ())
        if run_dir.resolve() != box_dir.resolve() and (at_s := _written_s(run_dir)) is not None
    }
    return sorted(written_s, key=written_s.__getitem__, reverse=True)


def runs_by_name(runs_dir: Path, box_dir: Path) -> dict[str, Path]:
    """Folders of all runs that can restore: the one in the box, then the user's, newest first."""
    box = [box_dir] if _trained(box_dir) else []
    return {folder.name: folder for folder in [*box, *runs_with_weights(runs_dir, box_dir)]}


def offered_runs(runs_dir: Path, run: str | None, box_dir: Path) -> dict[str, tuple[Path, str]]:
    """Folders of the runs to choose from by name, each with what is to be said of it, if anything.

    First comes the one that is taken where none is chosen, then the one in the box, then the rest.

    Args:
        runs_dir: as the others, see `choose_run`.
    """
    found = runs_by_name(runs_dir, box_dir)
    said = {name: OF_BOX for name, folder in found.items() if folder == box_dir}
    with contextlib.suppress(NoWeightsError):
        first, reason = choose_run(runs_dir, run, box_dir)
        if first.name in found:
            said |= {first.name: reason} if reason else {}
            found = {first.name: found.pop(first.name)} | found
    return {
        name: (folder, _with_limits(said.get(name, ""), folder)) for name, folder in found.items()
    }


def _with_limits(said: str, run_dir: Path) -> str:
    """What is said of a run, and what it is for, if for that alone."""
    sets = fixed_radius_sets(run_dir)
    limits = f"for {sets[0] if len(sets) == 1 else f'{len(sets)} blurs'} alone" if sets else ""
    return ", ".join(each for each in (said, limits) if each)


def fixed_radius_sets(run_dir: Path) -> tuple[str, ...]:
    """Names of the blurred sets that a run was trained on, where each has one radius.

    Such a network takes back those blurs, and makes others worse. Empty for all other runs, and
    where that is not known, as of sets that were blurred elsewhere.
    """
    try:
        record = Run(run_dir).record
    except TrainError:  # its weights may be whole
        return ()
    return record.kernels if record and record.fixed_radii else ()


def _written_s(run_dir: Path) -> float | None:
    """When the newest file of a run's weights was written; None if it has none."""
    while path := _trained(run_dir):
        with contextlib.suppress(FileNotFoundError):  # a training replaced it meanwhile
            return path.stat().st_mtime
    return None


def _trained(run_dir: Path) -> Path | None:
    """The newest file of a run's weights."""
    run = Run(run_dir)
    if weights := run.weights:
        return index_of(weights)
    return run.exported if run.exported.is_file() else None
