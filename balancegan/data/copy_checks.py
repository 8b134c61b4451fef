"""Checks for images that occur more than once: equal, nearly equal, in both parts."""

from collections.abc import Callable, Iterable, Sized
from dataclasses import replace

import numpy as np
import pandas as pd

from balancegan.data.examined import ExaminedSet
from balancegan.data.image_parts import ExaminedPart
from balancegan.quality.checks import EXAMPLES, Finding, count
from balancegan.quality.likeness import LEAST_IMAGES, NEAR, NTH, NearPairs

MANY_COPIES = 0.01  # as a share of the images
TOO_FEW = f"With fewer than {LEAST_IMAGES} different images nothing is usually near."
MEANING = f"Nearly equal: at less than {NEAR:g} of the distance to the {NTH}th-nearest"


def _find_equal(examined: ExaminedSet) -> Finding:
    train = examined.train
    groups = examined.equal_rows(train)
    n = len(train.labels)
    if not groups:
        return Finding("BG104", "passed", "No training image equals another.")
    pairs = [(rows[0], copy) for rows in groups for copy in rows[1:]]
    return Finding(
        "BG104",
        "issue" if len(pairs) > MANY_COPIES * n else "tip",
        f"Of {n:,} training images {len(pairs):,} {_are(pairs)} an exact copy of "
        "another. Copies weigh more than other images, and a random split puts them on "
        f"both sides: keep one of each. {_cite_pairs(pairs, train.cite, train.cite)}",
        rows=[row for rows in groups for row in rows],
        pairs=pairs,
    )


def _find_conflicts(examined: ExaminedSet) -> Finding:
    return _find_conflicts_within(
        "BG105",
        examined,
        examined.train,
        "The classifier learns wrong labels: correct the labels, or remove the images.",
    )


def _find_test_conflicts(examined: ExaminedSet) -> Finding:
    return _find_conflicts_within(
        "BG113",
        examined,
        examined.parts[1],
        "No classifier can be right about all of them: correct the labels, or remove "
        "the images.",
    )


def _find_conflicts_within(
    code: str, examined: ExaminedSet, part: ExaminedPart, advice: str
) -> Finding:
    """Find equal images of one part with different labels."""
    if code == "BG113" and not len(part.sound):
        return Finding(code, "not run", "No test image can be compared.")
    labels = part.labels
    groups = [
        rows
        for rows in examined.equal_rows(part)
        if len({labels[row] for row in rows}) > 1
    ]
    if not groups:
        message = f"No two equal {part.which}images have different labels."
        return Finding(code, "passed", message)
    pairs = [
        (rows[0], next(row for row in rows if labels[row] != labels[rows[0]]))
        for rows in groups
    ]
    cite = _cite_with_class(examined, part)
    concerned = [row for rows in groups for row in rows]
    return Finding(
        code,
        "issue",
        f"{count(len(groups), 'image')} in the {part.which}part with more than one "
        f"label. {advice} {_cite_pairs(pairs, cite, cite)}",
        rows=concerned if part is examined.train else (),
        test_rows=concerned if part is examined.test else (),
        pairs=pairs,
    )


def _find_conflicts_across(examined: ExaminedSet) -> Finding:
    train, test = examined.parts
    ours, theirs = (_list_equal(examined, k) for k in (0, 1))
    # Pair a test image with the first of each other label: all copies are too many
    first = ours.drop_duplicates(["number", "label"])
    both = first.merge(theirs, on="number", suffixes=("", "_test"))
    both = both[both["label"] != both["label_test"]].sort_values(["row_test", "row"])
    if both.empty:
        message = "No test image equals a training image of another label."
        return Finding("BG114", "passed", message)
    concerned = ours.merge(both[["number", "label"]].drop_duplicates())
    pairs = list(zip(both["row"], both["row_test"], strict=True))
    test_rows = set(both["row_test"])
    cited = _cite_pairs(
        pairs,
        _cite_with_class(examined, train, with_part=True),
        _cite_with_class(examined, test),
    )
    return Finding(
        "BG114",
        "issue",
        f"{count(len(test_rows), 'test image')} {_are(test_rows)} in the training part "
        "with another label. The classifier learns what the test part calls wrong: "
        f"correct the labels, and keep equal images on one side. {cited}",
        concerned["row"],
        test_rows,
        pairs,
    )


def _list_equal(examined: ExaminedSet, part: int) -> pd.DataFrame:
    """Return row, label and the number that equal images share, of sound images."""
    rows = examined.parts[part].sound
    labels = [examined.parts[part].labels[row] for row in rows]
    return pd.DataFrame(
        {
            "number": examined.numbers[part],
            "row": rows,
            "label": pd.Series(labels, dtype=object),
        }
    )


