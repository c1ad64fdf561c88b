"""Takes a blur of unknown size and edge out of a picture, as far as linear filters can.

Layers for the front of a generator: an estimate of the noise, one of the blur at each place, from
what it leaves of each ring of the spectrum, and the inverse filter for both. They are known before
any training.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from prepare.records.srgb import LUMA
from train.networks import deconvolution_filters as filters
from train.networks.layers import (
    DepthToSpace,
    EdgePad,
    NoiseWeights,
    SpaceToDepth,
    TrainTestSwitch,
    WeightedConv,
    WeightedSum,
)

RADIUS_LAYER = "radius_probs"  # gives the probability of each of RADII
NOISE_LAYER = "noise_energy"  # gives the energy of the white noise

# A checkpoint names its weights by their place in this graph, and holds none of these numbers: a
# change of one wants a start of another name. All sides are of windows, in cells of 4 pixels.
ENERGY_WINDOW = 32  # over which energies are averaged, where each place is told by itself
# The energy of a wide window is that of the sharpest place in it, so where places are pooled
# afterwards, each has a view of its own of 32 pixels.
POOLED_ENERGY_WINDOW = 8
# The far window is gone over twice, so that what is farther weighs less: one of 64 would be all of
# a picture of 256 pixels, and mix what lies at two depths.
NEAR_WINDOW, FAR_WINDOW = 12, 32
# Of the energy of MIDDLE_RINGS: a flat place seems more blurred than an edge of the same blur.
CONTRAST_POWER = 1 / 3
POOLED_TRUST = 1.8  # that many places may be trusted more than one, by trial on real pairs
LEAST_WEIGHT = 1e-3  # so that nothing is divided by 0 where all is sharp
ROUNDING = 1e-6  # likewise, of probabilities
LEAST_NOISE = 1e-6  # likewise, of its logarithm


def blind_inverse(blurred: tf.Tensor, pooled: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """What linear filters would add to blurred pictures, and the radii they were chosen by.

    Args:
        blurred: float32, (batch, height, width, 3), RGB, -1..1; sides divisible by 4.
        pooled: estimates the blur of a place by all around it and by the finest rings, too; and, at
            inference, by a prior that holds for any picture in place of the one that learns.

    Returns:
        the correction of the luma, (batch, height, width, 1), in the units of the pictures, and
        clues, (batch, height / 4, width / 4, channels): the probability of each of RADII, the
        weights of NOISE_ENERGIES, and the corrections for each blur, folded.
    """
    luma = fixed_conv(LUMA.reshape(1, 1, 3, 1))(blurred)
    halved = layers.AveragePooling2D(2, dtype="float32")(luma)
    window = POOLED_ENERGY_WINDOW if pooled else ENERGY_WINDOW
    energies = ring_energies(halved, filters.RINGS, filters.RING_REACH, 2, window)
    fine = ring_energies(luma, filters.FINE_RINGS, filters.FINE_REACH, 4, window)
    noise = noise_energy(fine)
    noise_weights = NoiseWeights(filters.NOISE_ENERGIES)(noise_to_heed(noise) if pooled else noise)
    radius_probs = estimate_radius(energies, fine, noise, noise_weights, pooled)
    fines = corrections_of(luma, filters.FULL_RES, noise_weights)
    coarses = corrections_of(halved, filters.HALF_RES, noise_weights)
    num_fine, num_coarse = len(filters.FULL_RES.blurs), len(filters.HALF_RES.blurs)
    fine_inverse = WeightedSum(1, num_fine)([fines, radius_probs])
    coarse_inverse = WeightedSum(1 + num_fine, num_coarse)([coarses, radius_probs])
    fine_inverse = DepthToSpace(4, dtype="float32")(fine_inverse)
    coarse_inverse = doubled(DepthToSpace(2, dtype="float32")(coarse_inverse))
    inverse = layers.Add(dtype="float32")([fine_inverse, coarse_inverse])
    everywhere = noise_weights + 0.0 * radius_probs[..., :1]  # at each place the same
    return inverse, layers.Concatenate()([radius_probs, everywhere, fines, coarses])


def ring_energies(
    picture: tf.Tensor, rings: np.ndarray, reach: int, strides: int, window: int
) -> tf.Tensor:
    """Energies of a picture on rings of its spectrum, around each cell of 4 pixels."""
    kernels = filters.ring_filters(rings, reach)[:, :, None]
    answers = fixed_conv(kernels, strides)(EdgePad(reach)(picture))
    return window_means(layers.Multiply(dtype="float32")([answers, answers]), window)


def noise_energy(fine: tf.Tensor) -> tf.Tensor:
    """Energy of the white noise in a picture, (batch, 1, 1, 1), from energies on the fine rings."""
    # A blur leaves nothing of the finest ring. The harmonic mean is that of the smoothest places,
    # where there is any noise: none is in what is clipped or a drawn frame.
    finest = fine[..., -1:]
    seen = finest + filters.FLOOR
    counts = finest / seen + LEAST_WEIGHT
    sums = (ops.mean(part, (1, 2), keepdims=True) for part in (counts, counts / seen))
    return layers.Identity(dtype="float32", name=NOISE_LAYER)(next(sums) / next(sums))


def noise_to_heed(noise: tf.Tensor) -> tf.Tensor:
    """The noise that filters are chosen by: once trained, without what JPEG leaves of detail."""
    beyond = layers.ReLU(dtype="float32")(noise - filters.JPEG_ENERGY) + LEAST_NOISE
    return TrainTestSwitch()([noise, beyond])


def estimate_radius(
    energies: tf.Tensor, fine: tf.Tensor, noise: tf.Tensor, noise_weights: tf.Tensor, pooled: bool
) -> tf.Tensor:
    """Probabilities of each of RADII at each cell, by the layer of the name RADIUS_LAYER.

    Args:
        energies, fine: on RINGS and on FINE_RINGS, float32, (batch, h, w, rings).
        noise: its energy, (batch, 1, 1, 1).
        noise_weights: of NOISE_ENERGIES, (batch, 1, 1, number).
        pooled: see `blind_inverse`.
    """
    seen = layers.Concatenate(dtype="float32")([energies, fine]) if pooled else energies
    logs = ops.log(layers.Rescaling(1.0, filters.FLOOR, dtype="float32")(seen))
    logits = radius_logits(filters.TRAINING_PRIOR, pooled)([logs, noise_weights])
    if not pooled:
        return layers.Softmax(dtype="float32", name=RADIUS_LAYER)(logits)
    # An estimate that learns knows the spectra of its training pictures, so the network learns to
    # believe it. On other pictures, smoother and noisier, it misleads.
    for_any = radius_logits(filters.INFERENCE_PRIOR, pooled, trainable=False)([logs, noise_weights])
    middle = layers.ReLU(dtype="float32")(energies[..., filters.MIDDLE_RINGS] - noise / 4)
    middle = ops.log(layers.Rescaling(1.0, filters.FLOOR, dtype="float32")(middle))
    contrast = ops.exp(CONTRAST_POWER * ops.mean(middle, -1, keepdims=True))
    return pooled_probs(TrainTestSwitch()([logits, for_any]), contrast)


def radius_logits(prior: filters.Prior, fine: bool, trainable: bool = True) -> layers.Layer:
    """The layer that gives log odds of each of RADII, of log energies in a noise."""
    made = [filters.radius_discriminant(prior, fine, white) for white in filters.WHITES]
    weights, offsets = (np.stack(parts) for parts in zip(*made, strict=True))
    return WeightedConv(weights[:, None, None], offsets, trainable)


def pooled_probs(logits: tf.Tensor, contrast: tf.Tensor) -> tf.Tensor:
    """Probabilities of each radius by all around a place, of sum 1, by the layer RADIUS_LAYER.

    A subject has its own spectrum, and the estimate of one place is often wrong. But errors of many
    places differ, and their blur hardly does. A mean of log odds decides which blur it is, weighted
    by distance, by contrast, and by how sure a place is to be blurred at all. Whether it is
    blurred, two means of its probability decide, one of what is near and one of what is far, taken
    for two witnesses.

    Args:
        logits: float32, (batch, h, w, radii): log odds, the first of "no blur".
        contrast: of each place, which is how much it counts, float32, (batch, h, w, 1).
    """
    odds = logits[..., 1:]
    sharp = layers.Softmax(dtype="float32")(logits)[..., :1]
    weight = ((1 + LEAST_WEIGHT) - sharp) * contrast
    kinds = far_means(weight * odds) / far_means(weight)
    kinds = layers.Softmax(dtype="float32")(POOLED_TRUST * kinds)
    near = window_means(sharp * contrast, NEAR_WINDOW) / window_means(contrast, NEAR_WINDOW)
    far = far_means(sharp * contrast) / far_means(contrast)
    both, neither = near * far, (1 - near) * (1 - far)
    sharp = both / (both + neither + ROUNDING)
    join = layers.Concatenate(name=RADIUS_LAYER, dtype="float32")
    return join([sharp, (1 - sharp) * kinds])


def window_means(x: tf.Tensor, side: int) -> tf.Tensor:
    """Means over the part of a square window around each place that lies within the picture."""
    for window in ((1, side), (side, 1)):
        x = layers.AveragePooling2D(window, 1, "same", dtype="float32")(x)
    return x


def far_means(x: tf.Tensor) -> tf.Tensor:
    return window_means(window_means(x, FAR_WINDOW), FAR_WINDOW)


def corrections_of(
    luma: tf.Tensor, inverses: filters.Inverses, noise_weights: tf.Tensor
) -> tf.Tensor:
    """What the inverse of each blur adds, folded: (batch, h, w, block**2 * number of blurs)."""
    # Many filters over one channel leave a processor idle; folded, they are few over many channels.
    blurs, block, reach, rest, white = inverses
    kernels = []
    for energy in filters.WHITES:
        noise = white * energy / filters.DETAIL_ENERGY
        kernel = np.stack([filters.inverse_filter(blur, reach, rest, noise) for blur in blurs], -1)
        kernels.append(filters.space_to_depth_kernel(kernel, block))
    folded = SpaceToDepth(block, dtype="float32")(EdgePad(reach)(luma))
    return WeightedConv(np.stack(kernels))([folded, noise_weights])


def fixed_conv(kernel: np.ndarray, strides: int = 1) -> layers.Layer:
    """A convolution that is never trained, only where the whole kernel fits."""
    return layers.Conv2D(kernel.shape[-1], kernel.shape[0], strides, **untrained(kernel))


def doubled(picture: tf.Tensor) -> tf.Tensor:
    """One channel at twice the size, interpolated linearly."""
    shares = np.array([0.25, 0.75, 0.75, 0.25])
    kernel = np.outer(shares, shares)[:, :, None, None]
    return layers.Conv2DTranspose(1, 4, 2, "same", **untrained(kernel))(picture)


def untrained(kernel: np.ndarray) -> dict[str, Any]:
    """What a convolution that keeps its kernel is made with."""
    kept = {"kernel_initializer": keras.initializers.Constant(kernel), "trainable": False}
    return kept | {"dtype": "float32", "use_bias": False}
