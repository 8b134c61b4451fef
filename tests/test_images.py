import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from balancegan.errors import DataError
from balancegan.images import check_format, find_format

SHAPES = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(4, 9), st.integers(4, 9)),
    st.tuples(
        st.integers(1, 5), st.integers(4, 9), st.integers(4, 9), st.integers(1, 4)
    ),
)
DTYPES = ("uint8", "int8", "bool", "uint16", "int16", "int64", "float32", "float64")
# Black and white that people have
RANGES = [(0, 1), (-1, 1), (0, 60), (0, 255), (0, 4095), (-1000, 3000), (-2.1, 2.6)]


@st.composite
def image_sets(draw):
    """Images of any dtype, range and layout, each value of it likely."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    low, high = draw(st.sampled_from(RANGES))
    if dtype.kind in "iub":
        info = None if dtype.kind == "b" else np.iinfo(dtype)
        least, most = (0, 1) if info is None else (info.min, info.max)
        low, high = max(low, least), min(high, most)
    height, width = draw(st.tuples(st.integers(4, 9), st.integers(4, 9)))
    shape = draw(
        st.sampled_from(
            [
                (height, width),
                (height, width, 1),
                (height, width, 3),
                (3, height, width),
                (4, height, width),
            ]
        )
    )
    channels_first = len(shape) == 3 and shape[1:] == (height, width)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = rng.uniform(low, high, size=(draw(st.integers(2, 5)), *shape))
    values[0].flat[:2] = low, high
    if dtype.kind in "iub":
        values = np.rint(values)
    declared = (height, width, shape[0]) if channels_first else None
    return values.astype(dtype), declared


@given(hnp.arrays(np.uint8, SHAPES))
def test_uint8_survives_the_round_trip_bit_for_bit(images):
    image_format = find_format(images, may_be_dim=True)
    model_space = image_format.to_model_range(images)
    assert model_space.dtype == np.float32
    assert model_space.ndim == 4
    assert abs(model_space).max() <= 1
    back = image_format.from_model_range(model_space)
    assert back.dtype == images.dtype
    np.testing.assert_array_equal(back, images)


@pytest.mark.parametrize(
    ("low", "dtype"),
    [
        (4_000_000_000, "uint32"),
        (10**15, "int64"),
        (1.7e9, "float64"),
        (1e6, "float64"),
    ],
)
def test_a_large_black_leaves_the_image_its_levels(low, dtype):
    images = (low + np.arange(200).reshape(2, 10, 10)).astype(dtype)
    image_format = find_format(images)
    model_space = image_format.to_model_range(images)
    assert len(np.unique(model_space)) == 200
    back = image_format.from_model_range(model_space)
    np.testing.assert_allclose(back, images, atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "uint16"])
def test_the_largest_number_comes_back_as_white(dtype):
    most = np.iinfo(dtype)
    images = np.full((2, 4, 4), most.min, dtype)
    images[1] = most.max
    image_format = find_format(images)
    back = image_format.from_model_range(image_format.to_model_range(images))
    assert (back[0] == most.min).all()
    assert (back[1] > most.max * 0.999).all()


def test_images_all_of_one_huge_value_have_a_range():
    image_format = find_format(np.full((2, 4, 4), 1e20))
    assert image_format.low < image_format.high


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255), (-3, 900)])
def test_floats_survive_the_round_trip(rng, dtype, low, high):
    images = rng.uniform(low, high, size=(6, 5, 4, 2)).astype(dtype)
    image_format = find_format(images)
    back = image_format.from_model_range(image_format.to_model_range(images))
    assert (back.dtype, back.shape) == (images.dtype, images.shape)
    tolerance = (high - low) * max(1e-6, np.finfo(dtype).eps)
    np.testing.assert_allclose(back, images, atol=tolerance)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 255], "uint8", (0, 255)),
        ([3, 130], "uint8", (0, 255)),
        ([0, 60], "uint8", (0, 255)),
        ([0, 0], "uint8", (0, 255)),
        ([0, 60], "int8", (-128, 127)),
        ([0, 16], "float64", (0, 16)),
        ([0, 16], "int64", (0, 16)),
        ([0, 60], "int64", (0, 255)),
        ([0, 60], "uint16", (0, 255)),
        ([0, 300], "uint16", (0, 1023)),
        ([0, 4000], "uint16", (0, 4095)),
        ([1000, 1010], "uint16", (1000, 1010)),
        ([0, 65535], "int32", (0, 65535)),
        ([0, 65536], "int32", (0, 65536)),
        ([-1000, 3000], "int16", (-1000, 3000)),
        ([0, 255], "int64", (0, 255)),
        ([0.0, 0.4], "float32", (0, 1)),
        ([0.0, 0.04], "float64", (0, 0.04)),
        ([-0.2, 0.7], "float32", (-1, 1)),
        ([0.0, 200.5], "float32", (0, 255)),
        ([-2.5, 3.0], "float64", (-2.5, 3.0)),
        ([7, 7], "int32", (7, 8)),
        ([0, 1], "bool", (0, 1)),
    ],
)
def test_detected_range(values, dtype, expected):
    images = np.resize(np.array(values, dtype=dtype), (2, 4, 4))
    image_format = find_format(images)
    assert (image_format.low, image_format.high) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("low", [-300, -1, 0, 0.25, 100])
@pytest.mark.parametrize("high", [0.5, 1, 60, 200, 300, 2000, 9000, 60000, 70000])
def test_the_detected_range_is_that_of_the_dtype_or_the_first_that_fits(
    dtype, low, high
):
    least, most = (0, 1) if dtype == "bool" else (-np.inf, np.inf)
    if np.dtype(dtype).kind in "iu":
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    ends = sorted(np.clip([low, high], least, most))
    images = np.resize(np.array(ends).astype(dtype), (2, 4, 4))
    if images.min() == images.max():
        return
    image_format = find_format(images, may_be_dim=True)
    low, high = float(images.min()), float(images.max())
    if images.dtype.itemsize == 1:
        limits = {"bool": (0, 1), "uint8": (0, 255), "int8": (-128, 127)}
        usual = [limits[str(images.dtype)]]
    elif images.dtype.kind == "f":
        usual = [(0, 1), (-1, 1), *([(0, 255)] if high > 127 else [])]
    else:
        usual = [(0, white) for white in (255, 1023, 4095, 16383, 65535)]
    fitting = [(b, w) for b, w in usual if b <= low and high <= w][:1]
    used = [(b, w) for b, w in fitting if 15 * (high - low) >= w - b]
    used = fitting if images.dtype.itemsize == 1 else used
    assert (image_format.low, image_format.high) == (used or [(low, high)])[0]


@pytest.mark.parametrize("largest", [1e300, 1e-300, 1e-310])
def test_ranges_that_float32_does_not_hold_are_refused(largest):
    images = np.resize([0, largest], (2, 4, 4))
    with pytest.raises(DataError, match="float32.*0 to 1 first"):
        find_format(images)
    with pytest.raises(DataError, match="float32"):
        find_format(np.zeros((2, 4, 4)), value_range=(-1e308, 1e308))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_brighter_images_are_of_the_same_format_as_dark_ones(dtype):
    dark = np.arange(60, dtype=dtype).repeat(16).reshape(-1, 4, 4)
    check_format(dark + 150, find_format(dark))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0, 1], "uint8"), ([0, 16], "uint8"), ([200, 203], "uint8"), ([-1, 1], "int8")],
)
def test_masks_of_8_bits_need_a_value_range(values, dtype):
    """In 0 to 255 they would look black to a network."""
    images = np.resize(np.array(values, dtype=dtype), (2, 4, 4))
    low, high = values
    remedy = rf"value_range=\({low}, {high}\) \(value-range in --config\)"
    with pytest.raises(DataError, match=remedy):
        find_format(images)
    assert find_format(images, may_be_dim=True).high > 100
    image_format = find_format(images, value_range=(low, high))
    model_space = image_format.to_model_range(images)
    assert (model_space.min(), model_space.max()) == (-1, 1)
    np.testing.assert_array_equal(image_format.from_model_range(model_space), images)


@given(image_sets())
def test_images_of_any_dtype_range_and_layout_survive_the_round_trip(made):
    images, declared = made
    image_format = find_format(images, declared, may_be_dim=True)
    back = image_format.from_model_range(image_format.to_model_range(images))
    assert (back.dtype, back.shape) == (images.dtype, images.shape)
    width = image_format.high - image_format.low
    np.testing.assert_allclose(
        back.astype(float), images.astype(float), rtol=0, atol=1e-6 * width
    )


@given(image_sets(), st.booleans())
def test_pixels_of_files_say_what_the_values_are(made, is_given):
    images, declared = made
    value_range = (images.min(), images.max()) if is_given else None
    image_format = find_format(images, declared, value_range, may_be_dim=True)
    pixels = image_format.to_pixels(images)
    shown = image_format.to_channels_last(images)
    assert (pixels.dtype, pixels.shape) == (np.uint8, shown.shape)
    if images.dtype == np.uint8:
        np.testing.assert_array_equal(pixels, shown)
    else:
        step = (image_format.high - image_format.low) / 255
        values = image_format.low + pixels * step
        assert abs(values - shown.astype(float)).max() <= step * (0.5 + 1e-4)


def test_pixels_of_uint8_do_not_depend_on_black_and_white():
    images = np.resize(np.arange(61, dtype="uint8"), (4, 8, 8))
    for value_range in ((0, 60), (0, 255), None):
        image_format = find_format(images, value_range=value_range)
        pixels = image_format.to_pixels(images)[..., 0]
        np.testing.assert_array_equal(pixels, images)
    assert find_format(images, value_range=(0, 60)).to_uint8(images).max() == 255


def test_black_and_white_are_the_ends_of_model_space():
    images = np.stack([np.zeros((4, 4)), np.full((4, 4), 9.0)])
    image_format = find_format(images, value_range=(0, 9))
    model_space = image_format.to_model_range(images)
    assert (model_space[0] == -1).all()
    assert (model_space[1] == 1).all()


@given(
    st.sampled_from(["float16", "float32", "float64"]),
    st.floats(0.05, 0.9),
    st.floats(0.05, 0.9),
)
def test_normalised_images_lie_in_the_range_that_they_were_normalised_to(
    dtype, mean, deviation
):
    ends = (0 - mean) / deviation, (1 - mean) / deviation
    images = np.resize(np.array(ends, dtype=dtype), (2, 4, 4))
    for value_range in (ends, None):
        image_format = find_format(images, value_range=value_range)
        made = image_format.from_model_range(np.resize([-1.0, 1.0], (2, 4, 4, 1)))
        check_format(made, image_format)
        assert made.min() == image_format.low
        assert made.max() == pytest.approx(image_format.high, rel=1e-3)


def test_flat_rows_are_read_row_by_row_channels_last(rng):
    images = rng.integers(0, 256, size=(3, 5, 6, 2), dtype=np.uint8)
    flat = images.reshape(3, -1)
    image_format = find_format(flat, image_shape=(5, 6, 2))
    expected = find_format(images).to_model_range(images)
    np.testing.assert_array_equal(image_format.to_model_range(flat), expected)
    back = image_format.from_model_range(image_format.to_model_range(flat))
    np.testing.assert_array_equal(back, flat)


def test_values_outside_are_clipped_when_going_back():
    image_format = find_format(np.full((1, 4, 4), 255, np.uint8))
    images = image_format.from_model_range(np.array([-2.0, 2.0] * 8))
    assert set(images.ravel()) == {0, 255}


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((2, 4, 4), "U1"), {}, "numbers"),
        (np.zeros((0, 4, 4)), {}, "at least one image"),
        (np.zeros((2, 16)), {}, "image_shape"),
        (np.zeros((2, 16)), {"image_shape": (4, 5)}, "20 values"),
        (np.zeros((2, 3, 4)), {}, "at least 4 pixels"),
        (np.zeros((2, 3, 32, 32)), {}, "moveaxis"),
        (np.zeros((2, 16, 16, 13)), {"image_shape": (13, 16, 16)}, "of their orders"),
        (np.zeros((2, 4, 4, 1, 1)), {}, "height, width"),
        (np.full((2, 4, 4), np.nan), {}, "image 0"),
        (np.array([np.zeros((4, 4)), np.full((4, 4), np.inf)]), {}, "image 1"),
        (np.full((2, 4, 4), 5.0), {"value_range": (0, 1)}, "value_range"),
        (np.full((2, 4, 4), 5.0), {"value_range": (1, 0)}, "below white"),
        (np.zeros((2, 4, 4)), {"value_range": (0, 1, 2)}, "black, white"),
        (np.zeros((2, 4, 4)), {"value_range": (None, 1)}, "black, white"),
        (np.zeros((2, 4, 4), "float16"), {"value_range": (0, 1e9)}, "finite"),
        (np.zeros((2, 64)), {"image_shape": (6.4, 10.0)}, "image_shape"),
        (np.zeros((2, 16)), {"image_shape": ("4", "4")}, "image_shape"),
    ],
)
def test_bad_images_are_refused(images, options, message):
    with pytest.raises(DataError, match=message):
        find_format(images, **options)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.zeros((2, 5, 4), np.uint8), "differ"),
        (np.zeros((2, 4, 4), np.int16), "differ"),
    ],
)
def test_images_of_another_format_are_refused(other, message):
    known = find_format(np.full((2, 4, 4), 255, np.uint8))
    with pytest.raises(DataError, match=message):
        check_format(other, known)


def test_images_of_another_range_are_refused():
    known = find_format(np.ones((2, 4, 4)))
    with pytest.raises(DataError, match="leave the range"):
        check_format(np.full((2, 4, 4), 255.0), known)


def test_black_below_what_a_type_holds_is_its_least():
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    image_format = find_format(images, value_range=(-10, 255))
    black = np.full((1, 4, 4, 1), -1, np.float32)
    assert image_format.from_model_range(black).max() == 0
