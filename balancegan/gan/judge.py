"""A small classifier of the user's own images, to judge synthetic ones by.

Trained on the training part alone; nothing is downloaded. What it says is relative:
it has seen the real images that it compares with. Of several attributes it tells each
by the same features.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from balancegan.allocator import keeping_freed_memory
from balancegan.attributes import Classes, sizes_of, unravel
from balancegan.gan.batches import BalancedBatches
from balancegan.gan.feeding import to_dataset
from balancegan.gan.naming import naming_anew
from balancegan.gan.optimizers import Adam
from balancegan.gan.settings import standard_settings
from balancegan.state import State

JUDGE_STEPS = 1_200
ATTRIBUTES_FACTOR = 2  # several attributes by the same features take longer
JUDGE_BATCH = 64
JUDGE_LEARNING_RATE = 1e-3  # at first; it falls to 0 as a cosine
SHIFT = 1 / 14  # of the side: how far images are moved at most while it learns
FEATURES = 64
SMALLEST_SIDE = 4  # pixels; feature maps are halved down to about it


class Judge:
    """Features and class probabilities of images, by a network trained on real ones.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).
    n_classes : int or tuple of int
        Number of classes; of several attributes, how many values each has.
    to_model_range : callable
        Turns rows as the user holds them into float32 of shape (m, height, width,
        channels) in [-1, 1].
    seed : int
        Seed of weights and batches.
    """

    @standard_settings()
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: Classes,
        to_model_range: Callable[[np.ndarray], np.ndarray],
        seed: int,
    ) -> None:
        self.sizes = sizes_of(n_classes)
        self.network = build_judge(image_shape, sum(self.sizes), seed)
        self.to_model_range, self.seed = to_model_range, seed

    @keeping_freed_memory()
    @standard_settings()
    @naming_anew()
    def train(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        n_steps: int | None = None,
    ) -> None:
        """Train on rows drawn class-balanced; afterwards the network stays as it is.

        Images are moved at random, or it would know the rare classes by heart.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            Real images, in the user's layout and range.
        class_indices : ndarray of shape (n,), int
            The class 0..K-1 of each image.
        n_steps : int or None, default=None
            Steps of training; twice as many where there are several attributes. None:
            ``JUDGE_STEPS``.
        """
        n_steps = n_steps or JUDGE_STEPS
        if len(self.sizes) > 1:
            n_steps *= ATTRIBUTES_FACTOR
        batches = BalancedBatches(
            images,
            class_indices,
            self.to_model_range,
            batch_size=JUDGE_BATCH,
            n_steps=n_steps,
            class_power=0.0,
            seed=self.seed,
        )
        self._set_trainable(True)
        image = layers.Input(self.network.input.shape[1:])
        moved = layers.RandomTranslation(
            SHIFT, SHIFT, "nearest", "nearest", seed=self.seed
        )(image)
        classifier = keras.Model(image, self.network(moved)[-1])
        rate = keras.optimizers.schedules.CosineDecay(JUDGE_LEARNING_RATE, n_steps)
        classifier.compile(
            Adam(rate),
            self.cross_entropy,
            jit_compile=False,
            steps_per_execution=10,
        )
        classifier.fit(to_dataset(batches), shuffle=False, verbose=0)
        self._set_trainable(False)

    def state(self) -> State:
        """Return what it has learned."""
        weights = self.network.get_weights()
        return State({}, {f"judge/{i}": each for i, each in enumerate(weights)})

    @standard_settings()
    def restore(self, state: State) -> None:
        """Know what was learned before."""
        n = len(self.network.weights)
        self.network.set_weights([state.arrays[f"judge/{i}"] for i in range(n)])
        self._set_trainable(False)

    def label_losses(self, images: Any, class_index: Any) -> Any:
        """Return how far from its class each image seems, in nats.

        Parameters
        ----------
        images : tensor of shape (n, height, width, channels), float32
            In [-1, 1].
        class_index : tensor of shape (n,), int
            The classes that they were made of.

        Returns
        -------
        losses : tensor of shape (n,)
            The cross-entropy of each attribute's values, added up.
        """
        return self.cross_entropy(class_index, self.network(images)[-1])

    def cross_entropy(self, class_index: Any, logits: Any) -> Any:
        """Return the cross-entropy of each attribute's values, added up."""
        value_indices = unravel(ops.cast(class_index, "int32"), self.sizes)
        return sum(
            keras.losses.sparse_categorical_crossentropy(indices, own, from_logits=True)
            for indices, own in zip(
                value_indices, split_logits(logits, self.sizes), strict=True
            )
        )

    def _set_trainable(self, trainable: bool) -> None:
        # Layer by layer: the models that share them each have a switch of their own
        for layer in self.network.layers:
            layer.trainable = trainable

    @property
    def feature_network(self) -> keras.Model:
        """Images to a list of feature maps: those of the last layers before logits."""
        self._set_trainable(False)
        return keras.Model(
            self.network.input, self.network.output[:-1], name="judge_features"
        )

    @standard_settings()
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
            Of several attributes, those of the values of each, one after the other.
        """
        features, logits = [], []
        for start in range(0, len(images), JUDGE_BATCH):
            rows = self.to_model_range(images[start : start + JUDGE_BATCH])
            # One shape of batch, so that the network is compiled once
            padding = [(0, JUDGE_BATCH - len(rows))] + [(0, 0)] * 3
            seen = self.network.predict_on_batch(np.pad(rows, padding))
            features.append(seen[-2][: len(rows)])
            logits.append(seen[-1][: len(rows)])
        return np.concatenate(features), np.concatenate(logits)

    def agreement(self, logits: np.ndarray, class_index: int) -> list[float]:
        """Return for each attribute the share of images that have the value asked.

        Parameters
        ----------
        logits : ndarray of shape (n, n_classes)
            What `look_at` returned.
        class_index : int
            The class that the images shall be of.
        """
        own_logits = split_logits(logits, self.sizes)
        asked = unravel(class_index, self.sizes)
        return [
            float(np.mean(own.argmax(axis=1) == value))
            for own, value in zip(own_logits, asked, strict=True)
        ]


def split_logits(logits: Any, sizes: Sequence[int]) -> list[Any]:
    """Return the logits of each attribute out of those of all.

    Examples
    --------
    >>> [own.shape for own in split_logits(np.zeros((7, 5)), (2, 3))]
    [(7, 2), (7, 3)]
    """
    ends = itertools.accumulate(sizes)
    return [logits[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]


@naming_anew()
def build_judge(
    image_shape: tuple[int, int, int], n_logits: int, seed: int
) -> keras.Model:
    """Build the classifier: strided convolutions, one hidden layer of features.

    It returns the last two feature maps (one, where there is one only), the features
    and the logits.
    """
    seeds = itertools.count(seed)

    def glorot() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    x = image = layers.Input(image_shape, name="image")
    filters, maps = 32, []
    while True:
        x = layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=glorot(),
        )(x)
        maps.append(x)
        filters = min(2 * filters, 128)
        if min(x.shape[1:3]) <= SMALLEST_SIDE:
            break
    x = layers.Flatten()(x)
    features = layers.Dense(FEATURES, "relu", kernel_initializer=glorot())(x)
    logits = layers.Dense(n_logits, kernel_initializer=glorot())(features)
    return keras.Model(image, [*maps[-2:], features, logits], name="judge")
