"""Which of several named arrays are images and which are labels, by their names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from balancegan.data.labelled import SPLITS, TEST, TRAIN, VALIDATION
from balancegan.errors import DataError

UNNAMED = ("arr_0", "arr_1")  # numpy.savez without names
# (images, labels) of the training part, the most telling names first; in any case
LAYOUTS = (
    ("x_train", "y_train"),  # Keras
    ("X_train", "y_train"),
    ("train_images", "train_labels"),  # MedMNIST
    ("train_x", "train_y"),
    ("images", "labels"),
    ("image", "label"),
    ("X", "y"),
    ("x", "y"),
    ("data", "target"),  # scikit-learn
    ("data", "labels"),
    UNNAMED,
)
SPLIT_WORDS = {TEST: ("test",), VALIDATION: ("val", "valid", "validation")}


def find_keys(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    images_key: str | None = None,
    labels_key: str | None = None,
) -> tuple[str, str]:
    """Return the names of the images and of the labels of the training part.

    Parameters
    ----------
    path : Path
        Where the arrays come from, for messages.
    arrays : mapping of str to ndarray
        All of them.
    images_key, labels_key : str or None, default=None
        Names that people gave. None: those of `LAYOUTS`.

    Raises
    ------
    DataError
        If there are no such arrays, or several that may be meant.
    """
    for option, key in (("--images-key", images_key), ("--labels-key", labels_key)):
        if key is not None and key not in arrays:
            raise DataError(
                f"There is no array {key!r} ({option}) in {path}. It holds: "
                f"{', '.join(arrays)}."
            )
    if images_key is not None and labels_key is not None:
        return images_key, labels_key
    held = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
    for images, labels in LAYOUTS:
        pair = (
            images_key or _same_name(images, arrays),
            labels_key or _same_name(labels, arrays),
        )
        if pair[0] is None or pair[1] is None:
            continue
        n_unnamed = sum(key.startswith("arr_") for key in arrays)
        if (images, labels) == UNNAMED and n_unnamed > len(UNNAMED):
            break
        return pair[0], pair[1]
    pairs = ", ".join("/".join(layout) for layout in LAYOUTS)
    raise DataError(
        f"Which arrays of {path} are images and labels? It holds: {held}. Known pairs "
        f"are {pairs}; name others by --images-key and --labels-key."
    )


def find_other_parts(
    images_key: str, labels_key: str, keys: list[str]
) -> dict[str, tuple[str, str]]:
    """Return the names of images and labels of the parts besides the training part."""
    own = (images_key, labels_key)
    found: dict[str, tuple[str, str]] = {}
    for split in SPLITS:
        candidates = [
            tuple(_rename(key, name, keys) for key in layout)
            for name in SPLIT_WORDS[split]
            for layout in (own, *LAYOUTS)
            if TRAIN in layout[0].lower()
        ]
        for images, labels in candidates:
            if images is None or labels is None or {images, labels} & set(own):
                continue
            found[split] = images, labels
            break
    return found


def _rename(key: str, split: str, keys: list[str]) -> str | None:
    """Return the array that is called like one of training, but for the split."""
    names = (key.replace(TRAIN, split), key.lower().replace(TRAIN, split))
    found = (_same_name(name, keys) for name in names)
    return next((name for name in found if name is not None), None)


def _same_name(name: str, keys: Iterable[str]) -> str | None:
    """Return the key of a name, or of the name in another case."""
    keys = list(keys)
    if name in keys:
        return name
    return next((key for key in keys if key.lower() == name.lower()), None)
