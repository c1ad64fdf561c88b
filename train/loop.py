"""The training loop: data, update, log, samples, checkpoints; stopped and resumed at any step."""

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from prepare.records.settings import require
from train import TrainError
from train.checkpoints import manager_of, resume_or_start, save, save_generator
from train.dataset import Pairs, explain_damaged_picture, training_batches
from train.devices import (
    build_maximum,
    check_same,
    deferred_interrupts,
    dtype_policy_scope,
    enable_determinism,
    explain_devices,
    strategy_for,
    with_precision,
)
from train.log import Recorder
from train.run import Run, RunRecord
from train.settings import SIZE_MULTIPLES, TrainSettings
from train.train_step import LOSSES, TrainState, build_train_step
from train.validation import MOST_PAIRS, fingerprint, validate

SMALLEST_PATCH_PX = 24  # below this no patch is left for the discriminator to judge
NUM_TIMED = 3  # steps of a kind, and validations of a picture, to plan by
MARGIN = 0.05  # of MAX_MINUTES, for checkpoints, the log, and a machine that has more to do
LEAST_SHARE = 0.5  # of MAX_MINUTES is for the run, though compiling takes more than the rest


class UnsuitableSizeError(TrainError):
    """The networks cannot take pictures of this size."""


class NonFiniteLossError(TrainError):
    """A loss became NaN or infinite."""


@explain_devices()
def train(
    run_dir: Path,
    pairs: Pairs,
    validation: Pairs,
    record: RunRecord,
    strategy: tf.distribute.Strategy | None = None,
    source: Run | None = None,
    plan: bool = False,
) -> bool:
    """Trains a run to its end, going on from its newest checkpoint where there is one.

    Args:
        run_dir: holds the run; made when missing.
        pairs: training images.
        validation: images of the training side to watch, never trained on.
        record: the recipe and the rest of `settings.json`.
        strategy: the devices to train on, in place of all devices.
        source: the run whose weights a new one starts from, if any.
        plan: gives a new run the length that `max_minutes` allow.

    Returns:
        False if there was nothing left to train.

    Raises:
        UnsuitableSizeError: if the networks cannot take pictures of this size.
        NonFiniteLossError: with the range of steps; the last checkpoint is before it.
        FullMemoryError: if a device's memory does not hold a step.
        SettingError: if the devices cannot share every batch equally.
        ClusterError: if several machines cannot train together, or one of them is lost.
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after a checkpoint.
    """
    strategy = strategy or strategy_for(record.settings)
    settings = with_precision(record.settings)
    check_size(pairs, settings)
    num_devices = strategy.num_replicas_in_sync
    expected = f"a multiple of {num_devices}, the number of devices"
    require(settings.batch % num_devices == 0, "batch", expected, settings.batch)
    enable_determinism(settings)  # from here on equal runs compute the same
    if plan:
        settings = replace(settings, steps=planned_steps(settings, pairs, validation, strategy))
        gc.collect()  # what was built to be timed goes before the networks are built
        print(f"planned: {settings.steps} steps")
    num_steps = settings.total_steps(len(pairs.ids))
    writes = strategy.extended.should_checkpoint  # of several machines, one
    record = replace(record, settings=settings)
    run = Run(run_dir)
    run.check_unchanged(record)

    # Networks and optimizers, as they were last saved.
    with strategy.scope(), dtype_policy_scope(settings.precision):
        state = TrainState(settings, num_steps)
    manager = manager_of(state.checkpoint(), run_dir)
    best = manager_of(state.checkpoint(), run.best_dir, kept=1)
    record, is_start = resume_or_start(state, run, record, source)
    first_step = int(state.step.numpy())
    across_workers = build_maximum(strategy)
    check_same(across_workers, first_step, num_steps, settings.batch, len(pairs.ids))
    if first_step >= num_steps or out_of_patience(state, settings, num_steps):
        return False  # its record stays as it is, whatever is asked for now
    if writes:
        run.write(record, [device.name for device in tf.config.list_logical_devices()])
        if is_start:  # from here on the other run is not needed
            save(manager, 0)
    begin_best(state, validation)

    # Data, records and the compiled step.
    make_batches = partial(training_batches, pairs, settings, first_step, num_steps)
    batches = strategy.distribute_datasets_from_function(make_batches)
    train_step = build_train_step(state, settings, strategy)
    gan_start_step = settings.gan_start_step(num_steps)
    eligible_step = settings.best_eligible_step(num_steps)
    recorder = Recorder(run_dir, state, settings, len(pairs.ids), writes)
    began_s = saved_s = time.monotonic()

    bar = contextlib.closing(recorder.bar)
    with explain_damaged_picture(pairs), deferred_interrupts() as interrupts, bar:
        for step, (blurred, sharp) in enumerate(batches, first_step + 1):
            if writes and 1 < step == gan_start_step:  # what DETAIL goes back to
                save_generator(state.ema_generator, run.pixel_dir, step - 1)
            train_step(blurred, sharp, step >= gan_start_step)
            recorder.bar.update()
            is_last = step == num_steps

            # Log the mean losses since the last line, and validate now and then.
            if step % settings.sample_every == 0 or is_last:
                row = mean_losses(state, step, manager)
                scores, sheet = validate(state.ema_generator, validation)
                recorder.write(step, row | scores, sheet)
                keep_best(state, step, eligible_step, scores, best if writes else None)
            elif step % settings.log_every == 0:
                recorder.write(step, mean_losses(state, step, manager))

            # All machines stop at the same step, whichever of them has a reason to.
            now_s = time.monotonic()
            ends, interrupted, out_of_time = across_workers(
                is_last or out_of_patience(state, settings, num_steps),
                bool(interrupts),
                0 < settings.max_minutes * 60 <= now_s - began_s,
            )
            stops = ends or interrupted or out_of_time

            # Save now and then, at the end, and before stopping.
            if writes and (stops or now_s - saved_s >= settings.checkpoint_minutes * 60):
                mean_losses(state, step, manager)  # raises before a bad network is saved
                save(manager, step)
                saved_s = now_s
            if interrupted and not ends:
                raise KeyboardInterrupt(f"step {step} of {num_steps}")
            if out_of_time and not ends:
                tqdm.write(f"{settings.max_minutes:g} minutes are over at step {step}")
            if stops:
                break
    return True


