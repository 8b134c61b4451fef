"""Moved copies of image files: at full size, in the original's format and quality.

An unmoved copy is the original's bytes and needs nothing from here. A moved one is
decoded, turned upright, moved and encoded again with the settings of the original.
Pixels are moved as they are stored (indices of a palette, CMYK, 16 bits), so only the
format itself can lose anything.
"""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin

from balancegan.data.decoding import read_deep, upright
from balancegan.data.depth import DeepImage
from balancegan.data.lineage import DESCRIPTION
from balancegan.data.opening import (
    DAMAGED,
    SAMPLE_FORMAT,
    SIGNED,
    UnusableImage,
    is_deep_colour,
    is_signed_byte,
    kind_of_values,
    opened,
)
from balancegan.pictures import encode_deep_png, png_texts

Move = Callable[[np.ndarray], np.ndarray]

# Of formats whose files do not say their quality; moved copies shall not look worse
QUALITY = 90
# A JPEG whose subsampling Pillow does not know is written without any
NO_SUBSAMPLING = 0
LOSSLESS_WEBP = b"VP8L"
PNG = ".png"
OPAQUE = 65535  # of 16 bits


class MovedFile(NamedTuple):
    """A moved copy, encoded.

    Attributes
    ----------
    content : bytes
        Of the file.
    suffix : str
        The original's, or ".png" where its format cannot be written.
    """

    content: bytes
    suffix: str


def encode_moved(
    source: Path, move: Move, texts: Mapping[str, str]
) -> MovedFile | None:
    """Return a moved copy of an image file, with texts in it where its format has any.

    Parameters
    ----------
    source : Path
        The original. Of several images in it the first is taken.
    move : callable
        Moves whole pixels of an image of shape (height, width, channels), of any dtype,
        which keeps its size. The image is upright.
    texts : mapping of str to str
        What the file says of itself.

    Returns
    -------
    moved : MovedFile or None
        None where no format that is written holds its values.

    Raises
    ------
    UnusableImage
        If the original cannot be decoded.
    """
    with opened(source) as (image, _):
        if is_deep_colour(image):
            values = move(_all_values(read_deep(source)))
            content = encode_deep_png(values, texts, image.info.get("icc_profile"))
            return MovedFile(content, source.suffix if image.format == "PNG" else PNG)
        deep = None if kind_of_values(image) == "uint8" else read_deep(source)
        moved = _moved(upright(image), move)
        for kind, options in _ways_to_write(source, image, texts):
            encoded = _encode(moved, kind, options)
            if encoded is None or (deep and not _holds(encoded, deep, move)):
                continue
            is_same = kind == _format_of(image)
            return MovedFile(encoded, source.suffix if is_same else PNG)
    return None


def _moved(image: Image.Image, move: Move) -> Image.Image:
    """Return an image with its pixels moved, its mode and palette kept."""
    values = np.asarray(image)
    moved = move(values if values.ndim == 3 else values[..., None])
    moved = moved.reshape(values.shape)
    if image.mode == "1":
        moved = np.packbits(moved, axis=1)
    result = image.copy()
    result.frombytes(moved.tobytes())
    return result


def _ways_to_write(
    source: Path, image: Image.Image, texts: Mapping[str, str]
) -> list[tuple[str, dict[str, Any]]]:
    """Return formats with their settings, the original's first, PNG last."""
    kind = _format_of(image)
    own = {"icc_profile": image.info.get("icc_profile")}
    own |= OPTIONS[kind](source, image, json.dumps(texts)) if kind in OPTIONS else {}
    png = {"icc_profile": own["icc_profile"], "pnginfo": png_texts(texts)}
    ways = [(kind, png if kind == "PNG" else own)]
    if kind == "TIFF":  # some kinds of packing are read and not written
        ways.append((kind, {**own, "compression": "tiff_adobe_deflate"}))
    return ways if kind == "PNG" else [*ways, ("PNG", png)]


def _format_of(image: Image.Image) -> str:
    """Return the format that an image is written in; a JPEG may be part of an MPO."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _encode(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes | None:
    """Return an image as the bytes of a file, None where a format cannot hold it."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=kind, **options)
    except DAMAGED:
        return None
    return buffer.getvalue()


def _all_values(image: DeepImage) -> np.ndarray:
    """Return the values of an image in colour, with its transparency."""
    if image.alpha is None:
        return image.values
    most = OPAQUE if image.alpha.dtype == bool else 1
    return np.dstack([image.values, image.alpha.astype(np.uint16) * most])


def _holds(content: bytes, original: DeepImage, move: Move) -> bool:
    """Return whether a file is read as the moved values of the original."""
    try:
        read = read_deep(content)
    except UnusableImage:
        return False
    is_as_bright = read.zero_is_white == original.zero_is_white
    return is_as_bright and np.array_equal(read.values, move(original.values))


def _jpeg_options(_: Path, image: Image.Image, said: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "qtables": getattr(image, "quantization", None),
        "progressive": "progressive" in image.info,
        "comment": said,
        # Colours that were not turned into brightness and chroma
        "keep_rgb": image.mode == "RGB" and image.info.get("adobe_transform") == 0,
    }
    if image.mode == "RGB" and not options["keep_rgb"]:
        known = JpegImagePlugin.get_sampling(image)
        options["subsampling"] = known if known >= 0 else NO_SUBSAMPLING
    return options


def _tiff_options(_: Path, image: Image.Image, said: str) -> dict[str, Any]:
    options = {
        "compression": image.info.get("compression"),
        "description": said,
    }
    if options["compression"] == "jpeg":
        options["quality"] = QUALITY
    if is_signed_byte(image):
        options["tiffinfo"] = {SAMPLE_FORMAT: SIGNED}
    return options


def _webp_options(source: Path, _: Image.Image, said: str) -> dict[str, Any]:
    is_lossless = LOSSLESS_WEBP in source.read_bytes()
    return {
        "lossless": is_lossless,
        "exact": is_lossless,  # colours that are transparent, too
        "quality": QUALITY,
        "exif": _description(said),
    }


def _avif_options(_: Path, __: Image.Image, said: str) -> dict[str, Any]:
    return {"quality": QUALITY, "exif": _description(said)}


def _jpeg2000_options(_: Path, image: Image.Image, said: str) -> dict[str, Any]:
    return {"no_jp2": getattr(image, "codec", "") == "j2k", "comment": said}


def _gif_options(_: Path, __: Image.Image, said: str) -> dict[str, Any]:
    return {"comment": said}


def _description(said: str) -> bytes:
    exif = Image.Exif()
    exif[DESCRIPTION] = said
    return exif.tobytes()


OPTIONS = {
    "JPEG": _jpeg_options,
    "TIFF": _tiff_options,
    "WEBP": _webp_options,
    "AVIF": _avif_options,
    "JPEG2000": _jpeg2000_options,
    "GIF": _gif_options,
}
