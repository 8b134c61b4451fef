"""Which pixels each attribute governs, as images of many combinations show it.

What changes with one attribute, whatever the others are, is that one's. In data where
attributes go along with each other few images show that. A generator can be asked for
every combination; and where rare ones have real images enough, those show it, too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from balancegan.gan.effects import LEAST_EFFECT, MainEffects
from balancegan.gan.model import BATCH, TrainedModel
from balancegan.memory import take_rows

LEAST_ASKED = 2_048  # images that are looked at
ASKED_PER_VALUE = 64  # of the attribute with the most values, at least
MOST_ASKED = 16_384
# So many real images of a combination are looked at, or twice as many as the median
# combination has. What attributes do together, beyond what each adds, is of one
# combination: the more of its images there are, the more it would count for all
MOST_OF_ONE, MOST_TO_MEDIAN = 8, 2
BLUR = 1 / 28  # of the shorter side: pixels near each other belong together
LEAST_APART = 0.75  # of effects in their own region; about 1/m where nothing is apart
BEYOND_CHANCE = 0.4  # of what chance adds: where nothing is to be seen, up to 0.36
SEED_OFFSET = 5  # keeps these draws apart from those of latents and all others


Batch = tuple[np.ndarray, np.ndarray]  # images and their combinations


@dataclass(frozen=True, eq=False)
class Regions:
    """The pixels of each attribute.

    Attributes
    ----------
    owners : ndarray of shape (height, width), int
        The attribute that changes most at each pixel.
    apart : float
        How far attributes keep to their own regions, 0 to 1: of all that changes with
        an attribute the share in its region, and of all that changes in a region the
        share that is due to its attribute; the least of all these. 0 where an attribute
        changes nearly nothing, or fewer than two have several values.
    """

    owners: np.ndarray
    apart: float

    @property
    def are_apart(self) -> bool:
        """Whether every attribute has pixels that are nearly its own."""
        return self.apart >= LEAST_APART

    @classmethod
    def learn(cls, model: TrainedModel) -> Self:
        """Ask a generator for combinations at random, and see what changes with what.

        Parameters
        ----------
        model : TrainedModel
            Of several attributes.
        """
        return cls.find(_ask(model), model.attributes.sizes)

    @classmethod
    def of_real(
        cls,
        images: np.ndarray,
        class_indices: np.ndarray,
        to_model_range: Callable[[np.ndarray], np.ndarray],
        sizes: tuple[int, ...],
        seed: int,
    ) -> Self:
        """See what changes with what in real images, of rare combinations all.

        Some thirty images of rare combinations show it; with fewer attributes are
        found less apart than they are rather than more.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            In the user's layout and range.
        class_indices : ndarray of shape (n,), int
            Their combinations.
        to_model_range : callable
            Turns rows of `images` into float32 of shape (m, height, width, channels)
            in [-1, 1].
        sizes : tuple of int
            How many values each attribute has.
        seed : int
            Of the draws.
        """
        rows = _spread(class_indices, _count_asked(sizes), seed)
        batches = np.split(rows, range(BATCH, len(rows), BATCH))
        shown = (
            (to_model_range(take_rows(images, batch)), class_indices[batch])
            for batch in batches
        )
        return cls.find(shown, sizes)

    @classmethod
    def find(cls, shown: Iterable[Batch], sizes: tuple[int, ...]) -> Self:
        """See what changes with what in images whose attributes may go together.

        The effect of an attribute on a pixel, and on the contrast around it, is the
        variance of what its values add (:mod:`balancegan.gan.effects`).

        Parameters
        ----------
        shown : iterable of (images, class_indices)
            Images of shape (m, height, width, channels), -1..1, and their combinations,
            batch after batch.
        sizes : tuple of int
            How many values each attribute has.
        """
        found = MainEffects(sizes)
        for images, class_indices in shown:
            found.add(np.unravel_index(class_indices, sizes), _look_at(images))
        effects = found.estimate()
        owners = _blur(effects.shrunken).argmax(axis=0)
        own = np.maximum(_blur(effects.unbiased), 0.0)
        least = np.maximum(LEAST_EFFECT, BEYOND_CHANCE * effects.chance.mean((1, 2)))
        shares, varying = [], np.flatnonzero(np.array(sizes) > 1)
        if len(varying) < 2:
            return cls(owners, 0.0)
        for attribute in varying:
            inside = owners == attribute
            if own[attribute].mean() < least[attribute] or not inside.any():
                return cls(owners, 0.0)
            in_region = own[attribute][inside].sum()
            shares.append(in_region / own[attribute].sum())
            shares.append(in_region / own[:, inside].sum())
        return cls(owners, float(min(shares)))


def _blur(effects: np.ndarray) -> np.ndarray:
    blurred: np.ndarray = gaussian_filter(
        effects, (0, *[BLUR * min(effects.shape[1:])] * 2)
    )
    return blurred


def _count_asked(sizes: tuple[int, ...]) -> int:
    """Return how many images are looked at."""
    return int(np.clip(ASKED_PER_VALUE * max(sizes), LEAST_ASKED, MOST_ASKED))


def _spread(class_indices: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return n rows at most: one of each combination, then a second of each, and so on.

    Which of a combination's images are taken is chance.
    """
    rng = np.random.default_rng([seed, SEED_OFFSET])
    order = rng.permutation(len(class_indices))
    order = order[np.argsort(class_indices[order], kind="stable")]
    counts = np.bincount(class_indices)
    nth = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = max(MOST_OF_ONE, MOST_TO_MEDIAN * np.median(counts[counts > 0]))
    n = min(n, int((nth < most).sum()))
    return order[np.argsort(nth, kind="stable")[:n]]


def _ask(model: TrainedModel) -> Iterator[Batch]:
    """Have images made of combinations at random."""
    sizes = model.attributes.sizes
    n = _count_asked(sizes)
    rng = np.random.default_rng([model.seed, SEED_OFFSET])
    values = [rng.integers(size, size=n) for size in sizes]
    class_indices = np.ravel_multi_index(values, sizes).astype("int32")
    latents = rng.standard_normal((n, model.preset.latent_dim)).astype("float32")
    for start in range(0, n, BATCH):
        rows = slice(start, start + BATCH)
        asked = [latents[rows], class_indices[rows]]
        yield model.check_generates().predict_on_batch(asked), class_indices[rows]


def _look_at(images: np.ndarray) -> np.ndarray:
    """Return each pixel and the contrast around it: (n, height, width, 2 channels)."""
    contrast = [
        gaussian_gradient_magnitude(image, 1.0, axes=(0, 1)) for image in images
    ]
    return np.concatenate([images, np.stack(contrast)], axis=-1).astype(float)
