"""One row per class: how its images are made, and how generated images were judged.

The main reason for rejection is found here only; tables, warnings and findings repeat
it.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from balancegan.quality.screening import (
    COPIED,
    COPY,
    GAN,
    METHODS,
    N_TRIAL,
    REASONS,
    ScreeningResult,
    describe_reason,
)
from balancegan.samplers.synthesis import Portion

MANY = 0.5  # of the images of a class: beyond, a fault of the generator
MOST_NAMED = 10  # classes in a warning
LEAST_AGREEMENT = 0.3  # how far below real images: beyond, a fault of the generator


@dataclass(frozen=True, eq=False)
class AugmentationReport:
    """Figures of `fit` and of the last resampling, for information only.

    Attributes
    ----------
    fit_seconds : float
        Duration of the training, with all preparation. 0: loaded model.
    class_counts : dict
        Number of training images per class.
    history : DataFrame
        One row per record of the training: step, seconds, mean losses since the record
        before, and, if generated images were evaluated, their mean agreement, diversity
        and distance over the few-shot classes (see
        :class:`~balancegan.gan.quality.QualityMeter`), with the seconds it took.
    class_history : DataFrame
        The same figures for each few-shot class. With several attributes: the rarest
        combinations of at least 5 images, at most 20; "agreement" is the mean over the
        attributes, "agreement_NAME" that of each.
    quality : DataFrame
        One row per synthetic image of the last resampling, in order; see
        :class:`balancegan.samplers.choice.FilledPlan`.
    quality_summary : DataFrame
        One row per class; see :func:`balancegan.samplers.summary.summarize`.
    moves : FoundMoves or None
        With `moves="auto"`, what the last resampling found, if it needed copies; see
        :class:`balancegan.samplers.move_finder.FoundMoves`.
    """

    fit_seconds: float = 0.0
    class_counts: dict[Any, int] = field(default_factory=dict)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    class_history: pd.DataFrame = field(default_factory=pd.DataFrame)
    quality: pd.DataFrame = field(default_factory=pd.DataFrame)
    quality_summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    moves: Any = None


class ClassFill(NamedTuple):
    """Images of one class made by one method.

    `screened` is None if they were not judged. The portion is empty if all generated
    images were rejected. `n_replacing` of them replace generated images. `n_forced`
    of them were rejected and are used because no real image can be copied.
    """

    portion: Portion
    screened: ScreeningResult | None = None
    n_replacing: int = 0
    n_forced: int = 0


def summarize(label: Any, n_real: int, fills: Sequence[ClassFill]) -> dict[str, Any]:
    """Return how the images of one class are made, and how they were judged.

    Parameters
    ----------
    label : object
        The class.
    n_real : int
        Number of its real images.
    fills : sequence of ClassFill
        Its new images.

    Returns
    -------
    row : dict
        "class", "real", and the number of images made by each method; "instead", how
        many of them replace generated images; "forced", how many were rejected but are
        used because no real image can be copied. If generated images were judged:
        "looked_at" (how many), the shares "accepted" and rejected as "copy",
        "repeated", "unlike" and "other_class"; "reason" and "reason_share", the largest
        of these; "fault" and "fault_share", the same if the generator is at fault (see
        :func:`is_fault`), else None and 0; "agreement", the share that a judge puts
        into the class, "agreement_before" rejection, and "real_agreement" of unseen
        real images; "diversity" as a ratio to real images, and "diversity_before".
    """
    numbers = dict.fromkeys(METHODS, 0)
    for fill in fills:
        numbers[fill.portion.method] += len(fill.portion)
    row: dict[str, Any] = {
        "class": label,
        "real": n_real,
        **numbers,
        "instead": sum(fill.n_replacing for fill in fills),
        "forced": sum(fill.n_forced for fill in fills),
    }
    screened = next((fill.screened for fill in fills if fill.screened), None)
    if screened is None:
        return row
    figures = screened.figures
    accepted = figures["rejected"] == ""
    shares = {
        reason: float((figures["rejected"] == reason).mean()) for reason in REASONS
    }
    reason, share = find_reason(screened)
    is_bad = is_fault(reason, screened)
    return {
        **row,
        "looked_at": len(figures),
        "accepted": float(accepted.mean()),
        **shares,
        "reason": reason,
        "reason_share": share,
        "fault": reason if is_bad else None,
        "fault_share": share if is_bad else 0.0,
        "agreement_before": float(figures["agrees"].mean()),
        "agreement": float(figures["agrees"][accepted].mean()),
        "real_agreement": screened.limits.real_agreement,
        "diversity_before": screened.diversity[0],
        "diversity": screened.diversity[1],
    }


def find_reason(screened: ScreeningResult) -> tuple[str | None, float]:
    """Return the main reason for rejection, and the share rejected for it.

    Returns
    -------
    reason : str or None
        "copy": copies of training images, also if shifted by a pixel or with a little
        noise. "repeated": near-identical images. "unlike": unlike any real image,
        noise for example. "other_class": of other classes than requested. None:
        nothing was rejected.
    share : float
        Share of all screened images.
    """
    counts = screened.figures["rejected"].value_counts()
    counts = counts.reindex(list(REASONS), fill_value=0)
    if not counts.any():
        return None, 0.0
    return str(counts.idxmax()), float(counts.max() / len(screened.figures))


def is_fault(reason: str | None, screened: ScreeningResult) -> bool:
    """Return whether a main reason for rejection is a fault of the generator.

    It is one if the first images show it far more often than real images do.
    """
    trial = screened.figures.iloc[:N_TRIAL]
    limits, real = screened.limits, screened.real
    if reason is None:
        return False
    if reason == "other_class":
        lost = limits.real_agreement - float(trial["agrees"].mean())
        return lost > LEAST_AGREEMENT
    share = float((trial["rejected"] == reason).mean())
    if reason == "copy" and len(real):
        share -= float((real["copy_ratio"] < COPY).mean())
    return share > MANY


def describe_exceptions(
    summary: pd.DataFrame, called: Sequence[str], training: str = ""
) -> str:
    """Return in words which classes lack generated images and why, "" where none do.

    Parameters
    ----------
    summary : DataFrame
        Rows of :func:`summarize`.
    called : sequence of str
        What people call their classes.
    training : str, default=""
        A sentence on how the model was trained, if that explains rejected images.
    """
    rows = summary.to_dict(orient="records")
    named = list(zip(called, rows, strict=True))
    said = []
    if any(replaced := [row["instead"] for row in rows]):
        why = _say_why(itertools.compress(named, replaced))
        said.append(f"{METHODS[COPIED].capitalize()} replace generated images. {why}.")
    if any(forced := [row["forced"] for row in rows]):
        why = _say_why(itertools.compress(named, forced))
        said.append(
            f"{sum(forced):,} rejected images are used all the same, because "
            f"gan_share is 1 or there is no real image to copy. {why}."
        )
    if said and training and any(map(_is_judged, rows)):
        n_added = sum(row[method] for row in rows for method in METHODS)
        n_generated = sum(row[GAN] for row in rows)
        said.insert(
            0,
            f"{training} Of {n_added:,} added images {n_generated:,} are generated; "
            "the remaining ones are made from real images.",
        )
    return " ".join(said)


def _say_why(classes: Iterable[tuple[str, Mapping[Any, Any]]]) -> str:
    """Return why classes lack generated images: each reason once, with its classes."""
    named: dict[str, list[str]] = {}
    for name, row in classes:
        if not _is_judged(row):
            why, figure = "Too few real images", str(row["real"])
        else:
            why, figure = describe_reason(row), f"{100 * row['reason_share']:.0f} %"
        named.setdefault(why, []).append(f"{name} ({figure})")
    return ". ".join(f"{why}: {_join(names)}" for why, names in named.items())


def _join(names: Sequence[str]) -> str:
    """Return the first of many names."""
    more = len(names) - MOST_NAMED
    rest = [f"and {more} more, see report_.quality_summary"] if more > 0 else []
    return ", ".join([*names[:MOST_NAMED], *rest])


def _is_judged(row: Mapping[Any, Any]) -> bool:
    """Return whether generated images of the class were screened."""
    accepted = row.get("accepted")
    return not (accepted is None or pd.isna(accepted))
