"""Copies of real images: to fill classes up with, and for classes too small for a GAN.

They add what is known of every class, that an image may be moved a little, and nothing
else. They are not mirrored: a mirrored image may be of no class. Nor are they turned or
scaled: that blurs, and where most images of a class are blurred a classifier takes that
for a sign of the class (benchmarks/LOG.md).
"""

from collections.abc import Iterator

import numpy as np

from balancegan.gan.model import BATCH
from balancegan.images import ImageFormat
from balancegan.memory import take_rows

SHIFT = 1 / 14  # of the side, at most
MOVED = 0.5  # of the copies
SEED_OFFSET = 2  # keeps these draws apart from those of latents and of attributes


class MovedCopies:
    """Copies of the real images of one class, some of them moved.

    Copy k depends on the seed, the images and k alone.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Real images, in the user's layout and range. They are referred to, not copied.
    class_indices : ndarray of shape (n,), int
        Their classes; of several attributes, of their combinations.
    rows : ndarray of shape (m,), int
        Which of them are of the class.
    image_format : ImageFormat
        Of the images.
    seed : int
        Seed.
    moved : float, default=0.5
        How likely each is moved, 0 to 1.
    """

    def __init__(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        rows: np.ndarray,
        image_format: ImageFormat,
        seed: int,
        moved: float = MOVED,
    ) -> None:
        self.images, self.class_indices, self.rows = images, class_indices, rows
        self.image_format, self.seed, self.moved = image_format, seed, moved
        self._turn, self._order = -1, rows

    def classes_of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the class index, int, of each copy: that of what it copies."""
        return self.class_indices[[self._row(k) for k in numbers.tolist()]]

    def make(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the copies of these numbers, a batch at a time.

        Parameters
        ----------
        numbers : ndarray of shape (m,), int
            Which copies.

        Yields
        ------
        images : ndarray of shape (k, ...)
            In the user's layout, dtype and range.
        """
        for start in range(0, len(numbers), BATCH):
            wanted = numbers[start : start + BATCH].tolist()
            real = take_rows(self.images, np.array([self._row(k) for k in wanted]))
            originals = self.image_format.to_channels_last(real)
            copies = [
                move(image, self._rng(k), self.moved)
                for image, k in zip(originals, wanted, strict=True)
            ]
            yield self.image_format.from_channels_last(np.stack(copies))

    def _row(self, number: int) -> int:
        """Return which image copy `number` is of: each in turn, in mixed order."""
        turn, place = divmod(number, len(self.rows))
        if turn != self._turn:  # numbers come in order, and turns may be long
            rng = np.random.default_rng([self.seed, turn, SEED_OFFSET])
            self._turn, self._order = turn, self.rows[rng.permutation(len(self.rows))]
        return int(self._order[place])

    def _rng(self, number: int) -> np.random.Generator:
        index = int(self.class_indices[self.rows[0]])
        return np.random.default_rng([self.seed, index, number, SEED_OFFSET])


def move(
    image: np.ndarray, rng: np.random.Generator, probability: float = MOVED
) -> np.ndarray:
    """Return an image moved by whole pixels at random, edges repeated, or as it is.

    Half stay where they are by default, so that being moved is no sign of a class that
    is filled up among others that are not.

    Parameters
    ----------
    image : ndarray of shape (height, width, channels)
        It is not changed.
    rng : Generator
        Draws whether, and how far.
    probability : float, default=0.5
        How likely it is moved.

    Examples
    --------
    >>> image = np.zeros((28, 28, 1)); image[10:18, 10:18] = 1
    >>> copies = [move(image, np.random.default_rng(seed)) for seed in range(8)]
    >>> {int(copy.sum()) for copy in copies}
    {64}
    """
    if rng.random() >= probability:
        return image
    reach = [max(1, round(SHIFT * side)) for side in image.shape[:2]]
    padded = np.pad(image, [*((r, r) for r in reach), (0, 0)], mode="edge")
    top, left = (int(rng.integers(2 * r + 1)) for r in reach)
    height, width = image.shape[:2]
    return padded[top : top + height, left : left + width]
