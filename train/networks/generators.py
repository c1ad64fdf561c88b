"""Builds the generators and the discriminator.

Pictures are float32, shape (batch, height, width, 3), RGB, -1..1 throughout.
"""

import keras
import tensorflow as tf
from keras import layers

from train.networks.blind_deconvolution import blind_inverse
from train.networks.layers import DeepConv2DTranspose, DepthToSpace, Seeds, SpaceToDepth, normalized
from train.settings import TrainSettings

BRANCH_SCALE = 0.2  # of what the residual generator's blocks add


def build_generator(settings: TrainSettings) -> keras.Model:
    """The generator that the settings ask for, untrained."""
    if settings.generator == "residual":
        pooled = settings.start == "pooled"
        return build_residual(settings.channels, settings.blocks, settings.seed, pooled)
    return build_unet(settings.normalization, settings.seed)


def build_residual(channels: int, num_blocks: int, seed: int, pooled: bool = False) -> keras.Model:
    """Residual generator at a quarter of the resolution, for any size divisible by 4.

    It starts from a classical inverse for the blur that it estimates, and learns to mend that:
    without it, one network for many radii is slow to learn which radius it sees. The last
    convolutions start at zero, so training begins from the inverse itself, not from noise. Their
    output is scaled down: Adam changes all weights of a layer by the same amount at once, which
    without scaling left one run in two with dead ReLUs for good.

    1.1 M weights with 64 channels and 12 blocks; see `blind_inverse` for `pooled`.

    Reference: for the scaling, Lim et al., arXiv 1707.02921, Sec. 3.3.
    """
    seeds = Seeds(seed)

    def conv(filters: int, dilation: int = 1, zero: bool = False) -> layers.Layer:
        initializer = "zeros" if zero else keras.initializers.HeNormal(seed=seeds())
        return layers.Conv2D(
            filters, 3, padding="same", dilation_rate=dilation, kernel_initializer=initializer
        )

    blurred = keras.Input((None, None, 3))
    inverse, clues = blind_inverse(blurred, pooled)  # (batch, h, w, 1), (batch, h/4, w/4, ..)
    x = SpaceToDepth()(layers.Concatenate()([blurred, inverse]))  # (batch, h/4, w/4, 64)
    x = conv(channels)(layers.Concatenate()([x, clues]))  # (batch, h/4, w/4, channels)
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
    seeds = Seeds(seed)

    def down(x: tf.Tensor, filters: int, normalize: bool) -> tf.Tensor:
        x = layers.Conv2D(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=not (normalize and normalization != "none"),
            kernel_initializer=seeds.normal(),
        )(x)
        return normalized(x, normalization, seeds()) if normalize else x

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
        x = normalized(x, normalization, seeds())
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
        by_correction: the first convolution gets four times the difference of the second and the
            blurred picture, not the second picture. After 200 steps the discriminator then knew a
            blur of sigma 0.8; without this it was still guessing.

    Reference: Isola et al., arXiv 1611.07004, appendix 6.1.2.
    """
    seeds = Seeds(seed + 1)
    blurred = keras.Input((None, None, 3))
    candidate = keras.Input((None, None, 3))
    seen = candidate
    if by_correction:  # in float32, for half precision would round the difference away
        correction = layers.Subtract(dtype="float32")([candidate, blurred])
        seen = layers.Rescaling(4.0, dtype="float32")(correction)
    x = layers.Concatenate()([blurred, seen])
    for filters, strides in ((64, 2), (128, 2), (256, 2), (512, 1)):
        first = filters == 64
        biased = first or normalization == "none"
        x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(
            filters, 4, strides=strides, use_bias=biased, kernel_initializer=seeds.normal()
        )(x)  # 128, 64, 32, 31 a side for 256 px
        x = x if first else normalized(x, normalization, seeds())
        x = layers.LeakyReLU(0.2)(x)
    logits = layers.Conv2D(1, 4, kernel_initializer=seeds.normal())(layers.ZeroPadding2D(1)(x))
    logits = layers.Activation("linear", dtype="float32")(logits)
    return keras.Model([blurred, candidate], logits, name="patchgan")
