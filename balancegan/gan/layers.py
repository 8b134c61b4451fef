"""Keras layers that are faster on CPUs, and two that Keras lacks.

The first two have the parameters and, up to rounding, the results of the Keras layers
that they derive from. ``docs/decisions/0002-own-layers.md`` has the measurements.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from balancegan.gan.distribution import (
    moments_over_replicas,
    n_replicas,
    rows_of_replica,
)

Tensor = Any
Moments = tuple[Tensor, Tensor] | None  # None: those of the batch


@keras.saving.register_keras_serializable("balancegan")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation over the last axis of feature maps, in one kernel.

    Keras computes moments, scale and shift one after the other; the fused kernel reads
    the feature maps a third as often. There is no such kernel for float64, nor for the
    moments of a batch that is divided among replicas.
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Normalise (n, height, width, channels); learn the moments in training."""
        channels, kind = inputs.shape[-1], self.moving_mean.dtype
        # The moments of bfloat16 maps are float32, too
        gamma = (
            tf.cast(self.gamma.value, kind) if self.scale else tf.ones(channels, kind)
        )
        beta = (
            tf.cast(self.beta.value, kind) if self.center else tf.zeros(channels, kind)
        )
        has_kernel = inputs.dtype != tf.float64 and n_replicas() == 1
        normalize = _normalize_in_one_kernel if has_kernel else _normalize
        settings = (gamma, beta, self.epsilon)
        if not (training and self.trainable):  # as in Keras, a frozen layer infers
            known = (self.moving_mean.value, self.moving_variance.value)
            outputs, _, _ = normalize(inputs, *settings, known)
            return outputs
        outputs, mean, variance = normalize(inputs, *settings, None)
        for moving, seen in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + seen * (1.0 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("balancegan")
class FewFilterConv2D(keras.layers.Conv2D):
    """A convolution of stride 1 with few filters, as one matrix product.

    Convolution kernels vectorise over filters, but an image has only one or three.
    Here each position of the kernel is one row of a matrix product over the input
    channels; the resulting maps are shifted and added.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve (n, height, width, channels) with zero padding."""
        correlate = _correlate if tf.executing_eagerly() else _correlate_in_graph
        outputs = correlate(inputs, tf.convert_to_tensor(self.kernel.value))
        return self.activation(outputs + self.bias.value)


@keras.saving.register_keras_serializable("balancegan")
class DepthToSpace(keras.layers.Layer):
    """Turns four channels of a pixel into one channel of four pixels.

    This enlarges feature maps twofold (Shi et al. 2016,
    https://arxiv.org/abs/1609.05158, section 2.2), so the convolution before it works
    at half the size.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Turn (n, height, width, 4c) into (n, 2 height, 2 width, c)."""
        return tf.nn.depth_to_space(inputs, 2)


class RandomShift(keras.layers.Layer):
    """Shifts each image by a random number of whole pixels, some classes more often.

    A discriminator that sees real and generated images through it overfits later, and
    the generator does not learn to shift images (differentiable augmentation, Zhao et
    al. 2020, https://arxiv.org/abs/2006.10738, section 3.2). Mirrored pixels fill the
    border. Gradients of any order flow through.

    Shifts from -largest to largest pixels, in height and in width, are equally likely;
    `probabilities` say how often an image of each class is shifted.
    """

    def __init__(self, largest: int, probabilities: Sequence[float], seed: int) -> None:
        super().__init__(name="random_shift")
        self.largest, self.probabilities = largest, list(probabilities)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, class_index: Tensor, groups: int = 1) -> Tensor:
        """Shift images (n, height, width, channels) of classes (n,).

        For `groups` see :func:`balancegan.gan.distribution.rows_of_replica`.
        """
        height, width = images.shape[1:3]
        n = n_replicas() * tf.shape(images)[0]
        draws = keras.random.uniform((n,), seed=self.seed_generator)
        moved = rows_of_replica(draws, groups) < tf.gather(
            tf.constant(self.probabilities, draws.dtype), class_index
        )
        # Where each image starts in its padded version; at `largest` it is not shifted
        starts = keras.random.randint(
            (2, n), 0, 2 * self.largest + 1, dtype="int32", seed=self.seed_generator
        )
        starts = [rows_of_replica(each, groups) for each in tf.unstack(starts)]
        top, left = (tf.where(moved, each, self.largest) for each in starts)
        border = [self.largest, self.largest]
        padded = tf.pad(images, [[0, 0], border, border, [0, 0]], "SYMMETRIC")
        rows = top[:, None] + tf.range(height)
        columns = left[:, None] + tf.range(width)
        padded = tf.gather(padded, rows, axis=1, batch_dims=1)
        return tf.gather(padded, columns, axis=2, batch_dims=1)


