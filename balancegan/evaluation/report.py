"""The report of a comparison: one HTML file that needs nothing else, Markdown, JSON.

Facts are gathered here, as numbers and texts in the order in which they are shown; the
templates say how they look. Nothing is computed that `comparison` and `checks` do
not say.
"""

from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from balancegan.balance import class_text
from balancegan.errors import DataError
from balancegan.evaluation.checks import run_checks
from balancegan.evaluation.frames import count_added
from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.verdicts import (
    describe_intervals,
    format_interval,
    format_points,
)
from balancegan.files import whole_file

SUFFIXES = (".html", ".md", ".json")
MOST_CLASSES_OF_MATRIX = 20  # of more classes, the most frequent confusions are shown
MOST_CONFUSIONS = 20
MOST_COMBINATIONS = 40  # of more, those with the fewest training images are shown
STRIPS = {  # what strips of images are called, in order
    "real": "real",
    "copied": "copies",
    "synthetic": "synthetic",
    "nearest": "nearest real",
}
IMAGE_FIGURES = (
    "n_added",
    "agreement",
    "real_agreement",
    "frechet_distance",
    "density",
    "coverage",
    "diversity",
    "near_copies",
)


def write_report(result: EvaluationResult, path: str | Path) -> None:
    """Write what a comparison found as a file for people, or for programs.

    Parameters
    ----------
    result : EvaluationResult
        The comparison.
    path : path-like
        Ends in .html, .md or .json. It is replaced as a whole, or not at all.

    Raises
    ------
    DataError
        If it ends in anything else.

    Examples
    --------
    >>> write_report(None, "report.pdf")
    Traceback (most recent call last):
    balancegan.errors.DataError: A report ends in .html, .md or .json. Received: ...
    """
    path = check_report_path(path)
    if path.suffix == ".json":
        result.to_json(path)
        return
    with whole_file(path) as file:
        file.write(render_report(result, path.suffix[1:]).encode())


