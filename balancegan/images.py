"""The one place for image layout and value range.

User space is whatever the user gave: rows flat, without or with a channel axis, of
any dtype and range. Model space is float32 of shape (n, height, width, channels) in
[-1, 1]. :class:`ImageFormat` remembers the first and converts both ways; nothing
else in the package divides by 127.5 or adds an axis.
"""

from dataclasses import dataclass
from math import prod
from numbers import Integral
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from balancegan.errors import DataError
from balancegan.memory import release

MIN_SIDE = 4  # pixels
# Images looked at per turn when a set is searched for bad values: bounds memory
CHUNK = 4096
MOST_IN_SAMPLE = 256  # images of each side whose distances are measured
MOST_VALUES_IN_SAMPLE = 2**24


@dataclass(frozen=True)
class ImageFormat:
    """How the user's images are laid out, and what their values mean.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one image as the user holds it: (height * width * channels,),
        (height, width) or (height, width, channels).
    image_shape : tuple of int
        (height, width, channels).
    dtype : str
        Name of the user's dtype.
    low, high : float
        The values that stand for black and for white.

    Examples
    --------
    >>> images = np.zeros((2, 4, 4), dtype="uint8")
    >>> image_format = find_format(images)
    >>> image_format.to_model_range(images).shape
    (2, 4, 4, 1)
    >>> back = image_format.from_model_range(image_format.to_model_range(images))
    >>> back.shape, back.dtype, bool((back == images).all())
    ((2, 4, 4), dtype('uint8'), True)
    """

    row_shape: tuple[int, ...]
    image_shape: tuple[int, int, int]
    dtype: str
    low: float
    high: float

    def to_model_range(self, images: np.ndarray) -> np.ndarray:
        """Convert rows as the user holds them to float32 NHWC in [-1, 1]."""
        images = np.asarray(images).reshape(-1, *self.image_shape)
        scale = np.float32(2 / (self.high - self.low))
        if images.dtype.itemsize > 2 and images.dtype != np.float32:
            # Before it is taken off, a large black leaves no bits for the image
            shifted = (images.astype(np.float64) - self.low).astype(np.float32)
        else:
            shifted = images.astype(np.float32) - np.float32(self.low)
        return shifted * scale - np.float32(1)

    def from_model_range(self, images: np.ndarray) -> np.ndarray:
        """Convert float32 NHWC in [-1, 1] to rows as the user holds them."""
        share = (np.clip(images, -1, 1).astype(np.float64) + 1) / 2
        values = np.clip(self.low + share * (self.high - self.low), self.low, self.high)
        if np.dtype(self.dtype).kind in "iub":
            values = np.rint(values)
        if np.dtype(self.dtype).kind in "iu":
            most = np.iinfo(self.dtype).max  # of 64 bits none that a float can be
            last = float(most) if float(most) <= most else np.nextafter(float(most), 0)
            values = np.clip(values, np.iinfo(self.dtype).min, last)
        return values.astype(self.dtype).reshape(-1, *self.row_shape)

    def to_uint8(self, images: np.ndarray) -> np.ndarray:
        """Convert rows as the user holds them to uint8 NHWC, for pictures."""
        share = (self.to_model_range(images) + 1) / 2
        return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)


def find_format(
    images: np.ndarray,
    image_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
) -> ImageFormat:
    """Check images and find out their layout and range.

    Parameters
    ----------
    images : ndarray
        Shape (n, height, width), (n, height, width, channels), or, with
        `image_shape`, flat (n, height * width * channels). Integers, booleans or
        finite floats.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of flat images. None: read off
        `images`.
    value_range : tuple of float, default=None
        The values of black and white. None: for floats 0 to 1 or -1 to 1 where that
        holds all values; 0 to 255 where the values lie within it and exceed 127;
        else the least and the greatest value that occur.

    Returns
    -------
    image_format : ImageFormat

    Raises
    ------
    DataError
        If the array is no set of images, is empty, holds NaN or infinity, or leaves
        `value_range`.
    """
    if images.dtype.kind not in "iufb":
        raise DataError(
            "Images must be numbers (integers, booleans or floats). "
            f"Received: images of dtype {images.dtype}."
        )
    row_shape = images.shape[1:]
    shape = _image_shape(row_shape, image_shape)
    if not len(images):
        raise DataError(
            "There must be at least one image. "
            f"Received: an array of shape {images.shape}."
        )
    low, high = _extremes(images)
    if value_range is None:
        black, white = _detect_range(images.dtype, low, high)
    else:
        black, white = _check_range(value_range, images.dtype)
        if low < black or high > white:
            raise DataError(
                f"Every value must lie in value_range=({black:g}, {white:g}). "
                f"Received: images with values from {low:g} to {high:g}. Give the "
                "range of the data, or leave value_range out to have it detected."
            )
    return ImageFormat(row_shape, shape, str(images.dtype), black, white)


