"""Layers that Keras lacks, and the names of the networks' seeds."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class SpaceToDepth(layers.Layer):
    """(batch, h, w, c) -> (batch, h / block, w / block, block**2 * c); loses nothing."""

    def __init__(self, block: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.space_to_depth(x, self.block)


class DepthToSpace(SpaceToDepth):
    """(batch, h, w, block**2 * c) -> (batch, block * h, block * w, c)."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(x, self.block)


class EdgePad(layers.Layer):
    """Continues pictures by their edge pixels, on all four sides."""

    def __init__(self, reach: int, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.reach = reach

    def call(self, x: tf.Tensor) -> tf.Tensor:
        for axis in (1, 2):
            side = tf.shape(x)[axis]
            places = tf.range(-self.reach, side + self.reach)
            x = tf.gather(x, tf.clip_by_value(places, 0, side - 1), axis=axis)
        return x


class WeightedSum(layers.Layer):
    """Sum of folded pictures, weighted at each place by the probability of its radius.

    Takes (batch, h, w, block**2 * number), and radius_probs at the same places, of which those from
    `first` on belong to them; gives (batch, h, w, block**2).
    """

    def __init__(self, first: int, number: int, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.first, self.number = first, number

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        pictures, radius_probs = inputs
        radius_probs = radius_probs[..., None, self.first : self.first + self.number]
        num_folded = pictures.shape[-1] // self.number
        shape = tf.concat([tf.shape(pictures)[:3], [num_folded, self.number]], 0)
        return tf.reduce_sum(tf.reshape(pictures, shape) * radius_probs, axis=-1)


class NoiseWeights(layers.Layer):
    """How near a noise is to each of some energies, between the two that it lies between; sum 1.

    Takes energies, (batch, 1, 1, 1), and gives (batch, 1, 1, number), by their logarithms.
    """

    def __init__(self, energies: Sequence[float], **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.logs = np.log(energies).astype(np.float32)

    def call(self, energy: tf.Tensor) -> tf.Tensor:
        steps = np.diff(self.logs)
        passed = tf.clip_by_value((tf.math.log(energy) - self.logs[:-1]) / steps, 0.0, 1.0)
        ends = tf.ones_like(energy), tf.zeros_like(energy)
        return tf.concat([ends[0], passed], -1) - tf.concat([passed, ends[1]], -1)


class WeightedConv(layers.Layer):
    """A convolution by a mean of kernels, weighted for each picture, only where a kernel fits.

    Takes (batch, h, w, c) and weights of the kernels, (batch, 1, 1, number).

    Args:
        kernels: float32, (number, height, width, c, filters).
        biases: float32, (number, filters); None for none.
        trainable: whether both learn.
    """

    def __init__(
        self, kernels: np.ndarray, biases: np.ndarray | None = None, trainable: bool = False
    ) -> None:
        super().__init__(dtype="float32", trainable=trainable)
        self.start = kernels, np.zeros((len(kernels), 1), np.float32) if biases is None else biases

    def build(self, _shapes: list[tuple]) -> None:
        self.kernels, self.biases = self.start
        if self.trainable:  # what is computed is not kept in checkpoints
            self.kernels, self.biases = (
                self.add_weight(shape=start.shape, initializer=keras.initializers.Constant(start))
                for start in self.start
            )

    def compute_output_shape(self, shapes: list[tuple]) -> tuple:
        (height, width), filters = self.start[0].shape[1:3], self.start[0].shape[-1]
        (batch, *sides, _), _ = shapes
        sides = [side and side - own + 1 for side, own in zip(sides, (height, width), strict=True)]
        return batch, *sides, filters

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        def convolved(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            picture, weights = one
            kernel, bias = (
                tf.tensordot(weights[0, 0], parts, 1) for parts in (self.kernels, self.biases)
            )
            return tf.nn.conv2d(picture[None], kernel, 1, "VALID")[0] + bias

        if inputs[0].shape[0] == 1:  # for runtimes without loops
            return convolved((inputs[0][0], inputs[1][0]))[None]
        return tf.map_fn(convolved, tuple(inputs), fn_output_signature=tf.float32)


class TrainTestSwitch(layers.Layer):
    """Of two inputs the first while training, and the second at inference."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)

    def call(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        return inputs[0 if training else 1]


class StatisticsNorm(layers.Layer):
    """Normalizes with the statistics of the batch or, always at inference, of each image.

    Pix2pix keeps batch statistics at test time, with a batch of one (Isola et al., Sec. 3.3). The
    statistics of each image are the same thing for any batch size, and need no moving averages.
    """

    def __init__(self, over_batch: bool, seed: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.over_batch = over_batch
        self.gamma_initializer = keras.initializers.RandomNormal(1.0, 0.02, seed=seed)

    def build(self, shape: tuple) -> None:
        self.gamma = self.add_weight(shape=shape[-1:], initializer=self.gamma_initializer)
        self.beta = self.add_weight(shape=shape[-1:], initializer="zeros")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        over = [0, 1, 2] if training and self.over_batch else [1, 2]
        wide = tf.cast(x, tf.float32)  # sums over a picture need more than half precision
        mean, variance = tf.nn.moments(wide, over, keepdims=True)
        here = tf.distribute.get_replica_context()
        if training and self.over_batch and here.num_replicas_in_sync > 1:  # share the batch
            own_mean, mean = mean, here.all_reduce(tf.distribute.ReduceOp.MEAN, mean)
            variance += tf.math.squared_difference(own_mean, mean)
            variance = here.all_reduce(tf.distribute.ReduceOp.MEAN, variance)
        normal = tf.nn.batch_normalization(wide, mean, variance, self.beta, self.gamma, 1e-5)
        return tf.cast(normal, x.dtype)


class DeepConv2DTranspose(layers.Conv2DTranspose):
    """A transposed convolution, 4x4 at stride 2, as one matrix product; for small pictures.

    At 8x8 and below most of a convolution's time goes into reordering the weights; a matrix product
    takes them as they lie. Above 16x16 the convolution is the faster.
    """

    def call(self, x: tf.Tensor) -> tf.Tensor:
        filters, depth = self.kernel.shape[2:]
        batch, height, width, _ = tf.unstack(tf.shape(x))
        kernel = tf.cast(tf.reshape(self.kernel, [16 * filters, depth]), x.dtype)
        # What each pixel gives to the 4x4 around it, as 2x2 blocks of 2x2 pixels.
        given = tf.matmul(tf.reshape(x, [-1, depth]), kernel, transpose_b=True)
        given = tf.reshape(given, [batch, height, width, 2, 2, 2, 2, filters])
        given = tf.transpose(given, [0, 3, 5, 1, 4, 2, 6, 7])
        # Neighbors overlap by a block: added up, (batch, height + 1, 2, width + 1, 2, filters).
        parts = [
            tf.pad(given[:, a, b], [[0, 0], [a, 1 - a], [0, 0], [b, 1 - b], [0, 0], [0, 0]])
            for a in (0, 1)
            for b in (0, 1)
        ]
        x = tf.reshape(tf.add_n(parts), [batch, 2 * height + 2, 2 * width + 2, filters])[
            :, 1:-1, 1:-1
        ]
        return tf.nn.bias_add(x, tf.cast(self.bias, x.dtype)) if self.use_bias else x


def normalized(x: tf.Tensor, normalization: str, seed: int) -> tf.Tensor:
    """The normalization of that name, "batch" or "instance", or x itself for "none"."""
    return x if normalization == "none" else StatisticsNorm(normalization == "batch", seed)(x)


class Seeds:
    """Gives each layer its own seed, so that two builds have equal weights."""

    def __init__(self, seed: int) -> None:
        self.last = seed * 1000

    def __call__(self) -> int:
        self.last += 1
        return self.last

    def normal(self) -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(0.0, 0.02, seed=self())
