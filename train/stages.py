"""The stages that the command line calls: they choose pictures and runs, and print what they do.

`run_dir` holds the run and `data` the pairs; `patterns` are names, patterns or blurs of sets. With
`dry_run`, a stage prints what it would do and does nothing.
"""

import contextlib
import fnmatch
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from prepare.records import PROGRAM
from prepare.records.blur import LensBlur
from prepare.records.data_folder import DataFolder
from prepare.records.files import named_errors, only_writer, write_json
from prepare.records.progress import counted
from prepare.records.sets import choose_sets, read_kernel, usual_sets
from train.dataset import find_pairs, is_cached, read_picture, read_split
from train.devices import explain_devices, is_chief, load_tensorflow
from train.evaluation import SAMPLE
from train.evaluation.baselines import baseline_ids, tuned_baselines
from train.evaluation.evaluate import evaluate, text_of
from train.evaluation.real_pairs import Example, find_real_pairs, read_example
from train.evaluation.results import (
    CURVE,
    METRICS,
    PAGE,
    NoEvaluationError,
    curves_of,
    evaluated_in,
    read_evaluation,
    read_evaluations,
)
from train.report.page import write_page
from train.run import Run, RunRecord, StartPlan, folder_words, own_run

LEARNED_ON = ("train", "validation")
NUM_EXPORT_PICTURES = 8  # on which exported models are compared with the original
MOST_TUNING_IMAGES = 8  # of the training side, which the classical methods are tuned on


def train_run(
    plan: StartPlan, data: DataFolder, patterns: Sequence[str | LensBlur], *, dry_run: bool = False
) -> None:
    """Trains or continues a run: by default on its own sets, or those of the last `dataset`.

    Raises:
        PrepareError: if a set is not there, or several are and none is named.
        TrainError: see `train.loop.train`; or if pictures to be kept in memory do not fit into it.
    """
    run, settings, begun = plan.run, plan.settings, plan.run.record
    wanted = patterns or (begun.kernels if begun else usual_sets(data.blurred))
    set_names = choose_sets(data.blurred, wanted)
    blurred_dirs = [data.blurred / name for name in set_names]
    split = read_split(data.manifest)
    pairs, validation = (find_pairs(split[each], data.sharp, blurred_dirs) for each in LEARNED_ON)
    is_cached(pairs, settings.cache)
    length = f"{counted(settings.total_steps(len(pairs.ids)), 'step')} of {settings.batch}"
    if plan.by_minutes:
        length = f"as many steps of {settings.batch} as {settings.max_minutes:g} minutes allow"
    print(
        f"{run.name}: {len(pairs.ids)} images to train on, {len(validation.ids)} to validate on, "
        f"of {', '.join(set_names)}, {length}"
    )
    if dry_run:
        return
    load_tensorflow()
    from train.checkpoints import remove_leftovers
    from train.loop import train

    sets = tuple(set_names)
    record = RunRecord(settings, sets, pairs.size, plan.preset, fixed_radii=pairs.fixed_radii)
    lock = only_writer(run.path, "make train") if is_chief() else contextlib.nullcontext()
    with named_errors(run.path), lock:
        if is_chief():
            remove_leftovers(run)
        has_trained = train(
            run.path, pairs, validation, record, source=plan.source, plan=plan.by_minutes
        )
    if not has_trained:
        print(f"{run.path} is finished; EPOCHS and STEPS are totals, give a larger one to continue")
    words = [f"RUN={run.name}", *folder_words(run.path.parent)]
    print(f"restore photographs with it: {PROGRAM} deblur IN=photo.jpg {' '.join(words)}")


