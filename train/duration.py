"""How long a run takes on this machine, and how long a run may be in the time that there is."""

import bisect
import gc
import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import tensorflow as tf
from tqdm import tqdm

from train.dataset import Pairs, explain_damaged_picture, training_batches
from train.devices import build_maximum, dtype_policy_scope
from train.settings import TrainSettings
from train.train_step import TrainState, build_train_step
from train.validation import MOST_PAIRS, validate

NUM_TIMED = 2  # steps of a kind, and pictures of a validation
MARGIN = 0.05  # of the time, for checkpoints, the log, and a machine that has more to do
LEAST_SHARE = 0.5  # of the time is for the run, though compiling takes more than the rest
LEAST_TOLD = 100  # steps: a run of fewer is over before its time is known


@dataclass(frozen=True)
class Pace:
    """Seconds that each part of a run takes on this machine."""

    pixel_s: float  # a step without the adversarial term; 0 where no such step is timed
    adversarial_s: float  # a step with it; the same
    validation_s: float

    def seconds(self, settings: TrainSettings, first_step: int, num_steps: int) -> float:
        """What a run of so many steps in all still takes, after the first few."""
        left = num_steps - first_step
        pixel = min(left, max(0, settings.gan_start_step(num_steps) - 1 - first_step))
        validations = num_steps // settings.sample_every - first_step // settings.sample_every
        validations += num_steps % settings.sample_every > 0
        steps_s = pixel * self.pixel_s + (left - pixel) * self.adversarial_s
        return steps_s + validations * self.validation_s

    def most_steps(self, settings: TrainSettings, within_s: float) -> int:
        """How many steps, at least one, a whole run may have to be over by then."""
        quickest_s = min(each for each in (self.pixel_s, self.adversarial_s) if each)
        numbers = range(1, 2 + max(0, int(within_s / quickest_s)))
        return max(1, bisect.bisect(numbers, within_s, key=lambda n: self.seconds(settings, 0, n)))


def kinds_ahead(settings: TrainSettings, first_step: int, num_steps: int) -> list[bool]:
    """Whether steps without the adversarial term, and with it, are still to come."""
    start = settings.gan_start_step(num_steps)
    return [
        kind
        for kind, ahead in ((False, first_step + 1 < start), (True, start <= num_steps))
        if ahead
    ]


def measure(
    state: TrainState,
    train_step: Callable,
    batches: tf.data.Dataset,
    validation: Pairs,
    kinds: Collection[bool],
) -> Pace:
    """Times real steps, and leaves everything that they changed as it was, to the last bit.

    Args:
        state: of a run, at any step.
        train_step: its compiled step, which is compiled here for each of the kinds.
        batches: of which one is taken.
        validation: images to watch.
        kinds: see `kinds_ahead`.
    """
    variables = state.all_variables()
    before = [tf.identity(variable) for variable in variables]
    blurred, sharp = next(iter(batches))
    seconds = {False: 0.0, True: 0.0}

    def one_step(adversarial: bool) -> None:
        train_step(blurred, sharp, adversarial)
        state.step.numpy()  # waits for what runs on a GPU

    for adversarial in kinds:
        seconds[adversarial] = _median_s(partial(one_step, adversarial))
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    one = replace(
        validation,
        ids=validation.ids[:1],
        sharp=validation.sharp[:1],
        blurred=tuple(column[:1] for column in validation.blurred[:1]),
    )
    num_validated = min(MOST_PAIRS, len(validation.ids) * len(validation.blurred))
    validation_s = num_validated * _median_s(lambda: validate(state.ema_generator, one))
    return Pace(seconds[False], seconds[True], validation_s)


def _median_s(work: Callable[[], object]) -> float:
    """Median of the seconds that something takes, once it is compiled."""
    times = []
    for _ in range(1 + NUM_TIMED):
        begun_s = time.monotonic()
        work()
        times.append(time.monotonic() - begun_s)
    return statistics.median(times[1:])


def planned(
    settings: TrainSettings, pairs: Pairs, validation: Pairs, strategy: tf.distribute.Strategy
) -> TrainSettings:
    """The settings, with as many steps as `max_minutes` allow on this machine.

    The networks are built once to be timed, and thrown away: the learning rate's schedule wants to
    know the number of steps before they are built. Of several machines, the slowest decides.
    """
    begun_s = time.monotonic()
    num_steps = settings.total_steps(len(pairs.ids))
    with strategy.scope(), dtype_policy_scope(settings.precision):
        state = TrainState(settings, num_steps)
    batches = strategy.distribute_datasets_from_function(
        lambda share: training_batches(pairs, settings, 0, num_steps, share)
    )
    train_step = build_train_step(state, settings, strategy)
    kinds = kinds_ahead(settings, 0, num_steps)
    with explain_damaged_picture(pairs):
        pace = measure(state, train_step, batches, validation, kinds)
    # What it took until here is gone, and comes again when the real ones are built and timed.
    all_s = 60 * settings.max_minutes
    within_s = max(LEAST_SHARE * all_s, (1 - MARGIN) * all_s - 2 * (time.monotonic() - begun_s))
    (fewest,) = build_maximum(strategy)(-pace.most_steps(settings, within_s))
    del state, train_step, batches
    gc.collect()
    print(f"planned: {-fewest} steps")
    return replace(settings, steps=-fewest)


def tell_duration(
    state: TrainState,
    train_step: Callable,
    batches: tf.data.Dataset,
    validation: Pairs,
    settings: TrainSettings,
    num_steps: int,
) -> None:
    """Prints how long the rest of a run takes on this machine, unless it is short.

    Takes a few steps for that, after which the state is what it was; see `measure`.
    """
    first_step = int(state.step.numpy())
    if num_steps - first_step < LEAST_TOLD:
        return
    kinds = kinds_ahead(settings, first_step, num_steps)
    pace = measure(state, train_step, batches, validation, kinds)
    left_s = pace.seconds(settings, first_step, num_steps)
    now = datetime.now()
    end = now + timedelta(seconds=left_s)
    clock = end.strftime("%H:%M" if end.date() == now.date() else "%Y-%m-%d %H:%M")
    steps = f"{num_steps - first_step} steps" + (" that are left" if first_step else "")
    line = f"the {steps} take about {in_words(left_s)} on this machine, until {clock}"
    if 0 < settings.max_minutes * 60 < left_s:
        line += f"; this call stops after {settings.max_minutes:g} minutes"
    tqdm.write(line)


def in_words(seconds: float) -> str:
    """A duration to two digits or so: "40 s", "12 min", "3 h 20 min", "2.5 days"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes / 1440:.1f} days"
