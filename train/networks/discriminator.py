"""Builds the PatchGAN discriminator."""

import keras
from keras import layers

from train.networks.layers import Seeds, normalized


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
