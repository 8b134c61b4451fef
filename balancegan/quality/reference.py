"""The real images that synthetic ones are compared with, class by class.

Each figure of a synthetic image has a counterpart for real images that the judge has
not seen; only the comparison of both means something.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

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
from balancegan.quality.judges import N_FOLDS, CrossFittedJudge

MOST_PER_CLASS = 2_000  # real images that are used
MOST_OTHERS = 200  # images of other classes that a class is compared with
N_NEIGHBOURS = 5  # whose mean distance says how far an image is from real ones
FIGURES = ("probability", "agrees", "distance", "copy_ratio", "pixel_distance")


class Reference:
    """A set of real images with judges of it.

    Of large classes 2,000 images are drawn at random; copies of the remaining ones are
    not found.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        The training part, in the user's layout and range.
    class_indices : ndarray of shape (n,), int
        Their classes; of several attributes, of their combinations.
    image_format : ImageFormat
        Format of the images.
    sizes : tuple of int
        How many values each attribute has.
    seed : int
        Seed.

    Attributes
    ----------
    judge : CrossFittedJudge
        Trained on these images.
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
        """Return the real images of one class.

        Parameters
        ----------
        class_indices : ndarray of shape (n,), int
            The class; of several attributes, the combinations that it may be of.
        """
        rows = np.flatnonzero(np.isin(self.class_indices, class_indices))
        return ClassReference(self, rows)


class SeenFeatures:
    """The features of the images that one judge was trained on.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Of all real images.
    held_out : ndarray of shape (n,), bool
        Which of them the judge has not seen.
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
    """The real images of one class.

    Parameters
    ----------
    reference : Reference
        All classes.
    rows : ndarray of shape (n,), int
        Which of its images are of the class.
    """

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
        """Return the figures of synthetic images.

        Parameters
        ----------
        images : ndarray of shape (m, ...)
            In the user's layout and range.
        class_indices : ndarray of shape (m,), int
            The classes that were asked for.

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
        """Return the distance of each image to an earlier one; 1 is usual if real.

        Parameters
        ----------
        images, earlier : ndarray of shape (m, n_values)
            As `flatten` returns them.

        Returns
        -------
        ratios : ndarray of shape (m,)
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
