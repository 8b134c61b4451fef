"""imbalanced-learn's contract, for images.

What a user may hand in and what comes back: labels, containers, the order of the
rows. Deriving classes see clean arrays only; why the template is ours and not
imbalanced-learn's stands in ``docs/decisions/0001-sampler-contract.md``.
"""

import time
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from imblearn.utils._validation import ArraysTransformer
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from balancegan.balance import Strategy
from balancegan.errors import DataError, refusals_as_data_errors


class ImageOverSampler(BaseOverSampler):
    """Learns from images, then returns them with synthetic ones behind. Abstract."""

    _training_data: tuple[Any, Any] | None

    @abstractmethod
    def _train(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Learn everything that sampling needs from checked arrays."""

    @abstractmethod
    def _extend(
        self, images: np.ndarray, labels: np.ndarray, strategy: Strategy
    ) -> tuple[np.ndarray, np.ndarray]:
        """Append to checked arrays what the strategy says is missing."""

    def fit(self, X: Any, y: Any) -> Self:
        """Train the GAN on an imbalanced set.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, n_values)
            Real images. They are referred to, not copied, for a later `resample`.
        y : array-like of shape (n,)
            Their labels.

        Returns
        -------
        self : ConditionalGANAugmenter

        Raises
        ------
        DataError
            If images, labels or targets cannot be used.
        TrainingFailed
            If the losses cease to be numbers.
        KeyboardInterrupt
            If you interrupt. The augmenter is then fitted with the best state so far.
        """
        self._validate_params()
        images, labels, _ = self._check_X_y(X, y)
        try:
            self._train_timed(images, labels)
        finally:
            self._training_data = (X, y)
        return self

    def resample(
        self,
        sampling_strategy: Strategy | None = None,
        X: Any = None,
        y: Any = None,
    ) -> tuple[Any, Any]:
        """Return the real images followed by synthetic ones.

        Parameters
        ----------
        sampling_strategy : str, float, dict or callable, default=None
            Final counts per class, or the name of a strategy. None: the
            constructor's.
        X, y : array-like, default=None
            The images to add to, of the kind that the model was trained on; their
            classes must be among `classes_`. None: those that were given to `fit`,
            which a loaded model does not have.

        Returns
        -------
        X_resampled : of the type, dtype and range of `X`
            Originals first, unchanged and in their order. `is_synthetic_` marks the
            others. Image k of a class is the same whatever the counts.
        y_resampled : of the type of `y`

        Raises
        ------
        DataError
            If the targets or the data cannot be used.
        """
        check_is_fitted(self, "model_")
        if X is None and y is None:
            if self._training_data is None:
                raise DataError(
                    "A loaded model does not hold the images that it was trained on. "
                    "Received: resample without X and y. Give both: "
                    "resample(sampling_strategy, X, y)."
                )
            X, y = self._training_data
        if X is None or y is None:
            raise DataError("resample needs both X and y, or neither.")
        if sampling_strategy is None:
            sampling_strategy = self.sampling_strategy
        arrays = ArraysTransformer(X, y)
        images, labels, one_hot_width = self._check_X_y(X, y, reset=False)
        extended = self._extend(images, labels, sampling_strategy)
        return self._restore(arrays, *extended, one_hot_width)

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Train the GAN, then return the real images followed by synthetic ones.

        The same as ``fit(X, y).resample()``; imbalanced-learn's contract.

        Parameters and errors are those of `fit`, what is returned that of `resample`.
        """
        self._validate_params()
        arrays = ArraysTransformer(X, y)
        images, labels, one_hot_width = self._check_X_y(X, y)
        try:
            extended = self._fit_resample(images, labels)
        finally:
            self._training_data = (X, y)
        return self._restore(arrays, *extended, one_hot_width)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: images, dense ones."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    def _check_X_y(
        self, X: Any, y: Any, reset: bool = True
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Return images and labels as arrays, and the width of one-hot labels or 0."""
        with refusals_as_data_errors():
            given = np.asarray(y)
            assert_all_finite(given, input_name="y")
            check_classification_targets(y)
            y, is_one_hot = check_target_type(y, indicate_one_vs_all=True)
            images, labels = validate_data(
                self, X=X, y=y, reset=reset, allow_nd=True, ensure_min_samples=2
            )
        return images, labels, given.shape[1] if is_one_hot else 0

    def _fit_resample(
        self, X: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        self._train_timed(X, y)
        return self._extend(X, y, self.sampling_strategy)

    def _train_timed(self, X: np.ndarray, y: np.ndarray) -> None:
        started = time.perf_counter()
        self._train(X, y)
        self.fit_seconds_ = time.perf_counter() - started

    def _restore(
        self,
        arrays: ArraysTransformer,
        X: np.ndarray,
        y: np.ndarray,
        one_hot_width: int,
    ) -> tuple[Any, Any]:
        """Give back the containers that the user came with."""
        if one_hot_width:
            y = np.eye(one_hot_width, dtype=int)[y]
        return arrays.transform(X, y)
