"""Random changes to images while a classifier learns from them.

Images are float32 of shape (n, height, width, channels) in [-1, 1]; each function
draws from the generator that it is given and from nothing else.
"""

from collections.abc import Callable

import numpy as np

Transformation = Callable[[np.ndarray, np.random.Generator], np.ndarray]

SHIFT = 1 / 14  # of the side: two pixels of 28


def shift_images(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by up to 1/14 of its sides, in whole pixels.

    New pixels repeat the edge. All distances are equally likely.

    Examples
    --------
    >>> image = np.zeros((1, 28, 28, 1)); image[0, 10, 10] = 1
    >>> shifted = shift_images(image, np.random.default_rng(0))
    >>> [int(i[0]) - 10 for i in np.nonzero(shifted[0, :, :, 0])]
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

    Zhang et al. 2018, https://arxiv.org/abs/1710.09412, section 2. Labels are one-hot;
    shares are drawn from Beta(alpha, alpha), so a small alpha mixes little.

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
