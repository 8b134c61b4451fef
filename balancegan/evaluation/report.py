"""The report of a comparison: one self-contained HTML file, or JSON.

The facts are gathered here, as numbers and texts; the template says how they look.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from balancegan.balance import class_text
from balancegan.errors import DataError
from balancegan.evaluation.checks import run_checks
from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.verdicts import (
    describe_intervals,
    format_interval,
    format_points,
)
from balancegan.files import whole_file

SUFFIXES = (".html", ".json")
MAX_MATRIX_CLASSES = 20  # with more, the most frequent confusions are listed
MAX_CONFUSIONS = 20
MAX_COMBINATIONS = 40  # with more, those with the fewest training images are shown
STRIPS = {  # kinds of image strips, in order, and their titles
    "real": "real",
    "copied": "copies",
    "synthetic": "synthetic",
    "nearest": "nearest real",
}
IMAGE_METRICS = (
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
    """Write the report of a comparison: HTML for people, JSON for programs.

    Parameters
    ----------
    result : EvaluationResult
        The comparison.
    path : path-like
        A file that ends in .html or .json; it is replaced atomically.

    Raises
    ------
    DataError
        If it ends in anything else.

    Examples
    --------
    >>> write_report(None, "report.pdf")
    Traceback (most recent call last):
    balancegan.errors.DataError: A report ends in .html or .json. Received: ...
    """
    path = check_report_path(path)
    if path.suffix == ".json":
        result.to_json(path)
        return
    with whole_file(path) as file:
        file.write(render_report(result).encode())


def check_report_path(path: str | Path) -> Path:
    """Return the path of a report if its suffix is supported."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise DataError(f"A report ends in .html or .json. Received: {str(path)!r}.")
    return path


def render_report(result: EvaluationResult) -> str:
    """Return the HTML of a report."""
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("balancegan.evaluation"), PackageLoader("balancegan")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": format_percent,
        "points": format_points,
        "decimals": format_decimals,
        "called": class_text,
    }
    environment.globals["interval"] = format_interval
    return environment.get_template("report.html").render(gather_facts(result))


def gather_facts(result: EvaluationResult) -> dict[str, Any]:
    """Return everything that a report shows, as the template reads it."""
    shown = result.main_methods
    hidden = ("pictures", "leaks")
    settings = {k: v for k, v in result.settings.items() if k not in hidden}
    classes = _class_facts(result, shown)
    return {
        "verdict": _verdict_facts(result),
        "metric": {"key": result.metric, "name": result.metric_name},
        "methods": _method_facts(result),
        "shots": result.shots,
        "shown_methods": shown,
        "classes": classes,
        "has_differences": any(row["differences"] for row in classes),
        "combinations": _combination_facts(result, shown),
        "checks": [asdict(check) for check in run_checks(result)],
        "images": _image_facts(result),
        "galleries": _gallery_facts(result),
        "confusions": [_confusion_facts(result, method) for method in shown],
        "interval_note": describe_intervals(result.settings["n_splits"]),
        "n_runs": len(result.runs),
        "settings": {"data_name": None, "date": None} | settings,
    }


def _verdict_facts(result: EvaluationResult) -> dict[str, str]:
    if result.candidates:
        verdict = result.verdict()
        return {"overall": verdict.overall, "sentence": verdict.sentence}
    best = result.best_baseline
    mean = format_percent(float(result.summary()[result.metric][best]))
    return {
        "overall": "baselines only",
        "sentence": f"Of {len(result.methods)} methods {best} has the highest "
        f"{result.metric_name}, {mean}.",
    }


def _method_facts(result: EvaluationResult) -> list[dict[str, Any]]:
    overall = {verdict.method: verdict.overall for verdict in result.verdicts()}
    table = result.summary().join(result.count_added())
    return [
        {
            "method": method,
            **{str(name): float(value) for name, value in row.items()},
            "baseline": method in result.baselines,
            "verdict": overall.get(str(method)),
        }
        for method, row in table.iterrows()
    ]


