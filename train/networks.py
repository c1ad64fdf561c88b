"""Builds the generators and the PatchGAN discriminator.

Pictures are float32, shape (batch, height, width, 3), RGB, -1..1 throughout.
"""

import keras
import tensorflow as tf
from keras import layers

from train.inverse import DepthToSpace, SpaceToDepth, blind_inverse
from train.settings import TrainSettings

BRANCH_SCALE = 0.2  # of what the residual generator's blocks add


def build_generator(settings: TrainSettings) -> keras.Model:
    """The generator that the settings ask for, untrained."""
    if settings.generator == "residual":
        return build_residual(settings.channels, settings.blocks, settings.seed)
    return build_unet(settings.normalization, settings.seed)


class StatisticsNorm(layers.Layer):
    """Normalizes with the statistics of the batch or, always at inference, of each image.

    Pix2pix keeps batch statistics at test time, with a batch of one (Isola et al., Sec. 3.3). The
    statistics of each image are the same thing for any batch size, so no answer depends on what
    else is in its batch, and no moving averages are kept.
    """

    def __init__(self, over_batch: bool, seed: int, **kwargs) -> None:
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
        if training and self.over_batch:
            mean, variance = joint_moments(mean, variance)
        normal = tf.nn.batch_normalization(wide, mean, variance, self.beta, self.gamma, 1e-5)
        return tf.cast(normal, x.dtype)