def begin_best(state: TrainState, validation: Pairs) -> None:
    """Forgets the best score of a run that is now validated on other pictures; prints it."""
    pictures = fingerprint(validation)
    if state.validated_on.numpy() not in (0, pictures):
        print("the validation images have changed: the best network is chosen anew")
        state.best_haarpsi.assign(-math.inf)
        state.best_step.assign(0)
    state.validated_on.assign(pictures)


def keep_best(
    state: TrainState,
    step: int,
    eligible_step: int,
    scores: Mapping[str, float],
    best: tf.train.CheckpointManager | None,
) -> None:
    """Notes a step that validated better than all since the first eligible one, and saves it.

    A run that was made longer may have a best of before its last adversarial part.
    """
    haarpsi, is_first = scores["validation_haarpsi"], state.best_step.numpy() < eligible_step
    if step >= eligible_step and (is_first or haarpsi > state.best_haarpsi.numpy()):
        state.best_haarpsi.assign(haarpsi)
        state.best_step.assign(step)
        if best is not None:
            save(best, step)


def planned_steps(
    settings: TrainSettings, pairs: Pairs, validation: Pairs, strategy: tf.distribute.Strategy
) -> int:
    """How many steps `max_minutes` allow on this machine; of several machines, the slowest decides.

    The networks are built once to be timed, and thrown away: the learning rate's schedule wants to
    know the number of steps before they are built.
    """
    begun_s = time.monotonic()
    num_steps = settings.total_steps(len(pairs.ids))
    with strategy.scope(), dtype_policy_scope(settings.precision):
        state = TrainState(settings, num_steps)
    train_step = build_train_step(state, settings, strategy)
    make_batches = partial(training_batches, pairs, settings, 0, 1)
    batches = strategy.distribute_datasets_from_function(make_batches)

    def seconds(work: Callable[..., object], *arguments: object) -> float:
        times = []
        for _ in range(1 + NUM_TIMED):
            began_s = time.monotonic()
            work(*arguments)
            state.step.numpy()  # waits for what runs on a GPU
            times.append(time.monotonic() - began_s)
        return statistics.median(times[1:])  # the first one compiles

    with explain_damaged_picture(pairs):
        blurred, sharp = next(iter(batches))
        num_validated = min(MOST_PAIRS, len(validation.ids) * len(validation.blurred))
        validation_s = num_validated * seconds(validate, state.ema_generator, validation, 1)
        pixel_share = (settings.gan_start_step(num_steps) - 1) / num_steps
        step_s = validation_s / settings.sample_every
        if pixel_share > 0:
            step_s += pixel_share * seconds(train_step, blurred, sharp, False)
        if pixel_share < 1:
            step_s += (1 - pixel_share) * seconds(train_step, blurred, sharp, True)
    # What it took until here is gone, and comes again when the real ones are built and compiled.
    all_s = 60 * settings.max_minutes
    within_s = max(LEAST_SHARE * all_s, (1 - MARGIN) * all_s - 2 * (time.monotonic() - begun_s))
    num_steps = max(1, int((within_s - validation_s) / step_s))  # it ends with a validation
    (fewest,) = build_maximum(strategy)(-num_steps)
    return -fewest


