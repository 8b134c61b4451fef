"""Latents of real images: where in a trained generator's space they lie.

For every image the latent is sought whose generated image is nearest to it (Zhu et al.
2016, https://arxiv.org/abs/1609.03552, section 3.1, without the encoder), from the
nearest of a few random ones on. What lies between the latents of two real images is
then an image between them.
"""

import keras
import numpy as np
from keras import layers

from balancegan.gan.model import BATCH, TrainedModel, draw_latents

N_STEPS = 200
LEARNING_RATE = 0.05
N_STARTS = 2 * BATCH  # random latents of each class to start from the nearest of
PRIOR = 1e-4  # weight of the latents' squares, which keeps them where training was


def find_latents(
    model: TrainedModel, images: np.ndarray, class_indices: np.ndarray
) -> np.ndarray:
    """Return latents whose images are like the given ones.

    Parameters
    ----------
    model : TrainedModel
        Its generator is left as it is.
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    class_indices : ndarray of shape (n,), int
        Their classes.

    Returns
    -------
    latents : ndarray of shape (n, latent_dim), float32
    """
    wanted = model.image_format.to_model_range(images)
    starts = _nearest_random(model, wanted, class_indices)
    frozen = keras.models.clone_model(model.generator)
    frozen.set_weights(model.generator.get_weights())
    frozen.trainable = False
    row, class_index = layers.Input((), dtype="int32"), layers.Input((), dtype="int32")
    latents = layers.Embedding(
        *starts.shape, embeddings_regularizer=keras.regularizers.L2(PRIOR / len(starts))
    )
    inverse = keras.Model([row, class_index], frozen([latents(row), class_index]))
    latents.set_weights([starts])
    inverse.compile(
        keras.optimizers.Adam(LEARNING_RATE), "mse", jit_compile=False
    )
    rows = np.arange(len(images), dtype="int32")
    inverse.fit(
        [rows, class_indices.astype("int32")],
        wanted,
        batch_size=len(images),
        epochs=N_STEPS,
        shuffle=False,
        verbose=0,
    )
    found: np.ndarray = latents.get_weights()[0]
    return found


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
        made = model.generator.predict([latents, classes], BATCH, verbose=0)
        for row in np.flatnonzero(class_indices == index):
            distances = np.square(made - wanted[row]).mean(axis=(1, 2, 3))
            starts[row] = latents[distances.argmin()]
    return starts
