import numpy as np
import pytest
from imblearn.metrics import geometric_mean_score
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)

from balancegan.evaluation.metrics import (
    class_metrics,
    expected_calibration_error,
    overall_metrics,
)

COUNTS = [4000, 1000, 201, 200, 40]


@pytest.fixture
def predictions(rng):
    true = np.repeat(np.arange(5), [40, 30, 20, 10, 10])
    probabilities = rng.dirichlet(np.ones(5), size=len(true))
    probabilities[np.arange(len(true)), true] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return true, probabilities.argmax(axis=1), probabilities


def test_overall_metrics_are_scikit_learns_and_imbalanced_learns(predictions):
    true, predicted, probabilities = predictions
    metrics = overall_metrics(true, predicted, probabilities, COUNTS)
    recall = recall_score(true, predicted, average=None)
    expected = {
        "balanced_accuracy": balanced_accuracy_score(true, predicted),
        "g_mean": geometric_mean_score(true, predicted),
        "macro_f1": f1_score(true, predicted, average="macro"),
        "accuracy": (true == predicted).mean(),
        "many_shot": recall[0],
        "medium_shot": recall[1:3].mean(),
        "few_shot": recall[3:].mean(),
    }
    assert 0.5 < metrics["balanced_accuracy"] < 1
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value), name


def test_class_metrics_and_confusions_are_scikit_learns(predictions):
    true, predicted, _ = predictions
    metrics = class_metrics(true, predicted, 5)
    np.testing.assert_allclose(
        metrics["precision"], precision_score(true, predicted, average=None)
    )
    np.testing.assert_allclose(
        metrics["recall"], recall_score(true, predicted, average=None)
    )
    assert metrics["n_test"].tolist() == [40, 30, 20, 10, 10]


def test_classes_without_test_images_are_ignored():
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    metrics = overall_metrics(true, predicted, None, [300, 300, 50])
    assert metrics["balanced_accuracy"] == 0.75
    assert metrics["g_mean"] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(metrics["few_shot"])
    assert np.isnan(metrics["many_shot"])
    assert np.isnan(metrics["calibration_error"])
    of_classes = class_metrics(true, predicted, 3)
    assert of_classes["n_test"].tolist() == [2, 2, 0]
    assert np.isnan(of_classes["recall"][2])


def test_a_recall_of_zero_makes_the_g_mean_zero():
    true, predicted = np.array([0, 0, 1]), np.array([0, 0, 0])
    assert overall_metrics(true, predicted, None, [9, 9])["g_mean"] == 0
    assert np.isnan(class_metrics(true, predicted, 2)["precision"][1])


def test_calibration_error_by_hand():
    # 0.9: one of two right; 0.6: both right; bins far apart
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    true = np.array([0, 1, 1, 1])
    assert expected_calibration_error(true, probabilities) == pytest.approx(
        0.5 * 0.4 + 0.5 * 0.4
    )
    sure = np.eye(2)[[0, 1]]
    assert expected_calibration_error(np.array([0, 1]), sure) == 0


def test_a_bin_is_open_below_and_closed_above():
    # With two bins 0.5 belongs to the lower one, apart from 0.6
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2]])
    error = expected_calibration_error(np.array([1, 0]), probabilities, n_bins=2)
    assert error == pytest.approx((0.5 + 0.4) / 2)
