"""A run's checkpoints: which are kept, where training continues, how a generator is loaded."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from prepare.records.files import remove_old_parts
from train import TrainError
from train.networks.generators import build_generator
from train.run import Run, RunRecord, UnfitRunError, checkpoints_in
from train.train_step import TrainState

KEPT = 3  # newest checkpoints
PATHS = "all_model_checkpoint_paths"  # of TensorFlow's list
DAMAGE = (tf.errors.OpError, AssertionError, ValueError, IndexError, RuntimeError)


class NoCheckpointError(TrainError):
    """The run has no checkpoint that can be read."""


def manager_of(
    checkpoint: tf.train.Checkpoint, folder: Path, kept: int = KEPT
) -> tf.train.CheckpointManager:
    """Keeps the newest checkpoints of a folder, `ckpt-<step>`.

    TensorFlow's list of them is written again if it is damaged, or a kill came before its last.
    """
    names = [path.name for path in checkpoints_in(folder)]
    listed = tf.train.get_checkpoint_state(str(folder))
    if names and [Path(each).name for each in getattr(listed, PATHS, [])] != names:
        (folder / "checkpoint").open("ab").close()  # an OSError, if something else stands there
        tf.compat.v1.train.update_checkpoint_state(str(folder), names[-1], names)
    return tf.train.CheckpointManager(checkpoint, str(folder), kept, checkpoint_name="ckpt")


def save(manager: tf.train.CheckpointManager, step: int) -> None:
    """Writes the checkpoint of a step.

    Raises:
        OSError: if it cannot be written; the older ones stay.
    """
    try:
        manager.save(checkpoint_number=step)
    except tf.errors.OpError as error:
        raise OSError(
            f"{manager.directory}: the checkpoint of step {step} cannot be written "
            f"({reason_of(error)}); solve this, then the same command continues"
        ) from error


def reason_of(error: tf.errors.OpError) -> str:
    """The message of a TensorFlow error, without names of its operation and temporary file."""
    line = error.message.splitlines()[0].rpartition("}} ")[2]
    return line.partition(" [Op:")[0].rpartition("; ")[2]


def save_generator(generator: keras.Model, folder: Path, step: int) -> None:
    """Writes a checkpoint of an averaged generator alone, the only one of its folder.

    Raises:
        OSError: if it cannot be written.
    """
    saved = tf.train.Checkpoint(step=tf.Variable(step, dtype=tf.int64), averaged=generator)
    save(manager_of(saved, folder, kept=1), step)


def remove_leftovers(run: Run) -> None:
    """Removes incomplete files of a killed training; the caller holds the run's lock."""
    remove_old_parts(run.path)
    for folder in (run.path, run.best_dir, run.pixel_dir):
        for path in [*folder.glob("ckpt-*_temp"), *folder.glob("ckpt-*.tempstate*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def resume_or_start(
    state: TrainState, run: Run, record: RunRecord, source: Run | None
) -> tuple[RunRecord, bool]:
    """Brings a run to its newest checkpoint, or a new one to the weights of its `source`.

    Returns:
        the record, with the origin of the weights, and whether they were just loaded. If so, write
        the record and then the first checkpoint; after that the other run is no longer needed.

    Raises:
        UnfitRunError: if the weights are not those that the run was begun with, if there are
            checkpoints, but no record of the run, or a network to restore with alone.
        NoCheckpointError: if there is nothing to restore or to load.
    """
    begun, paths, best = run.record, run.checkpoints, run.best
    if begun:
        record = replace(record, from_step=begun.from_step, from_weights=begun.from_weights)
    elif paths:
        raise UnfitRunError(
            f"{run.path} has checkpoints but no settings.json; bring it back, or train as another "
            "RUN=.."
        )
    if best and not paths and holds_generator_alone(best):
        raise UnfitRunError(
            f"{run.path} can only restore and cannot be trained further; start a "
            f"run of your own from it: `make train RUN=.. FROM_RUN={run.name}`"
        )
    if paths or source is None:
        restore_newest(state.checkpoint(), paths)
        return record, False
    generator, step, _ = load_generator(source.path)
    weights = weights_sha256(generator)
    if begun and begun.from_weights != weights:
        raise UnfitRunError(
            f"{run.path} has no checkpoint, and {source.path} no longer has the weights that it "
            "started from; train again as another RUN=.."
        )
    for network in (state.generator, state.ema_generator):
        network.set_weights(generator.get_weights())
    print(f"{run.name} starts from {source.name}, step {step}")
    return replace(record, from_step=step, from_weights=weights), True


def holds_generator_alone(checkpoint: Path) -> bool:
    """Whether a checkpoint is from `save_generator`, so that no training can continue from it."""
    try:
        names = [name for name, _ in tf.train.list_variables(str(checkpoint))]
    except tf.errors.OpError:  # it is damaged
        return False
    return not any(name.startswith("generator_optimizer/") for name in names)


def restore_newest(checkpoint: tf.train.Checkpoint, paths: list[Path]) -> None:
    """Restores the newest of `paths` that is whole; does nothing when there are none.

    One that cannot be used is named on the way; TensorFlow checks every tensor's checksum.

    Raises:
        NoCheckpointError: if there are checkpoints, but none can be used.
    """
    for path in reversed(paths):
        try:
            status = checkpoint.restore(str(path))
            status.assert_existing_objects_matched()
            status.expect_partial()  # a generator alone leaves the rest of the checkpoint unread
            return
        except DAMAGE as error:
            reason = str(error).splitlines()[0]
            print(f"checkpoint {path} is damaged ({reason}), trying the one before it")
    if paths:
        raise NoCheckpointError(
            f"no checkpoint in {paths[0].parent} can be read; bring back what is missing, or train "
            "again as another RUN=.."
        )


def load_generator(run_dir: Path, pixel: bool = False) -> tuple[keras.Model, int, RunRecord]:
    """The trained generator of a run: its best by validation, or its newest.

    Or, if `pixel`, as it was before the adversarial term set in. With the step that it was saved
    at, and the run's record.

    Raises:
        NoCheckpointError: if the run has none.
        DamagedRecordError: if its settings cannot be read.
    """
    run = Run(run_dir)
    record = run.record
    for folder in (run.pixel_dir,) if pixel else (run.best_dir, run_dir):
        if record and checkpoints_in(folder):
            try:
                return *averaged_in(folder, record), record
            except NoCheckpointError:
                if folder != run.best_dir:  # the newest may be whole where the best is not
                    raise
    raise NoCheckpointError(run.why_no_checkpoint)


def averaged_in(folder: Path, record: RunRecord) -> tuple[keras.Model, int]:
    """The newest averaged generator of a folder, in which a training may replace what is read."""
    step = tf.Variable(0, dtype=tf.int64)
    generator = build_generator(record.settings)
    saved = tf.train.Checkpoint(step=step, averaged=generator)
    while True:
        paths = checkpoints_in(folder)
        try:
            restore_newest(saved, paths)
            return generator, int(step.numpy())
        except NoCheckpointError:
            if checkpoints_in(folder) == paths:
                raise


def weights_sha256(generator: keras.Model) -> str:
    """SHA-256 of a generator's weights, hexadecimal: equal for equal networks of one kind."""
    digest = hashlib.sha256()
    for weight in generator.weights:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def restore_picture(generator: keras.Model, blurred: np.ndarray) -> np.ndarray:
    """The generator's picture of one blurred picture; the same for it alone as among others.

    Both are uint8 or uint16, shape (height, width, 3), RGB, with sides of `SIZE_MULTIPLES`.
    """
    peak = np.iinfo(blurred.dtype).max
    signed = tf.cast(blurred[None], tf.float32) / (peak / 2) - 1.0
    restored = run_generator(generator, signed)[0]
    return np.rint((restored.numpy() + 1.0) * (peak / 2)).clip(0, peak).astype(blurred.dtype)


@tf.function(reduce_retracing=True)
def run_generator(generator: keras.Model, blurred: tf.Tensor) -> tf.Tensor:
    return generator(blurred, training=False)
