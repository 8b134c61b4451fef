import keras
import numpy as np
import pytest
import tensorflow as tf

from balancegan.gan.layers import FewFilterConv2D, FusedBatchNormalization, RandomShift


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


def test_shifted_images_are_cut_from_their_mirrored_borders():
    images = np.arange(2 * 4 * 5, dtype="float32").reshape(2, 4, 5, 1)
    layer = RandomShift(1, [1.0], seed=0)
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], "symmetric")
    places = [(i, j) for i in range(3) for j in range(3)]
    seen = set()
    for _ in range(60):
        moved = layer(images, tf.constant([0, 0]))
        for image, around in zip(np.asarray(moved), padded, strict=True):
            cuts = [around[i : i + 4, j : j + 5] for i, j in places]
            equal = [np.array_equal(image, cut) for cut in cuts]
            assert sum(equal) == 1
            seen.add(places[equal.index(True)])
    assert seen == set(places)


def test_a_class_is_shifted_as_often_as_asked():
    images = tf.tile(tf.reshape(tf.range(16.0), (1, 4, 4, 1)), (3_000, 1, 1, 1))
    classes = tf.repeat([0, 1, 2], 1_000)
    moved = RandomShift(2, [0.0, 0.5, 1.0], seed=3)(images, classes)
    changed = np.any(np.asarray(moved != images), axis=(1, 2, 3)).reshape(3, 1_000)
    # 1 of 25 shifts leaves an image where it is
    np.testing.assert_allclose(changed.mean(axis=1), [0, 0.48, 0.96], atol=0.05)
    assert not changed[0].any()


def test_gradients_of_any_order_flow_back_through_a_shift():
    images = keras.random.normal((6, 5, 5, 2), seed=2)
    layer = RandomShift(1, [1.0], seed=0)
    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as inner:
            inner.watch(images)
            value = tf.reduce_sum(layer(images, tf.zeros(6, tf.int32)) ** 2)
        first = inner.gradient(value, images)
        total = tf.reduce_sum(first)
    # A pixel that is shown k times has the gradient 2 k x, and that one 2 k
    shown = np.asarray(outer.gradient(total, images)) / 2
    np.testing.assert_allclose(first, 2 * shown * images, rtol=1e-5)
    assert set(np.unique(shown)) <= {0, 1, 2, 4}
    np.testing.assert_allclose(shown.sum(axis=(1, 2)), 25)


def test_a_frozen_normalisation_learns_nothing():
    layer = FusedBatchNormalization()
    x = 3 + 2 * keras.random.normal((8, 5, 4, 6), seed=1)
    expected = layer(x, training=False)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), expected)
    assert layer.moving_mean.numpy().tolist() == [0.0] * 6
