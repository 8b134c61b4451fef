"""Arrays that are written part by part, because they may be larger than memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from balancegan.memory import release

PART = 1024  # rows read at a time


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of several sources one behind the other, read when they are written.

    Parameters
    ----------
    n : int
        How many rows there are in all.
    first : ndarray of shape (m, ...)
        The first of them; may be mapped from a file.
    rest : iterable of ndarray
        Batches of further rows, of the dtype of `first`.

    Examples
    --------
    >>> rows = Rows(3, np.array([1, 2]), [np.array([3])])
    >>> rows.shape, [part.tolist() for part in rows.parts()]
    ((3,), [[1, 2], [3]])
    """

    n: int
    first: np.ndarray
    rest: Iterable[np.ndarray] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return (self.n, *self.first.shape[1:])

    @property
    def ndim(self) -> int:
        """How many dimensions the array has."""
        return self.first.ndim

    @property
    def dtype(self) -> np.dtype:
        """The type of its values."""
        return self.first.dtype

    def parts(self) -> Iterator[np.ndarray]:
        """Yield the rows, some at a time.

        Raises
        ------
        ValueError
            If there are not as many as was said.
        """
        done = len(self.first)
        for start in range(0, done, PART):
            yield np.ascontiguousarray(self.first[start : start + PART])
            release(self.first)
        for batch in self.rest:
            done += len(batch)
            yield np.ascontiguousarray(batch, dtype=self.dtype)
        if done != self.n:
            raise ValueError(f"There were to be {self.n} rows. Received: {done}.")


def as_rows(array: "np.ndarray | Rows") -> Rows:
    """Return an array as rows."""
    return array if isinstance(array, Rows) else Rows(len(array), array)
