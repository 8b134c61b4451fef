"""What a trained model is asked for: images of a class, and those that a set lacks.

Between the contract of ``sampler`` and the class that users hold: here synthesis is
put together, from a plan to images; how the model was trained is not known.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from balancegan.attributes import Labels, name_values
from balancegan.balance import (
    MOST_TIMES,
    OWN_STRATEGIES,
    VALIDATED,
    Plan,
    Strategy,
    class_counts,
    class_text,
    plan_synthesis,
)
from balancegan.errors import (
    DataError,
    SimplerMethodWarning,
    UnseenCombinationWarning,
)
from balancegan.gan.history import History
from balancegan.gan.model import TrainedModel
from balancegan.images import check_format, check_row_shape
from balancegan.quality.reference import Reference
from balancegan.samplers.base import ImageOverSampler, without
from balancegan.samplers.choice import Ladder
from balancegan.samplers.copies import list_moves
from balancegan.samplers.summary import describe_exceptions
from balancegan.samplers.synthesis import Synthesis

if TYPE_CHECKING:
    from balancegan.downstream.amounts import ValidatedAmounts
    from balancegan.samplers.move_finder import FoundMoves

COUNT = Interval(Integral, 1, None, closed="left")
ABOVE_ZERO = Interval(Real, 0, None, closed="neither")


class ModelSampler(ImageOverSampler):
    """Asks a trained model for images. Abstract: who trained it is not known here.

    Its parameters and attributes are described where users see them, in
    :class:`balancegan.samplers.augmenter.ConditionalGANAugmenter`.
    """

    _parameter_constraints: dict = ImageOverSampler._parameter_constraints | {
        "sampling_strategy": [
            *ImageOverSampler._parameter_constraints["sampling_strategy"],
            StrOptions(set(OWN_STRATEGIES)),
            Interval(Real, 0, MOST_TIMES, closed="right"),
        ],
        "balance_on": [str, list, tuple, None],
        "max_ratio": [Interval(Real, 0, None, closed="left"), None],
        "reject": ["boolean"],
        "best_of": [COUNT],
        "truncation": [ABOVE_ZERO, None],
        "gan_only": ["boolean"],
        "gan_share": [Interval(Real, 0, 1, closed="both")],
        "moves": [str, list, tuple],
        "validation_minutes": [ABOVE_ZERO],
    }

    model_: TrainedModel
    balance_on: str | Sequence[str] | None
    max_ratio: float | None
    reject: bool
    best_of: int
    truncation: float | None
    gan_only: bool
    gan_share: float
    moves: str | Sequence[str]
    moves_: "FoundMoves | None"
    validation_minutes: float
    verbose: int
    validated_: "ValidatedAmounts | None"
    _judged: "tuple[str, Reference | None, FoundMoves | None] | None"

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: not the images, nor judges, which hold some."""
        return without(super().__getstate__(), "_judged")

    def _validate_params(self) -> None:
        super()._validate_params()
        list_moves(self.moves)

    def _adopt(
        self, model: TrainedModel, history: History, plan: Plan | None = None
    ) -> None:
        """Take over a model, and the plan that it is for where there is one."""
        self.model_ = model
        self.history_, self.class_history_ = history.frame(), history.class_frame()
        self._training_data = self._judged = self.validated_ = self.moves_ = None
        self.classes_, counts = model.marginal(self.balance_on)
        self.class_counts_ = dict(zip(self.classes_.tolist(), counts, strict=True))
        if plan is not None:
            self.sampling_strategy_ = {label: n for label, n in plan.items() if n}

    def sample(self, label: Any, n: int, *, first: int = 0) -> np.ndarray:
        """Return synthetic images of one class, or of a combination of attributes.

        They are the GAN's, as they come: nothing is rejected, as there are no real
        images to judge by.

        Parameters
        ----------
        label : object
            One of `classes_`: of several attributes a tuple of a value for each of
            those of `balance_on`, in its order, or of all attributes in theirs. Or a
            dict of values, as in ``{"digit": 3, "colour": "red"}``. Attributes that
            are not named are drawn for each image as often as the training images of
            the named values have theirs.
        n : int
            How many.
        first : int, default=0
            Number of the first one. Image k of a class depends on the model, the
            class and k alone: ``sample(label, 9)[4:] == sample(label, 5, first=4)``.

        Returns
        -------
        images : ndarray of shape (n, ...)
            In the shape, dtype and range of the images given to `fit`.

        Raises
        ------
        DataError
            If the model knows no such class, `n` or `first` is negative, or `fit`
            needed no generated image and trained no GAN.

        Warns
        -----
        UnseenCombinationWarning
            If no training image has the named values together. They are made all the
            same, from what is known of each; attributes left out are then drawn by
            their own frequencies. See `count_training_images`.
        """
        check_is_fitted(self, "model_")
        self._validate_params()  # they may have been set since
        numbers = isinstance(n, Integral) and isinstance(first, Integral)
        if not numbers or n < 0 or first < 0:
            raise DataError(
                "The number of images and the first of them must be whole numbers, and "
                f"not negative. Received: n={n}, first={first}."
            )
        label = self._named(label)
        selection = self.model_.select(label)
        self._warn_of_unseen(label)
        self.model_.check_generates()
        image_format = self.model_.image_format
        empty = np.empty((0, *image_format.row_shape), image_format.dtype)
        parts = self._truncated().make_selected(selection, first, n)
        return np.concatenate([empty, *(images for images, _ in parts)])

    def count_training_images(self, label: Any) -> int:
        """Return how many images of a class the model was trained on.

        Parameters
        ----------
        label : object
            As for `sample`: a class, or the values of some attributes. 0 means that
            the model has never seen these together.

        Raises
        ------
        DataError
            If the model knows no such class.
        """
        check_is_fitted(self, "model_")
        return self.model_.count_images(self._named(label))

    def _named(self, label: Any) -> Any:
        """Return a class of `classes_` as a dict of the attributes balanced on."""
        if self.balance_on is None or isinstance(label, Mapping):
            return label
        names = self._balanced_attributes()[1]
        values = label if isinstance(label, tuple | list) else [label]
        if len(values) != len(names):
            return label
        return dict(zip(names, values, strict=True))

    def _check_shape(self, row_shape: tuple[int, ...]) -> None:
        check_row_shape(row_shape, self.model_.image_format)

    def _plan(
        self, images: np.ndarray, labels: Labels, strategy: Strategy
    ) -> Synthesis:
        """Return what the strategy says is missing in checked arrays."""
        model = self.model_
        check_format(images, model.image_format)
        model.attributes.check_known(labels)
        positions, names = self._balanced_attributes()
        classes = labels.joined(positions)
        if isinstance(strategy, str) and strategy == VALIDATED:
            plan = self._validated_plan(classes)
        else:
            plan = plan_synthesis(
                classes,
                strategy,
                self.max_ratio,
                model.attributes.combinations(self.balance_on),
            )
        for label, n in plan.items():
            if n:
                self._warn_of_unseen(name_values(label, names), stacklevel=5)
        self.n_to_generate_ = plan
        class_indices = model.attributes.indices(labels)
        key = joblib.hash((images, class_indices))
        known = self._judged[1:] if self._judged and self._judged[0] == key else ()
        ladder = self._ladder(images, class_indices, *known)
        if model.generator is None and ladder.needs_generator(plan, names):
            model.check_generates()
        made = ladder.climb(plan, names, show=bool(self.verbose))
        self._judged = (key, ladder.reference, ladder.found_moves)
        self.moves_ = None if ladder.moves is not None else ladder.found_moves
        self.quality_, self.quality_summary_ = made.quality, made.summary
        called = [
            class_text(model.describe(name_values(label, names)))
            for label in made.classes
        ]
        exceptions = describe_exceptions(
            made.summary, called, model.describe_shortness()
        )
        if exceptions:
            warnings.warn(exceptions, SimplerMethodWarning, stacklevel=4)
        return Synthesis(made.portions, model.attributes, show=bool(self.verbose))

    def _choose_amounts(
        self, images: np.ndarray, labels: Labels, held_out: np.ndarray
    ) -> None:
        """Try amounts on the images that were held out from the model's training."""
        from balancegan.downstream.amounts import AmountSearch  # imports TensorFlow

        model, show = self.model_, bool(self.verbose)
        positions, names = self._balanced_attributes()
        seen = images[~held_out], labels.take(~held_out)
        plan = plan_synthesis(seen[1].joined(positions), "auto", self.max_ratio)
        ladder = self._ladder(seen[0], model.attributes.indices(seen[1]))
        if model.generator is None:  # the held-out images may have shown the regions
            ladder.gan_share = 0.0
        made = ladder.climb(plan, names, show=show)
        synthesis = Synthesis(made.portions, model.attributes, show=show)
        empty = np.empty((0, *images.shape[1:]), images.dtype)
        order = ladder.order_for_fewer(made)
        parts = (
            (seen[0], seen[1]),
            (images[held_out], labels.take(held_out)),
            (np.concatenate([empty, *synthesis])[order], synthesis.labels.take(order)),
        )
        classes = list(plan)
        index_of = {label: index for index, label in enumerate(classes)}
        training, validation, synthetic = (
            (rows, np.array([index_of[c] for c in own.joined(positions).tolist()], int))
            for rows, own in parts
        )
        self.validated_ = AmountSearch(
            training,
            validation,
            synthetic,
            [
                class_text(", ".join(map(str, name_values(c, names).values())))
                for c in classes
            ],
            model.image_format.to_model_range,
            model.seed,
            60 * self.validation_minutes,
        ).search(show=show)
        self._validated_counts = class_counts(labels.joined(positions))

    def _validated_plan(self, classes: np.ndarray) -> Plan:
        """Return the amounts that were chosen in `fit`, for the same images."""
        from balancegan.downstream.amounts import count_images  # imports TensorFlow

        counts = class_counts(classes)
        if self.validated_ is None or counts != self._validated_counts:
            raise DataError(
                f"The amounts of sampling_strategy={VALIDATED!r} are chosen by `fit`, "
                "for the images that it is given. Received: "
                + (
                    "a model that was not fitted with it, or interrupted before."
                    if self.validated_ is None
                    else f"images of other counts, {counts}."
                )
                + " Fit with it, or give another strategy."
            )
        most = plan_synthesis(classes, "auto", self.max_ratio)
        chosen = count_images(
            self.validated_.ratios,
            np.array(list(counts.values())),
            np.array(list(most.values())),
        )
        return dict(zip(counts, chosen.tolist(), strict=True))

    def _balanced_attributes(self) -> tuple[Sequence[int], list[str]]:
        """Return positions and names of the attributes that make the classes."""
        attributes = self.model_.attributes
        positions = attributes.positions(self.balance_on)
        return positions, [attributes.names[position] for position in positions]

    def _ladder(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        reference: Reference | None = None,
        found_moves: "FoundMoves | None" = None,
    ) -> Ladder:
        """Return what makes images; the last two were found of the same images."""
        found = reference, found_moves
        return self.ladder_of(self._truncated(), images, class_indices, *found)

    def ladder_of(
        self,
        model: TrainedModel,
        images: np.ndarray,
        class_indices: np.ndarray,
        reference: Reference | None = None,
        found_moves: "FoundMoves | None" = None,
    ) -> Ladder:
        """Return what would make images with a model."""
        return Ladder(
            model,
            images,
            class_indices,
            reject=self.reject,
            gan_only=self.gan_only,
            gan_share=self.gan_share,
            moves=list_moves(self.moves),
            found_moves=found_moves,
            best_of=self.best_of,
            reference=reference,
        )

    def _truncated(self) -> TrainedModel:
        return replace(self.model_, truncation=self.truncation)

    def _warn_of_unseen(self, label: Any, stacklevel: int = 3) -> None:
        if not self.model_.count_images(label):
            warnings.warn(
                f"No training image has {label!r} together. The images are made from "
                "what is known of each of these values; look at them.",
                UnseenCombinationWarning,
                stacklevel=stacklevel,
            )
