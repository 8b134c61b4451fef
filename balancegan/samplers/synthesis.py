"""The images of a plan, made batch by batch, each with its origin.

``choice`` decides which images these are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from balancegan.attributes import Attributes, Labels
from balancegan.phases import spending_on_each
from balancegan.progress import show_progress
from balancegan.samplers.copies import MovedCopies

COPYING, GENERATING = "Copying", "Generating"
Maker = Callable[[np.ndarray], Iterator[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Portion:
    """Images of one class that are made in one way.

    Attributes
    ----------
    method : str
        How they are made; see :mod:`balancegan.samplers.choice`.
    numbers : ndarray of shape (n,), int
        Which images of that method and class.
    class_indices : ndarray of shape (n,), int
        What each was asked to be.
    weights : ndarray of shape (n,)
        How much each should count in training, where a real image counts 1.
    make : callable
        Numbers to batches of images in the user's layout and range.
    sources : ndarray of shape (n,), int, or None, default=None
        The row of the real image that each copies. None: they are no copies.
    copies : MovedCopies or None, default=None
        What made them if they are copies.
    """

    method: str
    numbers: np.ndarray
    class_indices: np.ndarray
    weights: np.ndarray
    make: Maker
    sources: np.ndarray | None = None
    copies: MovedCopies | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def sources_or_none(self) -> np.ndarray:
        """Return the row that each image copies, -1 for none."""
        return np.full(len(self), -1) if self.sources is None else self.sources


class Synthesis:
    """The images of a plan, made batch by batch during iteration.

    Labels and numbers are known before any image is made.

    Parameters
    ----------
    portions : sequence of Portion
        Class after class.
    attributes : Attributes
        What class indices stand for.
    show : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    labels : Labels
        A row for each image, with all attributes.
    numbers : ndarray of shape (n,), int
        The number of each image among those of its class and method. Of the GAN's it
        is also its number among those of the combination that was drawn for it.
    methods : ndarray of shape (n,), str
        How each is made.
    weights : ndarray of shape (n,)
        How much each should count in training, where a real image counts 1.
    sources : ndarray of shape (n,), int
        The row of the real image that each copies, -1 where it copies none.
    """

    def __init__(
        self, portions: Sequence[Portion], attributes: Attributes, *, show: bool
    ) -> None:
        self.portions, self.show = portions, show
        indices = _join(int, [portion.class_indices for portion in portions])
        self.labels = Labels(attributes.names, attributes.columns(indices))
        self.numbers = _join(int, [portion.numbers for portion in portions])
        self.weights = _join(float, [portion.weights for portion in portions])
        self._stops = np.cumsum([len(portion) for portion in portions])
        self.sources = _join(int, [portion.sources_or_none() for portion in portions])
        named = [np.full(len(portion), portion.method) for portion in portions]
        self.methods = _join("U12", named)

    def __len__(self) -> int:
        return len(self.numbers)

    def apply(self, row: int, image: np.ndarray) -> np.ndarray:
        """Return an image of any size moved as the copy of this row is.

        Parameters
        ----------
        row : int
            Which of the images; see :meth:`MovedCopies.apply`.
        image : ndarray of shape (height, width, channels)
            The image that it copies, at any size.
        """
        copies, number = self._copy_of(row)
        return image if copies is None else copies.apply(number, image)

    def describe_move(self, row: int, sides: tuple[int, ...]) -> str:
        """Return how a copy of an image with these sides is moved, "" if not."""
        copies, number = self._copy_of(row)
        return "" if copies is None else copies.describe(number, sides)

    def _copy_of(self, row: int) -> tuple[MovedCopies | None, int]:
        place = int(np.searchsorted(self._stops, row, side="right"))
        return self.portions[place].copies, int(self.numbers[row])

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield new batches of images (m, ...), in the user's format."""
        done, visible = 0, self.show and len(self) > 0
        made = (images for one in self.portions for images in one.make(one.numbers))
        phase = COPYING if (self.sources >= 0).all() else GENERATING
        # What happens to the images in between is not the time of making them
        with show_progress(
            phase, len(self), "images", visible=visible, books_time=False
        ) as display:
            for images in spending_on_each(phase, made):
                yield images
                done += len(images)
                display.update(done)


def _join(dtype: Any, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the concatenation of arrays, which may be none."""
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)
