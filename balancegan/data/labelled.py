"""Labelled images in one form, wherever they come from.

Images and labels of each split, further columns, and the files behind them. Who reads
them from disk, and who writes them back, are the other modules of this room.
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
        What else is known of each image. They are passed on, nothing learns from them.
    files : list of Path or None
        The file of each image. None: the images are in arrays.
    sizes : ndarray of shape (n, 2) or None
        Height and width of each file, before all were brought to one size.
    """

    images: np.ndarray
    labels: np.ndarray
    columns: pd.DataFrame
    files: list[Path] | None = None
    sizes: np.ndarray | None = None

    @property
    def names(self) -> list[str] | None:
        """What the files are called, each with its folder; None without files."""
        if self.files is None:
            return None
        return [f"{file.parent.name}/{file.name}" for file in self.files]


@dataclass(frozen=True, eq=False)
class StoredArrays:
    """How a file of named arrays holds the training part, to write a copy of it.

    Parameters
    ----------
    images_key, labels_key : str
        Names of the two arrays.
    labels : ndarray of shape (n,), (n, 1) or (n, n_classes)
        As stored.
    keys : list of str
        Names of all arrays.
    aligned_keys : list of str
        Other arrays with as many rows as there are training images.
    """

    images_key: str
    labels_key: str
    labels: np.ndarray
    keys: list[str]
    aligned_keys: list[str]

    def key_of(self, column: str) -> str | None:
        """Return the array of a column of the training part; None if it has no own."""
        names = (column, f"{column}_{TRAIN}", f"{TRAIN}_{column}")
        return next((key for key in names if key in self.aligned_keys), None)

    def free_key(self, column: str) -> str:
        """Return a name for an array of a column that has no own."""
        names = [f"{column}_{TRAIN}", column, f"{TRAIN}_{column}"]
        numbered = (f"{column}{k}_{TRAIN}" for k in itertools.count(2))
        free = (key for key in itertools.chain(names, numbered) if key not in self.keys)
        return next(free)

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """Return labels in the shape and dtype that they are stored in."""
        if self.labels.ndim == 2 and self.labels.shape[1] > 1:
            return np.eye(self.labels.shape[1])[labels].astype(self.labels.dtype)
        shape = (-1, *self.labels.shape[1:])
        if self.labels.dtype.kind == "S":
            labels = np.char.encode(labels, "utf-8")
        return labels.astype(self.labels.dtype).reshape(shape)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """What was read: a training part, and other parts where there are any.

    Parameters
    ----------
    path : Path
        The file or folder.
    parts : dict of str to Part
        "train", and "test" and "val" where they exist.
    class_names : list of str or None
        The names that the labels 0..K-1 stand for. None: labels are their own names.
    stored : StoredArrays or None
        How the arrays were stored. None: the images were encoded.
    notes : list of str
        What was decided or left out while reading, for people.
    fit : "pad", "crop", "stretch" or None
        How image files were brought to one size. None: they are not files.
    file_range : tuple of float or None
        The values of image files of more than 8 bits that became 0 and 255. None:
        there are no such files.
    has_wide_grey : bool
        Whether the training files are grey with values of 16 bits, none negative:
        images that are added get the same.
    root : Path or None
        The folder that names of image files start from. None: they are not files.
    image_shape : tuple of int or None
        Height, width and channels of the images of arrays, as somebody said. None: as
        the arrays have them.
    attributes : tuple of str
        Columns that the GAN is told beside the label.
    label_name : str
        What the label is called beside them.
    held_out : ndarray of shape (n,), bool, or None
        Which rows of the training part, as it was read, became the test part. None:
        nothing was set aside, see :func:`balancegan.data.holdout.hold_out`.
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
        """The part that is learned from."""
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
        """Return black and white of `images`, given those of the data.

        Of files of more than 8 bits these have become 0 and 255: None.
        """
        return value_range if self.file_range is None else None

    def format_settings(
        self, value_range: tuple[float, float] | None
    ) -> dict[str, Any]:
        """Return what a sampler is told of layout and range."""
        return {
            "image_shape": self.image_shape,
            "value_range": self.pixel_range(value_range),
        }

    @property
    def column_names(self) -> list[str]:
        """Columns that any part has, each once."""
        names = (name for part in self.parts.values() for name in part.columns)
        return list(dict.fromkeys(map(str, names)))

    @property
    def targets(self) -> np.ndarray | pd.DataFrame:
        """What the GAN is told: the labels, or a column for label and attributes."""
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
        """Return the same images, of which the GAN is told some columns, too.

        Parameters
        ----------
        names : sequence of str
            The columns; the label itself may be among them.
        label_name : str, default="label"
            What the label is called.

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
        """Test images with `targets` of their own, None where there are none.

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
        """Arrays that have a row for each training image, and none for new ones."""
        if self.stored is None:
            return []
        names = self.attributes if self.held_out is None else self.column_names
        told = [self.stored.key_of(name) for name in names]
        return [key for key in self.stored.aligned_keys if key not in told]

    def name(self, label: Any) -> str:
        """Return what people call a class."""
        names = self.class_names
        # A test part may have labels that training images, and names, have not
        has_name = names is not None and label in range(len(names))
        return str(names[int(label)] if names is not None and has_name else label)

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

    def column(self, name: str) -> pd.Series:
        """Return a column of the training part.

        Raises
        ------
        DataError
            If there is none of that name.
        """
        columns = self.train.columns
        if name not in columns:
            raise DataError(
                f"An attribute is a column with one entry for each of {len(columns)} "
                f"training images. Received: {name!r}, which {self.path} does not "
                f"have. It has: {', '.join(map(str, columns)) or 'none'}."
            )
        return columns[name]

    def groups(self, key: str, split: str = TRAIN) -> np.ndarray:
        """Return the column that says which group each image belongs to.

        Parameters
        ----------
        key : str
            A column, or the array that it was read from.
        split : str, default="train"
            Of which part.

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
    """Return what an array is called as a column: without the name of a split.

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
    """Images to add to the training part, and where each comes from.

    Parameters
    ----------
    batches : iterable of ndarray of shape (m, ...)
        The images, some at a time, in the layout and range of the training images.
    labels : ndarray of shape (n,)
        Their labels.
    numbers : ndarray of shape (n,), int
        Image k of its class and attributes: what makes it again.
    model : str
        The fingerprint of the model that made them.
    attributes : DataFrame of n rows
        What else was asked for. Columns without a value here are blank.
    sizes : ndarray of shape (n, 2) or None, default=None
        Height and width of files that copy no file. None: the images' own.
    origins : DataFrame of n rows or None, default=None
        How each was made and judged: "method", "score" (NaN: not judged) and "weight".
        None: nothing is said of that.
    truncation : float or None, default=None
        Of the latents they were made with.
    sources : ndarray of shape (n,), int, or None, default=None
        The training image that each copies, -1: none. None: nothing is said of that.
    moves : Moves or None, default=None
        How copies are moved. None: not at all.
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
        """Return no images, for a set with such labels."""
        return cls([], labels[:0], np.empty(0, dtype=int), "")