def export_run(
    run_dir: Path, data: DataFolder, formats: Sequence[str], *, dry_run: bool = False
) -> None:
    """Writes a run's generator in other formats into `export`, each checked on test pictures.

    Raises:
        TrainError: if the run has no checkpoint, or a format is not written right.
    """
    load_tensorflow()
    from train.checkpoints import load_generator
    from train.export import notes_of
    from train.export.export import export

    run = Run(run_dir)
    weights = run.weights_hash
    generator, step, record = load_generator(run_dir)
    blurred_dirs = [data.blurred / name for name in choose_sets(data.blurred, record.kernels[:1])]
    ids = read_split(data.manifest)["test"][:NUM_EXPORT_PICTURES]
    pairs = find_pairs(ids, data.sharp, blurred_dirs)
    out_dir = run_dir / "export"
    print(f"{run_dir.name}, step {step}: {', '.join(formats)} into {out_dir}")
    if dry_run:
        return
    pictures = [read_picture(path) for path in pairs.blurred[0]]
    with only_writer(out_dir, "make export"):
        notes = notes_of(weights, step, record.settings.generator)
        export(generator, out_dir, pictures, formats, notes, run)


def evaluate_run(
    run_dir: Path,
    data: DataFolder,
    patterns: Sequence[str | LensBlur],
    *,
    real_dir: Path | None = None,
    baselines: str = SAMPLE,
    dry_run: bool = False,
) -> None:
    """Scores a run and writes the pages: on real pairs, if any are named, and on sets.

    Args:
        patterns: with none, the sets of the training, or none if there is a folder of real pairs.
        real_dir: holds pairs of real photographs; see `train.evaluation.real_pairs`.
        baselines: which images classical methods are scored on; see `train.evaluation.baselines`.

    Raises:
        PrepareError: if a set is not there, or another process evaluates this run.
        TrainError: if the run has no checkpoint, or pictures are missing.
    """
    choose_sets(data.blurred, patterns)  # reports errors before the long work
    if real_dir:
        evaluate_on_real_pairs(run_dir, data, real_dir, dry_run)
    if patterns or not real_dir:
        evaluate_on_sets(run_dir, data, patterns, baselines, dry_run)


def evaluate_on_sets(
    run_dir: Path,
    data: DataFolder,
    patterns: Sequence[str | LensBlur],
    baselines: str,
    dry_run: bool,
) -> None:
    """Scores a run on the test images of sets."""
    load_tensorflow()
    import tensorflow as tf

    from train.checkpoints import load_generator, restore_picture, weights_sha256

    generator, step, record = load_generator(run_dir)
    set_names = choose_sets(data.blurred, patterns or record.kernels)
    split = read_split(data.manifest)
    tuning_ids, sample = split["train"][:MOST_TUNING_IMAGES], baseline_ids(split["test"], baselines)
    sides = {
        name: [
            find_pairs(ids, data.sharp, [data.blurred / name])
            for ids in (split["test"], tuning_ids)
        ]
        for name in set_names
    }
    num, scored = counted(len(split["test"]), "test image"), ""
    if len(sample) < len(split["test"]):
        scored = f", {len(sample)} of them also for classical methods (BASELINES=all: all),"
    told = {name: f"{run_dir.name}, step {step}: {num}{scored} of {name}" for name in sides}
    if dry_run:
        print("\n".join(told.values()))
        return
    of_run = {"step": step, "weights": weights_sha256(generator), "seed": record.settings.seed}
    devices = tf.config.list_physical_devices("GPU")
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in devices
    ]
    evaluations_dir, results = run_dir / "evaluation", {}
    lock = only_writer(evaluations_dir, "make evaluate")
    with explain_devices(), named_errors(evaluations_dir), lock:
        for name, (test, tuning) in sides.items():
            print(told[name])
            kernel = read_kernel(data.blurred / name)
            shown = zip(tuning.blurred[0], tuning.sharp, strict=True)
            both = [(read_picture(blurred), read_picture(sharp)) for blurred, sharp in shown]
            classical, parameters = tuned_baselines(kernel, both)
            context = {"kernel": name, **of_run, "split": "test", "size": test.size}
            context |= {"blur": kernel.content if kernel else {}, "baselines": parameters}
            columns = zip(test.ids, map(Path, test.blurred[0]), map(Path, test.sharp), strict=True)
            results[name] = evaluate(
                partial(restore_picture, generator),
                [Example(*files) for files in columns],
                evaluations_dir / name,
                context,
                classical=classical,
                sample=sample,
            )
            results[name]["hardware"] = ", ".join([*gpus, results[name]["hardware"]])
            print(text_of(results[name]))
        publish(run_dir, data, results)


