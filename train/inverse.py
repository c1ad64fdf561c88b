"""Takes a disc-shaped blur of unknown radius out of a picture, as far as linear filters can.

Layers for the front of a generator: a guess of the radius at each place, from the dark rings that a
disc leaves in the spectrum, and the inverse filter for it. They are known before any training.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from train.disc_filters import (
    FLOOR,
    FULL_NOISE,
    FULL_RADII,
    FULL_REACH,
    HALF_NOISE,
    HALF_RADII,
    HALF_REACH,
    RING_REACH,
    fold,
    inverse_filter,
    radius_discriminant,
    ring_filters,
)
from train.metrics import YIQ

WINDOW = 32  # side of the neighborhood that a radius is guessed from, cells of 4 pixels


class SpaceToDepth(layers.Layer):
    """(batch, h, w, c) -> (batch, h / block, w / block, block**2 * c); loses nothing."""

    def __init__(self, block: int = 4, **kwargs) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.space_to_depth(x, self.block)


class DepthToSpace(layers.Layer):
    """(batch, h, w, block**2 * c) -> (batch, block * h, block * w, c)."""

    def __init__(self, block: int = 4, **kwargs) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(x, self.block)


class EdgePad(layers.Layer):
    """Continues pictures by their edge pixels, on all four sides."""

    def __init__(self, reach: int, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.reach = reach

    def call(self, x: tf.Tensor) -> tf.Tensor:
        for axis in (1, 2):
            side = tf.shape(x)[axis]
            places = tf.range(-self.reach, side + self.reach)
            x = tf.gather(x, tf.clip_by_value(places, 0, side - 1), axis=axis)
        return x


class Believed(layers.Layer):
    """Sum of several pictures, each as far as its radius is believed in at each place.

    Takes folded pictures, (batch, h, w, block**2 * number), and beliefs at the same places, of
    which those from `first` on belong to them; gives one folded picture, (batch, h, w, block**2).
    """

    def __init__(self, first: int, number: int, **kwargs) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.first, self.number = first, number

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        pictures, beliefs = inputs
        beliefs = beliefs[..., None, self.first : self.first + self.number]
        num_folded = pictures.shape[-1] // self.number
        shape = tf.concat([tf.shape(pictures)[:3], [num_folded, self.number]], 0)
        return tf.reduce_sum(tf.reshape(pictures, shape) * beliefs, axis=-1)


def blind_inverse(blurred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What linear filters would add to blurred pictures, and the radii they were chosen by.

    Args:
        blurred: symbolic, float32, shape (batch, height, width, 3), RGB, -1..1; sides divisible
            by 4.

    Returns:
        the correction of the luma, (batch, height, width, 1), in the units of the pictures, and
        the belief in each radius, (batch, height / 4, width / 4, 1 + number of radii), sums to 1.
    """
    luma = _fixed(YIQ[0].reshape(1, 1, 3, 1))(blurred)
    halved = layers.AveragePooling2D(2, dtype="float32")(luma)
    beliefs = _beliefs(halved)
    fine = _inverted(luma, 4, FULL_RADII, FULL_REACH, FULL_NOISE)
    fine = Believed(1, len(FULL_RADII))([fine, beliefs])
    coarse = [radius / 2 for radius in HALF_RADII]
    coarse = _inverted(halved, 2, coarse, HALF_REACH, HALF_NOISE)
    coarse = Believed(1 + len(FULL_RADII), len(HALF_RADII))([coarse, beliefs])
    fine = DepthToSpace(4, dtype="float32")(fine)
    coarse = _doubled(DepthToSpace(2, dtype="float32")(coarse))
    return layers.Add(dtype="float32")([fine, coarse]), beliefs


def _beliefs(halved: tf.Tensor) -> tf.Tensor:
    rings = _fixed(ring_filters()[:, :, None], strides=2)(EdgePad(RING_REACH)(halved))
    energies = layers.Multiply(dtype="float32")([rings, rings])
    for window in ((1, WINDOW), (WINDOW, 1)):
        energies = layers.AveragePooling2D(window, 1, "same", dtype="float32")(energies)
    logs = keras.ops.log(layers.Rescaling(1.0, FLOOR, dtype="float32")(energies))
    weights, offsets = radius_discriminant()
    discriminant = layers.Conv2D(
        len(offsets),
        1,
        kernel_initializer=keras.initializers.Constant(weights[None, None]),
        bias_initializer=keras.initializers.Constant(offsets),
        dtype="float32",
    )
    return layers.Softmax(dtype="float32")(discriminant(logs))


def _inverted(
    luma: tf.Tensor, block: int, radii: Sequence[float], reach: int, noise: float
) -> tf.Tensor:
    """What the inverse of each radius adds, folded: (batch, h, w, block**2 * number of radii).

    Many filters over one channel leave a processor idle; folded, they are few over many channels.
    """
    filters = np.stack([inverse_filter(each, reach, noise) for each in radii], -1)
    folded = SpaceToDepth(block, dtype="float32")(EdgePad(reach)(luma))
    return _fixed(fold(filters, block))(folded)


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
