"""Tables and a plot of the methods, from results/methods_SET.json.

Differences are paired over (draw, seed), with 95 % intervals, the wider of two: over
the pairs, and over the means of draws, since seeds of a draw share its images. The bar
is the best of the methods without a generator, by mean balanced accuracy; it is chosen
by the same runs, so that upper bounds are moved up by as much as the choice may
deceive. Pairs spread by one test image of the rarest class at least.
"""

import json
from dataclasses import dataclass, replace
from functools import cache, cached_property

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from methods import BASELINES, COPIES, METHODS, QUICK
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

from balancegan.evaluation.verdicts import Difference, paired_difference

BY_THE_OTHER = "by_the_digit"  # of dominoes, where the digit is not the class
TESTED = {  # test images of each class
    "mnist_lt": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    "fashion_lt": (1000,) * 10,
    "dominoes": (500,) * 10,
    "dominoes_995": (500,) * 10,
    "blood": (69, 805, 71),
    "chest": (234, 390),
}
GENERATOR = "cgan"  # prefix of methods that use one
COLORS = {True: "C0", False: "C1"}  # with generated images, and without


@dataclass(frozen=True, eq=False)
class Runs:
    """What is known of one set by one judge."""

    name: str
    judge: str
    frame: pd.DataFrame

    @cached_property
    def methods(self):
        return [method for method in METHODS if method in set(self.frame["method"])]

    @cached_property
    def baselines(self):
        """The methods of the protocol that use no generator."""
        return tuple(method for method in self.methods if method in BASELINES)

    @property
    def still_baselines(self):
        """The baselines without augmentation."""
        return tuple(method for method in self.baselines if "+" not in method)

    @property
    def bar(self):
        return self.best_of(self.baselines)

    def best_of(self, baselines, figure=JUDGED_BY):
        return find_best(self, baselines, figure)

    def count_contenders(self, baselines, figure=JUDGED_BY):
        """Return how many are not significantly worse than the best."""
        return count_contenders(self, baselines, figure)

    def shared_by(self, *methods):
        """Return the runs of those draws and seeds that all of these methods have."""
        indices = [self.of(method).index for method in methods]
        shared = set(indices[0]).intersection(*indices[1:])
        keys = pd.MultiIndex.from_frame(self.frame[["draw", "seed"]])
        return replace(self, frame=self.frame[keys.isin(shared)])

    @property
    def ours(self):
        """The method with the GAN that uses the same augmentation as the bar."""
        return next((method for _, method in self.settings_of_ours), None)

    @property
    def settings_of_ours(self):
        """The method that is compared, by default settings and made quickly."""
        _, *changes = self.bar.split("+")
        samplers = {"default": GENERATOR, "quick": QUICK}
        pairs = [(how, "+".join([name, *changes])) for how, name in samplers.items()]
        return [pair for pair in pairs if pair[1] in self.methods]

    def of(self, method):
        return find_runs(self, method)

    def n(self, method):
        return len(self.of(method))

    def mean(self, method, figure):
        rows = self.of(method)
        return float(rows[figure].mean()) if figure in rows else float("nan")

    def difference(self, method, other, figure, **settings) -> Difference:
        if figure not in self.frame:
            return paired_difference([], [])
        sides = (self.of(name)[figure] for name in (method, other))
        tested = TESTED[self.name]
        of_an_image = 1 / (len(tested) * min(tested))
        return paired_over_draws(*sides, resolution=of_an_image, **settings)

    def difference_of_class(self, method, other, cls, **settings) -> Difference:
        """Return that of a class's recall, over pairs: three draws tell nothing."""
        sides = (self.of(name)["recall"].str[cls] for name in (method, other))
        values, others = next(sides).align(next(sides), join="inner")
        return paired_difference(
            values.astype(float),
            others.astype(float),
            resolution=1 / TESTED[self.name][cls],
            **settings,
        )

    def to_bar(self, method):
        return self.to_best_of(self.baselines, method, JUDGED_BY)

    def to_best_of(self, baselines, method, figure):
        best, n = (
            self.best_of(baselines, figure),
            self.count_contenders(baselines, figure),
        )
        return self.difference(method, best, figure, n_chosen_from=n)


@cache
def find_runs(runs, method):
    rows = runs.frame[runs.frame["method"] == method]
    return rows.set_index(["draw", "seed"]).sort_index()


@cache
def find_best(runs, baselines, figure):
    shared = runs.shared_by(*baselines)
    return max(baselines, key=lambda method: shared.mean(method, figure))


@cache
def count_contenders(runs, baselines, figure):
    best = runs.best_of(baselines, figure)
    verdicts = [runs.difference(method, best, figure).verdict for method in baselines]
    return len(baselines) - verdicts.count("harms")


def read(folder):
    found = []
    for name in TITLES:
        file = folder / f"methods_{name}.json"
        if file.exists():
            frame = pd.DataFrame(json.loads(file.read_text())["runs"])
            for judge in sorted(frame["judge"].unique(), reverse=True):
                found.append(Runs(name, judge, frame[frame["judge"] == judge]))
    return found


def by_network(found):
    return [runs for runs in found if runs.judge == "network"]


def sets_table(found):
    """Return the table of the README: a row a set and classifier."""
    rows = [
        describe_set(runs, runs.baselines, runs.ours) for runs in found if runs.ours
    ]
    return to_markdown(rows)


def still_table(found):
    """Return the same for classifiers without augmentation."""
    with_it = [runs for runs in found if GENERATOR in runs.methods]
    rows = [describe_set(runs, runs.still_baselines, GENERATOR) for runs in with_it]
    return to_markdown(rows)


