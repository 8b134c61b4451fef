"""Judges of images: classifiers of real images that rate synthetic ones.

A judge recognises the images that it was trained on too well. So there are three, each
trained without a third of the real images: what they say of a synthetic image is
compared with what they say of real images that they have not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from balancegan.attributes import Classes, sizes_of, unravel

if TYPE_CHECKING:
    from balancegan.gan.judge import Judge

N_FOLDS = 3
JUDGE_STEPS = 600
FOLD_SEED_OFFSET = 15_485_863  # these judges are not those of the training
FEWEST_FOR_NETWORK = 150  # images; of fewer a network learns less than a linear model
IN_EVERY_FOLD = -1
MOST_COMPONENTS = 32  # of the linear judges
IMPOSSIBLE = -1e4  # the logit of a value that no training image has


class JudgedFormat(Protocol):
    """The part of an image format that judges use."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""

    def to_model_range(self, images: np.ndarray) -> np.ndarray:
        """Return rows of images as float32 in [-1, 1], channels last."""


class LinearJudge:
    """Logistic regression on principal components, for sets too small for a network.

    Parameters
    ----------
    n_classes : int or tuple of int
        Number of classes; of several attributes, how many values each has.
    to_model_range : callable
        Converts rows of images to float32 in [-1, 1].
    seed : int
        Seed.
    """

    def __init__(
        self,
        n_classes: Classes,
        to_model_range: Callable[[np.ndarray], np.ndarray],
        seed: int,
    ) -> None:
        self.sizes, self.to_model_range = sizes_of(n_classes), to_model_range
        self.seed = seed
        self.classifiers: list[LogisticRegression | int] = []

    def train(
        self, images: np.ndarray, class_indices: np.ndarray, n_steps: int | None = None
    ) -> None:
        """Learn from real images, all classes weighted equally; `n_steps` is unused."""
        del n_steps
        rows = self._flatten(images)
        n_components = min(MOST_COMPONENTS, *rows.shape)
        self.components = PCA(n_components, random_state=self.seed).fit(rows)
        features = self.components.transform(rows)
        # One scale for all components keeps the distances between images
        self.scale = float(features.std()) or 1.0
        self.classifiers = [
            _fit_classifier(features / self.scale, values)
            for values in unravel(class_indices, self.sizes)
        ]

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features (n, n_components) and logits (n, all values) of images."""
        if not len(images):
            n_features = self.components.n_components_
            return np.empty((0, n_features)), np.empty((0, sum(self.sizes)))
        features = self.components.transform(self._flatten(images)) / self.scale
        logits = np.full((len(images), sum(self.sizes)), IMPOSSIBLE)
        start = 0
        for classifier, size in zip(self.classifiers, self.sizes, strict=True):
            if isinstance(classifier, int):
                logits[:, start + classifier] = 0.0
            else:
                columns = start + classifier.classes_
                logits[:, columns] = classifier.predict_log_proba(features)
            start += size
        return features, logits

    def _flatten(self, images: np.ndarray) -> np.ndarray:
        return self.to_model_range(images).reshape(len(images), -1)


def _fit_classifier(
    features: np.ndarray, values: np.ndarray
) -> LogisticRegression | int:
    """Return a classifier, or the only value that there is."""
    if len(np.unique(values)) == 1:
        return int(values[0])
    classifier = LogisticRegression(class_weight="balanced", max_iter=1_000)
    return classifier.fit(features, values)


@dataclass(frozen=True, eq=False)
class Judgement:
    """What one judge says of n images."""

    features: np.ndarray  # (n, n_features)
    probability: np.ndarray  # (n,), of the asked class: of all values of attributes
    agrees: np.ndarray  # (n,), bool: no other value of any attribute is likelier


class CrossFittedJudge:
    """Three judges of one kind, each trained without a third of the images.

    Parameters
    ----------
    image_format : ImageFormat, or an object with these two of its attributes
        Format of the images.
    sizes : tuple of int
        How many values each attribute has.
    seed : int
        Seed of folds and judges.

    Attributes
    ----------
    folds : ndarray of shape (n,), int
        The judge from which each training image was held out; -1 for the only image of
        a class, which every judge needs.
    is_network : bool
        Whether the judges are networks; of fewer than 150 images they are
        :class:`LinearJudge`.
    """

    def __init__(
        self, image_format: JudgedFormat, sizes: tuple[int, ...], seed: int
    ) -> None:
        self.image_format, self.sizes = image_format, sizes
        self.seed = (seed + FOLD_SEED_OFFSET) % 2**32
        self.judges: list[Judge | LinearJudge] = []
        self.is_network = False

    def train(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        groups: np.ndarray | None = None,
    ) -> None:
        """Train each judge on the images that are not held out from it.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            Real images, in the user's layout and range.
        class_indices : ndarray of shape (n,), int
            Their classes; of several attributes, of their combinations.
        groups : ndarray of shape (n,), int, or None, default=None
            Images of one group are held out together. None: each image is a group.
        """
        if groups is None:
            groups = np.arange(len(images))
        _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
        self.folds = assign_folds(class_indices[first], self.seed)[inverse]
        self.is_network = len(first) >= FEWEST_FOR_NETWORK
        self.judges = []
        for fold in range(N_FOLDS):
            rows = np.flatnonzero(self.folds != fold)
            judge = self._new_judge(fold)
            judge.train(images[rows], class_indices[rows], JUDGE_STEPS)
            self.judges.append(judge)

    def judge(
        self, images: np.ndarray, class_indices: np.ndarray | int
    ) -> list[Judgement]:
        """Return what each judge says of images that shall be of some classes."""
        asked = np.broadcast_to(class_indices, len(images))
        return [self.judge_by(fold, images, asked) for fold in range(N_FOLDS)]

    def judge_by(self, fold: int, images: np.ndarray, asked: np.ndarray) -> Judgement:
        """Return what the judge says that has not seen the images of one fold."""
        features, logits = self.judges[fold].predict(images)
        each = np.split(logits, np.cumsum(self.sizes)[:-1], axis=1)
        probability = np.ones(len(images))
        agrees = np.ones(len(images), dtype=bool)
        for own, value in zip(each, unravel(asked, self.sizes), strict=True):
            likely = np.exp(own - own.max(axis=1, keepdims=True))
            likely /= likely.sum(axis=1, keepdims=True)
            probability *= likely[np.arange(len(images)), value]
            agrees &= own.argmax(axis=1) == value
        return Judgement(features, probability, agrees)

    def _new_judge(self, fold: int) -> "Judge | LinearJudge":
        to_model_range: Callable[[np.ndarray], np.ndarray]
        to_model_range, seed = self.image_format.to_model_range, self.seed + fold
        if not self.is_network:
            return LinearJudge(self.sizes, to_model_range, seed)
        from balancegan.gan.judge import Judge  # imports TensorFlow

        return Judge(self.image_format.image_shape, self.sizes, to_model_range, seed)


def assign_folds(class_indices: np.ndarray, seed: int) -> np.ndarray:
    """Return the judge from which each image is held out; every class is spread.

    Examples
    --------
    >>> folds = assign_folds(np.repeat([0, 1, 2], [6, 2, 1]), seed=0)
    >>> sorted(folds[:6].tolist()), folds[8:].tolist()
    ([0, 0, 1, 1, 2, 2], [-1])
    """
    folds = np.empty(len(class_indices), dtype=int)
    rng = np.random.default_rng(seed)
    start = 0
    for index in np.unique(class_indices):
        rows = rng.permutation(np.flatnonzero(class_indices == index))
        # Begin where the last class ended, or small classes all miss one judge
        folds[rows] = (start + np.arange(len(rows))) % N_FOLDS
        start += len(rows)
        if len(rows) == 1:
            folds[rows] = IN_EVERY_FOLD
    return folds
