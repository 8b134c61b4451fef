"""Verdicts: paired differences of metrics, their intervals, and what they say."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import t as student

Verdict = Literal["helps", "no evidence", "harms", "not enough runs"]

NONE = "none"  # the method that changes nothing
ERROR_RATE = 0.05  # share of wrong verdicts where there is no difference
WORDS: dict[Verdict, str] = {
    "helps": "better than",
    "harms": "worse than",
    "no evidence": "not shown to be better than",
    "not enough runs": "not enough runs to compare with",
}


@dataclass(frozen=True)
class Difference:
    """How much better one method is than another, over pairs of runs.

    Attributes
    ----------
    mean, low, high : float
        Mean difference and the bounds of its interval. NaN without pairs. The bounds
        are also NaN with one pair, and where they would exclude nothing.
    n_pairs : int
        Independent pairs: folds if there are any, else seeds.
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
    """Return the mean paired difference and its 95 % interval (Student's t).

    Parameters
    ----------
    values, others : sequence of float, of the same length
        A metric in 0..1 of two methods, paired by split and seed. Pairs with NaN are
        ignored.
    splits : sequence of int, of the same length, or None, default=None
        The split of each pair. With several splits, the pairs of each are averaged
        and count as one, because they share its images. None, or one split: each pair
        counts, and the interval is about retraining on the same images.
    n_chosen_from : int, default=1
        Number of methods that `others` is the best of, *by these very runs*. The best
        of several looks better than it is, so the upper bound moves up (Bonferroni).
        Methods significantly worse than the best do not count.
    n_tried : int, default=1
        Number of methods that `values` is the best of. The lower bound moves down.
    n_verdicts : int, default=1
        Number of verdicts given together, one per class for example. Both bounds move
        (Bonferroni), so that the verdicts hold jointly.
    test_share : float, default=0.0
        Test images divided by training images of a fold. Training parts of folds
        overlap, so their results are correlated (Nadeau and Bengio 2003,
        https://doi.org/10.1023/A:1024068626366, section 4.3). 0: a separate test part.
    resolution : float, default=0.0
        How much one test image changes the metric. With few test images, pairs may
        agree by chance; the standard deviation is at least this, unless no pair
        differs.

    Returns
    -------
    difference : Difference
        Positive if `values` are higher. Bounds end where the metric would leave 0..1.

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
        _, split, counts = np.unique(
            np.asarray(splits)[known], return_inverse=True, return_counts=True
        )
        differences = np.bincount(split, differences) / counts
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


def distinct_pairs(
    runs: Sequence[dict[str, Any]], method: str, other: str
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pair the runs of two methods by split and seed.

    If all pairs of a split are identical, neither method depends on the seed; more
    seeds are no more evidence, and one pair is kept.
    """
    by_name = {(run["method"], run["split"], run["seed"]): run for run in runs}
    of_splits: dict[int, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for name, split, seed in by_name:
        if name == method:
            pair = by_name[method, split, seed], by_name[other, split, seed]
            of_splits.setdefault(split, []).append(pair)
    distinct = []
    for pairs in of_splits.values():
        outcomes = {
            json.dumps([(run["metrics"], run["confusion"]) for run in pair])
            for pair in pairs
        }
        distinct += pairs if len(outcomes) > 1 else pairs[:1]
    return distinct


@dataclass(frozen=True)
class MethodVerdict:
    """Whether a method is better than doing nothing and than the best baseline.

    Attributes
    ----------
    method, best_baseline : str
        Names. The best baseline is the one with the highest mean metric.
    against_none, against_best_baseline : Difference
        Of the metric, over folds or, on one test part, over seeds.
    classes : dict of str to dict
        For each class "against_none" and "against_best_baseline", differences of
        recall. Their intervals are corrected for multiple comparisons (95 % jointly).
    means : dict of str to float
        Mean metric of the method, of "none" and of the best baseline.
    metric : str
        "balanced accuracy" or "accuracy of combinations".
    pairs_are : str
        What differences vary over: "folds" or "seeds".
    """

    method: str
    best_baseline: str
    against_none: Difference
    against_best_baseline: Difference
    classes: dict[str, dict[str, Difference]]
    means: dict[str, float]
    metric: str
    pairs_are: str

    @property
    def overall(self) -> Verdict:
        """Helps: better than both. Harms: worse than either."""
        return join_verdicts(self.against_none, self.against_best_baseline)

    def class_verdicts(self) -> dict[str, Verdict]:
        """Return the verdict of each class, by the same rule."""
        return {
            label: join_verdicts(*differences.values())
            for label, differences in self.classes.items()
        }

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, in per cent and points."""
        best, baseline = self.against_best_baseline, self.best_baseline
        compared = []
        if baseline == NONE:
            baseline = "doing nothing"
        else:
            compared.append(
                f"{WORDS[self.against_none.verdict]} doing nothing "
                f"({format_points(self.against_none.mean)} points)"
            )
        compared.append(
            f"{WORDS[best.verdict]} {baseline}, the best baseline "
            f"({self._describe(best)})"
        )
        reached = f"{100 * self.means[self.method]:.1f} % {self.metric}"
        return f"{self.method} reaches {reached}: {', '.join(compared)}."

    def _describe(self, best: Difference) -> str:
        points = f"{format_points(best.mean)} points"
        if best.n_pairs < 2:
            return f"{points}; one run each, or no run that depends on the seed"
        interval = format_interval(best.low, best.high)
        return f"{points}, 95 % interval {interval}, {best.n_pairs} {self.pairs_are}"


def join_verdicts(*differences: Difference) -> Verdict:
    """Return helps if all help, harms if one harms.

    Examples
    --------
    >>> good, bad = Difference(0.1, 0.05, 0.15, 3), Difference(-0.1, -0.2, -0.01, 3)
    >>> join_verdicts(good, good), join_verdicts(good, bad)
    ('helps', 'harms')
    """
    verdicts = [difference.verdict for difference in differences]
    if "not enough runs" in verdicts:
        return "not enough runs"
    if "harms" in verdicts:
        return "harms"
    return "helps" if set(verdicts) == {"helps"} else "no evidence"


def format_points(share: float | None) -> str:
    """Return a difference of shares in percentage points.

    Examples
    --------
    >>> format_points(0.0123), format_points(float("nan"))
    ('+1.2', '–')
    """
    return "–" if share is None or np.isnan(share) else f"{100 * share:+.1f}"


def format_interval(low: float, high: float) -> str:
    """Return an interval in points.

    Examples
    --------
    >>> format_interval(-0.012, 0.3), format_interval(float("nan"), float("nan"))
    ('-1.2 to +30.0', 'not measurable')
    """
    if np.isnan(low) or np.isnan(high):
        return "not measurable"
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def describe_intervals(n_splits: int) -> str:
    """Return what the intervals of a comparison cover.

    Examples
    --------
    >>> describe_intervals(5)
    'Intervals are over 5 folds; the seeds of a fold are averaged.'
    """
    if n_splits > 1:
        return f"Intervals are over {n_splits} folds; the seeds of a fold are averaged."
    return (
        "Intervals are over seeds: they cover retraining on these images and this test "
        "part, not other test images."
    )
