"""What a careful colleague would look at in an image set before training.

Checks with codes: those of arrays, and those of photos at their own size
(`photochecks`). A check that could not be made ends as "not run" or "not applicable",
never as passed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from balancegan.balance import class_text, imbalance_ratio
from balancegan.data.copies import (
    find_conflicts,
    find_conflicts_across,
    find_equal,
    find_leaks,
    find_near,
    find_near_leaks,
    find_test_conflicts,
)
from balancegan.data.evidence import Evidence, Examined
from balancegan.data.findings import (
    OUTCOMES,
    AuditedPart,
    Finding,
    check_part,
    count,
    list_some,
    make_finding,
)
from balancegan.data.photochecks import PHOTO_CHECKS
from balancegan.errors import DataError

# Training images of a class
FEW_IMAGES = 20
TOO_FEW_IMAGES = 5
HIGH_RATIO = 10.0
SHOWN_CLASSES = 10
NO_TEST_PART = "There is no test part."


def audit_images(
    train: AuditedPart,
    test: AuditedPart | None = None,
    *,
    value_range: tuple[float, float] | None = None,
    name: Callable[[Any], str] = str,
    seed: int = 0,
) -> list[Finding]:
    """Look for faults of an image set.

    Parameters
    ----------
    train : AuditedPart
        Training images with their labels.
    test : AuditedPart, default=None
        Test images. None: what concerns them is not applicable.
    value_range : tuple of float, default=None
        The values of black and white. None: the range of nearly all images, if it is
        0 to 1, -1 to 1 or 0 to 255.
    name : callable, default=str
        From a label of either part to what people call the class.
    seed : int, default=0
        Of the sample that is searched for near duplicates where there are more than
        some 24,000 images. Everything else is looked for in all images.

    Returns
    -------
    findings : list of Finding
        One for each code of `balancegan.data.findings.TITLES`, the worst first.

    Raises
    ------
    DataError
        If there is no training image, or the arrays of a part do not belong together.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    >>> images[31] = images[7]
    >>> findings = audit_images(AuditedPart(images, np.arange(60) // 30))
    >>> [(f.code, f.title, f.pairs) for f in findings if f.outcome == "issue"]
    [('BG104', 'Equal images', ((7, 31),)), ('BG105', 'Conflicting labels', ((7, 31),))]
    """
    return run_checks(gather_evidence(train, test, value_range, name, seed))


def gather_evidence(
    train: AuditedPart,
    test: AuditedPart | None,
    value_range: tuple[float, float] | None,
    name: Callable[[Any], str] = str,
    seed: int = 0,
    image_shape: tuple[int, ...] | None = None,
) -> Evidence:
    """Return what the checks need, see `audit_images` and `Evidence`."""
    check_part(train, "training")
    if test is not None:
        check_part(test, "test")
    if not len(train.images):
        raise DataError("There must be training images. Received: none.")
    return Evidence(train, test, value_range, name, seed, image_shape)


def run_checks(evidence: Evidence) -> list[Finding]:
    """Return a finding for each code, the worst first."""
    findings = [check(evidence) for check in CHECKS]
    findings += [check(code, evidence) for code, check in PHOTO_CHECKS.items()]
    findings += [
        _check_across(code, check, evidence) for code, check in CHECKS_ACROSS.items()
    ]
    findings.sort(key=lambda finding: finding.code)
    return sorted(findings, key=lambda finding: OUTCOMES.index(finding.outcome))


def _check_across(
    code: str, check: Callable[[Evidence, Examined], Finding], evidence: Evidence
) -> Finding:
    """Check the test part against the training part, where that is possible."""
    if evidence.test is None:
        return make_finding(code, "not applicable", NO_TEST_PART)
    if code in COMPARING and not evidence.is_comparable:
        ours, theirs = (part.part.images.shape[1:] for part in evidence.parts)
        message = f"Test images of shape {theirs} cannot be compared with {ours}."
        return make_finding(code, "not run", message)
    if code in COMPARING and not all(len(part.sound) for part in evidence.parts):
        message = "No image of a part is fit to be compared."
        return make_finding(code, "not run", message)
    return check(evidence, evidence.test)


def _find_bad_values(evidence: Evidence) -> Finding:
    """Find NaN, infinity and values out of the declared or usual range (BG101)."""
    expected = evidence.expected_range
    outside = "far outside" if evidence.value_range is None else "outside"
    texts = [
        _count_bad(evidence, which, what)
        for which, what in (
            (lambda part: ~part.values.finite, "with NaN, infinity or beyond 1e30"),
            (lambda part: part.outside, f"{outside} {_say_range(expected)}"),
            (lambda part: part.fractional, "in 0 to 1 among others in 0 to 255"),
        )
    ]
    if not any(texts):
        low = min(part.values.low.min() for part in evidence.parts)
        high = max(part.values.high.max() for part in evidence.parts)
        found = _say_range((low, high))
        return make_finding("BG101", "passed", f"All values are finite, from {found}.")
    return make_finding(
        "BG101",
        "issue",
        f"{' '.join(text for text in texts if text)} Left as they are, they decide "
        "what counts as black and white: mend or remove them.",
        *(np.flatnonzero(part.bad_values) for part in evidence.parts),
    )


def _count_bad(
    evidence: Evidence, which: Callable[[Examined], np.ndarray], what: str
) -> str:
    """Return how many images of each part are bad, with examples."""
    texts = []
    for part in evidence.parts:
        rows = np.flatnonzero(which(part))
        if len(rows):
            texts.append(f"{_count_images(part, rows)} {what} ({part.cite_all(rows)}).")
    return " ".join(texts)


def _count_images(part: Examined, rows: np.ndarray) -> str:
    return count(len(rows), f"{part.which or 'training '}image")


def _say_range(value_range: tuple[float, float] | None) -> str:
    return "" if value_range is None else f"{value_range[0]:g} to {value_range[1]:g}"


def _find_constant(evidence: Evidence) -> Finding:
    """Find images that show nothing (BG102)."""
    rows = [np.flatnonzero(part.constant) for part in evidence.parts]
    texts = [
        f"{_count_images(part, found)} ({part.cite_all(found)})"
        for part, found in zip(evidence.parts, rows, strict=True)
        if len(found)
    ]
    if not texts:
        return make_finding("BG102", "passed", "Every image shows something.")
    return make_finding(
        "BG102",
        "issue",
        f"{' and '.join(texts)} with the same value everywhere, or nearly so. They "
        "teach nothing about their class: find out how they came about, or remove "
        "them.",
        *rows,
    )


def _find_sizes(evidence: Evidence) -> Finding:
    """Find out from which sizes the training images were brought to one (BG103)."""
    sizes = evidence.train.part.sizes
    if sizes is None:
        message = "The images come in one size."
        return make_finding("BG103", "not applicable", message)
    distinct, which, counts = np.unique(
        sizes, axis=0, return_inverse=True, return_counts=True
    )
    if len(distinct) == 1:
        message = f"All images were {_say_size(distinct[0])}."
        return make_finding("BG103", "passed", message)
    order = np.lexsort((sizes[:, 0], sizes.prod(axis=1)))
    small, middle, large = (
        _say_size(sizes[order[i]]) for i in (0, len(order) // 2, -1)
    )
    rare = which.reshape(-1) != counts.argmax()
    return make_finding(
        "BG103",
        "tip",
        f"The images had {count(len(distinct), 'size')} before they were brought to "
        f"one (height x width): the smallest {small}, the median {middle}, the largest "
        f"{large}. Enlarged images are blurred, and a class that has most of them is "
        "told by its blur.",
        rows=np.flatnonzero(rare),
    )


def _say_size(size: np.ndarray) -> str:
    return f"{size[0]}x{size[1]}"


def _find_groups(evidence: Evidence, test: Examined) -> Finding:
    """Find groups with images in both parts (BG109)."""
    groups, test_groups = evidence.train.part.groups, test.part.groups
    if groups is None:
        message = "The groups of the images are not known."
        return make_finding("BG109", "not applicable", message)
    if test_groups is None:
        message = "The groups of the test images are not known."
        return make_finding("BG109", "not run", message)
    ours, theirs = groups.tolist(), test_groups.tolist()
    known = {group for group in ours if not pd.isna(group) and group != ""}
    both = known & set(theirs)
    if not both:
        message = f"None of {count(len(known), 'group')} has test images too."
        return make_finding("BG109", "passed", message)
    rows = [row for row, group in enumerate(ours) if group in both]
    test_rows = [row for row, group in enumerate(theirs) if group in both]
    return make_finding(
        "BG109",
        "issue",
        f"Of {count(len(known), 'training group')} {len(both):,} "
        f"{'has' if len(both) == 1 else 'have'} test images too "
        f"({list_some(sorted(map(str, both)))}): {count(len(test_rows), 'test image')} "
        f"of {len(theirs):,}. Images of one group are alike, so that the test part "
        "rewards remembering: keep each group on one side.",
        rows,
        test_rows,
    )


def _find_small_classes(evidence: Evidence) -> Finding:
    """Find classes too small to learn from (BG110)."""
    counts = evidence.counts
    few = {label: n for label, n in counts.items() if n < FEW_IMAGES}
    if not few:
        message = f"Every class has {FEW_IMAGES} training images or more."
        return make_finding("BG110", "passed", message)
    named = [f"{class_text(evidence.name(label))}: {n}" for label, n in few.items()]
    return make_finding(
        "BG110",
        "issue" if min(few.values()) < TOO_FEW_IMAGES else "tip",
        f"Too few training images to learn the variety of a class from: "
        f"{list_some(named, SHOWN_CLASSES)}. With fewer than {FEW_IMAGES} synthetic "
        "images repeat what is there; with fewer than "
        f"{TOO_FEW_IMAGES} nobody can say whether they help. Collect more.",
        rows=[row for row, label in enumerate(evidence.train.labels) if label in few],
    )


def _find_unequal_classes(evidence: Evidence, test: Examined) -> Finding:
    """Find classes that only one part has (BG111)."""
    labels, test_labels = evidence.train.labels, test.labels
    untested = sorted(set(labels) - set(test_labels), key=str)
    unlearned = sorted(set(test_labels) - set(labels), key=str)
    if not untested and not unlearned:
        return make_finding("BG111", "passed", "Both parts have the same classes.")
    texts = []
    if unlearned:
        texts.append(
            f"No training image shows {_name_classes(evidence, unlearned)}: test "
            "images of it can only be taken for something else. Are the labels written "
            "alike?"
        )
    if untested:
        texts.append(
            f"No test image shows {_name_classes(evidence, untested)}: nothing will be "
            "known about it."
        )
    return make_finding(
        "BG111",
        "issue" if unlearned else "tip",
        " ".join(texts),
        [row for row, label in enumerate(labels) if label in untested],
        [row for row, label in enumerate(test_labels) if label in unlearned],
    )


def _name_classes(evidence: Evidence, labels: list[Any]) -> str:
    names = [evidence.name(label) for label in labels]
    noun = "class" if len(names) == 1 else "classes"
    return f"{noun} {list_some(names, SHOWN_CLASSES)}"


def _find_imbalance(evidence: Evidence) -> Finding:
    """Compare the largest class with the smallest (BG112)."""
    ratio = imbalance_ratio(evidence.counts)
    if ratio <= HIGH_RATIO:
        message = f"The largest class is {ratio:.1f} times as large as the smallest."
        return make_finding("BG112", "passed", message)
    return make_finding(
        "BG112",
        "tip",
        f"The largest class has {ratio:.0f} times as many images as the smallest. "
        "Consider a cap (max_ratio), so that a few real images do not stand for "
        "thousands.",
    )


CHECKS = (
    _find_bad_values,
    _find_constant,
    _find_sizes,
    find_equal,
    find_conflicts,
    find_near,
    _find_small_classes,
    _find_imbalance,
)
CHECKS_ACROSS = {
    "BG106": find_leaks,
    "BG108": find_near_leaks,
    "BG109": _find_groups,
    "BG111": _find_unequal_classes,
    "BG113": find_test_conflicts,
    "BG114": find_conflicts_across,
}
COMPARING = ("BG106", "BG108", "BG114")
