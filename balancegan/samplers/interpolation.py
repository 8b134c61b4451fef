"""Images between two real ones of a class, in the space of the generator.

For classes of too few images for the generator to know their variety: what lies between
images that exist is more than copies of them, and less than what it makes freely.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from balancegan.gan.inversion import MOST_IMAGES, LatentFinder
from balancegan.gan.model import BATCH, TrainedModel

SEED_OFFSET = 3  # keeps these draws apart from those of latents, attributes and copies


@dataclass(frozen=True, eq=False, kw_only=True)
class InterpolatingModel(TrainedModel):
    """A trained model whose image k lies between two real images of a class.

    Which two, and where between them, depends on the seed, the class and k alone.

    Parameters
    ----------
    real_latents : ndarray of shape (n_real, latent_dim)
        Of the real images of one class, at least two. Other parameters are those of
        :class:`balancegan.gan.model.TrainedModel`.
    """

    real_latents: np.ndarray

    @classmethod
    def between(
        cls, finder: LatentFinder, images: np.ndarray, class_indices: np.ndarray
    ) -> Self:
        """Return the model that interpolates between some images.

        Parameters
        ----------
        finder : LatentFinder
            Finds their latents; its model makes what lies between.
        images : ndarray of shape (n, ...)
            Real images of one class, at least two, in the user's layout and range. Of
            more than 64 the first are taken.
        class_indices : ndarray of shape (n,), int
            Their classes; of several attributes, of their combinations.
        """
        part = slice(MOST_IMAGES)
        latents = finder.find(images[part], class_indices[part])
        model = finder.model
        known = {part.name: getattr(model, part.name) for part in fields(model)}
        return cls(**known, real_latents=latents)

    def draw_latents(self, class_indices: np.ndarray, start: int) -> np.ndarray:
        """Return latents between those of real images, of as large a variance."""
        classes = np.broadcast_to(class_indices, BATCH).tolist()
        rows = [self._interpolate(index, k) for k, index in enumerate(classes, start)]
        return np.asarray(rows, dtype="float32")

    def _interpolate(self, class_index: int, number: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, class_index, number, SEED_OFFSET])
        one, other = rng.choice(len(self.real_latents), size=2, replace=False)
        share = rng.random()
        between = (
            share * self.real_latents[one] + (1 - share) * self.real_latents[other]
        )
        latent: np.ndarray = between / np.hypot(share, 1 - share)
        return latent
