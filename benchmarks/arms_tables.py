"""Tables and a plot of the arms, from results/arms_SET.json.

Differences are paired over (draw, seed), with 95 % intervals; the bar is the best of
the arms without a generator, by mean balanced accuracy, which was chosen by the same
runs, so that upper bounds are moved up by as much as the choice may deceive.
"""

import json
from typing import NamedTuple

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from arms import ARMS, COPIES, QUICK, RIVALS
from tables import (
    FEW_SHOT,
    FIGURES,
    JUDGED_BY,
    TITLES,
    describe,
    describe_mean,
    percent,
    to_markdown,
    word,
)

from balancegan.evaluation.metrics import Difference, paired_difference

BY_THE_OTHER = "by_the_digit"  # of dominoes, where the digit is not the class
GENERATOR = "cgan"  # what the names of arms that use one begin with
COLORS = {True: "C0", False: "C1"}  # with the GAN's images, and what is beside them


class Runs(NamedTuple):
    """What is known of one set by one judge."""

    name: str
    judge: str
    frame: pd.DataFrame

    @property
    def arms(self):
        return [arm for arm in ARMS if arm in set(self.frame["arm"])]

    @property
    def rivals(self):
        """The arms of the protocol that use no generator."""
        return [arm for arm in self.arms if arm in RIVALS]

    @property
    def bar(self):
        shared = self.shared_by(*self.rivals)
        return max(self.rivals, key=lambda arm: shared.mean(arm, JUDGED_BY))

    def shared_by(self, *arms):
        """Return the runs of those draws and seeds that all of these arms have."""
        indices = [self.of(arm).index for arm in arms]
        shared = set(indices[0]).intersection(*indices[1:])
        keys = pd.MultiIndex.from_frame(self.frame[["draw", "seed"]])
        return self._replace(frame=self.frame[keys.isin(shared)])

    @property
    def ours(self):
        """The arm of the GAN that is compared: moves and mixes images as the bar."""
        return next((arm for _, arm in self.settings_of_ours), None)

    @property
    def settings_of_ours(self):
        """The arm that is compared, by default settings and made quickly."""
        _, *changes = self.bar.split("+")
        samplers = {"default": GENERATOR, "quick": QUICK}
        pairs = [(how, "+".join([name, *changes])) for how, name in samplers.items()]
        return [pair for pair in pairs if pair[1] in self.arms]

    def of(self, arm):
        rows = self.frame[self.frame["arm"] == arm]
        return rows.set_index(["draw", "seed"]).sort_index()

    def n(self, arm):
        return len(self.of(arm))

    def mean(self, arm, figure):
        rows = self.of(arm)
        return float(rows[figure].mean()) if figure in rows else float("nan")

    def difference(self, arm, other, figure, cls=None, **settings) -> Difference:
        if figure not in self.frame:
            return paired_difference([], [])
        values, others = self.of(arm)[figure].align(
            self.of(other)[figure], join="inner"
        )
        if cls is not None:
            values, others = values.str[cls], others.str[cls]
        return paired_difference(
            values.to_numpy(float), others.to_numpy(float), **settings
        )

    def to_bar(self, arm, figure):
        chosen_from = len(self.rivals)
        return self.difference(arm, self.bar, figure, n_chosen_from=chosen_from)


def read(folder):
    found = []
    for name in TITLES:
        file = folder / f"arms_{name}.json"
        if file.exists():
            frame = pd.DataFrame(json.loads(file.read_text())["runs"])
            for judge in sorted(frame["judge"].unique(), reverse=True):
                found.append(Runs(name, judge, frame[frame["judge"] == judge]))
    return found


def by_network(found):
    return [runs for runs in found if runs.judge == "network"]


def sets_table(found):
    """Return the table of the README: a row a set, classifier and setting."""
    rows = []
    for runs in found:
        for _, arm in runs.settings_of_ours:
            difference = runs.to_bar(arm, JUDGED_BY)
            bar, shared = runs.bar, runs.shared_by("none", runs.bar, arm)
            rows.append(
                {
                    "set": TITLES[runs.name],
                    "classifier": runs.judge,
                    "doing nothing": percent(shared.mean("none", JUDGED_BY)),
                    "best without a GAN": f"{percent(shared.mean(bar, JUDGED_BY))} "
                    f"(`{bar}`)",
                    "balancegan": f"{percent(shared.mean(arm, JUDGED_BY))} (`{arm}`)",
                    "difference": describe(difference),
                    "pairs": difference.n_pairs,
                    "verdict": word(difference),
                }
            )
    return to_markdown(rows)


def arms_tables(found):
    parts = []
    for runs in found:
        parts.append(f"### {TITLES[runs.name]}, {runs.judge}")
        rows = [describe_arm(runs, arm) for arm in runs.arms]
        parts.append(to_markdown(rows))
    return "\n\n".join(parts)


