"""One update of the generator and the discriminator, and the state that it changes."""

import math
from collections.abc import Callable
from functools import partial

import keras
import tensorflow as tf

from train.devices import finite_on_all
from train.losses import adversarial_loss, discriminator_loss, grid_loss, l1_loss
from train.networks.generators import build_generator, build_patchgan
from train.optimizers import ConvolutionMuon, FusedAdam
from train.settings import TrainSettings

WARMUP_SHARE = 0.02  # of the run, in which the cosine schedule rises from 0
EMA_DECAY = 0.999  # of the generator's weights; less at first, so that short runs keep up
# Of the state: what a checkpoint holds under the same names, beside the average.
KEPT = ["step", "loss_sums", "best_haarpsi", "best_step", "validated_on", "dropout_states"]
KEPT += ["generator", "generator_optimizer", "discriminator", "discriminator_optimizer"]
LOSSES = ("generator_loss", "adversarial_loss", "l1", "grid", "discriminator_loss")


class TrainState(tf.Module):
    """All that a step changes, and so all that a checkpoint holds.

    Attributes:
        ema_generator: the generator with an exponential moving average of its weights, which is
            the one that is validated, evaluated and exported; where none is kept, the generator.
    """

    def __init__(self, settings: TrainSettings, num_steps: int) -> None:
        super().__init__()
        # Several devices keep a copy each; `aggregation` says what all copies become when each
        # device assigns a value of its own.
        once, mean = tf.VariableAggregation.ONLY_FIRST_REPLICA, tf.VariableAggregation.MEAN
        self.step = tf.Variable(0, dtype=tf.int64, aggregation=once)
        # Since the last line of the log: the sum of each loss, and the number of steps.
        self.loss_sums = tf.Variable(tf.zeros(len(LOSSES) + 1), aggregation=mean)
        self.best_haarpsi = tf.Variable(-math.inf)
        self.best_step = tf.Variable(0, dtype=tf.int64)
        self.validated_on = tf.Variable(0, dtype=tf.int64)  # a hash of the images of the best
        self.generator = build_generator(settings)
        # Where each Dropout's random numbers have come to; Keras counts them among no weights.
        self.dropout_states = [
            layer.seed_generator.state.value
            for layer in self.generator.layers
            if isinstance(layer, keras.layers.Dropout)
        ]
        self.ema_generator = build_generator(settings) if settings.average else self.generator
        self.generator_optimizer = build_optimizer(
            settings.optimizer, settings.learning_rate, settings, num_steps, self.step
        )
        self.generator_optimizer.build(self.generator.trainable_variables)
        if settings.gan_weight:
            self.discriminator = build_patchgan(
                settings.normalization, settings.seed, settings.generator == "residual"
            )
            self.discriminator_optimizer = build_optimizer(
                "adam", settings.discriminator_learning_rate, settings, num_steps, self.step
            )
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def checkpoint(self) -> tf.train.Checkpoint:
        """All of it, under the names that it has in checkpoint files."""
        parts = {name: getattr(self, name) for name in KEPT if hasattr(self, name)}
        return tf.train.Checkpoint(averaged=self.ema_generator, **parts)

    def num_skipped(self) -> int:
        """Updates of the generator that float16's loss scaling left out, as not finite."""
        optimizer = self.generator_optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        return int(self.step.numpy()) - int(inner.iterations.numpy())


def build_optimizer(
    kind: str, rate: float, settings: TrainSettings, num_steps: int, step: tf.Variable
) -> keras.optimizers.Optimizer:
    """The optimizer of one network; its rate follows the run's own `step`.

    A discriminator that starts late begins with the generator's rate at that step. With its own
    first rate it ran far ahead, and the generator lost detail without a gain.
    """
    warmup = round(WARMUP_SHARE * num_steps)

    def linear(step: tf.Tensor) -> tf.Tensor:  # from the middle on (Zhu et al., CycleGAN, Sec. 5)
        share_left = 1.0 - tf.cast(step, tf.float32) / num_steps
        return rate * tf.clip_by_value(2.0 * share_left, 0.0, 1.0)

    schedules = {
        "constant": lambda _: rate,
        "linear": linear,
        "cosine": keras.optimizers.schedules.CosineDecay(
            0.0, num_steps - warmup, alpha=0.02, warmup_target=rate, warmup_steps=warmup
        ),
    }
    kinds = {"adam": FusedAdam, "muon": ConvolutionMuon}
    optimizer = kinds[kind](lambda: schedules[settings.schedule](step), settings.beta1)
    scaled = settings.precision == "float16"  # its range needs the loss to be scaled
    return keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer


