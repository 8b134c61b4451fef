"""The data card: what was added to a set, by which model, with which figures."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

import balancegan
from balancegan.balance import Plan, class_counts
from balancegan.cli.classes import BalancedClasses
from balancegan.data.arrays import WEIGHT_KEY
from balancegan.data.labelled import LabelledImages
from balancegan.evaluation.report import escape_markdown
from balancegan.synthesis.faults import METHODS, SHORT

FIGURES = ("agreement", "diversity", "distance")
JUDGED = ("accepted", "agreement", "real_agreement", "diversity")


def describe_balanced(
    labelled: LabelledImages,
    classes: BalancedClasses,
    plan: Plan,
    model: Mapping[str, Any],
    class_history: pd.DataFrame,
) -> str:
    """Return the data card of a balanced set.

    Parameters
    ----------
    labelled : LabelledImages
        The real images.
    classes : BalancedClasses
        The classes that were balanced.
    plan : dict
        How many images were made of each.
    model : mapping
        Its fingerprint, where it was loaded from (None: it was trained for this set),
        how it was trained, what was found of its images, and which amounts were tried.
    class_history : DataFrame
        What its images were found to be like in training; empty where it was loaded.

    Returns
    -------
    markdown : str
    """
    environment = Environment(
        loader=PackageLoader("balancegan.cli"),
        autoescape=False,  # the filter "cell" escapes what Markdown would read
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": escape_markdown, "figure": _figure}
    counts = class_counts(classes.of_images)
    return environment.get_template("card.md").render(
        n_real=sum(counts.values()),
        n_synthetic=sum(plan.values()),
        names=classes.names,
        classes=[
            {
                "texts": classes.texts(label),
                "real": counts.get(label, 0),
                "synthetic": n,
            }
            for label, n in plan.items()
        ],
        model=model,
        attributes=[labelled.label_name, *labelled.attributes],
        size="x".join(map(str, labelled.images.shape[1:])),
        version=balancegan.__version__,
        figures=_figures(labelled, class_history, model["kept_step"]),
        quality=[
            {
                "name": classes.name(row["class"]),
                **{number: row[number] for number in (*METHODS, "instead")},
                **{figure: row.get(figure) for figure in JUDGED},
                "reason": _say_reason(row),
            }
            for row in model["quality"]
        ],
        weight_key=WEIGHT_KEY,
        loaded=model["model"] is not None,
        notes=labelled.notes,
    )


def _figures(
    labelled: LabelledImages, class_history: pd.DataFrame, step: int
) -> list[dict[str, Any]]:
    """Return what was found of each class that was watched, of the state kept."""
    if not len(class_history):
        return []
    rows = []
    for row in class_history[class_history["step"] == step].to_dict("records"):
        label, *others = row["class"] if labelled.attributes else (row["class"],)
        name = ", ".join([labelled.name(label), *map(str, others)])
        rows.append({"class": name, **{figure: row[figure] for figure in FIGURES}})
    return rows


def _say_reason(row: Mapping[str, Any]) -> str:
    """Return the main reason for rejection with its share, "" without one."""
    reason = row.get("reason")
    return f"{SHORT[reason]} {100 * row['reason_share']:.0f} %" if reason else ""


def _figure(value: float | None) -> str:
    return "unknown" if pd.isna(value) else f"{round(value, 2) + 0.0:.2f}"
