"""The classifier that methods are compared by: one recipe, the same for all of them.

By default a small convolutional network, for photos a residual one; or a network that
the user builds or has trained before (`pretrained`). It learns from
:class:`TrainingRows` and says how likely each class is. Who made the rows is not known
here.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.random import seed_generator

from balancegan.allocator import keeping_freed_memory
from balancegan.downstream.networks import (
    CLASSIFIERS,
    ClassifierBuilder,
    are_photos,
    build_classifier,
    default_builder,
)
from balancegan.downstream.pretrained import SUFFIX, PretrainedClassifier
from balancegan.downstream.transformations import Transformation, mix_up
from balancegan.errors import DataError
from balancegan.gan.batches import BalancedBatches
from balancegan.gan.feeding import to_dataset
from balancegan.gan.optimizers import AdamW
from balancegan.gan.settings import standard_settings

N_STEPS = 1_000
BATCH_SIZE, PHOTO_BATCH_SIZE = 128, 32  # images a step
LEARNING_RATE = 2e-3  # at first; it falls to 0 as a cosine
WEIGHT_DECAY = 1e-3
FINE_TUNING_RATE = 1e-4  # of networks whose weights are to be kept in the main
STEPS_PER_CALL = 10


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """What a classifier learns from.

    Attributes
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    class_indices : ndarray of shape (n,), int
        Their classes 0..n_classes-1; every class has an image.
    n_classes : int
        Number of classes.
    to_model_range : callable
        Turns rows of `images` into float32 of shape (m, height, width, channels) in
        [-1, 1].
    transform : callable or None
        Moves or changes images at random each time they are seen: (images in [-1, 1],
        Generator) to images.
    mixup : float
        Mixes pairs of images and their labels, see
        :func:`balancegan.downstream.transformations.mix_up`. 0: no.
    weighted : bool
        Whether an image of a class of n_c weighs n / (n_classes n_c) in the loss.
    combinations : ndarray of shape (n,), int, or None
        The combination of attributes that each image has. Given, it takes the place of
        the class in its weight.
    """

    images: np.ndarray
    class_indices: np.ndarray
    n_classes: int
    to_model_range: Callable[[np.ndarray], np.ndarray]
    transform: Transformation | None = None
    mixup: float = 0.0
    weighted: bool = False
    combinations: np.ndarray | None = None

    @property
    def balanced(self) -> np.ndarray:
        """What weights balance: the combination of each image, or its class."""
        return self.class_indices if self.combinations is None else self.combinations

    @property
    def weights(self) -> np.ndarray:
        """The weight of an image of each class or combination, 1 unless `weighted`."""
        counts = np.bincount(self.balanced)
        if not self.weighted:
            return np.ones(len(counts))
        n_present = np.count_nonzero(counts)
        return len(self.balanced) / (n_present * np.maximum(counts, 1))


class AugmentedBatches:
    """Batches of rows drawn evenly, changed at random, with one-hot labels and weights.

    Batch `step` depends on the seed and on `step` alone.
    """

    def __init__(
        self, rows: TrainingRows, *, n_steps: int, batch_size: int, seed: int
    ) -> None:
        self.rows, self.seed = rows, seed
        self.weights = rows.weights.astype("float32")
        self.class_of = np.zeros(len(self.weights), dtype=int)
        self.class_of[rows.balanced] = rows.class_indices
        self.drawn = BalancedBatches(
            rows.images,
            rows.balanced,
            rows.to_model_range,
            batch_size=batch_size,
            n_steps=n_steps,
            class_power=1.0,
            seed=seed,
        )

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return images in [-1, 1], labels of shape (n, n_classes), and weights."""
        images, drawn = self.drawn[step]
        weights = self.weights[drawn]
        labels = np.eye(self.rows.n_classes, dtype="float32")[self.class_of[drawn]]
        rng = np.random.default_rng([self.seed, step, 1])
        if self.rows.transform is not None:
            images = self.rows.transform(images, rng)
        if self.rows.mixup:
            images, labels = mix_up(images, labels, rng, self.rows.mixup)
        return images, labels, weights


