"""What was found of the images of each class, in a row; what is wrong, by its name.

Faults are named by the images as the GAN makes them, before any is rejected.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from balancegan.synthesis.faults import (
    COPIED,
    FAULTS,
    GAN,
    INTERPOLATED,
    METHODS,
    REASONS,
)
from balancegan.synthesis.rejection import COPY, N_TRIAL, REPEATED, Screened
from balancegan.synthesis.synthesis import Portion

# Shares of the images of a class, beyond what real images would show: worth a hint, or
# a fault of the generator
SOME, MANY = 0.1, 0.5
MOST_NAMED = 10  # classes in a warning
LEAST_DIVERSITY = 0.5  # as a ratio to real images
LESS_AGREEMENT, LEAST_AGREEMENT = 0.1, 0.3  # how far below real images


class Made(NamedTuple):
    """Images of a class made in one way, and what was found when they were looked at.

    `screened` is None where they were not. The portion may be empty: too few images
    were good enough. `instead` of them stand in for images of the GAN, which cannot
    make enough good ones of the class. `forced` of them were rejected, and are taken
    since there is nothing else.
    """

    portion: Portion
    screened: Screened | None = None
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
        and "other_class"; "agreement", the share that a judge puts into the class, with
        "agreement_before" any was rejected and "real_agreement" of real images that it
        has not seen; "diversity", as a ratio to real images, and "diversity_before";
        "fault" and "fault_share" of the GAN, see :func:`name_fault`. None where
        unknown.
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
    fault, share = name_fault(screened) if is_gan else (None, 0.0)
    return {
        **row,
        "looked_at": len(figures),
        "accepted": float(accepted.mean()),
        **shares,
        "agreement_before": float(figures["agrees"].mean()),
        "agreement": float(figures["agrees"][accepted].mean()),
        "real_agreement": screened.limits.real_agreement,
        "diversity_before": screened.diversity[0],
        "diversity": screened.diversity[1],
        "is_gan_tried": is_gan,
        "fault": fault,
        "fault_share": share,
    }


def name_fault(screened: Screened) -> tuple[str | None, float]:
    """Return the gravest fault of a generator's images of a class, None without one.

    Returns
    -------
    fault : str or None
        "copy": copies of training images, also if shifted by a pixel or with a little
        noise. "repeated": all alike. "unlike": unlike any real image, noise say.
        "other_class": of other classes than asked for.
    share : float
        Of the first images that have it, beyond what real images show.
    """
    trial = screened.figures.iloc[:N_TRIAL]
    limits, real = screened.limits, screened.real
    unlike = trial["distance"] > limits.most_distance
    unlike |= trial["pixel_distance"] > limits.most_pixel_distance
    real_copies = (real["copy_ratio"] < COPY).mean() if len(real) else 0.0
    shares = {
        "copy": float((trial["copy_ratio"] < COPY).mean() - real_copies),
        "repeated": float((trial["repetition"] < REPEATED).mean()),
        "unlike": float(unlike.mean()),
        "other_class": limits.real_agreement - float(trial["agrees"].mean()),
    }
    for fault in ("copy", "repeated", "unlike"):
        if shares[fault] > MANY:
            return fault, shares[fault]
    if shares["other_class"] > LEAST_AGREEMENT:
        return "other_class", shares["other_class"]
    if screened.diversity[0] < LEAST_DIVERSITY:
        return "repeated", 1 - screened.diversity[0]
    return None, 0.0


def describe_exceptions(summary: pd.DataFrame, called: Sequence[str]) -> str:
    """Return in words which classes are not made well by the GAN, "" where all are.

    Parameters
    ----------
    summary : DataFrame
        Rows of :func:`summarize`.
    called : sequence of str
        What people call their classes.
    """
    rows = summary.to_dict(orient="records")
    why = [f"{name} ({_why(row)})" for name, row in zip(called, rows, strict=True)]

    def named(kept: Iterable[bool]) -> str:
        """Return the classes that are kept, and why; the first of many."""
        names = list(itertools.compress(why, kept))
        more = len(names) - MOST_NAMED
        rest = [f"and {more} more, see quality_summary_"] if more > 0 else []
        return ", ".join(names[:MOST_NAMED] + rest)

    between = named(row[INTERPOLATED] > 0 for row in rows)
    copied = named(row["instead"] > row[INTERPOLATED] for row in rows)
    forced = named(row["forced"] > 0 for row in rows)
    simpler = [
        f"{METHODS[method]}: {names}"
        for method, names in ((INTERPOLATED, between), (COPIED, copied))
        if names
    ]
    said = []
    if simpler:
        said.append(f"Made in a simpler way than others: {'; '.join(simpler)}.")
    if forced:
        n_forced = sum(row["forced"] for row in rows)
        said.append(
            f"Rejected, and taken all the same ({n_forced:,} images), as gan_only "
            f"says, or as there is no real image: {forced}."
        )
    return " ".join(said)


def _why(row: Mapping[Any, Any]) -> str:
    accepted = row.get("accepted")
    if accepted is None or pd.isna(accepted) or not row["is_gan_tried"]:
        return f"{row['real']} real images"
    fault = row["fault"]
    what = "" if fault is None or pd.isna(fault) else f": {FAULTS[fault][1]}"
    return f"{100 * accepted:.0f} % of the GAN's images accepted{what}"
