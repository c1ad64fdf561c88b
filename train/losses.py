"""The terms of pix2pix's objective (Isola et al., arXiv 1611.07004, Eq. 1-4)."""

import tensorflow as tf


def adversarial_loss(restored_logits: tf.Tensor) -> tf.Tensor:
    """The generator's non-saturating adversarial term, a scalar; ln 2 at zero logits.

    Args:
        restored_logits: float, any shape, the discriminator's patch logits of restored pictures.

    Reference: Isola et al., Sec. 3.3: maximize log D(x, G(x)).
    """
    return _mean_cross_entropy(restored_logits, 1.0)


def discriminator_loss(sharp_logits: tf.Tensor, restored_logits: tf.Tensor) -> tf.Tensor:
    """Mean of the discriminator's two terms, a scalar; ln 2 at zero logits.

    Args:
        sharp_logits: float, any shape, patch logits of sharp pictures.
        restored_logits: the same of restored ones.

    Reference: Isola et al., Sec. 3.3: the objective is divided by 2 while optimizing D.
    """
    terms = _mean_cross_entropy(sharp_logits, 1.0), _mean_cross_entropy(restored_logits, 0.0)
    return (terms[0] + terms[1]) / 2


def l1_loss(restored: tf.Tensor, sharp: tf.Tensor) -> tf.Tensor:
    """Mean absolute error of two batches of pictures in -1..1, a scalar in 0..2 (Eq. 3)."""
    return tf.reduce_mean(tf.abs(restored - sharp))


def _mean_cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
