"""Decode images to pixels, with limits for hostile files.

Grey, colour and colour with transparency are kept; more bits become 8; palettes and
other colour spaces become colour. An unusable file is reported with the reason.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from balancegan.data.depth import (
    LARGEST,
    DeepImage,
    Scale,
    Spread,
    choose_scale,
    measure,
)
from balancegan.data.fitting import Fit, Header, fit_image
from balancegan.data.lineage import texts_in
from balancegan.data.opening import (
    BITS,
    DAMAGED,
    HEIGHT,
    PHOTOMETRIC,
    SAMPLE_FORMAT,
    SIGNED,
    WIDE_GREY,
    WIDTH,
    UnusableImage,
    is_deep_colour,
    is_signed_byte,
    kind_of_values,
    opened,
    rawmode_of,
    tag_of,
)
from balancegan.errors import DataError

# Channels by Pillow's mode; all others have three
CHANNELS = {"1": 1, "L": 1, **dict.fromkeys(WIDE_GREY, 1)}
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

ORIENTATION = 0x0112  # the EXIF tag
TURNED = (5, 6, 7, 8)  # values of images that are rotated by 90 degrees


def read_header(source: Path | bytes) -> Header:
    """Return what a file, or its bytes, declares about its image.

    Raises
    ------
    UnusableImage
        If it is no image, too large, or of a kind that would be decoded wrongly.
    """
    with opened(source) as (image, has_more):
        return _header_of(image, has_more)


def _header_of(image: Image.Image, has_more: bool) -> Header:
    width, height = image.size
    values = kind_of_values(image)  # reading EXIF may decode the image
    if image.format == "TIFF":  # Pillow 11 or newer gives the rotated size
        width, height = tag_of(image, WIDTH, width), tag_of(image, HEIGHT, height)
    try:
        turned = image.getexif().get(ORIENTATION, 1) in TURNED
        is_synthetic = bool(texts_in(image))
    except DAMAGED as error:
        raise UnusableImage(f"damaged: {error}") from error
    if turned:
        width, height = height, width
    channels = _count_channels(image)
    return Header(height, width, channels, values, has_more, is_synthetic)


def decode(
    source: Path | bytes,
    channels: int,
    size: tuple[int, int],
    fit: Fit,
    scale: Scale | None = None,
) -> tuple[np.ndarray, Header]:
    """Return the pixels of a file, or of its bytes, and its header.

    EXIF orientation is applied. Transparency is laid on white if `channels` is less
    than 4.

    Parameters
    ----------
    source : Path or bytes
        The file, or its content.
    channels : int
        1, 3 or 4; at least as many as the file has, or 3 for one with transparency.
    size : tuple of int
        Height and width.
    fit : str
        How to handle another aspect ratio: "pad" scales the image into the size and
        fills margins with the mean colour of its border; "crop" covers the size and
        cuts off what exceeds it; "stretch" distorts the image.
    scale : Scale or None, default=None
        Of images of more than 8 bits, see :func:`find_scale`. None: they are refused.

    Returns
    -------
    pixels : ndarray of shape (height, width, channels), uint8
    header : Header

    Raises
    ------
    UnusableImage
        If it cannot be decoded, or would lose its colours.
    """
    with opened(source) as (encoded, has_more):
        header = _header_of(encoded, has_more)
        if channels == 1 and header.channels > 1:
            raise UnusableImage("in colour, unlike the images that chose grey")
        if not header.is_deep:
            image = upright(encoded)
        elif scale is None:
            read_deep(source)  # damage is reported first
            raise UnusableImage("of more than 8 bits: set value-range in --config")
        else:
            pixels = scale.to_bytes(read_deep(source))
            if pixels is None:
                raise UnusableImage(
                    f"most of its values are not from {scale.ends()}, as those of "
                    "training images are: set value-range in --config"
                )
            image = Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[..., 0])
        try:
            image = _to_mode(image, channels)
        except DAMAGED as error:
            raise UnusableImage(f"cannot become {MODES[channels]}: {error}") from error
        fitted = fit_image(image, size, fit)
        return np.asarray(fitted).reshape(*size, channels), header


def find_scale(
    sources: Iterable[tuple[str, Path | bytes]],
    value_range: tuple[float, float] | None = None,
) -> tuple[Scale | None, dict[str, str]]:
    """Return one scale for all images of more than 8 bits, and those on another.

    Parameters
    ----------
    sources : iterable of (str, Path or bytes)
        Such training images with their names. Undecodable ones are ignored.
    value_range : tuple of float or None, default=None
        Black and white. None: see :func:`balancegan.data.depth.choose_scale`.

    Returns
    -------
    scale : Scale or None
        None without such images.
    others : dict of str to str
        Images on another scale by name, with the reason.
    """
    if value_range is not None:
        black, white = value_range
        if not -np.inf < black < white < np.inf:
            raise DataError(
                "value_range must be (black, white), finite, with black below white. "
                f"Received: value_range={value_range!r}."
            )
        return Scale(black, white, is_given=True), {}
    spreads: dict[str, Spread] = {}
    for name, source in sources:
        try:
            spreads[name] = measure(read_deep(source))
        except UnusableImage:
            continue
    return choose_scale(spreads) if spreads else (None, {})


def upright(image: Image.Image) -> Image.Image:
    """Decode an image and apply its EXIF orientation."""
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except DAMAGED as error:
        raise UnusableImage(f"damaged: {error}") from error


def read_deep(source: Path | bytes) -> DeepImage:
    """Return the stored values of an image of more than 8 bits."""
    with opened(source) as (image, _):
        key = image.info.get("transparency")
        zero_is_white = image.format == "TIFF" and tag_of(image, PHOTOMETRIC, 1) == 0
        is_colour = is_deep_colour(image)
        values = None if is_colour else _read_grey(image)
    if values is None:
        values = _read_colour(source)
    if values.shape[2] in (2, 4):
        return DeepImage(values[..., :-1], values[..., -1])
    alpha = None if key is None else (values != key).any(axis=-1)
    return DeepImage(values, alpha, zero_is_white)


def _read_grey(image: Image.Image) -> np.ndarray:
    """Return values of shape (height, width, 1)."""
    n_bits, sample_format = tag_of(image, BITS, 1), tag_of(image, SAMPLE_FORMAT, 1)
    values = np.asarray(upright(image))
    if values.dtype.kind == "f":
        if not (np.abs(values) < LARGEST).all():
            raise UnusableImage("it has values that are NaN, infinite or above 1e30")
    elif is_signed_byte(image):
        values = values.view(np.int8)
    elif n_bits == 32 and sample_format != SIGNED and image.format == "TIFF":
        values = values.view(np.uint32)
    return values[..., None]


def _read_colour(source: Path | bytes) -> np.ndarray:
    """Return values of shape (height, width, 2, 3 or 4), uint16.

    Pillow decodes the upper byte of each value only. With the opposite byte order it
    decodes the lower one.
    """
    with opened(source) as (image, _):
        rawmode = rawmode_of(image)
        if rawmode == "LA;16B":
            _set_rawmode(image, "RGBA")  # both bytes of grey, and of transparency
            halves = np.asarray(upright(image)).astype(np.uint16)
            return halves[..., ::2] << 8 | halves[..., 1::2]
        values = np.asarray(upright(image)).astype(np.uint16)
    with opened(source) as (image, _):
        name, _, order = rawmode.partition(";16")
        is_little = order == "L" or (order == "N" and sys.byteorder == "little")
        _set_rawmode(image, f"{name};16{'B' if is_little else 'L'}")
        values <<= 8
        values |= np.asarray(upright(image))
        return values[..., :3] if name == "RGBX" else values


def _set_rawmode(image: Image.Image, rawmode: str) -> None:
    """Set how pixels are stored, see "Writing your own image plugin" of Pillow."""
    tiles = []
    for tile in image.tile:  # type: ignore[attr-defined]
        rest = tile[3][1:] if isinstance(tile[3], tuple) else ()
        # Tuples until Pillow 11, named tuples later
        tiles.append(tuple.__new__(type(tile), (*tile[:3], (rawmode, *rest))))
    image.tile = tiles  # type: ignore[attr-defined]


def _count_channels(image: Image.Image) -> int:
    if image.mode in TRANSPARENT or "transparency" in image.info:
        return 4
    return CHANNELS.get(image.mode, 3)


def _to_mode(image: Image.Image, channels: int) -> Image.Image:
    if channels < 4 and _count_channels(image) == 4:
        seen = image.convert("RGBA")
        ground = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(ground, seen)
    return image.convert(MODES[channels])
