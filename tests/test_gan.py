from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from balancegan.errors import DataError
from balancegan.gan.conditional_gan import build_gan
from balancegan.gan.judge import Judge
from balancegan.gan.losses import gradient_penalty
from balancegan.gan.networks import GENERATORS
from balancegan.gan.presets import PRESETS

SHAPE = (8, 8, 1)
COUNTS = (40, 20, 10)


def small_gan(name, **settings):
    preset = replace(PRESETS[name], batch_size=8, **settings)
    return build_gan(SHAPE, COUNTS, preset, seed=1)


def real_batch(gan, seed=0):
    n = 4 if gan.preset.alternating else 8
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, size=(n, *SHAPE)).astype("float32")
    return tf.constant(images), tf.constant(rng.integers(3, size=n), tf.int32)


def values(network):
    return [w.numpy() for w in network.trainable_variables]


def moved(before, network):
    return any((a != b).any() for a, b in zip(before, values(network), strict=True))


@pytest.mark.parametrize("name", PRESETS)
def test_a_step_moves_both_networks_and_counts(name):
    gan = small_gan(name)
    generator, discriminator = values(gan.generator), values(gan.discriminator)
    losses = gan.train_step(real_batch(gan))
    assert moved(generator, gan.generator)
    assert moved(discriminator, gan.discriminator)
    assert int(gan.step) == 1
    assert set(losses) == {"discriminator_loss", "generator_loss"}


def test_the_discriminators_turn_leaves_the_generator_alone():
    gan = small_gan("tutorial")
    generator, discriminator = values(gan.generator), values(gan.discriminator)
    images, classes = real_batch(gan)
    gan.update_discriminator(images, classes, is_real=True)
    assert moved(discriminator, gan.discriminator)
    assert not moved(generator, gan.generator)


@pytest.mark.parametrize("is_real", [True, False])
def test_the_discriminators_turn_is_the_cross_entropy_of_its_images(is_real):
    gan = small_gan("tutorial")
    images, classes = real_batch(gan)
    for _ in range(30):
        gan.update_discriminator(images, classes, is_real=is_real)
    before = gan.discriminator([images, classes], training=False)
    for _ in range(30):
        gan.update_discriminator(images, classes, is_real=is_real)
    after = gan.discriminator([images, classes], training=False)
    sign = 1 if is_real else -1
    assert np.mean(sign * np.asarray(after)) > np.mean(sign * np.asarray(before))


@pytest.mark.parametrize("name", PRESETS)
def test_generator_and_discriminator_get_the_same_classes(name):
    gan = small_gan(name)
    asked, told = [], []

    def spy(network, seen):
        call = network.call

        def record(inputs, *args, **kwargs):
            seen.append(np.asarray(inputs[1]).tolist())
            return call(inputs, *args, **kwargs)

        network.call = record

    spy(gan.generator, asked)
    spy(gan.discriminator, told)
    images, classes = real_batch(gan)
    gan.train_step((images, classes))
    assert len(asked) == 1  # one pass serves both sides
    if name == "tutorial":
        assert told == [classes.numpy().tolist(), asked[0][:4], asked[0]]
    else:
        assert asked[0] == classes.numpy().tolist()
        assert told[:2] == [asked[0], asked[0]]


def test_uniform_classes_are_uniform():
    drawn = np.asarray(small_gan("tutorial").uniform_classes(6000))
    np.testing.assert_allclose(np.bincount(drawn) / 6000, 1 / 3, atol=0.03)


def test_gradient_penalty_of_a_linear_critic_is_known():
    weights = np.random.default_rng(0).normal(size=SHAPE).astype("float32")

    def critic(inputs, training):
        images, classes = inputs
        return tf.reduce_sum(images * weights, axis=(1, 2, 3)) * tf.cast(
            classes, tf.float32
        )

    images = tf.random.stateless_normal((3, *SHAPE), seed=(0, 1))
    penalties = gradient_penalty(critic, images, tf.constant([0, 1, 2]))
    norm = (weights**2).sum() / 2
    np.testing.assert_allclose(penalties, [0, norm, 4 * norm], rtol=1e-5)