def describe_arm(runs, arm):
    row = {
        "arm": f"**`{arm}`**" if arm == runs.bar else f"`{arm}`",
        "runs": runs.n(arm),
        "balanced accuracy": percent(runs.mean(arm, JUDGED_BY)),
    }
    has_few = FEW_SHOT in runs.frame  # a class of at most 200
    if has_few:
        row["few-shot recall"] = percent(runs.mean(arm, FEW_SHOT))
    if BY_THE_OTHER in runs.frame:
        row["answered with the digit"] = percent(runs.mean(arm, BY_THE_OTHER))
    if arm != "none":
        row["to `none`"] = describe(runs.difference(arm, "none", JUDGED_BY))
    if arm != runs.bar:
        row["to the bar"] = describe(runs.to_bar(arm, JUDGED_BY))
        if has_few:
            row["few-shot, to the bar"] = describe(runs.to_bar(arm, FEW_SHOT))
        row["verdict"] = word(runs.to_bar(arm, JUDGED_BY))
    return row


def copies_table(found):
    """Return what the GAN's images bring beside copies: a row an arm that has both."""
    rows = []
    for runs in found:
        for arm in runs.arms:
            other = arm.replace(GENERATOR, COPIES, 1)
            if other == arm or other not in runs.arms:
                continue
            shared = runs.shared_by(arm, other)
            row = {
                "set": TITLES[runs.name],
                "classifier": runs.judge,
                "arm": f"`{arm}`",
            }
            for title, figure in FIGURES.items():
                if figure in runs.frame:
                    means = (percent(shared.mean(of, figure)) for of in (other, arm))
                    row[f"{title}, without and with"] = ", ".join(means)
                    difference = runs.difference(arm, other, figure)
                    row[f"difference of {title}"] = describe(difference)
            row["pairs"] = runs.difference(arm, other, JUDGED_BY).n_pairs
            rows.append(row)
    return to_markdown(rows)


def classes_tables(found):
    """Return which classes gain, and which lose, against each arm without a GAN."""
    parts = []
    for runs in by_network(found):
        arm = runs.ours
        if arm is None:
            continue
        n_classes = len(runs.frame["recall"].iloc[0])
        rows = [describe_class(runs, arm, cls, n_classes) for cls in range(n_classes)]
        parts.append(f"### {TITLES[runs.name]}: `{arm}`, class by class")
        parts.append(to_markdown(rows))
    return "\n\n".join(parts)


def describe_class(runs, arm, cls, n_classes):
    recall = runs.of(arm)["recall"].str[cls].mean()
    row = {"class": cls, "recall": percent(recall)}
    for other in dict.fromkeys([runs.bar, "none", *runs.rivals]):
        found_of = runs.difference(arm, other, "recall", cls, n_verdicts=n_classes)
        title = "to the bar" if other == runs.bar else f"to `{other}`"
        is_whole = other in (runs.bar, "none")
        row[title] = describe(found_of) if is_whole else describe_mean(found_of)
    return row


def costs_table(found):
    """Return what the arm of the GAN costs and brings, by default and made quickly."""
    rows = []
    for runs in by_network(found):
        for setting, arm in runs.settings_of_ours:
            seconds = pd.DataFrame(runs.of(arm)["seconds"].tolist(), dtype=float).mean()
            rows.append(
                {
                    "set": TITLES[runs.name],
                    "setting": setting,
                    "training the GAN, minutes": timed(seconds["fit"] / 60, 1),
                    "making images, seconds": timed(seconds["resample"], 0),
                    "images made": f"{runs.of(arm)['synthetic'].mean():,.0f}",
                    "points to `none`": describe(
                        runs.difference(arm, "none", JUDGED_BY)
                    ),
                    "points to the bar": describe(runs.to_bar(arm, JUDGED_BY)),
                }
            )
    return to_markdown(rows)


def timed(mean, digits):
    """Return a mean as text; runs that were paused have no times."""
    return "not timed" if np.isnan(mean) else f"{mean:.{digits}f}"


def draw_plot(found, path):
    """Draw the differences to the bar, a row a set."""
    shown = by_network(found)
    fig, axes = plt.subplots(
        len(shown), figsize=(7, 1.0 + 2.0 * len(shown)), squeeze=False, sharex=True
    )
    for ax, runs in zip(axes[:, 0], shown, strict=True):
        arms = [arm for arm in runs.arms if arm != runs.bar][::-1]
        for y, arm in enumerate(arms):
            found_of = runs.to_bar(arm, JUDGED_BY)
            low, high = np.clip([100 * found_of.low, 100 * found_of.high], -100, 100)
            color = "0.5" if arm in RIVALS else COLORS[arm.startswith(GENERATOR)]
            if found_of.n_pairs > 1:
                ax.plot([low, high], [y, y], color=color, lw=2)
            ax.plot(100 * found_of.mean, y, "o", color=color)
        ax.set_yticks(range(len(arms)), arms, fontsize=8)
        ax.axvline(0, color="0.3", lw=1)
        ax.set_title(f"{TITLES[runs.name]}: to {runs.bar}", fontsize=9, loc="left")
    axes[-1, 0].set_xlabel("points of balanced accuracy, 95 % intervals")
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    plt.close(fig)
