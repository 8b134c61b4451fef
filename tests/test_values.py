import numpy as np
import pytest

from balancegan.data.values import (
    describe_values,
    find_usual_range,
    is_far_outside,
    pieces,
)

from .conftest import make_images


@pytest.mark.parametrize("dtype", ["uint8", "int16", "bool", "float16", "float64"])
def test_values_of_each_image(dtype, monkeypatch):
    monkeypatch.setattr("balancegan.data.values.VALUES_PER_PIECE", 100)
    images = make_images(20, (3, 4, 2)).astype(dtype)
    values = describe_values(images)
    assert values.finite.all()
    assert values.whole.all()
    flat = images.reshape(20, -1).astype(float)
    np.testing.assert_array_equal(values.low, flat.min(axis=1))
    np.testing.assert_array_equal(values.high, flat.max(axis=1))
    contrast = np.ptp(images.astype(float), axis=(1, 2)).max(axis=1)
    np.testing.assert_array_equal(values.contrast, contrast)


def test_nan_and_infinity_are_looked_past():
    images = np.array([[[0.5, np.nan]], [[np.inf, -3.0]], [[np.nan, np.nan]]])
    values = describe_values(images)
    assert not values.finite.any()
    assert values.low.tolist() == [0.5, -3, np.inf]
    assert values.high.tolist() == [0.5, -3, -np.inf]
    assert not is_far_outside(values, (-3, 1)).any()


def test_pieces_cover_every_row_once():
    for n, size in ((0, 10), (7, 2**21), (3, 2**30)):
        rows = np.arange(n)
        covered = np.concatenate([rows[:0], *(rows[p] for p in pieces(n, size))])
        assert covered.tolist() == rows.tolist()


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (make_images(50), (0, 255)),
        (make_images(50, dtype="float32"), (0, 1)),
        (make_images(50, dtype="float32") * 2 - 1, (-1, 1)),
        (make_images(50).astype(float), (0, 255)),
        (make_images(50).astype("int16") - 128, None),
        (make_images(50).astype(float) * 9, None),
        (make_images(50) > 99, (0, 1)),
        (np.full((3, 4, 4), np.nan), None),
    ],
)
def test_usual_ranges(images, expected):
    assert find_usual_range(describe_values(images), images.dtype) == expected
