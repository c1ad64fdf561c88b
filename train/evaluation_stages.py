"""The stages that score runs and show the scores; see `train.stages` for the others.

`data` holds the pairs throughout. With `dry_run`, a stage says what it would do, and does nothing.
"""

import contextlib
import fnmatch
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from prepare.records.data_folder import DataFolder
from prepare.records.files import named_errors, only_writer
from prepare.records.sets import choose_sets, read_kernel
from prepare.records.settings import DamagedRecordError
from train.dataset import Pairs, Restore, find_pairs, read_split
from train.devices import load_tensorflow
from train.evaluation import SAMPLE
from train.evaluation.baselines import baseline_ids
from train.evaluation.folder import EvaluationPlaceError, begin, evaluated_in, publish
from train.evaluation.real_pairs import find_real_pairs, read_real_pair
from train.report.page import NoEvaluationError, write_report
from train.report.radius_curve import write_curve
from train.report.real_page import is_real, write_real_report
from train.run import Run


def evaluate_run(
    run_dir: Path,
    data: DataFolder,
    patterns: Sequence[str],
    *,
    real_dir: Path | None = None,
    baselines: str = SAMPLE,
    dry_run: bool = False,
) -> None:
    """Scores a run on its test images and writes the reports; they appear when all are whole.

    Args:
        run_dir: holds the run.
        patterns: names of the blurred sets, or patterns; with none, those of the training, or no
            set if there is a folder of real pairs.
        real_dir: holds pairs of real photographs; see `evaluate_real_run`.
        baselines: which images classical methods are scored on; see `train.evaluation.baselines`.

    Raises:
        PrepareError: if a set is not there, or another process evaluates this run.
        TrainError: if the run has no checkpoint, pictures are missing, or a set would share an
            evaluation with a folder of real pairs.
    """
    if real_dir:
        evaluate_real_run(run_dir, real_dir, choose_sets(data.blurred, patterns), dry_run=dry_run)
        if not patterns:
            return
    load_tensorflow()
    from train.checkpoints import load_generator, restore_picture, weights_sha256

    generator, step, record = load_generator(run_dir)
    set_names = choose_sets(data.blurred, patterns or record.kernels)
    test, tuning = _ids_scored_on(data)
    pairs = {
        name: [find_pairs(ids, data.sharp, [data.blurred / name]) for ids in (test, tuning)]
        for name in set_names
    }
    scored = _what_is_scored(test, baselines)
    said = {name: f"{run_dir.name}, step {step}: {scored} of {name}" for name in pairs}
    if dry_run:
        print("\n".join(said.values()))
        return
    of_run = {"step": step, "weights": weights_sha256(generator), "seed": record.settings.seed}
    evaluations_dir, restore = run_dir / "evaluation", partial(restore_picture, generator)
    with _being_written(evaluations_dir):
        folders = [_begin(evaluations_dir / name, real=False) for name in set_names]
        for folder in folders:
            print(said[folder.name])
            _score_set(restore, pairs[folder.name], folder, data, of_run, baselines)
        write_curve(evaluations_dir, record.kernels, folders)
        for folder in folders:
            write_report(run_dir, folder, data.sharp, data.blurred / folder.name)
        publish(folders, evaluations_dir)
    print("\n".join(f"report: {evaluations_dir / name / 'report.html'}" for name in set_names))


def _what_is_scored(test: Sequence[str], baselines: str) -> str:
    """How many images and, if not all of them, how many by classical methods."""
    num, num_sampled = len(test), len(baseline_ids(test, baselines))
    sample = f", {num_sampled} also by classical methods (BASELINES=all: all),"
    return f"{num} test images{sample if num_sampled < num else ''}"


def _ids_scored_on(data: DataFolder) -> tuple[list[str], list[str]]:
    """The test images, and the few training images that the classical methods are tuned on."""
    from train.evaluation.evaluate import MOST_TUNING_IMAGES

    split = read_split(data.manifest)
    return split["test"], split["train"][:MOST_TUNING_IMAGES]


def _score_set(
    restore: Restore,
    pairs: Sequence[Pairs],
    folder: Path,
    data: DataFolder,
    of_run: dict,
    baselines: str,
) -> None:
    """Evaluates a run on one set, of the name of the folder."""
    from train.evaluation.evaluate import evaluate, table_of

    test, tuning = pairs
    kernel = read_kernel(data.blurred / folder.name)
    context = {"kernel": folder.name} | of_run
    print(table_of(evaluate(restore, test, tuning, folder, kernel, context, baselines)))


