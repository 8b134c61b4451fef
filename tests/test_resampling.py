from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import BaseEstimator

from balancegan.errors import DataError
from balancegan.evaluation.labelling import learn_labels
from balancegan.evaluation.methods import SmallClassSMOTE
from balancegan.evaluation.resampling import find_new_rows, read_quality, resample

from .conftest import make_images

IMAGES = make_images(30, (6, 5, 2))
LABELS = np.repeat(["bag", "coat", "shirt"], [18, 9, 3])
LABELLING, CLASS_INDICES = learn_labels(LABELS, len(LABELS))


class Returns:
    """A sampler that returns what it is told to, and remembers what it was given."""

    def __init__(self, change):
        self.change, self.calls = change, []

    def fit_resample(self, X, y):
        self.calls.append((X, y))
        return self.change(X, y)


def test_no_sampler_leaves_the_rows_unchanged():
    resampled = resample(None, IMAGES, CLASS_INDICES, LABELLING, 0)
    np.testing.assert_array_equal(resampled.images, IMAGES)
    np.testing.assert_array_equal(LABELLING.classes[resampled.class_indices], LABELS)
    assert not resampled.is_new.any()
    assert (resampled.fit_seconds, resampled.resample_seconds) == (0, 0)


def test_fit_seconds_of_the_sampler_are_reported():
    sampler = Returns(lambda X, y: (X, y))
    resampled = resample(sampler, IMAGES, CLASS_INDICES, LABELLING, 0)
    assert resampled.fit_seconds == 0
    assert resampled.resample_seconds > 0
    sampler.report_ = SimpleNamespace(fit_seconds=1e-9)
    assert resample(sampler, IMAGES, CLASS_INDICES, LABELLING, 0).fit_seconds == 1e-9


def test_flat_samplers_get_rows_and_images_come_back():
    sampler = RandomOverSampler()
    resampled = resample(sampler, IMAGES, CLASS_INDICES, LABELLING, 0)
    assert resampled.images.shape == (54, 6, 5, 2)
    assert resampled.images.dtype == np.uint8
    assert np.bincount(resampled.class_indices).tolist() == [18, 18, 18]
    assert resampled.is_new.tolist() == [False] * 30 + [True] * 24
    again, other = (
        resample(sampler, IMAGES, CLASS_INDICES, LABELLING, seed).images
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(resampled.images, again)
    assert (other != again).any()
    assert sampler.random_state is None


class SaysWhatItDoes:
    def fit_resample(self, X, y):
        self.method_ = np.repeat(["real", "gan", "copied"], [len(X), 2, 3])
        return np.concatenate([X, 255 - X[:2], X[:3]]), np.concatenate([y, y[:5]])


def test_declared_copies_are_marked():
    resampled = resample(SaysWhatItDoes(), IMAGES, CLASS_INDICES, LABELLING, seed=0)
    n = len(IMAGES)
    assert resampled.is_new.tolist() == [False] * n + [True] * 5
    assert resampled.is_copy.tolist() == [False] * (n + 2) + [True] * 3


def test_seeds_reach_samplers_inside_a_pipeline():
    sampler = make_pipeline(RandomOverSampler(), RandomUnderSampler())
    first, again = (
        resample(sampler, IMAGES, CLASS_INDICES, LABELLING, 3) for _ in range(2)
    )
    np.testing.assert_array_equal(first.images, again.images)


def test_other_samplers_get_unflattened_images():
    sampler = Returns(lambda X, y: (X[::-1], y[::-1]))
    resampled = resample(sampler, IMAGES, CLASS_INDICES, LABELLING, 0)
    assert sampler.calls == []  # a copy was asked
    np.testing.assert_array_equal(resampled.images, IMAGES[::-1])
    assert not resampled.is_new.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[:, :3], y), "must return images of shape"),
        (lambda X, y: (X, y[:-1]), "and n labels"),
        (lambda X, y: (X, np.where(y == "bag", "hat", y)), "unknown.*hat.*bag"),
        (lambda X, y: (X[y != "shirt"], y[y != "shirt"]), "missing.*shirt"),
        (lambda X, y: (X * np.nan, y), "NaN or infinity"),
        (lambda X, y: (X + 300.0 * (X.max() == X), y), "values in 0 to 255.*to 55"),
        (lambda X, y: (X - 300.0 * (X.min() == X), y), "values in 0 to 255.*from -3"),
        (lambda X, y: (X.astype(str), y), "image of numbers"),
        (lambda X, y: (X[:0], y[:0]), "at least one|missing"),
    ],
)
def test_invalid_output_of_a_sampler_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        resample(Returns(change), IMAGES, CLASS_INDICES, LABELLING, 0)


