"""imbalanced-learn's and scikit-learn's own checks, run on our sampler.

The checks bring tables; here, and here only, a row of a table is read as an image of
one line. What would not hold stands in ``EXPECTED_FAILURES`` with its reason; a check
listed there that passes after all fails the test run.
"""

import numpy as np
import pytest
import sklearn.utils.estimator_checks as sklearn_checks
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from imblearn.utils import estimator_checks as imblearn_checks
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate

from balancegan import images, shapes
from balancegan.samplers import training

from .augmenters import build_augmenter
from .conftest import make_images

EXPECTED_FAILURES = {
    "check_samplers_pandas_sparse": "images are dense: sparse columns are refused",
}


@pytest.fixture(autouse=True)
def rows_are_images_of_one_line(monkeypatch):
    def find_format(rows, image_shape, value_range):
        if rows.ndim == 2 and image_shape is None:
            image_shape = (1, rows.shape[1])
        return images.find_format(rows, image_shape, value_range)

    monkeypatch.setattr(shapes, "MIN_SIDE", 1)
    monkeypatch.setattr(training, "find_format", find_format)


def all_checks():
    # Judges of its images would be most of the time; test_rejection has them
    sampler = build_augmenter(steps=1, batch_size=4, random_state=0, verbose=0)
    for checks in (imblearn_checks, sklearn_checks):
        yield from checks.estimator_checks_generator(
            sampler, expected_failed_checks=EXPECTED_FAILURES, mark="xfail"
        )


@pytest.mark.parametrize(
    ("sampler", "check"),
    list(all_checks()),
    ids=lambda value: getattr(getattr(value, "func", None), "__name__", ""),
)
def test_estimator_checks(sampler, check):
    check(sampler)


@pytest.fixture
def garments():
    """Sixty 8x8 images: a bright upper half, or a bright lower half in 18."""
    X, y = make_images(60), np.repeat(["upper", "lower"], [42, 18])
    X //= 4
    X[:42, :4] += 180
    X[42:, 4:] += 180
    return X, y


class FlattenedRegression(LogisticRegression):
    """Logistic regression that takes images and remembers what it was given."""

    def fit(self, X, y):
        self.counts_ = dict(zip(*np.unique(y, return_counts=True), strict=True))
        return super().fit(X.reshape(len(X), -1) / 255.0, y)

    def predict(self, X):
        return super().predict(X.reshape(len(X), -1) / 255.0)


def make_pipeline():
    sampler = build_augmenter(steps=1, random_state=0, verbose=0)
    return Pipeline([("balance", sampler), ("classify", FlattenedRegression())])


def test_step_of_a_pipeline_in_cross_validate(garments):
    X, y = garments
    result = cross_validate(make_pipeline(), X, y, cv=3, return_estimator=True)
    assert (result["test_score"] > 0.9).all()
    for pipeline in result["estimator"]:
        # Balanced in training; the 20 test images of each fold are left alone
        assert pipeline["classify"].counts_ == {"lower": 28, "upper": 28}


def test_step_of_a_pipeline_in_grid_search(garments):
    X, y = garments
    grid = {"balance__sampling_strategy": ["auto", 0.5, {"lower": 20}]}
    search = GridSearchCV(make_pipeline(), grid, cv=2, error_score="raise").fit(X, y)
    assert set(search.best_estimator_["classify"].counts_) == {"lower", "upper"}
    assert len(search.cv_results_["params"]) == 3


def test_the_same_counts_as_duplication_at_random(garments):
    X, y = garments
    duplicates = RandomOverSampler(random_state=0)
    _, expected = duplicates.fit_resample(X.reshape(len(X), -1), y)
    sampler = build_augmenter(steps=1, random_state=0, verbose=0)
    _, y_resampled = sampler.fit_resample(X, y)
    assert sorted(y_resampled) == sorted(expected)
