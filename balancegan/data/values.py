"""Values of images: finite or not, least and greatest, usual range.

Sets are read in pieces, so that memory stays bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

VALUES_PER_PIECE = 2**22
TOO_LARGE = np.float64(1e30)  # sums of float32 would overflow
USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
USUAL_SHARE = 0.9  # of the images must lie in the usual range
# Allowed beyond it, as a share of its width: enlarging an image overshoots by less
OVERSHOOT = 0.1


@dataclass(frozen=True, eq=False)
class ImageValues:
    """Values of each image.

    Attributes
    ----------
    finite : ndarray of shape (n,), bool
        No NaN, infinity or values beyond 1e30.
    low, high : ndarray of shape (n,), float64
        The least and the greatest finite value; inf and -inf without any.
    contrast : ndarray of shape (n,), float64
        The greatest difference of two finite values in one channel; 0 for an empty
        image, -inf without finite values.
    whole : ndarray of shape (n,), bool
        All values are whole numbers.
    """

    finite: np.ndarray
    low: np.ndarray
    high: np.ndarray
    contrast: np.ndarray
    whole: np.ndarray


def pieces(n_images: int, values_per_image: int) -> Iterator[slice]:
    """Yield slices of rows that fit in memory as floats.

    Examples
    --------
    >>> list(pieces(5, 2**21))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    step = max(1, VALUES_PER_PIECE // max(1, values_per_image))
    for start in range(0, n_images, step):
        yield slice(start, start + step)


def describe_values(images: np.ndarray) -> ImageValues:
    """Describe the values of each image.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, channels)
        Numbers of any range, also NaN and infinity.

    Returns
    -------
    values : ImageValues

    Examples
    --------
    >>> values = describe_values(np.array([[[0, 3], [1, 1]], [[2, 2], [2, np.nan]]]))
    >>> values.finite.tolist(), values.high.tolist(), values.contrast.tolist()
    ([True, False], [3.0, 2.0], [3.0, 0.0])
    """
    n = len(images)
    values = ImageValues(
        finite=np.ones(n, dtype=bool),
        low=np.empty(n),
        high=np.empty(n),
        contrast=np.empty(n),
        whole=np.ones(n, dtype=bool),
    )
    height, width, channels = (*images.shape[1:], 1)[:3]
    for rows in pieces(n, height * width * channels):
        piece = images[rows].reshape(-1, height * width, channels)
        lowest = highest = piece
        if piece.dtype.kind == "f":
            finite = np.abs(piece) < TOO_LARGE
            values.finite[rows] = finite.all(axis=(1, 2))
            values.whole[rows] = (piece == np.rint(piece)).all(axis=(1, 2))
            if not finite.all():
                lowest = np.where(finite, piece, np.inf)
                highest = np.where(finite, piece, -np.inf)
        low = lowest.min(axis=1).astype(np.float64)
        high = highest.max(axis=1).astype(np.float64)
        values.low[rows], values.high[rows] = low.min(axis=1), high.max(axis=1)
        values.contrast[rows] = (high - low).max(axis=1)
    return values


def find_usual_range(
    values: ImageValues, dtype: np.dtype
) -> tuple[float, float] | None:
    """Return the common range of nearly all images, if there is one.

    Parameters
    ----------
    values : ImageValues
        Of the training images.
    dtype : dtype
        Of the images. Integers may be in 0 to 255; floats and booleans in 0 to 1, -1
        to 1 or 0 to 255.

    Returns
    -------
    usual_range : (low, high) or None
        The first of these that holds 90 % of the finite images, with an overshoot of
        at most 10 % of its width.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((50, 4, 4))
    >>> images[7] *= 255
    >>> find_usual_range(describe_values(images), images.dtype)
    (0.0, 1.0)
    """
    if not values.finite.any():
        return None
    candidates = USUAL_RANGES[2:] if dtype.kind in "iu" else USUAL_RANGES
    for low, high in candidates:
        inside = ~is_far_outside(values, (low, high))
        if inside[values.finite].mean() >= USUAL_SHARE:
            # Standardised floats are not dark images in 0 to 255
            brightest = np.median(values.high[values.finite])
            is_wide = dtype.kind == "f" and high > USUAL_RANGES[0][1]
            return None if is_wide and brightest < OVERSHOOT * high else (low, high)
    return None


def is_far_outside(
    values: ImageValues, usual_range: tuple[float, float], overshoot: float = OVERSHOOT
) -> np.ndarray:
    """Return which images leave a range by more than a share of its width.

    Examples
    --------
    >>> values = describe_values(np.array([0.5, 1.05, 9]).reshape(3, 1, 1))
    >>> is_far_outside(values, (0, 1)).tolist()
    [False, False, True]
    """
    low, high = usual_range
    margin = overshoot * (high - low)
    return (values.low < low - margin) | (values.high > high + margin)


def is_fractional(values: ImageValues, dtype: np.dtype) -> np.ndarray:
    """Return which images of a set in 0 to 255 have fractional values in 0 to 1.

    Examples
    --------
    >>> images = np.array([[0, 200], [0, 1], [0.1, 0.9]]).reshape(3, 1, 2)
    >>> is_fractional(describe_values(images), images.dtype).tolist()
    [False, False, True]
    """
    if dtype.kind != "f":
        return np.zeros(len(values.low), dtype=bool)
    inside = ~is_far_outside(values, (-1.0, 1.0))
    return values.finite & inside & ~values.whole & (values.contrast > 0)
