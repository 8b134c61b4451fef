"""Tables of fillings and of amounts by validation; how figures are written in tables.

Each table is Markdown, of the files in a folder of results.
"""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
from filling import AGREED, ALONE, GAN_OF_ALL, REAL
from sets import TEST_SHARES

from balancegan.evaluation.verdicts import format_interval, paired_difference

TITLES = {
    "mnist_lt": "MNIST-LT",
    "fashion_lt": "Fashion-MNIST-LT",
    "dominoes": "Dominoes",
    "dominoes_995": "Dominoes, 99.5 %",
    "blood": "Blood cells",
    "chest": "Chest X-rays",
}
JUDGED_BY = "balanced_accuracy"
FEW_SHOT = "few_shot"
FIGURES = {"balanced accuracy": JUDGED_BY, "few-shot recall": FEW_SHOT}
WORDED = {  # what filling.py fills up with
    "repeated": "real images again",
    "gan": "images of the GAN",
    "gan and again": "a tenth of the GAN, then real ones again, half of them moved "
    "(default)",
    "50% gan and again": "the same with half of the GAN",
    "20% gan and again": "the same with a fifth",
    "5% gan and again": "the same with a twentieth",
    "0% gan and again": "the same with none",
    "gan in all": "real images again, and 400 of the GAN in every class",
    "gan of all": "images of a GAN of all 60,000 images",
    "gan of all in all": "real images again, and 400 of that GAN in every class",
    "real": "other real images",
}
WORDED_ALONE = {
    REAL: "real",
    GAN_OF_ALL: "of the GAN",
    AGREED: "of the GAN, disputed ones left out",
}
CHOSEN_BY = 0  # the draw by whose test images the filling was chosen first
VALIDATED_ON = TITLES | {"digits": "Digits, 8x8", "wbc": "The folder of cells"}
BROKEN = "broken_"  # before the set in names of files
WORDS = {"helps": "better", "harms": "worse"}


def read_fillings(folder):
    """Yield the title of each set that was filled up, and its runs."""
    for name, title in TITLES.items():
        file = folder / f"filling_{name}.json"
        if file.exists():
            yield title, pd.DataFrame(json.loads(file.read_text())["runs"])


def fillings_table(folder):
    """Return what classes were filled up with, and how much a classifier knew then."""
    rows = {}
    for title, frame in read_fillings(folder):
        frame = frame[(frame["seed"] != CHOSEN_BY) & frame["filling"].isin(WORDED)]
        for filling, of_filling in frame.groupby("filling", sort=False):
            row = rows.setdefault(filling, {"filled up with": WORDED[filling]})
            for shifts, runs in of_filling.groupby("shifts"):
                few = percent(runs[FEW_SHOT].mean())
                how = "shifts" if shifts else "as they are"
                row[f"{title}, {how}"] = f"{mean_and_each(runs[JUDGED_BY])}; {few}"
    return to_markdown([rows[filling] for filling in WORDED if filling in rows])


def moved_table(folder):
    """Return how many copies are best moved, to whom, paired by draw and seed."""
    file = folder / "copies_fashion_lt.json"
    if not file.exists():
        return to_markdown([])
    frame = pd.DataFrame(json.loads(file.read_text())["runs"])
    of = frame.set_index(["times", "moved", "shifts", "draw", "seed"]).sort_index()
    rows = []
    for times, moved in sorted(set(zip(frame["times"], frame["moved"], strict=True))):
        whose = "copies" if times == 1 else "rows"
        row = {
            "filled up to": f"{times}x the largest",
            "moved": f"{moved:.0%} of {whose}",
        }
        for shifts, how in ((False, "as they are"), (True, "moves all images")):
            if (times, moved, shifts) not in of.index:
                continue
            runs, others = of.loc[(times, moved, shifts)], of.loc[(1, 0.0, shifts)]
            for title, figure in FIGURES.items():
                mean = percent(runs[figure].mean())
                difference = paired_over_draws(runs[figure], others[figure])
                shown = f"{mean}, {describe(difference)}"
                row[f"{how}: {title}"] = shown if moved else mean
            row[f"{how}: runs"] = len(runs)
        rows.append(row)
    return to_markdown(rows)


