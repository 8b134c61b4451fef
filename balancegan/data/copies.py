"""Checks for images that occur more than once, equal or nearly so."""

from collections.abc import Callable, Iterable, Sized
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from balancegan.data.evidence import Evidence, Examined
from balancegan.data.findings import Finding, cite, cite_pairs, count, make_finding
from balancegan.quality.likeness import LEAST_IMAGES, NEAR, NTH, NearPairs

MANY_COPIES = 0.01  # as a share of the images
TOO_FEW = f"With fewer than {LEAST_IMAGES} different images nothing is usually near."
MEANING = f"Nearly equal: at less than {NEAR:g} of the distance to the {NTH}th-nearest"


def find_equal(evidence: Evidence) -> Finding:
    """Find training images that are exact copies of another (BG104)."""
    groups = evidence.equal_rows
    n = len(evidence.train.labels)
    if not groups:
        return make_finding("BG104", "passed", "No training image equals another.")
    pairs = [(rows[0], copy) for rows in groups for copy in rows[1:]]
    call = evidence.train.cite
    return make_finding(
        "BG104",
        "issue" if len(pairs) > MANY_COPIES * n else "tip",
        f"Of {n:,} training images {len(pairs):,} {_are(pairs)} an exact copy of "
        "another. Copies weigh more than other images, and a split by chance puts them "
        f"on both sides: keep one of each. {cite_pairs(pairs, call, call)}",
        rows=[row for rows in groups for row in rows],
        pairs=pairs,
    )


def find_conflicts(evidence: Evidence) -> Finding:
    """Find equal training images with different labels (BG105)."""
    groups, pairs = _find_conflicting(evidence.equal_rows, evidence.train.labels)
    if not groups:
        message = "No two equal training images have different labels."
        return make_finding("BG105", "passed", message)
    call = _cite_with_class(evidence, evidence.train, evidence.train.cite)
    return make_finding(
        "BG105",
        "issue",
        f"{count(len(groups), 'image')} in the training part with more than one label. "
        "What is learned of these classes is wrong in part: mend the labels, or remove "
        f"the images. {cite_pairs(pairs, call, call)}",
        rows=[row for rows in groups for row in rows],
        pairs=pairs,
    )


def find_test_conflicts(evidence: Evidence, test: Examined) -> Finding:
    """Find equal test images with different labels (BG113)."""
    if not len(test.sound):
        message = "No test image is fit to be compared."
        return make_finding("BG113", "not run", message)
    groups, pairs = _find_conflicting(evidence.equal_test_rows, test.labels)
    if not groups:
        message = "No two equal test images have different labels."
        return make_finding("BG113", "passed", message)
    call = _cite_with_class(evidence, test, test.cite)
    return make_finding(
        "BG113",
        "issue",
        f"{count(len(groups), 'image')} in the test part with more than one label. No "
        "classifier can be right about all of them: mend the labels, or remove the "
        f"images. {cite_pairs(pairs, call, call)}",
        test_rows=[row for rows in groups for row in rows],
        pairs=pairs,
    )


def find_conflicts_across(evidence: Evidence, test: Examined) -> Finding:
    """Find test images that equal a training image of another label (BG114)."""
    ours, theirs = evidence.numbers
    labels, test_labels = evidence.train.labels, test.labels
    theirs_of: dict[int, set[Any]] = {}
    for number, row in zip(theirs.tolist(), test.sound.tolist(), strict=True):
        theirs_of.setdefault(number, set()).add(test_labels[row])
    rows = []
    first_of: dict[int, dict[Any, int]] = {}
    for number, row in zip(ours.tolist(), evidence.train.sound.tolist(), strict=True):
        if theirs_of.get(number, set()) - {labels[row]}:
            rows.append(row)
            first_of.setdefault(number, {}).setdefault(labels[row], row)
    # A test image with the first of each other label: all copies would be too many
    pairs = [
        (row, test_row)
        for number, test_row in zip(theirs.tolist(), test.sound.tolist(), strict=True)
        for label, row in first_of.get(number, {}).items()
        if label != test_labels[test_row]
    ]
    if not pairs:
        message = "No test image equals a training image of another label."
        return make_finding("BG114", "passed", message)
    test_rows = {test_row for _, test_row in pairs}
    return make_finding(
        "BG114",
        "issue",
        f"{count(len(test_rows), 'test image')} {_are(test_rows)} in the training part "
        "with another label. The classifier is taught what the test part calls wrong: "
        "mend the labels, and keep such images on one side. "
        + cite_pairs(
            pairs,
            _cite_with_class(evidence, evidence.train, _cite_training(evidence)),
            _cite_with_class(evidence, test, test.cite),
        ),
        rows=rows,
        test_rows=test_rows,
        pairs=pairs,
    )