def test_penalties_enter_only_at_their_interval(monkeypatch):
    gan = small_gan("default", penalty_interval=3)
    penalised = []

    def record(gradients, *_):
        penalised.append(int(gan.step))
        return gradients

    monkeypatch.setattr(gan, "add_penalty", record)
    for _ in range(7):
        gan.train_step(real_batch(gan))
    assert penalised == [0, 3, 6]


def test_lazy_penalties_are_scaled_for_the_steps_without_them():
    added = []
    for interval in (1, 3):
        gan = small_gan("default", penalty_interval=interval)
        images, classes = real_batch(gan)
        zeros = [np.zeros(v.shape) for v in gan.discriminator.trainable_variables]
        added.append(gan.add_penalty(zeros, images, images, classes))
    assert any(np.abs(g).max() > 0 for g in added[0])
    for every_step, every_third in zip(*added, strict=True):
        np.testing.assert_allclose(every_third, 3 * every_step, rtol=1e-4, atol=1e-9)


@pytest.mark.compiled
def test_lazy_penalties_train_in_calls_of_several_steps():
    # So large that TensorFlow's memory optimiser works on the sums of the penalties
    shape = (28, 28, 1)
    frozen = Judge(shape, 3, lambda rows: rows, seed=0).feature_network
    gan = build_gan(shape, COUNTS, PRESETS["default"], seed=1, features=frozen)
    images = np.zeros((64 * 20, *shape), "float32")
    classes = np.zeros(len(images), "int32")
    gan.fit(images, classes, batch_size=64, verbose=0, shuffle=False)
    assert int(gan.step) == 20


def test_average_follows_the_generator_by_its_half_life():
    gan = small_gan("default", ema_half_life=8)  # one batch: half of the way a step
    gan.step.assign(10**6)
    start = [w.numpy() for w in gan.averaged_generator.weights]
    for weight in gan.generator.weights:
        weight.assign_add(np.ones(weight.shape, "float32"))
    gan.update_average(8)
    for before, after in zip(start, gan.averaged_generator.weights, strict=True):
        np.testing.assert_allclose(after.numpy(), before + 0.5, rtol=1e-4, atol=1e-5)


def test_the_averaged_generator_is_sampled():
    averaged, last = small_gan("default"), small_gan("tutorial")
    assert averaged.sampling_generator is averaged.averaged_generator
    assert last.sampling_generator is last.generator


def test_frozen_features_are_seen_and_not_trained():
    frozen = Judge(SHAPE, 3, lambda rows: rows, seed=0).feature_network
    preset = replace(PRESETS["default"], batch_size=8)
    gan = build_gan(SHAPE, COUNTS, preset, seed=1, features=frozen)
    images, classes = real_batch(gan)
    before = gan.discriminator([images, classes])
    weights = [w.numpy() for w in frozen.weights]
    gan.train_step((images, classes))
    for old, new in zip(weights, frozen.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    trained = {id(v) for v in gan.discriminator.trainable_variables}
    assert not trained & {id(v) for v in frozen.weights}
    # Another judge, and the same image gets another logit
    for weight in frozen.weights:
        weight.assign(weight + 1.0)
    assert np.abs(gan.discriminator([images, classes]) - before).max() > 0


def test_an_images_logit_is_of_the_class_asked():
    gan = small_gan("default")
    images, _ = real_batch(gan)
    first, second = (
        gan.discriminator([images, tf.fill((8,), index)]) for index in (0, 1)
    )
    assert np.abs(first - second).min() > 0


OF_ONE_INPUT = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])


class WithoutClasses(keras.Model):
    def call(self, inputs):
        return keras.ops.zeros((keras.ops.shape(inputs[0])[0], 1))


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (None, "must return a keras.Model"),
        (lambda inputs: inputs, "must return a keras.Model"),
        (
            keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)]),
            "refuses",
        ),
        (WithoutClasses(), r"logits of shape \(n,\). Received: \(n, 1\)"),
    ],
)
def test_a_discriminator_that_cannot_be_trained_is_refused(built, message):
    preset = replace(PRESETS["default"], batch_size=8)
    with pytest.raises(DataError, match=message):
        build_gan(SHAPE, COUNTS, preset, seed=1, discriminator=lambda *_: built)


