import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from balancegan import ConditionalGANAugmenter
from balancegan.attributes import Labels
from balancegan.errors import DataError
from balancegan.targets import as_given, as_numpy, read_attributes, read_labelled

from .conftest import make_images

FRAME = pd.DataFrame({"digit": [3, 5, 3], "colour": ["red", "blue", "blue"]})


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (FRAME, ("digit", "colour")),
        (FRAME.astype("category"), ("digit", "colour")),
        (FRAME.astype({"digit": "Int64", "colour": "string"}), ("digit", "colour")),
        (FRAME.set_axis([0, 1], axis=1), ("0", "1")),
        (FRAME.to_numpy(), ("0", "1")),
        (FRAME.to_numpy().tolist(), ("0", "1")),
        (tuple(map(tuple, FRAME.to_numpy())), ("0", "1")),
    ],
)
def test_tables_are_attributes(y, names):
    labels = read_attributes(y)
    assert labels.names == names
    assert [c.tolist() for c in labels.columns] == [[3, 5, 3], ["red", "blue", "blue"]]
    assert labels.columns[0].dtype.kind == "i"


def test_a_frame_of_zeros_and_ones_is_attributes_and_an_array_is_not():
    one_hot = np.eye(3, dtype=int)
    assert read_attributes(one_hot) is None
    assert read_attributes(one_hot.tolist()) is None
    assert read_attributes(pd.DataFrame(one_hot)).names == ("0", "1", "2")


@pytest.mark.parametrize(
    "y",
    [
        [0, 1, 2],
        ["a", "b"],
        np.array([[0], [1]]),
        pd.Series(["a", "b"]),
        pd.DataFrame({"digit": [3, 5]}),
        np.zeros((3, 2, 2), int),
        None,
    ],
)
def test_one_label_is_none(y):
    assert read_attributes(y) is None


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["red", None, "blue"], "'x' with 1 missing"),
        ([1.0, np.nan, np.nan], "'x' with 2 missing"),
        ([0.5, 1.25, 2.0], "'x' cannot be a label. Unknown label type: continuous"),
        (["red", 3, "blue"], "'x' with numbers, texts"),
        ([True, 2, 2], "'x' with booleans, numbers"),
        ([b"red", b"blue", b"red"], "'x' of dtype .*as texts"),
        (pd.to_datetime(["2026-05-01", "2026-05-02", "2026-05-03"]), "as texts"),
        ([(1,), (1, 2), (3,)], "'x'|inhomogeneous"),
    ],
)
def test_columns_that_cannot_be_labels_are_refused(column, message):
    frame = pd.DataFrame({"digit": [3, 5, 8], "x": pd.Series(column)})
    with pytest.raises((DataError, ValueError), match=message):
        read_attributes(frame)


class Foreign:
    """Labels of another library, whose dtypes are not numpy's."""

    def __init__(self, values):
        self.values = values
        self.dtype = type("dtype", (), {})()

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


def test_labels_of_other_libraries_are_numpys():
    assert as_numpy(Foreign([3, 5])).tolist() == [3, 5]
    assert as_numpy(tf.constant([3, 5])).tolist() == [3, 5]


@pytest.mark.parametrize("kind", [list, tuple, lambda y: np.array(y, dtype=object)])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b", float("nan")], "1 missing"),
        (["a", None, "b"], "1 missing"),
        (["a", 1, "b"], "numbers, texts"),
        ([True, 2, 3], "booleans, numbers"),
        ([b"a", b"b"], "as texts"),
        ([b"a", "b"], "bytes, texts"),
    ],
)
def test_labels_that_are_not_alike_are_refused(kind, labels, message):
    with pytest.raises(DataError, match=message):
        as_numpy(kind(labels))


def test_masked_labels_are_missing():
    with pytest.raises(DataError, match="1 masked"):
        read_labelled(make_images(2), np.ma.masked_equal([0, 1], 1))


@pytest.mark.parametrize("labels", [[1, np.int8(2)], [1, 2.0], [[0, 1], [1, 0]]])
def test_numbers_are_alike(labels):
    assert as_numpy(labels).tolist() == labels


def test_one_hot_labels_hold_what_they_have_columns_for():
    labels = Labels.of_one(np.array([0, 2]))
    assert as_given(np.empty((0, 3)), labels).argmax(axis=1).tolist() == [0, 2]
    with pytest.raises(DataError, match="2 columns cannot hold class 2"):
        as_given(np.empty((0, 2)), labels)


def test_dates_in_a_frame_of_one_column_are_refused():
    dates = pd.to_datetime(["2026-05-01", "2026-05-02"] * 4)
    augmenter = ConditionalGANAugmenter(steps=1, verbose=0)
    with pytest.raises(DataError, match="as texts"):
        augmenter.fit(make_images(8), pd.DataFrame({"day": dates}))


def test_images_as_a_strategy_are_refused(trained, small_set):
    X, y = small_set
    for arguments in ((X, y), (X,), (pd.DataFrame(y),)):
        with pytest.raises(DataError, match=r"resample\(None, X, y\)"):
            trained.resample(*arguments)
