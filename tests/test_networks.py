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
