"""Labelled images on disk: reading, and writing the balanced copy.

One file of named arrays (.npz) in the layouts that people have. Nothing is ever
unpickled. In the balanced copy, what is not the training images or their labels passes
through as it is.
"""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.balance import plain
from balancegan.data.archives import load_arrays, write_arrays, write_members
from balancegan.errors import DataError
from balancegan.files import check_folder, whole_file

# (images, labels) of the training part, the most telling names first
LAYOUTS = (
    ("x_train", "y_train"),  # Keras
    ("X_train", "y_train"),
    ("train_images", "train_labels"),  # MedMNIST
    ("images", "labels"),
    ("X", "y"),
    ("x", "y"),
    ("data", "target"),  # scikit-learn
    ("arr_0", "arr_1"),  # numpy.savez without names
)
TEST_LAYOUTS = (
    ("x_test", "y_test"),
    ("X_test", "y_test"),
    ("test_images", "test_labels"),
)
CLASS_NAMES_KEYS = ("class_names", "label_names")
MASK_KEY = "is_synthetic"
DEMO_COUNTS = (100, 80, 60, 50, 40, 30, 25, 20, 15, 10)


@dataclass(frozen=True)
class LabelledImages:
    """The training part of a file, and what is needed to write a copy of it.

    Parameters
    ----------
    path : Path
        The file.
    images : ndarray of shape (n, ...)
        As stored.
    labels : ndarray of shape (n,)
        One label an image; of one-hot rows, the column.
    images_key, labels_key : str
        Names of the two arrays in the file.
    stored_labels : ndarray of shape (n,), (n, 1) or (n, n_classes)
        As stored.
    class_names : list of str or None
        The names that the labels 0..K-1 stand for, where the file has them.
    aligned_keys : list of str
        Other arrays with as many rows as there are images.
    """

    path: Path
    images: np.ndarray
    labels: np.ndarray
    images_key: str
    labels_key: str
    stored_labels: np.ndarray
    class_names: list[str] | None
    aligned_keys: list[str]

    def name(self, label: Any) -> str:
        """Return what people call a class."""
        return str(label if self.class_names is None else self.class_names[label])

    def find_label(self, name: str) -> Any:
        """Return the label of a class by its name or by the label's own text.

        Raises
        ------
        DataError
            If no class is called so.
        """
        labels = [plain(label) for label in np.unique(self.labels)]
        for text in (self.name, str):
            for label in labels:
                if text(label) == name:
                    return label
        known = ", ".join(self.name(label) for label in labels)
        raise DataError(f"There is no class {name!r}. The classes are: {known}.")

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """Return labels in the shape and dtype that they are stored in."""
        if self.stored_labels.ndim == 2 and self.stored_labels.shape[1] > 1:
            one_hot = np.eye(self.stored_labels.shape[1])[labels]
            return one_hot.astype(self.stored_labels.dtype)
        shape = (-1, *self.stored_labels.shape[1:])
        return labels.astype(self.stored_labels.dtype).reshape(shape)


def read_npz(
    path: str | os.PathLike[str],
    images_key: str | None = None,
    labels_key: str | None = None,
) -> LabelledImages:
    """Read the training images and labels of an .npz file.

    Parameters
    ----------
    path : path-like
        The file. Its arrays may be called x_train and y_train (Keras), train_images
        and train_labels (MedMNIST), images and labels, X and y, data and target, or
        arr_0 and arr_1; the first pair of these that is there is taken.
    images_key, labels_key : str, default=None
        Names of the two arrays. None: found as above.

    Returns
    -------
    data : LabelledImages

    Raises
    ------
    DataError
        If the file is missing, damaged or no .npz, holds Python objects, lacks the
        arrays, or they do not belong together.
    """
    path = Path(path)
    arrays = load_arrays(path)
    images_key, labels_key = _find_keys(path, list(arrays), images_key, labels_key)
    images, stored_labels = arrays[images_key], arrays[labels_key]
    if images.shape[:1] != stored_labels.shape[:1] or not images.ndim:
        raise DataError(
            f"There must be one label an image. Received: {images_key} of shape "
            f"{images.shape} and {labels_key} of shape {stored_labels.shape} in {path}."
        )
    if not len(images):
        raise DataError(f"There must be images. Received: {images_key} without rows.")
    mask = arrays.get(MASK_KEY)
    if mask is not None and mask.dtype.kind in "biu" and mask.any():
        raise DataError(
            f"{path} holds synthetic images already ({int(mask.sum())} rows of "
            f"{MASK_KEY}). Balance the real images that it was made from."
        )
    labels = _flatten_labels(labels_key, stored_labels)
    names = next((arrays[key] for key in CLASS_NAMES_KEYS if key in arrays), None)
    others = arrays.keys() - {images_key, labels_key, MASK_KEY}
    return LabelledImages(
        path=path,
        images=images,
        labels=labels,
        images_key=images_key,
        labels_key=labels_key,
        stored_labels=stored_labels,
        class_names=_check_class_names(names, labels),
        aligned_keys=sorted(
            key for key in others if arrays[key].shape[:1] == images.shape[:1]
        ),
    )


def read_test_part(data: LabelledImages) -> tuple[np.ndarray, np.ndarray] | None:
    """Read the test images and labels of a file, if it has them.

    They are called like the training part, with "test" for "train", or x_test and
    y_test, X_test and y_test, or test_images and test_labels.

    Parameters
    ----------
    data : LabelledImages
        The training part.

    Returns
    -------
    test_part : (images, labels) or None
    """
    arrays = load_arrays(data.path)
    keys = (data.images_key, data.labels_key)
    renamed = tuple(key.replace("train", "test") for key in keys)
    pairs = [pair for pair in (renamed, *TEST_LAYOUTS) if not set(pair) & set(keys)]
    for images_key, labels_key in pairs:
        if images_key in arrays and labels_key in arrays:
            labels = _flatten_labels(labels_key, arrays[labels_key])
            return arrays[images_key], labels
    return None


