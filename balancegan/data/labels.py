"""Labels as people store them: one an image, and what the classes are called."""

from collections.abc import Sequence

import numpy as np

from balancegan.data.labelled import Part
from balancegan.errors import DataError


def flatten_labels(key: str, stored: np.ndarray) -> np.ndarray:
    """Return one label an image of labels as a row, a column or one-hot."""
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise DataError(f"Labels must not be NaN or infinite. Received: {key}.")
    if stored.ndim == 1:
        return stored
    if stored.ndim == 2 and stored.shape[1] == 1:
        return stored[:, 0]
    if (
        stored.ndim == 2
        and stored.dtype.kind in "biuf"
        and np.isin(stored, (0, 1)).all()
        and (stored.sum(axis=1) == 1).all()
    ):
        return stored.argmax(axis=1)
    raise DataError(
        "There must be one label an image: of shape (n,) or (n, 1), or one-hot of "
        f"shape (n, n_classes). Received: {key} of shape {stored.shape}."
    )


def check_lengths(split: str, part: Part) -> None:
    """Refuse a part that has not one label an image."""
    if len(part.images) != len(part.labels):
        raise DataError(
            f"There must be one label an image. Received: {len(part.images)} images of "
            f"the {split} part, and {len(part.labels)} labels."
        )


def check_class_names(
    names: np.ndarray | None, labels: np.ndarray, others: Sequence[np.ndarray] = ()
) -> tuple[list[str] | None, list[str]]:
    """Return the names where they belong to the labels 0..K-1, and what to say of them.

    Raises
    ------
    DataError
        If a name is there twice.
    """
    if names is None or names.ndim != 1 or names.dtype.kind != "U":
        return None, []
    if labels.dtype.kind not in "biuf" or (labels != np.rint(labels)).any():
        return None, []
    if labels.min() < 0 or labels.max() >= len(names):
        return None, []
    texts = names.tolist()
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise DataError(
            "Each class needs a name of its own in class_names. Received twice: "
            f"{', '.join(twice)}."
        )
    seen = np.unique(np.concatenate([labels, *others])).tolist()
    unused = [text for label, text in enumerate(texts) if label not in seen]
    notes = [f"names of classes without an image: {', '.join(unused)}"]
    return texts, notes if unused else []
