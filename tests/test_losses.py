import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from train.losses import adversarial_loss, discriminator_loss, grid_loss, l1_loss


def logits_of(seed):
    return np.random.default_rng(seed).normal(0, 3, (2, 30, 30, 1)).astype(np.float32)


def test_losses_at_zero_logits_are_ln_2():
    zeros = tf.zeros((1, 30, 30, 1))
    assert float(adversarial_loss("vanilla", zeros)) == pytest.approx(math.log(2))
    assert float(discriminator_loss("vanilla", zeros, zeros)) == pytest.approx(math.log(2))


def test_adversarial_loss_is_the_mean_of_minus_log_d():
    logits = logits_of(0)
    expected = -np.log(expit(logits.astype(np.float64))).mean()
    assert float(adversarial_loss("vanilla", tf.constant(logits))) == pytest.approx(
        expected, rel=1e-5
    )


def test_discriminator_loss_is_half_of_the_two_terms():
    sharp, restored = logits_of(1), logits_of(2)
    terms = -np.log(expit(sharp.astype(np.float64))), -np.log1p(-expit(restored.astype(np.float64)))
    expected = (terms[0].mean() + terms[1].mean()) / 2
    ours = float(discriminator_loss("vanilla", tf.constant(sharp), tf.constant(restored)))
    assert ours == pytest.approx(expected, rel=1e-5)


def test_a_discriminator_that_is_sure_is_rewarded_or_punished():
    high, low = tf.fill((1, 30, 30, 1), 100.0), tf.fill((1, 30, 30, 1), -100.0)
    assert float(discriminator_loss("vanilla", high, low)) == pytest.approx(0, abs=1e-6)
    assert float(discriminator_loss("vanilla", low, high)) == pytest.approx(100)
    assert float(adversarial_loss("vanilla", high)) == pytest.approx(0, abs=1e-6)
    assert float(adversarial_loss("vanilla", low)) == pytest.approx(100)  # does not saturate


def test_l1_of_known_pictures():
    black, white = -tf.ones((2, 4, 4, 3)), tf.ones((2, 4, 4, 3))
    assert float(l1_loss(black, white)) == 2
    assert float(l1_loss(black, black)) == 0
    ten_levels_up = tf.zeros((1, 8, 8, 3)) + 10 / 127.5
    assert float(l1_loss(ten_levels_up, tf.zeros((1, 8, 8, 3)))) == pytest.approx(20 / 255)
    one_pixel = np.zeros((1, 2, 2, 3), np.float32)
    one_pixel[0, 0, 0, 0] = -0.6
    assert float(l1_loss(one_pixel, tf.zeros((1, 2, 2, 3)))) == pytest.approx(0.05)


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


def test_least_squares_terms_are_squared_distances_to_the_labels():
    sharp, restored = logits_of(1), logits_of(2)
    expected = (np.mean((sharp - 1) ** 2) + np.mean(restored**2)) / 2
    ours = discriminator_loss("lsgan", tf.constant(sharp), tf.constant(restored))
    assert float(ours) == pytest.approx(expected, rel=1e-5)
    ours = adversarial_loss("lsgan", tf.constant(restored))
    assert float(ours) == pytest.approx(np.mean((restored - 1) ** 2), rel=1e-5)


def test_hinge_terms_stop_at_the_margin():
    sharp, restored = logits_of(1), logits_of(2)
    expected = (np.maximum(0, 1 - sharp).mean() + np.maximum(0, 1 + restored).mean()) / 2
    ours = discriminator_loss("hinge", tf.constant(sharp), tf.constant(restored))
    assert float(ours) == pytest.approx(expected, rel=1e-5)
    ours = adversarial_loss("hinge", tf.constant(restored))
    assert float(ours) == pytest.approx(-restored.mean(), rel=1e-5)
