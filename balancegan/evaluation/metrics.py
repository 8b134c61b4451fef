"""The metrics of a classifier's predictions: of each class, overall, of combinations.

They are those of scikit-learn and imbalanced-learn; :mod:`.verdicts` compares them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from imblearn.metrics import geometric_mean_score
from sklearn.metrics import precision_recall_fscore_support

from balancegan.balance import FEW_SHOT, MANY_SHOT

CALIBRATION_BINS = 15
SHOTS = ("few_shot", "medium_shot", "many_shot")


def class_metrics(
    true: np.ndarray, predicted: np.ndarray, n_classes: int
) -> pd.DataFrame:
    """Return "precision", "recall" and "n_test" of each class, a row per class.

    Recall is NaN without test images, precision if the class was never predicted.

    Examples
    --------
    >>> class_metrics(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
       precision  recall  n_test
    0        1.0     0.5       2
    1        0.5     1.0       1
    """
    precision, recall, _, n_test = precision_recall_fscore_support(
        true, predicted, labels=np.arange(n_classes), zero_division=np.nan
    )
    return pd.DataFrame({"precision": precision, "recall": recall, "n_test": n_test})


def overall_metrics(
    true: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray | None,
    train_counts: Sequence[int],
) -> dict[str, float]:
    """Return the metrics of a classifier over all classes that have test images.

    Parameters
    ----------
    true, predicted : ndarray of shape (n,), int
        Class indices 0..K-1.
    probabilities : ndarray of shape (n, K) or None
        In 0..1. None: the calibration error is NaN.
    train_counts : sequence of int of length K
        Real training images of each class.

    Returns
    -------
    metrics : dict
        "balanced_accuracy" (the mean recall), "g_mean", "macro_f1", "accuracy",
        "calibration_error", and the mean recall of "many_shot" (over 1,000 training
        images), "medium_shot" and "few_shot" classes (at most 200), NaN without any.

    Examples
    --------
    >>> true, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    >>> metrics = overall_metrics(true, predicted, None, [4000, 40])
    >>> metrics["balanced_accuracy"], metrics["few_shot"]
    (0.75, 0.5)
    """
    counts = np.asarray(train_counts)
    labels = np.arange(len(counts))
    present = np.unique(true)
    _, recall, f1, _ = precision_recall_fscore_support(
        true, predicted, labels=labels, zero_division=0
    )
    return {
        "balanced_accuracy": _mean(recall[present]),
        "g_mean": float(
            geometric_mean_score(true, predicted, labels=present, average="multiclass")
        ),
        "macro_f1": _mean(f1[present]),
        "accuracy": float(np.mean(true == predicted)),
        **{
            name: _mean(recall[np.intersect1d(labels[group], present)])
            for name, group in group_by_shots(counts).items()
        },
        "calibration_error": (
            float("nan")
            if probabilities is None
            else expected_calibration_error(true, probabilities)
        ),
    }


def combination_metrics(
    correct: np.ndarray, class_indices: np.ndarray, train_counts: np.ndarray
) -> tuple[dict[str, float], pd.DataFrame]:
    """Return the mean accuracies of combinations of attributes, and a row for each.

    A classifier may learn one attribute from another that it is correlated with. The
    mean over combinations shows this, because rare ones weigh as much as frequent
    ones. The lowest is the worst-group accuracy of Sagawa et al. 2020,
    https://arxiv.org/abs/1911.08731. Combinations without test images are left out of
    means; their "accuracy" in the table is NaN.

    Examples
    --------
    >>> correct, of = np.array([True, True, False]), np.array([0, 0, 3])
    >>> metrics, table = combination_metrics(correct, of, np.array([900, 0, 0, 10]))
    >>> metrics["combination_accuracy"], metrics["few_shot"], list(table["n_test"])
    (0.5, 0.0, [2, 0, 0, 1])
    """
    n_test = np.bincount(class_indices, minlength=len(train_counts))
    n_correct = np.bincount(class_indices, correct, minlength=len(train_counts))
    table = pd.DataFrame(
        {"n_test": n_test, "accuracy": n_correct / np.maximum(n_test, 1)}
    )
    table.loc[n_test == 0, "accuracy"] = np.nan
    accuracy = table["accuracy"].to_numpy()[n_test > 0]
    metrics = {
        "combination_accuracy": _mean(accuracy),
        "worst_combination": float(accuracy.min()),
        **{
            name: _mean(accuracy[group[n_test > 0]])
            for name, group in group_by_shots(train_counts).items()
        },
    }
    return metrics, table


def group_by_shots(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return masks of classes with many, some and few training images, by SHOTS."""
    return {
        "many_shot": counts > MANY_SHOT,
        "medium_shot": (counts > FEW_SHOT) & (counts <= MANY_SHOT),
        "few_shot": counts <= FEW_SHOT,
    }


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def expected_calibration_error(
    true: np.ndarray, probabilities: np.ndarray, n_bins: int = CALIBRATION_BINS
) -> float:
    """Return the mean gap between confidence and accuracy.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3; confidence is the
    probability of the predicted class, and bins have equal width.

    Examples
    --------
    >>> probabilities = np.array([[0.8, 0.2]] * 10)
    >>> round(expected_calibration_error(np.array([0] * 7 + [1] * 3), probabilities), 2)
    0.1
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == true
    # Bins are open below and closed above
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    surplus = np.bincount(bins, confidence - correct, minlength=n_bins)
    return float(np.abs(surplus).sum() / len(true))
