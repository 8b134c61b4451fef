"""Facts about a labelled image set before anything is trained.

Counts, format, and what the audit found. Facts only: how they are shown is the
command line's business.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balancegan.balance import class_counts, imbalance_ratio
from balancegan.data.audit import audit_images
from balancegan.data.findings import AuditedPart, Finding
from balancegan.errors import DataError
from balancegan.images import ImageFormat, find_format


@dataclass(frozen=True)
class Inspection:
    """What an image set holds.

    Parameters
    ----------
    counts : dict
        Training images of each class, in the order of the sorted labels.
    imbalance_ratio : float
        Largest class over smallest.
    image_format : ImageFormat
        Layout and range of the training images, those with values out of range left
        out.
    findings : list of Finding
        How each check of the audit ended, the worst first.
    """

    counts: dict[Any, int]
    imbalance_ratio: float
    image_format: ImageFormat
    findings: list[Finding]


def inspect_images(
    train: AuditedPart,
    test: AuditedPart | None = None,
    *,
    image_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
    name: Callable[[Any], str] = str,
) -> Inspection:
    """Count and examine labelled images.

    Parameters
    ----------
    train : AuditedPart
        Training images with their labels.
    test : AuditedPart, default=None
        Test images. None: what concerns them is not applicable.
    image_shape : tuple of int, default=None
        Height, width and channels. None: read off the images, channels last.
    value_range : tuple of float, default=None
        The values of black and white. None: found out.
    name : callable, default=str
        From a label to what people call the class.

    Returns
    -------
    inspection : Inspection

    Raises
    ------
    DataError
        If the arrays do not belong together, or no image can be trained on.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    >>> images[31] = images[7]
    >>> inspection = inspect_images(AuditedPart(images, np.arange(60) // 40))
    >>> inspection.counts, inspection.imbalance_ratio
    ({0: 40, 1: 20}, 2.0)
    >>> [f.title for f in inspection.findings if f.outcome in ("issue", "tip")]
    ['Equal images']
    """
    findings = audit_images(train, test, value_range=value_range, name=name)
    counts = class_counts(train.labels)
    return Inspection(
        counts=counts,
        imbalance_ratio=imbalance_ratio(counts),
        image_format=_find_format_of_good(
            train.images, findings, image_shape, value_range
        ),
        findings=findings,
    )


def count_values(column: pd.Series) -> dict[Any, int]:
    """Return how many images have each value of a column, sorted by value.

    Values of unlike kinds are sorted by kind first. Missing ones are counted under
    None, which comes last.

    Raises
    ------
    DataError
        If the values are no single numbers or texts.

    Examples
    --------
    >>> count_values(pd.Series(["red", None, "blue", "red"]))
    {'blue': 1, 'red': 2, None: 1}
    """
    try:
        counts = Counter(column[column.notna()].tolist())
        values = sorted(counts, key=lambda value: (type(value).__name__, value))
    except TypeError as error:
        raise DataError(
            f"An attribute has one number or text for each image. Received: "
            f"{column.name!r} with others: {error}."
        ) from error
    n_missing = int(column.isna().sum())
    found = {value: counts[value] for value in values}
    return found | ({None: n_missing} if n_missing else {})


def _find_format_of_good(
    images: np.ndarray,
    findings: Sequence[Finding],
    image_shape: tuple[int, ...] | None,
    value_range: tuple[float, float] | None,
) -> ImageFormat:
    bad = next(finding.rows for finding in findings if finding.code == "BG101")
    if 0 < len(bad) < len(images):
        images = np.delete(images, bad, axis=0)
    return find_format(images, image_shape, value_range, may_be_dim=True)
