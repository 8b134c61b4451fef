"""Images of rare combinations, put together of real images of frequent ones.

Of several attributes some go along with each other in training images, so that few
show them otherwise. Where the generator shows that each attribute has pixels of its own
(`gan.regions`), an image of any combination is each attribute's pixels from some real
image that has its value. So it is as sharp and as varied as real images are, and what
stands beside an attribute says nothing of it any more (independent mechanisms, as in
Sauer and Geiger 2021, https://arxiv.org/abs/2101.06046, section 3, whose masks are
drawn by networks for each image; here images stay real).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Self

import numpy as np

from balancegan.gan.model import BATCH, TrainedModel
from balancegan.gan.regions import Regions
from balancegan.gan.selection import Selection
from balancegan.memory import take_rows

SEED_OFFSET = 4  # keeps these draws apart from those of latents, copies and others


@dataclass(frozen=True)
class RecombiningModel(TrainedModel):
    """A trained model whose image k is put together of real images.

    Which ones depends on the seed, the images, the class and k alone.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Real images, in the user's layout and range. They are referred to, not copied.
    class_indices : ndarray of shape (n,), int
        Their combinations.
    regions : Regions or None
        The pixels of each attribute. Other parameters are those of
        :class:`balancegan.gan.model.TrainedModel`.
    """

    images: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    class_indices: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    regions: Regions | None = None

    @classmethod
    def of(
        cls, model: TrainedModel, images: np.ndarray, class_indices: np.ndarray
    ) -> Self:
        """Return the model that recombines some images; its regions are learned."""
        known = {part.name: getattr(model, part.name) for part in fields(TrainedModel)}
        return cls(
            **known,
            images=images,
            class_indices=class_indices,
            regions=Regions.learn(model),
        )

    @property
    def is_possible(self) -> bool:
        """Whether each attribute has pixels of its own."""
        return self.regions is not None and self.regions.are_apart

    def can_make(self, selection: Selection) -> bool:
        """Return whether every value that is asked for has real images."""
        asked = np.unravel_index(selection.class_indices, self.attributes.sizes)
        return all(
            len(self._rows[attribute][value])
            for attribute, values in enumerate(asked)
            for value in values.tolist()
        )

    def make_numbered(
        self, selection: Selection, numbers: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Put the images of these numbers together, a batch at a time."""
        ends = np.flatnonzero(np.diff(numbers // BATCH)) + 1
        for wanted in np.split(numbers, ends) if len(numbers) else []:
            start = int(wanted[0]) // BATCH * BATCH
            classes = selection.draw(self.seed, start, BATCH)[wanted - start]
            yield self._recombine(classes, wanted), classes

    def _recombine(self, classes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        pairs = zip(classes.tolist(), numbers.tolist(), strict=True)
        rows = np.array([self._draw_rows(index, k) for index, k in pairs])
        owners = self._owners[..., None]
        made = np.empty((len(rows), *self.image_format.image_shape), "float32")
        for attribute in range(len(self.attributes.sizes)):
            real = take_rows(self.images, rows[:, attribute])
            shown = self.image_format.to_model_range(real)
            np.copyto(made, shown, where=owners == attribute)
        return self.image_format.from_model_range(made)

    def _draw_rows(self, class_index: int, number: int) -> list[int]:
        """Return for each attribute a real image that has its value."""
        rng = np.random.default_rng([self.seed, class_index, number, SEED_OFFSET])
        values = np.unravel_index(class_index, self.attributes.sizes)
        return [
            int(rng.choice(self._rows[attribute][value]))
            for attribute, value in enumerate(values)
        ]

    @cached_property
    def _rows(self) -> list[list[np.ndarray]]:
        """The real images of each value of each attribute."""
        sizes = self.attributes.sizes
        return [
            [np.flatnonzero(values == value) for value in range(size)]
            for values, size in zip(
                np.unravel_index(self.class_indices, sizes), sizes, strict=True
            )
        ]

    @property
    def _owners(self) -> np.ndarray:
        if self.regions is None:
            raise ValueError("Nothing is recombined without regions.")
        return self.regions.owners