def build_train_step(
    state: TrainState, settings: TrainSettings, strategy: tf.distribute.Strategy
) -> Callable:
    """The compiled step of all networks on one batch: (blurred, sharp, adversarial) -> None.

    Where it is not `adversarial`, the adversarial term and the discriminator are left out. Each of
    the two kinds is compiled when it is first used.

    Each device of the strategy gets its share of the batch. Losses are means over a share, so their
    gradients, which Keras sums over the devices, are divided by the number of devices.
    """
    num_devices = strategy.num_replicas_in_sync
    agreed = finite_on_all if settings.precision == "float16" else list

    def step_on_share(blurred: tf.Tensor, sharp: tf.Tensor, adversarial: bool) -> None:
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            losses = losses_of(state, settings, blurred, sharp, adversarial)
            total, *_, discriminator_term = losses
            total = state.generator_optimizer.scale_loss(total / num_devices)
            if adversarial:
                discriminator_term = state.discriminator_optimizer.scale_loss(
                    discriminator_term / num_devices
                )
        weights = state.generator.trainable_variables
        gradients = generator_tape.gradient(total, weights)
        state.generator_optimizer.apply(agreed(gradients), weights)
        if adversarial:
            weights = state.discriminator.trainable_variables
            gradients = discriminator_tape.gradient(discriminator_term, weights)
            state.discriminator_optimizer.apply(agreed(gradients), weights)
        state.step.assign_add(1)
        if settings.average:
            update_ema(state)
        state.loss_sums.assign_add(tf.stack([*losses, 1.0]))

    @tf.function
    def train_step(blurred: tf.Tensor, sharp: tf.Tensor, adversarial: bool) -> None:
        strategy.run(partial(step_on_share, adversarial=adversarial), (blurred, sharp))

    return train_step


def update_ema(state: TrainState) -> None:
    """Moves the averaged weights toward those of today."""
    step = tf.cast(state.step, tf.float32)
    decay = tf.minimum(EMA_DECAY, (1.0 + step) / (10.0 + step))
    pairs = zip(state.ema_generator.weights, state.generator.weights, strict=True)
    for average, weight in pairs:
        # average += (1 - decay) * (weight - average), with a pass less over all weights.
        tf.raw_ops.ResourceApplyGradientDescent(
            var=average.value.handle, alpha=1.0 - decay, delta=average - weight
        )


def discriminator_subset(batch: int, share: float) -> list[int]:
    """The pictures of a batch that the discriminator sees: the first, and evenly on from there.

    Several devices, each with a part of a batch, see the same pictures as one device, if each sees
    whole pictures; the share of one picture is one.
    """
    numbers = [math.ceil(share * number - 1e-9) for number in range(batch + 1)]
    return [at for at in range(batch) if numbers[at + 1] > numbers[at]]


def losses_of(
    state: TrainState,
    settings: TrainSettings,
    blurred: tf.Tensor,
    sharp: tf.Tensor,
    adversarial: bool,
) -> list[tf.Tensor]:
    """The LOSSES on some pictures, scalars; without the adversarial term only the L1 loss.

    The discriminator takes longer than all else, so it may see some pictures of a batch alone.
    """
    restored = state.generator(blurred, training=True)
    l1, none = l1_loss(restored, sharp), tf.constant(0.0)
    if not adversarial:
        return [settings.l1_weight * l1, none, l1, none, none]
    subset = discriminator_subset(blurred.shape[0], settings.gan_share)
    given, answers, truths = (tf.gather(batch, subset) for batch in (blurred, restored, sharp))
    restored_logits = state.discriminator([given, answers], training=True)
    sharp_logits = state.discriminator([given, truths], training=True)
    gan_loss = adversarial_loss(settings.gan_objective, restored_logits)
    grid = grid_loss(restored, sharp) if settings.grid_weight else none
    total = settings.gan_weight * gan_loss + settings.l1_weight * l1
    total += settings.grid_weight * grid
    discriminator_term = discriminator_loss(settings.gan_objective, sharp_logits, restored_logits)
    return [total, gan_loss, l1, grid, discriminator_term]
