import numpy as np
import pandas as pd
import pytest

from balancegan.data.image_parts import ImagePart
from balancegan.data.inspection import count_values, inspect_images
from balancegan.errors import DataError

from .conftest import make_images

LABELS = np.repeat([0, 1], [35, 25])


def test_counts_and_format():
    inspection = inspect_images(ImagePart(make_images(60), LABELS))
    assert inspection.counts == {0: 35, 1: 25}
    assert inspection.imbalance_ratio == 1.4
    assert inspection.image_format.image_shape == (8, 8, 1)
    assert inspection.image_format.high == 255
    assert not [f for f in inspection.results if f.outcome in ("issue", "tip")]


def test_the_format_is_that_of_the_good_images():
    images = make_images(60, dtype="float32")
    images[3, 0, 0], images[4, 0, 0] = np.nan, -77
    inspection = inspect_images(ImagePart(images, LABELS))
    assert (inspection.image_format.low, inspection.image_format.high) == (0, 1)
    assert inspection.results[0].rows == (3, 4)


def test_a_set_without_a_good_image_is_refused():
    with pytest.raises(DataError, match="NaN or infinity"):
        inspect_images(ImagePart(np.full((60, 8, 8), np.nan), LABELS))


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        (["b", "a", "b"], [("a", 1), ("b", 2)]),
        ([10, 9, 10], [(9, 1), (10, 2)]),
        ([True, False, True], [(False, 1), (True, 2)]),
        ([2.5, np.nan, 2.5], [(2.5, 2), (None, 1)]),
        (["b", 3, "b", None, 10], [(3, 1), (10, 1), ("b", 2), (None, 1)]),
        (pd.array([3, None, 3], dtype="Int64"), [(3, 2), (None, 1)]),
        (pd.Series(["b", "a"], dtype="category"), [("a", 1), ("b", 1)]),
        (["", ""], [("", 2)]),
    ],
)
def test_values_of_a_column_are_counted(column, counts):
    counted = count_values(pd.Series(column))
    assert list(counted.items()) == counts
    assert [type(value) for value in counted] == [type(value) for value, _ in counts]


def test_values_that_cannot_be_counted_are_refused():
    with pytest.raises(DataError, match="'boxes' with other values"):
        count_values(pd.Series([[1, 2], [3]], name="boxes"))
