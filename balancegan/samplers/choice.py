"""The choice of a method for each class: recombine, generate or copy images.

1. Several attributes with separate pixels: real images are recombined.
2. At least 8 real images: the GAN generates up to `gan_share` of the class.
3. Everything else: copies of real images.

Generated images are screened. Copies replace the rejected ones. `FilledPlan` says how
each image is made, and why. A new method returns a ClassFill: one line in
`choose_methods`, one in `_fill_class`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from balancegan.attributes import name_values
from balancegan.balance import ROUNDING, Plan
from balancegan.errors import DataError
from balancegan.gan.model import TrainedModel
from balancegan.gan.selection import Selection
from balancegan.progress import show_progress
from balancegan.quality.judges import Reference
from balancegan.quality.screening import (
    COPIED,
    GAN,
    RECOMBINED,
    ScreeningResult,
    screen_images,
)
from balancegan.samplers.copies import MOVED, SHIFTED, MovedCopies
from balancegan.samplers.recombination import RecombiningModel
from balancegan.samplers.summary import ClassFill, summarize
from balancegan.samplers.synthesis import Portion

if TYPE_CHECKING:
    from balancegan.samplers.move_finder import FoundMoves

# Real images of a class from which a GAN can learn it (docs/benchmark.md)
LEAST_FOR_GAN = 8
NO_IMAGES = pd.DataFrame(
    {
        "class": np.empty(0, object),
        "number": np.empty(0, int),
        "method": np.empty(0, str),
        "weight": np.empty(0),
        "probability": np.empty(0),
    }
)


@dataclass(frozen=True, eq=False)
class FilledPlan:
    """How each image of a plan is made, and how generated images were judged.

    Attributes
    ----------
    portions : list of Portion
        Class after class.
    quality : DataFrame
        A row for each image, in the order of the portions: "class", "number", "method",
        "weight", the figures of
        :meth:`balancegan.quality.judges.ClassReference.measure` (NaN of images that
        were not judged), and "rejected", the reason, "" if it was accepted.
    summary : DataFrame
        A row for each class; see :func:`balancegan.samplers.summary.summarize`.
    """

    portions: list[Portion]
    quality: pd.DataFrame
    summary: pd.DataFrame

    @property
    def classes(self) -> list[Any]:
        """The classes that get images."""
        return self.summary["class"].tolist() if len(self.summary) else []


class MethodChoice:
    """Chooses how the images of each class are made.

    Parameters
    ----------
    model : TrainedModel
        Its generator may be None, if no image has to be generated.
    images : ndarray of shape (n, ...)
        The real images to add to.
    class_indices : ndarray of shape (n,), int
        Their classes; combinations if there are several attributes.
    gan_share : float, default=1
        Largest share of a class that may be generated, rounded up. 1: every image is
        generated, none is copied or recombined.
    moves : sequence of str or None, default=("shift",)
        How copies may be moved; see :class:`balancegan.samplers.copies.MovedCopies`.
        None: determined when copies are first needed.
    reject : bool, default=True
        Whether generated images are screened. False: the first ones are taken.
    best_of : int, default=1
        Images judged for each one taken.
    truncation : float or None, default=None
        See :func:`balancegan.gan.model.truncate`.
    reference, found_moves : default=None
        Judges and moves found for the same images earlier.
    """

    def __init__(
        self,
        model: TrainedModel,
        images: np.ndarray,
        class_indices: np.ndarray,
        *,
        gan_share: float = 1.0,
        moves: Sequence[str] | None = (SHIFTED,),
        reject: bool = True,
        best_of: int = 1,
        truncation: float | None = None,
        reference: Reference | None = None,
        found_moves: "FoundMoves | None" = None,
    ) -> None:
        self.model = replace(model, truncation=truncation)
        self.images, self.class_indices = images, class_indices
        self.gan_share, self.moves = gan_share, moves
        self.reject, self.best_of = reject, best_of
        self.reference, self.found_moves = reference, found_moves
        self.shifted_share = 0.0
        self.show = self.shows_judging = False

    @property
    def is_gan_only(self) -> bool:
        """Whether every image is generated."""
        return self.gan_share == 1

    def needs_generator(self, plan: Plan, names: Sequence[str]) -> bool:
        """Return whether a plan contains images that only a generator can make.

        Parameters are those of :meth:`fill_plan`.
        """
        return self.is_gan_only or any(
            self._is_generated(name_values(label, names), n)
            for label, n in plan.items()
            if n
        )

    def fill_plan(self, plan: Plan, names: Sequence[str], *, show: bool) -> FilledPlan:
        """Return how the images of a plan are made.

        Parameters
        ----------
        plan : dict
            Number of images to make per class.
        names : sequence of str
            The attributes that define the classes: one, or several if the keys of the
            plan are tuples. The remaining attributes are drawn as the training images
            have them.
        show : bool
            Whether to show progress on stderr.
        """
        wanted = {label: n for label, n in plan.items() if n}
        self.shifted_share = self._common_copied_share(plan, names)
        self.show = show
        judges = self.reject and self.model.generator is not None
        self.shows_judging = show and judges and bool(wanted)
        portions: list[Portion] = []
        tables, rows = [], []
        with show_progress(
            "Judging", len(wanted), "classes", visible=self.shows_judging
        ) as display:
            for done, (label, n) in enumerate(wanted.items(), 1):
                named = name_values(label, names)
                selection, own = self.model.select(named), self._rows_of(named)
                fills = self._fill_class(selection, own, n)
                portions += [fill.portion for fill in fills]
                tables.append(_describe_images(label, fills))
                rows.append(summarize(label, len(own), fills))
                display.update(done)
        quality = pd.concat(tables, ignore_index=True) if tables else NO_IMAGES.copy()
        return FilledPlan(portions, quality, pd.DataFrame(rows))

    def choose_methods(self, selection: Selection, n_real: int) -> list[str]:
        """Return the methods for a class with `n_real` images, the best first."""
        if self.is_gan_only:
            return [GAN]
        if len(self.model.attributes.sizes) > 1 and self.recombining.can_make(
            selection
        ):
            return [RECOMBINED]
        if not n_real:
            return [GAN]
        return [GAN, COPIED] if n_real >= LEAST_FOR_GAN else [COPIED]

    def most_generated(self, n_real: int, n: int) -> int:
        """Return how many of n new images of a class may be generated."""
        share = self.gan_share * (n_real + n) - ROUNDING  # 0.07 * 100 is above 7
        return min(n, int(np.ceil(share)))

    def _is_generated(self, named: Mapping[str, Any], n: int) -> bool:
        n_real = len(self._rows_of(named))
        method = self.choose_methods(self.model.select(named), n_real)[0]
        return method == GAN and (not n_real or self.most_generated(n_real, n) > 0)

    def _common_copied_share(self, plan: Plan, names: Sequence[str]) -> float:
        """Return the share of copies that every class has, 0 if one has none.

        Shifted copies identify a class unless all classes have as many.
        """
        shares = []
        for label, n in plan.items():
            n_real = len(self._rows_of(name_values(label, names)))
            shares.append((n - self.most_generated(n_real, n)) / max(n_real + n, 1))
        return min(shares, default=0.0)

    def _rows_of(self, named: Mapping[str, Any]) -> np.ndarray:
        """Return the rows of real images with these values."""
        attributes = self.model.attributes
        values = np.unravel_index(self.class_indices, attributes.sizes)
        has_each = [
            own == value
            for own, value in zip(values, attributes.find(named), strict=True)
            if value is not None
        ]
        return np.flatnonzero(np.logical_and.reduce(has_each))

    def _fill_class(
        self, selection: Selection, own: np.ndarray, n: int
    ) -> list[ClassFill]:
        methods = self.choose_methods(selection, len(own))
        if methods == [RECOMBINED]:
            return [self._recombine(selection, n)]
        if COPIED not in methods:
            fill = self._generate(selection, n)
            missing = n - len(fill.portion)
            return [fill, self._force(selection, missing, fill)] if missing else [fill]

        # Generate a share of the class, copy the rest and what was rejected
        n_asked = n_rejected = self.most_generated(len(own), n)
        fills = []
        if n_asked and GAN in methods:
            fills.append(self._generate(selection, n_asked))
            n_rejected -= len(fills[-1].portion)
        n_copies = n - n_asked + n_rejected
        if n_copies:
            copies = self._copy(own, n_copies, len(own) + n)
            fills.append(ClassFill(copies, n_replacing=n_rejected))
        return fills

    def _generate(self, selection: Selection, n: int) -> ClassFill:
        """Return generated images, at most n: those that pass the screening."""
        if not self.reject:
            return ClassFill(self._portion(self.model, selection, np.arange(n)))
        if self.reference is None:
            with show_progress(
                "Training judges", visible=self.shows_judging, books_time=False
            ):
                self.reference = Reference(
                    self.images,
                    self.class_indices,
                    self.model.image_format,
                    self.model.attributes.sizes,
                    self.model.seed,
                )
        screened = screen_images(self.model, self.reference, selection, n, self.best_of)
        return ClassFill(self._screened_portion(selection, screened), screened)

    def _force(self, selection: Selection, n: int, fill: ClassFill) -> ClassFill:
        """Return n generated images that were rejected: no real image can be copied."""
        screened = fill.screened
        if screened is None:
            raise ValueError("Without screening no image is missing.")
        accepted = screened.numbers
        numbers = np.setdiff1d(np.arange(n + len(accepted)), accepted)[:n]
        portion = self._screened_portion(selection, screened, numbers)
        return ClassFill(portion, screened, n_forced=n)

    def _screened_portion(
        self,
        selection: Selection,
        screened: ScreeningResult,
        numbers: np.ndarray | None = None,
    ) -> Portion:
        if numbers is None:
            numbers = screened.numbers
        weights = screened.weights(numbers)
        return self._portion(self.model, selection, numbers, weights)

    def _portion(
        self,
        model: TrainedModel,
        selection: Selection,
        numbers: np.ndarray,
        weights: np.ndarray | None = None,
        method: str = GAN,
    ) -> Portion:
        last = int(numbers[-1]) + 1 if len(numbers) else 0
        indices = selection.draw(model.seed, 0, last)[numbers]

        def make(numbers: np.ndarray) -> Any:
            for images, _ in model.make_numbered(selection, numbers):
                yield images

        if weights is None:
            weights = np.ones(len(numbers))
        return Portion(method, numbers, indices, weights, make)

    @cached_property
    def recombining(self) -> RecombiningModel:
        """The model that recombines real images; finding its regions takes seconds."""
        return RecombiningModel.of(self.model, self.images, self.class_indices)

    def _recombine(self, selection: Selection, n: int) -> ClassFill:
        numbers = np.arange(n)
        return ClassFill(
            self._portion(self.recombining, selection, numbers, method=RECOMBINED)
        )

    def _copy(self, own: np.ndarray, n: int, n_rows: int) -> Portion:
        """Return copies, half of them shifted, or as many as all classes can have."""
        shifted = min(1.0, max(MOVED, self.shifted_share * n_rows / n))
        copies = MovedCopies(
            self.images,
            self.class_indices,
            own,
            self.model.image_format,
            self.model.seed,
            shifted,
            moves=self._allowed_moves(),
        )
        numbers = np.arange(n)
        sources = np.array([copies.source(k) for k in numbers.tolist()], dtype=int)
        return Portion(
            COPIED,
            numbers,
            self.class_indices[sources],
            np.ones(n),
            copies.make,
            sources,
            copies,
        )

    def _allowed_moves(self) -> Sequence[str]:
        if self.moves is not None:
            return self.moves
        if self.found_moves is None:
            from balancegan.samplers.move_finder import find_moves  # imports Keras

            self.found_moves = find_moves(
                self.images,
                self.class_indices,
                self.model.image_format,
                self.model.attributes,
                self.model.seed,
                show=self.show,
            )
        return self.found_moves.allowed


def _describe_images(label: Any, fills: Sequence[ClassFill]) -> pd.DataFrame:
    """Return a row for each new image of a class."""
    tables = []
    for fill in fills:
        table = pd.DataFrame({"number": fill.portion.numbers})
        table.insert(0, "class", pd.Series([label] * len(table), dtype=object))
        table["method"], table["weight"] = fill.portion.method, fill.portion.weights
        if fill.screened is not None:
            table = table.merge(fill.screened.figures, on="number", how="left")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def check_best_of(best_of: Any, *, reject: bool) -> int:
    """Return how many images are judged for each one taken."""
    if not isinstance(best_of, Integral) or best_of < 1:
        raise DataError(
            f"best_of must be a whole number of at least 1. Received: {best_of!r}."
        )
    return int(best_of) if reject else 1


def check_truncation(truncation: Any) -> float | None:
    """Return where latents are cut off, in standard deviations."""
    if truncation is None:
        return None
    if isinstance(truncation, Real) and (limit := float(truncation)) > 0:
        return limit
    raise DataError(
        f"truncation must be a number above 0, or None. Received: {truncation!r}."
    )
