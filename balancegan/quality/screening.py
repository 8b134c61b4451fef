"""Which synthetic images are kept: more are made than asked for, the worst rejected.

An image is rejected for one of four reasons: of another class, unlike any real image,
a copy of one, a repetition. The limits of a class come from its first 256 images, so
that which images are accepted does not depend on how many are wanted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from balancegan.gan.model import TrainedModel
from balancegan.gan.quality import diversity_ratio
from balancegan.gan.selection import Selection
from balancegan.quality.reference import ClassReference, Reference

AT_ONCE = 512  # images that are measured together
MOST_EARLIER = 10_000  # images of a class that later ones may be repetitions of
N_TRIAL = 256  # images of a class that its limits are set by
# Share of them that is rejected as of another class, at least: what it costs in variety
# is in benchmarks/LOG.md
WORST = 0.05
MOST_FOR_MIDWAY = 0.2  # of them, for being of the class more often than unseen ones
LEAST_ACCEPTED = 0.2  # of them; a class with fewer is not made by the GAN
FAR = 0.99  # quantile of real images beyond which an image is unlike them
COPY = 0.5  # of the way from the real image to its own nearest
REPEATED = 0.25  # of the usual distance of real images
MOSTLY = 0.5  # of the first images
SHRINKAGE = 10  # real images of the other classes that few of a class are joined by


@dataclass(frozen=True)
class Limits:
    """What an image of a class has to keep to.

    Attributes
    ----------
    least_probability : float
        Of the asked class, as the judges see it.
    most_distance, most_pixel_distance : float
        From the real images of the class.
    real_agreement : float
        The share of real images of the class that a judge which has not seen them puts
        into it.
    is_mostly_unlike : bool, default=False
        Whether most of the first images are unlike the class. Noise is taken for some
        class, and images of another class are far from this one: of an image that is
        both, the majority says which reason is meant.
    """

    least_probability: float
    most_distance: float
    most_pixel_distance: float
    real_agreement: float
    is_mostly_unlike: bool = False

    def are_far(self, figures: pd.DataFrame) -> pd.Series:
        """Return which images are farther from the class than real ones are."""
        return (figures["distance"] > self.most_distance) | (
            figures["pixel_distance"] > self.most_pixel_distance
        )

    def reasons(self, figures: pd.DataFrame) -> np.ndarray:
        """Return why each image is rejected, "" where it is accepted.

        Of several reasons the graver: a copy, a repetition, another class or unlike
        the class, whichever `is_mostly_unlike` says.
        """
        why = np.full(len(figures), "", dtype=object)
        found = {
            "unlike": self.are_far(figures),
            "other_class": figures["probability"] < self.least_probability,
        }
        for reason in sorted(found, reverse=not self.is_mostly_unlike):
            why[found[reason]] = reason
        why[figures["repetition"] < REPEATED] = "repeated"
        why[figures["copy_ratio"] < COPY] = "copy"
        return why


def set_limits(
    figures: pd.DataFrame,
    real: pd.DataFrame,
    everything: pd.DataFrame,
    others: np.ndarray,
) -> Limits:
    """Return the limits of a class.

    The least probability leaves out the worst twentieth, and more until the images
    above it are found to be of the class as often as real ones are that no judge has
    seen. The GAN has seen what the judges have, so its images please them more than
    they should: midway between that and always is asked for, as far as a fifth of
    them goes. So a filter that keeps the easiest images only is not what comes of it.

    Parameters
    ----------
    figures : DataFrame
        Of the first images of the class.
    real, everything : DataFrame
        Of the real images of the class, and of all classes.
    others : ndarray of shape (n,)
        The pixel distance from the class of real images of other classes: an image
        farther than they are is like none.
    """
    agreement = _shrunk_mean(real["agrees"], everything["agrees"])
    distance = _quantile(real["distance"], everything["distance"])
    pixels = _quantile(real["pixel_distance"], pd.Series(others, dtype=float))
    limits = Limits(
        _least_probability(figures, agreement),
        distance,
        pixels,
        agreement,
    )
    mostly = bool(limits.are_far(figures).mean() > MOSTLY)
    return replace(limits, is_mostly_unlike=mostly)


def _least_probability(figures: pd.DataFrame, agreement: float) -> float:
    probability = figures["probability"]
    like_real = _probability_above(figures, agreement)
    midway = _probability_above(figures, (agreement + 1) / 2)
    worst, most = (float(probability.quantile(s)) for s in (WORST, MOST_FOR_MIDWAY))
    return max(worst, like_real, min(midway, most))


def _probability_above(figures: pd.DataFrame, agreement: float) -> float:
    """Return the least probability above which images are as often of the class."""
    ordered = figures.sort_values("probability", ascending=False)
    shares = ordered["agrees"].expanding().mean().to_numpy()
    good = np.flatnonzero(shares >= agreement)
    return float(ordered["probability"].iloc[good[-1]]) if len(good) else float("inf")


def _shrunk_mean(own: pd.Series, all_classes: pd.Series) -> float:
    """Return the mean of a class, drawn to that of all where it has few images."""
    own, all_classes = own.dropna(), all_classes.dropna()
    if not len(all_classes):
        return 1.0
    total = own.sum() + SHRINKAGE * all_classes.mean()
    return float(total / (len(own) + SHRINKAGE))


def _quantile(own: pd.Series, all_classes: pd.Series) -> float:
    """Return the greater of a class's and of all classes' quantile."""
    found = [
        float(values.dropna().quantile(FAR))
        for values in (own, all_classes)
        if values.notna().any()
    ]
    return max(found, default=float("inf"))


@dataclass(frozen=True, eq=False)
class Screened:
    """What came of looking at the images of one class.

    Attributes
    ----------
    numbers : ndarray of shape (n,), int
        Those accepted, in order; fewer than asked for where too few are good enough.
    figures : DataFrame
        The figures of every image that was looked at, in the order of their numbers;
        "rejected" is why, "" where it was accepted.
    real : DataFrame
        The figures of the real images of the class.
    limits : Limits
        What was asked of them.
    diversity : tuple of float
        Of the first images, before and after rejection, as a ratio to real ones.
    is_given_up : bool
        Whether fewer than a fifth of the first images were accepted. No number is.
    """

    numbers: np.ndarray
    figures: pd.DataFrame
    real: pd.DataFrame
    limits: Limits
    diversity: tuple[float, float]
    is_given_up: bool

    def weights(self, numbers: np.ndarray | None = None) -> np.ndarray:
        """Return how much images should count, 0 to 1.

        As likely of its class as usual for real images that no judge has seen: 1; half
        as likely: one half. Those that were not looked at: as the mean of the others.

        Parameters
        ----------
        numbers : ndarray of shape (n,), int, default=None
            Which. None: the accepted ones.
        """
        numbers = self.numbers if numbers is None else numbers
        usual = self.real["probability"].median() if len(self.real) else np.nan
        if not usual > 0 or not len(numbers):
            return np.ones(len(numbers))
        known = np.minimum(1.0, self.figures["probability"].to_numpy() / usual)
        unknown = max(0, int(numbers.max()) + 1 - len(known))
        return np.pad(known, (0, unknown), constant_values=known.mean())[numbers]


class Screen:
    """Looks at images of a model and accepts those that are good enough.

    Parameters
    ----------
    model : TrainedModel
        What makes the images.
    reference : Reference
        What they are measured against.
    """

    def __init__(self, model: TrainedModel, reference: Reference) -> None:
        self.model, self.reference = model, reference

    def screen(self, selection: Selection, n: int, best_of: int = 1) -> Screened:
        """Return the numbers of the first `n` images that are good enough.

        Parameters
        ----------
        selection : Selection
            The class.
        n : int
            How many images are wanted.
        best_of : int, default=1
            Look at so many for each one that is wanted, and take those of the highest
            probability. 1: the first that are accepted.
        """
        of_class = self.reference.of_classes(selection.class_indices)
        looked = _Looked(self.model, selection, of_class)
        trial = np.concatenate(list(looked.at(0, N_TRIAL)))
        limits = set_limits(
            looked.figures(), of_class.real, self.reference.real, of_class.others()
        )
        accepted = limits.reasons(looked.figures()) == ""
        diversity = tuple(
            diversity_ratio(of_class.reference.images[of_class.rows], images)
            if len(of_class.rows) and len(images)
            else float("nan")
            for images in (trial, trial[accepted])
        )
        is_given_up = bool(accepted.mean() < LEAST_ACCEPTED)
        most = int(n * max(best_of, 1 / LEAST_ACCEPTED))
        while not is_given_up and len(accepted) < most:
            missing = max(
                best_of * n - len(accepted) if best_of > 1 else 0,
                int((n - accepted.sum()) / accepted.mean() + 0.999),
            )
            if missing <= 0:
                break
            for _ in looked.at(len(accepted), min(missing, most - len(accepted))):
                pass  # only the figures are kept
            accepted = limits.reasons(looked.figures()) == ""
        figures = looked.figures()
        figures.insert(0, "number", np.arange(len(figures)))
        figures["rejected"] = limits.reasons(figures)
        numbers = np.flatnonzero(accepted & (not is_given_up))
        if best_of > 1:
            first = (numbers < best_of * n) | (np.arange(len(numbers)) < n)
            numbers = numbers[first]  # the trial may be of more than are asked for
            order = np.argsort(-figures["probability"].to_numpy()[numbers])
            numbers = np.sort(numbers[order[:n]])
        return Screened(
            numbers[:n],
            figures,
            of_class.real,
            limits,
            (diversity[0], diversity[1]),
            is_given_up,
        )


class _Looked:
    """Images of one class that were looked at one after the other."""

    def __init__(
        self, model: TrainedModel, selection: Selection, of_class: ClassReference
    ) -> None:
        self.model, self.selection, self.of_class = model, selection, of_class
        self.flat: np.ndarray | None = None
        self.tables: list[pd.DataFrame] = []

    def at(self, first: int, n: int) -> Iterator[np.ndarray]:
        """Make, measure and yield images first..first + n - 1, some at a time."""
        for start in range(first, first + n, AT_ONCE):
            size = min(AT_ONCE, first + n - start)
            parts = self.model.make_selected(self.selection, start, size)
            images, class_indices = map(np.concatenate, zip(*parts, strict=True))
            figures = self.of_class.measure(images, class_indices)
            flat = self.of_class.flatten(images)
            earlier = flat[:0] if self.flat is None else self.flat
            figures["repetition"] = self.of_class.repetition(flat, earlier)
            if len(earlier) < MOST_EARLIER:
                self.flat = np.concatenate([earlier, flat])[:MOST_EARLIER]
            self.tables.append(figures)
            yield images

    def figures(self) -> pd.DataFrame:
        """Return the figures of all images looked at."""
        return pd.concat(self.tables, ignore_index=True)
