"""Which combination of attributes image k of a request has.

A request names some of the attributes. The open ones are drawn as they occur in the
training images, with one random generator per image, so the combination of image k
does not depend on the number of images.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from balancegan.attributes import Wanted


@dataclass(frozen=True, eq=False)
class Selection:
    """The classes that fit a request, and their weights in the draw.

    `request` holds numbers that no other request has: they separate its draws.
    """

    class_indices: np.ndarray
    weights: np.ndarray
    request: tuple[int, ...] = ()

    @classmethod
    def of_class(cls, class_index: int) -> "Selection":
        """Return the selection of one class."""
        return cls(np.array([class_index]), np.ones(1))

    def draw(self, seed: int, start: int, n: int) -> np.ndarray:
        """Return the class indices, int32, of images start..start + n - 1.

        Examples
        --------
        >>> both = Selection(np.array([4, 7]), np.array([1, 3]))
        >>> whole, later = both.draw(0, start=0, n=9), both.draw(0, start=5, n=4)
        >>> bool((whole[5:] == later).all())
        True
        """
        if len(self.class_indices) == 1:
            return np.full(n, self.class_indices[0], dtype="int32")
        limits = np.cumsum(self.weights) / np.sum(self.weights)
        limits[-1] = 1.0  # above every draw, whatever the sum was rounded to
        # The 1 behind keeps these draws apart from those of the latents
        draws = [
            np.random.default_rng([seed, *self.request, k, 1]).random()
            for k in range(start, start + n)
        ]
        found = np.searchsorted(limits, draws, side="right")
        return self.class_indices[found].astype("int32")


def select(counts: np.ndarray, wanted: Wanted) -> Selection:
    """Return the classes that fit a request: a value of each attribute, None if open.

    These are the combinations that training images have, as often as they occur. If no
    image has the requested values, each open attribute is drawn on its own, as often as
    its values occur in all training images.

    Examples
    --------
    >>> counts = np.array([[3, 1, 0], [0, 0, 4]])
    >>> select(counts, (0, None)).class_indices, select(counts, (1, 0)).class_indices
    (array([0, 1]), array([3]))
    """
    fitting = _fitting(wanted)
    weights = counts[fitting]
    if not weights.any():
        weights = _as_if_independent(counts, wanted)
    class_indices = np.arange(counts.size).reshape(counts.shape)[fitting]
    possible = weights > 0
    request = zip(wanted, counts.shape, strict=True)
    return Selection(
        class_indices[possible],
        weights[possible],
        tuple(size if value is None else value for value, size in request),
    )


def count_images(counts: np.ndarray, wanted: Wanted) -> int:
    """Return how many training images fit a request; parameters as in `select`.

    Examples
    --------
    >>> count_images(np.array([[3, 1, 0], [0, 0, 4]]), (None, 2))
    4
    """
    return int(counts[_fitting(wanted)].sum())


def _fitting(wanted: Wanted) -> tuple[slice, ...]:
    """Return where in a table of counts the combinations are that fit."""
    return tuple(
        slice(None) if value is None else slice(value, value + 1) for value in wanted
    )


def _as_if_independent(counts: np.ndarray, wanted: Wanted) -> np.ndarray:
    """Return the weights of combinations by the frequencies of single values."""
    frequencies = []
    for axis, value in enumerate(wanted):
        others = tuple(other for other in range(counts.ndim) if other != axis)
        own = counts.sum(axis=others) / counts.sum()
        frequencies.append(own if value is None else np.ones(1))
    return reduce(np.multiply.outer, frequencies)
