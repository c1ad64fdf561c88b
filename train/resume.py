"""Where a run goes on from: its newest checkpoint or, if it is new, weights of another run."""

from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from train.checkpoints import load_generator, restore_newest, weights_sha256
from train.run import Run, RunRecord, checkpoints_in
from train.start import UnfitStartError
from train.train_step import TrainState

FIRST = "ckpt-0"  # of a run that starts from another, and of no other run


def restore_or_start(
    state: TrainState, run_dir: Path, record: RunRecord, from_dir: Path | None
) -> tuple[RunRecord, bool]:
    """Brings a run to its newest checkpoint, or a new one to the weights that it starts from.

    Args:
        state: is changed.
        run_dir: holds the run. FIRST is to be saved before its `settings.json` is written, so a run
            that was begun needs the other no more.
        record: of the run.
        from_dir: the run that it starts from, if any.

    Returns:
        the record, with what the weights were, and whether they have been loaded just now.

    Raises:
        UnfitStartError: if the weights are not those that the run was begun with, if there are
            checkpoints, but no record of the run, or a network to restore with alone.
        NoCheckpointError: if there is nothing to restore or to load.
    """
    begun, paths = Run(run_dir).record, checkpoints_in(run_dir)
    if begun:
        record = replace(record, from_step=begun.from_step, from_weights=begun.from_weights)
    else:
        paths = [path for path in paths if path.name != FIRST]  # see `forget_unbegun`
        if paths:
            raise UnfitStartError(
                f"{run_dir} has checkpoints but no settings.json; bring it back, or train as "
                "another RUN=.."
            )
    if not paths and _is_handed_on(run_dir):
        raise UnfitStartError(
            f"{run_dir} holds a network to restore with, and nothing to go on training; go on from "
            f"it in a run of your own: `make train RUN=.. FROM_RUN={run_dir.name}`"
        )
    if paths or from_dir is None:
        restore_newest(state.checkpoint(), paths)
        return record, False
    generator, step, _ = load_generator(from_dir)
    weights = weights_sha256(generator)
    if begun and begun.from_weights != weights:
        raise UnfitStartError(
            f"{run_dir} has no checkpoint, and {from_dir} no longer has the weights that it was "
            "begun with; train again as another RUN=.."
        )
    for network in (state.generator, state.ema_generator):
        network.set_weights(generator.get_weights())
    print(f"{run_dir.name} starts from {from_dir.name}, step {step}")
    return replace(record, from_step=step, from_weights=weights), True


def _is_handed_on(run_dir: Path) -> bool:
    """Whether the best checkpoint of a run is a generator alone, as `write_small_run` leaves it."""
    paths = checkpoints_in(Run(run_dir).best_dir)
    try:
        names = [name for path in paths for name, _ in tf.train.list_variables(str(path))]
    except tf.errors.OpError:  # it is damaged
        return False
    return bool(names) and not any(name.startswith("generator_optimizer/") for name in names)


def forget_unbegun(run_dir: Path) -> None:
    """Removes the first checkpoint of a run that was killed before its record was written.

    For who holds the run's lock; whatever the run is to start from now is loaded anew.
    """
    names = [path.name for path in checkpoints_in(run_dir)]
    if names == [FIRST] and not (run_dir / "settings.json").exists():
        for path in (run_dir / "checkpoint", *run_dir.glob(f"{FIRST}.*")):
            path.unlink(missing_ok=True)
