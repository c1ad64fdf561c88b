"""Pix2pix as TensorFlow's tutorial trains it, from its description: the first peer of bench_train.

U-Net and PatchGAN of Keras' own layers, blocks as `keras.Sequential`, two tapes in one
`tf.function`, one Adam for each network. Its logs and pictures between steps are left out.

Reference: TensorFlow core tutorials, "pix2pix: Image-to-image translation with a conditional GAN".
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import layers


def convolution(kind: type[layers.Layer], filters: int) -> layers.Layer:
    return kind(
        filters,
        4,
        strides=2,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
        use_bias=False,
    )


def downsample(filters: int, normalize: bool = True) -> keras.Sequential:
    block = keras.Sequential()
    block.add(convolution(layers.Conv2D, filters))
    if normalize:
        block.add(layers.BatchNormalization())
    block.add(layers.LeakyReLU())
    return block


def upsample(filters: int, dropout: bool = False) -> keras.Sequential:
    block = keras.Sequential()
    block.add(convolution(layers.Conv2DTranspose, filters))
    block.add(layers.BatchNormalization())
    if dropout:
        block.add(layers.Dropout(0.5))
    block.add(layers.ReLU())
    return block


def build_generator() -> keras.Model:
    """The U-Net, 54,425,859 weights, with batch norm at the 1x1 bottleneck too."""
    inputs = keras.Input((256, 256, 3))
    x, skips = inputs, []
    for filters in (64, 128, 256, 512, 512, 512, 512, 512):
        x = downsample(filters, normalize=filters > 64)(x)
        skips.append(x)
    for stage, filters in enumerate((512, 512, 512, 512, 256, 128, 64)):
        x = upsample(filters, dropout=stage < 3)(x)
        x = layers.Concatenate()([x, skips[-2 - stage]])
    last = layers.Conv2DTranspose(
        3,
        4,
        strides=2,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
        activation="tanh",
    )
    return keras.Model(inputs, last(x))


def build_discriminator() -> keras.Model:
    """The 70x70 PatchGAN, 2,770,433 weights."""
    normal = keras.initializers.RandomNormal(0.0, 0.02)
    inputs, target = keras.Input((256, 256, 3)), keras.Input((256, 256, 3))
    x = layers.Concatenate()([inputs, target])
    for filters in (64, 128, 256):
        x = downsample(filters, normalize=filters > 64)(x)
    x = layers.ZeroPadding2D()(x)
    x = layers.Conv2D(512, 4, kernel_initializer=normal, use_bias=False)(x)
    x = layers.LeakyReLU()(layers.BatchNormalization()(x))
    x = layers.ZeroPadding2D()(x)
    return keras.Model([inputs, target], layers.Conv2D(1, 4, kernel_initializer=normal)(x))


def build_step() -> Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]:
    """The compiled step on one batch (input, target), both networks with it."""
    generator, discriminator = build_generator(), build_discriminator()
    generator_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
    discriminator_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def step(inputs: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            output = generator(inputs, training=True)
            real = discriminator([inputs, target], training=True)
            generated = discriminator([inputs, output], training=True)
            gan_loss = cross_entropy(tf.ones_like(generated), generated)
            l1 = tf.reduce_mean(tf.abs(target - output))
            generator_loss = gan_loss + 100 * l1
            discriminator_loss = cross_entropy(tf.ones_like(real), real)
            discriminator_loss += cross_entropy(tf.zeros_like(generated), generated)
        weights = generator.trainable_variables
        gradients = generator_tape.gradient(generator_loss, weights)
        generator_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        weights = discriminator.trainable_variables
        gradients = discriminator_tape.gradient(discriminator_loss, weights)
        discriminator_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return {"gan": gan_loss, "l1": l1, "discriminator": discriminator_loss}

    return step
