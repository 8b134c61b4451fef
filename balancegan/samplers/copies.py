"""Copies of real images, to fill classes.

A copy may be shifted a little, which keeps the class of any image. It may be mirrored
or turned where that keeps the class: the user says so, or
:mod:`balancegan.samplers.move_finder` found it out. What a copy copies, and how it is
moved, depends on the seed and its number alone: the same copy can be made of an array
at the model's size and of a file at full size.

No value is interpolated. Small rotations take a quarter of the sharpness of 28x28
images and 10 % of that of photos, and brightness changes contrast: either would be a
sign of the classes that get copies.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from balancegan.errors import DataError
from balancegan.gan.model import BATCH
from balancegan.images import ImageFormat
from balancegan.memory import take_rows

MOVES = ("shift", "mirror", "half-turn", "quarter-turn")
SHIFTED, MIRRORED, HALF_TURN, QUARTER_TURN = MOVES
AUTO, NO_MOVES = "auto", "none"
SHIFT = 1 / 14  # of the side, at most
MOVED = 0.5  # of the copies
SEED_OFFSET = 2  # keeps these draws apart from those of latents and of attributes
TURN_SEED_OFFSET = 6  # keeps those of turns apart from those of shifts and all others
# Pixels of the shorter side. Up to here the edge is repeated where a shift uncovers
# something; in larger images that would be a streak, so they are mirrored there
LARGEST_REPEATED = 64
# Pixels: a shift by whole blocks of a JPEG leaves all but the border as sharp as it was
BLOCK = 8


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
        How likely each is shifted, 0 to 1.
    moves : sequence of str, default=("shift",)
        What may be done to a copy: some of ``MOVES``. Half are mirrored, and each turn
        is as likely as none, whether a copy is shifted or not: unlike a shift this
        leaves no trace at the edges.

    Examples
    --------
    >>> from balancegan.images import find_format
    >>> images = np.arange(3 * 28 * 28, dtype="uint16").reshape(3, 28, 28)
    >>> classes, rows = np.zeros(3, int), np.arange(3)
    >>> copies = MovedCopies(images, classes, rows, find_format(images), seed=0)
    >>> copies.source(5), copies.is_moved(5), copies.describe(5, (280, 280))
    (2, True, 'shifted 16 down, 16 left')
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
        moves: Sequence[str] = (SHIFTED,),
    ) -> None:
        self.images, self.class_indices, self.rows = images, class_indices, rows
        self.image_format, self.seed, self.moves = image_format, seed, moves
        self.moved = moved if SHIFTED in moves else 0.0
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
        """Return whether a copy is moved (sometimes by 0 pixels)."""
        is_shifted = self._rng(number, SEED_OFFSET).random() < self.moved
        return bool(is_shifted) or any(self._draw_turn(number))

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
            Shifts are in proportion to the sides. An oblong image keeps its sides:
            it is turned by 180 degrees or not at all.
        """
        move = self._move(number, image.shape[:2])
        if not any(move):
            return image
        if move.is_mirrored or move.turns:
            image = turn_image(image, move.turns, is_mirrored=move.is_mirrored)
        return shift_image(image, move.down, move.right)

    def describe(self, number: int, sides: tuple[int, ...]) -> str:
        """Return how a copy of an image with these sides is moved, "" if not."""
        move = self._move(number, sides)
        ways = ((move.down, "down", "up"), (move.right, "right", "left"))
        said = [f"{abs(n)} {ahead if n > 0 else back}" for n, ahead, back in ways if n]
        parts = (
            "mirrored" if move.is_mirrored else "",
            f"turned {90 * move.turns} degrees" if move.turns else "",
            f"shifted {', '.join(said)}" if said else "",
        )
        return ", ".join(filter(None, parts))

    def _move(self, number: int, sides: tuple[int, ...]) -> "Move":
        """Return how a copy of an image with these sides is moved."""
        is_mirrored, turns = self._draw_turn(number)
        if sides[0] != sides[1]:
            turns -= turns % 2
        rng = self._rng(number, SEED_OFFSET)
        if rng.random() >= self.moved:
            return Move(is_mirrored, turns, 0, 0)
        down, right = (_draw_distance(rng, side) for side in sides)
        return Move(is_mirrored, turns, down, right)

    def _draw_turn(self, number: int) -> tuple[bool, int]:
        """Return whether a copy is mirrored, and by how many quarter turns it turns."""
        rng = self._rng(number, TURN_SEED_OFFSET)
        is_mirrored, turns = rng.integers(2) > 0, int(rng.integers(4))
        if QUARTER_TURN not in self.moves:
            turns = turns - turns % 2 if HALF_TURN in self.moves else 0
        return bool(is_mirrored) and MIRRORED in self.moves, turns

    def _rng(self, number: int, offset: int) -> np.random.Generator:
        index = int(self.class_indices[self.rows[0]])
        return np.random.default_rng([self.seed, index, number, offset])


def _draw_distance(rng: np.random.Generator, side: int) -> int:
    """Return by how many pixels to shift, whole blocks where the side has room."""
    reach = max(1, round(SHIFT * side))
    step = BLOCK if reach >= BLOCK else 1
    n_steps = reach // step
    return step * (n_steps - int(rng.integers(2 * n_steps + 1)))


class Move(NamedTuple):
    """What is done to a copy: first it is mirrored, then turned, then shifted.

    `turns` counts quarter turns against the clock; `down` and `right` are in pixels.
    """

    is_mirrored: bool
    turns: int
    down: int
    right: int


def turn_image(image: np.ndarray, turns: int, *, is_mirrored: bool) -> np.ndarray:
    """Return an image mirrored left to right or not, then turned; no value is changed.

    Parameters
    ----------
    image : ndarray of shape (height, width, channels)
        It is not changed.
    turns : int
        How many quarter turns against the clock.
    is_mirrored : bool
        Whether left and right are exchanged, before it is turned.

    Examples
    --------
    >>> image = np.arange(2).reshape(1, 2, 1)
    >>> turn_image(image, 2, is_mirrored=False)[0, :, 0].tolist()
    [1, 0]
    """
    mirrored = image[:, ::-1] if is_mirrored else image
    return np.ascontiguousarray(np.rot90(mirrored, turns))


def list_moves(moves: str | Sequence[str]) -> tuple[str, ...] | None:
    """Return the moves that copies may get, None for those that `find_moves` finds.

    Parameters
    ----------
    moves : str or sequence of str
        "auto", "none", or one or several of ``MOVES``.

    Raises
    ------
    DataError
        If a name is unknown, or "auto" or "none" is not alone.

    Examples
    --------
    >>> list_moves("shift"), list_moves(["mirror", "shift"]), list_moves("none")
    (('shift',), ('shift', 'mirror'), ())
    """
    names = [moves] if isinstance(moves, str) else list(moves)
    if names == [AUTO]:
        return None
    if names == [NO_MOVES]:
        return ()
    if not names or not set(names) <= set(MOVES):
        raise DataError(
            f"Copies can be moved by {AUTO!r}, {NO_MOVES!r}, or some of "
            f"{', '.join(map(repr, MOVES))}. Received: moves={moves!r}."
        )
    return tuple(move for move in MOVES if move in names)


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
