"""The methods of a comparison: ways of dealing with imbalance, each with a name.

A method is anything with ``fit_resample``, or nothing at all, and what is done to the
images while the classifier learns. The cheap ones are baselines: what a generator's
images have to beat.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.base import BaseEstimator

from balancegan.balance import class_counts
from balancegan.downstream.transformations import Transformation, shift_images
from balancegan.errors import DataError

MIXUP = 0.2
SMOTE_NEIGHBOURS = 5


@dataclass(frozen=True)
class Method:
    """One way of dealing with imbalance.

    Parameters
    ----------
    name : str
        What it is called in tables.
    sampler : object or None, default=None
        Has ``fit_resample(X, y)``. It is given the images as they are, unless it is an
        estimator whose scikit-learn tags say that it takes two dimensions: then
        flattened. None: the training part as it is.
    transform : callable or None, default=None
        Changes images at random each time the classifier sees them: (images in
        [-1, 1] of shape (n, height, width, channels), Generator) to images.
    mixup : float, default=0.0
        Mixes pairs of images and labels; networks only. 0: no.
    weighted : bool, default=False
        Whether the classifier weighs images by the inverse of their class's size.
    baseline : bool, default=False
        Whether it is one of the methods that the others are measured against.

    Examples
    --------
    >>> from imblearn.over_sampling import ADASYN
    >>> Method("adasyn", ADASYN(random_state=0), baseline=True).name
    'adasyn'
    """

    name: str
    sampler: Any = None
    transform: Transformation | None = None
    mixup: float = 0.0
    weighted: bool = False
    baseline: bool = False


class SmallClassSMOTE(BaseEstimator):
    """imbalanced-learn's SMOTE, with as few neighbours as the smallest class has.

    SMOTE puts new images between a real one and one of its neighbours in the class
    (Chawla et al. 2002, https://doi.org/10.1613/jair.953); a class of one has none,
    and is repeated. Values are rounded back to those of the images' type.

    Parameters
    ----------
    random_state : int or None, default=None
        Seed.
    """

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        """Return the rows, followed by new ones up to the size of the largest class.

        Parameters
        ----------
        X : ndarray of shape (n, n_values)
            Flattened images.
        y : ndarray of shape (n,)
            Their labels.

        Returns
        -------
        X_resampled, y_resampled : ndarray
        """
        alone = {label: 2 for label, n in class_counts(y).items() if n == 1}
        if alone:
            X, y = RandomOverSampler(sampling_strategy=alone).fit_resample(X, y)
        smallest = min(class_counts(y).values())
        sampler = SMOTE(
            k_neighbors=min(SMOTE_NEIGHBOURS, smallest - 1),
            random_state=self.random_state,
        )
        rows, labels = sampler.fit_resample(X.astype("float32"), y)
        rows = (rows.round() if X.dtype.kind in "iub" else rows).astype(X.dtype)
        rows[: len(X)] = X  # of float64 the very values, not those of float32
        return rows, labels


def _baselines() -> list[Method]:
    oversampled = RandomOverSampler()
    return [
        Method("none", baseline=True),
        Method("class_weight", weighted=True, baseline=True),
        Method("oversample", oversampled, baseline=True),
        Method("oversample+augment", oversampled, shift_images, baseline=True),
        Method(
            "oversample+augment+mixup", oversampled, shift_images, MIXUP, baseline=True
        ),
        Method("smote", SmallClassSMOTE(), baseline=True),
    ]


def _generators(augmenter: Any) -> list[Method]:
    # One sampler: what it makes serves all three
    return [
        Method("cgan", augmenter),
        Method("cgan+augment", augmenter, shift_images),
        Method("cgan+augment+mixup", augmenter, shift_images, MIXUP),
    ]


BUILT_IN = tuple(method.name for method in [*_baselines(), *_generators(None)])
DEFAULT_METHODS = BUILT_IN[:-1]


def default_augmenter(**settings: Any) -> Any:
    """Return the sampler of the methods whose name begins with "cgan"."""
    # TensorFlow is not started for comparing other methods
    from balancegan.samplers.augmenter import ConditionalGANAugmenter

    return ConditionalGANAugmenter(verbose=0, **settings)


MethodsGiven = Iterable[str | Method] | Mapping[str, Any] | None


def find_methods(
    given: MethodsGiven, make_augmenter: Callable[[], Any], *, mixes: bool = True
) -> list[Method]:
    """Return the methods that a user asks for; "none" is always among them.

    Parameters
    ----------
    given : iterable of str or Method, mapping, or None
        Names of built-in methods, methods, or names with what has ``fit_resample``.
        None: the eight of ``DEFAULT_METHODS``.
    make_augmenter : callable
        Makes the sampler of the methods whose name begins with "cgan".
    mixes : bool, default=True
        Whether there are methods with mixup where `given` is None.

    Returns
    -------
    methods : list of Method
        Rivals first, in the order given otherwise.

    Raises
    ------
    DataError
        If a name is unknown or used twice, or something has no ``fit_resample``.

    Examples
    --------
    >>> [method.name for method in find_methods(["oversample"], make_augmenter=object)]
    ['none', 'oversample']
    """
    if given is None:
        given = [name for name in DEFAULT_METHODS if mixes or "mixup" not in name]
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping):
        given = [
            Method(name, method) if not isinstance(method, Method) else method
            for name, method in given.items()
        ]
    methods = list(given)
    names = [method if isinstance(method, str) else method.name for method in methods]
    if "none" not in names:
        methods, names = ["none", *methods], ["none", *names]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(
            f"Each method needs a name of its own. Received twice: {sorted(repeated)}."
        )
    needs_generator = any(isinstance(a, str) and a.startswith("cgan") for a in methods)
    built_in = _baselines() + (_generators(make_augmenter()) if needs_generator else [])
    known = {method.name: method for method in built_in}
    found = [_find_method(method, known) for method in methods]
    return sorted(found, key=lambda method: not method.baseline)


def _find_method(given: str | Method, known: Mapping[str, Method]) -> Method:
    if isinstance(given, Method):
        sampler = given.sampler
        if sampler is not None and not callable(getattr(sampler, "fit_resample", None)):
            raise DataError(
                "A method's sampler needs a method fit_resample(X, y). Received for "
                f"{given.name!r}: {type(sampler).__name__}."
            )
        return given
    if given not in known:
        raise DataError(
            f"There is no method called {given!r}. Built in are {', '.join(BUILT_IN)}. "
            "For another one give Method(name, sampler)."
        )
    return known[given]
