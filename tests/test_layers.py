import keras
import numpy as np
import pytest
import tensorflow as tf

from balancegan.layers import FewFilterConv2D, FusedBatchNormalization


def gradients(layer, x, training=None):
    """Gradients of a sum of sines, with respect to input and weights."""
    options = {} if training is None else {"training": training}
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(tf.sin(layer(x, **options)))
    return tape.gradient(value, [x, *(v.value for v in layer.trainable_variables)])


@pytest.mark.parametrize(
    ("size", "channels", "filters"), [(7, 12, 1), (3, 5, 3), (1, 4, 2)]
)
def test_few_filter_convolution_equals_keras(size, channels, filters):
    x = keras.random.normal((3, 9, 11, channels), seed=1)
    own = FewFilterConv2D(filters, size, padding="same", activation="tanh")
    other = keras.layers.Conv2D(filters, size, padding="same", activation="tanh")
    own.build(x.shape)
    other.build(x.shape)
    own.bias.assign(np.linspace(-1, 1, filters))
    other.set_weights(own.get_weights())
    np.testing.assert_allclose(own(x), other(x), atol=1e-5)
    for ours, theirs in zip(gradients(own, x), gradients(other, x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("affine", [True, False])
def test_fused_normalisation_equals_keras(affine):
    x = 3 + 2 * keras.random.normal((8, 5, 4, 6), seed=1)
    own = FusedBatchNormalization(center=affine, scale=affine)
    other = keras.layers.BatchNormalization(center=affine, scale=affine)
    for layer in (own, other):
        layer.build(x.shape)
        if affine:
            layer.gamma.assign(np.linspace(0.5, 2, 6))
            layer.beta.assign(np.linspace(-1, 1, 6))
    for _ in range(3):
        np.testing.assert_allclose(
            own(x, training=True), other(x, training=True), atol=1e-4
        )
    # Keras learns the biased variance, the fused kernel Bessel's
    np.testing.assert_allclose(own.moving_mean, other.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(own.moving_variance, other.moving_variance, rtol=1e-2)
    other.set_weights(own.get_weights())
    np.testing.assert_allclose(
        own(x, training=False), other(x, training=False), atol=1e-4
    )
    for ours, theirs in zip(
        gradients(own, x, training=True),
        gradients(other, x, training=True),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
