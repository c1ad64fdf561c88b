"""A run's checkpoints: which are kept, how they are restored, and how a generator comes back."""

import hashlib
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from prepare.records.files import remove_old_parts
from train import TrainError
from train.networks.generators import build_generator
from train.run import Run, RunRecord, checkpoints_in, index_of, listed_in
from train.train_step import TrainState

KEPT = 3  # newest checkpoints


class NoCheckpointError(TrainError):
    """The run has no checkpoint that can be read."""


def manager_of(state: TrainState, run_dir: Path) -> tf.train.CheckpointManager:
    """Keeps the newest checkpoints of a run, `ckpt-<step>`."""
    _mend_list(run_dir)
    return tf.train.CheckpointManager(
        state.checkpoint(), str(run_dir), KEPT, checkpoint_name="ckpt"
    )


def best_manager_of(state: TrainState, run_dir: Path) -> tf.train.CheckpointManager:
    """Keeps the one checkpoint that validated best, in a folder of its own."""
    folder = Run(run_dir).best_dir
    _mend_list(folder)
    return tf.train.CheckpointManager(state.checkpoint(), str(folder), 1, checkpoint_name="ckpt")


def save(manager: tf.train.CheckpointManager, step: int) -> None:
    """Writes the checkpoint of a step.

    Raises:
        OSError: if it cannot be written; the older ones stay.
    """
    try:
        manager.save(checkpoint_number=step)
    except tf.errors.OpError as error:
        reason = error.message.splitlines()[0]
        raise OSError(
            f"{manager.directory}: the checkpoint of step {step} cannot be written ({reason})"
        ) from error


def save_generator(generator: keras.Model, folder: Path, step: int) -> None:
    """Writes a checkpoint of an averaged generator alone, the only one of its folder.

    Raises:
        OSError: if it cannot be written.
    """
    _mend_list(folder)
    saved = tf.train.Checkpoint(step=tf.Variable(step, dtype=tf.int64), averaged=generator)
    save(tf.train.CheckpointManager(saved, str(folder), 1, checkpoint_name="ckpt"), step)


def _mend_list(folder: Path) -> None:
    """Writes TensorFlow's list of checkpoints again if it cannot be read.

    Raises:
        NoCheckpointError: if something else stands in its place.
    """
    if not listed_in(folder):
        path = folder / "checkpoint"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            reason = f"is no list of checkpoints, and stays ({error.strerror})"
            raise NoCheckpointError(f"{path} {reason}; move it away, and try again") from error
        if names := [path.name for path in checkpoints_in(folder)]:
            tf.compat.v1.train.update_checkpoint_state(str(folder), names[-1], names)


def restore_newest(checkpoint: tf.train.Checkpoint, paths: list[Path]) -> None:
    """Restores the newest of `paths` that is whole; does nothing when there are none.

    One that cannot be used is named on the way; TensorFlow checks every tensor's checksum.

    Raises:
        NoCheckpointError: if there are checkpoints, but none can be used.
    """
    unread: dict[Path, str] = {}  # those that may be whole, and why they could not be read
    for path in reversed(paths):
        try:
            status = checkpoint.restore(str(path))
            status.assert_existing_objects_matched()
            status.expect_partial()  # a generator alone leaves the rest of the checkpoint unread
            return
        except (tf.errors.OpError, AssertionError, ValueError, IndexError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            if refusal := _refusal(path):
                unread[path] = refusal
            fault = f"cannot be read ({refusal})" if refusal else f"is damaged ({reason})"
            print(f"checkpoint {path} {fault}, trying the one before it")
    if unread:
        path, refusal = next(iter(unread.items()))
        raise NoCheckpointError(
            f"no checkpoint in {path.parent} can be read, {path.name} because of "
            f"{refusal}; bring it back or make it readable, then run the same command again"
        )
    if paths:
        raise NoCheckpointError(
            f"no checkpoint in {paths[0].parent} can be read; train again as another RUN=.."
        )


def _restore_beside_training(checkpoint: tf.train.Checkpoint, folder: Path) -> None:
    """Restores the newest of a folder, in which a training may replace what is being read."""
    while True:
        paths = checkpoints_in(folder)
        try:
            return restore_newest(checkpoint, paths)
        except NoCheckpointError:
            if checkpoints_in(folder) == paths:
                raise


def sweep(run_dir: Path) -> None:
    """Removes what a killed training left half written; for who holds the run's lock."""
    remove_old_parts(run_dir)
    run = Run(run_dir)
    for folder in (run_dir, run.best_dir, run.pixel_dir):
        for path in [*folder.glob("ckpt-*_temp"), *folder.glob("ckpt-*.tempstate*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _refusal(path: Path) -> str:
    """Which file of a checkpoint the system does not give, and why; empty if it gives all.

    What such a file holds may be whole.
    """
    for file in (index_of(path), path.with_suffix(".data-00000-of-00001")):
        try:
            with open(file, "rb") as opened:
                opened.read(1)
        except OSError as error:
            return f"{file.name}: {error.strerror}"
    return ""


def load_generator(run_dir: Path) -> tuple[keras.Model, int, RunRecord]:
    """The trained generator of a run: its best by validation, or its newest.

    Returns:
        the network, the step it was saved at, and the run's record.

    Raises:
        NoCheckpointError: if the run has none.
        DamagedSettingsError: if its settings cannot be read.
    """
    record = Run(run_dir).record
    for folder in (Run(run_dir).best_dir, run_dir):
        if record and checkpoints_in(folder):
            try:
                return *_averaged_in(folder, record), record
            except NoCheckpointError:
                if folder == run_dir:
                    raise
                continue  # the newest may be whole where the best is not
    raise NoCheckpointError(
        f"no checkpoint in {run_dir}; run `make train RUN={run_dir.name}` first"
    )


def load_pixel_average(run_dir: Path) -> keras.Model:
    """The generator as it was before the adversarial term of its run set in.

    Raises:
        NoCheckpointError: if it cannot be read.
    """
    record = Run(run_dir).record
    if record is None:
        raise NoCheckpointError(f"no run in {run_dir}; run `make train RUN={run_dir.name}` first")
    return _averaged_in(Run(run_dir).pixel_dir, record)[0]


def _averaged_in(folder: Path, record: RunRecord) -> tuple[keras.Model, int]:
    step = tf.Variable(0, dtype=tf.int64)
    generator = build_generator(record.settings)
    _restore_beside_training(tf.train.Checkpoint(step=step, averaged=generator), folder)
    return generator, int(step.numpy())


def weights_sha256(generator: keras.Model) -> str:
    """SHA-256 of a generator's weights, hexadecimal: equal for equal networks of one kind."""
    digest = hashlib.sha256()
    for weight in generator.weights:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def restore_picture(generator: keras.Model, blurred: np.ndarray) -> np.ndarray:
    """The generator's picture of one blurred picture; the same for it alone as among others.

    Args:
        generator: as built by `train.networks.generators`.
        blurred: uint8 or uint16, shape (height, width, 3), RGB; both sides as the generator needs
            them (see `SIZE_MULTIPLES`).

    Returns:
        the same shape and type.
    """
    peak = np.iinfo(blurred.dtype).max
    signed = tf.cast(blurred[None], tf.float32) / (peak / 2) - 1.0
    restored = _forward(generator, signed)[0]
    return np.rint((restored.numpy() + 1.0) * (peak / 2)).clip(0, peak).astype(blurred.dtype)


@tf.function(reduce_retracing=True)
def _forward(generator: keras.Model, blurred: tf.Tensor) -> tf.Tensor:
    return generator(blurred, training=False)
