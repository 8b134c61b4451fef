"""The methods of a comparison: ways to handle imbalance, each with a name.

A method is a sampler, or none, and what is done to images during training. Baselines
are the simple methods that the other ones are compared with.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from sklearn.base import BaseEstimator

from balancegan.balance import class_counts
from balancegan.errors import DataError

MIXUP = 0.2
SMOTE_NEIGHBOURS = 5
SHIFT = 1 / 14  # of the side: two pixels of 28

Transformation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Method:
    """A way to handle imbalance.

    Parameters
    ----------
    name : str
        Its name in tables.
    sampler : object or None, default=None
        Has ``fit_resample(X, y)``. Estimators whose scikit-learn tags say that they
        take two dimensions get flattened images. None: the training part is unchanged.
    transform : callable or None, default=None
        Random augmentation during training: a function of images in [-1, 1] of shape
        (n, height, width, channels) and a Generator that returns images.
    mixup : float, default=0.0
        Parameter alpha of mixup, for networks only. 0: no mixup.
    weighted : bool, default=False
        Whether the classifier weights images by the inverse of their class's size.
    baseline : bool, default=False
        Whether the other methods are compared with this one.

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
    """imbalanced-learn's SMOTE, with fewer neighbours for small classes.

    A single image of a class is duplicated, because it has no neighbours. Values are
    rounded to the images' type.
    """

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        """Return flattened images and labels, oversampled to the largest class."""
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
        rows[: len(X)] = X  # unrounded
        return rows, labels


def shift_images(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by up to 1/14 of its sides, in whole pixels.

    New pixels repeat the edge. All distances are equally likely.

    Examples
    --------
    >>> image = np.zeros((1, 28, 28, 1)); image[0, 10, 10] = 1
    >>> shifted = shift_images(image, np.random.default_rng(0))
    >>> [int(i[0]) - 10 for i in np.nonzero(shifted[0, :, :, 0])]
    [-2, -1]
    """
    n, height, width, _ = images.shape
    reach = [max(1, round(SHIFT * side)) for side in (height, width)]
    padded = np.pad(images, [(0, 0), *((r, r) for r in reach), (0, 0)], mode="edge")
    top, left = (rng.integers(2 * r + 1, size=n) for r in reach)
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    return padded[np.arange(n)[:, None, None], rows, columns]


def mix_up(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each image, and its label, with another one of the batch.

    Zhang et al. 2018, https://arxiv.org/abs/1710.09412, section 2. Labels are one-hot;
    shares are drawn from Beta(alpha, alpha), so a small alpha mixes little.

    Examples
    --------
    >>> images, labels = np.zeros((2, 4, 4, 1)), np.eye(2)
    >>> mixed = mix_up(images, labels, np.random.default_rng(0), 0.2)[1]
    >>> mixed.sum(axis=1)
    array([1., 1.])
    """
    partners = rng.permutation(len(images))
    shares = rng.beta(alpha, alpha, size=len(images)).astype(images.dtype)
    of_images, of_labels = shares[:, None, None, None], shares[:, None]
    return (
        of_images * images + (1 - of_images) * images[partners],
        (of_labels * labels + (1 - of_labels) * labels[partners]).astype(labels.dtype),
    )


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


def _generating(augmenter: Any) -> list[Method]:
    # The three methods share a sampler, so images are generated once
    return [
        Method("cgan", augmenter),
        Method("cgan+augment", augmenter, shift_images),
        Method("cgan+augment+mixup", augmenter, shift_images, MIXUP),
    ]


BUILT_IN = tuple(method.name for method in [*_baselines(), *_generating(None)])
DEFAULT_METHODS = BUILT_IN[:-1]


def default_augmenter(**settings: Any) -> Any:
    """Return the sampler of the built-in methods whose name begins with "cgan"."""
    # Imports TensorFlow
    from balancegan.samplers.augmenter import ConditionalGANAugmenter

    return ConditionalGANAugmenter(verbose=0, **settings)


MethodsGiven = Iterable[str | Method] | Mapping[str, Any] | None


def find_methods(
    given: MethodsGiven, make_augmenter: Callable[[], Any], *, mixes: bool = True
) -> list[Method]:
    """Return the methods that a user asks for, baselines first; "none" is added.

    Parameters
    ----------
    given : iterable of str or Method, mapping, or None
        Names of built-in methods, methods, or samplers by name. None:
        ``DEFAULT_METHODS``.
    make_augmenter : callable
        Makes the sampler of the methods whose name begins with "cgan".
    mixes : bool, default=True
        Whether the default methods include mixup.

    Raises
    ------
    DataError
        If a name is unknown or used twice, or a sampler has no ``fit_resample``.

    Examples
    --------
    >>> [method.name for method in find_methods(["oversample"], make_augmenter=object)]
    ['none', 'oversample']
    """
    if given is None:
        given = [name for name in DEFAULT_METHODS if mixes or "mixup" not in name]
    elif isinstance(given, str):
        given = [given]
    elif isinstance(given, Mapping):
        given = [
            value if isinstance(value, Method) else Method(name, value)
            for name, value in given.items()
        ]
    methods = list(given)
    names = [method if isinstance(method, str) else method.name for method in methods]
    if "none" not in names:
        methods, names = ["none", *methods], ["none", *names]
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"Names of methods must differ. Received twice: {repeated}.")

    needs_gan = any(isinstance(m, str) and m.startswith("cgan") for m in methods)
    built_in = _baselines() + (_generating(make_augmenter()) if needs_gan else [])
    known = {method.name: method for method in built_in}
    found = [_find_method(method, known) for method in methods]
    return sorted(found, key=lambda method: not method.baseline)


def _find_method(given: str | Method, known: Mapping[str, Method]) -> Method:
    if isinstance(given, str):
        if given not in known:
            raise DataError(
                f"There is no method called {given!r}. Built in are "
                f"{', '.join(BUILT_IN)}. Use Method(name, sampler) for another one."
            )
        return known[given]
    sampler = given.sampler
    if sampler is not None and not callable(getattr(sampler, "fit_resample", None)):
        raise DataError(
            "A method's sampler needs a method fit_resample(X, y). Received for "
            f"{given.name!r}: {type(sampler).__name__}."
        )
    return given
