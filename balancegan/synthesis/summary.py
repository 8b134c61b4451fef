"""What was found of the images of each class, in a row; what is wrong, by its name.

Faults are named by the images as the GAN makes them, before any is rejected.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from balancegan.synthesis.faults import FAULTS, REASONS
from balancegan.synthesis.rejection import COPY, N_TRIAL, REPEATED, Screened
from balancegan.synthesis.synthesis import Portion

# Shares of the images of a class, beyond what real images would show: worth a hint, or
# a fault of the generator
SOME, MANY = 0.1, 0.5
LEAST_DIVERSITY = 0.5  # as a ratio to real images
LESS_AGREEMENT, LEAST_AGREEMENT = 0.1, 0.3  # how far below real images


def summarize(
    label: Any, n_real: int, portions: Sequence[Portion], screened: Screened | None
) -> dict[str, Any]:
    """Return what was found of the images of one class.

    Parameters
    ----------
    label : object
        The class.
    n_real : int
        Its real images.
    portions : sequence of Portion
        What is made of it.
    screened : Screened or None
        What was found of the GAN's images. None: they were not looked at.

    Returns
    -------
    row : dict
        "class", "real", and how many images are made by each method; "looked_at", the
        share "accepted", and the shares rejected as "copy", "repeated", "unlike" and
        "other_class"; "agreement", the share that a judge puts into the class, with
        "agreement_before" any was rejected and "real_agreement" of real images that it
        has not seen; "diversity", as a ratio to real images, and "diversity_before";
        "fault" and "fault_share", see :func:`name_fault`. None where unknown.
    """
    made = dict.fromkeys(("gan", "transformed"), 0)
    for portion in portions:
        made[portion.method] += len(portion)
    row: dict[str, Any] = {"class": label, "real": n_real, **made}
    if screened is None:
        return row
    figures = screened.figures
    accepted = figures["rejected"] == ""
    shares = {
        reason: float((figures["rejected"] == reason).mean()) for reason in REASONS
    }
    fault, share = name_fault(screened)
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
        "is_given_up": screened.is_given_up,
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


def describe_exceptions(summary: pd.DataFrame) -> str:
    """Return in words which classes are not made by the GAN, "" where all are.

    Parameters
    ----------
    summary : DataFrame
        Rows of :func:`summarize`.
    """
    if not len(summary):
        return ""
    simpler = summary[summary["transformed"] > 0]
    texts = [
        f"{row['class']} ({_why(row)})" for row in simpler.to_dict(orient="records")
    ]
    if not texts:
        return ""
    return (
        "Not by the GAN, but as transformed copies of real images are made: "
        f"{', '.join(texts)}."
    )


def _why(row: Mapping[Any, Any]) -> str:
    accepted = row.get("accepted")
    if accepted is None or pd.isna(accepted):
        return f"{row['real']} real images"
    fault = row["fault"]
    what = "" if fault is None or pd.isna(fault) else f": {FAULTS[fault][1]}"
    return f"{100 * accepted:.0f} % of the GAN's images accepted{what}"
