"""How much memory a step of training takes, by what its networks hold."""

from contextlib import suppress

import keras
import numpy as np

from balancegan.gan.conditional_gan import ConditionalGAN

# Measured on images of 8x8 to 128x128x3, beyond the process with TensorFlow started
WHATEVER_THE_SIZE = 250_000_000
TIMES_HELD = 1.2  # outputs of layers, their gradients, room of convolutions
ADDRESSES = 650_000_000  # of threads and their arenas, without memory behind most


def training_bytes(gan: ConditionalGAN) -> int:
    """Return about how many bytes training takes, at the batch size of its preset.

    Parameters
    ----------
    gan : ConditionalGAN
        Whose layers' outputs count: the generator's for a batch, the discriminator's
        for one of real and one of generated images.

    Returns
    -------
    n_bytes : int
    """
    values = _n_values(gan.generator) + 2 * _n_values(gan.discriminator)
    held = 4 * gan.preset.batch_size * values  # float32
    return int(WHATEVER_THE_SIZE + TIMES_HELD * held)


def _n_values(network: keras.Model) -> int:
    """Return how many numbers all layers put out for one image."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += _n_values(layer)
            continue
        with suppress(AttributeError, ValueError):  # a user's own, that does not say
            for output in keras.tree.flatten(layer.output):
                total += int(np.prod(output.shape[1:], dtype=float))
    return total
