"""How near images are to each other, whoever moved them by a pixel.

Distances are Euclidean, between images of at most 32 pixels a side, the least over
shifts by a pixel; so a copy that was shifted, or given a little noise, stays near. They
are measured in the distance from real images to their own nearest neighbours: what is
near in a class of plain images is not in one of varied ones.
"""

import functools
import itertools
import math

import numpy as np
from scipy.sparse.csgraph import connected_components

from balancegan.images import typical_distance

LARGEST_SIDE = 32  # pixels; larger images are averaged down to it
SHIFTS = tuple(itertools.product((-1, 0, 1), repeat=2))
LEAST_SPACING = 0.1  # of the usual one: of nearly equal real images nothing is as near
# of the typical distance between images of a class; of 160 real classes the usual
# spacing is 0.20 to 0.68
LEAST_USUAL = 0.15
# Of the squared lengths, between images that are the same but for float32's rounding
EQUAL = 1e-6
MARGINS = 2  # pixels of a side that are left out
CHUNK = 512  # images that are compared with all others at once
# Of the typical distance of a class, whatever the brightness and contrast. Of six
# exposures of a tile most are nearer; of the digit 1, 11 % (28x28) and 26 % (8x8)
NEAR_COPY = 0.25
LEAST_LENGTH = 1e-6  # of an image less its mean; a shorter one shows nothing
MOST_OF_CLASS = 0.5  # in one group: a larger one is left alone


