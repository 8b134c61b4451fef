import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler

from balancegan.errors import DataError
from balancegan.evaluation.methods import (
    BUILT_IN,
    DEFAULT_METHODS,
    Method,
    SmallClassSMOTE,
    find_methods,
)


def test_default_methods():
    methods = find_methods(None, RandomOverSampler)
    assert [method.name for method in methods] == [
        "none",
        "class_weight",
        "oversample",
        "oversample+augment",
        "oversample+augment+mixup",
        "smote",
        "cgan",
        "cgan+augment",
    ]
    assert BUILT_IN[:-1] == DEFAULT_METHODS
    assert [method.baseline for method in methods] == [True] * 6 + [False] * 2


def test_gan_methods_share_a_sampler():
    methods = find_methods(
        ["cgan", "cgan+augment", "cgan+augment+mixup"], RandomOverSampler
    )
    assert len({id(method.sampler) for method in methods[1:]}) == 1
    assert [method.mixup for method in methods[1:]] == [0, 0, 0.2]


def test_no_augmenter_is_made_unless_needed():
    def refuse():
        raise AssertionError

    find_methods(["smote", Method("mine", RandomOverSampler())], refuse)


def test_samplers_by_name_are_not_baselines():
    methods = find_methods(
        {"smote-3": SMOTE(k_neighbors=3), "nothing": None}, RandomOverSampler
    )
    assert [method.name for method in methods] == ["none", "smote-3", "nothing"]
    assert [method.baseline for method in methods] == [True, False, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["smoote"], "no method called 'smoote'.*smote"),
        (["smote", "smote"], "twice.*smote"),
        ([Method("none"), "none"], "twice.*none"),
        ({"mine": object()}, "fit_resample.*'mine': object"),
        ("cgan2", "no method called 'cgan2'"),
    ],
)
def test_unknown_methods_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        find_methods(given, RandomOverSampler)


@pytest.mark.parametrize("counts", [(20, 8, 6), (20, 3, 2), (20, 1, 1)])
def test_smote_accepts_small_classes(counts, rng):
    X = rng.integers(0, 256, size=(sum(counts), 12)).astype("uint8")
    y = np.repeat(["a", "b", "c"], counts)
    X_new, y_new = SmallClassSMOTE(random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(X_new[: len(X)], X)
    assert np.unique(y_new, return_counts=True)[1].tolist() == [20] * 3
    assert X_new.dtype == np.uint8
    again = SmallClassSMOTE(random_state=0).fit_resample(X, y)[0]
    np.testing.assert_array_equal(X_new, again)


def test_smote_is_imbalanced_learns_for_large_classes(rng):
    X, y = rng.normal(size=(40, 5)).astype("float32"), np.repeat([0, 1], [30, 10])
    ours = SmallClassSMOTE(random_state=1).fit_resample(X, y)[0]
    np.testing.assert_array_equal(ours, SMOTE(random_state=1).fit_resample(X, y)[0])
