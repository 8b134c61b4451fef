"""The result of a comparison: frames, summary, verdicts and JSON.

Everything is computed from the facts of the runs, so a result read from JSON says the
same as the one that wrote it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balancegan.evaluation.metrics import SHOTS, group_by_shots
from balancegan.evaluation.verdicts import (
    NONE,
    Difference,
    MethodVerdict,
    distinct_pairs,
    paired_difference,
)
from balancegan.files import plain_facts, whole_file

METRIC_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "combination_accuracy": "accuracy of combinations",
}
OVERALL_METRICS = (
    "balanced_accuracy",
    "few_shot",
    "medium_shot",
    "many_shot",
    "g_mean",
    "macro_f1",
    "accuracy",
    "calibration_error",
)
COMBINATION_METRICS = ("combination_accuracy", "worst_combination")
SECONDS = ("seconds_fit", "seconds_resample", "seconds_classify")

# By name of the comparison: the other method, and corrections of the interval
Comparisons = dict[str, tuple[str, dict[str, int]]]


class EvaluationResult:
    """The runs of a comparison, and what follows from them.

    Parameters
    ----------
    settings : dict
        What reproduces the comparison: "methods" (with "name" and "baseline"),
        "classes", "train_counts", seeds, versions.
    runs : list of dict
        The facts of each run, see :meth:`balancegan.evaluation.trials.TrialRunner.run`.

    Attributes
    ----------
    settings, runs
        As given.
    """

    def __init__(self, settings: dict[str, Any], runs: Sequence[dict[str, Any]]):
        self.settings, self.runs = settings, list(runs)

    @property
    def methods(self) -> list[str]:
        """Names of the methods, baselines first."""
        return [method["name"] for method in self.settings["methods"]]

    @property
    def baselines(self) -> list[str]:
        """Names of the methods that the other ones are compared with."""
        return [m["name"] for m in self.settings["methods"] if m["baseline"]]

    @property
    def candidates(self) -> list[str]:
        """Names of the methods that are not baselines; each gets a verdict."""
        return [m["name"] for m in self.settings["methods"] if not m["baseline"]]

    @property
    def best_baseline(self) -> str:
        """The baseline with the highest mean `metric`."""
        return str(self._means[self.baselines].idxmax())

    @property
    def main_methods(self) -> list[str]:
        """Names of "none", the best baseline, and the best candidate, if any."""
        chosen = [NONE, self.best_baseline]
        if self.candidates:
            chosen.append(self.verdict().method)
        return list(dict.fromkeys(chosen))

    @property
    def has_combinations(self) -> bool:
        """Whether the images have several attributes."""
        return len(self.settings["attributes"]) > 1

    @property
    def metric(self) -> str:
        """The metric that ranks methods; with several attributes, of combinations."""
        if self.has_combinations:
            return "combination_accuracy"
        return "balanced_accuracy"

    @property
    def metric_name(self) -> str:
        """The name of `metric` in tables."""
        return METRIC_NAMES[self.metric]

    @property
    def class_metric(self) -> str:
        """The metric of a class: its recall, or the mean over its combinations."""
        return "combination_recall" if self.has_combinations else "recall"

    @property
    def frame(self) -> pd.DataFrame:
        """A row per method, split, seed and class.

        Columns: "method", "split", "seed", "class", "n_train" (real images), "n_added",
        "n_test", "precision", "recall", with several attributes "combination_recall"
        (the mean over the class's combinations), and the metrics of added images, see
        :meth:`balancegan.evaluation.added_images.FidelityMeter.measure`.
        """
        frame = self._frame_rows("classes")
        return frame.astype(dict.fromkeys(frame.columns[7:], float))

    @property
    def combinations_frame(self) -> pd.DataFrame:
        """A row per method, split, seed and combination of attributes with images.

        Columns: "method", "split", "seed", "combination", "class", "n_test", "accuracy"
        (of its class; NaN without test images), "n_train", "n_added". Empty without
        several attributes.
        """
        frame = self._frame_rows("combinations")
        return frame.astype({"accuracy": float}) if len(frame) else frame

    def _frame_rows(self, part: str) -> pd.DataFrame:
        keys = ("method", "split", "seed")
        return pd.DataFrame(
            {key: run[key] for key in keys} | row
            for run in self.runs
            for row in run[part]
        )

    @property
    def runs_frame(self) -> pd.DataFrame:
        """A row per method, split and seed: overall metrics and seconds."""
        return pd.DataFrame(
            {
                "method": run["method"],
                "split": run["split"],
                "seed": run["seed"],
                **{n: np.nan if v is None else v for n, v in run["metrics"].items()},
                **{f"seconds_{part}": s for part, s in run["seconds"].items()},
            }
            for run in self.runs
        )

    @property
    def _means(self) -> pd.Series:
        return self.runs_frame.groupby("method", sort=False)[self.metric].mean()

    def summary(self) -> pd.DataFrame:
        """Return a row per method: means, differences from "none", seconds.

        Returns
        -------
        table : DataFrame
            Index: the method. Columns: the mean of each overall metric (with several
            attributes, "few_shot" and so on are of combinations; NaN for an empty
            group), "spread" (standard deviation of `metric` over the runs),
            "difference", "low" and "high" (of `metric` from "none", with its own 95 %
            interval), and the mean seconds of a run: "seconds_fit" (training the
            sampler, if it says so), "seconds_resample" (making images) and
            "seconds_classify" (training the classifier).
        """
        by_method = self.runs_frame.groupby("method", sort=False)
        metrics = OVERALL_METRICS + COMBINATION_METRICS * self.has_combinations
        table = by_method[list(metrics)].mean().reindex(self.methods)
        table["spread"] = by_method[self.metric].std()
        for method in self.methods:
            found = self._overall_difference(method, NONE)
            bounds = (found.mean, found.low, found.high)
            table.loc[method, ["difference", "low", "high"]] = bounds
        return table.join(by_method[list(SECONDS)].mean())

    def count_added(self) -> pd.DataFrame:
        """Return the mean number of images that each method adds in a run.

        Returns
        -------
        table : DataFrame
            Index: the method. Columns: "copies" of training images, shifted ones among
            them, and "new" images.
        """
        rows = []
        for run in self.runs:
            n_new = run["added"]["n"] - run["added"]["n_equal_train"]
            n_added = sum(row["n_added"] for row in run["classes"])
            row = {"method": run["method"], "copies": n_added - n_new, "new": n_new}
            rows.append(row)
        return pd.DataFrame(rows).groupby("method", sort=False).mean()

    @property
    def shots(self) -> list[str]:
        """The groups, "few_shot" and so on, that have some but not all tested classes.

        With several attributes, combinations instead of classes. The mean of a group
        with all of them would repeat the overall metric.
        """
        groups = [
            group_by_shots(
                np.array([row["n_train"] for row in run[self._part] if row["n_test"]])
            )
            for run in self.runs
        ]
        return [
            name
            for name in SHOTS
            if any(of_run[name].any() and not of_run[name].all() for of_run in groups)
        ]

    @property
    def _part(self) -> str:
        return "combinations" if self.has_combinations else "classes"

    def verdicts(self) -> list[MethodVerdict]:
        """Return the verdict of every method that is not a baseline."""
        return [self.verdict(method) for method in self.candidates]

    def verdict(self, method: str | None = None) -> MethodVerdict:
        """Return whether a method helped.

        Parameters
        ----------
        method : str or None, default=None
            Its name. None: the best of the methods that are not baselines.

        Raises
        ------
        ValueError
            If there is no such method, or all methods are baselines.
        """
        if method is None and self.candidates:
            method = str(self._means[self.candidates].idxmax())
        if method not in self.methods:
            raise ValueError(
                f"method must be one of {self.methods}. Received: {method!r}."
            )
        best, means = self.best_baseline, self._means
        n_tried = self._count_contenders(self.candidates or [method])
        n_chosen_from = self._count_contenders(self.baselines)
        comparisons: Comparisons = {
            "against_none": (NONE, {"n_tried": n_tried}),
            "against_best_baseline": (
                best,
                {"n_tried": n_tried, "n_chosen_from": n_chosen_from},
            ),
        }
        overall = {
            name: self._overall_difference(method, other, **corrections)
            for name, (other, corrections) in comparisons.items()
        }
        return MethodVerdict(
            method=method,
            best_baseline=best,
            against_none=overall["against_none"],
            against_best_baseline=overall["against_best_baseline"],
            classes=self._class_differences(method, comparisons),
            means={name: float(means[name]) for name in (method, NONE, best)},
            metric=self.metric_name,
            pairs_are="folds" if self.settings["n_splits"] > 1 else "seeds",
        )

    def _count_contenders(self, methods: list[str]) -> int:
        """Return how many methods are not significantly worse than the best."""
        best = str(self._means[methods].idxmax())
        verdicts = [self._overall_difference(m, best).verdict for m in methods]
        return len(methods) - verdicts.count("harms")

    def _overall_difference(
        self, method: str, other: str, **corrections: int
    ) -> Difference:
        rows = (row for run in self.runs for row in run[self._part])
        n_test = np.array([row["n_test"] for row in rows if row["n_test"]])
        return self._difference(
            method,
            other,
            lambda run: run["metrics"][self.metric],
            resolution=1 / (len(n_test) / len(self.runs) * n_test.min()),
            **corrections,
        )

    def _class_differences(
        self, method: str, comparisons: Comparisons
    ) -> dict[str, dict[str, Difference]]:
        n_test, n_per_image = self._count_least_tested(), self._resolutions
        return {
            label: {
                name: self._difference(
                    method,
                    other,
                    lambda run, k=k: run["classes"][k][self.class_metric],
                    resolution=1 / n_per_image[k],
                    n_verdicts=int((n_test > 0).sum()),
                    **corrections,
                )
                for name, (other, corrections) in comparisons.items()
            }
            for k, label in enumerate(self.settings["classes"])
            if n_test[k]
        }

    def _difference(
        self, method: str, other: str, metric: Callable[..., Any], **corrections: Any
    ) -> Difference:
        pairs = distinct_pairs(self.runs, method, other)
        values = [[metric(run) for run in pair] for pair in pairs]
        n_splits = self.settings["n_splits"]
        return paired_difference(
            *np.array(values, dtype=float).T,
            splits=[run["split"] for run, _ in pairs],
            test_share=1 / (n_splits - 1) if n_splits > 1 else 0.0,
            **corrections,
        )

    def _count_least_tested(self) -> np.ndarray:
        """Return the images of each class in the smallest test part that has any."""
        n_test = np.array(
            [[row["n_test"] for row in run["classes"]] for run in self.runs], float
        )
        least = np.where(n_test > 0, n_test, np.inf).min(axis=0)
        return np.where(np.isfinite(least), least, 0)

    @property
    def _resolutions(self) -> np.ndarray:
        """The inverse of how much one test image changes the metric of each class.

        With combinations, whose mean it is, an image of the rarest combination.
        """
        if not self.has_combinations:
            return self._count_least_tested()
        rows = self.combinations_frame
        tested = rows[rows["n_test"] > 0].groupby(["class", "combination"])["n_test"]
        of_class = tested.min().groupby("class")
        inverse = of_class.size() * of_class.min()
        return inverse.reindex(self.settings["classes"], fill_value=0).to_numpy(float)

    def confusion(self, method: str) -> pd.DataFrame:
        """Return counts of true classes (rows) predicted as each class, over all runs.

        Parameters
        ----------
        method : str
            Its name.
        """
        labels = self.settings["classes"]
        counts = [np.array(r["confusion"]) for r in self.runs if r["method"] == method]
        return pd.DataFrame(sum(counts), index=labels, columns=labels)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return settings and runs as JSON; write them to `path` if given."""
        facts = {
            "settings": self.settings,
            "verdicts": [
                {"method": v.method, "overall": v.overall, "sentence": v.sentence}
                for v in self.verdicts()
            ],
            "runs": self.runs,
        }
        text = json.dumps(plain_facts(facts), indent=1, allow_nan=False)
        if path is not None:
            with whole_file(Path(path)) as file:
                file.write(text.encode())
        return text

    @classmethod
    def from_json(cls, text: str) -> "EvaluationResult":
        """Return the result that :meth:`to_json` wrote."""
        facts = json.loads(text)
        return cls(facts["settings"], facts["runs"])
