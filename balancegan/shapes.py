"""Which sides of an array are height, width and channels.

Channels come last unless the user declares another order. An array that looks as much
like channels first is refused, because a GAN would silently learn from it.
"""

from collections.abc import Sequence
from math import isqrt, prod
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.errors import DataError

MIN_SIDE = 4  # pixels
OPTION = "image-shape"
FEW_CHANNELS = 4  # grey, grey with transparency, colour, colour with transparency


def find_image_shape(
    row_shape: tuple[int, ...], declared: tuple[int, ...] | None = None
) -> tuple[int, int, int]:
    """Return (height, width, channels) of images.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one image as given.
    declared : tuple of int or None, default=None
        (height, width) or (height, width, channels). None: read off `row_shape`,
        channels last.

    Examples
    --------
    >>> find_image_shape((28, 28)), find_image_shape((13, 16, 16), (16, 16, 13))
    ((28, 28, 1), (16, 16, 13))
    """
    shape: tuple[Any, ...] = row_shape if declared is None else tuple(declared)
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or not all(isinstance(side, Integral) for side in shape):
        raise DataError(
            "Images must have shape (n, height, width) or (n, height, width, "
            f"channels). Received: rows of shape {row_shape}, image_shape={declared}. "
            "For flat rows of (n, height * width * channels) give image_shape, for "
            "instance image_shape=(28, 28)."
        )
    if prod(shape) != prod(row_shape):
        raise DataError(
            f"image_shape={declared} (image-shape in --config) needs {prod(shape)} "
            f"values per image. Received: rows of shape {row_shape}, {prod(row_shape)} "
            "values."
        )
    height, width, channels = (int(side) for side in shape)
    if declared is None:
        _check_channels_last(height, width, channels)
    if min(height, width) < MIN_SIDE or channels < 1:
        raise DataError(
            f"Height and width must be at least {MIN_SIDE} pixels, with at least one "
            f"channel. Received: height={height}, width={width}, channels={channels}."
        )
    if not _can_be_read_as(row_shape, (height, width, channels)):
        raise DataError(
            "image_shape (image-shape in --config) is (height, width, channels). "
            f"Received: rows of shape {row_shape} with image_shape={declared}, "
            "which is none of their orders. Bring rows to (height, width, channels), "
            "for instance by np.moveaxis(X, 1, -1)."
        )
    return height, width, channels


def _check_channels_last(first: int, second: int, last: int) -> None:
    """Raise DataError unless rows of three sides are clearly channels-last."""
    if first < MIN_SIDE <= min(second, last):
        why = f"{first} by {second} pixels are not an image"
    elif _may_be_channels_first(first, second, last):
        why = "either may be the channels"
    else:
        return
    raise DataError(
        "Images of several channels must have shape (n, height, width, channels), or "
        f"an image_shape. Received: rows of shape ({first}, {second}, "
        f"{last}): {why}. If they are {first} channels of {second}x{last} pixels, give "
        f"image_shape=({second}, {last}, {first}) (image-shape in --config), "
        f"or move the channels last: np.moveaxis(X, 1, -1)."
        + (
            f" If they are {first}x{second} pixels with {last} channels, give "
            f"image_shape=({first}, {second}, {last})."
            if first >= MIN_SIDE
            else ""
        )
    )


def _may_be_channels_first(first: int, second: int, last: int) -> bool:
    """Return whether the last two sides look as much like an image as the first two.

    A last side of at most 4 counts as channels, as in all decoded image files.

    Examples
    --------
    >>> bands = [(4, 16, 16), (13, 64, 64), (5, 64, 60), (200, 9, 9), (8, 8, 8)]
    >>> [_may_be_channels_first(*shape) for shape in bands]
    [True, True, True, True, True]
    >>> bands = [(16, 16, 4), (64, 64, 13), (64, 60, 5), (9, 9, 200), (32, 20, 3)]
    >>> [_may_be_channels_first(*shape) for shape in bands]
    [False, False, False, False, False]
    """
    if second < MIN_SIDE or last <= FEW_CHANNELS:
        return False
    if first <= FEW_CHANNELS:
        return first != second
    squareness = [min(pair) / max(pair) for pair in ((first, second), (second, last))]
    return squareness[1] >= squareness[0]


def _can_be_read_as(
    row_shape: tuple[int, ...], image_shape: tuple[int, int, int]
) -> bool:
    """Return whether rows are flat, channels last or channels first."""
    height, width, channels = image_shape
    if len(row_shape) == 3:
        return row_shape in (image_shape, (channels, height, width))
    if len(row_shape) == 2:
        flat = (height * width, channels), (1, prod(image_shape))
        return row_shape in ((height, width * channels), *flat)
    return len(row_shape) == 1


def guess_shape(n: int) -> tuple[int, ...] | None:
    """Return the shape of a square image with `n` values, None if there is none.

    Examples
    --------
    >>> guess_shape(784), guess_shape(2352), guess_shape(785)
    ((28, 28), (28, 28, 3), None)
    """
    for channels in (1, 3):
        side = isqrt(n // channels)
        if side * side * channels == n:
            return (side, side) if channels == 1 else (side, side, channels)
    return None


def shape_flat(
    path: Path, images: np.ndarray, image_shape: Sequence[int] | None
) -> np.ndarray:
    """Reshape flat images, read row by row: height, width, channels.

    Parameters
    ----------
    path : Path
        Source, for messages.
    images : ndarray of shape (n, n_values)
        The images.
    image_shape : sequence of int or None
        Height and width, and channels if there are several. None: unknown.
    """
    n = images.shape[1]
    received = f"images of {n:,} values each in {path}"
    if image_shape is None:
        guess = guess_shape(n)
        shape = "HEIGHT,WIDTH" if guess is None else ", ".join(map(str, guess))
        called = "(height, width)" if guess is None else str(guess)
        raise DataError(
            f"Flat images need a shape. Received: {received}. Set {OPTION} = "
            f"[{shape}] in --config (in Python image_shape={called})."
        )
    if prod(image_shape) != n:
        raise DataError(
            f"An image of shape {','.join(map(str, image_shape))} ({OPTION}) has "
            f"{prod(image_shape):,} values. Received: {received}."
        )
    return images.reshape(-1, *image_shape)


def shape_images(
    path: Path, images: np.ndarray, image_shape: Sequence[int] | None
) -> np.ndarray:
    """Return images channels last, with a declared shape if there is one.

    Parameters
    ----------
    path : Path
        Source, for messages.
    images : ndarray of shape (n, ...)
        Flat, channels last or channels first.
    image_shape : sequence of int or None
        Height, width and channels. None: those of the images, channels last.

    Returns
    -------
    images : ndarray of shape (n, height, width[, channels])
        The given array, or a view of it.

    Examples
    --------
    >>> bands = np.zeros((2, 13, 16, 20))
    >>> shape_images(Path("bands.npy"), bands, (16, 20, 13)).shape
    (2, 16, 20, 13)
    """
    if images.ndim == 2:
        return shape_flat(path, images, image_shape)
    if image_shape is None:
        return images
    own = images.shape[1:]
    shape = find_image_shape(own, tuple(image_shape))
    return images if own in (shape, shape[:2]) else np.moveaxis(images, 1, -1)
