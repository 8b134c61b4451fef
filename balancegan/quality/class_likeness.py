"""How near images of a class are to each other, if shifted by up to a pixel.

Distances are Euclidean, between images of at most 32 pixels a side, the least over
shifts by a pixel; so a shifted or slightly noisy copy stays near. Near is relative to
the distances between the real images of the class: see `likeness`.
"""

import functools
import itertools
import math

import numpy as np
from scipy.sparse.csgraph import connected_components

from balancegan.images import typical_distance
from balancegan.quality.likeness import NEAR

LARGEST_SIDE = 32  # pixels; larger images are averaged down to it
SHIFTS = tuple(itertools.product((-1, 0, 1), repeat=2))
CHUNK = 512  # images that are compared with all others at once
LEAST_SPACING = 0.1  # of the usual one, or nothing is near two nearly equal images
# of the typical distance; in 160 real classes the usual spacing is 0.20 to 0.68
LEAST_USUAL = 0.15
EQUAL = 1e-6  # of the squared lengths: what float32 rounds away
MARGINS = 2  # pixels of a side that are left out
LEAST_LENGTH = 1e-6  # of an image less its mean; a shorter one is constant
MOST_OF_CLASS = 0.5  # in one group of near copies; a larger group is dissolved


def shrink(images: np.ndarray) -> np.ndarray:
    """Return images averaged over squares of pixels, at most 32 pixels a side.

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
    """Return images without a pixel at each edge, flattened to (n, n_values).

    `down` and `right` move the window by -1, 0 or 1 pixels.
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
    """Return squared Euclidean distances (m, n) of rows to others.

    One matrix product: faster than scikit-learn's searches for a batch of images, and
    exact enough here. `squares` are the `square_norms` of `others`, if known.

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


def _least_over_shifts(
    images: np.ndarray, others: np.ndarray, squares: np.ndarray
) -> np.ndarray:
    """Return squared distances to others, cropped and with their `square_norms`."""
    shifted = (crop(images, *shift) for shift in SHIFTS)
    each = (squared_distances(rows, others, squares) for rows in shifted)
    return functools.reduce(np.minimum, each)


class RealNeighbours:
    """The real images of one class, as `shrink` returns them, to find the nearest of.

    Attributes
    ----------
    spacing : ndarray of shape (n,)
        Distance of each to its nearest other, duplicates left out; at least 10 % of
        the usual one. NaN where there is no other.
    usual : float
        The median of `spacing`, and at least 0.15 of the typical distance in the class,
        or it may be that of near copies. NaN where there is no other.
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

    def find(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance of each image to the nearest real one, and its row."""
        distances = np.empty(len(images))
        rows = np.empty(len(images), dtype=int)
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            squared = _least_over_shifts(images[part], self.flat, self.squares)
            rows[part] = squared.argmin(axis=1)
            distances[part] = np.sqrt(squared.min(axis=1))
        return distances, rows

    def ratios_among(self) -> np.ndarray:
        """Return the distance of each real image to its nearest, by that one's spacing.

        As if each in turn were generated. NaN for fewer than three images.
        """
        if len(self.flat) < 3:
            return np.full(len(self.flat), np.nan)
        mutual = self.nearest[self.nearest] == np.arange(len(self.flat))
        rest = np.where(
            mutual, self.second_spacing[self.nearest], self.spacing[self.nearest]
        )
        return self.spacing / rest

    def _find_usual(self) -> float:
        known = self.spacing[np.isfinite(self.spacing)]
        if not len(known):
            return float("nan")
        least = LEAST_USUAL * typical_distance(self.flat, self.flat)
        return max(float(np.median(known)), least)

    def _nearest_two(self, start: int) -> np.ndarray:
        """Return the nearest others of a chunk of images, two where there are."""
        images = self.images[start : start + CHUNK]
        squared = _least_over_shifts(images, self.flat, self.squares)
        norms = self.squares[start : start + CHUNK, None] + self.squares
        # Neither the image itself nor its duplicates are neighbours
        squared[squared <= EQUAL * norms] = np.inf
        squared[np.arange(len(images)), np.arange(len(images)) + start] = np.inf
        rows = np.argsort(squared, axis=1)[:, : min(2, len(self.flat) - 1)]
        near = np.empty(rows.shape, dtype=[("distance", float), ("row", int)])
        near["row"] = rows
        near["distance"] = np.sqrt(np.take_along_axis(squared, rows, axis=1))
        return near


def nearest_earlier(images: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """Return the distance of each cropped image to the nearest of those before it.

    All of `earlier` come before the first; its distance is infinite without any.

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
    copies: nearer than `NEAR` of the typical distance, brightness and contrast left
    out. They are linked in chains: the first and the last need not be near.

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
    if n < 3:  # no distance is usual
        return np.arange(n), False
    # Bring all to zero mean and unit length
    images = images - images.mean(axis=(1, 2, 3), keepdims=True)
    lengths = np.sqrt(square_norms(images.reshape(n, -1)))
    images /= np.maximum(lengths, LEAST_LENGTH)[:, None, None, None]

    # Link near images, (n, n)
    flat = crop(images)
    limit = (NEAR * typical_distance(flat, flat)) ** 2
    squares = square_norms(flat)
    near = [
        _least_over_shifts(images[i : i + CHUNK], flat, squares) <= limit
        for i in range(0, n, CHUNK)
    ]
    _, found = connected_components(np.concatenate(near), directed=False)
    _, first, inverse, counts = np.unique(
        found, return_index=True, return_inverse=True, return_counts=True
    )
    is_chained = counts[inverse] > MOST_OF_CLASS * n
    numbers = np.where(is_chained, np.arange(n), first[inverse])
    return numbers, bool(is_chained.any())
