"""The classifier that methods are compared by, trained the same way for all of them.

By default a network (:mod:`.networks`); or the user's own function, trained Keras model
(:mod:`.pretrained`) or scikit-learn classifier.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils.validation import has_fit_parameter

from balancegan.errors import DataError
from balancegan.evaluation.methods import Transformation, mix_up
from balancegan.evaluation.networks import (
    CLASSIFIERS,
    ClassifierBuilder,
    are_photos,
    build_classifier,
    default_builder,
)
from balancegan.evaluation.pretrained import SUFFIX, PretrainedClassifier
from balancegan.gan.batches import BalancedBatches, to_dataset
from balancegan.gan.keras_compat import AdamW, default_seeds_from
from balancegan.gan.settings import standard_settings

N_STEPS = 1_000
BATCH_SIZE, PHOTO_BATCH_SIZE = 128, 32  # images per step
LEARNING_RATE = 2e-3  # initial; cosine decay to 0
FINE_TUNING_RATE = 1e-4  # of all layers of a trained model
WEIGHT_DECAY = 1e-3
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
    transform, mixup, weighted
        See :class:`balancegan.evaluation.Method`.
    combinations : ndarray of shape (n,), int, or None
        The combination of attributes of each image; batches and weights balance these
        instead of classes.
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
        """The combination of each image, or its class."""
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
    """Class-balanced, augmented batches with one-hot labels and weights.

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
    """Train a network on rows and return its probabilities of test images.

    The number of steps does not depend on the rows, so more rows do not mean more
    training.

    Parameters
    ----------
    build : callable or None
        (image_shape, n_classes) to a Keras model of images in [-1, 1] that returns
        logits or probabilities. None: see :func:`default_builder`.
    rows : TrainingRows
        What it learns from.
    test_images : ndarray of shape (n, ...)
        In the user's layout and range.
    seed : int
        Seed of batches and weights.
    n_steps : int, default=1000
        Training steps.
    batch_size : int or None, default=None
        Images per step. None: 128, and 32 for photos.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes), float64
    """
    image_shape = rows.to_model_range(rows.images[:1]).shape[1:]
    batch_size = batch_size or choose_batch_size(image_shape)
    batches = AugmentedBatches(rows, n_steps=n_steps, batch_size=batch_size, seed=seed)
    network = build_network(build, image_shape, rows.n_classes, seed)
    output = check_output(network(batches[0][0], training=False), rows.n_classes)
    gives_logits = not _are_probabilities(output)

    # Train with AdamW and cosine decay
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

    # Predict without `predict`, which compiles for every network and warns of it
    starts = range(BATCH_SIZE, len(test_images), BATCH_SIZE)
    seen = [
        np.asarray(network(rows.to_model_range(batch), training=False))
        for batch in np.array_split(test_images, starts)
    ]
    found = np.concatenate(seen).astype(float)
    return _softmax(found) if gives_logits else found


def _are_probabilities(seen: np.ndarray) -> bool:
    return bool((seen >= 0).all() and np.allclose(seen.sum(axis=1), 1, atol=1e-3))


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def choose_batch_size(image_shape: tuple[int, int, int]) -> int:
    """Return the images per training step of a network."""
    return PHOTO_BATCH_SIZE if are_photos(image_shape) else BATCH_SIZE


def build_network(
    build: ClassifierBuilder | None,
    image_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
) -> keras.Model:
    """Return a new network; its initial weights depend on the seed alone."""
    build = build or default_builder(image_shape)
    if build is build_classifier:
        return build_classifier(image_shape, n_classes, seed)
    with default_seeds_from(seed):
        return build(image_shape, n_classes)


def choose_classifier(
    given: Any,
    image_shape: tuple[int, int, int] | None = None,
    *,
    fine_tune: bool = False,
) -> Any:
    """Return the classifier for a name of ``CLASSIFIERS``, a Keras model or its file.

    Anything else is returned unchanged, and None with an `image_shape` is the default
    network. With `fine_tune`, all layers of a trained model learn.

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
    """Raise a DataError if a network has the wrong output."""
    network = build_network(build, image_shape, n_classes, 0)
    image = np.zeros((1, *image_shape), np.float32)
    check_output(network(image, training=False), n_classes)


def check_output(seen: Any, n_classes: int, n_rows: int | None = None) -> np.ndarray:
    """Return a classifier's output as an array, a number per class, or refuse it."""
    shape = np.shape(seen)
    is_right = len(shape) == 2 and shape[1] == n_classes
    if not is_right or (n_rows is not None and shape[0] != n_rows):
        raise DataError(
            f"The classifier must give {n_classes} numbers for each image, one per "
            f"class in the order of the sorted labels. Received: shape {shape}."
        )
    return np.asarray(seen)


