"""Layout and value range of images, and their conversion for the model.

User space is what the user gave: rows flat, without or with a channel axis, of any
dtype and range. Model space is float32 of shape (n, height, width, channels) in
[-1, 1]. :class:`ImageFormat` converts both ways; nothing else in the package does.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.distance import cdist

from balancegan.errors import DataError
from balancegan.memory import release
from balancegan.shapes import find_image_shape

CHUNK = 4096  # images checked at a time: bounds memory
MOST_IN_SAMPLE = 256  # images of each set whose distances are measured
MOST_VALUES_IN_SAMPLE = 2**24
WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))  # of cameras and scanners
# Least range of values as a share of black to white: a network learns next to nothing
# from less (16 shades of 255)
LEAST_CONTRAST = 1 / 15
LEAST_WIDTH, MOST_WIDTH = 1e-37, 3e38  # from black to white, in float32


@dataclass(frozen=True)
class ImageFormat:
    """Layout and value range of the user's images.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one image as given: (height * width * channels,),
        (height, width), (height, width, channels) or (channels, height, width).
    image_shape : tuple of int
        (height, width, channels).
    dtype : str
        Name of the user's dtype.
    low, high : float
        The values of black and white.

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

    @property
    def is_channels_first(self) -> bool:
        """Whether rows have shape (channels, height, width)."""
        height, width, channels = self.image_shape
        own = self.row_shape
        return own == (channels, height, width) and own != self.image_shape

    def to_channels_last(self, images: np.ndarray) -> np.ndarray:
        """Convert rows in user layout to NHWC, with values unchanged."""
        images = np.asarray(images)
        if self.is_channels_first:
            return np.moveaxis(images, 1, -1)
        return images.reshape(-1, *self.image_shape)

    def from_channels_last(self, images: np.ndarray) -> np.ndarray:
        """Convert NHWC images to user layout, with values unchanged."""
        if self.is_channels_first:
            return np.ascontiguousarray(np.moveaxis(images, -1, 1))
        return images.reshape(-1, *self.row_shape)

    def to_model_range(self, images: np.ndarray) -> np.ndarray:
        """Convert rows in user space to float32 NHWC in [-1, 1]."""
        images = self.to_channels_last(images)
        scale = np.float32(2 / (self.high - self.low))
        if images.dtype.itemsize > 2 and images.dtype != np.float32:
            # In float32, a large black value would leave no bits for the image
            shifted = (images.astype(np.float64) - self.low).astype(np.float32)
        else:
            shifted = images.astype(np.float32) - np.float32(self.low)
        return shifted * scale - np.float32(1)

    def from_model_range(self, images: np.ndarray) -> np.ndarray:
        """Convert float32 NHWC in [-1, 1] to rows in user space."""
        share = (np.clip(images, -1, 1).astype(np.float64) + 1) / 2
        values = np.clip(self.low + share * (self.high - self.low), self.low, self.high)
        if np.dtype(self.dtype).kind in "iub":
            values = np.rint(values)
        if np.dtype(self.dtype).kind in "iu":
            most = np.iinfo(self.dtype).max  # no float has the largest 64-bit value
            last = float(most) if float(most) <= most else np.nextafter(float(most), 0)
            values = np.clip(values, np.iinfo(self.dtype).min, last)
        return self.from_channels_last(values.astype(self.dtype))

    def to_uint8(self, images: np.ndarray) -> np.ndarray:
        """Convert rows in user space to uint8 NHWC for display.

        Black becomes 0 and white 255. For files that are read again see `to_pixels`.
        """
        share = (self.to_model_range(images) + 1) / 2
        return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)

    def to_pixels(self, images: np.ndarray) -> np.ndarray:
        """Convert rows in user space to uint8 NHWC, the pixels of image files.

        Values of dtype uint8 are kept, whatever black and white are. For every other
        dtype, black becomes 0 and white 255.

        Examples
        --------
        >>> dark = np.resize(np.arange(60, dtype="uint8"), (2, 4, 4))
        >>> int(find_format(dark, value_range=(0, 60)).to_pixels(dark).max())
        31
        >>> find_format(dark / 100).to_pixels(dark / 100).max()
        np.uint8(79)
        """
        if self.holds_pixels:
            return self.to_channels_last(images)
        return self.to_uint8(images)

    @property
    def holds_pixels(self) -> bool:
        """Whether the user's values are the pixels of image files."""
        return np.dtype(self.dtype) == np.uint8

    def like(self, images: np.ndarray) -> "ImageFormat":
        """Return this format for images of another part, which may have other rows."""
        if images.shape[1:] == self.row_shape:
            return self
        return replace(
            self,
            row_shape=images.shape[1:],
            image_shape=find_image_shape(images.shape[1:]),
        )


