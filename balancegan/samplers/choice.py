"""Each class by the best way that it has images for: the GAN where it can learn.

From the top: real images recombined, where each of several attributes has pixels of its
own; images of the GAN; images between real ones; copies of real images. Images of the
GAN are screened, and limited to a share of each class (`gan_share`); copies fill up the
rest. Every added image says how it was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from balancegan.attributes import name_values
from balancegan.balance import ROUNDING, Plan
from balancegan.gan.model import TrainedModel
from balancegan.gan.selection import Selection
from balancegan.progress import show_progress
from balancegan.quality.reference import Reference
from balancegan.quality.screening import (
    COPIED,
    GAN,
    INTERPOLATED,
    METHODS,
    RECOMBINED,
    ScreeningResult,
    screen_images,
)
from balancegan.samplers.copies import MOVED, SHIFTED, MovedCopies
from balancegan.samplers.recombination import RecombiningModel
from balancegan.samplers.summary import Made, summarize
from balancegan.samplers.synthesis import Portion

if TYPE_CHECKING:
    from balancegan.gan.inversion import LatentFinder
    from balancegan.samplers.interpolation import InterpolatingModel
    from balancegan.samplers.move_finder import FoundMoves

# From how many real images of a class on; benchmarks/LOG.md has how this was found
RUNGS = ((GAN, 8), (INTERPOLATED, 20), (COPIED, 1))
GENERATED = (GAN, INTERPOLATED)
NOTHING = pd.DataFrame(  # of which no image is made
    columns=["class", "number", "method", "weight", "probability"]
).astype({"number": int, "method": str, "weight": float, "probability": float})


@dataclass(frozen=True, eq=False)
class Laddered:
    """How the images of a plan are made, and what was found of them.

    Attributes
    ----------
    portions : list of Portion
        Class after class.
    quality : DataFrame
        A row for each image, in the order of the portions: "class", "number", "method",
        "weight", the figures of
        :meth:`balancegan.quality.reference.ClassReference.measure`, NaN of images
        that were not looked at, and "rejected", why it was, "" of those that were not.
    summary : DataFrame
        See :func:`balancegan.samplers.summary.summarize`.
    """

    portions: list[Portion]
    quality: pd.DataFrame
    summary: pd.DataFrame

    @property
    def classes(self) -> list[Any]:
        """The classes that get images."""
        return self.summary["class"].tolist() if len(self.summary) else []


class Ladder:
    """Decides how the images of each class are made.

    Parameters
    ----------
    model : TrainedModel
        The GAN.
    images : ndarray of shape (n, ...)
        The real images that are added to.
    class_indices : ndarray of shape (n,), int
        Their classes; of several attributes, of their combinations.
    reject : bool
        Whether the GAN's images are looked at. Else the first are taken, as they come.
    gan_only : bool
        Whether classes too small for the GAN get images of it all the same.
    best_of : int
        How many are looked at for each one that is taken. 1: as many as it takes.
    gan_share : float
        At most this share of the rows of a class, real and made, are images of the GAN,
        rounded up. 1: no limit.
    moves : sequence of str or None, default=("shift",)
        How copies may be moved; see :class:`balancegan.samplers.copies.MovedCopies`.
        None: it is found out when copies are first needed.
    found_moves : FoundMoves or None, default=None
        What was found out, where it was already.
    reference : Reference or None, default=None
        Judges of these images, where there are some already.
    """

    def __init__(
        self,
        model: TrainedModel,
        images: np.ndarray,
        class_indices: np.ndarray,
        *,
        reject: bool,
        gan_only: bool,
        best_of: int = 1,
        gan_share: float = 1.0,
        moves: Sequence[str] | None = (SHIFTED,),
        found_moves: "FoundMoves | None" = None,
        reference: Reference | None = None,
    ) -> None:
        self.model, self.images, self.class_indices = model, images, class_indices
        self.reject, self.gan_only, self.best_of = reject, gan_only, best_of
        self.gan_share = 1.0 if gan_only else gan_share
        self.moves, self.found_moves = moves, found_moves
        self.reference = reference
        self.finder: LatentFinder | None = None
        self.moved_share = 0.0
        self.show = self.is_shown = False

    def needs_generator(self, plan: Plan, names: Sequence[str]) -> bool:
        """Return whether a plan has images that only a generator can make.

        Parameters are those of :meth:`climb`.
        """
        return self.gan_only or any(
            self._is_generated(name_values(label, names), n)
            for label, n in plan.items()
            if n
        )

    def _is_generated(self, named: Mapping[str, Any], n: int) -> bool:
        own = self._rows_of(named)
        method = self._rungs_for(self.model.select(named), len(own))[0]
        return method == GAN and (
            not len(own) or bool(self.most_generated(len(own), np.array(n)))
        )

    def climb(self, plan: Plan, names: Sequence[str], *, show: bool) -> Laddered:
        """Return how the images of a plan are made.

        Parameters
        ----------
        plan : dict
            How many images to make of each class.
        names : sequence of str
            The attributes that the classes of the plan are of: one, or several where
            its keys are tuples. Others are drawn as the training images have them.
        show : bool
            Whether to show progress on stderr.
        """
        wanted = {label: n for label, n in plan.items() if n}
        self.moved_share = self._share_to_move(plan, names)
        portions: list[Portion] = []
        tables, rows = [], []
        self.show = show
        judges = self.reject and self.model.generator is not None
        self.is_shown = show and judges and bool(wanted)
        with show_progress(
            "Judging", len(wanted), "classes", visible=self.is_shown
        ) as display:
            for done, (label, n) in enumerate(wanted.items(), 1):
                named = name_values(label, names)
                selection, own = self.model.select(named), self._rows_of(named)
                made = self._make(selection, own, n)
                portions += [one.portion for one in made]
                tables.append(_describe(label, made))
                rows.append(summarize(label, len(own), made))
                display.update(done)
        quality = pd.concat(tables, ignore_index=True) if tables else NOTHING.copy()
        return Laddered(portions, quality, pd.DataFrame(rows))

    def _share_to_move(self, plan: Plan, names: Sequence[str]) -> float:
        """Return which share of its rows every class can have moved: 0 if one cannot.

        Being moved is a sign of a class as long as another has no copies.
        """
        shares = []
        for label, n in plan.items():
            n_own = len(self._rows_of(name_values(label, names)))
            n_copies = n - int(self.most_generated(n_own, np.array(n)))
            shares.append(n_copies / max(n_own + n, 1))
        return min(shares, default=0.0)

    def _rows_of(self, named: Mapping[str, Any]) -> np.ndarray:
        """Return which real images have some values, be they of unseen combinations."""
        attributes = self.model.attributes
        values = np.unravel_index(self.class_indices, attributes.sizes)
        wanted = attributes.find(named)
        has_each = [
            own == value
            for own, value in zip(values, wanted, strict=True)
            if value is not None
        ]
        return np.flatnonzero(np.logical_and.reduce(has_each))

    def _make(self, selection: Selection, own: np.ndarray, n: int) -> list[Made]:
        """Return what is made of one class, from the top rung down."""
        rungs = self._rungs_for(selection, len(own))
        missing = n
        if len(own) and rungs[0] != RECOMBINED:
            missing = int(self.most_generated(len(own), np.array(n)))
        n_copies = n - missing
        made: list[Made] = []
        for method in rungs:
            if not missing or method == COPIED:
                break
            made.append(self._made_so(method, selection, own, missing))
            missing -= len(made[-1].portion)
        if missing and COPIED not in rungs:
            made.append(self._forced(selection, missing, made[0].screened))
            missing = 0
        if n_copies + missing:
            copies = self._copies(own, n_copies + missing, len(own) + n)
            made.append(Made(copies, instead=missing))
        return made

    def most_generated(self, n_own: int, n: np.ndarray) -> np.ndarray:
        """Return how many of n images of a class with so many real ones may be made."""
        share = self.gan_share * (n_own + n) - ROUNDING  # 0.07 * 100 is above 7
        return np.minimum(n, np.ceil(share).astype(int))

    def order_for_fewer(self, made: Laddered) -> np.ndarray:
        """Return an order of images: the first n of a class are what n would be.

        In the order of :meth:`climb` images of the GAN come first, so that the first n
        of many have more of them than n have.
        """
        order, start = [np.empty(0, dtype=int)], 0
        for row in made.summary.to_dict("records"):
            n = sum(row[method] for method in METHODS)
            methods = made.quality["method"].iloc[start : start + n]
            is_generated = methods.isin(GENERATED).to_numpy()
            most = self.most_generated(row["real"], np.arange(n + 1))
            comes_now = np.diff(np.minimum(most, is_generated.sum())) > 0
            rows = np.empty(n, dtype=int)
            rows[comes_now] = np.flatnonzero(is_generated)
            rows[~comes_now] = np.flatnonzero(~is_generated)
            order.append(start + rows)
            start += n
        return np.concatenate(order)

    def _made_so(
        self, method: str, selection: Selection, own: np.ndarray, n: int
    ) -> Made:
        """Return images made in one way, fewer than n where too few are good."""
        if method == RECOMBINED:
            return Made(self._recombined(selection, n))
        if method == GAN:
            return self._generated(method, self.model, selection, n)
        between = self._generated(method, self._interpolating(own), selection, n)
        return between._replace(instead=len(between.portion))

    def _rungs_for(self, selection: Selection, n_real: int) -> list[str]:
        """Return the methods for a class of so many real images, the best first."""
        if self.gan_only:
            return [GAN]
        if len(self.model.attributes.sizes) > 1 and self.recombining.can_make(
            selection
        ):
            return [RECOMBINED]
        if not n_real:
            return [GAN]
        return [method for method, least in RUNGS if n_real >= least]

    def _generated(
        self, method: str, model: TrainedModel, selection: Selection, n: int
    ) -> Made:
        """Return images of a model, the good ones if they are looked at."""
        if not self.reject:
            numbers = np.arange(n)
            return Made(self._portion(method, model, selection, numbers, np.ones(n)))
        if self.reference is None:
            with show_progress(
                "Training judges", visible=self.is_shown, books_time=False
            ):
                self.reference = Reference(
                    self.images,
                    self.class_indices,
                    self.model.image_format,
                    self.model.attributes.sizes,
                    self.model.seed,
                )
        screened = screen_images(model, self.reference, selection, n, self.best_of)
        numbers, weights = screened.numbers, screened.weights()
        portion = self._portion(method, model, selection, numbers, weights)
        return Made(portion, screened)

    def _forced(
        self, selection: Selection, n: int, screened: ScreeningResult | None
    ) -> Made:
        """Return images of the GAN that were rejected: there is nothing else."""
        if screened is None:
            numbers, weights = np.arange(n), np.ones(n)
        else:
            accepted = screened.numbers
            numbers = np.setdiff1d(np.arange(n + len(accepted)), accepted)[:n]
            weights = screened.weights(numbers)
        portion = self._portion(GAN, self.model, selection, numbers, weights)
        return Made(portion, screened, forced=n if screened is not None else 0)

    def _portion(
        self,
        method: str,
        model: TrainedModel,
        selection: Selection,
        numbers: np.ndarray,
        weights: np.ndarray,
    ) -> Portion:
        last = int(numbers[-1]) + 1 if len(numbers) else 0
        indices = selection.draw(model.seed, 0, last)[numbers]

        def make(numbers: np.ndarray) -> Any:
            for images, _ in model.make_numbered(selection, numbers):
                yield images

        return Portion(method, numbers, indices, weights, make)

    def _recombined(self, selection: Selection, n: int) -> Portion:
        numbers, weights = np.arange(n), np.ones(n)
        return self._portion(RECOMBINED, self.recombining, selection, numbers, weights)

    @cached_property
    def recombining(self) -> RecombiningModel:
        """Made when first asked for: its regions take seconds to learn."""
        return RecombiningModel.of(self.model, self.images, self.class_indices)

    def _interpolating(self, own: np.ndarray) -> "InterpolatingModel":
        from balancegan.gan.inversion import MOST_IMAGES, LatentFinder  # TensorFlow
        from balancegan.samplers.interpolation import InterpolatingModel

        if self.finder is None:
            self.finder = LatentFinder(self.model)
        few = own[:MOST_IMAGES]
        return InterpolatingModel.between(
            self.finder, self.images[few], self.class_indices[few]
        )

    def _allowed_moves(self) -> Sequence[str]:
        """Return how copies may be moved, after finding out if nobody said so."""
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

    def _copies(self, own: np.ndarray, n: int, n_rows: int) -> Portion:
        """Return copies, half of them moved, or as many of the rows as elsewhere."""
        moved = min(1.0, max(MOVED, self.moved_share * n_rows / n))
        copies = MovedCopies(
            self.images,
            self.class_indices,
            own,
            self.model.image_format,
            self.model.seed,
            moved,
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


def _describe(label: Any, made: Sequence[Made]) -> pd.DataFrame:
    """Return a row for each image of one class."""
    tables = []
    for portion, screened, *_ in made:
        table = pd.DataFrame({"number": portion.numbers})
        table.insert(0, "class", pd.Series([label] * len(table), dtype=object))
        table["method"], table["weight"] = portion.method, portion.weights
        if screened is not None:
            table = table.merge(screened.figures, on="number", how="left")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