def read_groups(data: LabelledImages, key: str) -> np.ndarray:
    """Read the array that says which group each training image belongs to.

    Parameters
    ----------
    data : LabelledImages
        The training part.
    key : str
        Name of the array.

    Returns
    -------
    groups : ndarray of shape (n,)

    Raises
    ------
    DataError
        If the file has no such array with one entry an image.
    """
    groups = load_arrays(data.path).get(key)
    if groups is None or groups.shape != data.labels.shape:
        had = "no such array" if groups is None else f"shape {groups.shape}"
        raise DataError(
            f"Groups must be an array with one entry for each of {len(data.labels)} "
            f"training images. Received: {key}, {had}, in {data.path}. Arrays of that "
            f"length are: {', '.join(data.aligned_keys) or 'none'}."
        )
    return groups


def check_output(
    path: str | os.PathLike[str], source: Path | None, *, overwrite: bool
) -> None:
    """Raise DataError unless a new .npz file may be written to `path`.

    Parameters
    ----------
    path : path-like
        The file to write.
    source : Path or None
        The user's own file, which is never written over.
    overwrite : bool
        Whether another file there may be replaced.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise DataError(f"The output must be an .npz file. Received: {path}.")
    reason = check_folder(path)
    if reason is not None:
        raise DataError(f"{path} cannot be written: {reason}.")
    if path.is_dir():
        raise DataError(f"{path} is a folder.")
    if path.exists():
        if source is not None and source.exists() and path.samefile(source):
            raise DataError(f"{path} is the input itself, which is left as it is.")
        if not overwrite:
            raise DataError(
                f"{path} exists already. Allow it to be overwritten (--overwrite), or "
                "choose another name."
            )


def write_npz(
    path: str | os.PathLike[str],
    data: LabelledImages,
    images: np.ndarray,
    labels: np.ndarray,
    is_synthetic: np.ndarray,
) -> None:
    """Write a copy of a file with other training images and labels.

    Every other array is copied byte for byte. The file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        The file to write; see `check_output`.
    data : LabelledImages
        What was read.
    images : ndarray of shape (m, ...)
        Take the place of the training images.
    labels : ndarray of shape (m,)
        Take the place of their labels, in the shape that those are stored in.
    is_synthetic : ndarray of shape (m,), bool
        Added under that name.
    """
    new = {
        data.images_key: images,
        data.labels_key: data.encode(labels),
        MASK_KEY: is_synthetic,
    }
    with zipfile.ZipFile(data.path) as old, whole_file(Path(path)) as file:
        members = {member.filename: member for member in old.infolist()}
        how = members[f"{data.images_key}.npy"].compress_type
        with zipfile.ZipFile(file, "w", compression=how) as out:
            write_members(out, new)
            written = {f"{key}.npy" for key in new}
            for name, member in members.items():
                if name not in written:
                    out.writestr(member, old.read(name))


def save_demo_digits(path: str | os.PathLike[str]) -> None:
    """Write scikit-learn's handwritten digits, made imbalanced, as an .npz file.

    8x8 pixels, 1,797 images; a third is held out as the test part, and of the rest
    100 images of the digit 0 are kept, fewer and fewer down to 10 of the digit 9.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = np.rint(images.reshape(-1, 8, 8) / 16 * 255).astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=1 / 3, stratify=labels, random_state=0
    )
    kept = [
        np.flatnonzero(y_train == digit)[:count]
        for digit, count in enumerate(DEMO_COUNTS)
    ]
    rows = np.concatenate(kept)
    arrays = {"x_train": x_train[rows], "y_train": y_train[rows]}
    write_arrays(path, {**arrays, "x_test": x_test, "y_test": y_test})


def _find_keys(
    path: Path, keys: list[str], images_key: str | None, labels_key: str | None
) -> tuple[str, str]:
    """Return the names of the images and of the labels."""
    for option, key in (("--images-key", images_key), ("--labels-key", labels_key)):
        if key is not None and key not in keys:
            raise DataError(
                f"There is no array {key!r} ({option}) in {path}. It holds: "
                f"{', '.join(keys)}."
            )
    if images_key is not None and labels_key is not None:
        return images_key, labels_key
    for images, labels in LAYOUTS:
        pair = images_key or images, labels_key or labels
        agrees = images_key in (None, images) or labels_key in (None, labels)
        if agrees and pair[0] in keys and pair[1] in keys:
            return pair
    pairs = ", ".join(f"{images}/{labels}" for images, labels in LAYOUTS)
    raise DataError(
        f"Which arrays of {path} are images and labels? It holds: {', '.join(keys)}. "
        f"Known pairs are {pairs}; name others by --images-key and --labels-key."
    )


def _flatten_labels(key: str, stored: np.ndarray) -> np.ndarray:
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


def _check_class_names(
    names: np.ndarray | None, labels: np.ndarray
) -> list[str] | None:
    """Return the names where they belong to the labels 0..K-1."""
    if names is None or names.ndim != 1 or names.dtype.kind not in "US":
        return None
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(names):
        return None
    texts = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
    counts = np.bincount(labels, minlength=len(names))
    missing = [text for text, n in zip(texts, counts, strict=True) if not n]
    if missing:
        raise DataError(
            "Every class needs at least one image to learn from. Received: none of "
            f"{', '.join(missing)}. Add images, or take the name out of class_names "
            "and number the labels anew."
        )
    return texts
