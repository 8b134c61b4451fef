"""Set a test part of original images aside before anything is learned.

Labels, groups and copies decide which images. Nothing that learns, judges or chooses a
scale sees the test part.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from balancegan.data.copy_checks import find_near
from balancegan.data.examined import ExaminedSet
from balancegan.data.image_parts import ImagePart, image_part
from balancegan.data.imagefiles import read_image_files
from balancegan.data.labelled import TEST, TRAIN, LabelledImages, Part
from balancegan.errors import DataError
from balancegan.memory import allocate, take_rows
from balancegan.quality.checks import count, list_some

OPTION = "--holdout"
DEEP_NOTE = " of more than 8 bits: "  # in the note on a scale
ROWS_AT_ONCE = 1024
MOST_NAMED = 10


@dataclass(frozen=True)
class Holdout:
    """How to set a test part aside.

    Parameters
    ----------
    share : float
        Share of the images of each class.
    seed : int, default=0
        Decides which images are chosen.
    group_key : str or None, default=None
        The column whose groups stay on one side. None: there are no groups.
    """

    share: float
    seed: int = 0
    group_key: str | None = None


def hold_out(
    labelled: LabelledImages,
    holdout: Holdout,
    value_range: tuple[float, float] | None = None,
) -> LabelledImages:
    """Move some training images to a test part.

    Copies, near copies and images of one group stay on one side.

    Parameters
    ----------
    labelled : LabelledImages
        Without a test part.
    holdout : Holdout
        How many images, and which.
    value_range : tuple of float or None, default=None
        Black and white. None: files of more than 8 bits are decoded again, on a scale
        that the remaining training images choose.
    """
    if TEST in labelled.parts:
        raise DataError(
            f"{OPTION} sets a test part aside, and {labelled.path} has one already: "
            f"{count(len(labelled.parts[TEST].labels), 'image')}. Leave out {OPTION}."
        )
    part = image_part(labelled, TRAIN, holdout.group_key)
    blocks, n_copies = find_blocks(part)
    is_test = choose_test_rows(
        labelled.labels, blocks, holdout.share, np.random.default_rng(holdout.seed)
    )
    if not is_test.any():
        n_classes = len(np.unique(labelled.labels))
        raise DataError(
            f"{OPTION} leaves an image of each class for training, and keeps groups "
            f"and copies on one side. Received: {count(n_classes, 'class')}, none of "
            f"which can be parted. Collect more images, or leave out {OPTION}."
        )
    parts = {
        TRAIN: _take(labelled.train, ~is_test),
        TEST: _take(labelled.train, is_test),
    }
    others = {split: part for split, part in labelled.parts.items() if split != TRAIN}
    note = _describe(labelled, is_test, n_copies, holdout)
    parted = replace(
        labelled,
        parts=parts | others,
        notes=[*labelled.notes, note],
        held_out=is_test,
    )
    return _choose_scale_again(parted) if value_range is None else parted


def find_blocks(part: ImagePart) -> tuple[np.ndarray, int]:
    """Return the block of each image that stays on one side, and the number of copies.

    Groups and copies link images to blocks; so do mirrored, cropped and relit photos in
    files.
    """
    groups, examined = part.groups, ExaminedSet(part)
    equal = examined.equal_rows(examined.train)
    pairs = [(rows[0], other) for rows in equal for other in rows[1:]]
    pairs += find_near(examined).pairs
    n_copies = len({row for pair in pairs for row in pair})
    if groups is not None:
        table = pd.DataFrame({"group": groups})
        is_known = table["group"].notna() & (table["group"].astype(str) != "")
        for rows in table[is_known].groupby("group", sort=False).indices.values():
            members = table.index[is_known][rows].tolist()
            pairs += [(members[0], other) for other in members[1:]]
    one, other = np.array(pairs, dtype=int).reshape(-1, 2).T
    n = len(part.labels)
    links = coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    return connected_components(links, directed=False)[1], n_copies


def choose_test_rows(
    labels: np.ndarray, blocks: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Choose whole blocks for a test part that has a share of each class.

    scikit-learn's splitters refuse a class of one image, allow shares of 1/k only with
    groups, or may take all images of a class.

    Parameters
    ----------
    labels, blocks : ndarray of shape (n,)
        Of each image.
    share : float
        Between 0 and 1.
    rng : Generator
        Draws the order of the blocks.

    Returns
    -------
    is_test : ndarray of shape (n,), bool
        At least one image of each class stays. One is chosen if the class has two
        blocks and other classes allow it.

    Examples
    --------
    >>> labels = np.repeat([0, 1, 2], [10, 3, 1])
    >>> rng = np.random.default_rng(0)
    >>> is_test = choose_test_rows(labels, np.arange(14), 0.2, rng)
    >>> np.bincount(labels[is_test], minlength=3)
    array([2, 1, 0])
    """
    class_indices = np.unique(labels, return_inverse=True)[1]
    n_blocks, n_classes = int(blocks.max()) + 1, int(class_indices.max()) + 1
    held = np.zeros((n_blocks, n_classes), dtype=int)  # images of block and class
    np.add.at(held, (blocks, class_indices), 1)
    totals = held.sum(axis=0)
    wanted = np.rint(share * totals).astype(int).clip(1, None).clip(None, totals - 1)
    taken, is_chosen = np.zeros(n_classes, dtype=int), np.zeros(n_blocks, dtype=bool)

    # Take blocks that bring the counts nearer to the wanted ones.
    order = rng.permutation(n_blocks)
    for block in order:
        new = taken + held[block]
        is_nearer = np.abs(wanted - new).sum() < np.abs(wanted - taken).sum()
        if is_nearer and (new < totals).all():
            taken, is_chosen[block] = new, True

    # For a class without test images, take the block that exceeds the least.
    for missing in np.flatnonzero((taken == 0) & (wanted > 0)):
        if taken[missing]:
            continue
        new = taken + held[order]
        allowed = (held[order, missing] > 0) & (new < totals).all(axis=1)
        if allowed.any():
            beyond = np.abs(wanted - new).sum(axis=1)
            best = order[np.argmin(np.where(allowed, beyond, np.inf))]
            taken, is_chosen[best] = taken + held[best], True
    return is_chosen[blocks]


