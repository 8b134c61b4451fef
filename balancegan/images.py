"""The one place for image layout and value range.

User space is whatever the user gave: rows flat, without or with a channel axis, of
any dtype and range. Model space is float32 of shape (n, height, width, channels) in
[-1, 1]. :class:`ImageFormat` remembers the first and converts both ways; nothing
else in the package divides by 127.5 or adds an axis.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.distance import cdist

from balancegan.errors import DataError
from balancegan.memory import release
from balancegan.shapes import find_image_shape

# Images looked at per turn when a set is searched for bad values: bounds memory
CHUNK = 4096
MOST_IN_SAMPLE = 256  # images of each side whose distances are measured
MOST_VALUES_IN_SAMPLE = 2**24
WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))  # of cameras and scanners
# Between the darkest and the brightest value, as a share of black to white: a network
# learns next to nothing of less (16 shades of 255)
LEAST_CONTRAST = 1 / 15
LEAST_WIDTH, MOST_WIDTH = 1e-37, 3e38  # from black to white, in float32


@dataclass(frozen=True)
class ImageFormat:
    """How the user's images are laid out, and what their values mean.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one image as the user holds it: (height * width * channels,),
        (height, width), (height, width, channels) or (channels, height, width).
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

    @property
    def is_channels_first(self) -> bool:
        """Whether rows have shape (channels, height, width)."""
        height, width, channels = self.image_shape
        own = self.row_shape
        return own == (channels, height, width) and own != self.image_shape

    def to_channels_last(self, images: np.ndarray) -> np.ndarray:
        """Return rows as the user holds them as NHWC, their values unchanged."""
        images = np.asarray(images)
        if self.is_channels_first:
            return np.moveaxis(images, 1, -1)
        return images.reshape(-1, *self.image_shape)

    def from_channels_last(self, images: np.ndarray) -> np.ndarray:
        """Return NHWC images as rows as the user holds them, their values unchanged."""
        if self.is_channels_first:
            return np.ascontiguousarray(np.moveaxis(images, -1, 1))
        return images.reshape(-1, *self.row_shape)

    def to_model_range(self, images: np.ndarray) -> np.ndarray:
        """Convert rows as the user holds them to float32 NHWC in [-1, 1]."""
        images = self.to_channels_last(images)
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
        return self.from_channels_last(values.astype(self.dtype))

    def to_uint8(self, images: np.ndarray) -> np.ndarray:
        """Convert rows as the user holds them to uint8 NHWC, to be looked at.

        Black becomes 0 and white 255, so that also masks of 0 and 1 can be seen. For
        files that are read again see `to_pixels`.
        """
        share = (self.to_model_range(images) + 1) / 2
        return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)

    def to_pixels(self, images: np.ndarray) -> np.ndarray:
        """Convert rows as the user holds them to uint8 NHWC, the pixels of files.

        The one rule for all image files, real or synthetic. Values of dtype uint8 are
        pixels already and stay what they are, whatever black and white are. Of every
        other dtype black becomes 0 and white 255, with values between them rounded to
        the nearest of these 256 shades.

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
        """Return this format for images of another part, whose rows may differ.

        Raises
        ------
        DataError
            If those are no images.
        """
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
    """Check images and find out their layout and range.

    Parameters
    ----------
    images : ndarray
        Shape (n, height, width) or (n, height, width, channels); with `image_shape`
        also flat (n, height * width * channels), read row by row, channels last, or
        (n, channels, height, width). Integers, booleans or finite floats.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels), in this order whatever the order
        of `images` is: (16, 16, 13) says of rows of shape (13, 16, 16) that their
        channels come first. None: read off `images`, which must be neither flat nor
        look like channels first.
    value_range : tuple of float, default=None
        The values of black and white. None: what the dtype says.

        - Booleans: 0 to 1.
        - Integers of 8 bits: all that they can be, 0 to 255 or -128 to 127, however
          dark the images are.
        - Wider integers without negative values: 0 to 255, 1,023, 4,095, 16,383 or
          65,535, the first that the brightest value does not exceed.
        - Floats: 0 to 1 or -1 to 1, the first that holds all values; 0 to 255 where
          they lie within it and exceed 127.
        - All others, and integers and floats of which less than a fifteenth of such a
          range is used: the least and the greatest value that occur.
    may_be_dim : bool, default=False
        Whether integers of 8 bits may use less than a fifteenth of their range, as a
        mask of 0 and 1 does. False: they are refused without a `value_range`, since a
        GAN would learn images that are all black.

    Returns
    -------
    image_format : ImageFormat

    Raises
    ------
    DataError
        If the array is no set of images, is empty, holds NaN or infinity, leaves
        `value_range`, does not say whether its channels come first, or has a range
        that float32 cannot hold.
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
            f"Images of dtype {dtype} are expected to make use of the values from "
            f"{black:g} (black) to {white:g} (white). Received: values from {low:g} to "
            f"{high:g} only, which look almost constant to a network. If these are "
            f"black and white, give value_range=({low:g}, {high:g}) (--value-range "
            f"{low:g} {high:g}); if the images are that dark, "
            f"value_range=({black:g}, {white:g})."
        )


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
            f"values from {low:g} to {high:g}. Bring them to that range, or give a "
            "value_range (--value-range) that holds all images before training."
        )
    return images


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


def _is_dim(extremes: tuple[float, float], ends: tuple[float, float]) -> bool:
    """Return whether values fill too little of a range to be learned from."""
    (low, high), (black, white) = extremes, ends
    return 0 < high - low < LEAST_CONTRAST * (white - black)
