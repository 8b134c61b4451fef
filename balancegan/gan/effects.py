"""How much of what images show goes with each of several attributes.

Figures of an image (its pixels, say) are taken for a sum: a mean, what each attribute
adds by its value, and chance. Least squares tells these apart although attributes go
along with each other, as long as some images have other combinations.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

LEAST_EFFECT = 0.01  # of all variance, on the mean; less may be chance


class Effects(NamedTuple):
    """How much each attribute changes each pixel, as a share of the mean variance.

    Attributes
    ----------
    unbiased : ndarray of shape (n_attributes, height, width)
        The mean square of what its values add, less what chance adds to that, as
        analysis of variance estimates the components of variance (Searle, Casella and
        McCulloch 1992, Variance Components, chapter 5). With few images of rare
        combinations it is as often too much as too little, below 0 too.
    chance : ndarray of shape (n_attributes, height, width)
        What chance adds, as it was taken off.
    shrunken : ndarray of shape (n_attributes, height, width)
        The mean square of what its values most likely add, all attributes alike
        beforehand (best linear unbiased prediction, the same, chapter 7). It is too
        little, but whose it is, is seen with fewer images.
    """

    unbiased: np.ndarray
    chance: np.ndarray
    shrunken: np.ndarray


class MainEffects:
    """Sums over images, from which the effects of attributes are told.

    Parameters
    ----------
    sizes : tuple of int
        How many values each attribute has.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes = sizes
        self.n = 0
        self.products = np.zeros((sum(sizes), sum(sizes)))  # of values
        self.sums: np.ndarray | float = 0.0  # of figures, by value
        self.squares: np.ndarray | float = 0.0

    def add(self, values: Sequence[np.ndarray], figures: np.ndarray) -> None:
        """Add images.

        Parameters
        ----------
        values : sequence of ndarray of shape (n,), int
            Of each attribute.
        figures : ndarray of shape (n, height, width, n_figures)
        """
        of_values = [np.eye(s)[v] for s, v in zip(self.sizes, values, strict=True)]
        has = np.concatenate(of_values, axis=1)  # (n, sum of sizes)
        self.n += len(has)
        self.products += has.T @ has
        self.sums = self.sums + np.tensordot(has.T, figures, axes=1)
        self.squares = self.squares + np.square(figures).sum(axis=0)

    def estimate(self) -> Effects:
        """Return the effects, the mean over the figures of a pixel.

        What no image tells apart, since values always go together, is shared evenly.
        """
        # Of values and figures less their means
        shares = np.diag(self.products) / self.n
        sums = np.asarray(self.sums)
        mean = sums[self._blocks[0]].sum(axis=0) / self.n
        products = self.products - self.n * np.outer(shares, shares)
        sums = sums - self.n * np.multiply.outer(shares, mean)
        squares = np.maximum(self.squares - self.n * np.square(mean), 0.0)

        inverse = np.linalg.pinv(products, hermitian=True, rcond=1e-9)
        n_free = self.n - 1 - round(np.trace(inverse @ products))
        if n_free < 1:  # what is chance cannot be seen
            nothing = np.zeros((len(self.sizes), *squares.shape[:2]))
            return Effects(nothing, nothing, nothing)
        adds = np.tensordot(inverse, sums, axes=1)
        left = squares - (adds * sums).sum(axis=0)
        chance = np.maximum(left, 0.0) / n_free
        scale = np.maximum(squares.mean(axis=(0, 1)) / self.n, 1e-12)
        noise = np.array([self._spread(inverse, a) for a in range(len(self.sizes))])
        by_chance = (np.multiply.outer(noise, chance) / scale).mean(axis=-1)
        unbiased = (self._mean_squares(adds) / scale).mean(axis=-1) - by_chance

        varied = unbiased[np.array(self.sizes) > 1]
        effect = max(varied.mean(), LEAST_EFFECT) if len(varied) else LEAST_EFFECT
        penalty = (chance / scale).mean() / effect
        penalised = products + penalty * np.eye(len(products))
        adds = np.tensordot(np.linalg.pinv(penalised, hermitian=True), sums, axes=1)
        shrunken = (self._mean_squares(adds) / scale).mean(axis=-1)
        return Effects(unbiased, by_chance, shrunken)

    @cached_property
    def _blocks(self) -> list[slice]:
        """Where the values of each attribute are."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(e - s, e) for s, e in zip(self.sizes, ends, strict=True)]

    def _mean_squares(self, adds: np.ndarray) -> np.ndarray:
        """Return the variance over values of what each attribute adds."""
        return np.stack([adds[block].var(axis=0) for block in self._blocks])

    def _spread(self, inverse: np.ndarray, attribute: int) -> float:
        """Return the variance over values that chance of variance 1 gives."""
        block, size = self._blocks[attribute], self.sizes[attribute]
        own = inverse[block, block]
        return float((np.trace(own) - own.sum() / size) / size)
