"""Labelled images in one form, whatever they are read from.

Images and labels of each split, further columns, and the files behind them.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from balancegan.attributes import ONE_LABEL
from balancegan.balance import plain
from balancegan.data.lineage import Moves
from balancegan.errors import DataError

TRAIN, TEST, VALIDATION = "train", "test", "val"
SPLITS = (TEST, VALIDATION)  # besides the training part
SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "test": TEST,
    "testing": TEST,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "dev": VALIDATION,
}


@dataclass(frozen=True, eq=False)
class Part:
    """The images of one split.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        As stored, or as decoded from files.
    labels : ndarray of shape (n,)
        One label an image.
    columns : DataFrame of n rows
        Further values of each image. They are passed on; nothing learns from them.
    files : list of Path or None
        The file of each image. None: the images are in arrays.
    sizes : ndarray of shape (n, 2) or None
        Height and width of each file before resizing.
    """

    images: np.ndarray
    labels: np.ndarray
    columns: pd.DataFrame
    files: list[Path] | None = None
    sizes: np.ndarray | None = None

    @property
    def names(self) -> list[str] | None:
        """File names with their folders, None without files."""
        if self.files is None:
            return None
        return [f"{file.parent.name}/{file.name}" for file in self.files]


@dataclass(frozen=True, eq=False)
class StoredArrays:
    """How a file of named arrays stores the training part, to write a copy of it.

    Parameters
    ----------
    images_key, labels_key : str
        Names of the two arrays.
    labels : ndarray of shape (n,), (n, 1) or (n, n_classes)
        As stored.
    keys : list of str
        Names of all arrays.
    aligned_keys : list of str
        Other arrays with a row for each training image.
    """

    images_key: str
    labels_key: str
    labels: np.ndarray
    keys: list[str]
    aligned_keys: list[str]

    def key_of(self, column: str) -> str | None:
        """Return the array of a column, None if the column shares one with others."""
        names = (column, f"{column}_{TRAIN}", f"{TRAIN}_{column}")
        return next((key for key in names if key in self.aligned_keys), None)

    def free_key(self, column: str) -> str:
        """Return a new array name for a column."""
        names = [f"{column}_{TRAIN}", column, f"{TRAIN}_{column}"]
        numbered = (f"{column}{k}_{TRAIN}" for k in itertools.count(2))
        free = (key for key in itertools.chain(names, numbered) if key not in self.keys)
        return next(free)

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """Return labels in their stored shape and dtype."""
        if self.labels.ndim == 2 and self.labels.shape[1] > 1:
            return np.eye(self.labels.shape[1])[labels].astype(self.labels.dtype)
        shape = (-1, *self.labels.shape[1:])
        if self.labels.dtype.kind == "S":
            labels = np.char.encode(labels, "utf-8")
        return labels.astype(self.labels.dtype).reshape(shape)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """A training part, and test and validation parts if there are any.

    Parameters
    ----------
    path : Path
        The file or folder that was read.
    parts : dict of str to Part
        "train", and "test" and "val" if they exist.
    class_names : list of str or None
        Names of the labels 0..K-1. None: labels are their own names.
    stored : StoredArrays or None
        How arrays were stored. None: the images were encoded.
    notes : list of str
        What was decided or left out while reading.
    fit : "pad", "crop", "stretch" or None
        How image files were brought to one size. None: they are not files.
    file_range : tuple of float or None
        Values of image files of more than 8 bits that became 0 and 255.
    has_wide_grey : bool
        Whether the training files are unsigned 16-bit grey; added images are, too.
    root : Path or None
        The folder that names of image files are relative to.
    image_shape : tuple of int or None
        Declared height, width and channels of arrays. None: not declared.
    attributes : tuple of str
        Columns that the GAN is conditioned on next to the label.
    label_name : str
        Name of the label among them.
    held_out : ndarray of shape (n,), bool, or None
        Rows of the original training part that :func:`balancegan.data.holdout.hold_out`
        moved to the test part.
    """

    path: Path
    parts: dict[str, Part]
    class_names: list[str] | None = None
    stored: StoredArrays | None = None
    notes: list[str] = field(default_factory=list)
    fit: Literal["pad", "crop", "stretch"] | None = None
    file_range: tuple[float, float] | None = None
    has_wide_grey: bool = False
    root: Path | None = None
    image_shape: tuple[int, ...] | None = None
    attributes: tuple[str, ...] = ()
    label_name: str = ONE_LABEL
    held_out: np.ndarray | None = None

    @property
    def train(self) -> Part:
        """The training part."""
        return self.parts[TRAIN]

    @property
    def images(self) -> np.ndarray:
        """The training images, of shape (n, ...)."""
        return self.train.images

    @property
    def labels(self) -> np.ndarray:
        """The training labels, of shape (n,)."""
        return self.train.labels

    def pixel_range(
        self, value_range: tuple[float, float] | None
    ) -> tuple[float, float] | None:
        """Return black and white of `images`: None if files were scaled to 8 bits."""
        return value_range if self.file_range is None else None

    def format_settings(
        self, value_range: tuple[float, float] | None
    ) -> dict[str, Any]:
        """Return the layout and range arguments of a sampler."""
        return {
            "image_shape": self.image_shape,
            "value_range": self.pixel_range(value_range),
        }

    @property
    def column_names(self) -> list[str]:
        """Columns of all parts, each once."""
        names = (name for part in self.parts.values() for name in part.columns)
        return list(dict.fromkeys(map(str, names)))

    @property
    def targets(self) -> np.ndarray | pd.DataFrame:
        """The labels, or a DataFrame of label and attributes."""
        return self._targets_of(self.train)

    def _targets_of(self, part: Part) -> np.ndarray | pd.DataFrame:
        if not self.attributes:
            return part.labels
        columns = part.columns[list(self.attributes)]
        labels = pd.Series(part.labels, name=self.label_name, index=columns.index)
        return pd.concat([labels, columns], axis=1)

    def with_attributes(
        self, names: Sequence[str], label_name: str = ONE_LABEL
    ) -> "LabelledImages":
        """Return the same images with columns as attributes.

        Parameters
        ----------
        names : sequence of str
            The columns; the label itself may be among them.
        label_name : str, default="label"
            Name of the label.

        Raises
        ------
        DataError
            If there is no such column, or it lacks values.
        """
        others = tuple(dict.fromkeys(name for name in names if name != label_name))
        for name in others:
            column = self.column(name)
            blank = column.isna() | (column.astype(str) == "")
            if blank.any():
                raise DataError(
                    f"Every training image needs a value of each attribute. Received: "
                    f"{name!r} with {int(blank.sum())} missing ones."
                )
        return replace(self, attributes=others, label_name=label_name)

    @property
    def test_part(self) -> tuple[np.ndarray, np.ndarray | pd.DataFrame] | None:
        """Test images with their `targets`, None without a test part.

        Raises
        ------
        DataError
            If they lack an attribute.
        """
        part = self.parts.get(TEST)
        if part is None:
            return None
        missing = [name for name in self.attributes if name not in part.columns]
        if missing:
            raise DataError(
                "Test images need every attribute that training images have. Received:"
                f" none called {missing[0]!r}. The test part has: "
                f"{', '.join(map(str, part.columns)) or 'none'}. Add it, or compare on "
                "folds of the training part."
            )
        return part.images, self._targets_of(part)

    @property
    def aligned_keys(self) -> list[str]:
        """Arrays with a row for each training image that new images do not have."""
        if self.stored is None:
            return []
        names = self.attributes if self.held_out is None else self.column_names
        told = [self.stored.key_of(name) for name in names]
        return [key for key in self.stored.aligned_keys if key not in told]

    def name(self, label: Any) -> str:
        """Return the name of a class."""
        names = self.class_names
        # A test part may have further labels
        has_name = names is not None and label in range(len(names))
        return str(names[int(label)] if names is not None and has_name else label)

    def find_label(self, name: str) -> Any:
        """Return the label of a class by name or text; DataError if there is none."""
        labels = [plain(label) for label in np.unique(self.labels)]
        for text in (self.name, str):
            for label in labels:
                if text(label) == name:
                    return label
        known = ", ".join(self.name(label) for label in labels)
        raise DataError(f"There is no class {name!r}. The classes are: {known}.")

    def column(self, name: str) -> pd.Series:
        """Return a column of the training part; DataError if there is none."""
        columns = self.train.columns
        if name not in columns:
            raise DataError(
                f"An attribute is a column with one entry for each of {len(columns)} "
                f"training images. Received: {name!r}, which {self.path} does not "
                f"have. It has: {', '.join(map(str, columns)) or 'none'}."
            )
        return columns[name]

    def groups(self, key: str, split: str = TRAIN) -> np.ndarray:
        """Return the group of each image.

        Parameters
        ----------
        key : str
            A column, or the array that it was read from.
        split : str, default="train"
            The part.

        Raises
        ------
        DataError
            If the part has no such column.
        """
        columns = self.parts[split].columns
        for name in (key, column_name(key)):
            if name in columns:
                return columns[name].to_numpy()
        raise DataError(
            f"Groups must be a column with one entry for each of {len(columns)} "
            f"{split} images. Received: {key!r}, which {self.path} does not have. "
            f"It has: {', '.join(map(str, columns)) or 'none'}."
        )


def column_name(key: str) -> str:
    """Return an array name without the name of a split.

    Examples
    --------
    >>> column_name("slide_train"), column_name("test_photos"), column_name("train")
    ('slide', 'photos', 'train')
    """
    for split in (TRAIN, *SPLITS):
        for affix in (f"_{split}", f"{split}_"):
            stripped = key.removesuffix(affix).removeprefix(affix)
            if stripped != key and stripped:
                return stripped
    return key


@dataclass(frozen=True, eq=False)
class SyntheticImages:
    """Images to add to the training part, with their provenance.

    Parameters
    ----------
    batches : iterable of ndarray of shape (m, ...)
        The images, in the layout and range of the training images.
    labels : ndarray of shape (n,)
        Their labels.
    numbers : ndarray of shape (n,), int
        Index of each image within its class and attributes.
    model : str
        Fingerprint of the model.
    attributes : DataFrame of n rows
        Requested values of further attributes. Missing columns are blank.
    sizes : ndarray of shape (n, 2) or None, default=None
        Height and width of the files of generated images. None: those of the images.
    origins : DataFrame of n rows or None, default=None
        Columns "method", "score" (NaN: not judged) and "weight". None: unknown.
    truncation : float or None, default=None
        Truncation of the latents.
    sources : ndarray of shape (n,), int, or None, default=None
        The training image that each copies, -1 for none. None: unknown.
    moves : Moves or None, default=None
        How copies are shifted. None: not at all.
    """

    batches: Iterable[np.ndarray]
    labels: np.ndarray
    numbers: np.ndarray
    model: str
    attributes: pd.DataFrame = field(default_factory=pd.DataFrame)
    sizes: np.ndarray | None = None
    origins: pd.DataFrame | None = None
    truncation: float | None = None
    sources: np.ndarray | None = None
    moves: Moves | None = None

    @classmethod
    def none(cls, labels: np.ndarray) -> Self:
        """Return an empty set with labels of the given type."""
        return cls([], labels[:0], np.empty(0, dtype=int), "")
