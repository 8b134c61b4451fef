"""How alike images are: equal, near copies, or no nearer than images usually are.

A distance means nothing by itself. Two images are near copies if they are nearer than
``NEAR`` of a usual distance in the same set: that of an image to its tenth-nearest one,
or that within its class (`class_likeness`). `photo_copies` finds mirrored, cropped and
relit photos.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from sklearn.neighbors import NearestNeighbors

from balancegan.images import typical_distance

# Share of a usual distance below which images are near copies. In a plain class (the
# digit 1) all images are near each other, so the usual distance is local to it
NEAR = 0.25
NTH = 10  # the usual distance is that to this neighbour
# or share of the median of those distances, for images with more than ten copies; the
# median is at least LEAST_TENTH of the typical distance, or it may be that of copies
NEAR_ANYWHERE, LEAST_TENTH = 0.05, 0.6
LEAST_IMAGES = 5  # different ones; with fewer there is no usual distance

# Beyond these a sample is searched: about ten seconds on two cores, and 200 MB
MOST_PAIRS = 600_000_000
MOST_COMPARED = 100_000
MOST_SPREAD = 256  # images that the typical distance is measured by
THUMBNAIL_SIDE, THUMBNAIL_VALUES = 16, 512
VALUES_PER_PIECE = 2**22  # held as floats at once


def number_equal(*image_sets: np.ndarray) -> list[np.ndarray]:
    """Return a number for each image of each set; equal images share it.

    Values are compared, whatever the dtypes. Distinct images are counted from 0.

    >>> images = np.array([1, 2, 1]).reshape(3, 1, 1)
    >>> number_equal(images, np.array([3.0, 2.0]).reshape(2, 1, 1))
    [array([0, 1, 0]), array([2, 1])]
    """
    dtype = np.result_type(*image_sets)
    number_of: dict[bytes, int] = {}
    numbers = []
    for images in image_sets:
        found: list[int] = []
        for rows in _pieces(len(images), images[:1].size):
            block = images[rows].astype(dtype).reshape(len(images[rows]), -1)
            if dtype.kind == "f":
                block += 0.0  # -0.0 becomes 0.0
            for values in block:
                key = blake2b(values.tobytes(), digest_size=16).digest()
                found.append(number_of.setdefault(key, len(number_of)))
        numbers.append(np.array(found, dtype=np.int64))
    return numbers


def count_equal(images: np.ndarray, known: np.ndarray) -> int:
    """Return how many images equal one of another set.

    >>> count_equal(np.array([[1, 2], [3, 4], [1, 2]]), np.array([[1.0, 2.0]]))
    2
    """
    theirs, ours = number_equal(known, images)
    return int(np.isin(ours, theirs).sum())


def _pieces(n_images: int, values_per_image: int) -> Iterator[slice]:
    step = max(1, VALUES_PER_PIECE // max(1, values_per_image))
    return (slice(start, start + step) for start in range(0, n_images, step))


@dataclass(frozen=True)
class NearPairs:
    """Rows of near copies, and how many images were compared.

    Within a set the smaller row comes first; of two sets, the training row. Where
    `n_all_sought` or `n_all_compared` is larger, a random sample was used.
    """

    pairs: list[tuple[int, int]]
    n_sought: int
    n_compared: int
    n_all_sought: int
    n_all_compared: int


class NearSearch:
    """Search for near copies of training images (n, height, width[, channels]).

    An image is a near copy of its nearest training image if it is nearer than a quarter
    of the distance to its tenth-nearest one, or than a twentieth of the median of these
    distances. That finds images that were saved again, compressed, scaled and scaled
    back or given a little noise, but not shifted, mirrored or much lighter ones.
    Thumbnails propose the pairs; the images themselves decide.

    Parameters
    ----------
    images : ndarray
        Training images, of any range.
    rows : ndarray of shape (m,), int
        Rows to compare with: finite, all different, sorted, at least five. Of more than
        100,000 a sample is drawn.
    seed : int, default=0
        Seed of the samples.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> images = rng.random((60, 8, 8))
    >>> images[50] = images[7] + 0.01
    >>> search = NearSearch(images, np.arange(60))
    >>> search.find_within().pairs
    [(7, 50)]
    >>> search.find_across(images[5:6] + 0.01, np.array([0])).pairs
    [(5, 0)]
    """

    def __init__(self, images: np.ndarray, rows: np.ndarray, seed: int = 0) -> None:
        self.images, self.n_rows, self.seed = images, len(rows), seed
        self.rows = self._sample(rows, MOST_COMPARED)
        self.thumbnails = make_thumbnails(images, self.rows)
        self.neighbours = NearestNeighbors(algorithm="brute").fit(self.thumbnails)
        spread = self.rows[np.linspace(0, len(self.rows) - 1, MOST_SPREAD, dtype=int)]
        sample = images[np.unique(spread)]
        of_values = np.sqrt(max(1, images[:1].size))
        self.least_usual = LEAST_TENTH * typical_distance(sample, sample) / of_values

    def find_within(self) -> NearPairs:
        """Return the near copies among the training images.

        Of more than 24,000 a sample is sought, as many as make 600 million pairs.
        """
        sought = self._sample(np.arange(len(self.rows)), MOST_PAIRS // len(self.rows))
        n_wanted = min(NTH + 1, len(self.rows))
        found = self._propose(self.thumbnails[sought], n_wanted)
        # Move the image itself to the end, and cut it off
        order = np.argsort(found == sought[:, None], axis=1, kind="stable")
        found = np.take_along_axis(found, order, axis=1)[:, :-1]
        rows = self.rows[sought]
        near = self._are_near(self.images, rows, found)
        pairs = np.sort(np.stack([self.rows[found[near, 0]], rows[near]], axis=1))
        return self._result(pairs, len(sought), self.n_rows)

    def find_across(
        self, images: np.ndarray, rows: np.ndarray, *, is_strict: bool = False
    ) -> NearPairs:
        """Return which rows of another set are near copies of a training image.

        If `is_strict`, only the limit of the whole set counts, not that of each image.
        """
        sought = self._sample(rows, MOST_PAIRS // len(self.rows))
        if not len(sought):
            return self._result(np.empty((0, 2), int), 0, 0)
        found = self._propose(make_thumbnails(images, sought), min(NTH, len(self.rows)))
        near = self._are_near(images, sought, found, is_strict=is_strict)
        pairs = np.stack([self.rows[found[near, 0]], sought[near]], axis=1)
        return self._result(pairs, len(sought), len(rows))

    def _propose(self, thumbnails: np.ndarray, n_wanted: int) -> np.ndarray:
        """Return positions in `rows`, the nearest first."""
        return self.neighbours.kneighbors(
            thumbnails, n_neighbors=n_wanted, return_distance=False
        )

    def _are_near(
        self,
        images: np.ndarray,
        sought: np.ndarray,
        found: np.ndarray,
        *,
        is_strict: bool = False,
    ) -> np.ndarray:
        """Return which images are near copies of the first of those found."""
        nearest, tenth = (
            measure_distances(images, sought, self.images, self.rows[column])
            for column in (found[:, 0], found[:, -1])
        )
        usual = max(float(np.median(tenth)), self.least_usual)
        near = nearest < NEAR_ANYWHERE * usual
        return near if is_strict else near | (nearest < NEAR * tenth)

    def _sample(self, rows: np.ndarray, most: int) -> np.ndarray:
        if len(rows) <= most:
            return rows
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.choice(rows, most, replace=False))

    def _result(self, pairs: np.ndarray, n_sought: int, n_all: int) -> NearPairs:
        unique = sorted({(int(a), int(b)) for a, b in pairs})
        return NearPairs(unique, n_sought, len(self.rows), n_all, self.n_rows)


def find_shared(
    images: np.ndarray, known: np.ndarray, *, is_strict: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Find the images that occur in another set, equal or as near copies.

    Parameters
    ----------
    images, known : ndarray of shape (n, height, width[, channels])
        Finite, of one height, width and range.
    is_strict : bool, default=False
        Whether only the limit of the whole set counts, not that of each image.

    Returns
    -------
    equal, near : ndarray of shape (n,), bool
        Which images equal one of `known`, and which of the remaining ones are near
        copies: none where `known` has fewer than five different images.

    Examples
    --------
    >>> known = np.random.default_rng(0).random((60, 8, 8))
    >>> images = np.stack([known[3], known[4] + 0.01, 1 - known[5]])
    >>> equal, near = find_shared(images, known)
    >>> equal.tolist(), near.tolist()
    ([True, False, False], [False, True, False])
    """
    theirs, ours = number_equal(known, images)
    equal, near = np.isin(ours, theirs), np.zeros(len(images), dtype=bool)
    first = np.unique(theirs, return_index=True)[1]
    if len(first) >= LEAST_IMAGES and not equal.all():
        search = NearSearch(known, np.sort(first))
        rows = np.flatnonzero(~equal)
        found = search.find_across(images, rows, is_strict=is_strict)
        near[[row for _, row in found.pairs]] = True
    return equal, near


