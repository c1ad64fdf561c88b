import keras
import numpy as np
import pytest
import tensorflow as tf

from train.optimizers import ConvolutionMuon, FusedAdam


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


def test_convolution_muon_moves_a_kernel_in_all_directions_alike():
    gradient = np.random.default_rng(0).normal(size=(3, 3, 4, 8)).astype(np.float32)
    gradient *= np.geomspace(1, 1e-2, 8)  # one filter's is a hundred times another's
    weight = keras.Variable(np.zeros_like(gradient))
    optimizer = ConvolutionMuon(1.0, 0.5)
    optimizer.build([weight])
    optimizer.apply([tf.constant(gradient)], [weight])
    lengths = np.linalg.svd(weight.numpy().reshape(36, 8), compute_uv=False)
    assert lengths.max() < 2 * lengths.min()
    assert np.sqrt(np.mean(weight.numpy() ** 2)) == pytest.approx(0.2, rel=0.2)


def test_convolution_muon_leaves_biases_to_adam():
    gradient = tf.constant([1.0, -2.0])
    results = []
    for optimizer in (ConvolutionMuon(1e-2, 0.5), keras.optimizers.Adam(1e-2, 0.5)):
        bias = keras.Variable(np.zeros(2, np.float32))
        optimizer.build([bias])
        optimizer.apply([gradient], [bias])
        results.append(bias.numpy())
    np.testing.assert_allclose(*results, atol=1e-7)
