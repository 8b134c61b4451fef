"""Checks of an image set before training, and those of its values and classes.

Each check takes an :class:`ExaminedSet` and returns a finding. `copy_checks` finds
images that occur more than once, `photo_checks` checks photos at their own size. To add
a check, write a function and add a line to one of the tables.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from balancegan.balance import class_text, imbalance_ratio
from balancegan.data.copy_checks import COPY_CHECKS, COPY_CHECKS_ACROSS
from balancegan.data.examined import ExaminedSet
from balancegan.data.image_parts import ExaminedPart
from balancegan.data.photo_checks import PHOTO_CHECKS
from balancegan.quality.checks import Finding, count, list_some, sort_findings

# Training images of a class
FEW_IMAGES, TOO_FEW_IMAGES = 20, 5
HIGH_RATIO = 10.0
SHOWN_CLASSES = 10


def run_checks(examined: ExaminedSet) -> list[Finding]:
    """Return a finding for each check of images, the worst first.

    Examples
    --------
    >>> from balancegan.data.image_parts import ImagePart
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    >>> images[31] = images[7]
    >>> findings = run_checks(ExaminedSet(ImagePart(images, np.arange(60) // 30)))
    >>> [(f.code, f.title, f.pairs) for f in findings if f.outcome == "issue"]
    [('BG104', 'Equal images', ((7, 31),)), ('BG105', 'Conflicting labels', ((7, 31),))]
    """
    findings = [check(examined) for check in CHECKS.values()]
    findings += [
        _refuse_across(code, examined) or check(examined)
        for code, check in CHECKS_ACROSS.items()
    ]
    return sort_findings(sorted(findings, key=lambda finding: finding.code))


def _refuse_across(code: str, examined: ExaminedSet) -> Finding | None:
    """Return why the test part cannot be checked against the training part."""
    if examined.test is None:
        return Finding(code, "not applicable", "There is no test part.")
    if code not in COMPARING:
        return None
    if not examined.is_comparable:
        ours, theirs = (part.part.images.shape[1:] for part in examined.parts)
        message = f"Test images of shape {theirs} cannot be compared with {ours}."
        return Finding(code, "not run", message)
    if not all(len(part.sound) for part in examined.parts):
        return Finding(code, "not run", "A part has no image that can be compared.")
    return None


def _find_bad_values(examined: ExaminedSet) -> Finding:
    expected = examined.expected_range
    outside = "far outside" if examined.value_range is None else "outside"
    kinds: list[tuple[Callable[[ExaminedPart], np.ndarray], str]] = [
        (lambda part: ~part.values.finite, "with NaN, infinity or beyond 1e30"),
        (lambda part: part.outside, f"{outside} {_format_range(expected)}"),
        (lambda part: part.fractional, "in 0 to 1 among others in 0 to 255"),
    ]
    texts = [
        f"{_count_images(part, rows)} {what} ({part.cite_all(rows)})."
        for find, what in kinds
        for part in examined.parts
        if len(rows := np.flatnonzero(find(part)))
    ]
    if not texts:
        low = min(part.values.low.min() for part in examined.parts)
        high = max(part.values.high.max() for part in examined.parts)
        message = f"All values are finite, from {_format_range((low, high))}."
        return Finding("BG101", "passed", message)
    return Finding(
        "BG101",
        "issue",
        f"{' '.join(texts)} They would decide which values count as black and white: "
        "correct or remove them.",
        *(np.flatnonzero(part.bad_values) for part in examined.parts),
    )


def _format_range(value_range: tuple[float, float] | None) -> str:
    return "" if value_range is None else f"{value_range[0]:g} to {value_range[1]:g}"


def _count_images(part: ExaminedPart, rows: np.ndarray) -> str:
    return count(len(rows), f"{part.which}image")


def _find_constant(examined: ExaminedSet) -> Finding:
    rows = [np.flatnonzero(part.constant) for part in examined.parts]
    texts = [
        f"{_count_images(part, found)} ({part.cite_all(found)})"
        for part, found in zip(examined.parts, rows, strict=True)
        if len(found)
    ]
    if not texts:
        return Finding("BG102", "passed", "No image is constant.")
    return Finding(
        "BG102",
        "issue",
        f"{' and '.join(texts)} with the same value everywhere, or nearly so. They "
        "teach nothing about their class: find their cause, or remove them.",
        *rows,
    )


def _find_sizes(examined: ExaminedSet) -> Finding:
    sizes = examined.train.part.sizes
    if sizes is None:
        return Finding("BG103", "not applicable", "The images come in one size.")
    distinct, which, counts = np.unique(
        sizes, axis=0, return_inverse=True, return_counts=True
    )
    if len(distinct) == 1:
        message = f"All images were {_format_size(distinct[0])}."
        return Finding("BG103", "passed", message)
    order = np.lexsort((sizes[:, 0], sizes.prod(axis=1)))
    small, middle, large = (
        _format_size(sizes[order[i]]) for i in (0, len(order) // 2, -1)
    )
    return Finding(
        "BG103",
        "tip",
        f"The images had {count(len(distinct), 'size')} before they were brought to "
        f"one (height x width): the smallest {small}, the median {middle}, the largest "
        f"{large}. Enlarged images are blurred; a class with many of them is "
        "recognised by its blur.",
        np.flatnonzero(which.reshape(-1) != counts.argmax()),
    )


def _format_size(size: np.ndarray) -> str:
    return f"{size[0]}x{size[1]}"


def _find_groups(examined: ExaminedSet) -> Finding:
    train, test = (part.part for part in examined.parts)
    if train.groups is None:
        return Finding("BG109", "not applicable", "The groups of images are unknown.")
    if test.groups is None:
        return Finding("BG109", "not run", "The groups of test images are unknown.")
    ours, theirs = train.groups.tolist(), test.groups.tolist()
    known = {group for group in ours if not pd.isna(group) and group != ""}
    both = known & set(theirs)
    if not both:
        message = f"None of {count(len(known), 'group')} has test images too."
        return Finding("BG109", "passed", message)
    rows = [row for row, group in enumerate(ours) if group in both]
    test_rows = [row for row, group in enumerate(theirs) if group in both]
    return Finding(
        "BG109",
        "issue",
        f"Of {count(len(known), 'training group')} {len(both):,} "
        f"{'has' if len(both) == 1 else 'have'} test images too "
        f"({list_some(sorted(map(str, both)))}): {count(len(test_rows), 'test image')} "
        f"of {len(theirs):,}. Images of one group are alike, so the test part rewards "
        "memorising: keep each group on one side.",
        rows,
        test_rows,
    )


def _find_small_classes(examined: ExaminedSet) -> Finding:
    few = {label: n for label, n in examined.counts.items() if n < FEW_IMAGES}
    if not few:
        message = f"Every class has {FEW_IMAGES} training images or more."
        return Finding("BG110", "passed", message)
    named = [f"{class_text(examined.name(label))}: {n}" for label, n in few.items()]
    return Finding(
        "BG110",
        "issue" if min(few.values()) < TOO_FEW_IMAGES else "tip",
        "Too few training images to learn how a class varies: "
        f"{list_some(named, SHOWN_CLASSES)}. With fewer than {FEW_IMAGES}, synthetic "
        f"images repeat the real ones; with fewer than {TOO_FEW_IMAGES}, it cannot be "
        "measured whether they help. Collect more.",
        [row for row, label in enumerate(examined.train.labels) if label in few],
    )


def _find_unequal_classes(examined: ExaminedSet) -> Finding:
    labels, test_labels = (part.labels for part in examined.parts)
    untested = sorted(set(labels) - set(test_labels), key=str)
    unlearned = sorted(set(test_labels) - set(labels), key=str)
    if not untested and not unlearned:
        return Finding("BG111", "passed", "Both parts have the same classes.")
    texts = []
    if unlearned:
        texts.append(
            f"No training image shows {_name_classes(examined, unlearned)}: test "
            "images of it cannot be classified correctly. Are the labels spelled alike?"
        )
    if untested:
        texts.append(
            f"No test image shows {_name_classes(examined, untested)}: results will "
            "say nothing about it."
        )
    return Finding(
        "BG111",
        "issue" if unlearned else "tip",
        " ".join(texts),
        [row for row, label in enumerate(labels) if label in untested],
        [row for row, label in enumerate(test_labels) if label in unlearned],
    )


def _name_classes(examined: ExaminedSet, labels: list[Any]) -> str:
    names = [examined.name(label) for label in labels]
    noun = "class" if len(names) == 1 else "classes"
    return f"{noun} {list_some(names, SHOWN_CLASSES)}"


def _find_imbalance(examined: ExaminedSet) -> Finding:
    ratio = imbalance_ratio(examined.counts)
    if ratio <= HIGH_RATIO:
        message = f"The largest class is {ratio:.1f} times as large as the smallest."
        return Finding("BG112", "passed", message)
    return Finding(
        "BG112",
        "tip",
        f"The largest class has {ratio:.0f} times as many images as the smallest. "
        "Consider a cap (max_ratio), or thousands of images derive from a few real "
        "ones.",
    )


CHECKS: dict[str, Callable[[ExaminedSet], Finding]] = {
    "BG101": _find_bad_values,
    "BG102": _find_constant,
    "BG103": _find_sizes,
    **COPY_CHECKS,
    "BG110": _find_small_classes,
    "BG112": _find_imbalance,
    **PHOTO_CHECKS,
}
CHECKS_ACROSS: dict[str, Callable[[ExaminedSet], Finding]] = {
    "BG109": _find_groups,
    "BG111": _find_unequal_classes,
    **COPY_CHECKS_ACROSS,
}
COMPARING = ("BG106", "BG108", "BG114")  # the pixels of both parts
