"""Named arrays, in the layouts that people have, and labelled images.

Which array holds the training images, which the labels of the test part; and back:
what the arrays are called that labelled images are written as. How named arrays lie on
disk (.npz, a folder of .npy, idx) is not known here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from balancegan.data.arraynames import find_keys, find_other_parts
from balancegan.data.columns import find_columns, keep_whole, rename_apart, to_array
from balancegan.data.flat import arrange, note_moved
from balancegan.data.labelled import (
    TRAIN,
    LabelledImages,
    Part,
    StoredArrays,
    SyntheticImages,
)
from balancegan.data.labels import check_class_names, check_lengths, flatten_labels
from balancegan.data.rows import Rows
from balancegan.errors import DataError

CLASS_NAMES_KEYS = ("class_names", "label_names")
ATTRIBUTES_KEY, ATTRIBUTE_NAMES_KEY = "attrs", "attr_names"
MASK_KEY = "is_synthetic"
NUMBER_KEY, MODEL_KEY = "synthetic_number", "synthetic_model"
METHOD_KEY, SCORE_KEY = "synthetic_method", "synthetic_score"
SOURCE_KEY, MOVE_KEY = "synthetic_source", "synthetic_move"  # of copies
# Ours: written, and never columns
LINEAGE_KEYS = (
    *(MASK_KEY, NUMBER_KEY, MODEL_KEY, METHOD_KEY, SCORE_KEY),
    *(SOURCE_KEY, MOVE_KEY),
)
# Of Unicode: the last character, and 2048 halves of characters
LAST_CHARACTER, SURROGATES, ALL_BUT_2048 = 0x10FFFF, 0xD800, 0xFFFFF800
WEIGHT_KEY = "sample_weight"  # a user's own is left as it is


def from_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    images_key: str | None = None,
    labels_key: str | None = None,
    image_shape: Sequence[int] | None = None,
) -> LabelledImages:
    """Find labelled images among named arrays.

    Parameters
    ----------
    path : Path
        Where the arrays come from, for messages.
    arrays : mapping of str to ndarray
        They may be called x_train and y_train (Keras), train_images and train_labels
        (MedMNIST), images and labels, X and y, data and target, or arr_0 and arr_1, in
        any case; the first pair of :data:`balancegan.data.arraynames.LAYOUTS` that is
        there is taken. Test and validation parts are called alike, with "test" or
        "val" ("valid", "validation") for "train".
    images_key, labels_key : str, default=None
        Names of the two arrays. None: found as above.
    image_shape : sequence of int, default=None
        Height and width, and channels where there are several, of images that are
        stored flat, a row of values each, or with their channels first. None: they
        have a shape, channels last.

    Returns
    -------
    labelled : LabelledImages
        One-dimensional arrays with a row for each image are columns, and so are those
        that `attr_names` names within `attrs_train`. A name such as
        "colour:red,green,blue" says what its values 0, 1, 2 mean: the column is called
        "colour" and has these texts. Where the values do not fit the list, name and
        numbers stay as they are.

    Raises
    ------
    DataError
        If arrays are missing, do not belong together, or hold synthetic images.
    """
    _check_texts(path, arrays)
    given = arrays
    arrays = {key: _as_text(path, key, array) for key, array in arrays.items()}
    images_key, labels_key = find_keys(path, arrays, images_key, labels_key)
    images, stored = arrays[images_key], given[labels_key]
    if images.shape[:1] != stored.shape[:1] or not images.ndim:
        raise DataError(
            f"There must be one label an image. Received: {images_key} of shape "
            f"{images.shape} and {labels_key} of shape {stored.shape} in {path}."
        )
    if not len(images):
        raise DataError(f"There must be images. Received: {images_key} without rows.")
    refuse_synthetic(path, arrays.get(MASK_KEY))
    labels = flatten_labels(labels_key, arrays[labels_key])
    names = next((arrays[key] for key in CLASS_NAMES_KEYS if key in arrays), None)
    known = {images_key, labels_key, *LINEAGE_KEYS, *CLASS_NAMES_KEYS}
    known.add(ATTRIBUTE_NAMES_KEY)
    columns, used = _columns(arrays, len(images), TRAIN, known)
    parts = {TRAIN: Part(images, labels, columns)}
    for split, pair in find_other_parts(images_key, labels_key, list(arrays)).items():
        rows, others = (arrays[key] for key in pair)
        columns, more = _columns(arrays, len(rows), split, known.union(pair))
        parts[split] = Part(rows, flatten_labels(pair[1], others), columns)
        used |= more.union(pair)
    elsewhere = [part.labels for part in parts.values() if part is not parts[TRAIN]]
    class_names, notes = check_class_names(names, labels, elsewhere)
    for split, part in parts.items():
        check_lengths(split, part)
    for split, part in parts.items():
        shaped = arrange(path, part.images, image_shape)
        parts[split] = replace(part, images=shaped)
    is_copied = parts[TRAIN].images.shape == images.shape
    return LabelledImages(
        path=path,
        parts=parts,
        class_names=class_names,
        stored=None
        if not is_copied  # they are written in their shape, and not as a copy
        else StoredArrays(
            images_key,
            labels_key,
            stored,
            list(arrays),
            sorted(
                key
                for key in arrays.keys() - known
                if arrays[key].shape[:1] == images.shape[:1]
            ),
        ),
        notes=[
            *notes,
            *note_moved(images, parts[TRAIN].images),
            *_note_unused(
                [key for key in arrays if key not in known | used], is_kept=is_copied
            ),
        ],
        image_shape=None if image_shape is None else tuple(image_shape),
    )


def to_arrays(
    labelled: LabelledImages, synthetic: SyntheticImages | None = None
) -> dict[str, np.ndarray | Rows]:
    """Return labelled images as named arrays.

    Parameters
    ----------
    labelled : LabelledImages
        The images.
    synthetic : SyntheticImages or None, default=None
        What is added to the training part. None: nothing, and no mask.

    Returns
    -------
    arrays : dict of str to ndarray or Rows
        "x_train", "y_train" and so on; text labels as numbers with "class_names";
        columns under their names and the split's ("x" and "y" with a number). Of
        synthetic rows those that are no attributes are blank or NaN.
    """
    arrays: dict[str, np.ndarray | Rows] = {}
    every = np.concatenate([part.labels for part in labelled.parts.values()])
    names = labelled.class_names
    is_text = every.dtype.kind not in "iufb"
    classes = np.unique(every)
    if is_text:
        names = [str(label) for label in classes]
    called = rename_apart(labelled.column_names, ("x", "y"))
    for split, part in labelled.parts.items():
        images, labels, columns = (
            Rows(len(part.labels), part.images),
            part.labels,
            part.columns,
        )
        if split == TRAIN and synthetic is not None:
            images = add_images(part.images, synthetic)
            labels = np.concatenate([labels, synthetic.labels])
            columns = add_columns(columns, synthetic)
            own = None if WEIGHT_KEY in columns else WEIGHT_KEY
            arrays |= lineage_arrays(len(part.labels), synthetic, own)
        arrays[f"x_{split}"] = images
        arrays[f"y_{split}"] = np.searchsorted(classes, labels) if is_text else labels
        for name, column in columns.items():
            arrays[f"{called.get(str(name), name)}_{split}"] = to_array(column)
    if names is not None:
        arrays["class_names"] = np.array(names, dtype=str)
    return arrays


def add_images(images: np.ndarray, synthetic: SyntheticImages) -> Rows:
    """Return real images with synthetic ones behind, to be written."""
    n = len(images) + len(synthetic.labels)
    return Rows(n, images, synthetic.batches)


def add_columns(columns: pd.DataFrame, synthetic: SyntheticImages) -> pd.DataFrame:
    """Return the columns of real images with those of synthetic ones below."""
    n = len(columns) + len(synthetic.labels)
    extended = keep_whole(columns).reindex(range(n))
    for name, values in synthetic.attributes.items():
        extended[name] = pd.concat([columns[name], values], ignore_index=True)
    return extended


def attribute_arrays(
    stored: StoredArrays, columns: pd.DataFrame, synthetic: SyntheticImages
) -> dict[str, np.ndarray]:
    """Return what synthetic images were asked for beside the label, below real ones.

    Parameters
    ----------
    stored : StoredArrays
        Where columns were read from. One that was in an array with others gets its own.
    columns : DataFrame
        Of the real images.
    synthetic : SyntheticImages
        The synthetic images.
    """
    extended = add_columns(columns, synthetic)
    return {
        stored.key_of(name) or stored.free_key(name): to_array(
            extended[name].astype(columns[name].dtype)
        )
        for name in map(str, synthetic.attributes)
    }


def lineage_arrays(
    n_real: int, synthetic: SyntheticImages, weight_key: str | None
) -> dict[str, np.ndarray]:
    """Return what says which rows are synthetic, and what makes them again.

    Parameters
    ----------
    n_real : int
        Real images before them.
    synthetic : SyntheticImages
        The synthetic images.
    weight_key : str or None
        What the weights are called. None: they are left out.
    """
    arrays = {
        MASK_KEY: np.repeat([False, True], [n_real, len(synthetic.labels)]),
        NUMBER_KEY: np.concatenate([np.full(n_real, -1), synthetic.numbers]),
        MODEL_KEY: np.array(synthetic.model),
    }
    origins = synthetic.origins
    if origins is not None:
        methods = [""] * n_real + origins["method"].tolist()
        arrays[METHOD_KEY] = np.array(methods, dtype=str)
        arrays[SCORE_KEY] = np.append(np.full(n_real, np.nan), origins["score"])
        if weight_key is not None:
            arrays[weight_key] = np.append(np.ones(n_real), origins["weight"])
    return arrays


def marked_rows(column: pd.Series) -> np.ndarray:
    """Return where a column says that it is so, by whatever tables say it."""
    return column.astype(str).str.lower().isin(("true", "1")).to_numpy()


def refuse_synthetic(path: Path, mask: np.ndarray | None) -> None:
    """Raise DataError if a mask says that there are synthetic images already."""
    if mask is not None and mask.dtype.kind in "biu" and mask.any():
        raise DataError(
            f"{path} holds synthetic images already ({int(mask.sum())} rows of "
            f"{MASK_KEY}). Use the real images that it was made from."
        )


def _note_unused(keys: list[str], *, is_kept: bool) -> list[str]:
    if not keys:
        return []
    kept = ", and kept in a copy from .npz to .npz only" if is_kept else ""
    return [
        f"arrays that are neither images, labels nor columns{kept}: {', '.join(keys)}"
    ]


def _columns(
    arrays: Mapping[str, np.ndarray], n_rows: int, split: str, known: set[str]
) -> tuple[pd.DataFrame, set[str]]:
    """Return what is known of each image of a part, and the arrays that it is in."""
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
    """Return a column, its values as texts where the name lists what they mean."""
    short, _, listed = name.partition(":")
    meanings = [text.strip() for text in listed.split(",")]
    is_list = short.strip() and all(meanings) and len(set(meanings)) == len(meanings)
    if not is_list or values.dtype.kind not in "biu":
        return {name: values}
    if values.min(initial=0) < 0 or values.max(initial=0) >= len(meanings):
        return {name: values}
    return {short.strip(): np.array(meanings)[values.astype(int)]}


def _as_text(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """Return bytes, which h5py has texts as, as texts."""
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"The array {key!r} in {path} holds bytes that are no UTF-8 text: {error}. "
            "Store texts."
        ) from error


def _check_texts(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse texts with numbers that no character has, which nothing could write."""
    for key, array in arrays.items():
        if array.dtype.kind != "U" or not array.itemsize:
            continue
        flat = np.ascontiguousarray(array).reshape(-1)
        codes = flat.astype(flat.dtype.newbyteorder("=")).view(np.uint32)
        if ((codes > LAST_CHARACTER) | ((codes & ALL_BUT_2048) == SURROGATES)).any():
            raise DataError(
                f"The array {key!r} in {path} is damaged: it has texts that are no "
                "Unicode."
            )
