"""The data card: what was added to a set, how, and what the files are like."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

import balancegan
from balancegan.balance import Plan, class_counts
from balancegan.cli.tasks import BalancedClasses
from balancegan.data.labelled import TEST, LabelledImages
from balancegan.data.lineage import WEIGHT_KEY
from balancegan.data.output_checks import FileComparison
from balancegan.quality.screening import (
    COPIED,
    GAN,
    REASONS,
    RECOMBINED,
    describe_reason,
)

FIGURES = ("agreement", "diversity", "distance")
JUDGED = ("accepted", "agreement", "real_agreement", "diversity")
UNCHANGED, MOVED = "copied unchanged", "copied and moved"
HOW = {  # methods in words, as columns
    GAN: "generated",
    RECOMBINED: "recombined",
}
SPLIT_AGAIN = "copies of one original would be on both sides"
SPLIT_FIRST = "split the originals first, or use --holdout"
# What the Hugging Face hub calls numbers of images
HUB_SIZES = {
    1_000: "n<1K",
    10_000: "1K<n<10K",
    100_000: "10K<n<100K",
    1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M",
}


def describe_balanced(
    labelled: LabelledImages,
    classes: BalancedClasses,
    plan: Plan,
    facts: Mapping[str, Any],
    class_history: pd.DataFrame,
    added: pd.DataFrame,
    files: FileComparison | None,
    times: str,
) -> str:
    """Return the data card of a balanced set.

    Parameters
    ----------
    labelled : LabelledImages
        The real images.
    classes : BalancedClasses
        The classes that were balanced.
    plan : dict
        How many images were added to each.
    facts : mapping
        How the model was trained, if one was; where it was loaded from (None: it was
        not); what was found of its images; and which amounts were tried.
    class_history : DataFrame
        What its images were found to be like in training; empty where it was loaded.
    added : DataFrame
        A row for each added image: "class", "method" and "move", see
        :func:`count_added`.
    files : FileComparison or None
        What the written files are like. None: images are in arrays.
    times : str
        What took how long.

    Returns
    -------
    markdown : str
        It begins with the header that the Hugging Face hub reads.
    """
    counts = class_counts(classes.of_images)
    ways = _count_by_class(added)
    n_images = sum(len(part.labels) for part in labelled.parts.values()) + len(added)
    held_out = labelled.parts.get(TEST)
    return _read_template().render(
        hub_size=next((name for n, name in HUB_SIZES.items() if n_images < n), None),
        sentence=describe_added(facts["added"], sum(counts.values())),
        facts=facts,
        n_added=len(added),
        n_test=None if held_out is None else len(held_out.labels),
        is_held_out=labelled.held_out is not None,
        names=classes.names,
        ways=list(ways),
        classes=[
            {
                "texts": classes.texts(label),
                "originals": counts.get(label, 0),
                "added": n,
                "ways": [found[label] for found in ways.values()],
            }
            for label, n in plan.items()
        ],
        attributes=[labelled.label_name, *labelled.attributes],
        size="x".join(map(str, labelled.images.shape[1:])),
        version=balancegan.__version__,
        figures=_figures(labelled, class_history, facts["kept_step"]),
        quality=[
            {
                "name": classes.name(row["class"]),
                "generated": row[GAN],
                "instead": row["instead"],
                **{figure: row.get(figure) for figure in JUDGED},
                "reason": _say_reason(row),
            }
            for row in facts["quality"]
        ],
        moves=[
            {**row, "name": _name_combination(labelled, row["class"])}
            for row in facts["moves"]["found"] or ()
        ],
        has_model=bool(facts["steps"]) or facts["model"] is not None,
        is_loaded=facts["model"] is not None,
        weight_key=WEIGHT_KEY,
        split_again=SPLIT_AGAIN,
        split_first="use its test part" if held_out else SPLIT_FIRST,
        files=files,
        times=times,
        notes=labelled.notes,
    )


def _read_template() -> Template:
    environment = Environment(
        loader=PackageLoader("balancegan.cli"),
        autoescape=False,  # the filter "cell" escapes what Markdown would read
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "cell": escape_markdown,
        "figure": _figure,
        "sides": lambda sides: "x".join(map(str, sides)),
        "thousands": "{:,}".format,
    }
    return environment.get_template("card.md")


def count_added(added: pd.DataFrame) -> dict[str, Any]:
    """Return how many images were added by each method, and how many were moved how.

    Parameters
    ----------
    added : DataFrame
        A row for each: "method", and "move", such as "mirrored, shifted 5 down", which
        is blank unless it is a copy that was moved.

    Examples
    --------
    >>> moves = ["", "shifted 2 up, 1 left", "mirrored, shifted 1 down", ""]
    >>> added = pd.DataFrame({"method": ["copied"] * 3 + ["gan"], "move": moves})
    >>> count_added(added)["copied"], count_added(added)["moved"]
    (3, {'shifted': 2, 'mirrored': 1})
    """
    methods = added["method"].value_counts()
    moved: dict[str, int] = {}
    for move in added["move"]:
        for words in filter(None, move.split(", ")):
            first = words.split()[0]
            if first.isalpha():  # and not a number of pixels
                moved[first] = moved.get(first, 0) + 1
    ways = (GAN, RECOMBINED, COPIED)
    return {**{way: int(methods.get(way, 0)) for way in ways}, "moved": moved}


def describe_added(counts: Mapping[str, Any], n_real: int) -> str:
    """Return how many images were added and how, in a sentence.

    Examples
    --------
    >>> counts = {"gan": 0, "recombined": 0, "copied": 684}
    >>> describe_added({**counts, "moved": {"shifted": 342}}, 351)
    '684 of 1,035 training images were added: 0 generated, 684 copies (342 shifted).'
    """
    n_added = sum(counts[way] for way in (*HOW, COPIED))
    if not n_added:
        return f"All {n_real:,} training images are originals: none was added."
    said = [f"{counts[GAN]:,} generated"]
    said += [f"{counts[way]:,} {HOW[way]}" for way in (RECOMBINED,) if counts[way]]
    moved = ", ".join(f"{n:,} {how}" for how, n in counts["moved"].items())
    said.append(f"{counts[COPIED]:,} copies" + (f" ({moved})" if moved else ""))
    total = n_added + n_real
    return f"{n_added:,} of {total:,} training images were added: {', '.join(said)}."


def _count_by_class(added: pd.DataFrame) -> dict[str, Counter[Any]]:
    """Return for each way that occurs how many images of each class came about so."""
    ways: dict[str, Counter[Any]] = {
        way: Counter() for way in (UNCHANGED, MOVED, *HOW.values())
    }
    for label, method, move in added.itertuples(index=False):
        copied = MOVED if move else UNCHANGED
        ways[HOW.get(method, copied)][label] += 1
    return {way: counts for way, counts in ways.items() if counts}


def _figures(
    labelled: LabelledImages, class_history: pd.DataFrame, step: int
) -> list[dict[str, Any]]:
    """Return what was found of each class that was watched, of the state kept."""
    if not len(class_history):
        return []
    rows = []
    for row in class_history[class_history["step"] == step].to_dict("records"):
        name = _name_combination(labelled, row["class"])
        rows.append({"class": name, **{figure: row[figure] for figure in FIGURES}})
    return rows


def _name_combination(labelled: LabelledImages, combination: Any) -> str:
    """Return what people call a label, or a label with values of all attributes."""
    label, *others = combination if labelled.attributes else (combination,)
    return ", ".join([labelled.name(label), *map(str, others)])


def _say_reason(row: Mapping[str, Any]) -> str:
    """Return the main reason for rejection with its share, "" without one."""
    reason = row.get("reason")
    return (
        f"{REASONS[reason].short} {100 * row['reason_share']:.0f} %" if reason else ""
    )


def _figure(value: float | None) -> str:
    return "unknown" if pd.isna(value) else f"{round(value, 2) + 0.0:.2f}"


def escape_markdown(text: Any) -> str:
    r"""Return a text as one safe cell of a Markdown table.

    Examples
    --------
    >>> escape_markdown("a|b <script>")
    'a\\|b &lt;script&gt;'
    """
    plain = escape(" ".join(str(text).split()))
    for sign in "\\|*_`[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def describe_rejections(
    quality: Sequence[Mapping[str, Any]], name: Callable[[Any], str]
) -> list[dict[str, Any]]:
    """Return a finding for each class whose generated images were mostly rejected.

    Parameters
    ----------
    quality : sequence of mapping
        Rows of :func:`balancegan.samplers.summary.summarize`.
    name : callable
        From a class to its name.
    """
    return [
        {
            "code": REASONS[row["fault"]].code,
            "title": REASONS[row["fault"]].images.capitalize(),
            "outcome": "issue" if row["gan"] else "tip",
            "class": name(row["class"]),
            "share": row["fault_share"],
            "message": f"{describe_reason(row)}: {100 * row['fault_share']:.0f} %",
        }
        for row in quality
        if row.get("fault") in REASONS
    ]
