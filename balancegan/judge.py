"""A small classifier of the user's own images, to judge synthetic ones by.

Trained on the training part alone; nothing is downloaded. What it says is relative:
it has seen the real images that it compares with.
"""

import itertools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from balancegan.batches import BalancedBatches

JUDGE_STEPS = 400
JUDGE_BATCH = 64
FEATURES = 64
SMALLEST_SIDE = 4  # pixels; feature maps are halved down to about it


class Judge:
    """Features and class probabilities of images, by a trained network.

    Parameters
    ----------
    network : keras.Model
        Images in [-1, 1] to (features, logits).
    to_model_range : callable
        Turns rows as the user holds them into what `network` takes.
    """

    def __init__(
        self,
        network: keras.Model,
        to_model_range: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self.network, self.to_model_range = network, to_model_range

    def look_at(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the judge sees in images.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            In the user's layout and range.

        Returns
        -------
        features : ndarray of shape (n, FEATURES)
        logits : ndarray of shape (n, n_classes)
        """
        parts = []
        for start in range(0, len(images), JUDGE_BATCH):
            rows = self.to_model_range(images[start : start + JUDGE_BATCH])
            # One shape of batch, so that the network is compiled once
            padding = [(0, JUDGE_BATCH - len(rows))] + [(0, 0)] * 3
            seen = self.network.predict_on_batch(np.pad(rows, padding))
            parts.append([part[: len(rows)] for part in seen])
        features, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
        return features, logits


def train_judge(
    images: np.ndarray,
    class_indices: np.ndarray,
    to_model_range: Callable[[np.ndarray], np.ndarray],
    image_shape: tuple[int, int, int],
    seed: int,
) -> Judge:
    """Train a small classifier on rows drawn class-balanced.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Real images, in the user's layout and range.
    class_indices : ndarray of shape (n,), int
        The class 0..K-1 of each image.
    to_model_range : callable
        Turns rows of `images` into float32 of shape (m, height, width, channels)
        in [-1, 1].
    image_shape : tuple of int
        (height, width, channels).
    seed : int
        Seed of weights and batches.

    Returns
    -------
    judge : Judge
    """
    network = build_judge(image_shape, int(class_indices.max()) + 1, seed)
    batches = BalancedBatches(
        images,
        class_indices,
        to_model_range,
        batch_size=JUDGE_BATCH,
        n_steps=JUDGE_STEPS,
        class_power=0.0,
        seed=seed,
    )
    classifier = keras.Model(network.input, network.output[1])
    classifier.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
        steps_per_execution=10,
    )
    classifier.fit(batches, verbose=0, shuffle=False)
    return Judge(network, to_model_range)


def build_judge(
    image_shape: tuple[int, int, int], n_classes: int, seed: int
) -> keras.Model:
    """Build the classifier: strided convolutions, one hidden layer of features."""
    seeds = itertools.count(seed)

    def glorot() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    x = image = layers.Input(image_shape, name="image")
    filters = 32
    while True:
        x = layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=glorot(),
        )(x)
        filters = min(2 * filters, 128)
        if min(x.shape[1:3]) <= SMALLEST_SIDE:
            break
    x = layers.Flatten()(x)
    features = layers.Dense(FEATURES, "relu", kernel_initializer=glorot())(x)
    logits = layers.Dense(n_classes, kernel_initializer=glorot())(features)
    return keras.Model(image, [features, logits], name="judge")
