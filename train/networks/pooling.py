"""Tells the blur of each place by what is seen all around it.

A subject has its own spectrum, and what one place tells of its blur is often wrong. But errors of
many places differ, and their blur hardly does. So what each tells is averaged. Its own view is
small, for the energies of a wide one are those of the sharpest in it.
"""

import tensorflow as tf
from keras import layers, ops

from train.networks.blurs import RADIUS_LAYER
from train.networks.deconvolution_filters import MIDDLE_RINGS

# A checkpoint names its weights by their place in this graph, and holds none of these numbers: a
# change of either wants a start of another name.
ENERGY_WINDOW = 8  # side that energies of rings are averaged over, cells of 4 pixels
NEAR, FAR = 12, 32  # sides of what is averaged then; what is far twice, so that it fades out
CONTRAST = 1 / 3  # the power of the energy of MIDDLE_RINGS that the weight of a place goes with
TOGETHER = 1.8  # how much surer many places are than one
LEAST_WEIGHT = 1e-3  # so that nothing is divided by 0 where all is sharp
ROUNDING = 1e-6  # likewise, of probabilities


def pooled_probs(logits: tf.Tensor, logs: tf.Tensor) -> tf.Tensor:
    """Probabilities of each radius, told by all around a place.

    Which blur it is, is told by a mean of log odds, weighted by how near a place is, by its
    contrast, and by how sure it is to be blurred at all. Whether it is blurred, is told by two
    means of its probability, one of what is near and one of what is far, taken for two witnesses.

    Args:
        logits: symbolic, float32, (batch, h, w, radii): log odds, the first of "no blur".
        logs: log energies that these were told by, float32, (batch, h, w, rings), RINGS first.

    Returns:
        as many probabilities as log odds, of sum 1, by the layer of the name RADIUS_LAYER.
    """
    odds = logits[..., 1:]
    sharp = layers.Softmax(dtype="float32")(logits)[..., :1]
    contrast = ops.exp(CONTRAST * ops.mean(logs[..., MIDDLE_RINGS], -1, keepdims=True))
    weight = ((1 + LEAST_WEIGHT) - sharp) * contrast
    kinds = _far_means(weight * odds) / _far_means(weight)
    kinds = layers.Softmax(dtype="float32")(TOGETHER * kinds)
    near = window_means(sharp * contrast, NEAR) / window_means(contrast, NEAR)
    far = _far_means(sharp * contrast) / _far_means(contrast)
    both, neither = near * far, (1 - near) * (1 - far)
    sharp = both / (both + neither + ROUNDING)
    join = layers.Concatenate(name=RADIUS_LAYER, dtype="float32")
    return join([sharp, (1 - sharp) * kinds])


def window_means(x: tf.Tensor, side: int) -> tf.Tensor:
    """Means over the part of a square window around each place that lies within the picture."""
    for window in ((1, side), (side, 1)):
        x = layers.AveragePooling2D(window, 1, "same", dtype="float32")(x)
    return x


def _far_means(x: tf.Tensor) -> tf.Tensor:
    return window_means(window_means(x, FAR), FAR)
