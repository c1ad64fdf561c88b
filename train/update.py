"""One update of the generator and the discriminator, and everything that it changes."""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

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
        self.generator = build_generator(settings.generator, settings.seed)
        # Where each Dropout's random numbers have come to; Keras counts them among no weights.
        self.dropout_states = [
            each.seed_generator.state.value
            for each in self.generator.layers
            if isinstance(each, keras.layers.Dropout)
        ]
        self.averaged = build_generator(settings.generator, settings.seed)
        rate: float | keras.optimizers.schedules.LearningRateSchedule = settings.learning_rate
        if settings.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, num_steps, alpha=0.02)
        self.generator_optimizer = keras.optimizers.Adam(rate, settings.beta1)
        self.generator_optimizer.build(self.generator.trainable_variables)
        if not settings.gan_weight:
            return
        self.discriminator = build_patchgan(settings.seed)
        self.discriminator_optimizer = keras.optimizers.Adam(
            settings.discriminator_learning_rate, settings.beta1
        )
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)


def build_update(networks: Networks, settings: TrainSettings) -> Callable:
    """The compiled update of all networks on one batch: (blurred, sharp) -> None."""
    generator = networks.generator
    discriminator = networks.discriminator if settings.gan_weight else None

    @tf.function
    def update(blurred: tf.Tensor, sharp: tf.Tensor) -> None:
        adversarial = discriminator_term = tf.constant(0.0)
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            restored = generator(blurred, training=True)
            l1 = l1_loss(restored, sharp)
            if settings.gan_weight:
                restored_logits = discriminator([blurred, restored], training=True)
                sharp_logits = discriminator([blurred, sharp], training=True)
                adversarial = adversarial_loss(restored_logits)
                discriminator_term = discriminator_loss(sharp_logits, restored_logits)
            total = settings.gan_weight * adversarial + settings.l1_weight * l1
        weights = generator.trainable_variables
        gradients = generator_tape.gradient(total, weights)
        networks.generator_optimizer.apply(gradients, weights)
        if settings.gan_weight:
            weights = discriminator.trainable_variables
            gradients = discriminator_tape.gradient(discriminator_term, weights)
            networks.discriminator_optimizer.apply(gradients, weights)
        networks.step.assign_add(1)
        seen = tf.cast(networks.step, tf.float32)
        decay = tf.minimum(AVERAGE_DECAY, (1.0 + seen) / (10.0 + seen))
        for average, weight in zip(networks.averaged.weights, generator.weights, strict=True):
            average.assign_add((1.0 - decay) * (weight - average))
        networks.loss_sums.assign_add(tf.stack([total, adversarial, l1, discriminator_term, 1.0]))

    return update
