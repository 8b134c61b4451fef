"""From an encoded image to pixels: a rule for each kind, limits for hostile ones.

Grey, colour and colour with transparency stay what they are; more bits become 8; a
palette and any other colour space become colour. Why a file cannot be used is said in
words. Which size a set of files gets is decided here, too.
"""

import io
import os
import stat
import struct
import warnings
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Fit = Literal["pad", "crop", "stretch"]
FITS: tuple[Fit, ...] = ("pad", "crop", "stretch")

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
MOST_PIXELS = 50_000_000  # of a file; more is taken for a decompression bomb
# Pixels, unless a size is asked for: what trains in minutes on two cores, and what is
# left as it is where all files are alike
LARGEST_SIDE, LARGEST_OWN_SIDE = 32, 64
LITTLE_DISTORTION = 1.1  # in the ratio of the sides: nobody sees it
WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
BRIGHTEST = WHITES[-1]
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")
# By what Pillow calls it: how many channels an image has. All others have three
CHANNELS = {"1": 1, "L": 1, **dict.fromkeys(SIXTEEN_BITS, 1)}
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


# What Pillow raises for files that are not as they should be
DAMAGED = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


class UnusableImage(Exception):
    """Why a file cannot be used, in words."""


@dataclass(frozen=True)
class Header:
    """What a file says of its image before it is decoded.

    Parameters
    ----------
    height, width : int
        Pixels, as the image is meant to be seen.
    channels : int
        1 grey, 3 colour, 4 colour with transparency.
    is_deep : bool, default=False
        Whether its values have more than 8 bits.
    """

    height: int
    width: int
    channels: int
    is_deep: bool = False


def read_header(source: Path | bytes) -> Header:
    """Return what a file, or its bytes, says of its image.

    Raises
    ------
    UnusableImage
        If it is no image, too large, or more than one.
    """
    with _opened(source) as image:
        return _header_of(image)


def _header_of(image: Image.Image) -> Header:
    width, height = image.size
    if image.format == "TIFF":  # Pillow from 11 on says how it will be, turned
        width, height = image.tag_v2[WIDTH_TAG], image.tag_v2[HEIGHT_TAG]  # type: ignore[attr-defined]
    try:
        turned = image.getexif().get(ORIENTATION, 1) in TURNED
    except DAMAGED as error:
        raise UnusableImage(f"damaged: {error}") from error
    if turned:
        width, height = height, width
    return Header(height, width, _count_channels(image), image.mode in SIXTEEN_BITS)


ORIENTATION = 0x0112  # the EXIF tag
WIDTH_TAG, HEIGHT_TAG = 0x0100, 0x0101  # of TIFF: as the pixels are stored
TURNED = (5, 6, 7, 8)  # its values for images that lie on their side


def decode(
    source: Path | bytes,
    channels: int,
    size: tuple[int, int],
    fit: Fit,
    white: int = BRIGHTEST,
) -> tuple[np.ndarray, Header]:
    """Return the pixels of a file, or of its bytes, and what it says of its image.

    EXIF orientation is honoured. Transparency is laid on white where `channels` is
    less than 4.

    Parameters
    ----------
    source : Path or bytes
        The file, or what is in one.
    channels : int
        1, 3 or 4; at least as many as the file has, or 3 for one with transparency.
    size : tuple of int
        Height and width.
    fit : str
        How an image of other proportions is brought to them: "pad" scales it to fit
        in, and fills up with the mean colour of its border; "crop" scales it to
        cover, and cuts off what stands out on both sides; "stretch" distorts it.
    white : int, default=65535
        Of an image of more than 8 bits, the value that becomes 255, see
        :func:`find_white`. What is brighter does, too.

    Returns
    -------
    pixels : ndarray of shape (height, width, channels), uint8
    header : Header

    Raises
    ------
    UnusableImage
        If it cannot be decoded, or would lose its colours.
    """
    with _opened(source) as opened:
        header = _header_of(opened)
        if channels == 1 and header.channels > 1:
            raise UnusableImage("in colour, and not the others")
        try:
            opened.load()
            upright = ImageOps.exif_transpose(opened)
        except DAMAGED as error:
            raise UnusableImage(f"damaged: {error}") from error
        image = _to_mode(upright, channels, white)
        fitted = fit_image(image, size, fit)
        return np.asarray(fitted).reshape(*size, channels), header


def find_white(sources: Iterable[Path | bytes]) -> int:
    """Return what white is in images of more than 8 bits: as cameras have it.

    The greatest of 8, 10, 12, 14 and 16 bits that is not below any of their values: a
    camera of 12 bits knows 4,096 shades, of which 16 would be left if white were that
    of 16 bits. Files that cannot be decoded say nothing.

    Examples
    --------
    >>> find_white([])
    255
    """
    brightest = 0
    for source in sources:
        with suppress(UnusableImage, *DAMAGED), _opened(source) as image:
            brightest = max(brightest, int(np.max(np.asarray(image))))
    return next((white for white in WHITES if brightest <= white), BRIGHTEST)


