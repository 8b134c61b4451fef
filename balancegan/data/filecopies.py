"""Shifted copies of image files: full size, in the original's format and quality.

An original is decoded, turned upright, shifted and encoded again with its settings.
Stored pixels are shifted (palette indices, CMYK, 16 bits), so only the format itself
can lose anything. An unshifted copy has the original's bytes and needs no encoding.
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

# Of formats that do not store their quality
QUALITY = 90
# Of JPEG files whose subsampling Pillow does not know
NO_SUBSAMPLING = 0
LOSSLESS_WEBP = b"VP8L"
PNG = ".png"
OPAQUE = 65535  # of 16 bits


class MovedFile(NamedTuple):
    """An encoded copy; the suffix is ".png" if the format cannot be written."""

    content: bytes
    suffix: str


def encode_moved(
    source: Path, move: Move, texts: Mapping[str, str]
) -> MovedFile | None:
    """Return a shifted copy of an image file that carries texts if its format can.

    Parameters
    ----------
    source : Path
        The original. Its first image is used.
    move : callable
        Shifts an upright image of shape (height, width, channels), of any dtype.
    texts : mapping of str to str
        Texts that the file carries.

    Returns
    -------
    moved : MovedFile or None
        None if no format that is written holds its values.

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
    """Return an image with its stored pixels shifted."""
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
    """Return formats with settings: the original's first, PNG last."""
    kind = _format_of(image)
    own = {"icc_profile": image.info.get("icc_profile")}
    own |= OPTIONS[kind](source, image, json.dumps(texts)) if kind in OPTIONS else {}
    png = {"icc_profile": own["icc_profile"], "pnginfo": png_texts(texts)}
    ways = [(kind, png if kind == "PNG" else own)]
    if kind == "TIFF":  # some compressions can be read only
        ways.append((kind, {**own, "compression": "tiff_adobe_deflate"}))
    return ways if kind == "PNG" else [*ways, ("PNG", png)]


def _format_of(image: Image.Image) -> str:
    """Return the format to write; the first image of an MPO is a JPEG."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _encode(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes | None:
    """Return the bytes of a file, None if the format cannot hold the image."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=kind, **options)
    except DAMAGED:
        return None
    return buffer.getvalue()


def _all_values(image: DeepImage) -> np.ndarray:
    """Return the values of a colour image with its transparency."""
    if image.alpha is None:
        return image.values
    most = OPAQUE if image.alpha.dtype == bool else 1
    return np.dstack([image.values, image.alpha.astype(np.uint16) * most])


def _holds(content: bytes, original: DeepImage, move: Move) -> bool:
    """Return whether a file reads as the shifted values of the original."""
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
        # RGB that is not stored as YCbCr
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
        "exact": is_lossless,  # keeps colours of transparent pixels
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
