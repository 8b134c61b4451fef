"""Copies of real images: to fill classes up with, and for classes too small for a GAN.

A copy may be shifted a little, which keeps the class of any image. What it copies, and
how far it is shifted, depends on the seed and its number alone: the same copy can be
made of an array at the model's size and of a file at full size.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from balancegan.gan.model import BATCH
from balancegan.images import ImageFormat
from balancegan.memory import take_rows

SHIFT = 1 / 14  # of the side, at most
MOVED = 0.5  # of the copies
SEED_OFFSET = 2  # keeps these draws apart from those of latents and of attributes
# Pixels of the shorter side. Up to here the edge is repeated where a shift uncovers
# something; in larger images that would be a streak, so they are mirrored there
LARGEST_REPEATED = 64


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

    Examples
    --------
    >>> from balancegan.images import find_format
    >>> images = np.arange(3 * 28 * 28, dtype="uint16").reshape(3, 28, 28)
    >>> classes, rows = np.zeros(3, int), np.arange(3)
    >>> copies = MovedCopies(images, classes, rows, find_format(images), seed=0)
    >>> copies.source(5), copies.is_moved(5), copies.describe(5, (280, 280))
    (2, True, 'shifted 12 down, 18 left')
    >>> copies.apply(5, np.zeros((280, 280, 3), "uint8")).shape
    (280, 280, 3)
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
            real = take_rows(self.images, np.array([self.source(k) for k in wanted]))
            originals = self.image_format.to_channels_last(real)
            copies = [
                self.apply(k, image) for image, k in zip(originals, wanted, strict=True)
            ]
            yield self.image_format.from_channels_last(np.stack(copies))

    def source(self, number: int) -> int:
        """Return the row of the image copied: each in turn, in mixed order."""
        turn, place = divmod(number, len(self.rows))
        if turn != self._turn:  # numbers come in order, and turns may be long
            rng = np.random.default_rng([self.seed, turn, SEED_OFFSET])
            self._turn, self._order = turn, self.rows[rng.permutation(len(self.rows))]
        return int(self._order[place])

    def is_moved(self, number: int) -> bool:
        """Return whether a copy is moved (by nothing at all, now and then)."""
        return bool(self._rng(number).random() < self.moved)

    def apply(self, number: int, image: np.ndarray) -> np.ndarray:
        """Return an image moved as this copy is, or the image itself.

        Parameters
        ----------
        number : int
            Which copy.
        image : ndarray of shape (height, width, channels), any dtype
            What it copies, at any size; it is not changed.

        Returns
        -------
        moved : ndarray of the same shape and dtype
            Shifts are in proportion to the sides.
        """
        down, right = self._shift(number, image.shape[:2])
        return shift_image(image, down, right) if down or right else image

    def describe(self, number: int, sides: tuple[int, ...]) -> str:
        """Return how a copy of an image with these sides is moved, "" if not."""
        down, right = self._shift(number, sides)
        ways = ((down, "down", "up"), (right, "right", "left"))
        said = [f"{abs(n)} {ahead if n > 0 else back}" for n, ahead, back in ways if n]
        return f"shifted {', '.join(said)}" if said else ""

    def _shift(self, number: int, sides: tuple[int, ...]) -> tuple[int, int]:
        """Return by how many pixels a copy is shifted down and to the right."""
        rng = self._rng(number)
        if rng.random() >= self.moved:
            return 0, 0
        reach = [max(1, round(SHIFT * side)) for side in sides]
        down, right = (r - int(rng.integers(2 * r + 1)) for r in reach)
        return down, right

    def _rng(self, number: int) -> np.random.Generator:
        index = int(self.class_indices[self.rows[0]])
        return np.random.default_rng([self.seed, index, number, SEED_OFFSET])


def shift_image(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return an image shifted by whole pixels, of the same size.

    What is uncovered is filled by the pixels at the edge, mirrored in images whose
    shorter side has more than 64 pixels, repeated in smaller ones.

    Parameters
    ----------
    image : ndarray of shape (height, width, channels)
        It is not changed.
    down, right : int
        By how many pixels; negative: up, left.

    Examples
    --------
    >>> shift_image(np.arange(4).reshape(1, 4, 1), 0, 2)[0, :, 0].tolist()
    [0, 0, 0, 1]
    """
    height, width = image.shape[:2]
    is_large = min(height, width) > LARGEST_REPEATED
    rows = (max(down, 0), max(-down, 0))
    columns = (max(right, 0), max(-right, 0))
    mode: Literal["reflect", "edge"] = "reflect" if is_large else "edge"
    padded = np.pad(image, (rows, columns, (0, 0)), mode=mode)
    top, left = rows[1], columns[1]
    return padded[top : top + height, left : left + width]
