"""Images of rare combinations, recombined from real images.

If attributes are correlated in the training images, few images show other combinations.
If each attribute has its own pixels (`gan.regions`), an image of any combination takes
each attribute's pixels from a real image with that value. It is as sharp and varied as
real images, and the remaining pixels no longer depend on the attribute (independent
mechanisms, as in Sauer and Geiger 2021, https://arxiv.org/abs/2101.06046, section 3,
where networks draw a mask for each image).
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np

from balancegan.gan.model import TrainedModel
from balancegan.gan.regions import Regions
from balancegan.gan.selection import Selection
from balancegan.memory import take_rows

SEED_OFFSET = 4  # keeps these draws apart from those of latents, copies and others


@dataclass(frozen=True, eq=False, kw_only=True)
class RecombiningModel(TrainedModel):
    """A trained model whose image k is recombined from real images.

    Which ones depends on the seed, the images, the class and k alone.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Real images, in the user's layout and range. They are referred to, not copied.
    class_indices : ndarray of shape (n,), int
        Their combinations.
    regions : Regions
        The pixels of each attribute. Other parameters are those of
        :class:`balancegan.gan.model.TrainedModel`.
    """

    images: np.ndarray
    class_indices: np.ndarray
    regions: Regions

    @classmethod
    def of(
        cls, model: TrainedModel, images: np.ndarray, class_indices: np.ndarray
    ) -> Self:
        """Return the model that recombines some images.

        Its regions are those that real images show; where they show none, those that
        the generator does, if there is one.
        """
        regions = Regions.of_real(
            images,
            class_indices,
            model.image_format.to_model_range,
            model.attributes.sizes,
            seed=0,  # whether they are apart is no matter of chance
        )
        if not regions.are_apart and model.generator is not None:
            regions = Regions.of_generator(model)
        known = {part.name: getattr(model, part.name) for part in fields(TrainedModel)}
        return cls(
            **known,
            images=images,
            class_indices=class_indices,
            regions=regions,
        )

    def can_make(self, selection: Selection) -> bool:
        """Return whether attributes have separate pixels, and all values real images.

        Parameters
        ----------
        selection : Selection
            The combinations that may be drawn.
        """
        if not self.regions.are_apart:
            return False
        asked = np.unravel_index(selection.class_indices, self.attributes.sizes)
        return all(
            len(self._rows[attribute][value])
            for attribute, values in enumerate(asked)
            for value in values.tolist()
        )

    def make_batch(
        self, class_indices: np.ndarray, start: int, rows: np.ndarray
    ) -> np.ndarray:
        """Recombine the requested images of one batch."""
        wanted = zip(class_indices[rows].tolist(), (start + rows).tolist(), strict=True)
        sources = np.array([self._draw_sources(index, k) for index, k in wanted])
        owners = self.regions.owners[..., None]
        made = np.empty((len(rows), *self.image_format.image_shape), "float32")
        for attribute in range(len(self.attributes.sizes)):
            real = take_rows(self.images, sources[:, attribute])
            shown = self.image_format.to_model_range(real)
            np.copyto(made, shown, where=owners == attribute)
        return self.image_format.from_model_range(made)

    def _draw_sources(self, class_index: int, number: int) -> list[int]:
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