def _normalize_in_one_kernel(
    inputs: Tensor, gamma: Tensor, beta: Tensor, epsilon: float, known: Moments
) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = known or (None, None)
    normalized: tuple[Tensor, Tensor, Tensor] = tf.compat.v1.nn.fused_batch_norm(
        inputs,
        gamma,
        beta,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=known is None,
    )
    return normalized


def _normalize(
    inputs: Tensor, gamma: Tensor, beta: Tensor, epsilon: float, known: Moments
) -> tuple[Tensor, Tensor, Tensor]:
    exact = tf.cast(inputs, gamma.dtype)
    mean, variance = known or moments_over_replicas(exact)
    outputs = tf.nn.batch_normalization(exact, mean, variance, beta, gamma, epsilon)
    # Unbiased, as the kernel gives it
    n = tf.cast(n_replicas() * tf.reduce_prod(tf.shape(inputs)[:3]), exact.dtype)
    return tf.cast(outputs, inputs.dtype), mean, variance * n / (n - 1)


@tf.custom_gradient
def _correlate(x: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
    """Correlate x (n, h, w, c) with an odd kernel (k, k, c, f), "same" padding."""
    size, _, channels, filters = kernel.shape
    n, height, width = tf.shape(x)[0], x.shape[1], x.shape[2]
    pixels = tf.reshape(x, (-1, channels))  # (n * h * w, c)
    offsets = [(i, j) for i in range(size) for j in range(size)]
    radius = size // 2

    # (k, k, c, f) -> (k * k * f, c)
    rows = tf.reshape(tf.transpose(kernel, (0, 1, 3, 2)), (-1, channels))
    maps = tf.matmul(rows, pixels, transpose_b=True)
    maps = tf.reshape(maps, (size * size, filters, n, height, width))
    padded = tf.pad(maps, [[0, 0]] * 3 + [[radius, radius]] * 2)
    y = tf.add_n(
        [
            padded[position, :, :, i : i + height, j : j + width]
            for position, (i, j) in enumerate(offsets)
        ]
    )
    y = tf.transpose(y, (1, 2, 3, 0))

    def gradient(dy: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of input and kernel, as matrix products too."""
        dy = tf.pad(
            tf.transpose(dy, (3, 0, 1, 2)), [[0, 0]] * 2 + [[radius, radius]] * 2
        )
        # At position (i, j) of the kernel, y is touched by x from (-i, -j) away
        shifted = tf.stack(
            [
                dy[
                    :,
                    :,
                    2 * radius - i : 2 * radius - i + height,
                    2 * radius - j : 2 * radius - j + width,
                ]
                for i, j in offsets
            ]
        )
        shifted = tf.reshape(shifted, (size * size * filters, -1))
        dx = tf.matmul(shifted, rows, transpose_a=True)
        dx = tf.reshape(dx, tf.shape(x))
        d_rows = tf.reshape(tf.matmul(shifted, pixels), (size, size, filters, channels))
        return dx, tf.transpose(d_rows, (0, 1, 3, 2))

    return y, gradient


# TensorFlow keeps a custom gradient for the life of the process, with the graph it was
# traced in: here a small graph of its own, not that of every network
_correlate_in_graph = tf.function(_correlate)
