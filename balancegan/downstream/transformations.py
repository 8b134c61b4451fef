"""Random changes to images while a classifier learns from them.

Images are float32 of shape (n, height, width, channels) in [-1, 1]; each function
draws from the generator that it is given and from nothing else.
"""

from collections.abc import Callable

import numpy as np

Transformation = Callable[[np.ndarray, np.random.Generator], np.ndarray]

SHIFT = 1 / 14  # of the side: two pixels of 28


def shift_images(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move each image by up to a fourteenth of its sides, whole pixels.

    What comes in at an edge repeats the edge.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        They are not changed.
    rng : Generator
        Draws how far each is moved; each distance is equally likely.

    Returns
    -------
    moved : ndarray of the same shape

    Examples
    --------
    >>> image = np.zeros((1, 28, 28, 1)); image[0, 10, 10] = 1
    >>> moved = shift_images(image, np.random.default_rng(0))
    >>> [int(i[0]) - 10 for i in np.nonzero(moved[0, :, :, 0])]
    [-2, -1]
    """
    n, height, width, _ = images.shape
    reach = [max(1, round(SHIFT * side)) for side in (height, width)]
    padded = np.pad(images, [(0, 0), *((r, r) for r in reach), (0, 0)], mode="edge")
    top, left = (rng.integers(2 * r + 1, size=n) for r in reach)
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    return padded[np.arange(n)[:, None, None], rows, columns]


def mix_up(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each image, and its label, with another one of the batch.

    Zhang et al. 2018, https://arxiv.org/abs/1710.09412, section 2.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
        A batch.
    labels : ndarray of shape (n, n_classes), float
        One-hot, or mixed already.
    rng : Generator
        Draws the partners, and a share for each pair.
    alpha : float
        Shares are Beta(alpha, alpha): the smaller, the more images stay nearly alone.

    Returns
    -------
    mixed_images, mixed_labels : ndarray
        Of the shapes and types of `images` and `labels`.

    Examples
    --------
    >>> images, labels = np.zeros((2, 4, 4, 1)), np.eye(2)
    >>> mixed = mix_up(images, labels, np.random.default_rng(0), 0.2)[1]
    >>> mixed.sum(axis=1)
    array([1., 1.])
    """
    partners = rng.permutation(len(images))
    shares = rng.beta(alpha, alpha, size=len(images)).astype(images.dtype)
    of_images, of_labels = shares[:, None, None, None], shares[:, None]
    return (
        of_images * images + (1 - of_images) * images[partners],
        (of_labels * labels + (1 - of_labels) * labels[partners]).astype(labels.dtype),
    )
