"""The real images that synthetic ones are measured against, class by class.

Every figure of a synthetic image has its counterpart in real ones that nothing had
seen which says it; only the two together mean something.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from balancegan.images import ImageFormat
from balancegan.memory import take_rows
from balancegan.quality.crossfit import N_FOLDS, CrossFittedJudge
from balancegan.quality.nearness import (
    CHUNK,
    RealNeighbours,
    crop,
    nearest_earlier,
    shrink,
    square_norms,
    squared_distances,
)

MOST_PER_CLASS = 2_000  # real images that are looked at
MOST_OTHERS = 200  # images of other classes that one is compared with
NEIGHBOURS = 5  # whose mean distance says how far an image is from its class
FIGURES = ("probability", "agrees", "distance", "copy_ratio", "pixel_distance")


class Reference:
    """A set of real images with judges of it.

    Of large classes 2,000 images are drawn at random: they stand for the others, and a
    copy of one that was not drawn is not known for one.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        The training part, in the user's layout and range.
    class_indices : ndarray of shape (n,), int
        Their classes; of several attributes, of their combinations.
    image_format : ImageFormat
        Of the images.
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
        self.opinions = self.judge.look_at(self.images, self.class_indices)

    @cached_property
    def crowds(self) -> list["Crowd"]:
        """What each judge was trained on, as it sees it."""
        return [
            Crowd(opinion.features, self.judge.folds == fold)
            for fold, opinion in enumerate(self.opinions)
        ]

    def of_classes(self, class_indices: np.ndarray) -> "ClassReference":
        """Return what images of one class are measured against.

        Parameters
        ----------
        class_indices : ndarray of shape (n,), int
            The class; of several attributes, the combinations that it may be of.
        """
        rows = np.flatnonzero(np.isin(self.class_indices, class_indices))
        return ClassReference(self, rows)

    @cached_property
    def real(self) -> pd.DataFrame:
        """The figures of all real images, class after class."""
        classes = np.unique(self.class_indices)
        return pd.concat(
            [self.of_classes(classes[[k]]).real for k in range(len(classes))]
        )


class Crowd:
    """The images that one judge was trained on, as it sees them.

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
        """Return the mean distance of each image to the nearest five of the crowd.

        1 is usual for real images that the judge has not seen.
        """
        n = min(NEIGHBOURS, len(self.seen))
        means = [
            np.sqrt(np.partition(squared, n - 1, axis=1)[:, :n]).mean(axis=1)
            for squared in self._squared_distances(features)
        ]
        return np.concatenate([np.empty(0), *means]) / self.usual

    def _squared_distances(self, features: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(features), CHUNK):
            chunk = features[start : start + CHUNK]
            yield squared_distances(chunk, self.seen, self.squares)


@dataclass(frozen=True, eq=False)
class ClassReference:
    """The real images of one class, and what is said of them.

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
        """The figures of the real images, by who has not seen each; as `measure`."""
        folds = self.reference.judge.folds[self.rows]
        figures = {name: np.full(len(self.rows), np.nan) for name in FIGURES}
        for fold in range(N_FOLDS):
            opinion, out = self.reference.opinions[fold], folds == fold
            figures["probability"][out] = opinion.probability[self.rows[out]]
            figures["agrees"][out] = opinion.agrees[self.rows[out]]
            crowd = self.reference.crowds[fold]
            figures["distance"][out] = crowd.distances(opinion.features[self.rows[out]])
        figures["copy_ratio"] = self._neighbours.ratios_among()
        neighbours = self._neighbours
        figures["pixel_distance"] = neighbours.spacing / neighbours.usual
        return pd.DataFrame(figures)

    def measure(self, images: np.ndarray, class_indices: np.ndarray) -> pd.DataFrame:
        """Return the figures of synthetic images.

        Parameters
        ----------
        images : ndarray of shape (m, ...)
            In the user's layout and range.
        class_indices : ndarray of shape (m,), int
            What they were asked to be.

        Returns
        -------
        figures : DataFrame of m rows
            "probability": of the asked class, mean over the judges. "agrees": share of
            the judges that find no other class likelier. "distance": from the real
            images of any class, in the judges' features; 1 is usual for real images
            that they have not seen.
            "copy_ratio": distance to the nearest real image, by how far that one is
            from its own nearest; a copy is near 0. "pixel_distance": the same distance,
            1 being usual among real images. NaN where there is nothing to compare with.
        """
        opinions = self.reference.judge.look_at(images, class_indices)
        distances = [
            crowd.distances(opinion.features)
            for crowd, opinion in zip(self.reference.crowds, opinions, strict=True)
        ]
        figures = {
            "probability": np.mean([o.probability for o in opinions], axis=0),
            "agrees": np.mean([o.agrees for o in opinions], axis=0),
            "distance": np.mean(distances, axis=0),
            "copy_ratio": np.full(len(images), np.nan),
            "pixel_distance": np.full(len(images), np.nan),
        }
        if len(self.rows) > 1 and len(images):
            found, nearest = self._neighbours.find(self._shrink(images))
            neighbours = self._neighbours
            figures["copy_ratio"] = found / neighbours.spacing[nearest]
            figures["pixel_distance"] = found / neighbours.usual
        return pd.DataFrame(figures)

    def others(self) -> np.ndarray:
        """Return how far real images of other classes are from this one, in pixels.

        As the "pixel_distance" of `measure`, of 200 images at most; none where there is
        nothing to compare with.
        """
        n = len(self.reference.images)
        rows = np.setdiff1d(np.arange(n), self.rows)
        if len(self.rows) < 2 or not len(rows):
            return np.empty(0)
        spread = np.linspace(0, len(rows) - 1, min(MOST_OTHERS, len(rows)), dtype=int)
        rows = rows[spread]
        found, _ = self._neighbours.find(self._shrink(self.reference.images[rows]))
        return found / self._neighbours.usual

    def repetition(self, images: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """Return how near each image is to an earlier one, 1 being real images' way.

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
        # As floats, and not shrunk yet, a class may be larger than the whole set
        return np.concatenate([shrink(to_model_range(chunk)) for chunk in chunks])


def _draw_rows(class_indices: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows to look at, in order."""
    drawn = []
    for index in np.unique(class_indices):
        rows = np.flatnonzero(class_indices == index)
        if len(rows) > MOST_PER_CLASS:
            rng = np.random.default_rng([seed, int(index)])
            rows = rng.choice(rows, MOST_PER_CLASS, replace=False)
        drawn.append(rows)
    return np.sort(np.concatenate(drawn))
