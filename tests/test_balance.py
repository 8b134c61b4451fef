import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler

from balancegan.balance import (
    OWN_STRATEGIES,
    ROUNDING,
    STRATEGIES,
    class_counts,
    imbalance_ratio,
    parse_strategy,
    plan_synthesis,
)
from balancegan.errors import DataError

Y = np.repeat(["a", "b", "c"], [10, 4, 1])


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", {"a": 0, "b": 6, "c": 9}),
        ("not majority", {"a": 0, "b": 6, "c": 9}),
        ("not minority", {"a": 0, "b": 6, "c": 0}),
        ("minority", {"a": 0, "b": 0, "c": 9}),
        ("all", {"a": 0, "b": 6, "c": 9}),
        ({"c": 5}, {"a": 0, "b": 0, "c": 4}),
        ({"a": 12, "b": 4}, {"a": 2, "b": 0, "c": 0}),
        (lambda y: {"b": (y == "a").sum()}, {"a": 0, "b": 6, "c": 0}),
        (1.0, {"a": 0, "b": 6, "c": 9}),
        (0.5, {"a": 0, "b": 1, "c": 4}),
        (0.25, {"a": 0, "b": 0, "c": 1}),
    ],
)
def test_strategies(strategy, expected):
    assert plan_synthesis(Y, strategy) == expected


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("majority", "majority"),
        ("nonsense", "nonsense"),
        ({"d": 5}, "'d'"),
        ({"a": 9}, "Originally"),
        ({"a": -1}, "from 0 to"),
        ({"a": 12.7}, "12.7 for 'a'"),
        ({"a": "12"}, "'12' for 'a'"),
        ({"a": 10**30}, "from 0 to"),
        ({"a": float("inf")}, "inf for 'a'"),
        (lambda y: ["a"], "a list from it"),
        (0.0, r"\(0, 10\]"),
        (10.5, r"\(0, 10\].*name the classes"),
        (["a"], "list"),
    ],
)
def test_bad_strategies_are_refused(strategy, message):
    with pytest.raises(DataError, match=message):
        plan_synthesis(Y, strategy)


def test_one_class_is_refused():
    with pytest.raises(DataError, match="more than 1 class"):
        plan_synthesis(np.zeros(5, dtype=int))


def test_share_of_two_classes_may_not_lie_below_the_present_one():
    y = np.repeat([0, 1], [10, 8])
    with pytest.raises(DataError, match="remove samples"):
        plan_synthesis(y, 0.5)


def test_two_classes_may_be_raised_beyond_the_larger():
    assert plan_synthesis(np.repeat([0, 1], [10, 8]), 2) == {0: 10, 1: 12}


def test_share_is_rounded_where_truncation_would_lose_an_image():
    # 0.29 * 100 is 28.999999999999996 in floats
    y = np.repeat([0, 1], [100, 5])
    assert plan_synthesis(y, 0.29) == {0: 0, 1: 24}


def test_max_ratio_caps_each_class_by_its_own_size():
    assert plan_synthesis(Y, "auto", max_ratio=2) == {"a": 0, "b": 6, "c": 2}
    assert plan_synthesis(Y, "auto", max_ratio=0) == {"a": 0, "b": 0, "c": 0}
    assert plan_synthesis(Y, "auto", max_ratio=1.25) == {"a": 0, "b": 5, "c": 1}


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=8),
    st.sampled_from(["auto", "minority", "not minority", "not majority", "all"]),
)
def test_names_mean_what_they_mean_to_imbalanced_learn(counts, strategy):
    y = np.repeat(np.arange(len(counts)), counts)
    plan = plan_synthesis(y, strategy)
    sampler = RandomOverSampler(sampling_strategy=strategy, random_state=0)
    _, y_resampled = sampler.fit_resample(y[:, None], y)
    totals = {label: n + plan[label] for label, n in class_counts(y).items()}
    assert totals == class_counts(y_resampled)