def _find_conflicting(
    equal_rows: list[list[int]], labels: list[Any]
) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Return the groups of rows whose labels differ, and two such rows of each."""
    groups = [rows for rows in equal_rows if len({labels[row] for row in rows}) > 1]
    pairs = [
        (rows[0], next(row for row in rows if labels[row] != labels[rows[0]]))
        for rows in groups
    ]
    return groups, pairs


def _cite_with_class(
    evidence: Evidence, part: Examined, call: Callable[[int], str]
) -> Callable[[int], str]:
    """Return what calls an image by its name or row, and by its class."""
    return lambda row: f"{call(row)} ({evidence.name(part.labels[row])})"


def find_leaks(evidence: Evidence, test: Examined) -> Finding:
    """Find test images that equal a training image (BG106)."""
    ours, theirs = evidence.numbers
    known, first = np.unique(ours, return_index=True)
    leaked = np.flatnonzero(np.isin(theirs, known))
    if not len(leaked):
        message = f"No test image of {len(test.sound):,} equals a training image."
        return make_finding("BG106", "passed", message)
    origins = evidence.train.sound[first[np.searchsorted(known, theirs[leaked])]]
    pairs = sorted(zip(origins.tolist(), test.sound[leaked].tolist(), strict=True))
    return make_finding(
        "BG106",
        "issue",
        f"Of {len(test.labels):,} test images {len(pairs):,} {_are(pairs)} in the "
        "training part too, so that the test part rewards remembering: remove them "
        f"from one side.{_say_other_labels(evidence, test, pairs)} "
        + cite_pairs(pairs, _cite_training(evidence), test.cite),
        rows=evidence.train.sound[np.isin(ours, theirs[leaked])],
        test_rows=test.sound[leaked],
        pairs=pairs,
    )


def find_near(evidence: Evidence) -> Finding:
    """Find training images that are nearly equal to another (BG107)."""
    if evidence.search is None:
        return make_finding("BG107", "not applicable", TOO_FEW)
    near = evidence.search.find_within()
    near = replace(near, pairs=sorted({*near.pairs, *evidence.moved_pairs}))
    about = _say_what_was_sought(near, evidence.seed) + evidence.moved_note
    if not near.pairs:
        message = f"No two training images are nearly equal. {about}"
        return make_finding("BG107", "passed", message)
    rows = {row for pair in near.pairs for row in pair}
    call = evidence.train.cite
    return make_finding(
        "BG107",
        "tip",
        f"{count(len(rows), 'training image')} are nearly equal to another. {about} "
        "Look at them: copies that were saved anew, or shots of one object, count as "
        "one image, and belong on one side of a split."
        f"{_say_other_labels(evidence, evidence.train, near.pairs)} "
        + cite_pairs(near.pairs, call, call),
        rows=rows,
        pairs=near.pairs,
    )


def find_near_leaks(evidence: Evidence, test: Examined) -> Finding:
    """Find test images that are nearly equal to a training image (BG108)."""
    if evidence.search is None:
        return make_finding("BG108", "not applicable", TOO_FEW)
    # Equal ones are another finding's, and each image is sought once
    ours, theirs = evidence.numbers
    first = np.sort(np.unique(theirs, return_index=True)[1])
    rows = test.sound[first[~np.isin(theirs[first], ours)]]
    near = evidence.search.find_across(test.part.images, rows)
    known = {row for _, row in near.pairs}
    moved = [pair for pair in evidence.moved_across if pair[1] not in known]
    near = replace(near, pairs=sorted([*near.pairs, *moved]))
    about = _say_what_was_sought(near, evidence.seed) + evidence.moved_note
    if not near.pairs:
        message = f"No test image is nearly equal to a training image. {about}"
        return make_finding("BG108", "passed", message)
    return make_finding(
        "BG108",
        "tip",
        f"{count(len(near.pairs), 'test image')} {_are(near.pairs)} nearly equal to a "
        f"training image. {about} Look at them: shots of one object belong on one side."
        f"{_say_other_labels(evidence, test, near.pairs)} "
        + cite_pairs(near.pairs, _cite_training(evidence), test.cite),
        rows=[row for row, _ in near.pairs],
        test_rows=[row for _, row in near.pairs],
        pairs=near.pairs,
    )


def _say_what_was_sought(near: NearPairs, seed: int) -> str:
    sought, compared = (
        f"{n:,}" if n == n_all else f"{n:,} of {n_all:,}, drawn at random (seed {seed})"
        for n, n_all in (
            (near.n_sought, near.n_all_sought),
            (near.n_compared, near.n_all_compared),
        )
    )
    if near.n_sought == near.n_all_sought and near.n_compared == near.n_all_compared:
        return f"{MEANING}."
    return f"{MEANING}. Looked at: {sought}; each compared with {compared}."


def _say_other_labels(
    evidence: Evidence, other: Examined, pairs: Iterable[tuple[int, int]]
) -> str:
    """Return how many pairs disagree on the label, if any do."""
    labels, other_labels = evidence.train.labels, other.labels
    n = sum(labels[one] != other_labels[another] for one, another in pairs)
    return f" {count(n, 'pair')} with different labels." if n else ""


def _cite_training(evidence: Evidence) -> Callable[[int], str]:
    return partial(cite, evidence.train.part, which="training ")


def _are(things: Sized) -> str:
    return "is" if len(things) == 1 else "are"
