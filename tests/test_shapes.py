"""Channels come last, or the user says so: nothing else is read."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from balancegan.errors import DataError
from balancegan.images import find_format
from balancegan.samplers.copies import MovedCopies
from balancegan.shapes import find_image_shape
from tests.conftest import load_npz, make_images

from .augmenters import build_augmenter
from .commands import invoke


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
def test_ambiguous_channels_are_refused(row_shape):
    channels, height, width = row_shape
    remedy = rf"image_shape=\({height}, {width}, {channels}\).*image-shape"
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


@pytest.fixture
def bands(tmp_path):
    """A file of 18 images of 13 bands, channels first."""
    images = make_images(18, (13, 16, 16))
    np.savez(tmp_path / "bands.npz", x_train=images, y_train=np.repeat([0, 1], [12, 6]))
    return tmp_path / "bands.npz", images


def run(*arguments):
    return invoke(*arguments)


def test_the_command_line_asks_which_sides_are_channels(bands, tmp_path):
    data, images = bands
    out = tmp_path / "out.npz"
    for command in (("inspect", data), ("balance", data, "--out", out)):
        refused = run(*command)
        assert refused.exit_code == 2
        assert "image_shape=(16, 16, 13) (image-shape in --config)" in refused.stderr
    inspected = run("inspect", data, "--image-shape", "16,16,13")
    assert "16x16x13" in inspected.stderr
    assert inspected.exit_code == 0, inspected.output
    # Or they are oblong and have 16 channels each, which nobody else can know
    oblong = ("--image-shape", "13,16,16")
    assert run("convert", data, *oblong, "--out", out).exit_code == 0
    np.testing.assert_array_equal(load_npz(out)["x_train"], images)


@pytest.mark.usefixtures("one_step_a_call")
def test_balance_writes_channels_last(bands, tmp_path):
    data, images = bands
    how = ("--steps", 1, "--gan-share", 0, "--no-reject", "--image-shape", "16,16,13")
    result = run("balance", data, "--out", tmp_path / "out.npz", *how)
    assert result.exit_code == 0, result.output
    written = load_npz(tmp_path / "out.npz")["x_train"]
    assert written.shape == (24, 16, 16, 13)
    np.testing.assert_array_equal(written[:18], np.moveaxis(images, 1, -1))
    assert not (written[18:, 1:, 1:] == written[18:, :1, 1:]).all()


def test_a_channels_first_set_is_resampled_as_the_same_set_channels_last(rng):
    last = rng.integers(0, 256, (18, 8, 8, 5), dtype="uint8")
    resampled = []
    for images in (last, np.moveaxis(last, -1, 1)):
        augmenter = build_augmenter(
            preset="tutorial",
            steps=1,
            gan_share=1,
            image_shape=(8, 8, 5),
            random_state=0,
            verbose=0,
        )
        resampled.append(augmenter.fit_resample(images, np.repeat([0, 1], [12, 6]))[0])
    assert resampled[1].shape == (24, 5, 8, 8)
    np.testing.assert_array_equal(np.moveaxis(resampled[1], 1, -1), resampled[0])
