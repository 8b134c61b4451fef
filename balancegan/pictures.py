"""Pictures: grids of images, PNG files, thumbnails, and images of Pillow.

Images are uint8 of shape (n, height, width, channels) unless noted otherwise.
"""

import io
import os
import struct
import zlib
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from balancegan.errors import DataError
from balancegan.files import whole_file

GAP = 2  # pixels between images
TEXT_HEIGHT = 14
LEAST_SIDE = 32  # smaller images are shown enlarged
PNG_BEGINNING = b"\x89PNG\r\n\x1a\n"


def compare_real_and_synthetic(
    names: list[str], real: list[np.ndarray], synthetic: list[np.ndarray]
) -> np.ndarray:
    """Lay out a row per class: its name, real images, synthetic images.

    See :func:`show_classes`; the numbers of real and synthetic images may differ.
    """
    return show_classes(names, {"real": real, "synthetic": synthetic})


def show_classes(names: list[str], grids: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Lay out a row per class: its name, then its images in each grid.

    Parameters
    ----------
    names : list of str
        Names of the classes.
    grids : dict of str to list of ndarray of shape (m, height, width, channels), uint8
        The heading of each grid, and its images of each class; see :func:`tile_grid`.

    Returns
    -------
    picture : ndarray of shape (picture height, picture width, 3), uint8

    Examples
    --------
    >>> rows = [np.zeros((3, 40, 50, 1), "uint8"), np.zeros((1, 40, 50, 1), "uint8")]
    >>> show_classes(["bag", "boot"], {"real": rows}).shape[0]
    100
    """
    tiled = {heading: tile_grid(rows) for heading, rows in grids.items()}
    height = next(iter(tiled.values())).shape[0]
    font = ImageFont.load_default(TEXT_HEIGHT - 3)
    margin = int(max(font.getlength(name[:20]) for name in names)) + 8
    gutter = 4 * GAP
    width = margin + sum(grid.shape[1] + gutter for grid in tiled.values()) - gutter
    canvas = Image.new("RGB", (width, TEXT_HEIGHT + height), "white")
    draw = ImageDraw.Draw(canvas)
    left = margin
    for heading, grid in tiled.items():
        canvas.paste(Image.fromarray(grid), (left, TEXT_HEIGHT))
        draw.text((left, 0), heading, fill="black", font=font)
        left += grid.shape[1] + gutter
    row_height = height // len(names)
    for i, name in enumerate(names):
        middle = TEXT_HEIGHT + i * row_height + (row_height - TEXT_HEIGHT) // 2
        draw.text((4, middle), name[:20], fill="black", font=font)
    return np.asarray(canvas)


def tile_grid(rows: list[np.ndarray]) -> np.ndarray:
    """Lay images out as a picture of three channels, one list entry per row.

    Rows may differ in length. Three channels are shown in colour; of other images the
    first channel is shown in grey. Small images are enlarged by repeating pixels.

    Examples
    --------
    >>> tile_grid([np.zeros((3, 40, 50, 1), "uint8")]).shape
    (44, 158, 3)
    """
    factor = ceil(LEAST_SIDE / min(rows[0].shape[1:3]))
    rows = [row.repeat(factor, axis=1).repeat(factor, axis=2) for row in rows]
    _, height, width, channels = rows[0].shape
    n_columns = max(len(row) for row in rows)
    picture = np.full(
        (len(rows) * (height + GAP) + GAP, n_columns * (width + GAP) + GAP, 3),
        255,
        dtype=np.uint8,
    )
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = GAP + i * (height + GAP), GAP + j * (width + GAP)
            shown = image if channels == 3 else image[..., :1]
            picture[top : top + height, left : left + width] = shown
    return picture


def join_images(images: np.ndarray, most_pixels: int) -> np.ndarray:
    """Join images side by side, each at most `most_pixels` on its longer side.

    Images of other than three or four channels are reduced to the first.

    Examples
    --------
    >>> join_images(np.zeros((3, 100, 50, 1), "uint8"), most_pixels=20).shape
    (20, 30, 1)
    """
    height, width, channels = images.shape[1:]
    shown = images if channels in (3, 4) else images[..., :1]
    strip = np.concatenate(list(shown), axis=1)
    if max(height, width) <= most_pixels:
        return strip
    scale = most_pixels / max(height, width)
    size = len(images) * max(1, round(width * scale)), max(1, round(height * scale))
    scaled = Image.fromarray(strip if strip.shape[-1] > 1 else strip[..., 0])
    return np.asarray(scaled.resize(size)).reshape(size[1], size[0], -1)


def shrink_images(images: np.ndarray, most_pixels: int) -> np.ndarray:
    """Scale images down until their longer side has at most `most_pixels`.

    Examples
    --------
    >>> shrink_images(np.zeros((3, 100, 50, 1), "uint8"), most_pixels=20).shape
    (3, 20, 10, 1)
    """
    strip = join_images(images, most_pixels)
    height, _, channels = strip.shape
    return strip.reshape(height, len(images), -1, channels).swapaxes(0, 1)


def write_png(
    path: str | os.PathLike[str],
    image: np.ndarray,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write one image as a PNG file, whole or not at all; see :func:`encode_png`."""
    with whole_file(Path(path)) as file:
        file.write(encode_png(image, texts))


def encode_png(image: np.ndarray, texts: Mapping[str, str] | None = None) -> bytes:
    """Return one image as the bytes of a PNG file.

    Parameters
    ----------
    image : ndarray of shape (height, width, channels), uint8, or uint16 of one channel
        One channel is written as grey, three as colour, four as colour with
        transparency, any other number as the first channel in grey.
    texts : mapping of str to str or None, default=None
        Added to the file (chunks iTXt). None: nothing.

    Examples
    --------
    >>> encode_png(np.zeros((2, 3, 1), "uint8"))[1:4]
    b'PNG'
    """
    shown = image if image.shape[-1] in (3, 4) else image[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, format="PNG", pnginfo=png_texts(texts or {}))
    return buffer.getvalue()


def png_texts(texts: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    """Return texts as Pillow takes them for a PNG file (chunks iTXt)."""
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    return info


def encode_deep_png(
    values: np.ndarray, texts: Mapping[str, str], profile: bytes | None = None
) -> bytes:
    """Return a PNG of several channels of 16 bits, which Pillow cannot write.

    Parameters
    ----------
    values : ndarray of shape (height, width, 2, 3 or 4), uint16
        Grey or colours, followed by the opacity if there are 2 or 4 channels.
    texts : mapping of str to str
        Added to the file.
    profile : bytes or None, default=None
        The ICC profile, if any.

    Examples
    --------
    >>> png = encode_deep_png(np.zeros((2, 3, 3), "uint16"), {})
    >>> with Image.open(io.BytesIO(png)) as image:
    ...     image.size
    (3, 2)
    """
    height, width, channels = values.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    rows = np.ascontiguousarray(values, dtype=">u2").view(np.uint8)
    rows = rows.reshape(height, -1)
    # The filter "sub": each byte less that of the pixel to the left
    packed = np.ones((height, 1 + rows.shape[1]), dtype=np.uint8)
    packed[:, 1:] = rows
    packed[:, 1 + 2 * channels :] -= rows[:, : -2 * channels]
    buffer = io.BytesIO(PNG_BEGINNING)
    buffer.seek(0, io.SEEK_END)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    PngImagePlugin.putchunk(buffer, b"IHDR", header)
    if profile:
        named = b"ICC Profile\0\0" + zlib.compress(profile)
        PngImagePlugin.putchunk(buffer, b"iCCP", named)
    for chunk, content, *_ in png_texts(texts).chunks:
        PngImagePlugin.putchunk(buffer, chunk, content)
    PngImagePlugin.putchunk(buffer, b"IDAT", zlib.compress(packed.tobytes()))
    PngImagePlugin.putchunk(buffer, b"IEND", b"")
    return buffer.getvalue()


def encode_thumbnail(image: np.ndarray, most_pixels: int) -> tuple[str, bytes]:
    """Return the kind ("png" or "jpeg") and the bytes of a small picture of an image.

    Small images, in which every pixel counts, become PNG, others JPEG of at most
    `most_pixels` on the longer side.

    Examples
    --------
    >>> [encode_thumbnail(np.zeros((n, n, 1), "uint8"), 96)[0] for n in (28, 300)]
    ['png', 'jpeg']
    """
    if max(image.shape[:2]) <= most_pixels // 2:
        return "png", encode_png(image)
    shown = shrink_images(image[None, ..., :3], most_pixels)[0]
    buffer = io.BytesIO()
    picture = Image.fromarray(shown[..., 0] if shown.shape[2] == 1 else shown)
    picture.save(buffer, format="JPEG", quality=80)
    return "jpeg", buffer.getvalue()


# Pillow's modes whose values are brightness or colour
PLAIN_MODES = ("1", "L", "RGB", "RGBA", "F", "I", "I;16", "I;16L", "I;16B", "I;16N")


def is_picture(value: Any) -> bool:
    """Return whether a value is an image of Pillow."""
    return isinstance(value, Image.Image)


def read_pixels(picture: Image.Image, name: str) -> np.ndarray:
    """Return the values of an image of Pillow; `name` is used in the error.

    Raises
    ------
    DataError
        If its values are not brightness or colour: of a palette, say.

    Examples
    --------
    >>> read_pixels(Image.new("RGB", (5, 4)), "image 0").shape
    (4, 5, 3)
    """
    if picture.mode not in PLAIN_MODES:
        raise DataError(
            f"Pillow images must be of a mode such as L, RGB or RGBA. Received: {name} "
            f"of mode {picture.mode}. Convert it: image.convert('RGB')."
        )
    return np.asarray(picture)
