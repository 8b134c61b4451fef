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
from balancegan.evaluation.verdicts import BASELINE, ArmVerdict, distinct_pairs
from balancegan.files import plain_facts, whole_file

FIGURE_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "combination_accuracy": "accuracy of combinations",
}
AGAINST = ("against_none", "against_best_rival")
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
        What reproduces the comparison: "arms" (names and whether each is a rival),
        "classes", "train_counts", seeds, versions.
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
    def arms(self) -> list[str]:
        """Names of the arms, rivals first."""
        return [arm["name"] for arm in self.settings["arms"]]

    @property
    def rivals(self) -> list[str]:
        """Names of the arms that the others are measured against."""
        return [arm["name"] for arm in self.settings["arms"] if arm["rival"]]

    @property
    def has_combinations(self) -> bool:
        """Whether the images have several attributes."""
        return len(self.settings["attributes"]) > 1

    @property
    def figure(self) -> str:
        """What arms are told apart by: balanced accuracy, or that of combinations."""
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
        """A row per arm, split, seed and class.

        Columns: "arm", "split", "seed", "class", "n_train" (real images), "n_added",
        "n_test", "precision", "recall", of several attributes "combination_recall" (the
        mean over the class's combinations), and the figures of added images
        (see :class:`balancegan.evaluation.fidelity.FidelityMeter`), NaN where there are
        none.
        """
        frame = frame_rows(self.runs, "classes")
        return frame.astype(dict.fromkeys(frame.columns[7:], float))

    @property
    def combinations_frame(self) -> pd.DataFrame:
        """A row per arm, split, seed and combination of attributes that has images.

        Columns: "arm", "split", "seed", "combination", "class", "n_test", "accuracy"
        (how often its class was predicted; NaN without test images), "n_train",
        "n_added". Empty where there is one label an image.
        """
        frame = frame_rows(self.runs, "combinations")
        return frame.astype({"accuracy": float}) if len(frame) else frame

    @property
    def runs_frame(self) -> pd.DataFrame:
        """A row per arm, split and seed: overall figures, and seconds of each part."""
        return frame_runs(self.runs)

    def summary(self) -> pd.DataFrame:
        """Return a row per arm: means, differences from none, seconds.

        Returns
        -------
        table : DataFrame
            Index: the arm. Columns: the mean of each overall figure (of several
            attributes those of few-shot combinations instead of classes; NaN for a
            group of no classes), "spread" (the
            standard deviation of `figure` over the runs), "difference", "low" and
            "high" (of `figure` against "none", 95 % for each by itself),
            "seconds_fit" (training the sampler, as far as it says), "seconds_resample"
            (making images) and "seconds_classify" (training the classifier) of a run.
        """
        runs = self.runs_frame
        by_arm = runs.groupby("arm", sort=False)
        figures = OVERALL_FIGURES + COMBINATION_FIGURES * self.has_combinations
        table = by_arm[list(figures)].mean().reindex(self.arms)
        table["spread"] = by_arm[self.figure].std()
        for arm in self.arms:
            difference = self._overall_difference(arm, BASELINE)
            table.loc[arm, ["difference", "low", "high"]] = (
                difference.mean,
                difference.low,
                difference.high,
            )
        seconds = by_arm[[f"seconds_{part}" for part in PARTS]].mean()
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
    def best_rival(self) -> str:
        """The rival with the highest mean of `figure`."""
        return str(self._means[self.rivals].idxmax())

    @property
    def _means(self) -> pd.Series:
        return self.runs_frame.groupby("arm", sort=False)[self.figure].mean()

    def verdicts(self) -> list[ArmVerdict]:
        """Return the verdict of every arm that is no rival."""
        return [self.verdict(arm) for arm in self.arms if arm not in self.rivals]

    def verdict(self, arm: str | None = None) -> ArmVerdict:
        """Return whether an arm helped.

        Parameters
        ----------
        arm : str or None, default=None
            Its name. None: the best of those that are no rivals.

        Returns
        -------
        verdict : ArmVerdict

        Raises
        ------
        ValueError
            If there is no such arm, or none that is no rival.
        """
        on_trial = [name for name in self.arms if name not in self.rivals]
        if arm is None and on_trial:
            arm = str(self._means[on_trial].idxmax())
        if arm not in self.arms:
            raise ValueError(
                f"A verdict is given on one of the arms {self.arms}. Received: {arm!r}."
            )
        best, means = self.best_rival, self._means
        n_chosen_from = self._count_contenders(self.rivals)
        n_tried = self._count_contenders(on_trial or [arm])
        others = [
            (BASELINE, {"n_tried": n_tried}),
            (best, {"n_tried": n_tried, "n_chosen_from": n_chosen_from}),
        ]
        against_none, against_best_rival = (
            self._overall_difference(arm, other, **corrections)
            for other, corrections in others
        )
        return ArmVerdict(
            arm=arm,
            best_rival=best,
            against_none=against_none,
            against_best_rival=against_best_rival,
            classes=self._class_differences(arm, others),
            means={name: float(means[name]) for name in (arm, BASELINE, best)},
            figure=self.figure_name,
            pairs_are="folds" if self.settings["n_splits"] > 1 else "seeds",
        )

    def _count_contenders(self, arms: list[str]) -> int:
        """Return how many may be the best: those not told from it for certain."""
        best = str(self._means[arms].idxmax())
        verdicts = [self._overall_difference(arm, best).verdict for arm in arms]
        return len(arms) - verdicts.count("harms")

    def _class_differences(
        self, arm: str, others: list[tuple[str, dict[str, int]]]
    ) -> dict[str, dict[str, Difference]]:
        """Compare the recall of each class: as many verdicts as classes."""
        n_test, n_moving = count_least_tested(self.runs), self._n_moving
        return {
            label: {
                name: self._difference(
                    arm,
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
        self, arm: str, other: str, **corrections: int
    ) -> Difference:
        rows = (row for run in self.runs for row in run[self._own])
        n_test = np.array([row["n_test"] for row in rows if row["n_test"]])
        return self._difference(
            arm,
            other,
            lambda run: run["figures"][self.figure],
            resolution=1 / (len(n_test) / len(self.runs) * n_test.min()),
            **corrections,
        )

    def _difference(
        self, arm: str, other: str, figure: Callable[..., Any], **corrections: Any
    ) -> Difference:
        pairs = distinct_pairs(self.runs, arm, other)
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

    def confusion(self, arm: str) -> pd.DataFrame:
        """Return how often each class (row) was taken for each (column), over all runs.

        Parameters
        ----------
        arm : str
            Its name.

        Returns
        -------
        counts : DataFrame
        """
        labels = self.settings["classes"]
        total = sum(np.array(r["confusion"]) for r in self.runs if r["arm"] == arm)
        return pd.DataFrame(total, index=labels, columns=labels)

    def plot(self, arms: Sequence[str] | None = None, ax: Any = None) -> Any:
        """Draw `class_figure` of each class with and without.

        Needs matplotlib, which ``pip install balancegan[plot]`` brings.

        Parameters
        ----------
        arms : sequence of str or None, default=None
            Which. None: "none", the best rival, and the best arm on trial.
        ax : matplotlib Axes or None, default=None
            Where to. None: a new figure.

        Returns
        -------
        ax : matplotlib Axes
        """
        chosen = self.chief_arms if arms is None else list(arms)
        unknown = [arm for arm in chosen if arm not in self.arms]
        if unknown:
            raise ValueError(
                f"The arms are {self.arms}. Received: arms={list(chosen)!r}."
            )
        counts = zip(
            self.settings["classes"], self.settings["train_counts"], strict=True
        )
        recalls = self.frame.assign(recall=self.frame[self.class_figure])
        return draw_recalls(recalls, chosen, dict(counts), ax)

    @property
    def chief_arms(self) -> list[str]:
        """The arm "none", the best rival, and the best arm on trial if there is one."""
        chosen = [BASELINE, self.best_rival]
        if len(self.rivals) < len(self.arms):
            chosen.append(self.verdict().arm)
        return list(dict.fromkeys(chosen))

    def to_json(self, path: str | Path | None = None) -> str:
        """Return settings and runs as JSON, and write them to a file if one is given.

        Parameters
        ----------
        path : path-like or None, default=None
            Where to. It is replaced as a whole, or not at all.

        Returns
        -------
        text : str
            What :meth:`from_json` reads.
        """
        facts = {
            "settings": self.settings,
            "verdicts": [
                {"arm": v.arm, "overall": v.overall, "sentence": v.sentence}
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
        """Return the result that :meth:`to_json` wrote.

        Parameters
        ----------
        text : str
            Its JSON.

        Returns
        -------
        result : EvaluationResult
        """
        facts = json.loads(text)
        return cls(facts["settings"], facts["runs"])