def make_thumbnails(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return rows of images averaged to 16x16 blocks at most, flat (m, k), float32.

    Of up to four channels all are kept, of more the mean: at most 512 values.

    >>> make_thumbnails(np.ones((5, 28, 28), "uint8"), np.arange(3)).shape
    (3, 256)
    """
    thumbnails = []
    for part in _pieces(len(rows), images[:1].size):
        block = images[rows[part]].astype(np.float32)
        block = block.reshape(*block.shape[:3], -1)
        if block.shape[3] > 4:
            block = block.mean(axis=3, keepdims=True)
        side = min(THUMBNAIL_SIDE, math.isqrt(THUMBNAIL_VALUES // block.shape[3]))
        for axis in (1, 2):
            block = _average_blocks(block, axis, side)
        thumbnails.append(block.reshape(len(block), -1))
    return np.concatenate(thumbnails)


def _average_blocks(images: np.ndarray, axis: int, side: int) -> np.ndarray:
    length = images.shape[axis]
    side = min(side, length)
    starts = np.arange(side) * length // side
    shape = [1] * images.ndim
    shape[axis] = side
    widths = np.diff([*starts, length]).astype(np.float32)
    return np.add.reduceat(images, starts, axis=axis) / widths.reshape(shape)


def measure_distances(
    images: np.ndarray, rows: np.ndarray, others: np.ndarray, other_rows: np.ndarray
) -> np.ndarray:
    """Return the root mean square difference of images and their counterparts.

    >>> images = np.array([[0, 0], [3, 3]])
    >>> measure_distances(images, np.array([0, 1]), images, np.array([1, 1]))
    array([3., 0.])
    """
    distances = np.empty(len(rows))
    for part in _pieces(len(rows), images[:1].size):
        n = len(rows[part])
        one = images[rows[part]].reshape(n, -1).astype(np.float64)
        other = others[other_rows[part]].reshape(n, -1)
        distances[part] = np.sqrt(((one - other) ** 2).mean(axis=1))
    return distances
