"""Splits into a training part and a test part: a given test part, or folds.

Labels are class indices from here on, see :mod:`.labelling`. Rows are taken when they
are needed, so five folds take the memory of one.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from balancegan.balance import class_counts
from balancegan.containers import stack_images
from balancegan.errors import DataError, refusals_as_data_errors
from balancegan.evaluation.labelling import Labelling, learn_labels
from balancegan.images import ImageFormat, check_format, find_format
from balancegan.memory import take_rows
from balancegan.quality.likeness import find_shared

DEFAULT_FOLDS = 5
FOLDS_SEED = 0

Part = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and class indices for training and for testing.

    Attributes
    ----------
    given : tuple of ndarray
        The user's images of the training part, and their class indices.
    image_format : ImageFormat
        Format of the images of both parts.
    test_given : tuple of ndarray or None
        The test part. None: a fold of `given`.
    train_rows, test_rows : ndarray of int or None
        Rows of `given` on each side of the fold. None: there is a test part.
    """

    given: Part
    image_format: ImageFormat
    test_given: Part | None = None
    train_rows: np.ndarray | None = None
    test_rows: np.ndarray | None = None

    def train(self) -> Part:
        """Return the images and class indices to learn from."""
        return _take(self.given, self.train_rows)

    def test(self) -> Part:
        """Return the images and class indices to test with."""
        if self.test_given is not None:
            return self.test_given
        return _take(self.given, self.test_rows)

    @cached_property
    def leaks(self) -> tuple[np.ndarray, np.ndarray]:
        """Which test images equal a training image, and which others nearly do."""
        sides = (self.test()[0], self.train()[0])
        images, known = map(self.image_format.to_channels_last, sides)
        return find_shared(images, known, is_strict=True)


def _take(part: Part, rows: np.ndarray | None) -> Part:
    images, labels = part
    return part if rows is None else (take_rows(images, rows), labels[rows])


def find_splits(
    X_train: Any,
    y_train: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    cv: int | None = None,
    groups: Any = None,
    class_attribute: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
) -> tuple[list[Split], ImageFormat, Labelling]:
    """Return the splits, the format of the images and the meaning of class indices.

    The given test part makes the only split; without one there are folds. Parameters
    are those of :func:`balancegan.evaluation.compare`.

    Raises
    ------
    DataError
        If images, labels or groups cannot be used, or a training part lacks a class.

    Examples
    --------
    >>> images = np.linspace(-1, 1, 96).reshape(6, 4, 4)
    >>> splits, _, _ = find_splits(images, [0, 0, 0, 1, 1, 1], cv=3)
    >>> [len(split.test()[1]) for split in splits]
    [2, 2, 2]
    """
    images = np.asarray(stack_images(X_train))
    image_format = find_format(images, image_shape, value_range)
    labelling, class_indices = learn_labels(y_train, len(images), class_attribute)
    if len(labelling.classes) < 2:
        counts = dict.fromkeys(labelling.classes.tolist(), len(images))
        raise DataError(f"A comparison needs at least two classes. Received: {counts}.")
    if (X_test is None) != (y_test is None):
        raise DataError("X_test and y_test go together. Received: only one of them.")
    given = images, class_indices
    if X_test is None:
        n_folds = DEFAULT_FOLDS if cv is None else cv
        if n_folds < 2:
            raise DataError(f"cv must be 2 folds or more. Received: {cv}.")
        folds = _fold(given, image_format, labelling, n_folds, groups)
        return folds, image_format, labelling
    if cv is not None or groups is not None:
        raise DataError(
            "Folds take the place of a test part. Received: X_test, and cv or groups. "
            "Leave out one of them."
        )
    test_images = np.asarray(stack_images(X_test))
    if not len(test_images):
        raise DataError("A test part needs images. Received: X_test without any.")
    check_format(test_images, image_format, "the training part (or give value_range)")
    test = test_images, labelling.number(y_test, len(test_images))
    return [Split(given, image_format, test)], image_format, labelling


def _fold(
    given: Part,
    image_format: ImageFormat,
    labelling: Labelling,
    n_folds: int,
    groups: Any,
) -> list[Split]:
    class_indices = given[1]
    labels = labelling.classes[labelling.learned(class_indices)]
    if groups is not None and np.shape(groups) != labels.shape:
        raise DataError(
            f"groups must have one entry for each of {len(labels)} images. Received: "
            f"shape {np.shape(groups)}."
        )
    too_small = {c: n for c, n in class_counts(labels).items() if n < n_folds}
    if groups is None and too_small:
        raise DataError(
            f"Each class needs an image in each of {n_folds} folds. Received: "
            f"{too_small}. Give a smaller cv, or a test part."
        )
    folds = StratifiedKFold if groups is None else StratifiedGroupKFold
    strata = class_indices
    if np.bincount(class_indices).max() < n_folds:
        strata = labels
    with refusals_as_data_errors(), warnings.catch_warnings():
        if labelling.has_combinations:  # rare ones cannot be in every fold
            warnings.filterwarnings("ignore", "The least populated class")
        rows = list(
            folds(n_folds, shuffle=True, random_state=FOLDS_SEED).split(
                labels, strata, groups
            )
        )
    classes = set(class_counts(labels))
    for train, _ in rows:
        missing = classes - set(class_counts(labels[train]))
        if missing:
            raise DataError(
                "Every class must be in every training part. Received: all images of "
                f"{sorted(map(str, missing))} in the groups of one fold. Give a "
                "smaller cv, or other groups."
            )
    return [Split(given, image_format, None, train, test) for train, test in rows]
