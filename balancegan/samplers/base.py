"""imbalanced-learn's contract, for images.

What a user may hand in and what comes back: labels, containers, the order of the
rows. Deriving classes see clean arrays only; why the template is ours and not
imbalanced-learn's stands in ``docs/decisions/0001-sampler-contract.md``.
"""

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from balancegan.attributes import ONE_LABEL, Labels
from balancegan.balance import Strategy
from balancegan.containers import stack_images, unstack_images
from balancegan.datasets import is_dataset
from balancegan.errors import DataError, refusals_as_data_errors
from balancegan.samplers.synthesis import Synthesis
from balancegan.sklearn_compat import ArraysTransformer
from balancegan.targets import (
    as_given,
    as_numpy,
    as_table,
    give_back,
    read_attributes,
    read_labelled,
    read_one_label,
)

REAL = "real"  # the method of rows that nothing made
# Of lists imbalanced-learn says why not
STRATEGY_TYPES = (str, Real, Mapping, list, type(None))


def without(state: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the state of an object with None in place of one attribute, if it has it.

    Examples
    --------
    >>> without({"seed": 0, "images": [1, 2]}, "images")
    {'seed': 0, 'images': None}
    """
    return {**state, name: None} if name in state else state


class ImageOverSampler(BaseOverSampler):
    """Base of samplers that append synthetic images to the real ones. Abstract."""

    _training_data: tuple[Any, Any] | None

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the images that `fit` was given."""
        return without(super().__getstate__(), "_training_data")

    def __copy__(self) -> Self:
        """Return a copy that refers to the same images."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy of all but the images, which it refers to."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(deepcopy(self.__getstate__(), memo))
        copied._training_data = self.__dict__.get("_training_data")
        return copied

    @abstractmethod
    def _train(
        self,
        images: np.ndarray,
        labels: Labels,
        checkpoint_dir: str | os.PathLike[str] | None,
    ) -> None:
        """Learn everything that sampling needs from checked arrays."""

    @abstractmethod
    def _plan(
        self,
        images: np.ndarray,
        labels: Labels,
        strategy: Strategy,
        *,
        reject: bool = True,
        best_of: int = 1,
        truncation: float | None = None,
    ) -> Synthesis:
        """Return the images that the strategy adds to checked arrays."""

    def _check_shape(self, row_shape: tuple[int, ...]) -> None:
        """Refuse images of another shape than in `fit`, if the sampler needs it."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        checkpoint_dir: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train the GAN on an imbalanced set.

        Parameters
        ----------
        X : array-like of shape (n, height, width[, channels]) or (n, n_values)
            Real images. They are referred to for a later `resample`, neither copied nor
            pickled with the augmenter. A list of images (arrays, Pillow images), or a
            column of a DataFrame with an array in each row, is stacked. Or a
            tf.data.Dataset of images with labels, batched or not, which is read once:
            see :func:`~balancegan.read_dataset`.
        y : array-like of shape (n,) or (n, n_attributes), or DataFrame, default=None
            Their labels: one for each image, or a column for each attribute. In a
            DataFrame the columns name the attributes; a DataFrame is never taken for
            one-hot labels. In other tables they are called "0", "1", ...; a table
            of only two different numbers is one label, one-hot, as for
            imbalanced-learn, and refused where it is not. None: `X` is a dataset, which
            has them.
        checkpoint_dir : path-like, default=None
            A folder for checkpoints: one every minute, at the end, and on interruption
            or SIGTERM. If it contains checkpoints, training resumes with bit-identical
            results; `random_state=None` then means the seed of the first run. You may
            remove the folder afterwards. None: no checkpoints; a killed training is
            lost.

        Returns
        -------
        self : ConditionalGANAugmenter

        Raises
        ------
        DataError
            If images, labels or targets cannot be used.
        SavedModelError
            If checkpoints in `checkpoint_dir` are of other data, settings or versions,
            or damaged.
        TrainingFailed
            If the losses become NaN or infinite.
        KeyboardInterrupt
            On interruption. The augmenter then has the best state so far.
        """
        self._validate_params()
        X, y = read_labelled(X, y)
        with self._keeping_data_of_the_model(X, y):
            images, labels, _ = self._check_X_y(stack_images(X), y)
            self._train(images, labels, checkpoint_dir)
        return self

    def resample(
        self,
        sampling_strategy: Strategy | None = None,
        X: Any = None,
        y: Any = None,
        *,
        reject: bool = True,
        best_of: int = 1,
        truncation: float | None = None,
    ) -> tuple[Any, Any]:
        """Return the real images followed by synthetic ones.

        Parameters
        ----------
        sampling_strategy : str, float, dict or callable, default=None
            Final counts per class, or the name of a strategy. Of several attributes
            a class is a combination of those of `balance_on`. None: the
            constructor's.
        X, y : array-like, default=None
            The images to add to, of the kind that the model was trained on, or a
            dataset of them as for `fit`; their classes must be among `classes_`. None:
            those that were given to `fit`, which a loaded model does not have.
        reject : bool, default=True
            Screen generated images with judges trained on the real ones (about a
            minute) and reject copies, repetitions, and images of other classes or
            unlike any real one; see :mod:`balancegan.quality.screening`.
        best_of : int, default=1
            Number of generated images judged for each one taken; those that the judges
            are surest of are taken. More give plainer, less varied images. Without
            `reject` it has no effect.
        truncation : float, default=None
            See `sample`.

        Returns
        -------
        X_resampled : of the type, dtype and range of `X`
            For a list a list of arrays, for a column one of arrays. The original images
            come first, unchanged and in order (of a dataset: as read). `is_synthetic_`
            marks the added ones, `method_` says how they are made. Image k of a class
            and method does not depend on the counts, unless `best_of` is above 1 or all
            classes get copies.
        y_resampled : of the type of `y`
            With all of its columns. Attributes that are not balanced on are drawn as
            often as the training images have their values.

        Raises
        ------
        DataError
            If the targets or the data cannot be used.
        """
        images, labels, synthetic, to_types_given = self._prepare(
            sampling_strategy,
            X,
            y,
            reject=reject,
            best_of=best_of,
            truncation=truncation,
        )
        return to_types_given(*self._extend(images, labels, synthetic))

    def synthesize(
        self,
        sampling_strategy: Strategy | None = None,
        X: Any = None,
        y: Any = None,
        *,
        reject: bool = True,
        best_of: int = 1,
        truncation: float | None = None,
    ) -> Synthesis:
        """Return what `resample` adds, without the real images, batch by batch.

        For sets too large to be held twice: images are made during iteration. Generated
        images are screened before and the accepted ones made again.

        Parameters and errors are those of `resample`.

        Returns
        -------
        synthetic : iterable of ndarray of shape (m, ...)
            Batches of images. It can be iterated repeatedly; its length is the number
            of images. For each image, `synthetic.labels.columns` has the value of each
            attribute, `synthetic.methods` the method, `synthetic.weights` the sample
            weight, `synthetic.sources` the row that it copies (-1: none), and
            `synthetic.numbers` the number that `sample` takes as `first` if it is
            generated.
        """
        return self._prepare(
            sampling_strategy,
            X,
            y,
            reject=reject,
            best_of=best_of,
            truncation=truncation,
        )[2]

    def fit_resample(self, X: Any, y: Any = None) -> tuple[Any, Any]:
        """Train the GAN, then return the real images followed by synthetic ones.

        The same as ``fit(X, y).resample()``; imbalanced-learn's contract.

        Parameters and errors are those of `fit`, what is returned that of `resample`.
        """
        self._validate_params()
        X, y = read_labelled(X, y)
        with self._keeping_data_of_the_model(X, y):
            stacked = stack_images(X)
            arrays = ArraysTransformer(stacked, y)
            images, labels, to_given = self._check_X_y(stacked, y)
            images, labels = self._fit_resample(images, labels)
        X_given, y_given = give_back(arrays, images, to_given(labels))
        return unstack_images(X_given, X), y_given

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: images, dense ones; labels in columns, too."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    def _check_X_y(
        self, X: Any, y: Any, reset: bool = True
    ) -> tuple[np.ndarray, Labels, Callable[[Labels], np.ndarray]]:
        """Return images and labels as arrays, and what brings labels back to `y`'s."""
        check = partial(
            validate_data, self, X=X, reset=reset, allow_nd=True, ensure_min_samples=2
        )
        with refusals_as_data_errors():
            several = read_attributes(y)
            if several is not None:
                images, _ = check(y=np.arange(len(several)))  # for their number
                keeps_dtype = isinstance(y, np.ndarray) and y.dtype != object
                return images, several, partial(as_table, as_objects=not keeps_dtype)
            named = isinstance(y, pd.DataFrame) and len(y.columns)
            name = str(y.columns[0]) if named else ONE_LABEL
            y = as_numpy(y.iloc[:, 0] if named else y)
            given = np.asarray(y)
            assert_all_finite(given, input_name="y")
            check_classification_targets(y)
            y, is_one_hot = read_one_label(y)
            images, labels = check(y=y)
        like = given[:0] if is_one_hot else None
        return images, Labels.of_one(labels, name), partial(as_given, like)

    @contextmanager
    def _keeping_data_of_the_model(self, X: Any, y: Any) -> Iterator[None]:
        """Keep what a model learns from, also if it is interrupted, not if refused."""
        before = getattr(self, "model_", None)
        names = ("n_features_in_", "feature_names_in_")
        said = {name: getattr(self, name) for name in names if hasattr(self, name)}
        try:
            yield
        except BaseException:
            if getattr(self, "model_", None) is not before:
                self._training_data = (X, y)
            elif before is not None:
                for name in names:
                    self.__dict__.pop(name, None)
                self.__dict__.update(said)
            raise
        self._training_data = (X, y)

    def _fit_resample(self, X: np.ndarray, y: Labels) -> tuple[np.ndarray, Labels]:
        self._train(X, y, None)
        return self._extend(X, y, self._plan(X, y, self.sampling_strategy))

    def _prepare(
        self, strategy: Strategy | None, X: Any, y: Any, **how: Any
    ) -> tuple[np.ndarray, Labels, Synthesis, Callable[..., tuple[Any, Any]]]:
        """Return checked arrays, what is missing in them, and what brings them back."""
        check_is_fitted(self, "model_")
        self._validate_params()  # they may have been set since
        if not (isinstance(strategy, STRATEGY_TYPES) or callable(strategy)):
            raise DataError(
                "The first argument is a sampling_strategy: a name, number, mapping or "
                f"callable. Received: a {type(strategy).__name__}. With other images "
                "than those of fit: resample(None, X, y)."
            )
        if X is None and y is None:
            if self._training_data is None:
                raise DataError(
                    "A model that was loaded or unpickled does not hold the images "
                    "that it was trained on. Received: no X and y. Give both, as in "
                    "resample(sampling_strategy, X, y)."
                )
            X, y = self._training_data
        if X is None or (y is None and not is_dataset(X)):
            raise DataError("Expected: both X and y, or neither.")
        X, y = read_labelled(X, y)
        stacked = stack_images(X)
        if hasattr(stacked, "shape"):
            self._check_shape(tuple(stacked.shape[1:]))
        if strategy is None:
            strategy = self.sampling_strategy
        arrays = ArraysTransformer(stacked, y)
        images, labels, to_given = self._check_X_y(stacked, y, reset=False)
        synthetic = self._plan(images, labels, strategy, **how)

        def to_types_given(images: np.ndarray, labels: Labels) -> tuple[Any, Any]:
            X_given, y_given = give_back(arrays, images, to_given(labels))
            return unstack_images(X_given, X), y_given

        return images, labels, synthetic, to_types_given

    def _extend(
        self, images: np.ndarray, labels: Labels, synthetic: Synthesis
    ) -> tuple[np.ndarray, Labels]:
        """Append synthetic rows to checked arrays."""
        labels = labels.followed_by(synthetic.labels)
        n_real = done = len(images)
        extended = np.empty((len(labels), *images.shape[1:]), dtype=images.dtype)
        extended[:n_real] = images
        for batch in synthetic:
            extended[done : done + len(batch)] = batch
            done += len(batch)
        self.is_synthetic_ = np.arange(done) >= n_real
        real = np.full(n_real, REAL)
        self.method_ = np.concatenate([real, synthetic.methods])
        self.sample_weight_ = np.concatenate([np.ones(n_real), synthetic.weights])
        return extended, labels
