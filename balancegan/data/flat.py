"""Arrays whose shape does not say what their images are: flat, or channels first."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from balancegan.errors import DataError
from balancegan.shapes import find_image_shape

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


def arrange(
    path: Path, images: np.ndarray, image_shape: Sequence[int] | None
) -> np.ndarray:
    """Return images channels last, of which somebody may have said their shape.

    Parameters
    ----------
    path : Path
        Where they were read, for messages.
    images : ndarray of shape (n, ...)
        The images: flat, channels last or channels first.
    image_shape : sequence of int or None
        Height, width and channels. None: as the images have them, channels last.

    Returns
    -------
    images : ndarray of shape (n, height, width[, channels])
        What was given, or a view of it.

    Raises
    ------
    DataError
        If they cannot have that shape, or are flat and nobody said which they have.

    Examples
    --------
    >>> bands = np.zeros((2, 13, 16, 20))
    >>> arrange(Path("bands.npy"), bands, (16, 20, 13)).shape
    (2, 16, 20, 13)
    """
    if images.ndim == 2:
        return shape_flat(path, images, image_shape)
    if image_shape is None:
        return images
    own = images.shape[1:]
    shape = find_image_shape(own, tuple(image_shape))
    return images if own in (shape, shape[:2]) else np.moveaxis(images, 1, -1)


def note_moved(given: np.ndarray, images: np.ndarray) -> list[str]:
    """Return what to tell people of channels that were moved, which may be nothing."""
    if given.ndim != 4 or given.shape == images.shape:
        return []
    shape = "x".join(map(str, images.shape[1:]))
    return [f"channels were moved last: images of {shape}"]
