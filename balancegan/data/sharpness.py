"""How sharp an image is: one definition for every check and benchmark.

Images of any size are compared at one size, so that an enlarged thumbnail shows as
blurred next to a photo.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from balancegan.data.decoding import decode, read_header
from balancegan.data.depth import Scale
from balancegan.errors import DataError

SIDE = 224  # pixels: what most pretrained classifiers take


def measure_sharpness(image: np.ndarray) -> float:
    """Return the variance of the Laplacian of an image at 224x224 pixels.

    The image becomes grey (ITU-R 601 luma), is resized to 224x224 by Pillow's bilinear
    filter, and is convolved with the 4-neighbour Laplacian; pixels at the border are
    left out. Blur lowers the variance, noise raises it. Only ratios between images of
    similar subjects mean something.

    Parameters
    ----------
    image : ndarray of shape (height, width[, 1, 3 or 4]), uint8
        Of any size. A fourth channel is transparency, which is laid on white.

    Returns
    -------
    sharpness : float
        0 for a constant image.

    Raises
    ------
    DataError
        If the array is no such image.

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
            "Sharpness is measured of pixels of shape (height, width) or (height, "
            f"width, 1, 3 or 4), uint8. Received: shape {image.shape}, {image.dtype}. "
            "ImageFormat.to_pixels makes pixels of other values."
        )
    picture = Image.fromarray(shown[..., 0] if shown.shape[2] == 1 else shown)
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture)
    grey = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(grey, dtype=np.float64)
    neighbours = values[:-2] + values[2:]
    laplacian = neighbours[:, 1:-1] - 4 * values[1:-1, 1:-1]
    laplacian += values[1:-1, :-2] + values[1:-1, 2:]
    return float(laplacian.var())


def measure_file_sharpness(
    file: Path | bytes, file_range: tuple[float, float] | None = None
) -> float:
    """Return the sharpness of an image file at full size, see `measure_sharpness`.

    Parameters
    ----------
    file : Path or bytes
        The file, or what is in one.
    file_range : tuple of float or None, default=None
        The values of a file of more than 8 bits that become 0 and 255, as
        `LabelledImages.file_range` has them. None: such files cannot be used.

    Raises
    ------
    UnusableImage
        If it cannot be decoded.
    """
    header = read_header(file)
    scale = None if file_range is None else Scale(*file_range, is_given=True)
    channels = 1 if header.channels == 1 else 3
    size = header.height, header.width
    pixels, _ = decode(file, channels, size, "stretch", scale)
    return measure_sharpness(pixels)
