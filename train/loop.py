"""The training loop: data, update, log, samples, checkpoints; stopped and resumed at any step."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf
from tqdm import tqdm

from train import TrainError
from train.checkpoints import (
    best_manager_of,
    checkpoints_in,
    manager_of,
    restore_newest,
    save,
    write_settings,
)
from train.dataset import Pairs, damaged_pictures_named, training_batches
from train.files import write_picture
from train.log import open_log
from train.machines import (
    build_mean,
    check_same,
    check_shares,
    lost_machines_named,
    strategy_for,
    with_precision,
)
from train.settings import SIZE_MULTIPLES, TrainSettings
from train.update import LOSSES, Networks, build_update
from train.validation import validate

SMALLEST_JUDGED_PX = 24  # below this no patch is left for the discriminator to judge


class UnsuitableSizeError(TrainError):
    """The networks cannot take pictures of this size."""


class NonFiniteLossError(TrainError):
    """A loss became NaN or infinite."""


@lost_machines_named()
def train(
    run_dir: Path,
    pairs: Pairs,
    validation: Pairs,
    settings: TrainSettings,
    context: dict,
    strategy: tf.distribute.Strategy | None = None,
) -> bool:
    """Trains a run to its end, going on from its newest checkpoint where there is one.

    Args:
        run_dir: holds the run; made when missing.
        pairs: training images.
        validation: images to watch, never trained on; of the training side of the split.
        settings: the recipe.
        context: what else `settings.json` should tell: kernels, size.
        strategy: the devices to train on, in place of all at hand.

    Returns:
        False if there was nothing left to train.

    Raises:
        UnsuitableSizeError: if the networks cannot take pictures of this size.
        NonFiniteLossError: with the range of steps; the last checkpoint is before it.
        UnsharedBatchError: if the devices cannot share every batch equally.
        ClusterError: if several machines cannot train together, or one of them is gone.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after a checkpoint.
    """
    settings = with_precision(settings)
    num_steps = settings.total_steps(len(pairs.ids))
    first_judged_step = settings.first_judged_step(num_steps)
    first_candidate_step = settings.first_candidate_step(num_steps)
    check_size(pairs, settings)
    strategy = strategy or strategy_for(settings)
    check_shares(settings, strategy)
    writes = strategy.extended.should_checkpoint  # of several machines, one
    if writes:
        write_settings(run_dir, settings, context)
    fix_arithmetic(settings)

    # Networks and optimizers, as they were last saved.
    with strategy.scope(), computed_in(settings.precision):
        networks = Networks(settings, num_steps)
    manager = manager_of(networks, run_dir)
    best = best_manager_of(networks, run_dir)
    restore_newest(networks, checkpoints_in(run_dir))
    first_step = int(networks.step.numpy())
    over_machines = build_mean(strategy)
    check_same(over_machines, first_step, num_steps, settings.batch, len(pairs.ids))
    if first_step >= num_steps or out_of_patience(networks, settings, num_steps):
        return False

    # Data, logs and the compiled update.
    batches = strategy.distribute_datasets_from_function(
        partial(training_batches, pairs, settings, first_step, num_steps)
    )
    update = build_update(networks, settings, strategy)
    write_row = open_log(run_dir, first_step) if writes else lambda *_: None
    bar = {"desc": "train", "unit": "step", "dynamic_ncols": True, "disable": None}
    progress = tqdm(total=num_steps, initial=first_step, **bar)
    began_s = saved_s = fetched_s = time.monotonic()
    waited_s = 0.0

    with damaged_pictures_named(pairs), deferred_interrupts() as interrupts, progress:
        for step, (blurred, sharp) in enumerate(batches, first_step + 1):
            waited_s += time.monotonic() - fetched_s
            judged = step >= first_judged_step
            update(blurred, sharp, judged)
            progress.update()
            last = step == num_steps
            sampling = step % settings.sample_every == 0 or last

            # Log the mean losses since the last line.
            if step % settings.log_every == 0 or sampling:
                row = mean_losses(networks, step, manager)
                networks.loss_sums.assign(tf.zeros_like(networks.loss_sums))
                row |= {"skipped_steps": networks.num_skipped()}
                sheet = None
                if sampling:
                    scores, sheet = validate(networks.averaged, validation)
                    row |= scores
                    if writes:
                        write_picture(run_dir / "samples" / f"step-{step:07d}.jpg", sheet)
                        tqdm.write(f"step {step}: {row['validation_psnr_db']:.2f} dB in validation")
                wait = waited_s / (time.monotonic() - began_s)
                epoch = step * settings.batch / len(pairs.ids)
                write_row({"step": step, "epoch": epoch} | row, {"data_wait_share": wait}, sheet)
                progress.set_postfix_str(f"L1 {row['l1']:.4f}, data {wait:.1%}")

            # Save now and then, at the end, and before stopping.
            counts = sampling and step >= first_candidate_step
            if counts and row["validation_haarpsi"] > networks.best_haarpsi.numpy():
                networks.best_haarpsi.assign(row["validation_haarpsi"])
                networks.best_step.assign(step)
                if writes:
                    save(best, step)
            now_s = time.monotonic()
            out_of_time = 0 < settings.max_minutes * 60 <= now_s - began_s
            # All machines stop at the same step, whichever of them has a reason to.
            last, interrupted, out_of_time = over_machines(
                last or out_of_patience(networks, settings, num_steps),
                bool(interrupts),
                out_of_time,
            )
            due = now_s - saved_s >= settings.checkpoint_minutes * 60
            if writes and (last or interrupted or out_of_time or due):
                mean_losses(networks, step, manager)  # raises before a bad network is saved
                save(manager, step)
                saved_s = now_s
            if last:
                break
            if interrupted:
                raise KeyboardInterrupt
            if out_of_time:
                tqdm.write(f"{settings.max_minutes:g} minutes are over at step {step}")
                break
            fetched_s = time.monotonic()
    return True


def check_size(pairs: Pairs, settings: TrainSettings) -> None:
    """Raises UnsuitableSizeError if the networks cannot take pictures, or crops, of this size."""
    side_px = min(settings.crop or pairs.size, pairs.size)
    multiple = SIZE_MULTIPLES[settings.generator]
    least_px = SMALLEST_JUDGED_PX if settings.gan_weight else multiple
    if pairs.size % multiple or side_px < least_px:
        raise UnsuitableSizeError(
            f"--size must be a multiple of {multiple} and at least {least_px} for the "
            f"{settings.generator} generator, what it trains on has {side_px} pixels; run "
            "`make dataset` with another SIZE=.. in a new folder (DATA=..), or change --crop"
        )


def fix_arithmetic(settings: TrainSettings) -> None:
    """Makes equal runs equal to the last bit."""
    tf.config.experimental.enable_op_determinism()  # costs nothing that could be measured
    # One fusion of TensorFlow's trips over LeakyReLU's gradient, says so, and gains nothing here.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    tf.random.set_seed(settings.seed)


@contextlib.contextmanager
def computed_in(precision: str) -> Iterator[None]:
    """Networks built inside compute in this precision; their weights are float32 in any case."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def out_of_patience(networks: Networks, settings: TrainSettings, num_steps: int) -> bool:
    """Whether too many validations have passed since the best one."""
    best_step = max(int(networks.best_step.numpy()), settings.first_candidate_step(num_steps))
    since_best = int(networks.step.numpy()) - best_step
    return 0 < settings.patience * settings.sample_every <= since_best


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM until a step is whole and recorded; a second acts at once."""
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    previous = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def mean_losses(
    networks: Networks, step: int, manager: tf.train.CheckpointManager
) -> dict[str, float]:
    """Means of the losses since the last line of the log.

    Raises:
        NonFiniteLossError: if one is not finite.
    """
    *sums, num_steps = networks.loss_sums.numpy()
    means = dict(zip(LOSSES, (float(each / max(num_steps, 1)) for each in sums), strict=True))
    for name, value in means.items():
        if not math.isfinite(value):
            newest = manager.latest_checkpoint
            good = f"the last good one is step {newest.rsplit('-', 1)[1]}" if newest else "none yet"
            raise NonFiniteLossError(
                f"{name} is {value} between steps {step - int(num_steps)} and {step}; of the "
                f"checkpoints, {good}; try a lower --learning-rate in a new run (RUN=...)"
            )
    return means
