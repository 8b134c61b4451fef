"""Open encoded images without decoding them: known formats, limits, reasons.

The content decides what a file is, not its name. Of several images in a file, the
first one that is no thumbnail is used.
"""

import io
import os
import re
import stat
import struct
import warnings
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Literal

from PIL import Image, UnidentifiedImageError

from balancegan.errors import DataError

FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".pgm", ".ppm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),  # Pillow 11.3 or newer
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MOST_PIXELS = 50_000_000  # of a file; more counts as a decompression bomb
MOST_PAGES = 100  # that are searched for a page that is no thumbnail
WIDE_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")

# TIFF tags
SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS = 254, 255, 256, 257, 258
PHOTOMETRIC, PLANAR, SAMPLE_FORMAT = 262, 284, 339
REDUCED_OR_MASK = 0b101  # bits of a subfile's type
OLD_REDUCED = 2
SIGNED = 2  # sample format

FACTORS = {"1": 255, "L;2": 85, "L;4": 17}  # from fewer bits to 8
# Pillow's raw modes of 16-bit colours that are decoded correctly
DEEP_COLOUR = re.compile(r"LA;16B|(RGB|RGBA|RGBX);16[BLN]")

# What Pillow raises for damaged files
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

N_BYTES = 1_024  # that identify a file
NO_IMAGE = "no image"  # and nothing else that is known
WEB_PAGES = (b"<!doctype html", b"<html", b"<head")
LFS_MARK, ANNEX_MARK = b"version https://git-lfs", b"/annex/objects/"
TO_CONVERT = "convert it to PNG or JPEG"
TIFF = "a TIFF of a kind that is not decoded (many bands, 64 bits): convert it to PNG"
MAGIC_BYTES = (  # offset, bytes, and what they mean
    (0, b"%PDF", f"a PDF document: {TO_CONVERT}"),
    (0, b"8BPS", f"a Photoshop document: {TO_CONVERT}"),
    (0, b"v/1\x01", f"an OpenEXR image: {TO_CONVERT}"),
    (0, b"\xff\x0a", f"a JPEG XL image: {TO_CONVERT}"),
    (4, b"JXL ", f"a JPEG XL image: {TO_CONVERT}"),
    (128, b"DICM", "a DICOM file: convert it to 16-bit PNG or TIFF"),
    (0, b"\x93NUMPY", "a NumPy array: convert it to PNG or TIFF"),
    (0, b"PK\x03\x04", "a ZIP archive: unpack it"),
    (0, b"\x1f\x8b", "packed by gzip: unpack it"),
    *((0, mark, TIFF) for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (0, b"\x89PNG", "a damaged PNG"),
    (0, b"\xff\xd8\xff", "a damaged JPEG"),
    (0, b"GIF8", "a damaged GIF"),
)
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
BRANDS = {  # of files that begin with a box "ftyp"
    **dict.fromkeys(HEIC_BRANDS, f"a HEIC photo: {TO_CONVERT}"),
    **dict.fromkeys(
        (b"avif", b"avis"), f"an AVIF image, which needs Pillow 11.3: or {TO_CONVERT}"
    ),
}


class UnusableImage(Exception):
    """The reason why a file cannot be used."""


class opened:
    """Context manager that opens an image file, or its bytes, without decoding it.

    Returns the image, and whether the file has more of them.
    """

    def __init__(self, source: Path | bytes) -> None:
        self.source = source

    def __enter__(self) -> tuple[Image.Image, bool]:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(_open_file(self.source))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    image = Image.open(file, formats=_known_formats())
                    stack.enter_context(image)
                    has_more = _seek_first(image)
                _fix_transparency(image)
                _check(image, file)
            except UnidentifiedImageError:
                file.seek(0)
                raise UnusableImage(describe_content(file.read(N_BYTES))) from None
            except Image.DecompressionBombError:
                raise UnusableImage(_too_large("more than 100,000,000")) from None
            except DAMAGED as error:
                reason = getattr(error, "strerror", None) or f"damaged: {error}"
                raise UnusableImage(reason) from error
            self.open = stack.pop_all()
        return image, has_more

    def __exit__(self, *_: object) -> None:
        self.open.close()


def _open_file(source: Path | bytes) -> IO[bytes]:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not stat.S_ISREG(os.stat(source).st_mode):
        raise UnusableImage("no file")  # reading a pipe would never end
    # Given a path, Pillow maps the file and swaps rows and columns of TIFF
    return open(source, "rb")


@cache
def _known_formats() -> list[str]:
    """Return the formats that this version of Pillow knows."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _seek_first(image: Image.Image) -> bool:
    """Seek the first page that is no thumbnail; return whether there are more."""
    if not getattr(image, "is_animated", False):
        return False
    if image.format != "TIFF":
        return True
    pages: list[int] = []
    for page in range(MOST_PAGES):
        try:
            image.seek(page)
        except DAMAGED:  # or the last page was read
            break
        kind, old_kind = tag_of(image, SUBFILE, 0), tag_of(image, OLD_SUBFILE, 0)
        if not kind & REDUCED_OR_MASK and old_kind != OLD_REDUCED:
            pages.append(page)
        if len(pages) > 1:
            break
    image.seek(pages[0] if pages else 0)
    return len(pages) > 1


def _fix_transparency(image: Image.Image) -> None:
    """Scale the transparent shade of fewer bits to 8 bits, like the pixels."""
    shade, factor = image.info.get("transparency"), FACTORS.get(rawmode_of(image), 1)
    if image.format == "PNG" and isinstance(shade, int):
        image.info["transparency"] = min(shade * factor, max(shade, 255))


def tag_of(image: Image.Image, tag: int, default: int) -> int:
    """Return the first value of a TIFF tag."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default


def _check(image: Image.Image, file: IO[bytes]) -> None:
    """Refuse images that are too large, or that Pillow would decode to wrong values."""
    n_pixels = image.width * image.height
    if n_pixels > MOST_PIXELS:
        raise UnusableImage(_too_large(f"{n_pixels:,}"))
    kind = f"a {image.format} image of more than 8 bits"
    if image.format == "JPEG2000":
        depths = _find_j2k_depths(file)
        if any(depth > 0x7F for depth in depths):
            raise UnusableImage("a JPEG 2000 image of signed values: convert it to PNG")
        if image.mode not in WIDE_GREY and any(depth > 7 for depth in depths):
            raise UnusableImage(f"{kind} in colour: convert it to 16-bit PNG")
    elif image.format == "PPM" and image.mode == "RGB" and _largest_ppm(image) > 255:
        raise UnusableImage(f"{kind} in colour: convert it to 16-bit PNG")
    elif kind_of_values(image) != "uint8" and tag_of(image, PLANAR, 1) != 1:
        raise UnusableImage(f"{kind} in planes: convert it to 16-bit PNG")
    elif is_deep_colour(image) and not DEEP_COLOUR.fullmatch(rawmode_of(image)):
        raise UnusableImage(
            f"{kind} in CMYK, or whose colours are multiplied by its transparency: "
            "convert it to 16-bit PNG"
        )


def _too_large(n_pixels: str) -> str:
    return f"{n_pixels} pixels, and more than {MOST_PIXELS:,} are not decoded"


def _find_j2k_depths(file: IO[bytes]) -> list[int]:
    """Return bits less one of each JPEG 2000 channel, plus 128 if it is signed."""
    place = file.tell()
    file.seek(0)
    found = file.read(1_000_000)
    file.seek(place)
    _, mark, header = found.partition(b"\xff\x4f\xff\x51")
    if not mark or len(header) < 38:
        raise UnusableImage("damaged: no header of its codes")
    n_channels = int.from_bytes(header[36:38], "big")
    return list(header[38 : 38 + 3 * n_channels : 3])


def _largest_ppm(image: Image.Image) -> int:
    arguments = image.tile[0][3]  # type: ignore[attr-defined]
    return arguments[-1] if isinstance(arguments, tuple) else 255


def rawmode_of(image: Image.Image) -> str:
    """Return Pillow's name for the stored pixels."""
    tiles = getattr(image, "tile", None) or [(None, None, None, "")]
    arguments = tiles[0][3]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def is_deep_colour(image: Image.Image) -> bool:
    """Return whether an image has several channels of more than 8 bits."""
    if image.mode in WIDE_GREY:
        return False
    if image.format == "TIFF":
        return tag_of(image, BITS, 1) > 8
    return image.format == "PNG" and ";16" in rawmode_of(image)


def is_signed_byte(image: Image.Image) -> bool:
    """Return whether grey values are from -128 to 127, which Pillow ignores."""
    return image.mode == "L" and tag_of(image, SAMPLE_FORMAT, 1) == SIGNED


def kind_of_values(image: Image.Image) -> Literal["uint8", "uint16", "other"]:
    """Return the type of the values of an image."""
    is_pgm = image.mode == "I" and image.format == "PPM"
    if image.mode.startswith("I;16") or is_pgm or is_deep_colour(image):
        return "uint16"
    is_other = image.mode in WIDE_GREY or is_signed_byte(image)
    return "other" if is_other else "uint8"


def describe_content(beginning: bytes) -> str:
    """Return what a file that is no image contains, with a remedy.

    Parameters
    ----------
    beginning : bytes
        Its first `N_BYTES`.

    Examples
    --------
    >>> describe_content(b"<!DOCTYPE html><title>404</title>")
    'a web page, not the image: download the image again'
    >>> describe_content(b"some text")
    'no image'
    """
    if not beginning:
        return "empty"
    if pointer := _describe_pointer(beginning, "image"):
        return pointer
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(WEB_PAGES):
        return "a web page, not the image: download the image again"
    if b"<svg" in text and text.startswith(b"<"):
        return f"an SVG, which holds vector graphics: {TO_CONVERT}"
    if beginning[4:8] == b"ftyp":
        return BRANDS.get(beginning[8:12], "a video: extract its pictures")
    if not beginning.strip(b"\0"):
        return "nothing but zero bytes: copy or download it again"
    found = (what for at, mark, what in MAGIC_BYTES if beginning.startswith(mark, at))
    return next(found, NO_IMAGE)


def _describe_pointer(beginning: bytes, what: str) -> str:
    if beginning.startswith(LFS_MARK):
        return f"a Git LFS pointer, not the {what}: run git lfs pull"
    if ANNEX_MARK in beginning[:99]:
        return f"a git-annex pointer, not the {what}: run git annex get"
    return ""


def refuse_pointer(file: Path) -> None:
    """Raise DataError if a file is a pointer of Git LFS or git-annex.

    Examples
    --------
    >>> refuse_pointer(Path(__file__))
    """
    with open(file, "rb") as stream:
        beginning = stream.read(N_BYTES)
    if pointer := _describe_pointer(beginning, "data"):
        raise DataError(f"{file} is {pointer}.")
