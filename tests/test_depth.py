"""Images of more than 8 bits: every value keeps its place between black and white."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from balancegan.data import decoding
from balancegan.data.depth import DeepImage, measure
from balancegan.data.filewriting import encode_image, note_added
from balancegan.data.labelled import SyntheticImages
from balancegan.data.lineage import read_lineage
from balancegan.data.opening import UnusableImage
from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.errors import DataError
from fuzz.encoders import deep_png, low_png, png_chunk, tiff

RNG = np.random.default_rng(0)
CONTAINERS = {
    "png": deep_png,
    "tiff": tiff,
    "tiff-big-endian": lambda values: tiff(values, ">"),
    "tiff-deflated": lambda values: tiff(values, deflated=True),
    "tiff-alpha": lambda values: tiff(values, extra=(2,)),
    "tiff-unused": lambda values: tiff(values, extra=(0,)),
    "tiff-white-is-zero": lambda values: tiff(values, photometric=0),
}
KINDS = [  # container, channels, dtype
    *(("png", n, "u2") for n in (1, 2, 3, 4)),
    *(("tiff", n, "u2") for n in (1, 3)),
    *(("tiff-big-endian", n, "u2") for n in (1, 3)),
    *(("tiff-deflated", n, "u2") for n in (1, 3)),
    ("tiff-alpha", 4, "u2"),
    ("tiff-unused", 4, "u2"),
    ("tiff-white-is-zero", 1, "u2"),
    *(("tiff", 1, dtype) for dtype in ("i1", "i2", "i4", "u4", "f4")),
    *(("tiff-big-endian", 1, dtype) for dtype in ("i1", "i2", "i4", "f4")),
]


def ramp(low, high, dtype="u2", shape=(24, 24), channels=1):
    """Return values from `low` to `high`, in another order in each channel."""
    n = shape[0] * shape[1]
    values = np.linspace(low, high, n)
    if dtype[0] != "f":
        values = np.rint(values)
    order = np.random.default_rng(channels)
    stack = [order.permutation(values) for _ in range(channels)]
    return np.stack(stack, axis=-1).reshape(*shape, channels).astype(dtype)


def set_of(folder, files):
    """Write encoded images by their names, and return the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def one_each(folder, values):
    """Write a set of two classes that has an image of each array."""
    names = [f"{'ab'[k % 2]}/{k}.tif" for k in range(len(values))]
    return set_of(folder, dict(zip(names, map(tiff, values), strict=True)))


def note_of(labelled):
    (note,) = [note for note in labelled.notes if "more than 8 bits" in note]
    return note


@st.composite
def deep_images(draw):
    container, channels, dtype = draw(st.sampled_from(KINDS))
    kind = np.dtype(dtype)
    if kind.kind == "f":
        bound = 1e6
        ends = st.floats(-bound, bound, width=32)
    else:
        info = np.iinfo(kind)
        ends = st.integers(info.min, info.max)
    low, high = sorted((draw(ends), draw(ends)))
    height, width = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    values = ramp(low, high, dtype, (height, width), channels)
    return container, values