def _class_facts(result: EvaluationResult, shown: list[str]) -> list[dict[str, Any]]:
    frame = result.frame
    metric = frame.groupby(["class", "method"])[result.class_metric]
    means, lows, highs = metric.mean(), metric.min(), metric.max()
    n_test = frame.groupby("class")["n_test"].max()
    verdict = result.verdict() if result.candidates else None
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


def _combination_facts(
    result: EvaluationResult, shown: list[str]
) -> list[dict[str, Any]]:
    """Return the tested combinations with the fewest training images."""
    frame = result.combinations_frame
    if frame.empty:
        return []
    frame = frame[frame["n_test"] > 0]
    means = frame.groupby(["combination", "method"])["accuracy"].mean()
    counts = frame.groupby("combination", sort=False)[["n_train", "n_test"]].max()
    rarest = counts.sort_values("n_train", kind="stable")[:MAX_COMBINATIONS]
    return [
        {
            "name": str(name),
            "n_train": int(row["n_train"]),
            "n_test": int(row["n_test"]),
            "accuracies": {method: float(means[str(name), method]) for method in shown},
        }
        for name, row in rarest.iterrows()
    ]


def _image_facts(result: EvaluationResult) -> list[dict[str, Any]]:
    frame = result.frame
    names = [name for name in IMAGE_METRICS if name in frame]
    rows = frame[frame["method"].isin(_image_makers(result)) & (frame["n_added"] > 0)]
    means = rows.groupby(["method", "class"], sort=False)[names].mean()
    return [
        {name: row.get(name, np.nan) for name in ("method", "class", *IMAGE_METRICS)}
        for row in means.reset_index().to_dict("records")
    ]


def _gallery_facts(result: EvaluationResult) -> list[dict[str, Any]]:
    real = result.settings["pictures"]
    names = result.settings["classes"]
    pictures = {r["method"]: r["pictures"] for r in result.runs if r["pictures"]}
    return [
        {
            "method": method,
            "classes": [
                {
                    "name": names[int(k)],
                    "strips": [
                        (title, (real[k] | strips)[kind])
                        for kind, title in STRIPS.items()
                        if kind in real[k] | strips
                    ],
                }
                for k, strips in pictures[method].items()
            ],
        }
        for method in _image_makers(result)
        if method in pictures
    ]


def _image_makers(result: EvaluationResult) -> list[str]:
    """Return one method per set of added images: methods may share a sampler."""
    made_by = {m["name"]: m["images_of"] for m in result.settings["methods"]}
    return list(dict.fromkeys(made_by[method] for method in result.candidates))


def describe_counts(result: EvaluationResult) -> list[str]:
    """Return in sentences how many images the candidates add."""
    added = result.count_added()
    return [
        f"{method} adds {added['copies'][method]:,.0f} copies and "
        f"{added['new'][method]:,.0f} new images in a run."
        for method in _image_makers(result)
    ]


def _confusion_facts(result: EvaluationResult, method: str) -> dict[str, Any]:
    counts = result.confusion(method)
    shares = counts.div(counts.sum(axis=1), axis=0)
    if len(counts) <= MAX_MATRIX_CLASSES:
        matrix = shares.to_numpy().tolist()
        labels = list(counts.index)
        return {"method": method, "labels": labels, "matrix": matrix, "pairs": []}
    off_diagonal = np.where(np.eye(len(shares), dtype=bool), 0, shares.fillna(0))
    largest = np.argsort(-off_diagonal, axis=None, kind="stable")[:MAX_CONFUSIONS]
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


def format_decimals(value: float | None) -> str:
    """Return a number with two decimals.

    Examples
    --------
    >>> format_decimals(0.123), format_decimals(None)
    ('0.12', '–')
    """
    return "–" if value is None or np.isnan(value) else f"{value:.2f}"
