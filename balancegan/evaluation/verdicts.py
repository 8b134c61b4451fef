"""Whether a method helped: from paired differences to one word and one sentence."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from balancegan.evaluation.metrics import Difference, Verdict

NONE = "none"
WORDS: dict[Verdict, str] = {
    "helps": "better than",
    "harms": "worse than",
    "no evidence": "not shown to be better than",
    "not enough runs": "not enough runs to compare with",
}


@dataclass(frozen=True)
class MethodVerdict:
    """Whether a method helped, measured against nothing and against the best baseline.

    Attributes
    ----------
    method, best_baseline : str
        Names. The best baseline is the one with the highest mean figure.
    against_none, against_best_baseline : Difference
        Of the figure, over folds or, on one test part, over seeds.
    classes : dict of str to dict
        For each class "against_none" and "against_best_baseline", differences of
        recall. Their intervals are wide enough for all of them to be right together.
    means : dict of str to float
        Mean figure of the method, of "none" and of the best baseline.
    figure : str
        What the figure is called: "balanced accuracy" or "accuracy of combinations".
    pairs_are : str
        What the pairs are, over which differences vary: "folds" or "seeds".
    """

    method: str
    best_baseline: str
    against_none: Difference
    against_best_baseline: Difference
    classes: dict[str, dict[str, Difference]]
    means: dict[str, float]
    figure: str
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
        best, name = self.against_best_baseline, self.best_baseline
        against = [f"{name}, the best baseline {self._describe(best)}"]
        if name == NONE:
            against = [f"doing nothing, the best baseline {self._describe(best)}"]
        else:
            points = f"({format_points(self.against_none.mean)} points)"
            against.insert(0, f"doing nothing {points}")
        differences = [self.against_none, best][-len(against) :]
        compared = [
            f"{WORDS[difference.verdict]} {other}"
            for difference, other in zip(differences, against, strict=True)
        ]
        reached = f"{100 * self.means[self.method]:.1f} % {self.figure}"
        return f"{self.method} reaches {reached}: {', '.join(compared)}."

    def _describe(self, best: Difference) -> str:
        """Return how far the best baseline is away, and for how many runs."""
        points = f"{format_points(best.mean)} points"
        if best.n_pairs < 2:
            return f"({points}; one run each, or no run that depends on the seed)"
        interval = format_interval(best.low, best.high)
        pairs = f"{best.n_pairs} {self.pairs_are}"
        return f"({points}, 95 % interval {interval}, {pairs})"


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
    """Return what the intervals of a comparison are over, and what they do not say.

    Examples
    --------
    >>> describe_intervals(5)
    'Intervals are over 5 folds; the seeds of a fold are averaged.'
    """
    if n_splits > 1:
        return f"Intervals are over {n_splits} folds; the seeds of a fold are averaged."
    return (
        "Intervals are over seeds: they say what training again on these images "
        "would give on this test part, not what other test images would give."
    )


def join_verdicts(*differences: Difference) -> Verdict:
    """Return helps where all help, harms where one harms.

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


def distinct_pairs(
    runs: Sequence[dict[str, Any]], method: str, other: str
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pair the runs of two methods, of the same split and seed.

    Where all pairs of a split are the same in everything, one is kept: neither method
    depends on the seed, so more seeds are no more evidence.
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
            json.dumps([(run["figures"], run["confusion"]) for run in pair])
            for pair in pairs
        }
        distinct += pairs if len(outcomes) > 1 else pairs[:1]
    return distinct
