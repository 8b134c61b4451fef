import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler

from balancegan.errors import DataError
from balancegan.evaluation.arms import (
    BUILT_IN,
    DEFAULT_ARMS,
    Arm,
    SmallClassSMOTE,
    find_arms,
)


def test_the_default_arms_are_the_protocols():
    arms = find_arms(None, RandomOverSampler)
    assert [arm.name for arm in arms] == [
        "none",
        "class_weight",
        "oversample",
        "oversample+augment",
        "oversample+augment+mixup",
        "smote",
        "cgan",
        "cgan+augment",
    ]
    assert BUILT_IN[:-1] == DEFAULT_ARMS
    assert [arm.rival for arm in arms] == [True] * 6 + [False] * 2


def test_generator_arms_share_what_was_generated():
    arms = find_arms(["cgan", "cgan+augment", "cgan+augment+mixup"], RandomOverSampler)
    assert len({id(arm.sampler) for arm in arms[1:]}) == 1
    assert [arm.mixup for arm in arms[1:]] == [0, 0, 0.2]


def test_no_generator_is_made_unless_asked():
    def refuse():
        raise AssertionError

    find_arms(["smote", Arm("mine", RandomOverSampler())], refuse)


def test_a_users_own_arms_are_on_trial():
    arms = find_arms(
        {"smote-3": SMOTE(k_neighbors=3), "nothing": None}, RandomOverSampler
    )
    assert [arm.name for arm in arms] == ["none", "smote-3", "nothing"]
    assert [arm.rival for arm in arms] == [True, False, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["smoote"], "no arm called 'smoote'.*smote"),
        (["smote", "smote"], "twice.*smote"),
        ([Arm("none"), "none"], "twice.*none"),
        ({"mine": object()}, "fit_resample.*'mine': object"),
        ("cgan2", "no arm called 'cgan2'"),
    ],
)
def test_what_is_no_arm_is_refused(given, message):
    with pytest.raises(DataError, match=message):
        find_arms(given, RandomOverSampler)


@pytest.mark.parametrize("counts", [(20, 8, 6), (20, 3, 2), (20, 1, 1)])
def test_smote_stands_small_classes(counts, rng):
    X = rng.integers(0, 256, size=(sum(counts), 12)).astype("uint8")
    y = np.repeat(["a", "b", "c"], counts)
    X_new, y_new = SmallClassSMOTE(random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(X_new[: len(X)], X)
    assert np.unique(y_new, return_counts=True)[1].tolist() == [20] * 3
    assert X_new.dtype == np.uint8
    again = SmallClassSMOTE(random_state=0).fit_resample(X, y)[0]
    np.testing.assert_array_equal(X_new, again)


def test_smote_is_imbalanced_learns_where_classes_suffice(rng):
    X, y = rng.normal(size=(40, 5)).astype("float32"), np.repeat([0, 1], [30, 10])
    ours = SmallClassSMOTE(random_state=1).fit_resample(X, y)[0]
    np.testing.assert_array_equal(ours, SMOTE(random_state=1).fit_resample(X, y)[0])