def find_format(
    images: np.ndarray,
    image_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
    *,
    may_be_dim: bool = False,
) -> ImageFormat:
    """Check images and infer their layout and range.

    Parameters
    ----------
    images : ndarray
        Shape (n, height, width) or (n, height, width, channels); with `image_shape`
        also flat (n, height * width * channels), read row by row, channels last, or
        (n, channels, height, width). Integers, booleans or finite floats.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels), in this order whatever the order
        of `images`: (16, 16, 13) for rows of shape (13, 16, 16) means channels first.
        None: read off `images`, which must not be flat or look like channels first.
    value_range : tuple of float, default=None
        The values of black and white. None: inferred from the dtype.

        - Booleans: 0 to 1.
        - Integers of 8 bits: 0 to 255 or -128 to 127, also of dark images.
        - Wider integers without negative values: 0 to 255, 1,023, 4,095, 16,383 or
          65,535, the first that the brightest value does not exceed.
        - Floats: 0 to 1 or -1 to 1, the first that holds all values; 0 to 255 if they
          lie within it and exceed 127.
        - All others, and values that use less than a fifteenth of such a range: the
          least and the greatest value.
    may_be_dim : bool, default=False
        Whether integers of 8 bits may use less than a fifteenth of their range, like a
        mask of 0 and 1. False: they are refused without a `value_range`, since a GAN
        would learn black images.

    Returns
    -------
    image_format : ImageFormat
    """
    if images.dtype.kind not in "iufb":
        raise DataError(
            "Images must be numbers (integers, booleans or floats). "
            f"Received: images of dtype {images.dtype}."
        )
    row_shape = images.shape[1:]
    shape = find_image_shape(row_shape, image_shape)
    if not len(images):
        raise DataError(
            "There must be at least one image. "
            f"Received: an array of shape {images.shape}."
        )
    low, high = _extremes(images)
    if value_range is None:
        black, white = _detect_range(images.dtype, low, high)
        if images.dtype.itemsize == 1 and not may_be_dim:
            _check_contrast(images.dtype, (low, high), (black, white))
    else:
        black, white = _check_range(value_range, images.dtype)
        if low < black or high > white:
            raise DataError(
                f"Every value must lie in value_range=({black:g}, {white:g}). "
                f"Received: images with values from {low:g} to {high:g}. Give the "
                "range of the data, or leave value_range out to have it detected."
            )
    if not LEAST_WIDTH <= white - black <= MOST_WIDTH:
        raise DataError(
            "From black to white there must be a distance that float32 holds, "
            f"{LEAST_WIDTH:g} to {MOST_WIDTH:g}. Received: {black:g} (black) to "
            f"{white:g} (white). Bring the images to 0 to 1 first."
        )
    return ImageFormat(row_shape, shape, str(images.dtype), black, white)


def _check_contrast(
    dtype: np.dtype, extremes: tuple[float, float], detected: tuple[float, float]
) -> None:
    """Raise DataError if images use a small part of their range, unless constant."""
    (low, high), (black, white) = extremes, detected
    if _is_dim(extremes, detected):
        raise DataError(
            f"Images of dtype {dtype} are expected to use the values from "
            f"{black:g} (black) to {white:g} (white). Received: values from {low:g} to "
            f"{high:g} only, which look almost constant to a network. If these are "
            f"black and white, give value_range=({low:g}, {high:g}) (value-range "
            f"in --config); if the images are that dark, "
            f"value_range=({black:g}, {white:g})."
        )


def _check_range(
    value_range: tuple[float, float], dtype: np.dtype
) -> tuple[float, float]:
    """Return black and white as values of a dtype."""
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
    """Raise DataError unless images have the shape of a known format."""
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
    """Return images after checking them against a known format.

    Parameters
    ----------
    images : ndarray
        The images.
    expected : ImageFormat
        The known format.
    of : str
        Owner of the format, for the error message.
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
            f"values from {low:g} to {high:g}. Bring them to that range, or give a "
            "value_range (value-range in --config) for all images before training."
        )
    return images


def _extremes(images: np.ndarray) -> tuple[float, float]:
    """Return the least and the greatest value; refuse NaN and infinity."""
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
    """Return black and white, see :func:`find_format`."""
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype.kind in "iu" and dtype.itemsize == 1:
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    guesses: list[tuple[float, float]] = []
    if dtype.kind == "f":
        bright = high > WHITES[0] // 2
        guesses = [(0.0, 1.0), (-1.0, 1.0), *([(0.0, 255.0)] if bright else [])]
    elif high > low:
        guesses = [(0.0, float(white)) for white in WHITES]
    for black, white in guesses:
        if black <= low and high <= white:
            if _is_dim((low, high), (black, white)):
                break
            return black, white
    if low == high:
        return low, max(low + 1, float(np.nextafter(low, np.inf)))
    return low, high


def typical_distance(images: np.ndarray, others: np.ndarray) -> float:
    """Return the typical distance between images of two sets.

    The median Euclidean distance over all values, without pairs of equal images. Unlike
    distances to the nearest image, it hardly depends on copies and near copies.

    Parameters
    ----------
    images, others : ndarray of shape (n, ...)
        Images of one shape. Of large sets, evenly spread rows are measured.

    Returns
    -------
    distance : float
        0 if all images are equal, or a set is empty.

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


def _is_dim(extremes: tuple[float, float], ends: tuple[float, float]) -> bool:
    """Return whether values use too little of a range to be learned from."""
    (low, high), (black, white) = extremes, ends
    return 0 < high - low < LEAST_CONTRAST * (white - black)
