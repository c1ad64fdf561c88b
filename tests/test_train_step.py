from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from train.networks.generators import build_generator
from train.settings import TrainSettings
from train.train_step import TrainState, build_train_step, losses_of, seen_of

# Share of its height that a rate has at the start, the end of the rise, the middle and the end.
RATES = {"constant": [1, 1, 1, 1], "linear": [1, 1, 0.98, 0], "cosine": [0, 1, 0.51, 0.02]}


@pytest.mark.parametrize("schedule", RATES)
def test_rates_of_both_networks_follow_the_run(schedule):
    settings = TrainSettings(channels=4, blocks=1, gan_start=0.8, schedule=schedule)
    state = TrainState(settings, num_steps=1000)
    for step, share in zip([0, 20, 510, 1000], RATES[schedule], strict=True):
        state.step.assign(step)
        optimizers = state.generator_optimizer, state.discriminator_optimizer
        heights = settings.learning_rate, settings.discriminator_learning_rate
        for optimizer, height in zip(optimizers, heights, strict=True):
            assert float(optimizer.learning_rate) / height == pytest.approx(share, abs=1e-6)


def test_names_inside_checkpoints_are_those_of_the_first_version(tmp_path):
    """A run begun by any version goes on with any later one."""
    state = TrainState(TrainSettings(channels=4, blocks=1), num_steps=10)
    path = state.checkpoint().save(tmp_path / "ckpt")
    names = {name.split("/")[0] for name, _ in tf.train.list_variables(path)}
    # The discriminator's weights are listed with its optimizer, which holds them too.
    assert names == {
        *("averaged", "generator", "generator_optimizer", "discriminator_optimizer"),
        *("step", "loss_sums", "best_haarpsi", "best_step"),
        *("save_counter", "_CHECKPOINTABLE_OBJECT_GRAPH"),
    }


def test_each_network_is_told_apart_what_is_sharp_and_what_restored():
    """With a discriminator that is all but sure: logit 3 for sharp, -3 for restored."""
    state = SimpleNamespace(
        generator=lambda blurred, training: blurred,
        discriminator=lambda pair, training: 3 * tf.reduce_mean(pair[1], axis=(1, 2, 3)),
    )
    settings = TrainSettings(gan_weight=2.0, l1_weight=5.0, grid_weight=7.0)
    sharp = tf.ones((2, 64, 64, 3))
    total, gan, l1, grid, judged = map(float, losses_of(state, settings, -sharp, sharp, True))
    low, high = np.log1p(np.exp(-3.0)), np.log1p(np.exp(3.0))
    assert judged == pytest.approx(low, rel=1e-5)
    assert (gan, l1, grid) == (pytest.approx(high, rel=1e-5), 2, 0)
    assert total == pytest.approx(2 * high + 5 * 2, rel=1e-5)
    pixel_term = losses_of(state, settings, -sharp, sharp, False)
    assert [float(each) for each in pixel_term] == [10, 0, 2, 0, 0]


def test_the_discriminator_sees_its_share_of_a_batch():
    seen = []

    def discriminator(pair, training):
        seen.append(pair[0].numpy()[:, 0, 0, 0].tolist())
        return tf.zeros((1, 1, 1, 1))

    state = SimpleNamespace(generator=lambda x, training: x, discriminator=discriminator)
    pictures = tf.ones((4, 64, 64, 3)) * tf.reshape([0.0, 1.0, 2.0, 3.0], (4, 1, 1, 1))
    losses_of(state, TrainSettings(gan_share=0.5), pictures, pictures, True)
    assert seen == [[0, 2], [0, 2]]
    assert seen_of(2, 0.5) == [0]  # two devices see what one does
    assert [len(seen_of(batch, share)) for batch, share in ((4, 1), (1, 0.5), (100, 0.07))] == [
        *(4, 1, 7)
    ]


def test_average_of_the_weights_follows_closely_at_first():
    settings = TrainSettings(channels=4, blocks=1, gan_weight=0, precision="float32", steps=3)
    state = TrainState(settings, num_steps=3)
    tf.config.run_functions_eagerly(True)
    try:
        train_step = build_train_step(state, settings, tf.distribute.get_strategy())
        averages = [each.numpy() for each in state.ema_generator.weights]
        for step in (1, 2, 3):
            blurred, sharp = tf.random.stateless_uniform((2, 1, 32, 32, 3), (0, step), -1, 1)
            train_step(blurred, sharp, False)
            decay = (1 + step) / (10 + step)
            weights = [each.numpy() for each in state.generator.weights]
            pairs = zip(averages, weights, strict=True)
            averages = [decay * average + (1 - decay) * weight for average, weight in pairs]
    finally:
        tf.config.run_functions_eagerly(False)
    for expected, average in zip(averages, state.ema_generator.weights, strict=True):
        np.testing.assert_allclose(average.numpy(), expected, atol=1e-6)


def test_a_run_without_an_average_is_scored_and_read_by_its_weights(tmp_path):
    settings = TrainSettings(channels=4, blocks=1, gan_weight=0, average=False)
    state = TrainState(settings, num_steps=3)
    assert state.ema_generator is state.generator
    path = state.checkpoint().save(tmp_path / "ckpt")
    other = build_generator(replace(settings, seed=1))
    tf.train.Checkpoint(averaged=other).restore(path).expect_partial()
    for weight, read in zip(state.generator.weights, other.weights, strict=True):
        np.testing.assert_array_equal(read.numpy(), weight.numpy())
