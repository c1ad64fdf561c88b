"""One update of the generator and the discriminator, and everything that it changes."""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from train.adam import FusedAdam
from train.losses import adversarial_loss, discriminator_loss, l1_loss
from train.networks import build_generator, build_patchgan
from train.settings import TrainSettings

AVERAGE_DECAY = 0.999  # of the generator's weights; less at first, so that short runs keep up
LOSSES = ("generator_loss", "adversarial_loss", "l1", "discriminator_loss")


class Networks(tf.Module):
    """All that a step changes, and so all that a checkpoint holds.

    Attributes:
        averaged: the generator with its weights averaged over the last steps, which is the one
            that is validated, evaluated and exported.
    """

    def __init__(self, settings: TrainSettings, num_steps: int) -> None:
        super().__init__()
        self.step = tf.Variable(0, dtype=tf.int64)
        # Since the last line of the log: the sum of each loss, and the number of steps.
        self.loss_sums = tf.Variable(tf.zeros(len(LOSSES) + 1))
        self.best_psnr_db = tf.Variable(-math.inf)
        self.best_step = tf.Variable(0, dtype=tf.int64)
        self.generator = build_generator(settings.generator, settings.normalization, settings.seed)
        # Where each Dropout's random numbers have come to; Keras counts them among no weights.
        self.dropout_states = [
            each.seed_generator.state.value
            for each in self.generator.layers
            if isinstance(each, keras.layers.Dropout)
        ]
        self.averaged = build_generator(settings.generator, settings.normalization, settings.seed)
        self.generator_optimizer = _adam(settings.learning_rate, settings, num_steps)
        self.generator_optimizer.build(self.generator.trainable_variables)
        if settings.gan_weight:
            self.discriminator = build_patchgan(settings.normalization, settings.seed)
            self.discriminator_optimizer = _adam(
                settings.discriminator_learning_rate, settings, num_steps
            )
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def num_skipped(self) -> int:
        """Updates of the generator that float16's loss scaling left out, as not finite."""
        optimizer = self.generator_optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        return int(self.step) - int(inner.iterations)


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """The full rate for half of the run, then linearly down to 0 (Zhu et al., CycleGAN, Sec. 5)."""

    def __init__(self, rate: float, num_steps: int) -> None:
        self.rate, self.num_steps = rate, num_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        share_left = 1.0 - tf.cast(step, tf.float32) / self.num_steps
        return self.rate * tf.clip_by_value(2.0 * share_left, 0.0, 1.0)


def _adam(rate: float, settings: TrainSettings, num_steps: int) -> keras.optimizers.Optimizer:
    schedules = {
        "constant": lambda: rate,
        "linear": lambda: LinearDecay(rate, num_steps),
        "cosine": lambda: keras.optimizers.schedules.CosineDecay(rate, num_steps, alpha=0.02),
    }
    adam = FusedAdam(schedules[settings.schedule](), settings.beta1)
    scaled = settings.precision == "float16"  # its range needs the loss to be scaled
    return keras.optimizers.LossScaleOptimizer(adam) if scaled else adam


def build_update(networks: Networks, settings: TrainSettings) -> Callable:
    """The compiled update of all networks on one batch: (blurred, sharp) -> None."""
    generator = networks.generator
    discriminator = networks.discriminator if settings.gan_weight else None

    @tf.function(jit_compile=settings.xla)
    def update(blurred: tf.Tensor, sharp: tf.Tensor) -> None:
        adversarial = discriminator_term = tf.constant(0.0)
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            restored = generator(blurred, training=True)
            l1 = l1_loss(restored, sharp)
            if settings.gan_weight:
                restored_logits = discriminator([blurred, restored], training=True)
                sharp_logits = discriminator([blurred, sharp], training=True)
                adversarial = adversarial_loss(settings.gan_objective, restored_logits)
                discriminator_term = discriminator_loss(
                    settings.gan_objective, sharp_logits, restored_logits
                )
            total = settings.gan_weight * adversarial + settings.l1_weight * l1
            scaled_total = networks.generator_optimizer.scale_loss(total)
            if settings.gan_weight:
                scaled_term = networks.discriminator_optimizer.scale_loss(discriminator_term)
        weights = generator.trainable_variables
        gradients = generator_tape.gradient(scaled_total, weights)
        networks.generator_optimizer.apply(gradients, weights)
        if settings.gan_weight:
            weights = discriminator.trainable_variables
            gradients = discriminator_tape.gradient(scaled_term, weights)
            networks.discriminator_optimizer.apply(gradients, weights)
        networks.step.assign_add(1)
        seen = tf.cast(networks.step, tf.float32)
        decay = tf.minimum(AVERAGE_DECAY, (1.0 + seen) / (10.0 + seen))
        for average, weight in zip(networks.averaged.weights, generator.weights, strict=True):
            # average += (1 - decay) * (weight - average), with a pass less over all weights.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=average.value.handle, alpha=1.0 - decay, delta=average - weight
            )
        networks.loss_sums.assign_add(tf.stack([total, adversarial, l1, discriminator_term, 1.0]))

    return update
