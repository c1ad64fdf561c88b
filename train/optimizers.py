"""The optimizers: Adam, with each variable's update as one operation, and Muon for convolutions."""

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam, the same formula and the same variables, computed by TensorFlow's own kernel.

    Keras uses eleven operations for the formula, each of which reads and writes a whole variable.

    Reference: Kingma and Ba, arXiv 1412.6980, the rewritten update at the end of Sec. 2.
    """

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Updates one variable and its two moments."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


class ConvolutionMuon(keras.optimizers.Muon):
    """Keras' Muon, which takes a convolution's kernel as one matrix: patches by filters.

    Moves a kernel by the orthogonal matrix that is nearest to its momentum, so that all directions
    are learned at the same pace, not only those in which the gradient is large. Biases are left to
    Adam. No weight decay.

    Reference: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, for
    the flattened kernels; Liu et al., arXiv 2502.16982, Sec. 2.2, for the step's length, with which
    it takes Adam's rates.
    """

    def __init__(self, learning_rate: object, adam_beta_1: float) -> None:
        super().__init__(learning_rate, adam_beta_1, weight_decay=None, adam_weight_decay=None)

    def _should_use_adamw(self, variable: tf.Variable) -> bool:
        return len(variable.shape) < 2

    def zeropower_via_newtonschulz5(self, momentum: tf.Tensor, steps: int) -> tf.Tensor:
        """The nearest orthogonal matrix, all but; of the kernel's shape."""
        matrix = tf.reshape(momentum, [-1, momentum.shape[-1]])
        return tf.reshape(super().zeropower_via_newtonschulz5(matrix, steps), momentum.shape)

    def lr_adjust(self, update: tf.Tensor) -> tf.Tensor:
        """Scales an orthogonal update to a root mean square of 0.2."""
        matrix = tf.reshape(update, [-1, update.shape[-1]])
        return tf.reshape(super().lr_adjust(matrix), update.shape)
