"""The class that users hold: an over-sampler that makes images with a GAN.

It orchestrates and contains no mathematics: ``balance`` decides how many images are
made, ``training`` learns, ``model`` makes them, ``persistence`` keeps. The rest is
imbalanced-learn's contract.
"""

import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from imblearn.utils._validation import ArraysTransformer
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from balancegan.balance import Strategy, plan_synthesis
from balancegan.errors import DataError, SavedModelError, refusals_as_data_errors
from balancegan.images import check_format, find_format
from balancegan.model import TrainedModel
from balancegan.persistence import load_model, save_model
from balancegan.presets import PRESETS, choose_preset
from balancegan.synthesis import synthesize
from balancegan.training import draw_seed, train


class ConditionalGANAugmenter(BaseOverSampler):
    """Over-sample images with a conditional GAN trained on the set itself.

    A sampler of imbalanced-learn and a step of its pipelines, for images. Whether
    the synthetic ones help is a question for real held-out images; ask it before you
    rely on them.

    Parameters
    ----------
    sampling_strategy : str, float, dict or callable, default="auto"
        How many images each class shall have; see
        :func:`balancegan.balance.plan_synthesis`. "auto" raises every class to the
        size of the largest.
    max_ratio : float, default=None
        At most so many synthetic images per real one of a class. None: no cap; a
        class of 40 images may then be given thousands that resemble them.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of flat images. None: images
        come as (n, height, width) or (n, height, width, channels).
    value_range : tuple of float, default=None
        The values that stand for black and white. None: found out from dtype and
        values; see :func:`balancegan.images.find_format`.
    preset : {"default", "tutorial"}, default="default"
        Networks and recipe. "default" is for small imbalanced sets. "tutorial" is
        the conditional GAN of the MNIST tutorials: slower, and poor at rare classes.
    steps : int, default=None
        Training steps. More take longer and make better images, with less and less
        gain. None: the preset's own number (4,000; for "tutorial" 30 passes over the
        data), or no limit where `max_minutes` is given.
    max_minutes : float, default=None
        Training ends after so many minutes. None: when the steps are done.
    batch_size : int, default=None
        Images per step; may exceed the number of images. None: the preset's (64;
        for "tutorial" 128).
    learning_rate : float, default=None
        Adam's, for both networks. None: the preset's, 2e-4.
    random_state : int, RandomState or None, default=None
        With an int, the same data give the same images. None: other ones at every
        `fit`.
    verbose : int, default=1
        0 is silent; 1 shows progress on stderr.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    class_counts_ : dict
        How many images of each class the model was trained on.
    sampling_strategy_ : dict
        As imbalanced-learn's: how many images to make of each class, zeros left out.
    n_to_generate_ : dict
        How many images the last resampling made of each class, zeros included.
    is_synthetic_ : ndarray of shape (n_resampled,), bool
        Which rows of the last resampling are synthetic.
    model_ : TrainedModel
        The generator with its settings, seed, image format and cost.
    history_ : dict of list
        Step, seconds, and mean losses since the record before.

    References
    ----------
    Conditional GANs: Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 256, size=(30, 8, 8), dtype=np.uint8)
    >>> y = np.repeat(["bag", "shirt"], [25, 5])
    >>> augmenter = ConditionalGANAugmenter(steps=2, random_state=0, verbose=0)
    >>> X_bal, y_bal = augmenter.fit(X, y).resample({"shirt": 12})
    >>> X_bal.shape, X_bal.dtype, int(augmenter.is_synthetic_.sum())
    ((37, 8, 8), dtype('uint8'), 7)
    >>> augmenter.sample("shirt", 3).shape
    (3, 8, 8)
    """

    _parameter_constraints: dict = BaseOverSampler._parameter_constraints | {
        "max_ratio": [Interval(Real, 0, None, closed="left"), None],
        "image_shape": [tuple, list, None],
        "value_range": [tuple, list, None],
        "preset": [StrOptions(set(PRESETS))],
        "steps": [Interval(Integral, 1, None, closed="left"), None],
        "max_minutes": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "verbose": ["verbose"],
    }

    _training_data: tuple[Any, Any] | None

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        max_ratio: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] | None = None,
        preset: str = "default",
        steps: int | None = None,
        max_minutes: float | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.max_ratio = max_ratio
        self.image_shape = image_shape
        self.value_range = value_range
        self.preset = preset
        self.steps = steps
        self.max_minutes = max_minutes
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

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
        """
        self._validate_params()
        images, labels, _ = self._check_X_y(X, y)
        self._train(images, labels)
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
        check_format(images, self.model_.image_format)
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
        extended = self._fit_resample(images, labels)
        self._training_data = (X, y)
        return self._restore(arrays, *extended, one_hot_width)

    def sample(self, label: Any, n: int, *, first: int = 0) -> np.ndarray:
        """Return synthetic images of one class.

        Parameters
        ----------
        label : object
            One of `classes_`.
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
        """
        check_is_fitted(self, "model_")
        if n < 0 or first < 0:
            raise DataError(
                "The number of images and the first of them must not be negative. "
                f"Received: n={n}, first={first}."
            )
        class_index = self.model_.find_class(label)
        image_format = self.model_.image_format
        empty = np.empty((0, *image_format.row_shape), image_format.dtype)
        parts = self.model_.make_images(class_index, first, n)
        return np.concatenate([empty, *parts])

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Save the trained model as a directory of weights and JSON.

        Parameters
        ----------
        path : path-like
            The directory to make.
        overwrite : bool, default=False
            Replace a saved model that is already there.

        Raises
        ------
        SavedModelError
            If `path` cannot be written, or a parameter cannot be kept as JSON.
        """
        check_is_fitted(self, "model_")
        save_model(path, self.model_, self.get_params(), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a saved model. It samples at once; `resample` needs the data again.

        Parameters
        ----------
        path : path-like
            A directory that `save` made.

        Returns
        -------
        augmenter : ConditionalGANAugmenter

        Raises
        ------
        SavedModelError
            If there is no model, or it is damaged or of another format version.
        """
        model, parameters = load_model(path)
        try:
            augmenter = cls(**parameters)
        except TypeError as error:
            raise SavedModelError(
                f"The parameters of the model in {path} are damaged: {error!r}"
            ) from error
        augmenter._adopt(model, {})
        return augmenter

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
        self._train(X, y)
        return self._extend(X, y, self.sampling_strategy)

    def _train(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Learn everything that sampling needs from checked arrays."""
        # What can be refused is refused before any training
        plan = plan_synthesis(labels, self.sampling_strategy, self.max_ratio)
        image_format = find_format(images, self.image_shape, self.value_range)
        model, history = train(
            images,
            labels,
            image_format,
            choose_preset(
                self.preset,
                steps=self.steps,
                max_minutes=self.max_minutes,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
            ),
            draw_seed(self.random_state),
            max_seconds=None if self.max_minutes is None else 60 * self.max_minutes,
            show=bool(self.verbose),
        )
        self.sampling_strategy_ = {label: n for label, n in plan.items() if n}
        self._adopt(model, history)

    def _adopt(self, model: TrainedModel, history: dict[str, list[float]]) -> None:
        self.model_, self.history_ = model, history
        self._training_data = None
        self.classes_ = model.classes
        self.class_counts_ = dict(
            zip(model.classes.tolist(), model.counts, strict=True)
        )

    def _extend(
        self, images: np.ndarray, labels: np.ndarray, strategy: Strategy
    ) -> tuple[np.ndarray, np.ndarray]:
        """Append to checked arrays what the strategy says is missing."""
        plan = plan_synthesis(labels, strategy, self.max_ratio)
        new_images, new_labels = synthesize(self.model_, plan, show=bool(self.verbose))
        self.n_to_generate_ = plan
        self.is_synthetic_ = np.repeat([False, True], [len(labels), len(new_labels)])
        new_labels = new_labels.astype(labels.dtype)  # the model's may be wider
        images = np.concatenate([images, new_images])
        return images, np.concatenate([labels, new_labels])

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