@settings(max_examples=150, deadline=None)
@given(deep_images(), st.booleans())
def test_pixels_are_the_affine_image_of_the_values(drawn, is_given):
    container, values = drawn
    content = CONTAINERS[container](values)
    n_shown = {2: 1, 4: 3}.get(values.shape[2], values.shape[2])
    colours = values[..., :n_shown].astype(float)
    asked = (float(colours.min()), float(colours.max() + 1)) if is_given else None
    scale, others = decoding.find_scale([("a", content)], asked)
    header = decoding.read_header(content)
    pixels, _ = decoding.decode(
        content, header.channels, values.shape[:2], "pad", scale
    )
    assert header.is_deep and not others
    assert asked in (None, (scale.low, scale.high))
    assert scale.low <= colours.min() and colours.max() <= scale.high
    expected = 255 * (colours - scale.low) / (scale.high - scale.low)
    if container == "tiff-white-is-zero":
        expected = 255 - expected
    assert np.abs(pixels[..., :n_shown] - expected).max() <= 0.5 + 1e-9
    assert scale.n_clipped == 0
    if container in ("png", "tiff-alpha") and values.shape[2] in (2, 4):
        alpha = 255 * values[..., -1].astype(float) / scale.opaque
        assert np.abs(pixels[..., -1] - alpha).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (ramp(0, 255), (0, 255)),
        (ramp(0, 900), (0, 1023)),
        (ramp(0, 4095), (0, 4095)),
        (ramp(30, 4000, "i2"), (0, 4095)),
        (ramp(0, 65535), (0, 65535)),
        (ramp(0, 9), (0, 9)),
        (ramp(28_000, 31_000), (28_000, 31_000)),
        (ramp(-1000, 3000, "i2"), (-1000, 3000)),
        (ramp(0, 1_000_000, "u4"), (0, 1_000_000)),
        (ramp(0, 4_000_000_000, "u4"), (0, 4_000_000_000)),
        (ramp(0, 1, "f4"), (0, 1)),
        (ramp(0, 0.01, "f4"), (0, np.float32(0.01))),
        (ramp(-1, 1, "f4"), (-1, 1)),
        (ramp(0, 255, "f4"), (0, 255)),
        (ramp(-3, 3, "f4"), (-3, 3)),
        (ramp(7, 7), (0, 255)),
    ],
)
def test_black_and_white_follow_from_the_values(tmp_path, values, expected):
    labelled = read_images(one_each(tmp_path, [values] * 4))
    assert labelled.file_range == pytest.approx(expected)
    ends = " to ".join(
        f"{end:,.0f}" if end == int(end) else f"{end:.4g}" for end in expected
    )
    assert f"4 files of more than 8 bits: {ends} became 0 to 255" in note_of(labelled)


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "f4"])
def test_a_hot_pixel_does_not_set_white(tmp_path, dtype):
    images = [ramp(0, 4000, dtype) for _ in range(6)]
    images[5][3, 3] = np.iinfo("i2").max
    labelled = read_images(one_each(tmp_path, images))
    assert labelled.file_range[0] == 0 and 3980 < labelled.file_range[1] <= 4095
    assert "1 of their 3,456 pixels lie outside and were clipped" in note_of(labelled)


def test_a_deeper_scanner_is_named(tmp_path):
    folder = one_each(tmp_path, [ramp(0, 4095)] * 5 + [ramp(0, 65535)])
    with pytest.raises(DataError, match=r"1 image .*b/5.tif .its values go from .*65"):
        read_images(folder)
    labelled = read_images(folder, on_error="skip")
    assert labelled.images.shape[0] == 5
    assert labelled.file_range == (0, 4095)
    labelled = read_images(folder, value_range=(0, 65535))
    assert labelled.images.reshape(6, -1).max(axis=1).tolist() == [16] * 5 + [255]


def test_floats_next_to_integers_are_named(tmp_path):
    folder = one_each(tmp_path, [ramp(0, 4095)] * 3 + [ramp(0, 1, "f4")])
    with pytest.raises(DataError, match=r"3.tif .its values are floats, those of most"):
        read_images(folder)


def test_test_images_choose_nothing(tmp_path):
    files = {f"train/{c}/0.tif": tiff(ramp(0, 1000)) for c in "ab"}
    brighter = ramp(0, 1500)
    labelled = read_images(set_of(tmp_path, {**files, "test/a/0.tif": tiff(brighter)}))
    assert labelled.file_range == (0, 1023)
    assert labelled.parts["test"].images.max() == 255
    n = int((brighter > 1023).sum())
    assert f"{n:,} of their 1,728 pixels lie outside" in note_of(labelled)
    set_of(tmp_path, {"test/a/0.tif": tiff(ramp(0, 65535))})
    with pytest.raises(DataError, match="most of its values are not from 0 to 1,023"):
        read_images(tmp_path)
    assert read_images(tmp_path, value_range=(0, 65535)).images.max() == 4


