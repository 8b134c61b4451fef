"""Channels come last, or the user says so: nothing else is read."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from balancegan.errors import DataError
from balancegan.images import find_format
from balancegan.layouts import find_image_shape
from balancegan.synthesis.moved import MovedCopies


@pytest.mark.parametrize(
    "row_shape",
    [(28, 28, 1), (32, 32, 3), (4, 4, 4), (20, 4, 4), (9, 9, 200), (64, 60, 13)],
)
def test_channels_last_needs_no_word(row_shape):
    assert find_image_shape(row_shape) == row_shape


@pytest.mark.parametrize(
    "row_shape",
    [
        (1, 28, 28),
        (2, 28, 28),
        (3, 32, 32),
        (4, 16, 16),
        (4, 16, 99),
        (5, 64, 60),
        (8, 8, 8),
        (13, 64, 64),
        (200, 9, 9),
    ],
)
def test_channels_that_may_come_first_are_asked_about(row_shape):
    channels, height, width = row_shape
    remedy = rf"image_shape=\({height}, {width}, {channels}\).*--image-shape"
    with pytest.raises(DataError, match=remedy):
        find_image_shape(row_shape)
    declared = (height, width, channels)
    assert find_image_shape(row_shape, declared) == declared


@pytest.mark.parametrize("row_shape", [(4, 16, 16), (8, 8, 8), (13, 64, 64)])
def test_bands_that_are_declared_last_are_last(row_shape):
    image_format = find_format(np.zeros((2, *row_shape)), row_shape)
    assert not image_format.is_channels_first
    assert image_format.image_shape == row_shape


@given(
    st.sampled_from([1, 3, 4, 5, 13]),
    st.tuples(st.integers(4, 20), st.integers(4, 20)),
    st.sampled_from(["uint8", "uint16", "float32"]),
)
def test_channels_first_means_the_same_as_channels_last(channels, sides, dtype):
    shape = (*sides, channels)
    last = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(dtype)
    first = np.moveaxis(last, -1, 1)
    assume(first.shape != last.shape)  # else nobody can tell
    of_last, of_first = (find_format(rows, shape) for rows in (last, first))
    assert of_first.row_shape == (channels, *sides)
    made = of_last.to_model_range(last)
    np.testing.assert_array_equal(of_first.to_model_range(first), made)
    np.testing.assert_array_equal(of_first.to_pixels(first), of_last.to_pixels(last))
    np.testing.assert_allclose(of_first.from_model_range(made), first, atol=1e-4)


def test_copies_of_channels_first_images_are_shifted_along_height_and_width(rng):
    last = rng.integers(0, 256, (6, 16, 16, 5), dtype="uint8")
    first = np.ascontiguousarray(np.moveaxis(last, -1, 1))
    made = []
    for images in (last, first):
        image_format = find_format(images, (16, 16, 5))
        classes, rows = np.zeros(6, int), np.arange(6)
        copies = MovedCopies(images, classes, rows, image_format, seed=0, moved=1.0)
        made.append(np.concatenate(list(copies.make(np.arange(12)))))
    assert made[1].shape[1:] == (5, 16, 16)
    np.testing.assert_array_equal(np.moveaxis(made[1], 1, -1), made[0])
    assert (made[0][:6] != last).any()


@pytest.mark.parametrize(
    ("row_shape", "declared"),
    [
        ((16, 16, 13), (13, 16, 16)),
        ((16, 13, 16), (16, 16, 13)),
        ((3, 1024), (32, 32, 3)),
        ((16, 16, 1, 4), (16, 16, 4)),
    ],
)
def test_rows_are_not_scrambled_into_a_declared_shape(row_shape, declared):
    with pytest.raises(DataError, match="none of their orders"):
        find_image_shape(row_shape, declared)