def shrink(images: np.ndarray) -> np.ndarray:
    """Return images averaged over squares of pixels, at most 32 pixels a side.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)

    Examples
    --------
    >>> shrink(np.zeros((2, 64, 40, 3))).shape, shrink(np.zeros((2, 28, 28, 1))).shape
    ((2, 32, 20, 3), (2, 28, 28, 1))
    """
    n, height, width, channels = images.shape
    factor = -(-max(height, width) // LARGEST_SIDE)
    height, width = height // factor, width // factor
    if not min(height, width):  # long and narrow
        return images
    images = images[:, : height * factor, : width * factor]
    squares = images.reshape(n, height, factor, width, factor, channels)
    return squares.mean(axis=(2, 4), dtype="float32")


def crop(images: np.ndarray, down: int = 0, right: int = 0) -> np.ndarray:
    """Return the flattened inner part of images, moved by at most a pixel.

    A pixel at each edge is left out, so that nothing has to be made up.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
    down, right : int
        From where it is taken: -1, 0 or 1 pixels off the middle.
    """
    rows, columns = (
        slice(1 + by, side - 1 + by) if side > MARGINS else slice(None)
        for side, by in zip(images.shape[1:3], (down, right), strict=True)
    )
    inner = np.ascontiguousarray(images[:, rows, columns])
    return inner.reshape(len(images), math.prod(inner.shape[1:]))


def squared_distances(
    rows: np.ndarray, others: np.ndarray, squares: np.ndarray | None = None
) -> np.ndarray:
    """Return the squared Euclidean distance of each row to each of the others.

    By one matrix product in the rows' own precision. (scikit-learn's searches are more
    exact than is needed here, and much slower for a batch of images.)

    Parameters
    ----------
    rows : ndarray of shape (m, n_values), float
    others : ndarray of shape (n, n_values), float
    squares : ndarray of shape (n,) or None, default=None
        `square_norms` of the others, where they are known.

    Returns
    -------
    squared : ndarray of shape (m, n)

    Examples
    --------
    >>> squared_distances(np.array([[0.0, 3.0]]), np.array([[4.0, 0.0], [0.0, 3.0]]))
    array([[25.,  0.]])
    """
    squares = square_norms(others) if squares is None else squares
    squared = rows @ others.T
    squared *= -2
    squared += square_norms(rows)[:, None]
    squared += squares
    return np.maximum(squared, 0, out=squared)


def square_norms(rows: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean length of each row."""
    return np.einsum("ij,ij->i", rows, rows)


class RealNeighbours:
    """The real images of one class, to find the nearest of.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), float32
        At least one; as `shrink` returns them.

    Attributes
    ----------
    spacing : ndarray of shape (n,)
        From each to its nearest other, its duplicates left out; at least a tenth of the
        usual one. NaN where there is no other.
    usual : float
        The median of `spacing`, and at least 0.15 of the typical distance between
        images of the class: of many near copies the median is theirs. NaN where
        there is no other.
    """

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.flat = images, crop(images)
        self.squares = square_norms(self.flat)
        n = len(images)
        self.nearest = np.full(n, -1)
        self.spacing = np.full(n, np.nan)
        self.second_spacing = np.full(n, np.nan)
        self.usual = float("nan")
        if n > 1:
            near = np.concatenate([self._nearest_two(i) for i in range(0, n, CHUNK)])
            self.nearest = near["row"][:, 0]
            distances = np.where(np.isinf(near["distance"]), np.nan, near["distance"])
            self.spacing, self.second_spacing = distances[:, 0], distances[:, -1]
            self.usual = self._find_usual()
            self.spacing = np.maximum(self.spacing, LEAST_SPACING * self.usual)
            self.second_spacing = np.fmax(self.second_spacing, self.spacing)

    def _find_usual(self) -> float:
        known = self.spacing[np.isfinite(self.spacing)]
        if not len(known):
            return float("nan")
        least = LEAST_USUAL * typical_distance(self.flat, self.flat)
        return max(float(np.median(known)), least)

    def find(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how far each image is from the nearest real one, and which that is.

        Parameters
        ----------
        images : ndarray of shape (m, height, width, channels), float32
            As `shrink` returns them.

        Returns
        -------
        distances : ndarray of shape (m,)
        rows : ndarray of shape (m,), int
        """
        distances = np.empty(len(images))
        rows = np.empty(len(images), dtype=int)
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            squared = self._least_over_shifts(images[part])
            rows[part] = squared.argmin(axis=1)
            distances[part] = np.sqrt(squared.min(axis=1))
        return distances, rows

    def ratios_among(self) -> np.ndarray:
        """Return of each real image what `find` and `spacing` say of synthetic ones.

        Its distance to the nearest other, by how far that one is from the rest: NaN
        where there is no rest.
        """
        if len(self.flat) < 3:
            return np.full(len(self.flat), np.nan)
        mutual = self.nearest[self.nearest] == np.arange(len(self.flat))
        rest = np.where(
            mutual, self.second_spacing[self.nearest], self.spacing[self.nearest]
        )
        return self.spacing / rest

    def _nearest_two(self, start: int) -> np.ndarray:
        """Return the nearest others of a chunk of images, two where there are."""
        images = self.images[start : start + CHUNK]
        squared = self._least_over_shifts(images)
        norms = self.squares[start : start + CHUNK, None] + self.squares
        # Itself, and images that are there several times: no neighbours of each other
        squared[squared <= EQUAL * norms] = np.inf
        squared[np.arange(len(images)), np.arange(len(images)) + start] = np.inf
        rows = np.argsort(squared, axis=1)[:, : min(2, len(self.flat) - 1)]
        near = np.empty(rows.shape, dtype=[("distance", float), ("row", int)])
        near["row"] = rows
        near["distance"] = np.sqrt(np.take_along_axis(squared, rows, axis=1))
        return near

    def _least_over_shifts(self, images: np.ndarray) -> np.ndarray:
        """Return squared distances to every real image, the least over shifts."""
        return least_over_shifts(images, self.flat, self.squares)


def least_over_shifts(
    images: np.ndarray, others: np.ndarray, squares: np.ndarray
) -> np.ndarray:
    """Return squared distances of images to others, the least over shifts by a pixel.

    Parameters
    ----------
    images : ndarray of shape (m, height, width, channels)
        As `shrink` returns them.
    others : ndarray of shape (n, n_values)
        As `crop` returns them.
    squares : ndarray of shape (n,)
        `square_norms` of the others.
    """
    moved = (crop(images, *shift) for shift in SHIFTS)
    each = (squared_distances(rows, others, squares) for rows in moved)
    return functools.reduce(np.minimum, each)


def nearest_earlier(images: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """Return how far each image is from the nearest of those before it.

    Parameters
    ----------
    images : ndarray of shape (m, n_values)
        Flattened, as `crop` returns them.
    earlier : ndarray of shape (n, n_values)
        Those that came before all of them.

    Returns
    -------
    distances : ndarray of shape (m,)
        Infinite where there is none.

    Examples
    --------
    >>> images = np.array([[1.0], [9.0], [8.0]])
    >>> nearest_earlier(images, np.array([[3.0]])).tolist()
    [2.0, 6.0, 1.0]
    """
    distances = np.full(len(images), np.inf)
    if len(earlier):
        distances = np.sqrt(squared_distances(images, earlier).min(axis=1))
    squared = squared_distances(images, images)
    squared[np.triu_indices(len(images))] = np.inf
    return np.minimum(distances, np.sqrt(squared.min(axis=1)))


def number_near_copies(images: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return a number for each image of one class; near copies share it.

    Near copies are frames of one scene, exposures of one object, shifted or relit
    copies. They are linked in chains: the first and the last need not be near.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), float32
        As `shrink` returns them.

    Returns
    -------
    numbers : ndarray of shape (n,), int
        The first row of each image's group.
    is_chained : bool
        Whether more than half of the images were linked to one group, as in a class of
        one object or of plain images. Each of them then has a number of its own.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(6, 8, 8, 1))
    >>> images[4] = 0.5 * images[1] + 3  # relit
    >>> number_near_copies(images)
    (array([0, 1, 2, 3, 1, 5]), False)
    """
    n = len(images)
    if n < 3:  # nothing is usual
        return np.arange(n), False
    images = images - images.mean(axis=(1, 2, 3), keepdims=True)
    lengths = np.sqrt(square_norms(images.reshape(n, -1)))
    images /= np.maximum(lengths, LEAST_LENGTH)[:, None, None, None]
    flat = crop(images)
    limit = (NEAR_COPY * typical_distance(flat, flat)) ** 2
    squares = square_norms(flat)
    near = [
        least_over_shifts(images[i : i + CHUNK], flat, squares) <= limit
        for i in range(0, n, CHUNK)
    ]
    _, found = connected_components(np.concatenate(near), directed=False)
    _, first, inverse, counts = np.unique(
        found, return_index=True, return_inverse=True, return_counts=True
    )
    is_chained = counts[inverse] > MOST_OF_CLASS * n
    numbers = np.where(is_chained, np.arange(n), first[inverse])
    return numbers, bool(is_chained.any())
