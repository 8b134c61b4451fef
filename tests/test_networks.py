import random

import keras
import numpy as np
import pytest

from balancegan.gan.networks import DISCRIMINATORS, GENERATORS

SHAPES = [(8, 8, 1), (28, 28, 1), (25, 40, 1), (32, 32, 3), (5, 4, 4), (64, 64, 3)]


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_networks_fit_images_of_any_size(kind, shape):
    generator = GENERATORS[kind](shape, 3, 10, 0)
    discriminator = DISCRIMINATORS[kind](shape, 3, 0)
    latents, classes = np.ones((2, 10), "float32"), np.array([0, 2], "int32")
    images = np.asarray(generator([latents, classes], training=False))
    assert images.shape == (2, *shape)
    assert abs(images).max() <= 1
    assert discriminator([images, classes], training=False).shape == (2,)


def test_tutorial_networks_have_the_tutorials_parameter_counts():
    generator = GENERATORS["tutorial"]((28, 28, 1), 10, 50, 0)
    discriminator = DISCRIMINATORS["tutorial"]((28, 28, 1), 10, 0)
    assert generator.count_params() == 856_760
    assert discriminator.count_params() == 196_773


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_network_depends_on_its_seed_alone(kind):
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()
    for builders, arguments in ((GENERATORS, (3, 10)), (DISCRIMINATORS, (3,))):
        first, second, other = (
            builders[kind]((8, 8, 1), *arguments, seed).get_weights()
            for seed in (1, 1, 2)
        )
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any((a != c).any() for a, c in zip(first, other, strict=True))
    assert random.getstate() == state
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_no_two_layers_share_their_initial_weights():
    generator = GENERATORS["projection"]((64, 64, 3), 3, 10, 0)
    kernels = [w for w in generator.get_weights() if w.ndim == 4]
    starts = {tuple(kernel.ravel()[:4] / kernel.std()) for kernel in kernels}
    assert len(starts) == len(kernels)


def test_the_latent_outweighs_the_class_at_the_start():
    # As long as the latent, the class embedding makes all images of a class alike
    generator = GENERATORS["projection"]((28, 28, 1), 10, 64, 0)
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((200, 64)).astype("float32")
    classes = np.repeat(np.arange(10, dtype="int32"), 20)
    images = np.asarray(generator([latents, classes], training=False))
    images = images.reshape(10, 20, -1)
    within = images.var(axis=1).mean()
    between = images.mean(axis=1).var(axis=0).mean()
    assert within > 5 * between


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_texture_is_made_and_seen_at_the_size_of_the_image(shape):
    # Without it, images are grainy: sub-pixels alone make them, strides see them
    generator = GENERATORS["projection"](shape, 3, 10, 0)
    discriminator = DISCRIMINATORS["projection"](shape, 3, 0)
    for network in (generator, discriminator):
        full_size = [
            layer.filters
            for layer in network.layers
            if isinstance(layer, keras.layers.Conv2D)
            and layer.output.shape[1] >= shape[0]
            and layer.output.shape[2] >= shape[1]
        ]
        assert max(full_size) >= 16


@pytest.mark.parametrize("kind", GENERATORS)
def test_one_attribute_is_the_same_network_as_one_label(kind):
    for builders, arguments in ((GENERATORS, (10,)), (DISCRIMINATORS, ())):
        by_number, by_sizes = (
            builders[kind]((8, 8, 1), n_classes, *arguments, 0)
            for n_classes in (3, (3,))
        )
        kinds = [[type(x) for x in n.layers] for n in (by_number, by_sizes)]
        assert kinds[0] == kinds[1]
        assert all(isinstance(x, keras.layers.Layer) for x in by_sizes.layers)
        for a, b in zip(by_number.get_weights(), by_sizes.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("sizes", [(3, 2), (1, 4), (2, 2, 3)])
def test_each_attribute_has_an_embedding_of_its_own(kind, sizes):
    generator = GENERATORS[kind]((8, 8, 1), sizes, 10, 0)
    discriminator = DISCRIMINATORS[kind]((8, 8, 1), sizes, 0)
    for network in (generator, discriminator):
        embeddings = [
            x for x in network.layers if isinstance(x, keras.layers.Embedding)
        ]
        assert [x.input_dim for x in embeddings] == list(sizes)
    # Every combination is another condition
    classes = np.arange(np.prod(sizes), dtype="int32")
    latents = np.ones((len(classes), 10), "float32")
    images = np.asarray(generator([latents, classes], training=False))
    logits = np.asarray(discriminator([images[:1].repeat(len(classes), 0), classes]))
    assert len(np.unique(images.reshape(len(classes), -1), axis=0)) == len(classes)
    assert len(np.unique(logits)) == len(classes)


def test_of_several_attributes_the_projections_are_added():
    discriminator = DISCRIMINATORS["projection"]((8, 8, 1), (2, 3), 0)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 1)).astype("float32")
    classes = np.arange(6, dtype="int32")
    logits = np.asarray(discriminator([image.repeat(6, 0), classes])).reshape(2, 3)
    # What the first attribute adds is the same beside every value of the second
    np.testing.assert_allclose(np.ptp(logits[0] - logits[1]), 0, atol=1e-6)
    assert np.ptp(logits[0]) > 1e-5


def test_a_value_has_its_embedding_in_every_combination():
    generator = GENERATORS["projection"]((8, 8, 1), (2, 3), 10, 0)
    first, second = (
        x for x in generator.layers if isinstance(x, keras.layers.Embedding)
    )
    latents, classes = np.ones((6, 10), "float32"), np.arange(6, dtype="int32")
    before = np.asarray(generator([latents, classes], training=False))
    for embedding, row, touched in ((first, 1, [3, 4, 5]), (second, 2, [2, 5])):
        weights = embedding.get_weights()[0]
        changed = weights.copy()
        changed[row] = -changed[row]
        embedding.set_weights([changed])
        after = np.asarray(generator([latents, classes], training=False))
        embedding.set_weights([weights])
        moved = np.abs(after - before).max(axis=(1, 2, 3)) > 1e-6
        assert np.flatnonzero(moved).tolist() == touched
