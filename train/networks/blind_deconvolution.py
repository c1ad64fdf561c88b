"""Takes a blur of unknown size and edge out of a picture, as far as linear filters can.

Layers for the front of a generator: a guess of the blur at each place, from what it leaves of each
ring of the spectrum, and the inverse filter for it. They are known before any training.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from prepare.records.srgb import LUMA
from train.networks import pooling
from train.networks.blurs import RADIUS_LAYER, Bank, Blur, Guess
from train.networks.deconvolution_filters import (
    FINE_REACH,
    FINE_RINGS,
    FLOOR,
    FULL_RES_NOISE,
    FULL_RES_REACH,
    HALF_RES_NOISE,
    HALF_RES_REACH,
    RING_REACH,
    RINGS,
    inverse_filter,
    radius_discriminant,
    ring_filters,
    space_to_depth_kernel,
)
from train.networks.layers import (
    DepthToSpace,
    EdgePad,
    SpaceToDepth,
    Trained,
    WeightedSum,
)

ENERGY_WINDOW = 32  # side that energies are averaged over if not pooled, cells of 4 pixels


def blind_inverse(blurred: tf.Tensor, bank: Bank) -> tuple[tf.Tensor, tf.Tensor]:
    """What linear filters would add to blurred pictures, and the radii they were chosen by.

    Args:
        blurred: symbolic, float32, shape (batch, height, width, 3), RGB, -1..1; sides divisible
            by 4.
        bank: the blurs that it knows.

    Returns:
        the correction of the luma, (batch, height, width, 1), in the units of the pictures, and
        clues, (batch, height / 4, width / 4, channels): the probability of each of the bank's radii
        and, where it hands them on, the corrections for each, folded.
    """
    luma = _fixed(LUMA.reshape(1, 1, 3, 1))(blurred)
    halved = layers.AveragePooling2D(2, dtype="float32")(luma)
    radius_probs = _radius_probs(luma, halved, bank)
    num_fine, num_coarse = len(bank.full_res), len(bank.half_res)
    fines = _inverted(luma, 4, bank.full_res, FULL_RES_REACH, FULL_RES_NOISE)
    halved_blurs = [blur.halved for blur in bank.half_res]
    coarses = _inverted(halved, 2, halved_blurs, HALF_RES_REACH, HALF_RES_NOISE)
    fine = WeightedSum(1, num_fine)([fines, radius_probs])
    coarse = WeightedSum(1 + num_fine, num_coarse)([coarses, radius_probs])
    fine = DepthToSpace(4, dtype="float32")(fine)
    coarse = _doubled(DepthToSpace(2, dtype="float32")(coarse))
    inverse = layers.Add(dtype="float32")([fine, coarse])
    if not bank.hands_on:
        return inverse, radius_probs
    return inverse, layers.Concatenate()([radius_probs, fines, coarses])


def _radius_probs(luma: tf.Tensor, halved: tf.Tensor, bank: Bank) -> tf.Tensor:
    window = pooling.ENERGY_WINDOW if bank.pooled else ENERGY_WINDOW
    logs = _ring_logs(halved, RINGS, RING_REACH, 2, window)
    if bank.fine:
        fine_logs = _ring_logs(luma, FINE_RINGS, FINE_REACH, 4, window)
        logs = layers.Concatenate(dtype="float32")([logs, fine_logs])
    logits = _discriminant(bank, bank.guess)(logs)
    if bank.later:
        logits = Trained()([logits, _discriminant(bank, bank.later, trainable=False)(logs)])
    if not bank.pooled:
        return layers.Softmax(dtype="float32", name=RADIUS_LAYER)(logits)
    return pooling.pooled_probs(logits, logs)


def _ring_logs(
    picture: tf.Tensor, rings: np.ndarray, reach: int, strides: int, window: int
) -> tf.Tensor:
    """Log energies of a picture on rings of its spectrum, around each cell of 4 pixels."""
    filters = ring_filters(rings, reach)[:, :, None]
    answers = _fixed(filters, strides)(EdgePad(reach)(picture))
    energies = pooling.window_means(layers.Multiply(dtype="float32")([answers, answers]), window)
    return keras.ops.log(layers.Rescaling(1.0, FLOOR, dtype="float32")(energies))


def _discriminant(bank: Bank, guess: Guess, trainable: bool = True) -> layers.Layer:
    weights, offsets = radius_discriminant(bank, guess)
    return layers.Conv2D(
        len(offsets),
        1,
        kernel_initializer=keras.initializers.Constant(weights[None, None]),
        bias_initializer=keras.initializers.Constant(offsets),
        dtype="float32",
        trainable=trainable,
    )


def _inverted(
    luma: tf.Tensor, block: int, blurs: Sequence[Blur], reach: int, noise: float
) -> tf.Tensor:
    """What the inverse of each blur adds, folded: (batch, h, w, block**2 * number of blurs).

    Many filters over one channel leave a processor idle; folded, they are few over many channels.
    """
    filters = np.stack([inverse_filter(blur, reach, noise) for blur in blurs], -1)
    folded = SpaceToDepth(block, dtype="float32")(EdgePad(reach)(luma))
    return _fixed(space_to_depth_kernel(filters, block))(folded)


def _fixed(kernel: np.ndarray, strides: int = 1) -> layers.Layer:
    """A convolution that is never trained, only where the whole kernel fits."""
    return layers.Conv2D(
        kernel.shape[-1], kernel.shape[0], strides, **_never_trained(kernel), use_bias=False
    )


def _doubled(picture: tf.Tensor) -> tf.Tensor:
    """One channel at twice the size, interpolated linearly."""
    shares = np.array([0.25, 0.75, 0.75, 0.25])
    kernel = np.outer(shares, shares)[:, :, None, None]
    return layers.Conv2DTranspose(1, 4, 2, "same", **_never_trained(kernel), use_bias=False)(
        picture
    )


def _never_trained(kernel: np.ndarray) -> dict:
    initializer = keras.initializers.Constant(kernel)
    return {"kernel_initializer": initializer, "trainable": False, "dtype": "float32"}
