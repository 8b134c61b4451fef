"""Measures of photos at their own size, one photo at a time.

Light, contrast, sharpness and colour, a grey thumbnail by which near copies are found,
and features by which classes are recognised. `photo_checks` interprets them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from balancegan.data.decoding import decode, read_header
from balancegan.data.depth import Scale
from balancegan.data.fitting import unfit_image
from balancegan.errors import DataError

SIDE = 64  # pixels of the thumbnail that everything small is measured on
PERCENTILES = (1, 5, 50, 95, 99)
N_CELLS, N_DIRECTIONS = 8, 8  # of histograms of gradients
COLOUR_SIDE, N_SHADES = 8, 4
MOST_PIXELS = 1024  # of the longer side: larger photos are scaled down to it
GREY_WEIGHTS = (77, 150, 29)  # ITU-R 601, of 256
# Sharpness is measured at one size, so that an enlarged thumbnail shows as blurred
SHARPNESS_SIDE = 224  # pixels: the input of most pretrained classifiers


@dataclass(frozen=True, eq=False)
class Measures:
    """Measures of n photos."""

    light: np.ndarray  # (n, 5): percentiles 1, 5, 50, 95 and 99 of grey, in 0..1
    sharpness: np.ndarray  # (n,)
    colour: np.ndarray  # (n,): mean difference of the channels, in 0..1
    grey: np.ndarray  # (n, 64, 64), uint8: thumbnails
    features: np.ndarray  # (n, k): colours at 8x8 places, histograms of both


def open_photos(
    files: list[Path], file_range: tuple[float, float] | None = None
) -> Callable[[int], np.ndarray]:
    """Return a function that decodes the file of a row, up to 1,024 pixels a side."""

    def show(row: int) -> np.ndarray:
        """Return the pixels of one file, grey or in colour."""
        return _decode(files[row], file_range, MOST_PIXELS)

    return show


def _decode(
    file: Path | bytes,
    file_range: tuple[float, float] | None,
    most_pixels: int | None = None,
) -> np.ndarray:
    header = read_header(file)
    scale = None if file_range is None else Scale(*file_range, is_given=True)
    channels = 1 if header.channels == 1 else 3
    size = header.height, header.width
    if most_pixels is not None:
        share = min(1, most_pixels / max(size))
        size = max(1, int(size[0] * share)), max(1, int(size[1] * share))
    return decode(file, channels, size, "stretch", scale)[0]


def measure_photos(photo: Callable[[int], np.ndarray], n: int) -> Measures:
    """Measure n photos, given by row as pixels (height, width, 1 or 3), uint8.

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
    """Return colours at 8x8 places, and a histogram of colours."""
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


def measure_sharpness(image: np.ndarray) -> float:
    """Return the variance of the Laplacian of an image at 224x224 pixels.

    The image becomes grey (ITU-R 601 luma), is resized to 224x224 by Pillow's bilinear
    filter, and is convolved with the 4-neighbour Laplacian, without border pixels. Blur
    lowers the variance, noise raises it. Only compare images of similar subjects.

    Parameters
    ----------
    image : ndarray of shape (height, width[, 1, 3 or 4]), uint8
        Of any size. A fourth channel is transparency, laid on white.

    Returns
    -------
    sharpness : float
        0 for a constant image.

    Raises
    ------
    DataError
        If the array is not such an image.

    References
    ----------
    J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a
    comparative study", ICPR 2000, measure LAPV.
    https://doi.org/10.1109/ICPR.2000.903548

    Examples
    --------
    >>> photo = np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)
    >>> measure_sharpness(photo) > 50 * measure_sharpness(photo[:32, :32])
    True
    >>> measure_sharpness(np.full((40, 60, 3), 7, dtype=np.uint8))
    0.0
    """
    shown = image[..., None] if image.ndim == 2 else image
    is_image = shown.ndim == 3 and shown.shape[-1] in (1, 3, 4) and shown.size
    if image.dtype != np.uint8 or not is_image:
        raise DataError(
            "Sharpness is measured on pixels of shape (height, width) or (height, "
            f"width, 1, 3 or 4), uint8. Received: shape {image.shape}, {image.dtype}. "
            "Convert other values with ImageFormat.to_pixels."
        )
    picture = Image.fromarray(shown[..., 0] if shown.shape[2] == 1 else shown)
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture)
    size = SHARPNESS_SIDE, SHARPNESS_SIDE
    grey = picture.convert("L").resize(size, Image.Resampling.BILINEAR)
    values = np.asarray(grey, dtype=np.float64)
    neighbours = values[:-2] + values[2:]
    laplacian = neighbours[:, 1:-1] - 4 * values[1:-1, 1:-1]
    laplacian += values[1:-1, :-2] + values[1:-1, 2:]
    return float(laplacian.var())


def measure_file_sharpness(
    file: Path | bytes, file_range: tuple[float, float] | None = None
) -> float:
    """Return the sharpness of an image file at full size.

    `file_range` is black and white of a file of more than 8 bits, which is refused
    (UnusableImage) without it; see `LabelledImages.file_range`.
    """
    return measure_sharpness(_decode(file, file_range))
