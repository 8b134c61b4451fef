"""How good predictions are, and whether one method's are better than another's.

Figures are scikit-learn's and imbalanced-learn's own; what is decided here is which
of them are reported, and when a difference is evidence. Nothing here knows how the
predictions came about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from imblearn.metrics import geometric_mean_score
from scipy.stats import t as student
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from balancegan.balance import FEW_SHOT, MANY_SHOT

Verdict = Literal["helps", "no evidence", "harms", "not enough runs"]

CALIBRATION_BINS = 15
SHOTS = ("few_shot", "medium_shot", "many_shot")
ERROR_RATE = 0.05  # of a verdict other than "no evidence" where there is no difference


def class_figures(
    true: np.ndarray, predicted: np.ndarray, n_classes: int
) -> pd.DataFrame:
    """Return precision, recall and number of test images of each class.

    Parameters
    ----------
    true, predicted : ndarray of shape (n,), int
        Class indices 0..n_classes-1.
    n_classes : int
        Number of classes; some may have no test image.

    Returns
    -------
    figures : DataFrame
        A row per class; columns "precision", "recall" (both in 0..1), "n_test".
        Recall is NaN for a class without a test image, precision for one that was
        never predicted.

    Examples
    --------
    >>> class_figures(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
       precision  recall  n_test
    0        1.0     0.5       2
    1        0.5     1.0       1
    """
    precision, recall, _, n_test = precision_recall_fscore_support(
        true, predicted, labels=np.arange(n_classes), zero_division=np.nan
    )
    return pd.DataFrame({"precision": precision, "recall": recall, "n_test": n_test})


def overall_figures(
    true: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray | None,
    train_counts: Sequence[int],
) -> dict[str, float]:
    """Return the figures of one classifier over all classes that the test part has.

    Parameters
    ----------
    true, predicted : ndarray of shape (n,), int
        Class indices 0..K-1.
    probabilities : ndarray of shape (n, K) or None
        In 0..1. None: the calibration error is NaN.
    train_counts : sequence of int of length K
        Real training images of each class, which make it many-, medium- or few-shot.

    Returns
    -------
    figures : dict
        "balanced_accuracy" (the mean recall), "g_mean" (the K-th root of the product
        of the recalls), "macro_f1", "accuracy", the mean recall of "many_shot" (over
        1,000 training images), "medium_shot" and "few_shot" classes (at most 200),
        "calibration_error"; NaN where there is nothing to take a mean of.

    Examples
    --------
    >>> true, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    >>> figures = overall_figures(true, predicted, None, [4000, 40])
    >>> figures["balanced_accuracy"], figures["few_shot"]
    (0.75, 0.5)
    """
    counts = np.asarray(train_counts)
    labels = np.arange(len(counts))
    present = np.unique(true)
    _, recall, f1, _ = precision_recall_fscore_support(
        true, predicted, labels=labels, zero_division=0
    )
    means = {
        name: _mean(recall[np.intersect1d(labels[group], present)])
        for name, group in group_by_shots(counts).items()
    }
    return {
        "balanced_accuracy": _mean(recall[present]),
        "g_mean": float(
            geometric_mean_score(true, predicted, labels=present, average="multiclass")
        ),
        "macro_f1": _mean(f1[present]),
        "accuracy": float(np.mean(true == predicted)),
        **means,
        "calibration_error": (
            float("nan")
            if probabilities is None
            else expected_calibration_error(true, probabilities)
        ),
    }


def combination_figures(
    right: np.ndarray, class_indices: np.ndarray, train_counts: np.ndarray
) -> tuple[dict[str, float], pd.DataFrame]:
    """Return how often classifiers are right about images of each combination.

    Where attributes go together in training and not in the world, a classifier may
    learn one from another, which the recall of its classes does not show if they go
    together in the test part too. The mean over combinations weighs rare ones as much
    as frequent ones, and the worst of them is what Sagawa et al. 2020
    (https://arxiv.org/abs/1911.08731) call worst-group accuracy.

    Parameters
    ----------
    right : ndarray of shape (n,), bool
        Whether the class of each test image was predicted.
    class_indices : ndarray of shape (n,), int
        Its combination.
    train_counts : ndarray of shape (n_combinations,), int
        Real training images of each.

    Returns
    -------
    figures : dict
        Over the combinations that test images have: "combination_accuracy" (the mean),
        "worst_combination", and the means "many_shot", "medium_shot" and "few_shot" as
        of :func:`overall_figures`, of combinations instead of classes.
    table : DataFrame
        A row per combination; columns "n_test" and "accuracy", which is NaN for one
        without a test image.

    Examples
    --------
    >>> right, of = np.array([True, True, False]), np.array([0, 0, 3])
    >>> figures, table = combination_figures(right, of, np.array([900, 0, 0, 10]))
    >>> figures["combination_accuracy"], figures["few_shot"], list(table["n_test"])
    (0.5, 0.0, [2, 0, 0, 1])
    """
    n_test = np.bincount(class_indices, minlength=len(train_counts))
    n_right = np.bincount(class_indices, right, minlength=len(train_counts))
    table = pd.DataFrame(
        {"n_test": n_test, "accuracy": n_right / np.maximum(n_test, 1)}
    )
    table.loc[n_test == 0, "accuracy"] = np.nan
    accuracy = table["accuracy"].to_numpy()[n_test > 0]
    figures = {
        "combination_accuracy": _mean(accuracy),
        "worst_combination": float(accuracy.min()),
        **{
            name: _mean(accuracy[group[n_test > 0]])
            for name, group in group_by_shots(train_counts).items()
        },
    }
    return figures, table


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
    """Return how far confidence is from being right, on average over confidences.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3, with the probability
    of the predicted class as confidence and bins of equal width.

    Parameters
    ----------
    true : ndarray of shape (n,), int
        Class indices.
    probabilities : ndarray of shape (n, K)
        In 0..1.
    n_bins : int, default=15
        Number of bins.

    Returns
    -------
    error : float
        0: among the images predicted with 70 % confidence 70 % are right, and so on.

    Examples
    --------
    >>> probabilities = np.array([[0.8, 0.2]] * 10)
    >>> round(expected_calibration_error(np.array([0] * 7 + [1] * 3), probabilities), 2)
    0.1
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    # Bins are open below and closed above
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    surplus = np.bincount(bins, confidence - right, minlength=n_bins)
    return float(np.abs(surplus).sum() / len(true))


def count_confusions(
    true: np.ndarray, predicted: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return how often each true class (row) was taken for each class (column)."""
    return confusion_matrix(true, predicted, labels=np.arange(n_classes))


@dataclass(frozen=True)
class Difference:
    """How much better one method is than another, over pairs of runs.

    Attributes
    ----------
    mean, low, high : float
        Mean of the differences and the bounds of its interval. NaN without pairs; the
        bounds are NaN too where they cannot be measured: with one pair, and where the
        interval would leave out no possible difference.
    n_pairs : int
        Independent pairs: splits where there are several, else seeds.
    """

    mean: float
    low: float
    high: float
    n_pairs: int

    @property
    def verdict(self) -> Verdict:
        """Helps: the whole interval is above 0. Harms: below."""
        if self.n_pairs < 2:
            return "not enough runs"
        if self.low > 0:
            return "helps"
        return "harms" if self.high < 0 else "no evidence"

    def as_dict(self) -> dict[str, Any]:
        """Return numbers and verdict; None for what cannot be measured."""
        bounds = {"mean": self.mean, "low": self.low, "high": self.high}
        return {
            **{name: None if np.isnan(x) else x for name, x in bounds.items()},
            "n_pairs": self.n_pairs,
            "verdict": self.verdict,
        }


def paired_difference(
    values: Sequence[float] | np.ndarray,
    others: Sequence[float] | np.ndarray,
    *,
    splits: Sequence[int] | np.ndarray | None = None,
    n_chosen_from: int = 1,
    n_tried: int = 1,
    n_verdicts: int = 1,
    test_share: float = 0.0,
    resolution: float = 0.0,
) -> Difference:
    """Return the mean paired difference and an interval for the true one.

    Student's t over the pairs, at 95 %. Ways of fooling oneself widen it:

    Parameters
    ----------
    values, others : sequence of float, of the same length
        A figure in 0..1 of two methods, run for run on the same split with the same
        seed. Pairs with a NaN are left out.
    splits : sequence of int, of the same length, or None, default=None
        The split of each pair. Pairs of one split share its images, so more seeds say
        nothing about other images: where there are several splits, the pairs of each
        are averaged and count as one. None, or one split: each pair counts, and the
        interval is about training again on these images, judged by this test part.
    n_chosen_from : int, default=1
        `others` was chosen as the best of so many methods *by these very runs*. The
        best of several looks better than it is, so that a method as good as all of them
        would seem to harm; the upper bound is moved up accordingly (Bonferroni). The
        lower bound needs no correction: the choice makes it the more cautious. Methods
        that are told from the best for certain could not have been chosen, and need not
        count.
    n_tried : int, default=1
        The same of `values`: the best of so many. The lower bound is moved down.
    n_verdicts : int, default=1
        So many verdicts are given side by side, one for each class, say; both bounds
        are moved (Bonferroni), so that all of them are right together as often.
    test_share : float, default=0.0
        Number of test images over number of training images, for folds: their training
        parts overlap, so that their results are alike (Nadeau and Bengio 2003,
        https://doi.org/10.1023/A:1024068626366, section 4.3). 0: a test part of its
        own.
    resolution : float, default=0.0
        How much one test image changes the figure. Where test images are few, pairs
        may differ by the same amount by chance; their standard deviation is taken to
        be this at least, unless no pair differs at all.

    Returns
    -------
    difference : Difference
        Positive: `values` are higher. The bounds end where the figure would leave
        0..1 if `others` were measured exactly.

    Raises
    ------
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> paired_difference([0.84, 0.86, 0.85], [0.81, 0.82, 0.81]).verdict
    'helps'
    >>> paired_difference([0.84, 0.86], [0.81, 0.82], splits=[0, 0]).n_pairs
    2
    >>> paired_difference([0.84, 0.86, 0.85], [0.81] * 3, splits=[0, 0, 1]).n_pairs
    2
    >>> paired_difference([0.84], [0.81]).verdict
    'not enough runs'
    """
    values, others = np.asarray(values, float), np.asarray(others, float)
    if values.shape != others.shape or values.ndim != 1:
        raise ValueError(
            "Pairs need two sequences of the same length. Received: shapes "
            f"{values.shape} and {others.shape}."
        )
    known = ~np.isnan(values - others)
    differences, base = (values - others)[known], others[known]
    if splits is not None and len(set(splits)) > 1:
        differences = _average_by(np.asarray(splits)[known], differences)
    n = len(differences)
    # np.nan is one object, so differences without bounds are equal if their means are
    if n == 0:
        return Difference(np.nan, np.nan, np.nan, 0)
    mean = float(differences.mean())
    if n == 1:
        return Difference(mean, np.nan, np.nan, 1)
    spread = max(differences.std(ddof=1), resolution if differences.any() else 0.0)
    error = float(spread * np.sqrt(1 / n + test_share))
    tail = ERROR_RATE / 2 / n_verdicts
    low = mean - float(student.isf(tail / n_tried, n - 1)) * error
    high = mean + float(student.isf(tail / n_chosen_from, n - 1)) * error
    least, most = min(-base.mean(), mean), max(1 - base.mean(), mean)
    if low <= least < most <= high:
        return Difference(mean, np.nan, np.nan, n)
    return Difference(mean, float(max(low, least)), float(min(high, most)), n)


def _average_by(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean of the values of each group."""
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    means: np.ndarray = np.bincount(inverse, values) / counts
    return means
