"""Test images that occur in what is learned from, equal or nearly so.

A comparison with them in it says how well a classifier remembers. They are counted
here; what is made of the counts is decided in `checks`.
"""

from dataclasses import dataclass

import numpy as np

from balancegan.evaluation.fidelity import nearest_distances
from balancegan.images import typical_distance

NEARLY_EQUAL = 0.1  # of the usual distance of a test image to the training images
# of the typical distance of images; on ten real sets the usual one is 0.35 to 0.66
LEAST_USUAL = 0.3


@dataclass(frozen=True)
class Leaks:
    """How many test images occur in the training part.

    Attributes
    ----------
    n_test : int
        Test images.
    n_equal : int
        Those with an equal training image, value for value.
    n_near : int
        Those nearly equal to one.
    limit : float
        The Euclidean distance up to which two images count as nearly equal.
    rows : tuple of int
        Which test images they are, equal and nearly equal ones.
    """

    n_test: int
    n_equal: int
    n_near: int
    limit: float
    rows: tuple[int, ...] = ()


def find_leaks(training: np.ndarray, test: np.ndarray) -> Leaks:
    """Count the test images that occur in the training part.

    Nearly equal: within a tenth of the usual distance from a test image to its nearest
    training image. That is the median over test images that equal no training image,
    and at least 0.3 of the typical distance between images: where most test images are
    near copies, the median is theirs.

    Parameters
    ----------
    training, test : ndarray of shape (n, ...)
        Images.

    Returns
    -------
    leaks : Leaks

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> training, test = rng.normal(size=(2, 50, 9))
    >>> test[0], test[1:3] = training[7], training[8:10] + 0.01
    >>> leaks = find_leaks(training, test)
    >>> leaks.n_equal, leaks.n_near
    (1, 2)
    """
    distances = nearest_distances(test, training)[0]
    equal = are_equal(test, training)
    usual = LEAST_USUAL * typical_distance(training, test)
    if not equal.all():
        usual = max(usual, float(np.median(distances[~equal])))
    limit = NEARLY_EQUAL * usual
    rows = np.flatnonzero(equal | (distances < limit))
    n_equal = int(equal.sum())
    return Leaks(
        n_test=len(test),
        n_equal=n_equal,
        n_near=len(rows) - n_equal,
        limit=limit,
        rows=tuple(rows.tolist()),
    )


def are_equal(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which images equal one of the others, value for value.

    Examples
    --------
    >>> images = np.array([[1, 2], [3, 4], [1, 2]])
    >>> are_equal(images, np.array([[1.0, 2.0], [3.5, 4.0]])).tolist()
    [True, False, True]
    """
    dtype = np.result_type(images, others)
    known = {_key(row, dtype) for row in others}
    return np.array([_key(row, dtype) in known for row in images], dtype=bool)


def _key(image: np.ndarray, dtype: np.dtype) -> bytes:
    """Return the values of an image as bytes, -0.0 as 0.0."""
    return (image.astype(dtype) + dtype.type(0)).tobytes()


def count_near(images: np.ndarray, others: np.ndarray, limit: float) -> int:
    """Return how many images lie within a distance of one of the others.

    Examples
    --------
    >>> count_near(np.array([[1.0], [5.0]]), np.array([[1.1], [9.0]]), limit=0.5)
    1
    """
    if not len(images) or not len(others):
        return 0
    return int((nearest_distances(images, others)[0] < limit).sum())
