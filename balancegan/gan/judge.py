"""A small classifier of the user's images that judges generated ones.

It is trained on the training part alone; nothing is downloaded. Its figures are
relative: it has seen the real images that it compares with. With several attributes it
classifies each of them from the same features.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from balancegan.attributes import Classes, sizes_of, unravel
from balancegan.gan.batches import BalancedBatches, to_dataset
from balancegan.gan.checkpoint import State
from balancegan.gan.keras_compat import Adam, fresh_layer_names
from balancegan.gan.settings import standard_settings

JUDGE_STEPS = 1_200
ATTRIBUTES_FACTOR = 2  # several attributes need more steps
JUDGE_BATCH = 64
JUDGE_LEARNING_RATE = 1e-3  # at first; it falls to 0 as a cosine
SHIFT = 1 / 14  # of the side: largest shift of images in training
FEATURES = 64
SMALLEST_SIDE = 4  # pixels; feature maps are halved down to about it


class Judge:
    """Features and class probabilities of images, by a network trained on real ones.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).
    n_classes : int or tuple of int
        Number of classes, or of values of each attribute.
    to_model_range : callable
        Turns the user's rows into float32 of shape (m, height, width, channels) in
        [-1, 1].
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

    @standard_settings()
    @fresh_layer_names()
    def train(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        share_of_steps: float = 1.0,
    ) -> None:
        """Train on class-balanced batches; afterwards the network is frozen.

        Images are shifted at random to avoid overfitting the rare classes. A
        share of ``JUDGE_STEPS`` is trained, twice as many with several attributes.
        """
        n_steps = max(1, round(share_of_steps * JUDGE_STEPS))
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
        """Return the weights."""
        weights = self.network.get_weights()
        return State({}, {f"judge/{i}": each for i, each in enumerate(weights)})

    @standard_settings()
    def restore(self, state: State) -> None:
        """Load saved weights."""
        n = len(self.network.weights)
        self.network.set_weights([state.arrays[f"judge/{i}"] for i in range(n)])
        self._set_trainable(False)

    def label_losses(self, images: Any, class_index: Any) -> Any:
        """Return the cross-entropy of images in [-1, 1] with their classes."""
        return self.cross_entropy(class_index, self.network(images)[-1])

    def cross_entropy(self, class_index: Any, logits: Any) -> Any:
        """Return the cross-entropy of logits, summed over the attributes."""
        value_indices = unravel(ops.cast(class_index, "int32"), self.sizes)
        return sum(
            keras.losses.sparse_categorical_crossentropy(indices, own, from_logits=True)
            for indices, own in zip(
                value_indices, split_logits(logits, self.sizes), strict=True
            )
        )

    def _set_trainable(self, trainable: bool) -> None:
        # Layer by layer: each model that shares them has a `trainable` of its own
        for layer in self.network.layers:
            layer.trainable = trainable

    @property
    def feature_network(self) -> keras.Model:
        """Maps images to the feature maps of the last layers before the logits."""
        self._set_trainable(False)
        return keras.Model(
            self.network.input, self.network.output[:-1], name="judge_features"
        )

    @standard_settings()
    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features (n, FEATURES) and logits (n, n_classes) of the user's images.

        With several attributes these are the logits of all values, attribute by
        attribute.
        """
        features, logits = [], []
        for start in range(0, len(images), JUDGE_BATCH):
            rows = self.to_model_range(images[start : start + JUDGE_BATCH])
            # Pad to one shape, so that the network is compiled once
            padding = [(0, JUDGE_BATCH - len(rows))] + [(0, 0)] * 3
            seen = self.network.predict_on_batch(np.pad(rows, padding))
            features.append(seen[-2][: len(rows)])
            logits.append(seen[-1][: len(rows)])
        return np.concatenate(features), np.concatenate(logits)

    def agreement(self, logits: np.ndarray, class_index: int) -> list[float]:
        """Return for each attribute the share of images with the requested value."""
        own_logits = split_logits(logits, self.sizes)
        asked = unravel(class_index, self.sizes)
        return [
            float(np.mean(own.argmax(axis=1) == value))
            for own, value in zip(own_logits, asked, strict=True)
        ]


def split_logits(logits: Any, sizes: Sequence[int]) -> list[Any]:
    """Split logits by attribute.

    Examples
    --------
    >>> [own.shape for own in split_logits(np.zeros((7, 5)), (2, 3))]
    [(7, 2), (7, 3)]
    """
    ends = itertools.accumulate(sizes)
    return [logits[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]


@fresh_layer_names()
def build_judge(
    image_shape: tuple[int, int, int], n_logits: int, seed: int
) -> keras.Model:
    """Build the classifier: strided convolutions, one hidden layer of features.

    It returns the last two feature maps (one if there is only one), the features and
    the logits.
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