def alone_table(folder):
    """Return what so many images of each class are worth with nothing beside them."""
    rows = {}
    for title, frame in read_fillings(folder):
        for filling, runs in frame.groupby("filling"):
            if filling not in ALONE:
                continue
            n, kind = ALONE[filling]
            row = rows.setdefault((title, n), {"set": title, "of each class": f"{n:,}"})
            row[WORDED_ALONE[kind]] = mean_and_each(runs[JUDGED_BY])
    titles = ["set", "of each class", *WORDED_ALONE.values()]
    return to_markdown([dict.fromkeys(titles, "") | rows[key] for key in sorted(rows)])


def validated_table(folder):
    """Return what was chosen by validation, and what came of it on test images."""
    rows = []
    for kind, (name, title) in itertools.product(("", BROKEN), VALIDATED_ON.items()):
        file = folder / f"validated_{kind}{name}.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text())
        runs = result["runs"]
        gained = "0"
        if any(run["synthetic"] for run in runs):
            sides = (
                [float(np.mean(run.get(side, 0.0))) for run in runs]
                for side in ("validated", "none")
            )
            share = TEST_SHARES.get(name, 0.0)
            gained = describe(paired_difference(*sides, test_share=share))
        minutes = re.findall(r"minutes ([0-9.]+)", result["command"])
        rows.append(
            {
                "set": title + ", a generator that does not listen" * bool(kind),
                "runs": len(runs),
                "minutes of training, of trying": ", ".join(minutes),
                "chosen": "; ".join(map(name_chosen, runs)),
                "points to adding nothing": gained,
            }
        )
    return to_markdown(rows)


def name_chosen(run):
    """Return which amount a run chose, or that it added none."""
    if not run["synthetic"]:
        return "none"
    return next(row["candidate"] for row in run["tried"] if row["chosen"])


def paired_over_draws(values, others, **settings):
    """Return the mean over pairs of draw and seed, and the wider of two intervals.

    Seeds of a draw share its training images. Over the pairs an interval is right for
    these draws; over the means of draws for others, too, which three draws tell little
    of, or seem to tell more of by chance.
    """
    values, others = values.astype(float).align(others.astype(float), join="inner")
    over_pairs = paired_difference(values, others, **settings)
    means = [side.groupby("draw").mean() for side in (values, others)]
    over_draws = paired_difference(*means, **settings)
    if over_draws.n_pairs < 2:  # a set that is drawn once: over seeds alone
        return over_pairs
    return replace(  # NaN, which cannot be measured, is the widest
        over_pairs,
        low=float(np.minimum(over_pairs.low, over_draws.low)),
        high=float(np.maximum(over_pairs.high, over_draws.high)),
    )


def mean_and_each(values):
    figures = [percent(value) for value in sorted(values)]
    return f"{percent(values.mean())} ({', '.join(figures)})"


def percent(value):
    return "" if np.isnan(value) else f"{100 * value:.1f}"


def describe(difference):
    if not difference.n_pairs:
        return ""
    mean = f"{100 * difference.mean:+.1f}"
    if difference.n_pairs == 1:
        return f"{mean} (one pair)"
    return f"{mean} ({format_interval(difference.low, difference.high)})"


def describe_mean(difference):
    """Return the mean alone, in bold where the interval is on one side of zero."""
    if not difference.n_pairs:
        return ""
    mean = f"{100 * difference.mean:+.1f}"
    return f"**{mean}**" if difference.verdict in WORDS else mean


def word(difference):
    return WORDS.get(difference.verdict, difference.verdict)


def to_markdown(rows):
    if not rows:
        return "Nothing was run yet."
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names)]
    lines += [[str(row.get(name, "")) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
