"""What was found of the images of each class, in a row; what is wrong, by its name.

The main reason for rejection is found here and nowhere else: tables, warnings and
findings repeat it, with its share.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from balancegan.quality.screening import (
    COPIED,
    COPY,
    GAN,
    INTERPOLATED,
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


class Made(NamedTuple):
    """Images of a class made in one way, and what was found when they were looked at.

    `screened` is None where they were not. The portion may be empty: too few images
    were good enough. `instead` of them stand in for images of the GAN, which cannot
    make enough good ones of the class. `forced` of them were rejected, and are taken
    since there is nothing else.
    """

    portion: Portion
    screened: ScreeningResult | None = None
    instead: int = 0
    forced: int = 0


def summarize(label: Any, n_real: int, made: Sequence[Made]) -> dict[str, Any]:
    """Return what was found of the images of one class.

    Parameters
    ----------
    label : object
        The class.
    n_real : int
        Its real images.
    made : sequence of Made
        What is made of it.

    Returns
    -------
    row : dict
        "class", "real", how many images are made by each method, and how many of these
        "instead" of images of the GAN, which cannot learn the class, or "forced", taken
        although they were rejected, since there is nothing else; of the first
        images that were looked at (the GAN's, if it was tried) "looked_at", how many,
        the share "accepted", and the shares rejected as "copy", "repeated", "unlike"
        and "other_class"; "reason" and "reason_share", the largest of these shares;
        "fault" and "fault_share", the same if it is a fault of the GAN (see
        :func:`is_fault`), else None and 0; "agreement", the share that a judge puts
        into the class, with "agreement_before" any was rejected and "real_agreement" of
        real images that it has not seen; "diversity", as a ratio to real images, and
        "diversity_before".
        None where unknown.
    """
    numbers = dict.fromkeys(METHODS, 0)
    for one in made:
        numbers[one.portion.method] += len(one.portion)
    instead = sum(one.instead for one in made)
    row: dict[str, Any] = {
        "class": label,
        "real": n_real,
        **numbers,
        "instead": instead,
        "forced": sum(one.forced for one in made),
    }
    looked_at = [one for one in made if one.screened is not None]
    if not looked_at or (screened := looked_at[0].screened) is None:
        return row
    is_gan = looked_at[0].portion.method == GAN
    figures = screened.figures
    accepted = figures["rejected"] == ""
    shares = {
        reason: float((figures["rejected"] == reason).mean()) for reason in REASONS
    }
    reason, share = find_reason(screened)
    is_bad = is_gan and is_fault(reason, screened)
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
        "is_gan_tried": is_gan,
    }


def find_reason(screened: ScreeningResult) -> tuple[str | None, float]:
    """Return the main reason for rejection, and the share rejected for it.

    Returns
    -------
    reason : str or None
        "copy": copies of training images, also if shifted by a pixel or with a little
        noise. "repeated": near-identical images. "unlike": unlike any real image,
        noise for example. "other_class": of other classes than asked for. None:
        nothing was rejected.
    share : float
        Of all images that were looked at.
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
    replaced = {
        INTERPOLATED: [row[INTERPOLATED] > 0 for row in rows],
        COPIED: [row["instead"] > row[INTERPOLATED] for row in rows],
    }
    said = [
        f"{METHODS[method].capitalize()} replace generated images. "
        f"{_say_why(itertools.compress(zip(called, rows, strict=True), kept))}."
        for method, kept in replaced.items()
        if any(kept)
    ]
    forced = [row["forced"] for row in rows]
    if any(forced):
        why = _say_why(itertools.compress(zip(called, rows, strict=True), forced))
        said.append(
            f"{sum(forced):,} rejected images are used all the same, because gan_only "
            f"is set or there is no real image to copy. {why}."
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
    rest = [f"and {more} more, see quality_summary_"] if more > 0 else []
    return ", ".join([*names[:MOST_NAMED], *rest])


def _is_judged(row: Mapping[Any, Any]) -> bool:
    """Return whether generated images of the class were looked at."""
    accepted = row.get("accepted")
    return not (accepted is None or pd.isna(accepted)) and bool(row["is_gan_tried"])
