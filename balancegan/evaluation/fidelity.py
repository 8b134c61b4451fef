"""Fidelity: how similar synthetic images of a class are to held-out real ones.

Features come from a classifier of the training part, so the metrics compare methods on
one data set, not data sets.
"""

from typing import Any

import numpy as np
from scipy.linalg import eigvals
from sklearn.neighbors import NearestNeighbors

from balancegan.gan.judge import Judge
from balancegan.gan.quality import diversity_ratio

NEIGHBOURS = 5
NEAR_COPY_QUANTILE = 0.05  # of held-out images' distances to the training images
FEWEST_IMAGES = 2 * NEIGHBOURS  # of a class, on either side, to say anything about it


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Fréchet distance between Gaussians fitted to two sets of features.

    Dowson and Landau 1982, https://doi.org/10.1016/0047-259X(82)90077-X, equation 4;
    within one class it is the intra-class distance of conditional GANs (Miyato and
    Koyama 2018, https://arxiv.org/abs/1802.05637, section 5).

    Parameters
    ----------
    first, second : ndarray of shape (n, n_features)
        At least two rows. The distance grows with fewer rows, so compare sets of the
        same sizes only.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(frechet_distance(rows, rows + [2, 0, 0]), 6)
    4.0
    """
    a, b = (np.atleast_2d(np.cov(features.T)) for features in (first, second))
    # The trace of the square root of the product, stable where it is singular
    root = np.sqrt(np.clip(eigvals(a @ b).real, 0, None)).sum()
    means = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    return float(means + np.trace(a) + np.trace(b) - 2 * root)


def density_and_coverage(
    real: np.ndarray, synthetic: np.ndarray
) -> tuple[float, float]:
    """Return the density and the coverage of synthetic images among real ones.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797, equations 5 and 6, with five
    neighbours.

    Parameters
    ----------
    real, synthetic : ndarray of shape (n, n_features)
        At least six real rows.

    Returns
    -------
    density : float
        About 1 for images like real ones; more if they are too typical.
    coverage : float
        Share of real images with a synthetic one closer than their fifth neighbour;
        1 - 2**-5 is expected for as many images like real ones.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> density_and_coverage(rows, rows + 1_000)
    (0.0, 0.0)
    """
    # The nearest of the real images is the image itself
    among_real = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(real)
    radii = among_real.kneighbors(real)[0][:, -1]
    nearest = NearestNeighbors(n_neighbors=1).fit(synthetic)
    coverage = float(np.mean(nearest.kneighbors(real)[0][:, 0] < radii))
    inside = sum(
        int((np.linalg.norm(synthetic - row, axis=1) < radius).sum())
        for row, radius in zip(real, radii, strict=True)
    )
    return inside / (NEIGHBOURS * len(synthetic)), coverage


def nearest_distances(
    images: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each image's Euclidean distance to the nearest of others, and its row.

    Examples
    --------
    >>> nearest_distances(np.array([[0.0], [9.0]]), np.array([[8.0], [2.0]]))
    (array([2., 1.]), array([1, 0]))
    """
    flat = [rows.reshape(len(rows), -1).astype("float32") for rows in (images, others)]
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat[1])
    distances, rows = search.kneighbors(flat[0])
    return distances[:, 0], rows[:, 0]


def share_of_near_copies(
    synthetic: np.ndarray, training: np.ndarray, held_out: np.ndarray
) -> float:
    """Return the share of synthetic images that are too close to a training image.

    Too close: closer than 95 % of the held-out images that are not in the training
    part. A generator that memorised the class has a share far above 0.05.

    Parameters
    ----------
    synthetic, training, held_out : ndarray of shape (n, ...)
        Images of one class.

    Returns
    -------
    share : float
        NaN if all held-out images are in the training part.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> training, held_out = rng.normal(size=(2, 50, 9))
    >>> share_of_near_copies(training + 0.01, training, held_out)
    1.0
    """
    usual = nearest_distances(held_out, training)[0]
    usual = usual[usual > 0]
    if not len(usual):
        return float("nan")
    limit = np.quantile(usual, NEAR_COPY_QUANTILE)
    return float(np.mean(nearest_distances(synthetic, training)[0] < limit))


class FidelityMeter:
    """Measures the synthetic images of each class against held-out real ones.

    Parameters
    ----------
    judge : Judge
        Trained on the training part alone.
    training, held_out : tuple of ndarray
        Images, in the user's layout and range, and their class indices.
    """

    def __init__(
        self,
        judge: Judge,
        training: tuple[np.ndarray, np.ndarray],
        held_out: tuple[np.ndarray, np.ndarray],
    ) -> None:
        self.judge, self.training, self.held_out = judge, training, held_out
        self.held_out_features, logits = judge.predict(held_out[0])
        self.held_out_agrees = logits.argmax(axis=1) == held_out[1]

    def measure(self, images: np.ndarray, class_index: int) -> dict[str, Any] | None:
        """Return the fidelity of the synthetic images of one class.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            Synthetic images, in the user's layout and range.
        class_index : int
            Their class.

        Returns
        -------
        metrics : dict or None
            "agreement" and "real_agreement" (the share of synthetic, and of held-out
            images, that the judge assigns to the class), "frechet_distance",
            "density", "coverage", "diversity" (see
            :func:`balancegan.gan.quality.diversity_ratio`) and "near_copies". None
            with fewer than ten images on one side.
        """
        of_class = self.held_out[1] == class_index
        real = self.held_out[0][of_class]
        if min(len(images), len(real)) < FEWEST_IMAGES:
            return None
        features, logits = self.judge.predict(images)
        real_features = self.held_out_features[of_class]
        density, coverage = density_and_coverage(real_features, features)
        training = self.training[0][self.training[1] == class_index]
        return {
            "agreement": float(np.mean(logits.argmax(axis=1) == class_index)),
            "real_agreement": float(self.held_out_agrees[of_class].mean()),
            "frechet_distance": frechet_distance(features, real_features),
            "density": density,
            "coverage": coverage,
            "diversity": diversity_ratio(real, images),
            "near_copies": share_of_near_copies(images, training, real),
        }
