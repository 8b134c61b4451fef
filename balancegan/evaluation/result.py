"""What a comparison found: frames, summary, verdicts. No training happens here.

Computed from plain facts, a dictionary per run, so that a comparison read from JSON
says the same as the one that wrote it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balancegan.evaluation.frames import (
    count_least_tested,
    find_shots,
    frame_rows,
    frame_runs,
)
from balancegan.evaluation.metrics import Difference, paired_difference
from balancegan.evaluation.plots import draw_recalls
from balancegan.evaluation.verdicts import NONE, MethodVerdict, distinct_pairs
from balancegan.files import plain_facts, whole_file

FIGURE_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "combination_accuracy": "accuracy of combinations",
}
AGAINST = ("against_none", "against_best_baseline")
PARTS = ("fit", "resample", "classify")
OVERALL_FIGURES = (
    "balanced_accuracy",
    "few_shot",
    "medium_shot",
    "many_shot",
    "g_mean",
    "macro_f1",
    "accuracy",
    "calibration_error",
)
COMBINATION_FIGURES = ("combination_accuracy", "worst_combination")


class EvaluationResult:
    """The runs of a comparison, and what follows from them.

    Parameters
    ----------
    settings : dict
        What reproduces the comparison: "methods" (names and whether each is a
        baseline), "classes", "train_counts", seeds, versions.
    runs : list of dict
        The facts of each run, see :func:`balancegan.evaluation.compare`.

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
        """Names of the methods that the others are measured against."""
        return [
            method["name"] for method in self.settings["methods"] if method["baseline"]
        ]

    @property
    def has_combinations(self) -> bool:
        """Whether the images have several attributes."""
        return len(self.settings["attributes"]) > 1

    @property
    def figure(self) -> str:
        """The figure that ranks methods: balanced accuracy, or that of combinations."""
        if self.has_combinations:
            return "combination_accuracy"
        return "balanced_accuracy"

    @property
    def figure_name(self) -> str:
        """What people call it."""
        return FIGURE_NAMES[self.figure]

    @property
    def class_figure(self) -> str:
        """What is told of each class: its recall, or the mean over its combinations."""
        return "combination_recall" if self.has_combinations else "recall"

    @property
    def frame(self) -> pd.DataFrame:
        """A row per method, split, seed and class.

        Columns: "method", "split", "seed", "class", "n_train" (real images), "n_added",
        "n_test", "precision", "recall", of several attributes "combination_recall" (the
        mean over the class's combinations), and the figures of added images
        (see :class:`balancegan.evaluation.fidelity.FidelityMeter`), NaN where there are
        none.
        """
        frame = frame_rows(self.runs, "classes")
        return frame.astype(dict.fromkeys(frame.columns[7:], float))

    @property
    def combinations_frame(self) -> pd.DataFrame:
        """A row per method, split, seed and combination of attributes that has images.

        Columns: "method", "split", "seed", "combination", "class", "n_test", "accuracy"
        (how often its class was predicted; NaN without test images), "n_train",
        "n_added". Empty where there is one label an image.
        """
        frame = frame_rows(self.runs, "combinations")
        return frame.astype({"accuracy": float}) if len(frame) else frame

    @property
    def runs_frame(self) -> pd.DataFrame:
        """A row per method, split and seed: overall figures and seconds."""
        return frame_runs(self.runs)

    def summary(self) -> pd.DataFrame:
        """Return a row per method: means, differences from none, seconds.

        Returns
        -------
        table : DataFrame
            Index: the method. Columns: the mean of each overall figure (of several
            attributes those of few-shot combinations instead of classes; NaN for a
            group of no classes), "spread" (the
            standard deviation of `figure` over the runs), "difference", "low" and
            "high" (of `figure` against "none", 95 % for each by itself),
            "seconds_fit" (training the sampler, as far as it says), "seconds_resample"
            (making images) and "seconds_classify" (training the classifier) of a run.
        """
        runs = self.runs_frame
        by_method = runs.groupby("method", sort=False)
        figures = OVERALL_FIGURES + COMBINATION_FIGURES * self.has_combinations
        table = by_method[list(figures)].mean().reindex(self.methods)
        table["spread"] = by_method[self.figure].std()
        for method in self.methods:
            difference = self._overall_difference(method, NONE)
            table.loc[method, ["difference", "low", "high"]] = (
                difference.mean,
                difference.low,
                difference.high,
            )
        seconds = by_method[[f"seconds_{part}" for part in PARTS]].mean()
        return table.join(seconds)

    @property
    def shots(self) -> list[str]:
        """The groups, "few_shot" and so on, that have some and not all tested classes.

        Of combinations instead of classes where there are several attributes.
        """
        return find_shots(self.runs, self._own)

    @property
    def _own(self) -> str:
        return "combinations" if self.has_combinations else "classes"

    @property
    def best_baseline(self) -> str:
        """The baseline with the highest mean of `figure`."""
        return str(self._means[self.baselines].idxmax())

    @property
    def _means(self) -> pd.Series:
        return self.runs_frame.groupby("method", sort=False)[self.figure].mean()

    def verdicts(self) -> list[MethodVerdict]:
        """Return the verdict of every method that is not a baseline."""
        return [
            self.verdict(method)
            for method in self.methods
            if method not in self.baselines
        ]

    def verdict(self, method: str | None = None) -> MethodVerdict:
        """Return whether a method helped.

        Parameters
        ----------
        method : str or None, default=None
            Its name. None: the best of the methods that are not baselines.

        Returns
        -------
        verdict : MethodVerdict

        Raises
        ------
        ValueError
            If there is no such method, or none that is not a baseline.
        """
        on_trial = [name for name in self.methods if name not in self.baselines]
        if method is None and on_trial:
            method = str(self._means[on_trial].idxmax())
        if method not in self.methods:
            raise ValueError(
                f"method must be one of {self.methods}. Received: {method!r}."
            )
        best, means = self.best_baseline, self._means
        n_chosen_from = self._count_contenders(self.baselines)
        n_tried = self._count_contenders(on_trial or [method])
        others = [
            (NONE, {"n_tried": n_tried}),
            (best, {"n_tried": n_tried, "n_chosen_from": n_chosen_from}),
        ]
        against_none, against_best_baseline = (
            self._overall_difference(method, other, **corrections)
            for other, corrections in others
        )
        return MethodVerdict(
            method=method,
            best_baseline=best,
            against_none=against_none,
            against_best_baseline=against_best_baseline,
            classes=self._class_differences(method, others),
            means={name: float(means[name]) for name in (method, NONE, best)},
            figure=self.figure_name,
            pairs_are="folds" if self.settings["n_splits"] > 1 else "seeds",
        )

    def _count_contenders(self, methods: list[str]) -> int:
        """Return how many may be the best: those not told from it for certain."""
        best = str(self._means[methods].idxmax())
        verdicts = [
            self._overall_difference(method, best).verdict for method in methods
        ]
        return len(methods) - verdicts.count("harms")

    def _class_differences(
        self, method: str, others: list[tuple[str, dict[str, int]]]
    ) -> dict[str, dict[str, Difference]]:
        """Compare the recall of each class: as many verdicts as classes."""
        n_test, n_moving = count_least_tested(self.runs), self._n_moving
        return {
            label: {
                name: self._difference(
                    method,
                    other,
                    lambda run, k=k: run["classes"][k][self.class_figure],
                    resolution=1 / n_moving[k],
                    n_verdicts=int((n_test > 0).sum()),
                    **corrections,
                )
                for name, (other, corrections) in zip(AGAINST, others, strict=True)
            }
            for k, label in enumerate(self.settings["classes"])
            if n_test[k]
        }

    def _overall_difference(
        self, method: str, other: str, **corrections: int
    ) -> Difference:
        rows = (row for run in self.runs for row in run[self._own])
        n_test = np.array([row["n_test"] for row in rows if row["n_test"]])
        return self._difference(
            method,
            other,
            lambda run: run["figures"][self.figure],
            resolution=1 / (len(n_test) / len(self.runs) * n_test.min()),
            **corrections,
        )

    def _difference(
        self, method: str, other: str, figure: Callable[..., Any], **corrections: Any
    ) -> Difference:
        pairs = distinct_pairs(self.runs, method, other)
        values = [[figure(run) for run in pair] for pair in pairs]
        return paired_difference(
            *np.array(values, dtype=float).T,
            splits=[run["split"] for run, _ in pairs],
            test_share=self._test_share,
            **corrections,
        )

    @property
    def _n_moving(self) -> np.ndarray:
        """Of how many images one decides a class's figure, at most: what it may move.

        With combinations, whose mean that is, the image of the rarest one.
        """
        if not self.has_combinations:
            return count_least_tested(self.runs)
        rows = self.combinations_frame
        tested = rows[rows["n_test"] > 0].groupby(["class", "combination"])["n_test"]
        of_class = tested.min().groupby("class")
        n_moving = of_class.size() * of_class.min()
        return n_moving.reindex(self.settings["classes"], fill_value=0).to_numpy(float)

    @property
    def _test_share(self) -> float:
        """Test over training images of a fold; 0 with a test part of its own."""
        n_splits = self.settings["n_splits"]
        return 1 / (n_splits - 1) if n_splits > 1 else 0.0

    def confusion(self, method: str) -> pd.DataFrame:
        """Return how often each class (row) was taken for each (column), over all runs.

        Parameters
        ----------
        method : str
            Its name.

        Returns
        -------
        counts : DataFrame
        """
        labels = self.settings["classes"]
        total = sum(
            np.array(r["confusion"]) for r in self.runs if r["method"] == method
        )
        return pd.DataFrame(total, index=labels, columns=labels)

    def plot(self, methods: Sequence[str] | None = None, ax: Any = None) -> Any:
        """Draw `class_figure` of each class with and without.

        Needs matplotlib, which ``pip install balancegan[plot]`` brings.

        Parameters
        ----------
        methods : sequence of str or None, default=None
            Which. None: "none", the best baseline, and the best method on trial.
        ax : matplotlib Axes or None, default=None
            Where to. None: a new figure.

        Returns
        -------
        ax : matplotlib Axes
        """
        chosen = self.chief_methods if methods is None else list(methods)
        unknown = [method for method in chosen if method not in self.methods]
        if unknown:
            raise ValueError(
                f"The methods are {self.methods}. Received: methods={list(chosen)!r}."
            )
        counts = zip(
            self.settings["classes"], self.settings["train_counts"], strict=True
        )
        recalls = self.frame.assign(recall=self.frame[self.class_figure])
        return draw_recalls(recalls, chosen, dict(counts), ax)

    @property
    def chief_methods(self) -> list[str]:
        """The names "none", the best baseline, and the best method on trial, if any."""
        chosen = [NONE, self.best_baseline]
        if len(self.baselines) < len(self.methods):
            chosen.append(self.verdict().method)
        return list(dict.fromkeys(chosen))

    def to_json(self, path: str | Path | None = None) -> str:
        """Return settings and runs as JSON; write them to `path` if given.

        Parameters
        ----------
        path : path-like or None, default=None
            A file to write, atomically.

        Returns
        -------
        text : str
            What :meth:`from_json` reads.
        """
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
