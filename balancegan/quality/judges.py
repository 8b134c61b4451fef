"""Judges rate synthetic images: classifiers of real images, and distances to them.

A judge recognises the images that it was trained on too well. So there are three, each
trained without a third of the real images: what they say of a synthetic image is
compared with what they say of real images that they have not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from balancegan.attributes import Classes, sizes_of, unravel
from balancegan.images import ImageFormat
from balancegan.memory import take_rows
from balancegan.quality.class_likeness import (
    CHUNK,
    RealNeighbours,
    crop,
    nearest_earlier,
    shrink,
    square_norms,
    squared_distances,
)

if TYPE_CHECKING:
    from balancegan.gan.judge import Judge

N_FOLDS = 3
SHARE_OF_STEPS = 1 / 2  # of the steps of a judge, for each of three
FOLD_SEED_OFFSET = 15_485_863  # these judges are not those of the training
FEWEST_FOR_NETWORK = 150  # images; of fewer a network learns less than a linear model
IN_EVERY_FOLD = -1
MOST_COMPONENTS = 32  # of the linear judges
IMPOSSIBLE = -1e4  # the logit of a value that no training image has
MOST_PER_CLASS = 2_000  # real images that are used
MOST_OTHERS = 200  # images of other classes that a class is compared with
N_NEIGHBOURS = 5  # whose mean distance says how far an image is from real ones
FIGURES = ("probability", "agrees", "distance", "copy_ratio", "pixel_distance")


class JudgedFormat(Protocol):
    """The part of an image format that judges use."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""

    def to_model_range(self, images: np.ndarray) -> np.ndarray:
        """Return rows of images as float32 in [-1, 1], channels last."""


class LinearJudge:
    """Logistic regression on principal components, for sets too small for a network.

    `n_classes` is a number or, of several attributes, how many values each has.
    `to_model_range` converts rows of images to float32 in [-1, 1].
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

    def train(self, images: np.ndarray, class_indices: np.ndarray) -> None:
        """Learn from real images, all classes weighted equally."""
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

    `sizes` is how many values each attribute has.

    Attributes
    ----------
    folds : ndarray of shape (n,), int
        The judge from which each training image was held out; -1 for the only image of
        a class, which every judge needs.
    is_network : bool
        Whether the judges are networks; with fewer than 150 images they are linear.
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
        """Train each judge on the real images that are not held out from it.

        Images of one of the `groups` (n,) are held out together. None: each is a group.
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
            if isinstance(judge, LinearJudge):
                judge.train(images[rows], class_indices[rows])
            else:
                judge.train(images[rows], class_indices[rows], SHARE_OF_STEPS)
            self.judges.append(judge)

    def judge(
        self, images: np.ndarray, class_indices: np.ndarray | int
    ) -> list[Judgement]:
        """Return what each judge says of images of given classes."""
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


class Reference:
    """Real images of all classes, with judges trained on them.

    Of large classes 2,000 images are drawn at random; copies of the remaining ones are
    not found. `class_indices` are classes or combinations of attributes, and `sizes` is
    how many values each attribute has.
    """

    def __init__(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        image_format: ImageFormat,
        sizes: tuple[int, ...],
        seed: int,
    ) -> None:
        rows = _draw_rows(class_indices, seed)
        self.images, self.class_indices = take_rows(images, rows), class_indices[rows]
        self.image_format = image_format
        self.judge = CrossFittedJudge(image_format, sizes, seed)
        self.judge.train(self.images, self.class_indices)
        self.judgements = self.judge.judge(self.images, self.class_indices)

    @cached_property
    def seen(self) -> list["SeenFeatures"]:
        """The features of the images that each judge was trained on."""
        return [
            SeenFeatures(judgement.features, self.judge.folds == fold)
            for fold, judgement in enumerate(self.judgements)
        ]

    @cached_property
    def real(self) -> pd.DataFrame:
        """The figures of all real images, class after class."""
        classes = np.unique(self.class_indices)
        return pd.concat(
            [self.of_classes(classes[[k]]).real for k in range(len(classes))]
        )

    def of_classes(self, class_indices: np.ndarray) -> "ClassReference":
        """Return the real images of a class, given as one or more class indices."""
        rows = np.flatnonzero(np.isin(self.class_indices, class_indices))
        return ClassReference(self, rows)


