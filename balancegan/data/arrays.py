"""Find labelled images among named arrays: training images, labels, other parts.

How named arrays are stored (.npz, .npy, idx) is decided in `arrayfiles`, and how they
are written in `arraywriting`.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from balancegan.data.columns import find_columns
from balancegan.data.labelled import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    LabelledImages,
    Part,
    StoredArrays,
)
from balancegan.data.lineage import LINEAGE_KEYS, MASK_KEY, refuse_synthetic
from balancegan.errors import DataError
from balancegan.shapes import shape_images

UNNAMED = ("arr_0", "arr_1")  # numpy.savez without names
# (images, labels) of the training part in order of preference, in any case
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
CLASS_NAMES_KEYS = ("class_names", "label_names")
ATTRIBUTES_KEY, ATTRIBUTE_NAMES_KEY = "attrs", "attr_names"
KNOWN_KEYS = (*LINEAGE_KEYS, *CLASS_NAMES_KEYS, ATTRIBUTE_NAMES_KEY)  # no columns
# The last Unicode character, and the 2048 surrogates
LAST_CHARACTER, SURROGATES, ALL_BUT_2048 = 0x10FFFF, 0xD800, 0xFFFFF800


def from_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    images_key: str | None = None,
    labels_key: str | None = None,
    image_shape: Sequence[int] | None = None,
) -> LabelledImages:
    """Find labelled images among named arrays.

    One-dimensional arrays with a row for each image are columns, and so are those that
    `attr_names` names within `attrs_train`. An attribute name such as
    "colour:red,green,blue" gives the texts of the values 0, 1, 2.

    Parameters
    ----------
    path : Path
        Source of the arrays, for messages.
    arrays : mapping of str to ndarray
        All arrays. The first pair of :data:`LAYOUTS` that exists is taken; other parts
        have "test" or "val" ("valid", "validation") in place of "train".
    images_key, labels_key : str, default=None
        Names of the two arrays. None: found as above.
    image_shape : sequence of int, default=None
        Height and width, and channels if there are several, of images that are stored
        flat or channels first. None: the arrays have a shape, channels last.
    """
    _check_unicode(path, arrays)
    given = arrays
    arrays = {key: _as_text(path, key, array) for key, array in arrays.items()}
    images_key, labels_key = find_keys(path, arrays, images_key, labels_key)
    images, stored = arrays[images_key], given[labels_key]
    if images.shape[:1] != stored.shape[:1] or not images.ndim:
        raise DataError(
            f"There must be one label per image. Received: {images_key} of shape "
            f"{images.shape} and {labels_key} of shape {stored.shape} in {path}."
        )
    if not len(images):
        raise DataError(f"There must be images. Received: {images_key} without rows.")
    refuse_synthetic(path, arrays.get(MASK_KEY))

    parts, used = _find_parts(arrays, images_key, labels_key)
    labels, every = parts[TRAIN].labels, [part.labels for part in parts.values()]
    names = next((arrays[key] for key in CLASS_NAMES_KEYS if key in arrays), None)
    class_names, notes = _check_class_names(names, labels, np.concatenate(every))
    for split, part in parts.items():
        _check_lengths(split, part)
        shaped = shape_images(path, part.images, image_shape)
        parts[split] = replace(part, images=shaped)

    # Images with another shape are written as new arrays, not as a copy.
    shaped = parts[TRAIN].images
    is_unchanged = shaped.shape == images.shape
    known = {*KNOWN_KEYS, images_key, labels_key}
    aligned = {key for key in arrays if arrays[key].shape[:1] == images.shape[:1]}
    rest = sorted(aligned - known)
    copied = StoredArrays(images_key, labels_key, stored, list(arrays), rest)
    if images.ndim == 4 and not is_unchanged:
        shape = "x".join(map(str, shaped.shape[1:]))
        notes.append(f"channels were moved last: images of {shape}")
    if unused := [key for key in arrays if key not in known | used]:
        kept = ", and kept in a copy from .npz to .npz only" if is_unchanged else ""
        notes.append(
            f"arrays that are neither images, labels nor columns{kept}: "
            f"{', '.join(unused)}"
        )
    return LabelledImages(
        path=path,
        parts=parts,
        class_names=class_names,
        stored=copied if is_unchanged else None,
        notes=notes,
        image_shape=None if image_shape is None else tuple(image_shape),
    )


def _find_parts(
    arrays: Mapping[str, np.ndarray], images_key: str, labels_key: str
) -> tuple[dict[str, Part], set[str]]:
    """Return the parts with their columns, and the arrays that these come from."""
    pairs = {TRAIN: (images_key, labels_key)}
    pairs |= find_other_parts(images_key, labels_key, list(arrays))
    parts, used = {}, set()
    for split, (images, labels) in pairs.items():
        known = {*KNOWN_KEYS, *pairs[TRAIN], images, labels}
        columns, more = _columns(arrays, len(arrays[images]), split, known)
        flat = _flatten_labels(labels, arrays[labels])
        parts[split] = Part(arrays[images], flat, columns)
        used |= more.union((images, labels))
    return parts, used


def find_keys(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    images_key: str | None = None,
    labels_key: str | None = None,
) -> tuple[str, str]:
    """Return the names of images and labels of the training part."""
    for option, key in (("--images-key", images_key), ("--labels-key", labels_key)):
        if key is not None and key not in arrays:
            raise DataError(
                f"There is no array {key!r} ({option}) in {path}. It holds: "
                f"{', '.join(arrays)}."
            )
    if images_key is not None and labels_key is not None:
        return images_key, labels_key
    n_unnamed = sum(key.startswith("arr_") for key in arrays)
    for images, labels in LAYOUTS:
        if (images, labels) == UNNAMED and n_unnamed > len(UNNAMED):
            break
        found = images_key or _same_name(images, arrays)
        found_labels = labels_key or _same_name(labels, arrays)
        if found is not None and found_labels is not None:
            return found, found_labels
    held = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
    pairs = ", ".join("/".join(layout) for layout in LAYOUTS)
    raise DataError(
        f"Which arrays of {path} are images and labels? It holds: {held}. Known pairs "
        f"are {pairs}; name others by --images-key and --labels-key."
    )


def find_other_parts(
    images_key: str, labels_key: str, keys: list[str]
) -> dict[str, tuple[str, str]]:
    """Return the names of images and labels of the test and validation parts."""
    own = (images_key, labels_key)
    layouts = [layout for layout in (own, *LAYOUTS) if TRAIN in layout[0].lower()]
    found: dict[str, tuple[str, str]] = {}
    for split in SPLITS:
        for word, layout in itertools.product(SPLIT_WORDS[split], layouts):
            images, labels = (_rename(key, word, keys) for key in layout)
            if images and labels and not {images, labels} & set(own):
                found[split] = images, labels
                break
    return found


def _rename(key: str, split: str, keys: list[str]) -> str | None:
    """Return the array named like one of the training part, but for the split."""
    names = (key.replace(TRAIN, split), key.lower().replace(TRAIN, split))
    found = (_same_name(name, keys) for name in names)
    return next((name for name in found if name is not None), None)


def _same_name(name: str, keys: Iterable[str]) -> str | None:
    """Return the key of a name, or of the name in another case."""
    keys = list(keys)
    if name in keys:
        return name
    return next((key for key in keys if key.lower() == name.lower()), None)


def _columns(
    arrays: Mapping[str, np.ndarray], n_rows: int, split: str, known: set[str]
) -> tuple[pd.DataFrame, set[str]]:
    """Return the columns of a part, and the arrays that they come from."""
    found = find_columns(arrays, n_rows, split, known)
    columns = {name: arrays[key] for name, key in found.items()}
    used = set(found.values())
    names = arrays.get(ATTRIBUTE_NAMES_KEY, np.empty((0, 0)))
    key = f"{ATTRIBUTES_KEY}_{split}"
    table = arrays.get(key, names)
    if names.ndim == 1 and table.shape == (n_rows, len(names)):
        used.add(key)
        for name, values in zip(names, table.T, strict=True):
            columns |= _name_values(str(name), values)
    return pd.DataFrame(columns, index=range(n_rows)), used


def _name_values(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return a column, with texts if the name lists one for each value."""
    short, _, listed = name.partition(":")
    meanings = [text.strip() for text in listed.split(",")]
    is_list = short.strip() and all(meanings) and len(set(meanings)) == len(meanings)
    if not is_list or values.dtype.kind not in "biu":
        return {name: values}
    if values.min(initial=0) < 0 or values.max(initial=0) >= len(meanings):
        return {name: values}
    return {short.strip(): np.array(meanings)[values.astype(int)]}


