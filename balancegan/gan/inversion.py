"""Latents of real images: where in a trained generator's space they lie.

For every image the latent is sought whose generated image is nearest to it (Zhu et al.
2016, https://arxiv.org/abs/1609.03552, section 3.1, without the encoder), from the
nearest of a few random ones on. What lies between the latents of two real images is
then an image between them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import layers

from balancegan.gan.batches import to_dataset
from balancegan.gan.keras_compat import Adam, fresh_layer_names
from balancegan.gan.model import BATCH, TrainedModel, draw_latents
from balancegan.gan.settings import standard_settings

MOST_IMAGES = BATCH  # whose latents are found together
N_STEPS = 150
STEPS_PER_CALL = 10
LEARNING_RATE = 0.05
N_STARTS = 2 * BATCH  # random latents of each class to start from the nearest of
PRIOR = 1e-4  # weight of the latents' squares, which keeps them where training was


class LatentFinder:
    """Finds latents with a generator, which is left as it is; built once, asked often.

    Parameters
    ----------
    model : TrainedModel
        Its generator.
    """

    @standard_settings()
    @fresh_layer_names()
    def __init__(self, model: TrainedModel) -> None:
        self.model = model
        regularizer = keras.regularizers.L2(PRIOR / MOST_IMAGES)
        self.latents = layers.Embedding(
            MOST_IMAGES,
            model.preset.latent_dim,
            embeddings_initializer="zeros",  # none is random: each search sets them
            embeddings_regularizer=regularizer,
        )
        row, index = (layers.Input((), dtype="int32") for _ in range(2))
        generator = model.check_generates()
        made = generator([self.latents(row), index], training=False)
        self.network = keras.Model([row, index], made)
        optimizer = Adam(LEARNING_RATE)
        with frozen(generator):
            optimizer.build(self.network.trainable_variables)
        self.network.compile(
            optimizer, "mse", jit_compile=False, steps_per_execution=STEPS_PER_CALL
        )
        self.fresh = [variable.numpy() for variable in optimizer.variables]

    @standard_settings()
    def find(self, images: np.ndarray, class_indices: np.ndarray) -> np.ndarray:
        """Return latents whose images are like the given ones.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            At most 64, in the user's layout and range.
        class_indices : ndarray of shape (n,), int
            Their classes.

        Returns
        -------
        latents : ndarray of shape (n, latent_dim), float32
        """
        n = len(images)
        wanted = self.model.image_format.to_model_range(images)
        starts = np.zeros((MOST_IMAGES, self.model.preset.latent_dim), "float32")
        starts[:n] = _nearest_random(self.model, wanted, class_indices)
        self.latents.set_weights([starts])
        for variable, value in zip(
            self.network.optimizer.variables, self.fresh, strict=True
        ):
            variable.assign(value)
        asked = np.arange(n, dtype="int32"), class_indices.astype("int32")
        # Each image weighs against its own latent's prior, however many there are
        weights = np.full((n, 1, 1), n / MOST_IMAGES, "float32")
        batches = [(asked, wanted, weights)] * N_STEPS
        with frozen(self.model.generator):
            self.network.fit(to_dataset(batches), shuffle=False, verbose=0)
        found: np.ndarray = self.latents.get_weights()[0][:n]
        return found


@contextmanager
def frozen(network: keras.Model) -> Iterator[None]:
    """Keep a network from learning within the block."""
    was_trainable = network.trainable
    network.trainable = False
    try:
        yield
    finally:
        network.trainable = was_trainable


def _nearest_random(
    model: TrainedModel, wanted: np.ndarray, class_indices: np.ndarray
) -> np.ndarray:
    """Return for each image the random latent whose image is nearest to it."""
    starts = np.empty((len(wanted), model.preset.latent_dim), dtype="float32")
    for index in np.unique(class_indices).tolist():
        latents = np.concatenate(
            [
                draw_latents(model.preset.latent_dim, model.seed, index, first)
                for first in range(0, N_STARTS, BATCH)
            ]
        )
        classes = np.full(len(latents), index, dtype="int32")
        made = model.check_generates().predict([latents, classes], BATCH, verbose=0)
        for row in np.flatnonzero(class_indices == index):
            distances = np.square(made - wanted[row]).mean(axis=(1, 2, 3))
            starts[row] = latents[distances.argmin()]
    return starts
