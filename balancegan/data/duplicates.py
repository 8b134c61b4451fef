"""Images that occur more than once: equal value for value, or nearly.

Nearly equal is measured against how near the images of the set usually are. Small
copies (thumbnails) propose for each image the one that it is compared with; what counts
are the distances of the images themselves.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import isqrt

import numpy as np
from sklearn.neighbors import NearestNeighbors

from balancegan.data.values import pieces
from balancegan.images import typical_distance

# Nearly equal: as a share of the distance to the image's own tenth-nearest one, so that
# a plain class (the digit 1), where all are near each other, raises no alarm
NEAR = 0.25
NTH = 10
# or of the median of those distances, for images with more than ten copies
NEAR_ANYWHERE = 0.05
# which is at least so much of the typical distance: where most images have more than
# ten near copies, the median is theirs
LEAST_USUAL = 0.6
LEAST_IMAGES = 5  # different ones; with fewer nothing is usual
# Beyond these a sample is looked at: some ten seconds of two cores, and 200 MB
MOST_PAIRS = 600_000_000
MOST_COMPARED = 100_000
MOST_SPREAD = 256  # images that the typical distance is measured by
THUMBNAIL_SIDE = 16
THUMBNAIL_VALUES = 512


def number_equal(*image_sets: np.ndarray) -> list[np.ndarray]:
    """Give every image a number that equal images share.

    Parameters
    ----------
    *image_sets : ndarray of shape (n, ...)
        Sets of images of one shape. Their dtypes may differ: values are compared.

    Returns
    -------
    numbers : list of ndarray of shape (n,), int64
        One array a set; the numbers count distinct images from 0 in the order in
        which they appear.

    Examples
    --------
    >>> images = np.array([1, 2, 1]).reshape(3, 1, 1)
    >>> number_equal(images, np.array([3.0, 2.0]).reshape(2, 1, 1))
    [array([0, 1, 0]), array([2, 1])]
    """
    dtype = np.result_type(*image_sets)
    number_of: dict[bytes, int] = {}
    numbers = []
    for images in image_sets:
        found: list[int] = []
        for rows in pieces(len(images), images[:1].size):
            block = images[rows].astype(dtype).reshape(len(images[rows]), -1)
            if dtype.kind == "f":
                block += 0.0  # -0.0 becomes 0.0
            for values in block:
                key = blake2b(values.tobytes(), digest_size=16).digest()
                found.append(number_of.setdefault(key, len(number_of)))
        numbers.append(np.array(found, dtype=np.int64))
    return numbers


@dataclass(frozen=True)
class NearPairs:
    """Images that are nearly equal to another.

    Attributes
    ----------
    pairs : list of (int, int)
        Rows of nearly equal images. Within a set the smaller row comes first; of two
        sets, the row of the training set.
    n_sought, n_compared : int
        How many images were compared with how many.
    n_all_sought, n_all_compared : int
        How many there were. Where these are more, samples were drawn at random.
    """

    pairs: list[tuple[int, int]]
    n_sought: int
    n_compared: int
    n_all_sought: int
    n_all_compared: int


class NearSearch:
    """Finds images that are nearly equal to one of a training set.

    An image counts as nearly equal to its nearest training image if the distance
    between them is below a quarter of that to its tenth-nearest one, or below a
    twentieth of the median of the distances to the tenth-nearest, which is taken to be
    0.6 of the typical distance between images at least. That finds images
    that were saved anew, compressed, scaled and scaled back or given a little noise;
    it does not find them when shifted, mirrored or much lighter.

    Parameters
    ----------
    images : ndarray of shape (n, height, width[, channels])
        Training images, of any range.
    rows : ndarray of shape (m,), int
        Those to compare with: finite, all different, in order, at least five. Of more
        than 100,000 a sample is taken.
    seed : int, default=0
        Of the samples.

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
        self.least_usual = LEAST_USUAL * typical_distance(sample, sample) / of_values

    def find_within(self) -> NearPairs:
        """Return training images that are nearly equal to another.

        Of more than 24,000 a sample is sought, as many as make 600 million pairs.
        """
        sought = self._sample(np.arange(len(self.rows)), MOST_PAIRS // len(self.rows))
        n_wanted = min(NTH + 1, len(self.rows))
        found = self._propose(self.thumbnails[sought], n_wanted)
        # The image itself goes last and is cut off, or else the farthest is
        order = np.argsort(found == sought[:, None], axis=1, kind="stable")
        found = np.take_along_axis(found, order, axis=1)[:, :-1]
        rows = self.rows[sought]
        near = self._judge(self.images, rows, found)
        pairs = np.sort(np.stack([self.rows[found[near, 0]], rows[near]], axis=1))
        return self._result(pairs, len(sought), self.n_rows)

    def find_across(self, images: np.ndarray, rows: np.ndarray) -> NearPairs:
        """Return images of another set that are nearly equal to a training image.

        Parameters
        ----------
        images : ndarray of shape (k, height, width[, channels])
            Of the same height, width and range as the training images.
        rows : ndarray of shape (l,), int
            Those to seek; a sample, if that makes more than 600 million pairs.
        """
        sought = self._sample(rows, MOST_PAIRS // len(self.rows))
        if not len(sought):
            return self._result(np.empty((0, 2), int), 0, 0)
        found = self._propose(make_thumbnails(images, sought), min(NTH, len(self.rows)))
        near = self._judge(images, sought, found)
        pairs = np.stack([self.rows[found[near, 0]], sought[near]], axis=1)
        return self._result(pairs, len(sought), len(rows))

    def _propose(self, thumbnails: np.ndarray, n_wanted: int) -> np.ndarray:
        """Return positions in `rows`, the nearest first."""
        return self.neighbours.kneighbors(
            thumbnails, n_neighbors=n_wanted, return_distance=False
        )

    def _judge(
        self, images: np.ndarray, sought: np.ndarray, found: np.ndarray
    ) -> np.ndarray:
        """Return which images are nearly equal to the first of those found."""
        nearest, tenth = (
            measure_distances(images, sought, self.images, self.rows[column])
            for column in (found[:, 0], found[:, -1])
        )
        usual = max(float(np.median(tenth)), self.least_usual)
        return (nearest < NEAR * tenth) | (nearest < NEAR_ANYWHERE * usual)

    def _sample(self, rows: np.ndarray, most: int) -> np.ndarray:
        if len(rows) <= most:
            return rows
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.choice(rows, most, replace=False))

    def _result(self, pairs: np.ndarray, n_sought: int, n_all: int) -> NearPairs:
        unique = sorted({(int(a), int(b)) for a, b in pairs})
        return NearPairs(unique, n_sought, len(self.rows), n_all, self.n_rows)


def make_thumbnails(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Scale images down by averaging blocks of pixels.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, channels)
        Up to four channels are kept, of more the mean is taken.
    rows : ndarray of shape (m,), int
        Those to scale.

    Returns
    -------
    thumbnails : ndarray of shape (m, k), float32
        Flat, at most 16 pixels high and wide and of at most 512 values.

    Examples
    --------
    >>> make_thumbnails(np.ones((5, 28, 28), "uint8"), np.arange(3)).shape
    (3, 256)
    """
    thumbnails = []
    for part in pieces(len(rows), images[:1].size):
        block = images[rows[part]].astype(np.float32)
        block = block.reshape(*block.shape[:3], -1)
        if block.shape[3] > 4:
            block = block.mean(axis=3, keepdims=True)
        side = min(THUMBNAIL_SIDE, isqrt(THUMBNAIL_VALUES // block.shape[3]))
        for axis in (1, 2):
            block = _average_blocks(block, axis, side)
        thumbnails.append(block.reshape(len(block), -1))
    return np.concatenate(thumbnails)


def measure_distances(
    images: np.ndarray, rows: np.ndarray, others: np.ndarray, other_rows: np.ndarray
) -> np.ndarray:
    """Return the root mean square difference of each image and its counterpart.

    Parameters
    ----------
    images, others : ndarray of shape (n, ...)
        Two sets, or the same, of images of one size.
    rows, other_rows : ndarray of shape (m,), int
        Which images of the first are compared with which of the second.

    Returns
    -------
    distances : ndarray of shape (m,), float64
        In the unit of the values.

    Examples
    --------
    >>> images = np.array([[0, 0], [3, 3]])
    >>> measure_distances(images, np.array([0, 1]), images, np.array([1, 1]))
    array([3., 0.])
    """
    distances = np.empty(len(rows))
    for part in pieces(len(rows), images[:1].size):
        n = len(rows[part])
        one = images[rows[part]].reshape(n, -1).astype(np.float64)
        other = others[other_rows[part]].reshape(n, -1)
        distances[part] = np.sqrt(((one - other) ** 2).mean(axis=1))
    return distances


def _average_blocks(images: np.ndarray, axis: int, side: int) -> np.ndarray:
    length = images.shape[axis]
    side = min(side, length)
    starts = np.arange(side) * length // side
    sums = np.add.reduceat(images, starts, axis=axis)
    shape = [1] * images.ndim
    shape[axis] = side
    widths = np.diff([*starts, length]).astype(np.float32)
    return sums / widths.reshape(shape)