def check_report_path(path: str | Path) -> Path:
    """Return the path of a report if its suffix is one that can be written."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"A report ends in .html, .md or .json. Received: {str(path)!r}."
        )
    return path


def render_report(result: EvaluationResult, kind: str) -> str:
    """Return the text of a report.

    Parameters
    ----------
    result : EvaluationResult
        The comparison.
    kind : str
        "html" or "md".
    """
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("balancegan.evaluation"), PackageLoader("balancegan")]
        ),
        autoescape=kind == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": format_percent,
        "points": format_points,
        "figure": format_figure,
        "seconds": format_plain_seconds,
        "cell": escape_markdown,
        "called": class_text,
    }
    environment.globals["interval"] = format_interval
    return environment.get_template(f"report.{kind}").render(gather_facts(result))


def gather_facts(result: EvaluationResult) -> dict[str, Any]:
    """Return everything that a report shows.

    Returns
    -------
    facts : dict
        "verdict", "figure" (what methods are told apart by), "methods", "classes",
        "has_differences" (whether any class has), "combinations", "checks", "images",
        "galleries", "confusions" and "settings", each as the templates show it.
    """
    on_trial = [method for method in result.methods if method not in result.baselines]
    shown = result.chief_methods
    hidden = ("pictures", "leaks")
    settings = {k: v for k, v in result.settings.items() if k not in hidden}
    classes = _gather_classes(result, shown, on_trial)
    return {
        "verdict": _gather_verdict(result, on_trial),
        "figure": {"key": result.figure, "name": result.figure_name},
        "methods": _gather_methods(result),
        "shots": result.shots,
        "shown_methods": shown,
        "classes": classes,
        "has_differences": any(row["differences"] for row in classes),
        "combinations": _gather_combinations(result, shown),
        "checks": [asdict(check) for check in run_checks(result)],
        "images": _gather_image_figures(result, on_trial),
        "galleries": _gather_galleries(result, on_trial),
        "confusions": [_gather_confusion(result, method) for method in shown],
        "interval_note": describe_intervals(result.settings["n_splits"]),
        "n_runs": len(result.runs),
        # Results of earlier versions have neither
        "settings": {"data_name": None, "date": None} | settings,
    }


def _gather_verdict(result: EvaluationResult, on_trial: list[str]) -> dict[str, str]:
    if on_trial:
        verdict = result.verdict()
        return {"overall": verdict.overall, "sentence": verdict.sentence}
    best = result.best_baseline
    mean = float(result.summary()[result.figure][best])
    return {
        "overall": "none on trial",
        "sentence": f"Of {len(result.methods)} methods {best} has the highest "
        f"{result.figure_name}, {format_percent(mean)}.",
    }


def _gather_methods(result: EvaluationResult) -> list[dict[str, Any]]:
    overall = {verdict.method: verdict.overall for verdict in result.verdicts()}
    added = count_added(result.runs)
    return [
        {
            "method": method,
            "copies": float(added["copies"][str(method)]),
            "new": float(added["new"][str(method)]),
            **{str(name): float(value) for name, value in row.items()},
            "baseline": method in result.baselines,
            "verdict": overall.get(str(method)),
        }
        for method, row in result.summary().iterrows()
    ]


def _gather_classes(
    result: EvaluationResult, shown: list[str], on_trial: list[str]
) -> list[dict[str, Any]]:
    frame = result.frame
    recalls = frame.groupby(["class", "method"])[result.class_figure]
    means, lows, highs = recalls.mean(), recalls.min(), recalls.max()
    n_test = frame.groupby("class")["n_test"].max()
    verdict = result.verdict() if on_trial else None
    verdicts = verdict.class_verdicts() if verdict else {}
    counts = zip(
        result.settings["classes"], result.settings["train_counts"], strict=True
    )
    return [
        {
            "name": name,
            "n_train": n_train,
            "n_test": int(n_test[name]),
            "recalls": {method: float(means[name, method]) for method in shown},
            "ranges": {
                method: (float(lows[name, method]), float(highs[name, method]))
                for method in shown
            },
            "differences": verdict.classes.get(name) if verdict else None,
            "verdict": verdicts.get(name),
        }
        for name, n_train in sorted(counts, key=lambda count: -count[1])
    ]


def _gather_combinations(
    result: EvaluationResult, shown: list[str]
) -> list[dict[str, Any]]:
    """Return the combinations with the fewest training images, that can be judged."""
    frame = result.combinations_frame
    if frame.empty:
        return []
    frame = frame[frame["n_test"] > 0]
    means = frame.groupby(["combination", "method"])["accuracy"].mean()
    counts = frame.groupby("combination", sort=False)[["n_train", "n_test"]].max()
    rarest = counts.sort_values("n_train", kind="stable")[:MOST_COMBINATIONS]
    return [
        {
            "name": str(name),
            "n_train": int(row["n_train"]),
            "n_test": int(row["n_test"]),
            "accuracies": {method: float(means[str(name), method]) for method in shown},
        }
        for name, row in rarest.iterrows()
    ]


def _gather_image_figures(
    result: EvaluationResult, on_trial: list[str]
) -> list[dict[str, Any]]:
    frame = result.frame
    names = [name for name in IMAGE_FIGURES if name in frame]
    rows = frame[frame["method"].isin(_who_made(result, on_trial))]
    rows = rows[rows["n_added"] > 0]
    means = rows.groupby(["method", "class"], sort=False)[names].mean()
    return [
        {name: row.get(name, np.nan) for name in ("method", "class", *IMAGE_FIGURES)}
        for row in means.reset_index().to_dict("records")
    ]


def _gather_galleries(
    result: EvaluationResult, on_trial: list[str]
) -> list[dict[str, Any]]:
    real = result.settings["pictures"]
    names = result.settings["classes"]
    methods = _who_made(result, on_trial)
    pictures = {r["method"]: r["pictures"] for r in result.runs if r["pictures"]}
    return [
        {
            "method": method,
            "classes": [
                {
                    "name": names[int(k)],
                    "strips": [
                        (called, (real[k] | strips)[kind])
                        for kind, called in STRIPS.items()
                        if kind in real[k] | strips
                    ],
                }
                for k, strips in pictures[method].items()
            ],
        }
        for method in methods
        if method in pictures
    ]


def _who_made(result: EvaluationResult, on_trial: list[str]) -> list[str]:
    """Return one method for each set of added images: methods may share them."""
    made_by = {
        method["name"]: method["images_of"] for method in result.settings["methods"]
    }
    return list(dict.fromkeys(made_by[method] for method in on_trial))


def describe_counts(result: EvaluationResult) -> list[str]:
    """Return how many images the methods that are not baselines add, in sentences."""
    on_trial = [method for method in result.methods if method not in result.baselines]
    added = count_added(result.runs)
    return [
        f"{method} adds {added['copies'][method]:,.0f} copies and "
        f"{added['new'][method]:,.0f} new images in a run."
        for method in _who_made(result, on_trial)
    ]


def _gather_confusion(result: EvaluationResult, method: str) -> dict[str, Any]:
    counts = result.confusion(method)
    shares = counts.div(counts.sum(axis=1), axis=0)
    if len(counts) <= MOST_CLASSES_OF_MATRIX:
        matrix = shares.to_numpy().tolist()
        return {
            "method": method,
            "labels": list(counts.index),
            "matrix": matrix,
            "pairs": [],
        }
    off_diagonal = np.where(np.eye(len(shares), dtype=bool), 0, shares.fillna(0))
    largest = np.argsort(-off_diagonal, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [
        (counts.index[i], counts.columns[j], off_diagonal[i, j])
        for i, j in zip(*np.unravel_index(largest, counts.shape), strict=True)
        if off_diagonal[i, j]
    ]
    return {"method": method, "labels": [], "matrix": [], "pairs": pairs}


def format_percent(share: float | None) -> str:
    """Return a share in per cent.

    Examples
    --------
    >>> format_percent(0.8767), format_percent(float("nan"))
    ('87.7 %', '–')
    """
    return "–" if share is None or np.isnan(share) else f"{100 * share:.1f} %"


def format_figure(value: float | None) -> str:
    """Return a figure with two decimals.

    Examples
    --------
    >>> format_figure(0.123), format_figure(None)
    ('0.12', '–')
    """
    return "–" if value is None or np.isnan(value) else f"{value:.2f}"


def format_plain_seconds(value: float) -> str:
    """Return seconds, whole ones from ten on.

    Examples
    --------
    >>> format_plain_seconds(511.7), format_plain_seconds(1.25)
    ('512', '1.2')
    """
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"


def escape_markdown(text: Any) -> str:
    r"""Return a text that is one cell of a Markdown table, whatever is in it.

    Examples
    --------
    >>> escape_markdown("a|b <script>")
    'a\\|b &lt;script&gt;'
    """
    one_line = " ".join(str(text).split())
    plain = escape(one_line)
    for sign in "\\|*_`[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
