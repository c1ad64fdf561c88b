"""The terms of pix2pix's objective (Isola et al., arXiv 1611.07004, Eq. 1-4)."""

import tensorflow as tf

GRID_CELLS = 16  # of 4x4 pixels, a side: what repeats over so many is a grid


def adversarial_loss(objective: str, restored_logits: tf.Tensor) -> tf.Tensor:
    """The generator's adversarial term, a scalar; ln 2 for "vanilla" at zero logits.

    Args:
        objective: "vanilla" (non-saturating cross entropy, Isola et al., Sec. 3.3) or "lsgan" (Mao
            et al., arXiv 1611.04076, Eq. 9 without its 1/2).
        restored_logits: float, any shape, the discriminator's patch logits of restored pictures.
    """
    return label_distance(objective, restored_logits, 1.0)


def discriminator_loss(
    objective: str, sharp_logits: tf.Tensor, restored_logits: tf.Tensor
) -> tf.Tensor:
    """Mean of the discriminator's two terms, a scalar; ln 2 for "vanilla" at zero logits.

    Reference: Isola et al., Sec. 3.3: the objective is divided by 2 while optimizing D.
    """
    on_sharp = label_distance(objective, sharp_logits, 1.0)
    on_restored = label_distance(objective, restored_logits, 0.0)
    return (on_sharp + on_restored) / 2


def l1_loss(restored: tf.Tensor, sharp: tf.Tensor) -> tf.Tensor:
    """Mean absolute error of two batches of pictures in -1..1, a scalar in 0..2 (Eq. 3)."""
    return tf.reduce_mean(tf.abs(restored - sharp))


def grid_loss(restored: tf.Tensor, sharp: tf.Tensor) -> tf.Tensor:
    """How much of the error repeats every 4 pixels, a scalar in 0..2; 0 where nothing does.

    A generator that writes 4x4 pixels at a time lays a grid over its pictures when a discriminator
    with strides, which sees such grids badly, leads it. The L1 loss hardly changes: they are faint.

    Args:
        restored: pictures in -1..1, sides divisible by 4.
        sharp: the same of sharp ones.
    """
    cells = tf.nn.space_to_depth(restored - sharp, 4)
    shared = tf.nn.avg_pool2d(cells, GRID_CELLS, GRID_CELLS // 2, "SAME")
    batch, height, width, _ = tf.unstack(tf.shape(shared))
    shared = tf.reshape(shared, [batch, height, width, 16, 3])
    return tf.reduce_mean(tf.abs(shared - tf.reduce_mean(shared, axis=3, keepdims=True)))


def label_distance(objective: str, logits: tf.Tensor, label: float) -> tf.Tensor:
    """Mean distance of patch logits to the label 0 or 1, a scalar."""
    if objective == "lsgan":
        return tf.reduce_mean(tf.square(logits - label))
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
