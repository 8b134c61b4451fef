import keras
import numpy as np
import pytest
import tensorflow as tf

from balancegan import ConditionalGANAugmenter
from balancegan.gan.conditional_gan import build_gan
from balancegan.gan.devices import choose_precision
from balancegan.gan.networks import (
    build_projection_discriminator,
    build_projection_generator,
)
from balancegan.gan.presets import choose_preset
from balancegan.gan.settings import computing_in

from .augmenters import build_augmenter
from .conftest import make_images

X, Y = make_images(24), np.repeat(["bag", "boot"], [16, 8])


def quick(**settings):
    defaults = {"steps": 2, "batch_size": 8, "random_state": 0, "verbose": 0}
    return build_augmenter(**{**defaults, **settings})


def make_gan(preset="default", **parts):
    settings = choose_preset(preset, batch_size=8, precision="mixed_bfloat16")
    return build_gan((9, 9, 1), [10, 5], settings, 0, **parts)


def compute_dtypes(network):
    return {layer.compute_dtype for layer in network.layers if layer.weights}


@pytest.mark.parametrize("preset", ["default", "tutorial"])
def test_layers_compute_in_bfloat16_and_weights_are_float32(preset):
    gan = make_gan(preset)
    latents, classes = np.zeros((8, gan.preset.latent_dim)), np.zeros(8, int)
    for network, inputs in (
        (gan.generator, [latents, classes]),
        (gan.discriminator, [np.zeros((8, 9, 9, 1)), classes]),
    ):
        assert "bfloat16" in compute_dtypes(network)
        assert {weight.dtype for weight in network.weights} == {"float32"}
        assert network(inputs, training=True).dtype == tf.float32
    assert compute_dtypes(gan.averaged_generator) == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_networks_of_users_compute_as_they_were_built():
    gan = make_gan(
        generator=build_projection_generator,
        discriminator=build_projection_discriminator,
    )
    assert compute_dtypes(gan.generator) == {"float32"}
    assert compute_dtypes(gan.discriminator) == {"float32"}


@pytest.mark.parametrize("preset", ["default", "tutorial"])
def test_a_model_trained_in_bfloat16_saves_and_loads(tmp_path, preset):
    augmenter = quick(preset=preset, precision="mixed_bfloat16").fit(X, Y)
    images = augmenter.sample("boot", 3)
    augmenter.save(tmp_path / "model")
    loaded = ConditionalGANAugmenter.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.sample("boot", 3), images)
    assert compute_dtypes(augmenter.model_.generator) == {"float32"}


def test_bfloat16_learns_nearly_the_same():
    """As long as the chaos of training has not grown: few steps, small ones."""
    settings = {"learning_rate": 1e-5}
    mixed = quick(precision="mixed_bfloat16", **settings).fit(X, Y)
    exact = quick(**settings).fit(X, Y)
    losses = ["discriminator_loss", "generator_loss"]
    np.testing.assert_allclose(
        mixed.report_.history[losses], exact.report_.history[losses], atol=0.02
    )
    assert (
        (mixed.report_.history[losses] != exact.report_.history[losses])
        .to_numpy()
        .any()
    )


def test_auto_is_float32_without_bfloat16_hardware():
    images = quick(precision="auto").fit(X, Y).sample("boot", 3)
    np.testing.assert_array_equal(images, quick().fit(X, Y).sample("boot", 3))


@pytest.mark.parametrize(
    ("gpus", "tpus", "chosen"),
    [
        ([], 0, "float32"),
        ([(7, 5)], 0, "float32"),
        ([(9, 0)], 0, "mixed_bfloat16"),
        ([(9, 0), (7, 0)], 0, "float32"),
        ([None], 0, "float32"),
        ([], 1, "mixed_bfloat16"),
    ],
)
def test_auto_depends_on_the_hardware(monkeypatch, gpus, tpus, chosen):
    devices = {"GPU": list(range(len(gpus))), "TPU": list(range(tpus))}
    details = [{} if gpu is None else {"compute_capability": gpu} for gpu in gpus]
    config = tf.config
    monkeypatch.setattr(config, "list_physical_devices", devices.get)
    monkeypatch.setattr(config.experimental, "get_device_details", details.__getitem__)
    assert choose_precision("auto") == chosen
    assert choose_precision("float32") == "float32"
    assert choose_precision("mixed_bfloat16") == "mixed_bfloat16"


def test_the_policy_is_restored_after_an_error():
    with pytest.raises(KeyError), computing_in("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == "float32"
