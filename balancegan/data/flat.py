"""Flat images: a row of values for each, and the shape that they have."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from balancegan.errors import DataError

OPTION = "--image-shape"


def guess_shape(n: int) -> tuple[int, ...] | None:
    """Return the shape of a square image of so many values; None where it has none.

    Examples
    --------
    >>> guess_shape(784), guess_shape(2352), guess_shape(785)
    ((28, 28), (28, 28, 3), None)
    """
    for channels in (1, 3):
        side = math.isqrt(n // channels)
        if side * side * channels == n:
            return (side, side) if channels == 1 else (side, side, channels)
    return None


def shape_flat(
    path: Path, images: np.ndarray, image_shape: Sequence[int] | None
) -> np.ndarray:
    """Return flat images as images.

    Parameters
    ----------
    path : Path
        Where they were read, for messages.
    images : ndarray of shape (n, n_values)
        The images, each row by row: height, width, channels.
    image_shape : sequence of int or None
        Height and width, and channels where there are several. None: not known.

    Raises
    ------
    DataError
        If the shape is not known, or has another number of values.
    """
    n = images.shape[1]
    received = f"images of {n:,} values each in {path}"
    if image_shape is None:
        guess = guess_shape(n)
        shape = "HEIGHT,WIDTH" if guess is None else ",".join(map(str, guess))
        called = "(height, width)" if guess is None else str(guess)
        raise DataError(
            f"Flat images need a shape. Received: {received}. Give it by {OPTION} "
            f"{shape} (in Python image_shape={called})."
        )
    if math.prod(image_shape) != n:
        raise DataError(
            f"An image of shape {','.join(map(str, image_shape))} ({OPTION}) has "
            f"{math.prod(image_shape):,} values. Received: {received}."
        )
    return images.reshape(-1, *image_shape)