def test_only_test_images_of_more_bits_need_a_range(tmp_path):
    files = {f"train/{c}/0.png": low_png(np.eye(24), 1) for c in "ab"}
    set_of(tmp_path, {**files, "test/a/0.png": deep_png(ramp(0, 4095))})
    with pytest.raises(DataError, match="of more than 8 bits: set value-range"):
        read_images(tmp_path)
    assert read_images(tmp_path, value_range=(0, 4095)).test_part[0].max() == 255


def with_one_added(folder, labelled):
    """Write a set with an image of shades 0, 1, ... added; return its file."""
    shape = labelled.images.shape[1:]
    pixels = (np.arange(np.prod(shape)) % 256).astype(np.uint8).reshape(1, *shape)
    added = SyntheticImages([pixels], labelled.labels[:1], np.arange(1), "model")
    write_images(folder, labelled, added)
    (file,) = folder.rglob("synthetic*.png")
    return file, pixels[0]


@pytest.mark.parametrize(("low", "high"), [(0, 4000), (0, 65535), (28_000, 31_000)])
def test_added_files_are_on_the_scale_of_16_bit_originals(tmp_path, low, high):
    labelled = read_images(one_each(tmp_path / "in", [ramp(low, high)] * 4))
    assert note_added(labelled) == ["synthetic image files have 16 bits on this scale"]
    file, pixels = with_one_added(tmp_path / "out", labelled)
    with Image.open(file) as image:
        values = np.asarray(image)
    black, white = labelled.file_range
    assert values.dtype == np.uint16
    expected = black + pixels[..., 0] / 255 * (white - black)
    assert np.abs(values - expected).max() <= 0.5
    scale, _ = decoding.find_scale([("a", file)], labelled.file_range)
    again, _ = decoding.decode(file, 1, (24, 24), "pad", scale)
    np.testing.assert_array_equal(again, pixels)
    lineage = read_lineage(file)
    assert encode_image(pixels, lineage) == file.read_bytes()


@pytest.mark.parametrize(
    "values",
    [ramp(0, 4000, channels=3), ramp(-9, 900, "i2"), ramp(0, 1, "f4")],
    ids=["colour", "signed", "floats"],
)
def test_added_files_have_8_bits_where_16_do_not_fit(tmp_path, values):
    labelled = read_images(one_each(tmp_path / "in", [values] * 4))
    assert note_added(labelled) == ["synthetic image files have 8 bits: 0 to 255"]
    file, pixels = with_one_added(tmp_path / "out", labelled)
    with Image.open(file) as image:
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