def check_size(pairs: Pairs, settings: TrainSettings) -> None:
    """Raises UnsuitableSizeError if the networks cannot take pictures, or crops, of this size."""
    side_px = min(settings.crop or pairs.size, pairs.size)
    multiple = SIZE_MULTIPLES[settings.generator]
    least_px = SMALLEST_PATCH_PX if settings.gan_weight else multiple
    if pairs.size % multiple or side_px < least_px:
        raise UnsuitableSizeError(
            f"--size must be a multiple of {multiple} and at least {least_px} for the "
            f"{settings.generator} generator, what it trains on has {side_px} pixels; run "
            "`make dataset` with another SIZE=.. in a new folder (DATA=..), or change --crop"
        )
    expected = f"smaller than the pictures ({pairs.size} pixels)"  # continued by reflection
    require(settings.jitter_px < pairs.size, "jitter_px", expected, settings.jitter_px)


def out_of_patience(state: TrainState, settings: TrainSettings, num_steps: int) -> bool:
    """Whether too many validations have passed since the best one."""
    best_step = max(int(state.best_step.numpy()), settings.best_eligible_step(num_steps))
    since_best = int(state.step.numpy()) - best_step
    return 0 < settings.patience * settings.sample_every <= since_best


def mean_losses(
    state: TrainState, step: int, manager: tf.train.CheckpointManager
) -> dict[str, float]:
    """Means of the losses since the last line of the log.

    Raises:
        NonFiniteLossError: if one is not finite.
    """
    *sums, num_steps = state.loss_sums.numpy()
    means = dict(zip(LOSSES, (float(total / max(num_steps, 1)) for total in sums), strict=True))
    for name, value in means.items():
        if not math.isfinite(value):
            newest = manager.latest_checkpoint
            good = f"step {newest.rsplit('-', 1)[1]}" if newest else "none"
            raise NonFiniteLossError(
                f"{name} is {value} between steps {step - int(num_steps)} and {step}; last "
                f"good checkpoint: {good}; try a lower --learning-rate in a new run (RUN=...)"
            )
    return means
