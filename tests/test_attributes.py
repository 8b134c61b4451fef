import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan import attributes
from balancegan.attributes import Attributes, Labels, join, unravel
from balancegan.errors import DataError

DIGITS, COLOURS = np.array([3, 5, 8]), np.array(["blue", "red"])
KNOWN = Attributes(("digit", "colour"), (DIGITS, COLOURS))


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=30))
def test_class_indices_and_columns_are_inverse(rows):
    columns = tuple(np.array(column) for column in zip(*rows, strict=True))
    learned, class_indices = Attributes.learn(Labels(("a", "b", "c"), columns))
    assert class_indices.max() < learned.n_classes
    for back, column in zip(learned.columns(class_indices), columns, strict=True):
        np.testing.assert_array_equal(back, column)
    value_indices = unravel(class_indices, learned.sizes)
    expected = np.unravel_index(class_indices, learned.sizes)
    np.testing.assert_array_equal(value_indices, expected)
    assert [learned.label(index) for index in class_indices] == rows


def test_every_combination_is_named_in_the_order_of_class_indices():
    labels = [KNOWN.label(index) for index in range(KNOWN.n_classes)]
    assert KNOWN.combinations(None) == labels
    assert KNOWN.combinations("colour") == ["blue", "red"]
    assert KNOWN.combinations(["colour", "digit"])[:2] == [("blue", 3), ("blue", 5)]
    with pytest.raises(DataError, match="'hue'"):
        KNOWN.combinations("hue")


def test_of_one_attribute_the_class_index_is_that_of_the_sorted_label():
    labels = np.array(["shirt", "bag", "boot", "bag"])
    learned, class_indices = Attributes.learn(Labels.of_one(labels))
    assert class_indices.tolist() == [2, 0, 1, 0]
    assert unravel(class_indices, learned.sizes)[0] is class_indices
    assert learned.label(1) == "boot"


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ({"digit": 5}, (1, None)),
        ({"colour": "red", "digit": 3}, (0, 1)),
        ((8, "blue"), (2, 0)),
        ([np.int64(8), np.str_("red")], (2, 1)),
        ({}, (None, None)),
    ],
)
def test_a_label_is_found(label, wanted):
    assert KNOWN.find(label) == wanted


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"size": 5}, r"are \['digit', 'colour'\]. Received: 'size'"),
        ({"digit": 4}, r"'digit' has the values \[3, 5, 8\]. Received: 4"),
        ({"colour": 3}, "Received: 3"),
        ({"digit": "3"}, "Received: '3'"),
        ((3,), r"Received: \(3,\)"),
        (3, "Give a dict"),
        ("red", "Give a dict"),
    ],
)
def test_a_label_that_is_not_known_is_refused(label, message):
    with pytest.raises(DataError, match=message):
        KNOWN.find(label)


def test_one_attribute_may_be_named_or_not():
    one = Attributes(("digit",), (DIGITS,))
    assert one.find(8) == one.find({"digit": 8}) == (2,)
    with pytest.raises(DataError, match=r"knows the classes \[3, 5, 8\]. Received: 4"):
        one.find(4)


@pytest.mark.parametrize(
    ("names", "positions"),
    [
        (None, (0, 1)),
        ("colour", (1,)),
        (["colour", "digit"], (1, 0)),
        (("digit",), (0,)),
    ],
)
def test_attributes_are_found_by_name(names, positions):
    assert KNOWN.positions(names) == positions


@pytest.mark.parametrize("names", ["size", [], ["digit", "digit"], ["digit", 3]])
def test_names_that_are_none_are_refused(names):
    with pytest.raises(DataError, match="balance_on names"):
        KNOWN.positions(names)


def test_too_many_combinations_and_names_used_twice_are_refused(monkeypatch):
    columns = (DIGITS, DIGITS)
    with pytest.raises(DataError, match="twice: \\['a'\\]"):
        Attributes.learn(Labels(("a", "a"), columns))
    monkeypatch.setattr(attributes, "MAX_COMBINATIONS", 8)
    with pytest.raises(DataError, match="'b': 3"):
        Attributes.learn(Labels(("a", "b"), columns))


def test_labels_of_other_attributes_or_values_are_refused():
    KNOWN.check_known(Labels(("digit", "colour"), (DIGITS[:2], COLOURS)))
    with pytest.raises(DataError, match=r"Received: \['colour', 'digit'\]"):
        KNOWN.check_known(Labels(("colour", "digit"), (COLOURS, DIGITS[:2])))
    with pytest.raises(DataError, match="Received: 'pink'"):
        KNOWN.check_known(Labels(KNOWN.names, (DIGITS[:1], np.array(["pink"]))))
    with pytest.raises(DataError, match="Received: '3'"):
        KNOWN.check_known(Labels(KNOWN.names, (np.array(["3"]), COLOURS[:1])))


def test_labels_of_several_attributes_are_tuples():
    assert join([DIGITS[:2], COLOURS]).tolist() == [(3, "blue"), (5, "red")]
    assert join([DIGITS]) is DIGITS
    labels = Labels(("digit", "colour"), (DIGITS[:2], COLOURS))
    assert labels.joined((1, 0)).tolist() == [("blue", 3), ("red", 5)]


def test_further_labels_are_not_cut():
    short = Labels(("digit", "colour"), (DIGITS[:1].astype("int8"), np.array(["red"])))
    both = short.followed_by(Labels(short.names, (DIGITS[:1], np.array(["magenta"]))))
    assert both.columns[1].tolist() == ["red", "magenta"]
    assert both.columns[0].dtype == np.int8