def _take(part: Part, which: np.ndarray) -> Part:
    rows = np.flatnonzero(which)
    images = part.images
    if images.dtype == np.uint8:  # in a temporary file where they are many
        taken = allocate((len(rows), *images.shape[1:]))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            taken[start : start + len(some)] = take_rows(images, some)
    else:
        taken = take_rows(images, rows)
    return Part(
        taken,
        part.labels[rows],
        part.columns.iloc[rows].reset_index(drop=True),
        None if part.files is None else [part.files[row] for row in rows],
        None if part.sizes is None else part.sizes[rows],
    )


def _describe(
    labelled: LabelledImages, is_test: np.ndarray, n_copies: int, holdout: Holdout
) -> str:
    labels = labelled.labels
    untested = [
        labelled.name(label)
        for label in np.unique(labels)
        if label not in labels[is_test]
    ]
    note = (
        f"{int(is_test.sum()):,} of {len(labels):,} images were set aside as a test "
        f"part before training ({OPTION} {holdout.share:g})"
    )
    kept = [f"images of one {holdout.group_key}"] if holdout.group_key else []
    if n_copies:
        kept.append(f"copies and near copies ({n_copies:,} images)")
    if kept:
        note += f"; {' and '.join(kept)} stay on one side"
    if untested:
        note += f"; no test image: {list_some(untested, MOST_NAMED)}"
    return note


def _choose_scale_again(labelled: LabelledImages) -> LabelledImages:
    """Decode images of more than 8 bits on the scale of the training images left."""
    if labelled.file_range is None:
        return labelled
    if labelled.root is None:
        raise DataError(
            "Training images choose the scale of images of more than 8 bits, and "
            f"{OPTION} cannot choose it again for shards. Received: {labelled.path}. "
            "Set value-range in --config."
        )
    tables = []
    for split, part in labelled.parts.items():
        names = [
            file.relative_to(labelled.root).as_posix() for file in part.files or ()
        ]
        first = {"file_name": names, "label": part.labels, "split": split}
        tables.append(pd.DataFrame(first).join(part.columns))
    height, width = labelled.images.shape[1:3]
    again = read_image_files(
        labelled.path,
        labelled.root,
        pd.concat(tables, ignore_index=True),
        [],
        size=(height, width),
        fit=labelled.fit,
        follow_links=True,
    )
    notes = [note for note in labelled.notes if DEEP_NOTE not in note]
    return replace(
        labelled,
        parts=again.parts,
        file_range=again.file_range,
        has_wide_grey=again.has_wide_grey,
        notes=[*notes, *(note for note in again.notes if DEEP_NOTE in note)],
    )