def evaluate_real_run(
    run_dir: Path, real_dir: Path, beside: Sequence[str] = (), *, dry_run: bool = False
) -> None:
    """Scores a run on pairs of real photographs and writes the report; needs no data folder.

    Args:
        run_dir: holds the run.
        real_dir: holds the pairs; see `train.evaluation.real_pairs`.
        beside: names of the sets that are to be scored next.

    Raises:
        PrepareError: if another process evaluates this run.
        TrainError: if the run has no checkpoint, the folder holds no pairs that can be scored, or a
            set's evaluation stands where theirs is to go.
    """
    name = f"real-{real_dir.resolve().name}"
    if name in beside:
        raise _shared(run_dir / "evaluation" / name)
    pairs = find_real_pairs(real_dir)
    for pair in pairs:
        read_real_pair(pair)  # what is wrong is told before the long work
    load_tensorflow()
    from train.evaluation.evaluate_real import evaluate_real, summary_of
    from train.restore.onnx_file import open_engine
    from train.restore.restore import restore

    print(f"{run_dir.name}: {len(pairs)} real pairs of {real_dir}")
    if dry_run:
        return
    engine, record = open_engine(run_dir), Run(run_dir).record
    context = {"kernel": name, "folder": str(real_dir), "step": int(engine.notes["step"])}
    context |= {"weights": engine.notes["weights"], "seed": record.settings.seed if record else 0}
    evaluations_dir = run_dir / "evaluation"
    with _being_written(evaluations_dir):
        folder = _begin(evaluations_dir / name, real=True)
        print(
            summary_of(
                evaluate_real(lambda picture: restore(engine, picture)[0], pairs, folder, context)
            )
        )
        write_real_report(run_dir, folder)
        publish([folder], evaluations_dir, with_curve=False)
    print(f"report: {evaluations_dir / name / 'report.html'}")


def _begin(place: Path, *, real: bool) -> Path:
    """As `begin`, but never over an evaluation of the other kind."""
    folder = begin(place)
    with contextlib.suppress(DamagedRecordError):  # it is replaced, whatever it was of
        if (place / "metrics.json").exists() and is_real(place) != real:
            raise _shared(place)
    return folder


def _shared(place: Path) -> EvaluationPlaceError:
    return EvaluationPlaceError(
        f"{place} would hold the evaluations of a set and of a folder of real pairs; rename the "
        f"folder {place.name.removeprefix('real-')} of the pairs"
    )


@contextlib.contextmanager
def _being_written(evaluations_dir: Path) -> Iterator[None]:
    """Keeps other evaluations of the run out."""
    with named_errors(evaluations_dir), only_writer(evaluations_dir, "make evaluate"):
        yield


def report_run(
    run_dir: Path, data: DataFolder, patterns: Sequence[str], *, dry_run: bool = False
) -> None:
    """Writes the reports of a run's evaluations again.

    Args:
        run_dir: holds the run.
        patterns: names of the evaluated sets, or patterns; with none, all.

    Raises:
        NoEvaluationError: if there is none.
    """
    evaluations_dir = run_dir / "evaluation"
    names = evaluated_in(evaluations_dir)
    if not names:
        raise NoEvaluationError(
            f"no evaluation of {run_dir.name} yet; run `make evaluate RUN={run_dir.name}`"
        )
    fitting = {word: fnmatch.filter(names, word) or [word] for word in patterns}
    chosen = dict.fromkeys(name for found in fitting.values() for name in found) or names
    if missing := [name for name in chosen if name not in names]:
        raise NoEvaluationError(
            f"no evaluation of {run_dir.name} on {missing[0]} yet; run `make evaluate "
            f'RUN={run_dir.name} KERNEL="{missing[0]}"`'
        )
    for name in chosen:
        folder = evaluations_dir / name
        if not dry_run and is_real(folder):
            write_real_report(run_dir, folder)
        elif not dry_run:
            write_report(run_dir, folder, data.sharp, data.blurred / name)
        print(f"report: {folder / 'report.html'}")


def compare_runs(
    runs_dir: Path, runs: Sequence[str], data: DataFolder, *, dry_run: bool = False
) -> None:
    """Puts several evaluated runs into one table and one page.

    Args:
        runs_dir: holds the runs; gets a folder for the comparison.
        runs: names of the runs, the first of which the others are compared with.

    Raises:
        NothingToCompareError: if the runs have no evaluation in common.
    """
    from train.report.compare import compare

    out_dir = runs_dir / f"comparison-{'-'.join(runs)}"
    print(f"{', '.join(runs)} into {out_dir}")
    if not dry_run:
        run_dirs = [runs_dir / run for run in runs]
        print(f"report: {compare(run_dirs, data.sharp, data.blurred, out_dir)}")
