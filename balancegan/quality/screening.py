"""Which generated images are kept: more are generated than needed, the worst rejected.

An image is rejected for one of four reasons: it shows another class, is unlike any real
image, copies one, or repeats an earlier one. The limits of a class come from its first
256 images, so which images are accepted does not depend on how many are wanted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from balancegan.gan.model import TrainedModel
from balancegan.gan.quality import diversity_ratio
from balancegan.gan.selection import Selection
from balancegan.quality.judges import ClassReference, Reference
from balancegan.quality.likeness import NEAR

AT_ONCE = 512  # images that are measured together
MOST_EARLIER = 10_000  # images of a class that later ones may repeat
N_TRIAL = 256  # images of a class that its limits are set by
# Least share of them that is rejected as of another class, at a cost in variety
WORST = 0.05
MOST_FOR_MIDWAY = 0.2  # rejected to agree more often with the class than real images
LEAST_ACCEPTED = 0.2  # a class with fewer accepted is not generated
FAR = 0.99  # quantile of real images beyond which an image is unlike them
COPY = 0.5  # of the distance from the real image to its own nearest
MOSTLY = 0.5  # of the first images
SHRINKAGE = 10  # images of all classes that count in the mean of each class

# Methods by which images are added
GAN, RECOMBINED = "gan", "recombined"
COPIED = "copied"
METHODS = {
    GAN: "generated images",
    RECOMBINED: "images recombined from real ones",
    COPIED: "copies of real images",
}


class Reason(NamedTuple):
    """A reason for rejection: code of the finding, and words for text and tables."""

    code: str
    images: str
    short: str


REASONS = {
    "copy": Reason("BG201", "copies of training images", "copy"),
    "repeated": Reason("BG202", "repeated (near-identical) images", "repeated"),
    "unlike": Reason("BG203", "images unlike real ones", "unlike real"),
    "other_class": Reason("BG204", "images of other classes", "other class"),
}


def describe_reason(row: Mapping[Any, Any]) -> str:
    """Return the main reason for rejection of a row of a summary, in words.

    >>> describe_reason({"reason": "unlike"}), describe_reason({"reason": None})
    ('Rejected as images unlike real ones', 'Too few accepted')
    """
    reason = row["reason"]
    if reason not in REASONS:  # None, or NaN in a table: nothing was rejected
        return "Too few accepted"
    return f"Rejected as {REASONS[reason].images}"


@dataclass(frozen=True)
class Limits:
    """The limits that images of a class must keep to."""

    least_probability: float  # of the asked class, according to the judges
    most_distance: float  # from the real images of the class
    most_pixel_distance: float
    real_agreement: float  # share of unseen real images that judges recognise
    # Whether most of the first images are far from the class. Noise also looks like
    # another class, and images of another class are also far: this decides which of
    # the two reasons is given for an image that is both
    is_mostly_unlike: bool = False

    def are_far(self, figures: pd.DataFrame) -> pd.Series:
        """Return which images are farther from the class than real ones."""
        return (figures["distance"] > self.most_distance) | (
            figures["pixel_distance"] > self.most_pixel_distance
        )

    def reasons(self, figures: pd.DataFrame) -> np.ndarray:
        """Return why each image is rejected, "" where it is accepted.

        Of several reasons: copy before repetition before other class or unlike.
        """
        why = np.full(len(figures), "", dtype=object)
        found = {
            "unlike": self.are_far(figures),
            "other_class": figures["probability"] < self.least_probability,
        }
        for reason in sorted(found, reverse=not self.is_mostly_unlike):
            why[found[reason]] = reason
        why[figures["repetition"] < NEAR] = "repeated"
        why[figures["copy_ratio"] < COPY] = "copy"
        return why


def set_limits(
    figures: pd.DataFrame,
    real: pd.DataFrame,
    everything: pd.DataFrame,
    others: np.ndarray,
) -> Limits:
    """Return the limits of a class, from the figures of its first images.

    The least probability rejects the worst 5 %, and more until the judges recognise the
    images above it as often as real images that they have not seen. The generator has
    learned from the same images as the judges, so they recognise its images too
    easily: therefore the midpoint between that share and 100 % is required, if it
    costs no more than 20 % of the images.

    `real` and `everything` are the figures of the real images of the class and of all
    classes; `others` are the pixel distances of real images of other classes.
    """
    agreement = _shrunk_mean(real["agrees"], everything["agrees"])
    limits = Limits(
        _least_probability(figures, agreement),
        _greater_quantile(real["distance"], everything["distance"]),
        _greater_quantile(real["pixel_distance"], pd.Series(others, dtype=float)),
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
    """Return the least probability above which judges agree on such a share."""
    ordered = figures.sort_values("probability", ascending=False)
    shares = ordered["agrees"].expanding().mean().to_numpy()
    good = np.flatnonzero(shares >= agreement)
    return float(ordered["probability"].iloc[good[-1]]) if len(good) else float("inf")


def _shrunk_mean(own: pd.Series, all_classes: pd.Series) -> float:
    """Return the mean of a class, shrunk to that of all classes if it is small."""
    own, all_classes = own.dropna(), all_classes.dropna()
    if not len(all_classes):
        return 1.0
    total = own.sum() + SHRINKAGE * all_classes.mean()
    return float(total / (len(own) + SHRINKAGE))


def _greater_quantile(own: pd.Series, others: pd.Series) -> float:
    found = [
        float(values.dropna().quantile(FAR))
        for values in (own, others)
        if values.notna().any()
    ]
    return max(found, default=float("inf"))


@dataclass(frozen=True, eq=False)
class ScreeningResult:
    """The accepted images of one class, and the figures of all that were measured.

    Attributes
    ----------
    numbers : ndarray of shape (n,), int
        The accepted images, in order; fewer than wanted where too few are good enough.
    figures : DataFrame
        A row for each image that was measured, in the order of their numbers;
        "rejected" is why, "" where it was accepted.
    real : DataFrame
        The figures of the real images of the class.
    limits : Limits
        The limits of the class.
    diversity : tuple of float
        Of the first images, before and after rejection, as a ratio to real ones.
    is_given_up : bool
        Whether fewer than 20 % of the first images were accepted. Then `numbers` is
        empty.
    """

    numbers: np.ndarray
    figures: pd.DataFrame
    real: pd.DataFrame
    limits: Limits
    diversity: tuple[float, float]
    is_given_up: bool

    def weights(self, numbers: np.ndarray | None = None) -> np.ndarray:
        """Return sample weights, 0 to 1, of images; of the accepted ones if None.

        The probability of the class relative to the median of unseen real images, at
        most 1. Images that were not measured get the mean of the measured ones.
        """
        numbers = self.numbers if numbers is None else numbers
        usual = self.real["probability"].median() if len(self.real) else np.nan
        if not usual > 0 or not len(numbers):
            return np.ones(len(numbers))
        known = np.minimum(1.0, self.figures["probability"].to_numpy() / usual)
        unknown = max(0, int(numbers.max()) + 1 - len(known))
        return np.pad(known, (0, unknown), constant_values=known.mean())[numbers]


def screen_images(
    model: TrainedModel,
    reference: Reference,
    selection: Selection,
    n: int,
    best_of: int = 1,
) -> ScreeningResult:
    """Find the first `n` images of a class that are good enough.

    With `best_of` above 1, measure this number of images for each accepted one and take
    those of the highest probability.
    """
    of_class = reference.of_classes(selection.class_indices)
    measured = _MeasuredImages(model, selection, of_class)

    # Set the limits of the class by its first images
    trial = np.concatenate(list(measured.extend(N_TRIAL)))
    others = of_class.pixel_distances_of_others()
    limits = set_limits(measured.figures(), of_class.real, reference.real, others)
    accepted = limits.reasons(measured.figures()) == ""
    diversity = tuple(
        _diversity(of_class, images) for images in (trial, trial[accepted])
    )
    is_given_up = bool(accepted.mean() < LEAST_ACCEPTED)

    # Measure more until enough are accepted
    most = int(n * max(best_of, 1 / LEAST_ACCEPTED))
    while not is_given_up and len(accepted) < most:
        missing = max(
            best_of * n - len(accepted) if best_of > 1 else 0,
            int((n - accepted.sum()) / accepted.mean() + 0.999),
        )
        if missing <= 0:
            break
        for _ in measured.extend(min(missing, most - len(accepted))):
            pass  # only the figures are kept
        accepted = limits.reasons(measured.figures()) == ""

    # Take the first, or the best, of those accepted
    figures = measured.figures()
    figures.insert(0, "number", np.arange(len(figures)))
    figures["rejected"] = limits.reasons(figures)
    numbers = np.flatnonzero(accepted & (not is_given_up))
    if best_of > 1:
        first = (numbers < best_of * n) | (np.arange(len(numbers)) < n)
        numbers = numbers[first]  # the trial may be larger than requested
        order = np.argsort(-figures["probability"].to_numpy()[numbers])
        numbers = np.sort(numbers[order[:n]])
    return ScreeningResult(
        numbers[:n],
        figures,
        of_class.real,
        limits,
        (diversity[0], diversity[1]),
        is_given_up,
    )


def _diversity(of_class: ClassReference, images: np.ndarray) -> float:
    if not len(of_class.rows) or not len(images):
        return float("nan")
    return diversity_ratio(of_class.reference.images[of_class.rows], images)


class _MeasuredImages:
    """Images of one class, generated and measured one after the other."""

    def __init__(
        self, model: TrainedModel, selection: Selection, of_class: ClassReference
    ) -> None:
        self.model, self.selection, self.of_class = model, selection, of_class
        self.n_images = 0
        self.flat: np.ndarray | None = None
        self.tables: list[pd.DataFrame] = []

    def extend(self, n: int) -> Iterator[np.ndarray]:
        """Generate, measure and yield the next n images, some at a time."""
        end = self.n_images + n
        while self.n_images < end:
            size = min(AT_ONCE, end - self.n_images)
            parts = self.model.make_selected(self.selection, self.n_images, size)
            images, class_indices = map(np.concatenate, zip(*parts, strict=True))
            figures = self.of_class.measure(images, class_indices)
            flat = self.of_class.flatten(images)
            earlier = flat[:0] if self.flat is None else self.flat
            figures["repetition"] = self.of_class.repetition(flat, earlier)
            if len(earlier) < MOST_EARLIER:
                self.flat = np.concatenate([earlier, flat])[:MOST_EARLIER]
            self.tables.append(figures)
            self.n_images += size
            yield images

    def figures(self) -> pd.DataFrame:
        """Return the figures of all images so far."""
        return pd.concat(self.tables, ignore_index=True)
