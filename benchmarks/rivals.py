"""What the arms of the benchmark do not have: recombining without a generator."""

import numpy as np
from sklearn.base import BaseEstimator

from balancegan.gan.regions import Regions
from balancegan.images import find_format


class RealRegions(BaseEstimator):
    """Puts images of rare combinations together by regions that real images show.

    As ``balancegan.synthesis.recombination``, but for what tells the regions: real
    images alone, and nothing that a GAN makes. Regions are taken as they are, apart or
    not.

    Parameters
    ----------
    sizes : tuple of int
        How many values each of the two attributes has.
    random_state : int or None, default=None
        Seed.
    """

    def __init__(self, sizes, random_state=None):
        self.sizes, self.random_state = sizes, random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit_resample(self, X, y):
        """Fill every combination up to the largest, those without an image included.

        Parameters
        ----------
        X : ndarray of shape (n, height, width) or (n, height, width, channels)
        y : ndarray of shape (n,), int
            The combinations, 0..K-1.
        """
        rng = np.random.default_rng(self.random_state)
        to_model_range = find_format(X).to_model_range
        self.regions_ = Regions.of_real(
            X, y, to_model_range, self.sizes, self.random_state or 0
        )
        counts = np.bincount(y, minlength=np.prod(self.sizes))
        missing = np.repeat(np.arange(len(counts)), counts.max() - counts)
        real = np.unravel_index(y, self.sizes)
        asked = np.unravel_index(missing, self.sizes)
        made = np.empty((len(missing), *X.shape[1:]), X.dtype)
        for attribute, values in enumerate(asked):
            rows = np.empty(len(missing), int)
            for value in np.unique(values):
                sources = np.flatnonzero(real[attribute] == value)
                of_value = values == value
                rows[of_value] = rng.choice(sources, of_value.sum())
            inside = self.regions_.owners == attribute
            made[:, inside] = X[rows][:, inside]
        return np.concatenate([X, made]), np.concatenate([y, missing])
