"""Data frames of the runs of a comparison, and what their counts say.

Plain facts in, frames out; what follows from them is decided in `result`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from balancegan.evaluation.metrics import SHOTS, group_by_shots

Runs = Sequence[dict[str, Any]]


def frame_rows(runs: Runs, own: str) -> pd.DataFrame:
    """Return a row per run and class or combination.

    Parameters
    ----------
    runs : sequence of dict
        The facts of each run, see :func:`balancegan.evaluation.compare`.
    own : str
        "classes" or "combinations".
    """
    return pd.DataFrame(
        {"method": run["method"], "split": run["split"], "seed": run["seed"], **row}
        for run in runs
        for row in run[own]
    )


def frame_runs(runs: Runs) -> pd.DataFrame:
    """Return a row per run: its overall figures, and seconds of each part."""
    return pd.DataFrame(
        {
            "method": run["method"],
            "split": run["split"],
            "seed": run["seed"],
            **{n: np.nan if v is None else v for n, v in run["figures"].items()},
            **{f"seconds_{part}": s for part, s in run["seconds"].items()},
        }
        for run in runs
    )


def count_least_tested(runs: Runs) -> np.ndarray:
    """Return the test images of each class in the smallest test part that has any.

    Examples
    --------
    >>> runs = [{"classes": [{"n_test": n}, {"n_test": 0}]} for n in (9, 0, 7)]
    >>> count_least_tested(runs).tolist()
    [7.0, 0.0]
    """
    n_test = np.array(
        [[row["n_test"] for row in run["classes"]] for run in runs], float
    )
    least = np.where(n_test > 0, n_test, np.inf).min(axis=0)
    return np.where(np.isfinite(least), least, 0)


def find_shots(runs: Runs, own: str) -> list[str]:
    """Return the groups that have some of the tested classes, and not all of them.

    The mean of a group that has all of them repeats the overall figure.

    Parameters
    ----------
    runs : sequence of dict
        The facts of each run.
    own : str
        "classes" or "combinations".

    Returns
    -------
    groups : list of str
        Of :data:`balancegan.evaluation.metrics.SHOTS`.

    Examples
    --------
    >>> def find(*counts):
    ...     rows = [{"n_train": n, "n_test": 5} for n in counts]
    ...     return find_shots([{"classes": rows}], "classes")
    >>> find(3_000, 40), find(90, 40), find(500, 40)
    (['few_shot', 'many_shot'], [], ['few_shot', 'medium_shot'])
    """
    groups = [
        group_by_shots(np.array([row["n_train"] for row in run[own] if row["n_test"]]))
        for run in runs
    ]
    return [
        name
        for name in SHOTS
        if any(of_run[name].any() and not of_run[name].all() for of_run in groups)
    ]


def count_added(runs: Runs) -> pd.DataFrame:
    """Return how many images each method adds in a run on average.

    Returns
    -------
    table : DataFrame
        Index: the method. Columns: "copies" of training images, shifted ones among
        them, and "new" ones.
    """
    rows = []
    for run in runs:
        n_new = run["added"]["n"] - run["added"]["n_equal_train"]
        n_added = sum(row["n_added"] for row in run["classes"])
        rows.append({"method": run["method"], "copies": n_added - n_new, "new": n_new})
    return pd.DataFrame(rows).groupby("method", sort=False).mean()