def fit_image(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Return an image of a size, see :func:`decode`.

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
    """Return an image as large as a file that was brought to the image's size.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 1, 3 or 4), uint8
        The image.
    size : tuple of int
        Height and width of the file.
    fit : str
        How the file was brought to its size, see :func:`decode`. After "pad" the
        margins are cut off; after "crop" what had been cut off stays missing, so that
        one side may be shorter.

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


def choose_size(headers: list[Header]) -> tuple[int, int]:
    """Return the height and width that a set of images is brought to.

    Their own where all are alike and the longer side has at most 64 pixels. Else the
    median height and width, scaled down until the longer side has at most 32.

    Examples
    --------
    >>> choose_size([Header(28, 28, 1), Header(28, 28, 3)])
    (28, 28)
    >>> choose_size([Header(100, 300, 3), Header(150, 300, 3), Header(160, 320, 3)])
    (16, 32)
    """
    sides = [(h.height, h.width) for h in headers]
    height, width = np.median(sides, axis=0)
    if len(set(sides)) == 1 and max(height, width) <= LARGEST_OWN_SIDE:
        largest = LARGEST_OWN_SIDE
    else:
        largest = LARGEST_SIDE
    scale = min(1.0, largest / max(height, width))
    return max(4, round(height * scale)), max(4, round(width * scale))


def choose_fit(headers: list[Header], size: tuple[int, int]) -> Fit:
    """Return "stretch" where it distorts no image by more than a tenth, else "pad".

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
    """Return 1 where all images are grey, 4 where all are transparent, else 3.

    Examples
    --------
    >>> choose_channels([Header(8, 8, 1), Header(8, 8, 3)])
    3
    """
    channels = {h.channels for h in headers}
    return channels.pop() if len(channels) == 1 else 3


class _opened:
    """Opens an image file, or the bytes of one, without decoding it; closes it."""

    def __init__(self, source: Path | bytes) -> None:
        self.source = source

    def __enter__(self) -> Image.Image:
        source = self.source
        n_bytes = len(source) if isinstance(source, bytes) else 0
        with ExitStack() as stack:
            try:
                if isinstance(source, bytes):
                    file: IO[bytes] = io.BytesIO(source)
                else:
                    status = os.stat(source)
                    if not stat.S_ISREG(status.st_mode):
                        raise UnusableImage("no file")  # a pipe, say, never ends
                    # Of a path Pillow maps the file, and takes TIFF's rows for columns
                    n_bytes, file = status.st_size, open(source, "rb")
                    stack.enter_context(file)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self.image = stack.enter_context(Image.open(file, formats=FORMATS))
                self._check()
            except UnidentifiedImageError:
                raise UnusableImage("no image" if n_bytes else "empty") from None
            except Image.DecompressionBombError:
                raise UnusableImage(_too_large("more than 100,000,000")) from None
            except DAMAGED as error:
                reason = getattr(error, "strerror", None) or f"damaged: {error}"
                raise UnusableImage(reason) from error
            self.open = stack.pop_all()
        return self.image

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def _check(self) -> None:
        n_pixels = self.image.width * self.image.height
        if n_pixels > MOST_PIXELS:
            raise UnusableImage(_too_large(f"{n_pixels:,}"))
        n_frames = getattr(self.image, "n_frames", 1)
        if n_frames > 1:
            raise UnusableImage(f"{n_frames} images in one file")
        if self.image.mode == "F":
            raise UnusableImage("its values are floats")


def _too_large(n_pixels: str) -> str:
    return f"{n_pixels} pixels, and more than {MOST_PIXELS:,} are not decoded"


def _count_channels(image: Image.Image) -> int:
    if image.mode in TRANSPARENT or "transparency" in image.info:
        return 4
    return CHANNELS.get(image.mode, 3)


def _to_mode(image: Image.Image, channels: int, white: int) -> Image.Image:
    if image.mode in SIXTEEN_BITS:
        shades = np.asarray(image).astype(float).clip(0, white) / white
        image = Image.fromarray(np.rint(255 * shades).astype(np.uint8))
    if channels < 4 and _count_channels(image) == 4:
        seen = image.convert("RGBA")
        ground = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(ground, seen)
    return image.convert(MODES[channels])


def _border_colour(image: Image.Image) -> tuple[int, ...]:
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    mean = np.concatenate(edges).mean(axis=0)
    return tuple(int(value) for value in np.rint(mean))
