"""Judges of which each real image has one that has not seen it.

A judge knows by heart what it was trained on. So there are three, each trained on two
thirds of the images; what one says of synthetic images is compared with what it says
of the real ones that were held out from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from balancegan.attributes import unravel
from balancegan.quality.simple_judge import SimpleJudge

N_FOLDS = 3
JUDGE_STEPS = 600
FOLD_SEED_OFFSET = 15_485_863  # these judges are not those of the training
# Below so many training images a network learns less than a linear model does
FEWEST_FOR_NETWORK = 150
IN_EVERY_FOLD = -1


class JudgedFormat(Protocol):
    """What judges ask of an image format."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""

    def to_model_range(self, images: np.ndarray) -> np.ndarray:
        """Return rows of images as float32 in [-1, 1], channels last."""


class ImageJudge(Protocol):
    """Features and logits of images; see :class:`balancegan.gan.judge.Judge`."""

    def train(
        self, images: np.ndarray, class_indices: np.ndarray, n_steps: int | None = None
    ) -> None:
        """Learn from real images."""

    def look_at(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features and logits."""


@dataclass(frozen=True, eq=False)
class Opinion:
    """What one judge says of images.

    Attributes
    ----------
    features : ndarray of shape (n, n_features)
        How it sees them.
    probability : ndarray of shape (n,)
        How likely it finds the asked class; of several attributes, all of their values.
    agrees : ndarray of shape (n,), bool
        Whether it finds no other class likelier, of any attribute.
    """

    features: np.ndarray
    probability: np.ndarray
    agrees: np.ndarray


class CrossFittedJudge:
    """Three judges of one kind, each of which has not seen a third of the images.

    Parameters
    ----------
    image_format : ImageFormat, or what has these two of its attributes
        Of the images.
    sizes : tuple of int
        How many values each attribute has.
    seed : int
        Seed of folds and judges.

    Attributes
    ----------
    folds : ndarray of shape (n,), int
        From which judge each training image was held out; -1 for the single image of
        a class, which none can do without.
    is_network : bool
        Whether the judges are networks; of fewer than 150 images they are
        :class:`SimpleJudge`.
    """

    def __init__(
        self, image_format: JudgedFormat, sizes: tuple[int, ...], seed: int
    ) -> None:
        self.image_format, self.sizes = image_format, sizes
        self.seed = (seed + FOLD_SEED_OFFSET) % 2**32
        self.judges: list[ImageJudge] = []
        self.is_network = False

    def train(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        n_steps: int | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        """Train each judge on what is not held out from it.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            Real images, in the user's layout and range.
        class_indices : ndarray of shape (n,), int
            Their classes; of several attributes, of their combinations.
        n_steps : int or None, default=None
            Steps of training, where the judges are networks. None: ``JUDGE_STEPS``.
        groups : ndarray of shape (n,), int, or None, default=None
            Images of the same number are held out together. None: each is alone.
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
            judge.train(images[rows], class_indices[rows], n_steps or JUDGE_STEPS)
            self.judges.append(judge)

    def look_at(
        self, images: np.ndarray, class_indices: np.ndarray | int
    ) -> list[Opinion]:
        """Return what each of the judges says.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            In the user's layout and range.
        class_indices : ndarray of shape (n,) or int
            What they were asked to be.
        """
        asked = np.broadcast_to(class_indices, len(images))
        return [self.ask(fold, images, asked) for fold in range(N_FOLDS)]

    def ask(self, fold: int, images: np.ndarray, asked: np.ndarray) -> Opinion:
        """Return what the judge that has not seen the images of one fold says."""
        features, logits = self.judges[fold].look_at(images)
        each = np.split(logits, np.cumsum(self.sizes)[:-1], axis=1)
        probability = np.ones(len(images))
        agrees = np.ones(len(images), dtype=bool)
        values = unravel(asked, self.sizes)
        for own, value in zip(each, values, strict=True):
            likely = np.exp(own - own.max(axis=1, keepdims=True))
            likely /= likely.sum(axis=1, keepdims=True)
            probability *= likely[np.arange(len(images)), value]
            agrees &= own.argmax(axis=1) == value
        return Opinion(features, probability, agrees)

    def _new_judge(self, fold: int) -> ImageJudge:
        to_model_range: Callable[[np.ndarray], np.ndarray]
        to_model_range = self.image_format.to_model_range
        seed = self.seed + fold
        shape = self.image_format.image_shape
        if not self.is_network:
            return SimpleJudge(shape, self.sizes, to_model_range, seed)
        from balancegan.gan.judge import Judge  # imports TensorFlow

        return Judge(shape, self.sizes, to_model_range, seed)


def assign_folds(class_indices: np.ndarray, seed: int) -> np.ndarray:
    """Return for each image from which judge it is held out; every class is spread.

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
        # Where the last class ended, so that small classes do not all miss one judge
        folds[rows] = (start + np.arange(len(rows))) % N_FOLDS
        start += len(rows)
        if len(rows) == 1:
            folds[rows] = IN_EVERY_FOLD
    return folds