class SeenFeatures:
    """The features (n, n_features) that one judge finds in its training images.

    `held_out` says which of all real images it has not seen.
    """

    def __init__(self, features: np.ndarray, held_out: np.ndarray) -> None:
        self.seen = features[~held_out]
        self.squares = square_norms(self.seen)
        self.usual = 1.0
        if held_out.any():
            self.usual = float(np.median(self.distances(features[held_out]))) or 1.0

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the mean distance of each image to its five nearest.

        1 is usual for real images that the judge has not seen.
        """
        n = min(N_NEIGHBOURS, len(self.seen))
        means = [np.empty(0)]
        for start in range(0, len(features), CHUNK):
            chunk = features[start : start + CHUNK]
            squared = squared_distances(chunk, self.seen, self.squares)
            nearest = np.partition(squared, n - 1, axis=1)[:, :n]
            means.append(np.sqrt(nearest).mean(axis=1))
        return np.concatenate(means) / self.usual


@dataclass(frozen=True, eq=False)
class ClassReference:
    """The real images of one class: `rows` of the reference."""

    reference: Reference
    rows: np.ndarray

    @cached_property
    def real(self) -> pd.DataFrame:
        """The figures of the real images, as `measure`, by the judge of their fold."""
        folds = self.reference.judge.folds[self.rows]
        figures = {name: np.full(len(self.rows), np.nan) for name in FIGURES}
        for fold in range(N_FOLDS):
            is_unseen = folds == fold
            rows = self.rows[is_unseen]
            judgement = self.reference.judgements[fold]
            distances = self.reference.seen[fold].distances(judgement.features[rows])
            figures["probability"][is_unseen] = judgement.probability[rows]
            figures["agrees"][is_unseen] = judgement.agrees[rows]
            figures["distance"][is_unseen] = distances
        neighbours = self._neighbours
        figures["copy_ratio"] = neighbours.ratios_among()
        figures["pixel_distance"] = neighbours.spacing / neighbours.usual
        return pd.DataFrame(figures)

    def measure(self, images: np.ndarray, class_indices: np.ndarray) -> pd.DataFrame:
        """Return the figures of synthetic images that were asked to be of some classes.

        Returns
        -------
        figures : DataFrame of m rows
            "probability": of the asked class, mean over the judges. "agrees": share of
            the judges that find no other class likelier. "distance": to real images of
            any class, in the judges' features; 1 is usual for unseen real images.
            "copy_ratio": distance to the nearest real image of the class, divided by
            the distance of that one to its own nearest; near 0 for a copy.
            "pixel_distance": the same distance; 1 is usual for real images. NaN where
            there is nothing to compare with.
        """
        judgements = self.reference.judge.judge(images, class_indices)
        distances = [
            seen.distances(judgement.features)
            for seen, judgement in zip(self.reference.seen, judgements, strict=True)
        ]
        figures = {
            "probability": np.mean([j.probability for j in judgements], axis=0),
            "agrees": np.mean([j.agrees for j in judgements], axis=0),
            "distance": np.mean(distances, axis=0),
            "copy_ratio": np.full(len(images), np.nan),
            "pixel_distance": np.full(len(images), np.nan),
        }
        if len(self.rows) > 1 and len(images):
            neighbours = self._neighbours
            found, nearest = neighbours.find(self._shrink(images))
            figures["copy_ratio"] = found / neighbours.spacing[nearest]
            figures["pixel_distance"] = found / neighbours.usual
        return pd.DataFrame(figures)

    def pixel_distances_of_others(self) -> np.ndarray:
        """Return the "pixel_distance" of at most 200 real images of other classes.

        Empty where there is nothing to compare with.
        """
        n = len(self.reference.images)
        rows = np.setdiff1d(np.arange(n), self.rows)
        if len(self.rows) < 2 or not len(rows):
            return np.empty(0)
        spread = np.linspace(0, len(rows) - 1, min(MOST_OTHERS, len(rows)), dtype=int)
        images = self._shrink(self.reference.images[rows[spread]])
        return self._neighbours.find(images)[0] / self._neighbours.usual

    def repetition(self, images: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """Return the distance (m,) of flattened images to an earlier one; 1 is usual.

        Infinite for the first; NaN where there are no two real images.
        """
        return nearest_earlier(images, earlier) / self._neighbours.usual

    def flatten(self, images: np.ndarray) -> np.ndarray:
        """Return images, in the user's format, as rows to compare with each other."""
        return crop(self._shrink(images))

    @cached_property
    def _neighbours(self) -> RealNeighbours:
        return RealNeighbours(self._shrink(self.reference.images[self.rows]))

    def _shrink(self, images: np.ndarray) -> np.ndarray:
        to_model_range = self.reference.image_format.to_model_range
        chunks = [images[i : i + CHUNK] for i in range(0, max(1, len(images)), CHUNK)]
        # By chunks: as floats at full size a class may be larger than the whole set
        return np.concatenate([shrink(to_model_range(chunk)) for chunk in chunks])


def _draw_rows(class_indices: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows to use, in order."""
    drawn = []
    for index in np.unique(class_indices):
        rows = np.flatnonzero(class_indices == index)
        if len(rows) > MOST_PER_CLASS:
            rng = np.random.default_rng([seed, int(index)])
            rows = rng.choice(rows, MOST_PER_CLASS, replace=False)
        drawn.append(rows)
    return np.sort(np.concatenate(drawn))
