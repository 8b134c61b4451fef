"""Charts of a comparison, with matplotlib, which is an extra."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from balancegan.balance import class_text

MARKS = "oDs^v<>P*X"


def draw_recalls(
    recalls: pd.DataFrame,
    methods: Sequence[str],
    train_counts: Mapping[str, int],
    ax: Any,
) -> Any:
    """Draw the recall of each class: a mark for the mean, a bar over the runs.

    Parameters
    ----------
    recalls : DataFrame
        Columns "method", "class" and "recall"; a row per run.
    methods : sequence of str
        Which, in order.
    train_counts : mapping of str to int
        Real training images of each class; frequent classes are drawn above rare ones.
    ax : matplotlib Axes or None
        Where to. None: a new figure.

    Returns
    -------
    ax : matplotlib Axes
    """
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(
            figsize=(7, 1.2 + 0.4 * len(train_counts)), layout="constrained"
        )
    names = sorted(train_counts, key=lambda name: train_counts[name])
    by_class = recalls.groupby(["method", "class"])["recall"].agg(
        ["mean", "min", "max"]
    )
    for k, method in enumerate(methods):
        table = by_class.loc[method].reindex(names)
        offset = 0.25 * (k - (len(methods) - 1) / 2) / max(1, len(methods) - 1)
        reach = [table["mean"] - table["min"], table["max"] - table["mean"]]
        ax.errorbar(
            table["mean"],
            [row - offset for row in range(len(names))],
            xerr=reach,
            fmt=MARKS[k % len(MARKS)],
            label=method,
        )
    called = [f"{class_text(name)} ({train_counts[name]})" for name in names]
    ax.set_yticks(range(len(names)), called)
    ax.set_xlabel("recall on held-out images")
    ax.legend(loc="best")
    return ax
