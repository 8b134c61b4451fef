"""Bring images of all sizes to one: choose the size, and resize.

Files and the meaning of values are not known here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

Fit = Literal["pad", "crop", "stretch"]
FITS: tuple[Fit, ...] = ("pad", "crop", "stretch")
# Pixels without a given size: trains within an hour on two cores. Images that all have
# the same size stay as large as that
LARGEST_SIDE, LARGEST_OWN_SIDE = 64, 64
SHOWN_SIDE = 128  # pixels of the longer side of photos that classifiers see, at most
LITTLE_DISTORTION = 1.1  # of the aspect ratio: invisible


@dataclass(frozen=True)
class Header:
    """What a file declares about its image.

    Parameters
    ----------
    height, width : int
        Pixels, with EXIF orientation applied.
    channels : int
        1 grey, 3 colour, 4 colour with transparency.
    values : "uint8", "uint16" or "other", default="uint8"
        Type of the values; "other": signed, 32 bits, or floats.
    has_more : bool, default=False
        Whether the file has further images. The first one is used.
    is_synthetic : bool, default=False
        Whether balancegan wrote the image.
    """

    height: int
    width: int
    channels: int
    values: Literal["uint8", "uint16", "other"] = "uint8"
    has_more: bool = False
    is_synthetic: bool = False

    @property
    def is_deep(self) -> bool:
        """Whether values are not whole numbers from 0 to 255."""
        return self.values != "uint8"


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Bring an image to a size, see :func:`balancegan.data.decoding.decode`.

    Examples
    --------
    >>> fit_image(Image.new("L", (100, 50)), (32, 48), "crop").size
    (48, 32)
    """
    height, width = size
    if image.size == (width, height):
        return image
    if fit == "stretch":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    if fit == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    colour = _border_colour(image)
    return ImageOps.pad(image, (width, height), Image.Resampling.BICUBIC, colour)


def unfit_image(pixels: np.ndarray, size: tuple[int, int], fit: Fit) -> np.ndarray:
    """Bring an image back to the size of a file: the inverse of `fit_image`.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 1, 3 or 4), uint8
        The image.
    size : tuple of int
        Height and width of the file.
    fit : str
        How the file was brought to its size. After "pad", margins are cut off; after
        "crop", one side may be shorter, because the parts cut off stay missing.

    Returns
    -------
    resized : ndarray of shape (size height, size width, channels), uint8

    Examples
    --------
    >>> pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    >>> [unfit_image(pixels, (100, 200), fit).shape[:2] for fit in FITS]
    [(100, 200), (100, 100), (100, 200)]
    """
    height, width, channels = pixels.shape
    image = Image.fromarray(pixels if channels > 1 else pixels[..., 0])
    ratios = height / size[0], width / size[1]
    box = (0.0, 0.0, float(width), float(height))
    if fit == "pad":
        shown = size[0] * min(ratios), size[1] * min(ratios)
        top, left = (height - shown[0]) / 2, (width - shown[1]) / 2
        box = (left, top, left + shown[1], top + shown[0])
    elif fit == "crop":
        size = round(height / max(ratios)), round(width / max(ratios))
    resized = image.resize((size[1], size[0]), Image.Resampling.BICUBIC, box)
    return np.asarray(resized).reshape(*size, channels)


def choose_size(
    headers: list[Header], largest_side: int = LARGEST_SIDE
) -> tuple[int, int]:
    """Return the height and width that a set of images is brought to.

    Their own if all are equal and the longer side has at most 64 pixels. Else the
    median height and width, scaled down until the longer side has at most
    `largest_side`.

    Examples
    --------
    >>> choose_size([Header(28, 28, 1), Header(28, 28, 3)])
    (28, 28)
    >>> choose_size([Header(100, 300, 3), Header(150, 300, 3), Header(160, 320, 3)])
    (32, 64)
    """
    sides = [(h.height, h.width) for h in headers]
    height, width = np.median(sides, axis=0)
    if len(set(sides)) == 1 and max(height, width) <= LARGEST_OWN_SIDE:
        largest = LARGEST_OWN_SIDE
    else:
        largest = largest_side
    scale = min(1.0, largest / max(height, width))
    return max(4, round(height * scale)), max(4, round(width * scale))


def resize_pixels(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Stretch an image of shape (height, width, 1, 3 or 4), uint8, to a size.

    Examples
    --------
    >>> resize_pixels(np.zeros((8, 8, 1), np.uint8), (16, 12)).shape
    (16, 12, 1)
    """
    image = Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[..., 0])
    return np.asarray(fit_image(image, size, "stretch")).reshape(*size, -1)


def choose_fit(headers: list[Header], size: tuple[int, int]) -> Fit:
    """Return "stretch" if it distorts no image by more than 10 %, else "pad".

    Examples
    --------
    >>> [choose_fit([Header(*sides, 3)], (8, 8)) for sides in ((30, 32), (9, 20))]
    ['stretch', 'pad']
    """
    wanted = size[0] / size[1]
    ratios = np.array([h.height / h.width for h in headers]) / wanted
    distortion = float(np.maximum(ratios, 1 / ratios).max())
    return "stretch" if distortion <= LITTLE_DISTORTION else "pad"


def choose_channels(headers: list[Header]) -> int:
    """Return 1 if all images are grey, 4 if all are transparent, else 3.

    Examples
    --------
    >>> choose_channels([Header(8, 8, 1), Header(8, 8, 3)])
    3
    """
    channels = {h.channels for h in headers}
    return channels.pop() if len(channels) == 1 else 3


def _border_colour(image: Image.Image) -> tuple[int, ...]:
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    mean = np.concatenate(edges).mean(axis=0)
    return tuple(int(value) for value in np.rint(mean))
