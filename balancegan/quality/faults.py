"""How images are made and why they are rejected, in words. No computation."""

from collections.abc import Mapping
from typing import Any

GAN, RECOMBINED = "gan", "recombined"
INTERPOLATED, COPIED = "interpolated", "copied"
METHODS = {
    GAN: "generated images",
    RECOMBINED: "images recombined from real ones",
    INTERPOLATED: "images interpolated between real ones",
    COPIED: "copies of real images",
}

# Why an image is rejected: the code of the finding, and what such images are
FAULTS = {
    "copy": ("BG201", "copies of training images"),
    "repeated": ("BG202", "repeated (near-identical) images"),
    "unlike": ("BG203", "images unlike real ones"),
    "other_class": ("BG204", "images of other classes"),
}
REASONS = tuple(FAULTS)
SHORT = {  # in tables
    "copy": "copy",
    "repeated": "repeated",
    "unlike": "unlike real",
    "other_class": "other class",
}


def describe_reason(row: Mapping[Any, Any]) -> str:
    """Return the main reason for rejection in words.

    Parameters
    ----------
    row : mapping
        A row of :func:`balancegan.samplers.summary.summarize`.

    Examples
    --------
    >>> describe_reason({"reason": "unlike"}), describe_reason({"reason": None})
    ('Rejected as images unlike real ones', 'Too few accepted')
    """
    reason = row["reason"]
    if reason not in FAULTS:  # None, or NaN in a table: nothing was rejected
        return "Too few accepted"
    return f"Rejected as {FAULTS[reason][1]}"