@given(
    st.lists(st.integers(1, 400), min_size=3, max_size=8),
    st.floats(0.01, 10),
    st.one_of(st.none(), st.floats(0, 20)),
)
def test_share_raises_every_class_and_never_past_the_cap(counts, share, max_ratio):
    y = np.repeat(np.arange(len(counts)), counts)
    plan = plan_synthesis(y, share, max_ratio)
    assert list(plan) == list(range(len(counts)))
    for label, n in enumerate(counts):
        wanted = max(0, round(share * max(counts)) - n)
        if max_ratio is None:
            assert plan[label] == wanted
        else:
            assert plan[label] <= min(wanted, max_ratio * n + ROUNDING)
            assert plan[label] == wanted or plan[label] + 1 > max_ratio * n


@pytest.mark.parametrize("percent", [29, 115, 203])
def test_a_ratio_loses_no_image_by_rounding(percent):
    y = np.repeat([0, 1], [1000, 100])
    assert plan_synthesis(y, max_ratio=percent / 100) == {0: 0, 1: percent}


def test_counts_and_ratio():
    assert class_counts(Y) == {"a": 10, "b": 4, "c": 1}
    assert imbalance_ratio({"a": 10, "b": 4}) == 2.5


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 10**9), min_size=1))
def test_any_class_can_be_named_in_a_target(counts):
    texts = [f"{name}={count}" for name, count in counts.items()]
    assert parse_strategy(texts, str) == counts


@pytest.mark.parametrize("name", [*STRATEGIES, *OWN_STRATEGIES])
def test_names_of_strategies_may_have_hyphens(name):
    assert parse_strategy([name.replace(" ", "-")], str) == name
    assert parse_strategy([name], str) == name


@given(st.lists(st.text(), max_size=3))
def test_other_texts_are_refused_and_nothing_else_happens(texts):
    try:
        strategy = parse_strategy(texts, str)
    except DataError as error:
        assert "CLASS=COUNT" in str(error)
    else:
        assert isinstance(strategy, dict | float) or strategy in STRATEGIES


PAIRS = np.fromiter([(3, "red")] * 5 + [(3, "blue")] * 3 + [(5, "red")], dtype=object)


@pytest.mark.parametrize(
    ("strategy", "plan"),
    [
        ("auto", [2, 0, 4]),
        ("minority", [0, 0, 4]),
        (0.8, [1, 0, 3]),
        ({(5, "red"): 2}, [0, 0, 1]),
        (lambda y: {min(y.tolist()): 4}, [1, 0, 0]),
    ],
)
def test_a_class_may_be_a_combination(strategy, plan):
    classes = [(3, "blue"), (3, "red"), (5, "red")]
    assert plan_synthesis(PAIRS, strategy) == dict(zip(classes, plan, strict=True))


ALL_PAIRS = [(3, "blue"), (3, "red"), (5, "blue"), (5, "red")]


@pytest.mark.parametrize(
    ("strategy", "max_ratio", "plan"),
    [
        ("combinations", None, [2, 0, 4, 5]),
        ("combinations", 1, [2, 0, 1, 0]),
        ("auto", None, [2, 0, 4]),
        ({(5, "blue"): 7}, None, [0, 0, 0, 7]),
        ({(5, "blue"): 7, (5, "red"): 2}, 3, [0, 0, 1, 0]),
        ({(np.int64(5), np.str_("blue")): 7}, None, [0, 0, 0, 7]),
    ],
)
def test_combinations_without_images_may_be_requested(strategy, max_ratio, plan):
    classes = [(3, "blue"), (3, "red"), (5, "red"), (5, "blue")][: len(plan)]
    found = plan_synthesis(PAIRS, strategy, max_ratio, ALL_PAIRS)
    assert list(found.items()) == list(zip(classes, plan, strict=True))
    assert all(type(value) in (int, str) for label in found for value in label)


def test_what_has_no_such_value_may_not():
    for unknown in ((5, "green"), 5, (5, "blue", 1)):
        with pytest.raises(DataError):
            plan_synthesis(PAIRS, {unknown: 7}, None, ALL_PAIRS)


def test_a_share_of_two_combinations_has_imbalanced_learns_errors():
    assert plan_synthesis(PAIRS[:8], 0.8) == {(3, "blue"): 1, (3, "red"): 0}
    with pytest.raises(DataError, match="increase the ratio"):
        plan_synthesis(PAIRS[:8], 0.2)