def joint_moments(mean: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Moments of a batch that several devices share equally, from those of one device's share."""
    here = tf.distribute.get_replica_context()
    if here.num_replicas_in_sync == 1:
        return mean, variance
    joint_mean = here.all_reduce(tf.distribute.ReduceOp.MEAN, mean)
    apart = tf.math.squared_difference(mean, joint_mean)
    return joint_mean, here.all_reduce(tf.distribute.ReduceOp.MEAN, variance + apart)


class DeepConv2DTranspose(layers.Conv2DTranspose):
    """A transposed convolution, 4x4 at stride 2, as one matrix product; for small pictures.

    At 8x8 and below the weights outnumber the pixels, and most of a convolution's time goes into
    reordering them; a matrix product takes them as they lie. The four such layers of the U-Net
    took 93 ms of a step, and so take 40. Above 16x16 the convolution is the faster.
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
        blocks = tf.add_n(
            [
                tf.pad(given[:, a, b], [[0, 0], [a, 1 - a], [0, 0], [b, 1 - b], [0, 0], [0, 0]])
                for a in (0, 1)
                for b in (0, 1)
            ]
        )
        x = tf.reshape(blocks, [batch, 2 * height + 2, 2 * width + 2, filters])[:, 1:-1, 1:-1]
        return tf.nn.bias_add(x, tf.cast(self.bias, x.dtype)) if self.use_bias else x


def _normalized(x: tf.Tensor, normalization: str, seed: int) -> tf.Tensor:
    return x if normalization == "none" else StatisticsNorm(normalization == "batch", seed)(x)


class _Seeds:
    """Gives each layer a seed of its own, so that two builds have equal weights."""

    def __init__(self, seed: int) -> None:
        self.last = seed * 1000

    def __call__(self) -> int:
        self.last += 1
        return self.last

    def normal(self) -> keras.initializers.Initializer:
        return keras.initializers.RandomNormal(0.0, 0.02, seed=self())


def build_residual(channels: int, num_blocks: int, seed: int) -> keras.Model:
    """Residual generator at a quarter of the resolution, for any size divisible by 4.

    0.9 M weights with 64 channels and 12 blocks, and in proportion to channels squared and blocks.

    It starts from a classical inverse for a radius that it guesses from the picture; what it learns
    is to mend that. Without it, one network for many radii is slow to learn which it has before it.
    A lens-blurred picture holds nothing finer than a few pixels, so nothing is lost at a quarter of
    its resolution. The last convolutions start at zero, so training begins from the inverse
    itself, not from noise. What they add is scaled down: Adam moves all weights of a layer by as
    much at once, which unscaled sent one run in two into dead ReLUs that it never left.

    Reference: for the scaling, Lim et al., arXiv 1707.02921, Sec. 3.3.
    """
    seeds = _Seeds(seed)

    def conv(filters: int, dilation: int = 1, zero: bool = False) -> layers.Layer:
        initializer = "zeros" if zero else keras.initializers.HeNormal(seed=seeds())
        return layers.Conv2D(
            filters, 3, padding="same", dilation_rate=dilation, kernel_initializer=initializer
        )

    blurred = keras.Input((None, None, 3))
    inverse, beliefs = blind_inverse(blurred)  # (batch, h, w, 1), (batch, h/4, w/4, radii)
    x = SpaceToDepth()(layers.Concatenate()([blurred, inverse]))  # (batch, h/4, w/4, 64)
    x = conv(channels)(layers.Concatenate()([x, beliefs]))  # (batch, h/4, w/4, channels)
    for block in range(num_blocks):
        dilation = (1, 2, 4)[block % 3]
        branch = layers.ReLU()(conv(channels, dilation)(x))
        x = x + layers.Rescaling(BRANCH_SCALE)(conv(channels, zero=True)(branch))
    x = conv(48, zero=True)(x)  # (batch, h/4, w/4, 48)
    correction = layers.Rescaling(BRANCH_SCALE, dtype="float32")(DepthToSpace()(x))
    restored = blurred + inverse + correction  # (batch, h, w, 3)
    return keras.Model(blurred, restored, name="residual")


def build_unet(normalization: str, seed: int) -> keras.Model:
    """The paper's U-Net generator: eight halvings and eight doublings, 54.4 M weights.

    Reference: Isola et al., arXiv 1611.07004, appendix 6.1.1, with the authors' Torch layout: no
    norm on the first layer nor on the 1x1 bottleneck, and no bias where a norm would undo it.
    """
    seeds = _Seeds(seed)

    def down(x: tf.Tensor, filters: int, normalize: bool) -> tf.Tensor:
        x = layers.Conv2D(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=not (normalize and normalization != "none"),
            kernel_initializer=seeds.normal(),
        )(x)
        return _normalized(x, normalization, seeds()) if normalize else x

    def up(x: tf.Tensor, filters: int, stage: int) -> tf.Tensor:
        kind = DeepConv2DTranspose if stage < 4 else layers.Conv2DTranspose
        x = kind(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=normalization == "none",
            kernel_initializer=seeds.normal(),
        )(x)
        x = _normalized(x, normalization, seeds())
        return layers.Dropout(0.5, seed=seeds())(x) if stage < 3 else x

    blurred = keras.Input((None, None, 3))
    x = down(blurred, 64, normalize=False)  # (batch, 128, 128, 64) for 256 px
    skips = [x]
    for filters in (128, 256, 512, 512, 512, 512, 512):  # down to (batch, 1, 1, 512)
        x = down(layers.LeakyReLU(0.2)(x), filters, normalize=len(skips) < 7)
        skips.append(x)
    for stage, filters in enumerate((512, 512, 512, 512, 256, 128, 64)):  # up to 128x128
        x = up(layers.ReLU()(x), filters, stage)
        x = layers.Concatenate()([x, skips[-2 - stage]])
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same", kernel_initializer=seeds.normal())(
        layers.ReLU()(x)
    )
    return keras.Model(blurred, layers.Activation("tanh", dtype="float32")(x), name="unet")


def build_patchgan(normalization: str, seed: int, by_correction: bool = False) -> keras.Model:
    """The conditional 70x70 PatchGAN discriminator: 2,768,705 weights.

    Takes [blurred, sharp or restored]; gives patch logits, (batch, 30, 30, 1) for 256 px.

    Args:
        by_correction: gives the first convolution not the second picture, but four times what it
            has over the blurred one, which says the same. What tells a good restoration from a
            sharp picture is faint beside the picture itself: 200 steps in, the discriminator knew
            a blur of sigma 0.8 so, and without it was still guessing.

    Reference: Isola et al., arXiv 1611.07004, appendix 6.1.2.
    """
    seeds = _Seeds(seed + 1)
    blurred = keras.Input((None, None, 3))
    judged = keras.Input((None, None, 3))
    seen = judged
    if by_correction:  # in float32, for half precision would round the difference away
        correction = layers.Subtract(dtype="float32")([judged, blurred])
        seen = layers.Rescaling(4.0, dtype="float32")(correction)
    x = layers.Concatenate()([blurred, seen])
    for filters, strides in ((64, 2), (128, 2), (256, 2), (512, 1)):
        first = filters == 64
        biased = first or normalization == "none"
        x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(
            filters, 4, strides=strides, use_bias=biased, kernel_initializer=seeds.normal()
        )(x)  # 128, 64, 32, 31 a side for 256 px
        x = x if first else _normalized(x, normalization, seeds())
        x = layers.LeakyReLU(0.2)(x)
    logits = layers.Conv2D(1, 4, kernel_initializer=seeds.normal())(layers.ZeroPadding2D(1)(x))
    logits = layers.Activation("linear", dtype="float32")(logits)
    return keras.Model([blurred, judged], logits, name="patchgan")