def _check_range(
    value_range: tuple[float, float], dtype: np.dtype
) -> tuple[float, float]:
    """Return black and white as images of a dtype have them."""
    try:
        given = black, white = tuple(float(value) for value in value_range)
        if dtype.kind == "f":
            with np.errstate(over="ignore"):
                black, white = (float(dtype.type(value)) for value in given)
    except (TypeError, ValueError):
        black = white = np.nan
    if not -np.inf < black < white < np.inf:
        raise DataError(
            "value_range must be (black, white), finite, with black below white. "
            f"Received: value_range={value_range!r}."
        )
    return black, white


def check_row_shape(row_shape: tuple[int, ...], expected: ImageFormat) -> None:
    """Raise DataError unless images of this shape are of a known format."""
    if row_shape != expected.row_shape:
        raise DataError(
            "The images differ from those that the model was trained on. Expected: "
            f"rows of shape {expected.row_shape}. Received: rows of shape {row_shape}."
        )


def check_format(
    images: np.ndarray,
    expected: ImageFormat,
    of: str = "those that the model was trained on",
) -> np.ndarray:
    """Return images as an array after checking them against a known format.

    Parameters
    ----------
    images : ndarray
        The images.
    expected : ImageFormat
        What they are to be like.
    of : str
        Whose format that is, for the error.

    Raises
    ------
    DataError
        If shape, dtype or range are not those of `expected`.
    """
    check_row_shape(images.shape[1:], expected)
    if str(images.dtype) != expected.dtype:
        raise DataError(
            f"The images differ from {of}. Expected: "
            f"values of dtype {expected.dtype}. Received: {images.dtype}."
        )
    low, high = _extremes(images)
    if low < expected.low or high > expected.high:
        raise DataError(
            f"The images leave the range of {of}. "
            f"Expected: values in [{expected.low:g}, {expected.high:g}]. Received: "
            f"values from {low:g} to {high:g}."
        )
    return images


def _image_shape(
    row_shape: tuple[int, ...], declared: tuple[int, ...] | None
) -> tuple[int, int, int]:
    """Return (height, width, channels) of rows of `row_shape`, checked."""
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
            f"image_shape={declared} needs {prod(shape)} values an image. "
            f"Received: rows of shape {row_shape}, {prod(row_shape)} values."
        )
    height, width, channels = (int(side) for side in shape)
    if min(height, width) < MIN_SIDE or channels < 1:
        hint = ""
        if declared is None and height in (1, 3) and channels >= MIN_SIDE:
            hint = " If the channels come first, move them last: np.moveaxis(X, 1, -1)."
        raise DataError(
            f"Height and width must be at least {MIN_SIDE} pixels, with at least one "
            f"channel. Received: height={height}, width={width}, channels={channels}."
            + hint
        )
    return height, width, channels


def _extremes(images: np.ndarray) -> tuple[float, float]:
    """Return the least and the greatest value, all being finite."""
    low, high = np.inf, -np.inf
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            bad = ~np.isfinite(part.reshape(len(part), -1)).all(axis=1)
            row = start + int(np.argmax(bad))
            raise DataError(
                "Images must not hold NaN or infinity. "
                f"Received: image {row} is the first with such a value."
            )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        release(images)
    return low, high


def _detect_range(dtype: np.dtype, low: float, high: float) -> tuple[float, float]:
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype.kind == "f":
        for black, white in ((0.0, 1.0), (-1.0, 1.0)):
            if black <= low and high <= white:
                return black, white
    if low >= 0 and 127 < high <= 255:
        return 0.0, 255.0
    if low == high:
        return low, max(low + 1, float(np.nextafter(low, np.inf)))
    return low, high


def typical_distance(images: np.ndarray, others: np.ndarray) -> float:
    """Return how far images of two sets usually are from each other.

    The median Euclidean distance over all values, without pairs of equal images. Copies
    and near copies do not shrink it, unlike distances to the nearest image, unless
    most of the set shows one image.

    Parameters
    ----------
    images, others : ndarray of shape (n, ...)
        Images of one shape. Of large sets a sample is measured: rows evenly spread.

    Returns
    -------
    distance : float
        0 where all images are equal, or one side has none.

    Examples
    --------
    >>> typical_distance(np.array([[0.0], [0.0], [4.0]]), np.array([[0.0], [2.0]]))
    2.0
    """
    if not len(images) or not len(others):
        return 0.0
    size = images[:1].size
    n = max(2, min(MOST_IN_SAMPLE, MOST_VALUES_IN_SAMPLE // size))
    rows, other_rows = (
        side[np.unique(np.linspace(0, len(side) - 1, n, dtype=int))]
        .reshape(-1, size)
        .astype(np.float64)
        for side in (images, others)
    )
    distances = cdist(rows, other_rows)
    unequal = distances[distances > 0]
    return float(np.median(unequal)) if len(unequal) else 0.0
