"""What a trained model is asked for: images of a class, and those that a set lacks.

Between the contract of ``sampler`` and the class that users hold: here synthesis is
put together, from a plan to images; how the model was trained is not known.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from balancegan.attributes import Labels, name_values
from balancegan.balance import Strategy, plan_synthesis
from balancegan.errors import (
    DataError,
    SimplerMethodWarning,
    UnseenCombinationWarning,
)
from balancegan.gan.model import TrainedModel
from balancegan.images import check_format
from balancegan.sampler import ImageOverSampler
from balancegan.synthesis.ladder import Ladder
from balancegan.synthesis.reference import Reference
from balancegan.synthesis.summary import describe_exceptions
from balancegan.synthesis.synthesis import Synthesis


class ModelSampler(ImageOverSampler):
    """Asks a trained model for images. Abstract: who trained it is not known here.

    Its parameters and attributes are described where users see them, in
    :class:`balancegan.augmenter.ConditionalGANAugmenter`.
    """

    model_: TrainedModel
    balance_on: str | Sequence[str] | None
    max_ratio: float | None
    reject: bool
    best_of: int
    truncation: float | None
    gan_only: bool
    verbose: int
    _judged: tuple[np.ndarray, np.ndarray, Reference | None] | None

    def sample(self, label: Any, n: int, *, first: int = 0) -> np.ndarray:
        """Return synthetic images of one class, or of a combination of attributes.

        They are the GAN's, as they come: nothing is rejected, as there are no real
        images to judge by.

        Parameters
        ----------
        label : object
            One of `classes_`. Of several attributes a dict of values, as in
            ``{"digit": 3, "colour": "red"}``, or a tuple of a value for each of
            them in order. Attributes that a dict leaves out are drawn for each image
            as often as the training images of the named values have theirs.
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
            If the model knows no such class, or `n` or `first` is negative.

        Warns
        -----
        UnseenCombinationWarning
            If no training image has the named values together. They are made all the
            same, from what is known of each; attributes left out are then drawn by
            their own frequencies. See `count_training_images`.
        """
        check_is_fitted(self, "model_")
        if n < 0 or first < 0:
            raise DataError(
                "The number of images and the first of them must not be negative. "
                f"Received: n={n}, first={first}."
            )
        selection = self.model_.select(label)
        self._warn_of_unseen(label)
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
        return self.model_.count_images(label)

    def _plan(
        self, images: np.ndarray, labels: Labels, strategy: Strategy
    ) -> Synthesis:
        """Return what the strategy says is missing in checked arrays."""
        model = self.model_
        check_format(images, model.image_format)
        model.attributes.check_known(labels)
        positions = model.attributes.positions(self.balance_on)
        names = [model.attributes.names[position] for position in positions]
        plan = plan_synthesis(labels.joined(positions), strategy, self.max_ratio)
        for label, n in plan.items():
            if n:
                self._warn_of_unseen(name_values(label, names), stacklevel=5)
        self.n_to_generate_ = plan
        class_indices = model.attributes.indices(labels)
        ladder = Ladder(
            self._truncated(),
            images,
            class_indices,
            reject=self.reject,
            gan_only=self.gan_only,
            best_of=self.best_of,
            reference=self._reference_for(images, class_indices),
        )
        made = ladder.climb(plan, names, show=bool(self.verbose))
        self._judged = (images, class_indices, ladder.reference)
        self.quality_, self.quality_summary_ = made.quality, made.summary
        exceptions = describe_exceptions(made.summary)
        if exceptions:
            warnings.warn(exceptions, SimplerMethodWarning, stacklevel=4)
        return Synthesis(made.portions, model.attributes, show=bool(self.verbose))

    def _reference_for(
        self, images: np.ndarray, class_indices: np.ndarray
    ) -> Reference | None:
        """Return the judges of the last resampling, where it was of the same images."""
        if self._judged is None:
            return None
        judged, judged_classes, reference = self._judged
        same = judged is images and np.array_equal(judged_classes, class_indices)
        return reference if same else None

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
