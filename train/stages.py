"""The stages behind the command line: which pictures and runs they concern, and what they say.

`data` holds the pairs throughout. With `dry_run`, a stage says what it would do, and does nothing.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from prepare.records.data_folder import DataFolder
from prepare.records.files import named_errors, only_writer
from prepare.records.sets import choose_sets, the_only_set
from train.dataset import find_pairs, is_cached, read_picture, read_split
from train.devices import is_chief, load_tensorflow
from train.run import Run, RunRecord, StartPlan, folder_words

LEARNED_ON = ("train", "validation")
NUM_EXPORT_PICTURES = 8  # on which exported models are compared with the original


def train_run(
    plan: StartPlan, data: DataFolder, patterns: Sequence[str], *, dry_run: bool = False
) -> None:
    """Trains a run, or goes on with it.

    Args:
        plan: the run, and how it is trained.
        patterns: names of the blurred sets, or patterns; with none, those that the run was begun
            with, or the only one there is.

    Raises:
        PrepareError: if a set is not there, or several are and none is named.
        TrainError: see `train.loop.train`; or if the pictures are to be kept in memory, and do
            not fit into it.
    """
    run, settings, begun = plan.run, plan.settings, plan.run.record
    wanted = patterns or (begun.kernels if begun else [the_only_set(data.blurred)])
    set_names = choose_sets(data.blurred, wanted)
    blurred_dirs = [data.blurred / name for name in set_names]
    split = read_split(data.manifest)
    pairs, validation = (find_pairs(split[each], data.sharp, blurred_dirs) for each in LEARNED_ON)
    is_cached(pairs, settings.cache)
    length = f"{settings.total_steps(len(pairs.ids))} steps of {settings.batch}"
    if plan.by_minutes:
        length = f"as many steps of {settings.batch} as {settings.max_minutes:g} minutes allow"
    print(
        f"{run.name}: {len(pairs.ids)} training and {len(validation.ids)} validation images of "
        f"{', '.join(set_names)}, {length}"
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
        print(f"{run.path} is finished; EPOCHS and STEPS are totals, ask for more to go on")
    words = [f"RUN={run.name}", *folder_words(run.path.parent)]
    print(f"restore photographs with it: make deblur IN=photo.jpg {' '.join(words)}")


def export_run(
    run_dir: Path, data: DataFolder, formats: Sequence[str], *, dry_run: bool = False
) -> None:
    """Writes a run's generator in other formats, and checks each on test pictures.

    Args:
        run_dir: holds the run; gets the folder `export`.
        formats: see `train.export.export.export`.

    Raises:
        TrainError: if the run has no checkpoint, or a format is not written right.
    """
    load_tensorflow()
    from train.checkpoints import load_generator
    from train.export import notes_of
    from train.export.export import export, remove_leftovers

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
        remove_leftovers(out_dir)
        notes = notes_of(weights, step, record.settings.generator)
        export(generator, out_dir, pictures, formats, notes, run)
