"""Tells the blur of each place by what is seen all around it.

A subject has its own spectrum, and what one place says of its blur is often wrong. But errors of
many places differ, and their blur hardly does. So each place looks at little, for the energies of a
wide window are those of the sharpest in it, and says what it sees; and the says are pooled.
"""

import tensorflow as tf
from keras import layers, ops

from train.networks.blurs import RADIUS_LAYER

# Runs keep what they were trained with: a change of these wants a start of another name.
WINDOW = 8  # side of what each place looks at, cells of 4 pixels
NEAR, FAR = 12, 32  # sides of the windows of means; wide ones are means of means, which fade out
CONTRAST = 1 / 3  # the power of the energy seen that the say of a place goes with
TOGETHER = 1.8  # how much surer many places are than one
LEAST_SAY = 1e-3  # so that nothing is divided by 0 where all is sharp
LEAST_ODDS = 1e-6  # likewise, where near and far say the contrary for certain
MIDDLE = slice(4, 8)  # of the rings: whose energy that is


def pooled_probs(logits: tf.Tensor, logs: tf.Tensor) -> tf.Tensor:
    """Probabilities of each radius, told by all around a place.

    Which blur it is, is told by a mean of log odds, of which each place has a say by how near it
    is, how much there is to be seen and how sure it is to be blurred at all. Whether it is blurred,
    is told by a mean probability, near and far, as if these were two witnesses.

    Args:
        logits: symbolic, float32, (batch, h, w, radii): log odds, the first of "no blur".
        logs: log energies of the rings that these were told by, (batch, h, w, rings).

    Returns:
        as many probabilities as log odds, of sum 1, by the layer of the name RADIUS_LAYER.
    """
    odds = logits[..., 1:]
    sharp = layers.Softmax(dtype="float32")(logits)[..., :1]
    seen = ops.exp(CONTRAST * ops.mean(logs[..., MIDDLE], -1, keepdims=True))
    say = ((1 + LEAST_SAY) - sharp) * seen
    kinds = _wide(say * odds) / _wide(say)
    kinds = layers.Softmax(dtype="float32")(TOGETHER * kinds)
    near = window_means(sharp * seen, NEAR) / window_means(seen, NEAR)
    far = _wide(sharp * seen) / _wide(seen)
    both, neither = near * far, (1 - near) * (1 - far)
    sharp = both / (both + neither + LEAST_ODDS)
    join = layers.Concatenate(name=RADIUS_LAYER, dtype="float32")
    return join([sharp, (1 - sharp) * kinds])


def window_means(x: tf.Tensor, side: int) -> tf.Tensor:
    """Means over the part of a square window around each place that lies within the picture."""
    for window in ((1, side), (side, 1)):
        x = layers.AveragePooling2D(window, 1, "same", dtype="float32")(x)
    return x


def _wide(x: tf.Tensor) -> tf.Tensor:
    return window_means(window_means(x, FAR), FAR)