def _find_leaks(examined: ExaminedSet) -> Finding:
    train, test = examined.parts
    ours, theirs = (_list_equal(examined, k) for k in (0, 1))
    first = ours.drop_duplicates("number")
    both = first.merge(theirs, on="number", suffixes=("", "_test"))
    if both.empty:
        message = f"No test image of {len(test.sound):,} equals a training image."
        return Finding("BG106", "passed", message)
    pairs = sorted(zip(both["row"], both["row_test"], strict=True))
    return Finding(
        "BG106",
        "issue",
        f"Of {len(test.labels):,} test images {len(pairs):,} {_are(pairs)} in the "
        "training part too, so the test part rewards memorising: remove them from one "
        f"side.{_count_other_labels(train, test, pairs)} "
        + _cite_pairs(pairs, _cite_training(train), test.cite),
        rows=ours.loc[ours["number"].isin(both["number"]), "row"],
        test_rows=both["row_test"],
        pairs=pairs,
    )


def find_near(examined: ExaminedSet) -> Finding:
    """Find training images that are near copies of another (BG107)."""
    if examined.search is None:
        return Finding("BG107", "not applicable", TOO_FEW)
    train, near = examined.train, examined.search.find_within()
    near = replace(near, pairs=sorted({*near.pairs, *examined.photo_pairs}))
    about = _describe_search(near, examined)
    if not near.pairs:
        message = f"No two training images are nearly equal. {about}"
        return Finding("BG107", "passed", message)
    rows = {row for pair in near.pairs for row in pair}
    return Finding(
        "BG107",
        "tip",
        f"{count(len(rows), 'training image')} are nearly equal to another. {about} "
        "Look at them: copies that were saved again, or shots of one object, count as "
        "one image and belong on one side of a split."
        f"{_count_other_labels(train, train, near.pairs)} "
        + _cite_pairs(near.pairs, train.cite, train.cite),
        rows=rows,
        pairs=near.pairs,
    )


def _find_near_leaks(examined: ExaminedSet) -> Finding:
    if examined.search is None:
        return Finding("BG108", "not applicable", TOO_FEW)
    train, test = examined.parts
    # Seek each different image once, without those equal to a training image
    ours, theirs = examined.numbers
    first = np.sort(np.unique(theirs, return_index=True)[1])
    rows = test.sound[first[~np.isin(theirs[first], ours)]]
    near = examined.search.find_across(test.part.images, rows)
    known = {row for _, row in near.pairs}
    added = [pair for pair in examined.photo_pairs_across if pair[1] not in known]
    near = replace(near, pairs=sorted([*near.pairs, *added]))
    about = _describe_search(near, examined)
    if not near.pairs:
        message = f"No test image is nearly equal to a training image. {about}"
        return Finding("BG108", "passed", message)
    return Finding(
        "BG108",
        "tip",
        f"{count(len(near.pairs), 'test image')} {_are(near.pairs)} nearly equal to a "
        f"training image. {about} Look at them: shots of one object belong on one side."
        f"{_count_other_labels(train, test, near.pairs)} "
        + _cite_pairs(near.pairs, _cite_training(train), test.cite),
        rows=[row for row, _ in near.pairs],
        test_rows=[row for _, row in near.pairs],
        pairs=near.pairs,
    )


def _describe_search(near: NearPairs, examined: ExaminedSet) -> str:
    """Return what counts as nearly equal, and how many images were compared."""
    counts = (
        (near.n_sought, near.n_all_sought),
        (near.n_compared, near.n_all_compared),
    )
    about = f"{MEANING}."
    if any(n != n_all for n, n_all in counts):
        sought, compared = (
            f"{n:,}"
            if n == n_all
            else f"{n:,} of {n_all:,}, drawn at random (seed {examined.seed})"
            for n, n_all in counts
        )
        about += f" Looked at: {sought}; each compared with {compared}."
    return about + examined.photo_copies_note


def _count_other_labels(
    part: ExaminedPart, other: ExaminedPart, pairs: Iterable[tuple[int, int]]
) -> str:
    """Return how many pairs disagree on the label, if any do."""
    n = sum(part.labels[one] != other.labels[another] for one, another in pairs)
    return f" {count(n, 'pair')} with different labels." if n else ""


def _cite_pairs(
    pairs: Iterable[tuple[int, int]],
    one: Callable[[int], str],
    other: Callable[[int], str],
) -> str:
    """Return up to five pairs of images in words."""
    shown = [f"{one(a)} and {other(b)}" for a, b in list(pairs)[:EXAMPLES]]
    return f"For example: {', '.join(shown)}."


def _cite_training(train: ExaminedPart) -> Callable[[int], str]:
    return lambda row: train.cite(row, with_part=True)


def _cite_with_class(
    examined: ExaminedSet, part: ExaminedPart, *, with_part: bool = False
) -> Callable[[int], str]:
    return lambda row: (
        f"{part.cite(row, with_part=with_part)} ({examined.name(part.labels[row])})"
    )


def _are(things: Sized) -> str:
    return "is" if len(things) == 1 else "are"


COPY_CHECKS = {
    "BG104": _find_equal,
    "BG105": _find_conflicts,
    "BG107": find_near,
}
COPY_CHECKS_ACROSS = {
    "BG106": _find_leaks,
    "BG108": _find_near_leaks,
    "BG113": _find_test_conflicts,
    "BG114": _find_conflicts_across,
}
