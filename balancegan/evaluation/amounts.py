"""How many synthetic images help, tried on held-out real images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from balancegan.balance import class_counts
from balancegan.containers import stack_images
from balancegan.errors import DataError, refusals_as_data_errors
from balancegan.evaluation.comparison import compare
from balancegan.evaluation.labelling import learn_labels
from balancegan.evaluation.methods import Method
from balancegan.evaluation.resampling import resample

HELD_OUT = 0.1  # of the images of each class


class _AddsPart:
    """A sampler that adds the first images of each class, up to a share of them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, share: float) -> None:
        rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        first = [r[: round(share * len(r))] for r in rows]
        kept = np.concatenate([np.empty(0, int), *first])
        self.images, self.labels = images[kept], labels[kept]

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return np.concatenate([X, self.images]), np.concatenate([y, self.labels])


def choose_amounts(
    sampler: Any,
    X: Any,
    y: Any,
    *,
    shares: Sequence[float] = (0.25, 0.5, 1.0),
    seeds: int = 5,
    random_state: int = 0,
    **settings: Any,
) -> dict[Any, int]:
    """Return how many images each class should have, tried on held-out images.

    A tenth of each class is held out. The sampler resamples the remaining images once,
    and :func:`compare` adds several shares of its images and none. The best share is
    chosen if it is significantly better than adding nothing.

    Parameters
    ----------
    sampler : object
        Has ``fit_resample``, a :class:`balancegan.ConditionalGANAugmenter` for example.
    X : array-like of shape (n, height, width[, channels]) or (n, n_values)
        Real images.
    y : array-like of shape (n,)
        Their labels; at least ten images per class.
    shares : sequence of float, default=(0.25, 0.5, 1.0)
        Shares of the sampler's images that are tried, above 0 and at most 1.
    seeds : int, default=5
        Classifiers trained per share.
    random_state : int, default=0
        Seed of the held-out images and of the sampler.
    **settings
        More arguments of :func:`compare`, such as `classifier`.

    Returns
    -------
    targets : dict
        Number of images per class, for ``sampling_strategy=``. Those of `y` if no share
        clearly helps.

    Raises
    ------
    DataError
        If images or labels cannot be used, or a class has fewer than ten images.

    Examples
    --------
    >>> from imblearn.over_sampling import RandomOverSampler
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = np.zeros((40, 4, 4), "uint8"), np.repeat(["bag", "boot"], [30, 10])
    >>> classifier = LogisticRegression()
    >>> choose_amounts(RandomOverSampler(), X, y, classifier=classifier, verbose=0)
    {'bag': 30, 'boot': 10}
    """
    if not shares or not all(0 < share <= 1 for share in shares):
        raise DataError(f"shares must be above 0 and at most 1. Received: {shares}.")
    images = np.asarray(stack_images(X))
    labelling, indices = learn_labels(y, len(images))
    if labelling.has_combinations:
        raise DataError("choose_amounts needs one label per image. Received: several.")
    counts = class_counts(labelling.classes[indices])
    small = {label: n for label, n in counts.items() if n < 1 / HELD_OUT}
    if small:
        raise DataError(f"Each class needs at least ten images. Received: {small}.")

    # Hold out 10 % of each class, and resample the remaining images
    with refusals_as_data_errors():
        train, test = train_test_split(
            np.arange(len(images)),
            test_size=HELD_OUT,
            random_state=random_state,
            stratify=indices,
        )
    found = resample(sampler, images[train], indices[train], labelling, random_state)
    added, of_class = found.images[found.is_new], found.class_indices[found.is_new]

    # Compare shares of the added images with adding nothing
    labels = labelling.classes
    methods = [
        Method(f"{share:g}", _AddsPart(added, labels[of_class], share))
        for share in shares
    ]
    result = compare(
        methods,
        images[train],
        labels[indices[train]],
        images[test],
        labels[indices[test]],
        seeds=seeds,
        **settings,
    )
    verdict = result.verdict()
    chosen = float(verdict.method) if verdict.against_none.verdict == "helps" else 0.0
    n_added = np.bincount(of_class, minlength=len(labels))
    per_image = chosen * n_added / np.bincount(indices[train])
    return {
        label: n + round(n * per_image[k])
        for k, (label, n) in enumerate(counts.items())
    }
