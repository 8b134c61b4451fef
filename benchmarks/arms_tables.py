"""Tables and a plot of the arms, from results/arms_SET.json.

Differences are paired over (draw, seed), with 95 % intervals, the wider of two: over
the pairs, and over the means of draws, since seeds of a draw share its images. The bar
is the best of the arms without a generator, by mean balanced accuracy; it is chosen by
the same runs, so that upper bounds are moved up by as much as the choice may deceive.
Pairs spread by one test image of the rarest class at least.
"""

import json
from dataclasses import dataclass, replace
from functools import cache, cached_property

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
    paired_over_draws,
    percent,
    to_markdown,
    word,
)

from balancegan.evaluation.metrics import Difference, paired_difference

BY_THE_OTHER = "by_the_digit"  # of dominoes, where the digit is not the class
TESTED = {  # test images of each class
    "mnist_lt": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    "fashion_lt": (1000,) * 10,
    "dominoes": (500,) * 10,
    "dominoes_995": (500,) * 10,
    "blood": (69, 805, 71),
    "chest": (234, 390),
}
GENERATOR = "cgan"  # what the names of arms that use one begin with
COLORS = {True: "C0", False: "C1"}  # with the GAN's images, and what is beside them


@dataclass(frozen=True, eq=False)
class Runs:
    """What is known of one set by one judge."""

    name: str
    judge: str
    frame: pd.DataFrame

    @cached_property
    def arms(self):
        return [arm for arm in ARMS if arm in set(self.frame["arm"])]

    @cached_property
    def rivals(self):
        """The arms of the protocol that use no generator."""
        return tuple(arm for arm in self.arms if arm in RIVALS)

    @property
    def still_rivals(self):
        """Those of them whose images are not moved and mixed while learning."""
        return tuple(arm for arm in self.rivals if "+" not in arm)

    @property
    def bar(self):
        return self.best_of(self.rivals)

    def best_of(self, rivals, figure=JUDGED_BY):
        return find_best(self, rivals, figure)

    def count_contenders(self, rivals, figure=JUDGED_BY):
        """Return how many of them may be the best: not told from it for certain."""
        return count_contenders(self, rivals, figure)

    def shared_by(self, *arms):
        """Return the runs of those draws and seeds that all of these arms have."""
        indices = [self.of(arm).index for arm in arms]
        shared = set(indices[0]).intersection(*indices[1:])
        keys = pd.MultiIndex.from_frame(self.frame[["draw", "seed"]])
        return replace(self, frame=self.frame[keys.isin(shared)])

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
        return find_runs(self, arm)

    def n(self, arm):
        return len(self.of(arm))

    def mean(self, arm, figure):
        rows = self.of(arm)
        return float(rows[figure].mean()) if figure in rows else float("nan")

    def difference(self, arm, other, figure, **settings) -> Difference:
        if figure not in self.frame:
            return paired_difference([], [])
        sides = (self.of(name)[figure] for name in (arm, other))
        tested = TESTED[self.name]
        of_an_image = 1 / (len(tested) * min(tested))
        return paired_over_draws(*sides, resolution=of_an_image, **settings)

    def difference_of_class(self, arm, other, cls, **settings) -> Difference:
        """Return that of a class's recall, over pairs: three draws tell nothing."""
        sides = (self.of(name)["recall"].str[cls] for name in (arm, other))
        values, others = next(sides).align(next(sides), join="inner")
        return paired_difference(
            values.astype(float),
            others.astype(float),
            resolution=1 / TESTED[self.name][cls],
            **settings,
        )

    def to_bar(self, arm):
        return self.to_best_of(self.rivals, arm, JUDGED_BY)

    def to_best_of(self, rivals, arm, figure):
        best, n = self.best_of(rivals, figure), self.count_contenders(rivals, figure)
        return self.difference(arm, best, figure, n_chosen_from=n)


@cache
def find_runs(runs, arm):
    rows = runs.frame[runs.frame["arm"] == arm]
    return rows.set_index(["draw", "seed"]).sort_index()


@cache
def find_best(runs, rivals, figure):
    shared = runs.shared_by(*rivals)
    return max(rivals, key=lambda arm: shared.mean(arm, figure))


@cache
def count_contenders(runs, rivals, figure):
    best = runs.best_of(rivals, figure)
    verdicts = [runs.difference(arm, best, figure).verdict for arm in rivals]
    return len(rivals) - verdicts.count("harms")


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
    """Return the table of the README: a row a set and classifier."""
    rows = [describe_set(runs, runs.rivals, runs.ours) for runs in found if runs.ours]
    return to_markdown(rows)


def still_table(found):
    """Return the same for classifiers that learn from the rows as they are."""
    with_it = [runs for runs in found if GENERATOR in runs.arms]
    rows = [describe_set(runs, runs.still_rivals, GENERATOR) for runs in with_it]
    return to_markdown(rows)


def describe_set(runs, rivals, arm):
    best, difference = runs.best_of(rivals), runs.to_best_of(rivals, arm, JUDGED_BY)
    shared = runs.shared_by("none", best, arm)
    return {
        "set": TITLES[runs.name],
        "classifier": runs.judge,
        "doing nothing": percent(shared.mean("none", JUDGED_BY)),
        "best other method": f"{percent(shared.mean(best, JUDGED_BY))} (`{best}`)",
        "balancegan": f"{percent(shared.mean(arm, JUDGED_BY))} (`{arm}`)",
        "difference": describe(difference),
        "pairs": difference.n_pairs,
        "verdict": word(difference),
    }


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
    is_best_of_few = has_few and arm == runs.best_of(runs.rivals, FEW_SHOT)
    if has_few:
        few = percent(runs.mean(arm, FEW_SHOT))
        row["few-shot recall"] = f"**{few}**" if is_best_of_few else few
    if BY_THE_OTHER in runs.frame:
        row["answered with the digit"] = percent(runs.mean(arm, BY_THE_OTHER))
    if arm != "none":
        row["to `none`"] = describe(runs.difference(arm, "none", JUDGED_BY))
    if arm != runs.bar:
        row["to the bar"] = describe(runs.to_bar(arm))
        row["verdict"] = word(runs.to_bar(arm))
    if has_few and not is_best_of_few:
        to_best = runs.to_best_of(runs.rivals, arm, FEW_SHOT)
        row["few-shot, to the best"] = describe(to_best)
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
    for other in [runs.bar, *(name for name in runs.rivals if name != runs.bar)]:
        is_bar = other == runs.bar
        found_of = runs.difference_of_class(
            arm,
            other,
            cls,
            n_verdicts=n_classes,
            n_chosen_from=runs.count_contenders(runs.rivals) if is_bar else 1,
        )
        show = describe if is_bar or other == "none" else describe_mean
        row["to the bar" if is_bar else f"to `{other}`"] = show(found_of)
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
                    "points to the bar": describe(runs.to_bar(arm)),
                    "points to the default": ""
                    if arm == runs.ours
                    else describe(runs.difference(arm, runs.ours, JUDGED_BY)),
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
            found_of = runs.to_bar(arm)
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
