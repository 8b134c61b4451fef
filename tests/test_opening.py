"""Which files are images, which image of a file is taken, and what others are."""

import io

import numpy as np
import PIL
import pytest
from PIL import Image

from balancegan.data import opening
from balancegan.data.decoding import decode, read_header
from balancegan.data.opening import SUFFIXES, UnusableImage
from balancegan.data.reading import read_images

KINDS = ["GIF", "PNG", "WEBP", "TIFF"]
writes_pages = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 11, reason="Pillow 10 writes other files"
)
if "AVIF" in opening._known_formats():
    KINDS.append("AVIF")
BLACK, WHITE = (Image.new("L", (16, 8), shade) for shade in (0, 255))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pages(*pages):
    """Return a TIFF file of pages: width, shade and type of each."""
    images = [Image.new("L", (width, 8), shade) for width, shade, _ in pages]
    for image, (_, _, subfile) in zip(images, pages, strict=True):
        image.encoderinfo = {"tiffinfo": {254: subfile}}
    first, *rest = images
    tags = {254: pages[0][2]}
    return encoded(first, "TIFF", save_all=True, append_images=rest, tiffinfo=tags)


@pytest.mark.parametrize("kind", [*KINDS, pytest.param("MPO", marks=writes_pages)])
def test_the_first_of_several_images_is_taken(kind):
    several = {"save_all": True, "append_images": [WHITE.copy(), WHITE.copy()]}
    content = encoded(BLACK.convert("RGB"), kind, **several)
    pixels, header = decode(content, 3, (8, 16), "pad")
    assert header.has_more
    assert pixels.max() < 9
    assert not read_header(encoded(BLACK, "PNG")).has_more


@writes_pages
@pytest.mark.parametrize(
    ("content", "has_more"),
    [
        (pages((2, 255, 1), (16, 0, 0)), False),
        (pages((16, 0, 0), (2, 255, 1)), False),
        (pages((16, 255, 4), (16, 0, 0)), False),
        (pages((2, 255, 1), (16, 0, 0), (16, 255, 0)), True),
        (pages((16, 0, 1), (2, 255, 1)), False),
    ],
    ids=["before", "after", "mask", "pages", "only"],
)
def test_thumbnails_and_masks_are_not_the_image(content, has_more):
    pixels, header = decode(content, 1, (8, 16), "stretch")
    assert (header.width, header.has_more) == (16, has_more)
    assert pixels.max() == 0


@writes_pages
def test_a_later_page_may_not_be_too_large_either(monkeypatch):
    monkeypatch.setattr(opening, "MOST_PIXELS", 100)
    with pytest.raises(UnusableImage, match="128 pixels, and more than 100"):
        read_header(pages((2, 0, 1), (16, 0, 0)))


def test_several_images_are_said_once(tmp_path):
    (tmp_path / "a").mkdir()
    several = {"save_all": True, "append_images": [WHITE.copy()]}
    for name, kind in (("0.JPG", "MPO"), ("1.gif", "GIF"), ("2.png", "PNG")):
        BLACK.save(tmp_path / "a" / name, kind, **(several if name < "2" else {}))
    assert read_images(tmp_path).notes == [
        "2 files with several images (an animation, pages or a preview), of which the "
        "first is used, such as a/0.JPG"
    ]


@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_a_photo_is_turned_as_it_was_taken(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    pixels = np.zeros((8, 16), dtype=np.uint8)
    pixels[:, :8] = 255
    several = (
        {"save_all": True, "append_images": [BLACK.copy()]} if kind == "MPO" else {}
    )
    content = encoded(Image.fromarray(pixels), kind, exif=exif, **several)
    found, header = decode(content, 1, (16, 8), "pad")
    assert (header.height, header.width) == (16, 8)
    assert found[:8].min() > 240 and found[8:].max() < 15


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JPG", ".Tif"])
def test_every_suffix_is_read_whatever_the_content(tmp_path, suffix):
    own = Image.registered_extensions().get(suffix.lower(), "PNG")
    own = "PNG" if own == "AVIF" and own not in KINDS else own
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"own{suffix}").write_bytes(encoded(BLACK, own))
    (tmp_path / "a" / f"other{suffix}").write_bytes(encoded(BLACK, "BMP"))
    data = read_images(tmp_path)
    assert len(data.images) == 2 and data.images.max() < 9


CONTENTS = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "annex": (b"../../.git/annex/objects/Zk/5q/SHA256E-s1--0.jpg", "git annex get"),
    "page": (b"\xef\xbb\xbf\r\n<!DOCTYPE html><html>", "a web page"),
    "svg": (b'<?xml version="1.0"?>\n<svg width="1">', "vector graphics"),
    "heic": (b"\0\0\0\x24ftypheic\0\0\0\0mif1", "a HEIC photo: convert it"),
    "video": (b"\0\0\0\x20ftypisom\0\0\2\0", "a video"),
    "zero": (bytes(2_000), "nothing but zero bytes"),
    "pdf": (b"%PDF-1.7", "a PDF document: convert it"),
    "dicom": (bytes(128) + b"DICM", "a DICOM file: convert it"),
    "zip": (b"PK\x03\x04", "a ZIP archive: unpack it"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(9), "a damaged JPEG"),
    "empty": (b"", "empty"),
    "text": (b"cats", "no image"),
}


@pytest.mark.parametrize(("content", "reason"), CONTENTS.values(), ids=CONTENTS)
def test_what_is_no_image_is_named(content, reason):
    with pytest.raises(UnusableImage, match=reason):
        read_header(content)


def test_lab_becomes_colour():
    content = encoded(Image.new("LAB", (16, 8), (255, 128, 128)), "TIFF")
    pixels, header = decode(content, 3, (8, 16), "pad")
    assert header.channels == 3 and pixels.min() >= 254


@pytest.mark.skipif("AVIF" not in KINDS, reason="needs a file to read")
def test_a_pillow_without_avif_says_so(monkeypatch):
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF")
    opening._known_formats.cache_clear()
    with pytest.raises(UnusableImage, match="an AVIF image, which needs Pillow 11.3"):
        read_header(encoded(BLACK, "AVIF"))
    assert read_header(encoded(BLACK, "PNG")).width == 16
    opening._known_formats.cache_clear()