def test_files_of_8_bits_keep_their_values_next_to_deep_ones(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    files = {"a/8.tif": tiff(grey), "b/16.png": deep_png(grey.astype("u2") * 257)}
    labelled = read_images(set_of(tmp_path, files))
    np.testing.assert_array_equal(labelled.images, [grey, grey])
    assert note_of(labelled).endswith("the remaining 1 have 8 bits and are unchanged")


def test_a_range_that_is_none_is_refused(tmp_path):
    folder = one_each(tmp_path, [ramp(0, 1000)] * 2)
    for value_range in ((5, 5), (9, 1), (0, np.inf), (np.nan, 1)):
        with pytest.raises(DataError, match="black below white. Received: value_range"):
            read_images(folder, value_range=value_range)


def test_one_scale_holds_for_colours_together():
    values = np.stack([ramp(0, white)[..., 0] for white in (4000, 400, 40)], axis=-1)
    content = deep_png(values)
    scale, _ = decoding.find_scale([("a", content)])
    pixels, _ = decoding.decode(content, 3, (24, 24), "pad", scale)
    assert pixels.max(axis=(0, 1)).tolist() == [249, 25, 2]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_shade_of_16_bits_is_transparent(channels):
    values = ramp(0, 65535, channels=channels)
    shade = values[2, 3]
    content = deep_png(values, png_chunk(b"tRNS", shade.astype(">u2").tobytes()))
    scale, _ = decoding.find_scale([("a", content)])
    pixels, header = decoding.decode(content, 4, (24, 24), "pad", scale)
    is_shade = (values == shade).all(axis=-1)
    assert header.channels == 4 and is_shade.sum() == 1
    np.testing.assert_array_equal(pixels[..., 3], np.where(is_shade, 0, 255))


@pytest.mark.parametrize("n_bits", [1, 2, 4])
def test_fewer_bits_fill_8_and_keep_their_transparent_shade(n_bits):
    white = 2**n_bits - 1
    values = np.arange(64).reshape(8, 8) % (white + 1)
    content = low_png(values, n_bits)
    pixels, header = decoding.decode(content, 1, (8, 8), "pad")
    assert not header.is_deep
    np.testing.assert_array_equal(pixels[..., 0], values * 255 // white)
    for shade in (0, white):
        chunk = png_chunk(b"tRNS", shade.to_bytes(2, "big"))
        pixels, _ = decoding.decode(low_png(values, n_bits, chunk), 4, (8, 8), "pad")
        np.testing.assert_array_equal(pixels[..., 3] == 0, values == shade)


def encoded(mode, kind, **options):
    file = io.BytesIO()
    Image.new(mode, (8, 8)).save(file, kind, **options)
    return file.getvalue()


def deeper_jpeg_2000():
    """Return colours of JPEG 2000 whose header says that they have 12 bits."""
    content = bytearray(encoded("RGB", "JPEG2000"))
    content[content.index(b"\xff\x4f\xff\x51") + 42] = 11
    return bytes(content)


REFUSED = {
    "planes": (tiff(ramp(0, 9, channels=3), in_planes=True), "in planes"),
    "cmyk": (tiff(ramp(0, 9, channels=4), photometric=5), "in CMYK"),
    "multiplied": (tiff(ramp(0, 9, channels=4), extra=(1,)), "multiplied by"),
    "signed colours": (tiff(ramp(0, 9, "i2", channels=3)), "a TIFF of a kind"),
    "64 bits": (tiff(ramp(0, 9, "f8")), "a TIFF of a kind"),
    "half": (tiff(ramp(0, 9, "f2")), "a TIFF of a kind"),
    "ppm": (b"P6\n1 1\n4095\n" + bytes(6), "a PPM image of more than 8 bits in colour"),
    "jpeg 2000": (deeper_jpeg_2000(), "a JPEG2000 image of more than 8 bits in colour"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_decoded_wrongly_is_refused(content, reason):
    with pytest.raises(UnusableImage, match=f"{reason}.*convert it to"):
        decoding.read_header(content)


@pytest.mark.parametrize("value", [np.nan, np.inf, -3.4e38])
def test_values_that_mark_missing_data_are_named(tmp_path, value):
    images = [ramp(0, 1, "f4") for _ in range(3)]
    images[2][4, 4] = value
    with pytest.raises(DataError, match="2.tif .it has values that are NaN, infinite"):
        read_images(one_each(tmp_path, images))
    with pytest.raises(DataError, match="0.tif .it has values that are NaN, infinite"):
        read_images(one_each(tmp_path / "alone", images[2:]))


def test_half_a_percent_of_the_pixels_may_stick_out():
    values = np.zeros((20, 20, 3))
    values[0, :2] = 9  # as many
    assert measure(DeepImage(values)).high == 0
    values[0, 2] = 9
    assert measure(DeepImage(values)).high == 9
    assert measure(DeepImage(values[:1, :5])).high == 9  # too few to tell
    values = ramp(0, 399, shape=(20, 20))
    values[values == 399] = 790  # no farther than twice as far
    assert measure(DeepImage(values)).high == 790