def test_values_are_rounded_and_clipped():
    given = IMAGES - 0.4 * (IMAGES > 0)
    sampler = Returns(lambda X, y: (given, y))
    found = resample(sampler, IMAGES, CLASS_INDICES, LABELLING, 0).images
    np.testing.assert_array_equal(found, IMAGES)
    noisy = Returns(lambda X, y: (X + 30.0 * (X > 200) - 30.0 * (X < 30), y))
    found = resample(noisy, IMAGES, CLASS_INDICES, LABELLING, 0).images
    expected = np.clip(IMAGES + 30.0 * (IMAGES > 200) - 30.0 * (IMAGES < 30), 0, 255)
    np.testing.assert_array_equal(found, expected)
    floats = IMAGES / 255
    brighter = Returns(lambda X, y: (X * 2, y))
    with pytest.raises(DataError, match="values in 0 to 1"):
        resample(brighter, floats, CLASS_INDICES, LABELLING, 0, (0.0, 1.0))
    resample(brighter, floats, CLASS_INDICES, LABELLING, 0)


@pytest.mark.parametrize("sampler", ["float32", "smote"])
def test_originals_rounded_on_the_way_are_not_new(sampler):
    images = IMAGES / 255
    if sampler == "float32":
        fresh = make_images(4, (6, 5, 2), "float32", seed=9)
        sampler = Returns(
            lambda X, y: (np.concatenate([X.astype("float32"), fresh]), [*y, *y[-4:]])
        )
        n_new = 4
    else:
        sampler, n_new = SmallClassSMOTE(), 24
    found = resample(sampler, images, CLASS_INDICES, LABELLING, 0)
    assert found.images.dtype == np.float64
    assert np.flatnonzero(found.is_new).tolist() == list(range(30, 30 + n_new))


def test_boolean_images_are_rounded():
    images = make_images(30, (6, 5, 2)) > 200
    found = resample(SmallClassSMOTE(), images, CLASS_INDICES, LABELLING, 0)
    real = images[18:].mean()
    assert found.images[30:].mean() == pytest.approx(real, abs=0.1)


def test_samplers_cannot_change_the_input():
    def darken(X, y):
        X //= 2
        return X, y

    before = IMAGES.copy()
    resample(Returns(darken), IMAGES, CLASS_INDICES, LABELLING, 0)
    np.testing.assert_array_equal(IMAGES, before)


@pytest.mark.parametrize("order", [["light", "garment"], ["garment", "light"]])
def test_balance_on_may_have_any_order(order):
    values = {"garment": "bag", "light": "day"}
    sampler = Returns(None)
    sampler.balance_on = order
    table = pd.DataFrame({"class": [tuple(map(values.get, order))]})
    sampler.report_ = SimpleNamespace(quality_summary=table)
    (row,) = read_quality(sampler, ("garment", "light"))
    assert row["class"] == ["bag", "day"]


def test_new_rows_are_found_at_any_position(rng):
    added = make_images(4, (6, 5, 2), seed=9)
    mixed = np.concatenate([added[:2], IMAGES[10:], added[2:], IMAGES[:12]])
    is_new = find_new_rows(IMAGES, mixed)
    assert np.flatnonzero(is_new).tolist() == [0, 1, 22, 23, *range(34, 36)]
    order = rng.permutation(30)
    assert not find_new_rows(IMAGES, IMAGES[order]).any()
    assert find_new_rows(IMAGES, IMAGES[:7]).sum() == 0


class Parametrised(BaseEstimator):
    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit_resample(self, X, y):
        assert X.ndim == 2
        return X, y


def test_estimators_without_image_tags_get_flat_rows():
    resample(Parametrised(), IMAGES, CLASS_INDICES, LABELLING, 5)