@keeping_freed_memory()
@standard_settings()
def train_network(
    build: ClassifierBuilder | None,
    rows: TrainingRows,
    test_images: np.ndarray,
    seed: int,
    *,
    n_steps: int = N_STEPS,
    batch_size: int | None = None,
) -> np.ndarray:
    """Train a network on rows and return its probabilities of other images.

    AdamW with a rate that falls as a cosine. The number of steps and of images in each
    does not depend on the rows, so more rows do not mean more training.

    Parameters
    ----------
    build : callable or None
        (image_shape, n_classes) to a Keras model of images in [-1, 1] that returns
        logits or probabilities of shape (n, n_classes). It is called with Keras's
        default settings (float32, channels last). None: see :func:`default_builder`.
    rows : TrainingRows
        What it learns from.
    test_images : ndarray of shape (n, ...)
        In the user's layout and range.
    seed : int
        Seed of batches and weights.
    n_steps : int, default=1000
        Optimiser steps.
    batch_size : int or None, default=None
        Images in each step. None: 128, and 32 of photos.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes), float64

    Raises
    ------
    DataError
        If the network's output is of another shape.
    """
    image_shape = rows.to_model_range(rows.images[:1]).shape[1:]
    batch_size = batch_size or choose_batch_size(image_shape)
    batches = AugmentedBatches(rows, n_steps=n_steps, batch_size=batch_size, seed=seed)
    network = build_network(build, image_shape, rows.n_classes, seed)
    gives_logits = not _are_probabilities(
        check_output(network(batches[0][0], training=False), rows.n_classes)
    )
    is_tuned = isinstance(build, PretrainedClassifier) and build.fine_tune
    first_rate = FINE_TUNING_RATE if is_tuned else LEARNING_RATE
    rate = keras.optimizers.schedules.CosineDecay(first_rate, n_steps)
    network.compile(
        AdamW(rate, weight_decay=WEIGHT_DECAY),
        keras.losses.CategoricalCrossentropy(from_logits=gives_logits),
        jit_compile=False,
        steps_per_execution=STEPS_PER_CALL,
    )
    network.fit(to_dataset(batches), shuffle=False, verbose=0)
    seen = _predict(network, rows.to_model_range, test_images)
    return _softmax(seen) if gives_logits else seen


def choose_batch_size(image_shape: tuple[int, int, int]) -> int:
    """Return how many images networks learn from in a step."""
    return PHOTO_BATCH_SIZE if are_photos(image_shape) else BATCH_SIZE


def build_network(
    build: ClassifierBuilder | None,
    image_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
) -> keras.Model:
    """Return a new network; its first weights depend on the seed alone."""
    build = build or default_builder(image_shape)
    if build is build_classifier:
        return build_classifier(image_shape, n_classes, seed)
    with _default_seeds_from(seed):
        return build(image_shape, n_classes)


def choose_classifier(
    given: Any,
    image_shape: tuple[int, int, int] | None = None,
    *,
    fine_tune: bool = False,
) -> Any:
    """Return a classifier, given its name, or a trained model or a file of one.

    Parameters
    ----------
    given : object
        A key of ``CLASSIFIERS``, a path of a .keras file, a Keras model; anything else
        is returned.
    image_shape : tuple of int or None, default=None
        What the default depends on if `given` is None. None: it stays None.
    fine_tune : bool, default=False
        Whether all layers of a trained model learn.

    Raises
    ------
    DataError
        If there is no such classifier, or it has nothing to fine-tune.

    Examples
    --------
    >>> choose_classifier("linear").__name__
    'build_linear_classifier'
    >>> choose_classifier("forest")
    Traceback (most recent call last):
    balancegan.errors.DataError: A classifier is one of network, residual, linear, ...
    """
    if isinstance(given, str) and given not in CLASSIFIERS:
        if not given.endswith(SUFFIX):
            raise DataError(
                f"A classifier is one of {', '.join(CLASSIFIERS)}, or a file of a "
                f"trained Keras model ({SUFFIX}). Received: {given!r}."
            )
        given = Path(given)
    if isinstance(given, Path | keras.Model):
        return PretrainedClassifier.of(given, fine_tune=fine_tune)
    if fine_tune:
        raise DataError(
            "Only a trained Keras model can be fine-tuned. Received: another "
            f"classifier, {given!r}. Name a {SUFFIX} file, or leave fine-tuning out."
        )
    if given is None and image_shape is not None:
        return default_builder(image_shape)
    return CLASSIFIERS[given] if isinstance(given, str) else given


@standard_settings()
def check_network(
    build: ClassifierBuilder, image_shape: tuple[int, int, int], n_classes: int
) -> None:
    """Refuse a network of the wrong output, before anything is made for it.

    Raises
    ------
    DataError
        If it gives anything but a number for each class.
    """
    network = build_network(build, image_shape, n_classes, 0)
    image = np.zeros((1, *image_shape), np.float32)
    check_output(network(image, training=False), n_classes)


def _predict(
    network: keras.Model,
    to_model_range: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
) -> np.ndarray:
    # Called, not `predict`: that compiles anew for every network, and warns of it
    seen = [
        np.asarray(network(to_model_range(rows), training=False))
        for rows in np.array_split(images, range(BATCH_SIZE, len(images), BATCH_SIZE))
    ]
    return np.concatenate(seen).astype(float)


def check_output(seen: Any, n_classes: int, n_rows: int | None = None) -> np.ndarray:
    """Return a classifier's output as an array: a number for each class, or refuse."""
    shape = np.shape(seen)
    right = len(shape) == 2 and shape[1] == n_classes
    if not right or (n_rows is not None and shape[0] != n_rows):
        raise DataError(
            f"The classifier must give {n_classes} numbers for each image, one per "
            f"class in the order of the sorted labels. Received: shape {shape}."
        )
    return np.asarray(seen)


def _are_probabilities(seen: np.ndarray) -> bool:
    return bool((seen >= 0).all() and np.allclose(seen.sum(axis=1), 1, atol=1e-3))


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@contextmanager
def _default_seeds_from(seed: int) -> Iterator[None]:
    """Let Keras draw its default seeds by a generator of their own, not by `random`."""
    before = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = before
