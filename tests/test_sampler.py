import numpy as np
import pandas as pd
import pytest

from balancegan.errors import DataError
from balancegan.targets import read_attributes

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
        (["red", 3, "blue"], "'x' with int, str"),
        (pd.to_datetime(["2026-05-01", "2026-05-02", "2026-05-03"]), "as texts"),
        ([(1,), (1, 2), (3,)], "'x'|inhomogeneous"),
    ],
)
def test_columns_that_cannot_be_labels_are_refused(column, message):
    frame = pd.DataFrame({"digit": [3, 5, 8], "x": pd.Series(column)})
    with pytest.raises((DataError, ValueError), match=message):
        read_attributes(frame)
