"""The pixels that belong to each of several attributes.

A pixel belongs to the attribute that changes it most, whatever the other attributes
are. In data with correlated attributes few images show that. A generator can make every
combination; real images show it if there are enough of rare combinations.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from balancegan.gan.model import BATCH, TrainedModel
from balancegan.memory import take_rows

LEAST_IMAGES = 2_048  # that are examined
IMAGES_PER_VALUE = 64  # of the attribute with the most values, at least
MOST_IMAGES = 16_384
# At most this many real images of a combination are examined, or twice the median
# number. More would let an effect of one combination count for all of them
MOST_OF_ONE, MOST_TO_MEDIAN = 8, 2
BLUR = 1 / 28  # of the shorter side: neighbouring pixels belong together
LEAST_APART = 0.75  # of effects in their own region; about 1/m where nothing is apart
LEAST_EFFECT = 0.01  # of all variance, on the mean; less may be chance
BEYOND_CHANCE = 0.4  # of what chance adds: without any effect up to 0.36
SEED_OFFSET = 5  # separates these draws from those of latents and all others

Batch = tuple[np.ndarray, np.ndarray]  # images and their combinations


@dataclass(frozen=True, eq=False)
class Regions:
    """The pixels of each attribute.

    Attributes
    ----------
    owners : ndarray of shape (height, width), int
        The attribute that changes most at each pixel.
    apart : float
        How far attributes keep to their own regions, 0 to 1: the minimum over
        attributes of the share of an attribute's effect that is inside its region, and
        of the share of effects in a region that are its attribute's. 0 if an attribute
        has hardly any effect, or fewer than two have several values.
    """

    owners: np.ndarray
    apart: float

    @property
    def are_apart(self) -> bool:
        """Whether every attribute has pixels that are nearly its own."""
        return self.apart >= LEAST_APART

    @classmethod
    def of_generator(cls, model: TrainedModel) -> Self:
        """Find regions in generated images of random combinations."""
        return cls.find(_generate(model), model.attributes.sizes)

    @classmethod
    def of_real(
        cls,
        images: np.ndarray,
        class_indices: np.ndarray,
        to_model_range: Callable[[np.ndarray], np.ndarray],
        sizes: tuple[int, ...],
        seed: int,
    ) -> Self:
        """Find regions in real images, in the user's layout and range.

        About thirty images of rare combinations suffice; with fewer, attributes seem
        less apart than they are.
        """
        rows = _spread(class_indices, _n_examined(sizes), seed)
        batches = np.split(rows, range(BATCH, len(rows), BATCH))
        shown = (
            (to_model_range(take_rows(images, batch)), class_indices[batch])
            for batch in batches
        )
        return cls.find(shown, sizes)

    @classmethod
    def find(cls, shown: Iterable[Batch], sizes: tuple[int, ...]) -> Self:
        """Find regions in batches of images in [-1, 1] and their combinations.

        The effect of an attribute on a pixel, and on the contrast around it, is the
        variance of what its values add; see :class:`MainEffects`.
        """
        found = MainEffects(sizes)
        for images, class_indices in shown:
            found.add(np.unravel_index(class_indices, sizes), _describe(images))
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


class Effects(NamedTuple):
    """How much each attribute changes each pixel, as a share of the mean variance.

    Each field has the shape (n_attributes, height, width). `unbiased` is the mean
    square of what the values add, less the contribution of chance, as analysis of
    variance estimates variance components (Searle, Casella and McCulloch 1992, Variance
    Components, chapter 5); it may be below 0. `chance` is the part that was subtracted.
    `shrunken` is the mean square of the best linear unbiased prediction (chapter 7):
    too small, but fewer images show the attribute of a pixel.
    """

    unbiased: np.ndarray
    chance: np.ndarray
    shrunken: np.ndarray


class MainEffects:
    """Estimates the effects of attributes on figures of images, pixel by pixel.

    A figure is modelled as a mean, plus one term for the value of each attribute, plus
    chance. Least squares separates the terms although attributes are correlated, as
    long as some images have other combinations.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes = sizes
        self.n = 0
        self.products = np.zeros((sum(sizes), sum(sizes)))  # of values
        self.sums: np.ndarray | float = 0.0  # of figures, by value
        self.squares: np.ndarray | float = 0.0

    def add(self, values: Sequence[np.ndarray], figures: np.ndarray) -> None:
        """Add images: values of each attribute, and figures (n, height, width, k)."""
        of_values = [np.eye(s)[v] for s, v in zip(self.sizes, values, strict=True)]
        has = np.concatenate(of_values, axis=1)  # (n, sum of sizes)
        self.n += len(has)
        self.products += has.T @ has
        self.sums = self.sums + np.tensordot(has.T, figures, axes=1)
        self.squares = self.squares + np.square(figures).sum(axis=0)

    def estimate(self) -> Effects:
        """Return the effects, averaged over the figures of a pixel.

        Effects of values that always occur together are divided evenly.
        """
        # Centre values and figures
        shares = np.diag(self.products) / self.n
        sums = np.asarray(self.sums)
        mean = sums[self._blocks[0]].sum(axis=0) / self.n
        products = self.products - self.n * np.outer(shares, shares)
        sums = sums - self.n * np.multiply.outer(shares, mean)
        squares = np.maximum(self.squares - self.n * np.square(mean), 0.0)

        # Subtract the contribution of chance from the least-squares solution
        inverse = np.linalg.pinv(products, hermitian=True, rcond=1e-9)
        n_free = self.n - 1 - round(np.trace(inverse @ products))
        if n_free < 1:  # chance cannot be estimated
            nothing = np.zeros((len(self.sizes), *squares.shape[:2]))
            return Effects(nothing, nothing, nothing)
        adds = np.tensordot(inverse, sums, axes=1)
        left = squares - (adds * sums).sum(axis=0)
        chance = np.maximum(left, 0.0) / n_free
        scale = np.maximum(squares.mean(axis=(0, 1)) / self.n, 1e-12)
        noise = np.array([self._spread(inverse, a) for a in range(len(self.sizes))])
        by_chance = (np.multiply.outer(noise, chance) / scale).mean(axis=-1)
        unbiased = (self._mean_squares(adds) / scale).mean(axis=-1) - by_chance

        # Solve again with a penalty for the shrunken effects
        varied = unbiased[np.array(self.sizes) > 1]
        effect = max(varied.mean(), LEAST_EFFECT) if len(varied) else LEAST_EFFECT
        penalty = (chance / scale).mean() / effect
        penalised = products + penalty * np.eye(len(products))
        adds = np.tensordot(np.linalg.pinv(penalised, hermitian=True), sums, axes=1)
        shrunken = (self._mean_squares(adds) / scale).mean(axis=-1)
        return Effects(unbiased, by_chance, shrunken)

    @cached_property
    def _blocks(self) -> list[slice]:
        """The columns of each attribute's values."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(e - s, e) for s, e in zip(self.sizes, ends, strict=True)]

    def _mean_squares(self, adds: np.ndarray) -> np.ndarray:
        """Return the variance over values of what each attribute adds."""
        return np.stack([adds[block].var(axis=0) for block in self._blocks])

    def _spread(self, inverse: np.ndarray, attribute: int) -> float:
        """Return the variance over values that chance of variance 1 causes."""
        block, size = self._blocks[attribute], self.sizes[attribute]
        own = inverse[block, block]
        return float((np.trace(own) - own.sum() / size) / size)


def _blur(effects: np.ndarray) -> np.ndarray:
    width = BLUR * min(effects.shape[1:])
    blurred: np.ndarray = gaussian_filter(effects, (0, width, width))
    return blurred


def _n_examined(sizes: tuple[int, ...]) -> int:
    return int(np.clip(IMAGES_PER_VALUE * max(sizes), LEAST_IMAGES, MOST_IMAGES))


def _spread(class_indices: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return at most n random rows, spread evenly over the combinations."""
    rng = np.random.default_rng([seed, SEED_OFFSET])
    order = rng.permutation(len(class_indices))
    order = order[np.argsort(class_indices[order], kind="stable")]
    counts = np.bincount(class_indices)
    nth = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = max(MOST_OF_ONE, MOST_TO_MEDIAN * np.median(counts[counts > 0]))
    n = min(n, int((nth < most).sum()))
    return order[np.argsort(nth, kind="stable")[:n]]


def _generate(model: TrainedModel) -> Iterator[Batch]:
    """Yield generated images of random combinations."""
    sizes = model.attributes.sizes
    n = _n_examined(sizes)
    rng = np.random.default_rng([model.seed, SEED_OFFSET])
    values = [rng.integers(size, size=n) for size in sizes]
    class_indices = np.ravel_multi_index(values, sizes).astype("int32")
    latents = rng.standard_normal((n, model.preset.latent_dim)).astype("float32")
    for start in range(0, n, BATCH):
        rows = slice(start, start + BATCH)
        inputs = [latents[rows], class_indices[rows]]
        yield model.check_generates().predict_on_batch(inputs), class_indices[rows]


def _describe(images: np.ndarray) -> np.ndarray:
    """Return each pixel and the contrast around it: (n, height, width, 2 channels)."""
    contrast = [
        gaussian_gradient_magnitude(image, 1.0, axes=(0, 1)) for image in images
    ]
    return np.concatenate([images, np.stack(contrast)], axis=-1).astype(float)
