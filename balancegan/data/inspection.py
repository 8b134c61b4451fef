"""Facts about a labelled image set before anything is trained.

Counts, range and the warnings that a careful colleague would give. Facts only: how
they are shown is the command line's business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from balancegan.balance import class_counts, imbalance_ratio
from balancegan.images import ImageFormat

FEW_IMAGES = 20
HIGH_RATIO = 10.0


@dataclass(frozen=True)
class Inspection:
    """What an image set holds.

    Parameters
    ----------
    counts : dict
        Images of each class, in the order of the sorted labels.
    imbalance_ratio : float
        Largest class over smallest.
    image_format : ImageFormat
        Layout and range.
    warnings : list of str
        What to look into before training.
    """

    counts: dict[Any, int]
    imbalance_ratio: float
    image_format: ImageFormat
    warnings: list[str]


def inspect_images(
    images: np.ndarray,
    labels: np.ndarray,
    image_format: ImageFormat,
    name: Callable[[Any], str] = str,
) -> Inspection:
    """Count and examine labelled images.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        As `image_format` describes them.
    labels : ndarray of shape (n,)
        Their labels.
    image_format : ImageFormat
        See :func:`balancegan.images.find_format`.
    name : callable, default=str
        From a label to what people call the class.

    Returns
    -------
    inspection : Inspection

    Examples
    --------
    >>> from balancegan.images import find_format
    >>> images = np.zeros((3, 4, 4), dtype="uint8")
    >>> inspection = inspect_images(images, np.array([0, 0, 1]), find_format(images))
    >>> inspection.counts, inspection.imbalance_ratio
    ({0: 2, 1: 1}, 2.0)
    >>> inspection.warnings[-1]
    '2 images are exact copies of another; 1 of them with another label'
    """
    counts = class_counts(labels)
    ratio = imbalance_ratio(counts)
    warnings = [
        f"class {name(label)} has {n} image{'s' if n > 1 else ''}: too few to learn "
        "its variety from"
        for label, n in counts.items()
        if n < FEW_IMAGES
    ]
    if ratio > HIGH_RATIO:
        warnings.append(
            f"the largest class has {ratio:.0f} times as many images as the smallest: "
            "consider a cap (--max-ratio), so that a few real images do not stand for "
            "thousands"
        )
    flat = images.reshape(len(images), -1)
    n_constant = int((flat == flat[:, :1]).all(axis=1).sum())
    if n_constant:
        warnings.append(f"{n_constant} images have the same value everywhere")
    n_copies, n_conflicts = _count_copies(flat, labels)
    if n_copies:
        conflicts = f"; {n_conflicts} of them with another label" if n_conflicts else ""
        warnings.append(f"{n_copies} images are exact copies of another{conflicts}")
    return Inspection(counts, ratio, image_format, warnings)


def _count_copies(flat: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Count rows that occurred before, and those of them with another label."""
    first_label: dict[int, Any] = {}
    n_copies = n_conflicts = 0
    for row, label in zip(flat, labels, strict=True):
        key = hash(row.tobytes())
        if key not in first_label:
            first_label[key] = label
            continue
        n_copies += 1
        n_conflicts += bool(first_label[key] != label)
    return n_copies, n_conflicts
