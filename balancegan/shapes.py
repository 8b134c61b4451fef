"""Which sides of an array are height, width and channels, or that nobody can say.

Channels come last unless the user says otherwise. An array that looks as much like
channels first is refused, for a GAN would learn from it without a word.
"""

from math import prod
from numbers import Integral
from typing import Any

from balancegan.errors import DataError

MIN_SIDE = 4  # pixels
FEW_CHANNELS = 4  # grey, grey with transparency, colour, colour with transparency


def find_image_shape(
    row_shape: tuple[int, ...], declared: tuple[int, ...] | None = None
) -> tuple[int, int, int]:
    """Return (height, width, channels) of images.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one image as the user holds it.
    declared : tuple of int or None, default=None
        (height, width) or (height, width, channels), as the user says. None: read off
        `row_shape`, channels last.

    Raises
    ------
    DataError
        If that is no image, or the channels may as well come first.

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
            f"image_shape={declared} (--image-shape) needs {prod(shape)} values an "
            f"image. Received: rows of shape {row_shape}, {prod(row_shape)} values."
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
            "image_shape (--image-shape) is (height, width, channels). Received: rows "
            f"of shape {row_shape} with image_shape={declared}, which is none of their "
            "orders. Bring the rows to (height, width, channels), for instance by "
            "np.moveaxis(X, 1, -1)."
        )
    return height, width, channels


def _check_channels_last(first: int, second: int, last: int) -> None:
    """Raise DataError unless rows of three sides are clearly channels-last."""
    if first < MIN_SIDE <= min(second, last):
        why = f"{first} by {second} pixels are no image"
    elif _may_be_channels_first(first, second, last):
        why = "either may be the channels"
    else:
        return
    raise DataError(
        "Images of several channels must have shape (n, height, width, channels), or "
        f"say what their sides are. Received: rows of shape ({first}, {second}, "
        f"{last}): {why}. If they are {first} channels of {second}x{last} pixels, give "
        f"image_shape=({second}, {last}, {first}) (--image-shape {second},{last},"
        f"{first}), or move the channels last: np.moveaxis(X, 1, -1)."
        + (
            f" If they are {first}x{second} pixels with {last} channels, give "
            f"image_shape=({first}, {second}, {last})."
            if first >= MIN_SIDE
            else ""
        )
    )


def _may_be_channels_first(first: int, second: int, last: int) -> bool:
    """Return whether the last two sides look as much like those of a picture.

    A last side of 4 or less is that of the channels, as in all decoded image files.

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
    """Return whether rows are in the order of an image shape, or channels-first."""
    height, width, channels = image_shape
    if len(row_shape) == 3:
        return row_shape in (image_shape, (channels, height, width))
    if len(row_shape) == 2:
        flat = (height * width, channels), (1, prod(image_shape))
        return row_shape in ((height, width * channels), *flat)
    return len(row_shape) == 1
