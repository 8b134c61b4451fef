"""What is measured of each photo at its own size, one photo at a time.

Light, contrast, sharpness, colour, and two small descriptions: a grey thumbnail that
near copies are found by, and features that classes are told apart by. What a measure
means is the business of `photochecks`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from balancegan.data.decoding import decode, read_header
from balancegan.data.depth import Scale
from balancegan.data.fitting import unfit_image
from balancegan.data.sharpness import measure_sharpness

SIDE = 64  # of the thumbnail that everything small is measured of
PERCENTILES = (1, 5, 50, 95, 99)
N_CELLS, N_DIRECTIONS = 8, 8  # of histograms of gradients
COLOUR_SIDE, N_SHADES = 8, 4
MOST_PIXELS = 1024  # of the longer side: larger photos are scaled down to it
GREY_WEIGHTS = (77, 150, 29)  # ITU-R 601, of 256


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured of n photos.

    Attributes
    ----------
    light : ndarray of shape (n, 5), float32
        Percentiles 1, 5, 50, 95 and 99 of the grey values, in 0..1.
    sharpness : ndarray of shape (n,), float64
        See :func:`balancegan.data.sharpness.measure_sharpness`.
    colour : ndarray of shape (n,), float32
        How far the channels differ on average, in 0..1. 0: grey.
    grey : ndarray of shape (n, 64, 64), uint8
        Thumbnails.
    features : ndarray of shape (n, k), float32
        Colours at 8x8 places, histograms of colours and of gradients.
    """

    light: np.ndarray
    sharpness: np.ndarray
    colour: np.ndarray
    grey: np.ndarray
    features: np.ndarray


def open_photos(
    files: list[Path], file_range: tuple[float, float] | None = None
) -> Callable[[int], np.ndarray]:
    """Return what decodes the file of a row at its own size, up to 1,024 pixels a side.

    Parameters
    ----------
    files : list of Path
        The file of each row.
    file_range : tuple of float or None, default=None
        See `LabelledImages.file_range`.
    """
    scale = None if file_range is None else Scale(*file_range, is_given=True)

    def show(row: int) -> np.ndarray:
        """Return the pixels of one file, grey or in colour."""
        header = read_header(files[row])
        sides = np.array([header.height, header.width])
        height, width = np.maximum(1, sides * min(1, MOST_PIXELS / sides.max()))
        channels = 1 if header.channels == 1 else 3
        size = int(height), int(width)
        return decode(files[row], channels, size, "stretch", scale)[0]

    return show


def measure_photos(photo: Callable[[int], np.ndarray], n: int) -> Measures:
    """Measure photos one by one.

    Parameters
    ----------
    photo : callable
        From a row to its pixels, of shape (height, width, 1 or 3), uint8.
    n : int
        How many there are.

    Examples
    --------
    >>> photos = [np.full((80, 90, 3), value, dtype="uint8") for value in (0, 51, 102)]
    >>> measures = measure_photos(photos.__getitem__, 3)
    >>> (255 * measures.light[:, 2]).round().tolist(), measures.colour.tolist()
    ([0.0, 51.0, 102.0], [0.0, 0.0, 0.0])
    """
    rows = list(_measure_each(photo, n))
    light, sharpness, colour, grey, features = zip(*rows, strict=True)
    return Measures(
        np.array(light, dtype=np.float32),
        np.array(sharpness),
        np.array(colour, dtype=np.float32),
        np.stack(grey),
        np.stack(features),
    )


def _measure_each(
    photo: Callable[[int], np.ndarray], n: int
) -> Iterator[tuple[np.ndarray, float, float, np.ndarray, np.ndarray]]:
    for row in range(n):
        pixels = photo(row)
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        small = unfit_image(pixels, (SIDE, SIDE), "stretch")
        grey = _to_grey(small)
        colour = (small.max(axis=2).astype(np.float32) - small.min(axis=2)).mean() / 255
        yield (
            _measure_light(_to_grey(pixels)),
            measure_sharpness(pixels),
            float(colour),
            grey,
            np.concatenate([_describe_colours(small), _describe_shapes(grey)]),
        )


def _to_grey(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = (
        pixels[..., k].astype(np.uint16) * np.uint16(weight)
        for k, weight in enumerate(GREY_WEIGHTS)
    )
    return ((red + green + blue) >> 8).astype(np.uint8)


def _measure_light(grey: np.ndarray) -> np.ndarray:
    shares = np.bincount(grey.reshape(-1), minlength=256).cumsum() / grey.size
    return np.searchsorted(shares, np.array(PERCENTILES) / 100) / 255


def _describe_colours(small: np.ndarray) -> np.ndarray:
    """Return colours at places, and how frequent colours are."""
    cell = SIDE // COLOUR_SIDE
    cells = small.reshape(COLOUR_SIDE, cell, COLOUR_SIDE, cell, 3)
    places = cells.mean(axis=(1, 3)).reshape(-1) / 255
    shades = (small // (256 // N_SHADES)).astype(int)
    numbers = (shades * (N_SHADES**2, N_SHADES, 1)).sum(axis=2).reshape(-1)
    frequent = np.bincount(numbers, minlength=N_SHADES**3) / SIDE**2
    return np.concatenate([places, np.sqrt(frequent)]).astype(np.float32)


def _describe_shapes(grey: np.ndarray) -> np.ndarray:
    """Return histograms of the directions of gradients, at 8x8 places."""
    down, right = np.gradient(grey.astype(np.float32))
    strength = np.hypot(down, right)
    direction = np.arctan2(down, right) % np.pi * (N_DIRECTIONS / np.pi)
    place = np.arange(SIDE) * N_CELLS // SIDE
    cell = (place[:, None] * N_CELLS + place) * N_DIRECTIONS
    bins = cell + direction.astype(int) % N_DIRECTIONS
    counts = np.bincount(
        bins.reshape(-1), strength.reshape(-1), N_CELLS**2 * N_DIRECTIONS
    ).reshape(-1, N_DIRECTIONS)
    norms = np.linalg.norm(counts, axis=1, keepdims=True)
    return (counts / (norms + 10)).reshape(-1).astype(np.float32)
