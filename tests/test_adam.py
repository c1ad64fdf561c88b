import keras
import numpy as np
import pytest
import tensorflow as tf

from train.adam import FusedAdam


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
