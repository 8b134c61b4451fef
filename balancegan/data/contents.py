"""What a file holds that cannot be decoded as an image: told by its first bytes."""

from pathlib import Path

from balancegan.errors import DataError

N_BYTES = 1_024  # that are looked at
NO_IMAGE = "no image"  # and nothing else that is known
WEB_PAGES = (b"<!doctype html", b"<html", b"<head")
POINTERS = {
    b"version https://git-lfs": "a Git LFS pointer, not the image: run git lfs pull",
    b"/annex/objects/": "a git-annex pointer, not the image: run git annex get",
}
TO_CONVERT = "convert it to PNG or JPEG"
TIFF = "a TIFF of a kind that is not decoded (many bands, 64 bits): convert it to PNG"
# By how a file begins, from a place on
BEGINNINGS = (
    (0, b"%PDF", f"a PDF document: {TO_CONVERT}"),
    (0, b"8BPS", f"a Photoshop document: {TO_CONVERT}"),
    (0, b"v/1\x01", f"an OpenEXR image: {TO_CONVERT}"),
    (0, b"\xff\x0a", f"a JPEG XL image: {TO_CONVERT}"),
    (4, b"JXL ", f"a JPEG XL image: {TO_CONVERT}"),
    (128, b"DICM", "a DICOM file: convert it to 16-bit PNG or TIFF"),
    (0, b"\x93NUMPY", "a NumPy array: convert it to PNG or TIFF"),
    (0, b"PK\x03\x04", "a ZIP archive: unpack it"),
    (0, b"\x1f\x8b", "packed by gzip: unpack it"),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", TIFF),
    (0, b"MM\0+", TIFF),
    (0, b"\x89PNG", "a damaged PNG"),
    (0, b"\xff\xd8\xff", "a damaged JPEG"),
    (0, b"GIF8", "a damaged GIF"),
)
BRANDS = {  # of files that begin with a box "ftyp"
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"): (
        f"a HEIC photo: {TO_CONVERT}"
    ),
    (b"avif", b"avis"): f"an AVIF image, which needs Pillow 11.3: or {TO_CONVERT}",
}


def describe_content(beginning: bytes) -> str:
    """Return what a file that is no image holds, and what to do about it.

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
    for mark, what in POINTERS.items():
        if beginning.startswith(mark) or (b"annex" in mark and mark in beginning[:99]):
            return what
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(WEB_PAGES):
        return "a web page, not the image: download the image again"
    if b"<svg" in text and text.startswith(b"<"):
        return f"an SVG, which holds vector graphics: {TO_CONVERT}"
    if beginning[4:8] == b"ftyp":
        brand = beginning[8:12]
        found = (what for brands, what in BRANDS.items() if brand in brands)
        return next(found, "a video: extract its pictures")
    if not beginning.strip(b"\0"):
        return "nothing but zero bytes: copy or download it again"
    begins = (what for at, mark, what in BEGINNINGS if beginning.startswith(mark, at))
    return next(begins, NO_IMAGE)


def refuse_pointer(file: Path) -> None:
    """Raise DataError if Git LFS or git-annex has left a pointer in place of a file.

    Examples
    --------
    >>> refuse_pointer(Path(__file__))
    """
    with open(file, "rb") as stream:
        beginning = stream.read(N_BYTES)
    for mark, what in POINTERS.items():
        if beginning.startswith(mark) or (b"annex" in mark and mark in beginning[:99]):
            raise DataError(f"{file} is {what.replace('the image', 'the data')}.")