def check_estimator(
    estimator: BaseEstimator, *, mixes: bool, weighs: bool, has_combinations: bool
) -> None:
    """Raise a DataError if a scikit-learn estimator cannot learn as asked.

    `mixes`: with mixup; `weighs`: with weights of classes, or `has_combinations`.
    """
    name = type(estimator).__name__
    if is_regressor(estimator):
        raise DataError(f"The classifier must classify. Received: {name}, a regressor.")
    if mixes:
        raise DataError(
            "scikit-learn's classifiers cannot learn from mixed labels. Received: "
            "mixup. Leave that method out, or compare by a network."
        )
    takes_class_weights = not has_combinations and _parameters(
        estimator, "class_weight"
    )
    takes_weights = has_fit_parameter(estimator, "sample_weight")
    if weighs and not takes_class_weights and not takes_weights:
        raise DataError(
            f"{name} takes neither class_weight nor sample_weight (which combinations "
            "need). Leave out the method that weights classes."
        )


def train_estimator(
    estimator: BaseEstimator, rows: TrainingRows, test_images: np.ndarray, seed: int
) -> np.ndarray:
    """Fit a scikit-learn classifier to flattened rows and return its probabilities.

    Rows are augmented once. Parameters called ``random_state`` are set to the seed.
    Classifiers without ``predict_proba`` give zeros and ones.
    """
    has_combinations = rows.combinations is not None
    check_estimator(
        estimator,
        mixes=bool(rows.mixup),
        weighs=rows.weighted,
        has_combinations=has_combinations,
    )
    # Set seeds and weights
    model = clone(estimator)
    settings: dict[str, Any] = dict.fromkeys(_parameters(model, "random_state"), seed)
    weights: dict[str, Any] = {}
    if rows.weighted:
        if (names := _parameters(model, "class_weight")) and not has_combinations:
            settings |= dict.fromkeys(names, "balanced")
        else:
            weights["sample_weight"] = rows.weights[rows.balanced]
    model.set_params(**settings)

    # Fit and predict flattened images
    images = rows.to_model_range(rows.images)
    if rows.transform is not None:
        images = rows.transform(images, np.random.default_rng([seed, 1]))
    model.fit(images.reshape(len(images), -1), rows.class_indices, **weights)
    test_rows = rows.to_model_range(test_images).reshape(len(test_images), -1)
    return _estimator_probabilities(model, test_rows, rows.n_classes)


def _parameters(estimator: BaseEstimator, name: str) -> list[str]:
    """Return parameters of a name, those of nested estimators too."""
    return [each for each in estimator.get_params() if each.split("__")[-1] == name]


def _estimator_probabilities(
    model: Any, test_rows: np.ndarray, n_classes: int
) -> np.ndarray:
    """Order the columns by class index, whatever classes the estimator has seen."""
    probabilities = np.zeros((len(test_rows), n_classes))
    try:
        seen = np.asarray(model.predict_proba(test_rows))
    except AttributeError:
        predicted = np.asarray(model.predict(test_rows))
        name = type(model).__name__
        if predicted.shape != (len(test_rows),):
            raise DataError(
                f"{name}.predict must return shape ({len(test_rows)},). Received: "
                f"{predicted.shape}."
            ) from None
        if not np.isin(predicted, np.arange(n_classes)).all():
            raise DataError(
                f"Predictions must be learned classes, 0 to {n_classes - 1}. Received "
                f"from {name}: {np.unique(predicted)[:5]}."
            ) from None
        probabilities[np.arange(len(test_rows)), predicted.astype(int)] = 1
        return probabilities
    check_output(seen, len(model.classes_), len(test_rows))
    probabilities[:, np.asarray(model.classes_, dtype=int)] = seen
    return probabilities