def _flatten_labels(key: str, stored: np.ndarray) -> np.ndarray:
    """Return one label per image from a row, a column or one-hot labels."""
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
        "There must be one label per image: of shape (n,) or (n, 1), or one-hot of "
        f"shape (n, n_classes). Received: {key} of shape {stored.shape}."
    )


def _check_lengths(split: str, part: Part) -> None:
    if len(part.images) != len(part.labels):
        raise DataError(
            "There must be one label per image. Received: "
            f"{len(part.images)} images of the {split} part, and {len(part.labels)} "
            "labels."
        )


def _check_class_names(
    names: np.ndarray | None, labels: np.ndarray, every_label: np.ndarray
) -> tuple[list[str] | None, list[str]]:
    """Return the names if they belong to the labels 0..K-1, and notes."""
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
            "Each class needs a distinct name in class_names. Received twice: "
            f"{', '.join(twice)}."
        )
    seen = np.unique(every_label).tolist()
    unused = [text for label, text in enumerate(texts) if label not in seen]
    notes = [f"names of classes without an image: {', '.join(unused)}"]
    return texts, notes if unused else []


def _as_text(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """Decode texts that h5py stored as bytes."""
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"The array {key!r} in {path} holds bytes that are not UTF-8: {error}. "
            "Store texts."
        ) from error


def _check_unicode(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse code points that are no characters, which nothing could write."""
    for key, array in arrays.items():
        if array.dtype.kind != "U" or not array.itemsize:
            continue
        flat = np.ascontiguousarray(array).reshape(-1)
        codes = flat.astype(flat.dtype.newbyteorder("=")).view(np.uint32)
        if ((codes > LAST_CHARACTER) | ((codes & ALL_BUT_2048) == SURROGATES)).any():
            raise DataError(
                f"The array {key!r} in {path} is damaged: it has texts that are not "
                "Unicode."
            )
