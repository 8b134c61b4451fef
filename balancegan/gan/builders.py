"""Builders of networks: what they take, and what is asked of a user's own."""

from collections.abc import Callable
from typing import Any

import keras

from balancegan.errors import DataError

ImageShape = tuple[int, int, int]
GeneratorBuilder = Callable[[ImageShape, Any, int, int], keras.Model]
DiscriminatorBuilder = Callable[..., keras.Model]
Tensor = Any


def check_generator(
    generator: Any, image_shape: ImageShape, latent_dim: int
) -> keras.Model:
    """Return a user's generator if it can be trained; raise DataError if not."""
    inputs = [
        keras.KerasTensor((None, latent_dim), "float32"),
        keras.KerasTensor((None,), "int32"),
    ]
    takes = f"[latents of shape (n, {latent_dim}), class indices of shape (n,)]"
    _check_network("generator", generator, inputs, takes, (None, *image_shape))
    return generator


def check_discriminator(discriminator: Any, image_shape: ImageShape) -> keras.Model:
    """Return a user's discriminator if it can be trained; raise DataError if not."""
    inputs = [
        keras.KerasTensor((None, *image_shape), "float32"),
        keras.KerasTensor((None,), "int32"),
    ]
    takes = f"[images of shape (n, {', '.join(map(str, image_shape))}), class indices]"
    _check_network("discriminator", discriminator, inputs, takes, (None,))
    return discriminator


def _check_network(
    name: str, network: Any, inputs: list[Tensor], takes: str, shape: tuple
) -> None:
    """Raise DataError unless `network` turns `inputs` into one tensor of `shape`."""
    expected = f"The builder {name}= must return a keras.Model that turns {takes} "
    wanted = f"into {'images' if len(shape) > 1 else 'logits'} of shape "
    wanted += str(shape).replace("None", "n")
    if not isinstance(network, keras.Model):
        raise DataError(f"{expected}{wanted}. Received: {network!r}.")
    try:
        outputs = network(inputs, training=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"{expected}{wanted}. It refuses them: {error}") from error
    received = getattr(outputs, "shape", None)
    if received != shape:
        received = str(received).replace("None", "n")
        raise DataError(f"{expected}{wanted}. Received: {received}.")