def describe_set(runs, baselines, method):
    best, difference = (
        runs.best_of(baselines),
        runs.to_best_of(baselines, method, JUDGED_BY),
    )
    shared = runs.shared_by("none", best, method)
    return {
        "set": TITLES[runs.name],
        "classifier": runs.judge,
        "doing nothing": percent(shared.mean("none", JUDGED_BY)),
        "best other method": f"{percent(shared.mean(best, JUDGED_BY))} (`{best}`)",
        "balancegan": f"{percent(shared.mean(method, JUDGED_BY))} (`{method}`)",
        "difference": describe(difference),
        "pairs": difference.n_pairs,
        "verdict": word(difference),
    }


def methods_tables(found):
    parts = []
    for runs in found:
        parts.append(f"### {TITLES[runs.name]}, {runs.judge}")
        rows = [describe_method(runs, method) for method in runs.methods]
        parts.append(to_markdown(rows))
    return "\n\n".join(parts)


def describe_method(runs, method):
    row = {
        "method": f"**`{method}`**" if method == runs.bar else f"`{method}`",
        "runs": runs.n(method),
        "balanced accuracy": percent(runs.mean(method, JUDGED_BY)),
    }
    has_few = FEW_SHOT in runs.frame  # a class of at most 200
    is_best_of_few = has_few and method == runs.best_of(runs.baselines, FEW_SHOT)
    if has_few:
        few = percent(runs.mean(method, FEW_SHOT))
        row["few-shot recall"] = f"**{few}**" if is_best_of_few else few
    if BY_THE_OTHER in runs.frame:
        row["answered with the digit"] = percent(runs.mean(method, BY_THE_OTHER))
    if method != "none":
        row["to `none`"] = describe(runs.difference(method, "none", JUDGED_BY))
    if method != runs.bar:
        row["to the bar"] = describe(runs.to_bar(method))
        row["verdict"] = word(runs.to_bar(method))
    if has_few and not is_best_of_few:
        to_best = runs.to_best_of(runs.baselines, method, FEW_SHOT)
        row["few-shot, to the best"] = describe(to_best)
    return row


def copies_table(found):
    """Return what generated images add to copies, a row per method that has both."""
    rows = []
    for runs in found:
        for method in runs.methods:
            other = method.replace(GENERATOR, COPIES, 1)
            if other == method or other not in runs.methods:
                continue
            shared = runs.shared_by(method, other)
            row = {
                "set": TITLES[runs.name],
                "classifier": runs.judge,
                "method": f"`{method}`",
            }
            for title, figure in FIGURES.items():
                if figure in runs.frame:
                    means = (percent(shared.mean(of, figure)) for of in (other, method))
                    row[f"{title}, without and with"] = ", ".join(means)
                    difference = runs.difference(method, other, figure)
                    row[f"difference of {title}"] = describe(difference)
            row["pairs"] = runs.difference(method, other, JUDGED_BY).n_pairs
            rows.append(row)
    return to_markdown(rows)


def classes_tables(found):
    """Return which classes gain, and which lose, against each method without a GAN."""
    parts = []
    for runs in by_network(found):
        method = runs.ours
        if method is None:
            continue
        n_classes = len(runs.frame["recall"].iloc[0])
        rows = [
            describe_class(runs, method, cls, n_classes) for cls in range(n_classes)
        ]
        parts.append(f"### {TITLES[runs.name]}: `{method}`, class by class")
        parts.append(to_markdown(rows))
    return "\n\n".join(parts)


def describe_class(runs, method, cls, n_classes):
    recall = runs.of(method)["recall"].str[cls].mean()
    row = {"class": cls, "recall": percent(recall)}
    for other in [runs.bar, *(name for name in runs.baselines if name != runs.bar)]:
        is_bar = other == runs.bar
        found_of = runs.difference_of_class(
            method,
            other,
            cls,
            n_verdicts=n_classes,
            n_chosen_from=runs.count_contenders(runs.baselines) if is_bar else 1,
        )
        show = describe if is_bar or other == "none" else describe_mean
        row["to the bar" if is_bar else f"to `{other}`"] = show(found_of)
    return row


def costs_table(found):
    """Return what the method cgan costs and gains, by default and trained briefly."""
    rows = []
    for runs in by_network(found):
        for setting, method in runs.settings_of_ours:
            seconds = pd.DataFrame(
                runs.of(method)["seconds"].tolist(), dtype=float
            ).mean()
            rows.append(
                {
                    "set": TITLES[runs.name],
                    "setting": setting,
                    "training the GAN, minutes": timed(seconds["fit"] / 60, 1),
                    "making images, seconds": timed(seconds["resample"], 0),
                    "images made": f"{runs.of(method)['synthetic'].mean():,.0f}",
                    "points to `none`": describe(
                        runs.difference(method, "none", JUDGED_BY)
                    ),
                    "points to the bar": describe(runs.to_bar(method)),
                    "points to the default": ""
                    if method == runs.ours
                    else describe(runs.difference(method, runs.ours, JUDGED_BY)),
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
        methods = [method for method in runs.methods if method != runs.bar][::-1]
        for y, method in enumerate(methods):
            found_of = runs.to_bar(method)
            low, high = np.clip([100 * found_of.low, 100 * found_of.high], -100, 100)
            color = (
                "0.5" if method in BASELINES else COLORS[method.startswith(GENERATOR)]
            )
            if found_of.n_pairs > 1:
                ax.plot([low, high], [y, y], color=color, lw=2)
            ax.plot(100 * found_of.mean, y, "o", color=color)
        ax.set_yticks(range(len(methods)), methods, fontsize=8)
        ax.axvline(0, color="0.3", lw=1)
        ax.set_title(f"{TITLES[runs.name]}: to {runs.bar}", fontsize=9, loc="left")
    axes[-1, 0].set_xlabel("points of balanced accuracy, 95 % intervals")
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    plt.close(fig)
