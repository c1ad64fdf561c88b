"""One update: its losses, its optimizers, its rates, and what it keeps."""

import math
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from train.devices import dtype_policy_scope
from train.losses import adversarial_loss, discriminator_loss, grid_loss, l1_loss
from train.networks.generators import build_generator
from train.optimizers import ConvolutionMuon, FusedAdam
from train.settings import TrainSettings
from train.train_step import TrainState, build_train_step, discriminator_subset, losses_of

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


def test_names_inside_checkpoints_are_what_versions_agree_on(tmp_path):
    """A run goes on with any later version."""
    state = TrainState(TrainSettings(channels=4, blocks=1), num_steps=10)
    path = state.checkpoint().save(tmp_path / "ckpt")
    names = {name.split("/")[0] for name, _ in tf.train.list_variables(path)}
    # The discriminator's weights are listed with its optimizer, which holds them too.
    assert names == {
        *("averaged", "generator", "generator_optimizer", "discriminator_optimizer"),
        *("step", "loss_sums", "best_haarpsi", "best_step", "validated_on"),
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
    assert discriminator_subset(2, 0.5) == [0]  # two devices see what one does
    for batch, share, expected in ((4, 1, 4), (1, 0.5, 1), (100, 0.07, 7)):
        assert len(discriminator_subset(batch, share)) == expected


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
    assert not hasattr(state, "discriminator")  # nor is there one without an adversarial term
    path = state.checkpoint().save(tmp_path / "ckpt")
    other = build_generator(replace(settings, seed=1))
    tf.train.Checkpoint(averaged=other).restore(path).expect_partial()
    for weight, read in zip(state.generator.weights, other.weights, strict=True):
        np.testing.assert_array_equal(read.numpy(), weight.numpy())


def test_dropout_goes_on_from_where_it_was():
    settings = TrainSettings(generator="unet", crop=0, gan_weight=0, average=False)
    state = TrainState(settings, num_steps=3)
    states = state.checkpoint().dropout_states
    assert len(states) == 3  # the paper's first three layers of the decoder
    blurred = tf.random.stateless_uniform((1, 256, 256, 3), (0, 0), -1, 1)
    before = [each.numpy() for each in states]
    first = state.generator(blurred, training=True).numpy()
    assert not np.array_equal(state.generator(blurred, training=True).numpy(), first)
    for each, value in zip(states, before, strict=True):
        each.assign(value)
    np.testing.assert_array_equal(state.generator(blurred, training=True).numpy(), first)


def test_precision_of_a_run_is_not_that_of_what_comes_after():
    settings = TrainSettings(channels=4, blocks=1)
    with dtype_policy_scope("bfloat16"):
        trained = build_generator(settings)
    assert "bfloat16" in {layer.compute_dtype for layer in trained.layers}
    assert {layer.compute_dtype for layer in build_generator(settings).layers} == {"float32"}


# The terms of the loss.


def logits_of(seed):
    return np.random.default_rng(seed).normal(0, 3, (2, 30, 30, 1)).astype(np.float32)


def test_losses_at_zero_logits_are_ln_2():
    zeros = tf.zeros((1, 30, 30, 1))
    assert float(adversarial_loss("vanilla", zeros)) == pytest.approx(math.log(2))
    assert float(discriminator_loss("vanilla", zeros, zeros)) == pytest.approx(math.log(2))


def test_cross_entropy_is_the_mean_of_minus_log_d_and_half_of_two_terms():
    sharp, restored = logits_of(1), logits_of(2)
    expected = -np.log(expit(restored.astype(np.float64))).mean()
    assert float(adversarial_loss("vanilla", restored)) == pytest.approx(expected, rel=1e-5)
    terms = -np.log(expit(sharp.astype(np.float64))), -np.log1p(-expit(restored.astype(np.float64)))
    expected = (terms[0].mean() + terms[1].mean()) / 2
    ours = float(discriminator_loss("vanilla", tf.constant(sharp), tf.constant(restored)))
    assert ours == pytest.approx(expected, rel=1e-5)
    low = tf.fill((1, 30, 30, 1), -100.0)
    assert float(adversarial_loss("vanilla", low)) == pytest.approx(100)  # does not saturate


def test_least_squares_terms_are_squared_distances_to_the_labels():
    sharp, restored = logits_of(1), logits_of(2)
    expected = (np.mean((sharp - 1) ** 2) + np.mean(restored**2)) / 2
    ours = discriminator_loss("lsgan", tf.constant(sharp), tf.constant(restored))
    assert float(ours) == pytest.approx(expected, rel=1e-5)
    ours = adversarial_loss("lsgan", tf.constant(restored))
    assert float(ours) == pytest.approx(np.mean((restored - 1) ** 2), rel=1e-5)


def test_l1_of_known_pictures():
    black, white = -tf.ones((2, 4, 4, 3)), tf.ones((2, 4, 4, 3))
    assert float(l1_loss(black, white)) == 2
    assert float(l1_loss(black, black)) == 0
    ten_levels_up = tf.zeros((1, 8, 8, 3)) + 10 / 127.5
    assert float(l1_loss(ten_levels_up, tf.zeros((1, 8, 8, 3)))) == pytest.approx(20 / 255)


def test_grid_loss_sees_what_repeats_every_4_pixels_and_nothing_else():
    sharp = np.random.default_rng(0).uniform(-1, 1, (2, 128, 192, 3)).astype(np.float32)
    assert float(grid_loss(sharp, sharp)) == 0
    assert float(grid_loss(sharp + 0.1, sharp)) == pytest.approx(0, abs=1e-6)
    grid = np.zeros_like(sharp)
    grid[:, ::4, ::4] = 0.16  # 0.01 in the mean; so 0.15 off in one place of 16, 0.01 in the others
    assert float(grid_loss(sharp + grid, sharp)) == pytest.approx(0.3 / 16, rel=1e-4)
    edge = np.zeros_like(sharp)
    edge[:, :64] = 0.1
    assert float(grid_loss(sharp + edge, sharp)) == pytest.approx(0, abs=1e-6)


# The optimizers.


@pytest.mark.parametrize("schedule", [1e-2, keras.optimizers.schedules.CosineDecay(1e-2, 5)])
def test_fused_adam_is_keras_adam(schedule):
    generator = np.random.default_rng(0)
    gradients = [tf.constant(generator.normal(size=(7, 5)), tf.float32) for _ in range(5)]
    results = []
    for kind in (keras.optimizers.Adam, FusedAdam):
        weight = keras.Variable(np.ones((7, 5), np.float32))
        optimizer = kind(schedule, 0.5)
        optimizer.build([weight])
        for gradient in gradients:
            optimizer.apply([gradient], [weight])
        results.append([each.numpy() for each in (weight, *optimizer.variables)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_convolution_muon_is_keras_muon_on_the_flattened_kernel():
    generator = np.random.default_rng(0)
    start, *gradients = generator.normal(size=(4, 3, 3, 4, 8)).astype(np.float32)
    theirs = keras.optimizers.Muon(1e-2, weight_decay=None, adam_weight_decay=None)
    results = []
    for optimizer, shape in ((ConvolutionMuon(1e-2, 0.5), (3, 3, 4, 8)), (theirs, (36, 8))):
        weight = keras.Variable(start.reshape(shape))
        optimizer.build([weight])
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient.reshape(shape))], [weight])
        results.append(weight.numpy().reshape(36, 8))
    np.testing.assert_allclose(*results, atol=1e-6)


def test_convolution_muon_leaves_biases_to_adam():
    gradient = tf.constant([1.0, -2.0])
    results = []
    for optimizer in (ConvolutionMuon(1e-2, 0.5), keras.optimizers.Adam(1e-2, 0.5)):
        bias = keras.Variable(np.zeros(2, np.float32))
        optimizer.build([bias])
        optimizer.apply([gradient], [bias])
        results.append(bias.numpy())
    np.testing.assert_allclose(*results, atol=1e-7)