def test_a_generator_of_another_size_is_refused():
    preset = replace(PRESETS["default"], batch_size=8)

    def too_large(image_shape, n_classes, latent_dim, seed):
        return GENERATORS["tutorial"]((12, 12, 1), n_classes, latent_dim, seed)

    with pytest.raises(DataError, match=r"n, 8, 8, 1\). Received: \(n, 12, 12, 1\)"):
        build_gan(SHAPE, COUNTS, preset, seed=1, generator=too_large)


def test_real_and_generated_images_are_shifted_and_never_their_classes():
    gan = small_gan("default", shift=0.25, penalty_interval=1)
    gan.random_shift = seen = Recorder(gan.random_shift)
    images, classes = real_batch(gan)
    gan.train_step((images, classes))
    real, fake, penalised = seen.calls
    np.testing.assert_array_equal(real[0], images)
    np.testing.assert_array_equal(penalised[0][:8], images)
    np.testing.assert_array_equal(penalised[0][8:], fake[0])
    for shown in (real[1], fake[1], penalised[1][:8], penalised[1][8:]):
        np.testing.assert_array_equal(shown, classes)


def test_the_discriminator_sees_what_the_shift_makes():
    gan = small_gan("default", shift=0.25)
    images, classes = real_batch(gan)
    gan.random_shift = lambda images, classes, groups: images[:, ::-1]
    as_is = gan.discriminator([images[:, ::-1], classes])
    np.testing.assert_allclose(gan.criticise((images, classes)), as_is, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "shift", "pixels"), [(8, 1 / 14, 1), (28, 1 / 14, 2), (64, 1 / 14, 5)]
)
def test_shifts_grow_with_the_image(size, shift, pixels):
    preset = replace(PRESETS["default"], shift=shift)
    gan = build_gan((size, size + 7, 1), COUNTS, preset, seed=1)
    assert gan.random_shift.largest == pixels


def test_without_a_shift_nothing_is_moved():
    assert small_gan("tutorial").random_shift is None
    assert small_gan("default", shift=0.0).random_shift is None


class Recorder:
    def __init__(self, wrapped):
        self.wrapped, self.calls = wrapped, []

    def __call__(self, images, classes, groups):
        self.calls.append((np.asarray(images), np.asarray(classes)))
        return self.wrapped(images, classes, groups=groups)


def test_classes_without_images_are_not_trained():
    # Three values of one attribute, two of the other; of (1, 0) there is no image
    counts = np.array([[5, 4], [0, 3], [2, 9]])
    preset = replace(PRESETS["tutorial"], batch_size=8)
    gan = build_gan(SHAPE, counts, preset, seed=1)
    drawn = np.asarray(gan.uniform_classes(6000))
    shares = np.bincount(drawn, minlength=6) / 6000
    np.testing.assert_allclose(shares, [0.2, 0.2, 0, 0.2, 0.2, 0.2], atol=0.03)
    assert shares[2] == 0


@pytest.mark.parametrize("name", PRESETS)
def test_a_step_with_several_attributes_moves_all_embeddings(name):
    preset = replace(PRESETS[name], batch_size=8)
    gan = build_gan(SHAPE, np.array([[5, 4], [0, 3], [2, 9]]), preset, seed=1)
    for network in (gan.generator, gan.discriminator):
        assert len(embeddings(network)) == 2
    before = [
        values(x) for n in (gan.generator, gan.discriminator) for x in embeddings(n)
    ]
    n = 4 if preset.alternating else 8
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, size=(n, *SHAPE)).astype("float32")
    classes = tf.constant(rng.choice([0, 1, 3, 4, 5], size=n), tf.int32)
    for _ in range(2):  # before the second the generator's normalisations are at 0
        gan.train_step((tf.constant(images), classes))
    after = [x for n in (gan.generator, gan.discriminator) for x in embeddings(n)]
    assert all(moved(*pair) for pair in zip(before, after, strict=True))


def embeddings(network):
    return [x for x in network.layers if isinstance(x, keras.layers.Embedding)]
