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
    """Return the main reason for rejection in words, "" where nothing was rejected.

    Parameters
    ----------
    row : mapping
        A row of :func:`balancegan.synthesis.summary.summarize`.

    Examples
    --------
    >>> describe_reason({"reason": "unlike", "reason_share": 0.98})
    '98 % rejected as images unlike real ones'
    """
    reason = row.get("reason")
    if reason not in FAULTS:  # None, or NaN in a table
        return ""
    return f"{100 * row['reason_share']:.0f} % rejected as {FAULTS[reason][1]}"