def evaluate_on_real_pairs(run_dir: Path, data: DataFolder, real_dir: Path, dry_run: bool) -> None:
    """Scores a run on pairs of real photographs; needs no data folder."""
    from train.restore.engine import open_engine
    from train.restore.restore import restore

    examples = find_real_pairs(real_dir)
    for example in examples:
        read_example(example)  # reports errors before the long work
    print(f"{run_dir.name}: {counted(len(examples), 'real pair')} of {real_dir}")
    if dry_run:
        return
    engine, record = open_engine(Run(run_dir)), Run(run_dir).record
    name = f"real-{real_dir.resolve().name}"
    context = {"kernel": name, "folder": str(real_dir), "step": int(engine.notes["step"])}
    context |= {"weights": engine.notes["weights"], "seed": record.settings.seed if record else 0}
    evaluations_dir = run_dir / "evaluation"
    with named_errors(evaluations_dir), only_writer(evaluations_dir, "make evaluate"):
        result = evaluate(
            lambda picture: restore(engine, picture)[0],
            examples,
            evaluations_dir / name,
            context,
            is_real=True,
        )
        print(text_of(result))
        publish(run_dir, data, {name: result})


def publish(run_dir: Path, data: DataFolder, results: dict[str, dict]) -> None:
    """Writes the curve and the pages, and then marks the evaluations as complete."""
    evaluations_dir, record = run_dir / "evaluation", Run(run_dir).record
    evaluations = read_evaluations(run_dir) | results
    write_json(evaluations_dir / CURVE, curves_of(evaluations, record.kernels if record else ()))
    pages = [write_page(run_dir, name, evaluations, data) for name in results]
    for name, result in results.items():
        write_json(evaluations_dir / name / METRICS, result)
    print("\n".join(f"report: {page}" for page in pages))


def report_run(
    run_dir: Path, data: DataFolder, patterns: Sequence[str | LensBlur], *, dry_run: bool = False
) -> None:
    """Writes the pages of a run's evaluations again, of all if no set is named.

    Raises:
        NoEvaluationError: if there is none, or it is unfinished.
    """
    names = evaluated_in(run_dir / "evaluation")
    if not names and not patterns:
        raise NoEvaluationError(
            f"no complete evaluation of {run_dir.name}; run `make evaluate RUN={run_dir.name}`"
        )
    fitting = {word: fnmatch.filter(names, word) or [word] for word in map(str, patterns)}
    chosen = dict.fromkeys(name for found in fitting.values() for name in found) or names
    wanted = {name: read_evaluation(run_dir, name) for name in chosen}
    evaluations = read_evaluations(run_dir) | wanted
    for name in chosen:
        page = run_dir / "evaluation" / name / PAGE
        print(f"report: {page if dry_run else write_page(run_dir, name, evaluations, data)}")


def compare_runs(
    runs_dir: Path, runs: Sequence[str], data: DataFolder, *, dry_run: bool = False
) -> None:
    """Puts several evaluated runs, or all, into one table and one page.

    Raises:
        NothingToCompareError: if no two runs have an evaluation in common.
    """
    from train.report.compare import compare

    chosen = runs or sorted(
        {path.parents[2].name for path in runs_dir.glob(f"*/evaluation/*/{METRICS}")}
    )
    run_dirs = [own_run(runs_dir, name, "with").path for name in chosen]
    out_dir = runs_dir / f"comparison-{'-'.join(runs) or 'all'}"
    print(f"{', '.join(chosen) or 'no run'} into {out_dir}")
    if not dry_run:
        print(f"report: {compare(run_dirs, data, out_dir)}")
