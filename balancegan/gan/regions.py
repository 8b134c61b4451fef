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

from balancegan.gan.batches import BalancedBatches
from balancegan.gan.model import BATCH, TrainedModel

LEAST_ASKED = 2_048  # images that are looked at
ASKED_PER_VALUE = 64  # of the attribute with the most values, at least
MOST_ASKED = 16_384
BLUR = 1 / 28  # of the shorter side: pixels near each other belong together
LEAST_APART = 0.75  # of effects in their own region; about 1/m where nothing is apart
LEAST_EFFECT = 0.01  # of all variance, on the mean; less may be chance
SEED_OFFSET = 5  # keeps these draws apart from those of latents and all others


Batch = tuple[np.ndarray, np.ndarray]  # images and their combinations


@dataclass(frozen=True)
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
        changes nearly nothing.
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
        """See what changes with what in real images, of each combination as many.

        Where rare combinations have few images, what is peculiar to these seems to
        change with every attribute, so that attributes are found less apart than they
        are, not more.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            In the user's layout and range.
        class_indices : ndarray of shape (n,), int
            Their combinations.
        to_model_range : callable
            As of :class:`balancegan.gan.batches.BalancedBatches`.
        sizes : tuple of int
            How many values each attribute has.
        seed : int
            Of the draws.
        """
        drawn = BalancedBatches(
            images,
            class_indices,
            to_model_range,
            batch_size=BATCH,
            n_steps=_count_asked(sizes) // BATCH,
            class_power=0.0,
            seed=seed,
        )
        return cls.find((drawn[step] for step in range(len(drawn))), sizes)

    @classmethod
    def find(cls, shown: Iterable[Batch], sizes: tuple[int, ...]) -> Self:
        """See what changes in images whose attributes are independent of each other.

        The effect of an attribute on a pixel is the variance between its values
        (correlation ratio, Fisher 1925), less what chance would give, of the pixel and
        of the contrast around it.

        Parameters
        ----------
        shown : iterable of (images, class_indices)
            Images of shape (m, height, width, channels), -1..1, and their combinations,
            batch after batch.
        sizes : tuple of int
            How many values each attribute has.
        """
        tables = [_Groups(size) for size in sizes]
        for images, class_indices in shown:
            seen = _look_at(images)
            values = np.unravel_index(class_indices, sizes)
            for table, of_attribute in zip(tables, values, strict=True):
                table.add(of_attribute, seen)
        raw = np.stack([table.effect() for table in tables])
        effects = gaussian_filter(raw, (0, *[BLUR * min(raw.shape[1:])] * 2))
        owners = effects.argmax(axis=0)
        shares = []
        for attribute in np.flatnonzero(np.array(sizes) > 1):
            own, total = effects[attribute], effects.sum(axis=0)
            inside = owners == attribute
            if own.mean() < LEAST_EFFECT or not inside.any():
                return cls(owners, 0.0)
            shares.append(own[inside].sum() / own.sum())
            shares.append(own[inside].sum() / total[inside].sum())
        return cls(owners, float(min(shares, default=0.0)))


def _count_asked(sizes: tuple[int, ...]) -> int:
    """Return how many images are looked at."""
    return int(np.clip(ASKED_PER_VALUE * max(sizes), LEAST_ASKED, MOST_ASKED))


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
        yield model.generator.predict_on_batch(asked), class_indices[rows]


def _look_at(images: np.ndarray) -> np.ndarray:
    """Return each pixel and the contrast around it: (n, height, width, 2 channels)."""
    contrast = [
        gaussian_gradient_magnitude(image, 1.0, axes=(0, 1)) for image in images
    ]
    return np.concatenate([images, np.stack(contrast)], axis=-1).astype(float)


class _Groups:
    """Sums of figures by the value of an attribute.

    Parameters
    ----------
    n_values : int
        How many it has.
    """

    def __init__(self, n_values: int) -> None:
        self.counts = np.zeros(n_values)
        self.sums: np.ndarray | float = 0.0
        self.squares: np.ndarray | float = 0.0

    def add(self, values: np.ndarray, figures: np.ndarray) -> None:
        """Add the figures of images, each to the sums of its value."""
        is_of = np.eye(len(self.counts))[values]  # (n, n_values)
        self.counts += is_of.sum(axis=0)
        self.sums = self.sums + np.tensordot(is_of.T, figures, axes=1)
        self.squares = self.squares + np.square(figures).sum(axis=0)

    def effect(self) -> np.ndarray:
        """Return the variance between values beyond chance, the mean over figures.

        Each figure is measured by its mean variance over all pixels.
        """
        n, seen = self.counts.sum(), self.counts > 0
        sums, counts = np.asarray(self.sums)[seen], self.counts[seen]
        mean = sums.sum(axis=0) / n
        total = np.maximum(self.squares / n - np.square(mean), 0.0)
        means = sums / counts[:, None, None, None]
        between = np.tensordot(counts / n, np.square(means - mean), axes=1)
        beyond_chance = np.maximum(between - total * (seen.sum() - 1) / n, 0.0)
        scale = np.maximum(total.mean(axis=(0, 1)), 1e-12)
        effect: np.ndarray = (beyond_chance / scale).mean(axis=-1)
        return effect
