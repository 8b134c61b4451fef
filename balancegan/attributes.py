"""Labels of one or several attributes, and the class index that stands for them.

An image may have several labels, for instance digit and colour. The GAN is conditioned
on one number, the class index: the place of the image's combination of values among
all combinations, where the last attribute varies fastest. With one attribute it is the
place of the label among the sorted labels. Images are not known here.
"""

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from balancegan.errors import DataError

ONE_LABEL = "label"  # name of a single attribute without a name
MAX_COMBINATIONS = 100_000  # each has an entry in tables of counts
MAX_ATTRIBUTES = 32  # axes of an array in every version of numpy

Classes = int | tuple[int, ...]
Wanted = tuple[int | None, ...]


def sizes_of(n_classes: Classes) -> tuple[int, ...]:
    """Return the number of values of each attribute as a tuple.

    Examples
    --------
    >>> sizes_of(10), sizes_of((10, 5))
    ((10,), (10, 5))
    """
    return tuple(np.atleast_1d(n_classes).tolist())


def unravel(class_index: Any, sizes: Sequence[int]) -> list[Any]:
    """Return the index of the value of each attribute for class indices.

    Parameters
    ----------
    class_index : int, ndarray or tensor
        Class indices; any type with ``//`` and ``%``.
    sizes : sequence of int
        Number of values of each attribute.

    Returns
    -------
    value_indices : list
        One of the type of `class_index` for each attribute.

    Examples
    --------
    >>> unravel(7, (2, 5))
    [1, 2]
    """
    if len(sizes) == 1:
        return [class_index]
    value_indices = []
    for size in reversed(sizes):
        value_indices.append(class_index % size)
        class_index = class_index // size
    return value_indices[::-1]


def join(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return one label a row: that of the only column, or a tuple of all columns.

    Examples
    --------
    >>> join([np.array(["3", "5"]), np.array([0, 1])]).tolist()
    [('3', 0), ('5', 1)]
    """
    if len(columns) == 1:
        return columns[0]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return np.fromiter(rows, dtype=object, count=len(columns[0]))


def name_values(label: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return a label from `join` as a dict of attributes.

    Examples
    --------
    >>> name_values("red", ["colour"]), name_values(("red", 3), ["colour", "digit"])
    ({'colour': 'red'}, {'colour': 'red', 'digit': 3})
    """
    values = [label] if len(names) == 1 else label
    return dict(zip(names, values, strict=True))


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of images, a column for each attribute.

    Parameters
    ----------
    names : tuple of str
        Names of the attributes.
    columns : tuple of ndarray of shape (n,)
        The values of each attribute, a row for each image.
    """

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]

    @classmethod
    def of_one(cls, labels: np.ndarray, name: str = ONE_LABEL) -> Self:
        """Return the labels of a single attribute."""
        return cls((name,), (labels,))

    def __len__(self) -> int:
        return len(self.columns[0])

    def joined(self, positions: Sequence[int]) -> np.ndarray:
        """Return one label for each image, of the attributes at `positions`."""
        return join([self.columns[position] for position in positions])

    def take(self, rows: np.ndarray) -> Self:
        """Return some of the rows."""
        return replace(self, columns=tuple(column[rows] for column in self.columns))

    def followed_by(self, others: Self) -> Self:
        """Return these labels followed by those of further images."""
        columns = []
        for column, other in zip(self.columns, others.columns, strict=True):
            kept = other.astype(column.dtype)
            # New classes may be longer texts or larger numbers
            fits = np.array_equal(kept, other)
            columns.append(np.concatenate([column, kept if fits else other]))
        return replace(self, columns=tuple(columns))


@dataclass(frozen=True, eq=False)
class Attributes:
    """Names of attributes and the values of each.

    Parameters
    ----------
    names : tuple of str
        Their distinct names.
    values : tuple of ndarray
        The values of each attribute, sorted.

    Examples
    --------
    >>> labels = Labels(("digit", "dark"), (np.array([5, 3]), np.array([True, False])))
    >>> attributes, class_indices = Attributes.learn(labels)
    >>> class_indices.tolist(), attributes.label(3)
    ([3, 0], (5, True))
    >>> attributes.find({"dark": True})
    (None, 1)
    """

    names: tuple[str, ...]
    values: tuple[np.ndarray, ...]

    @classmethod
    def learn(cls, labels: Labels) -> tuple[Self, np.ndarray]:
        """Return the attributes of labelled images and the images' class indices."""
        found = [np.unique(column, return_inverse=True) for column in labels.columns]
        attributes = cls(labels.names, tuple(values for values, _ in found))
        attributes._check()
        value_indices = tuple(indices for _, indices in found)
        return attributes, np.ravel_multi_index(value_indices, attributes.sizes)

    def _check(self) -> None:
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise DataError(
                "Each attribute needs a distinct name. Received twice: "
                f"{sorted(repeated)}."
            )
        if len(self.names) > MAX_ATTRIBUTES or self.n_classes > MAX_COMBINATIONS:
            sizes = dict(zip(self.names, self.sizes, strict=True))
            raise DataError(
                f"At most {MAX_ATTRIBUTES} attributes with {MAX_COMBINATIONS:,} "
                "combinations of values can be conditions. Received attributes with "
                f"these numbers of values: {sizes}. Leave columns out, or merge values."
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each attribute."""
        return tuple(len(values) for values in self.values)

    @property
    def n_classes(self) -> int:
        """Number of combinations, including those without images."""
        return math.prod(self.sizes)

    def columns(self, class_indices: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the columns of values for class indices."""
        value_indices = np.unravel_index(class_indices, self.sizes)
        pairs = zip(self.values, value_indices, strict=True)
        return tuple(values[indices] for values, indices in pairs)

    def label(self, class_index: int) -> Hashable:
        """Return the label of a class index: a value, or a tuple."""
        return join(self.columns(np.array([class_index]))).tolist()[0]

    def positions(self, names: str | Sequence[str] | None) -> tuple[int, ...]:
        """Return the positions of attributes by their names. None: all."""
        if names is None:
            return tuple(range(len(self.names)))
        wanted = [names] if isinstance(names, str) else list(names)
        unknown = [name for name in wanted if name not in self.names]
        if unknown or not wanted or len(set(wanted)) < len(wanted):
            raise DataError(
                "balance_on names some of the attributes "
                f"{list(self.names)}, each once. Received: {names!r}."
            )
        return tuple(self.names.index(name) for name in wanted)

    def find(self, label: Any) -> Wanted:
        """Return the values that a label names.

        Parameters
        ----------
        label : object
            A value of the only attribute, a tuple of the values of all attributes in
            order, or a dict of the values of some attributes.

        Returns
        -------
        wanted : tuple of int or None
            Index of the value of each attribute. None: not named.
        """
        if isinstance(label, Mapping):
            unknown = [name for name in label if name not in self.names]
            if unknown:
                raise DataError(
                    f"The attributes are {list(self.names)}. Received: {unknown[0]!r}."
                )
            return tuple(
                self._find_value(position, label[name]) if name in label else None
                for position, name in enumerate(self.names)
            )
        if len(self.names) == 1:
            return (self._find_value(0, label),)
        if not isinstance(label, (tuple, list)) or len(label) != len(self.names):
            raise DataError(
                f"Give a dict of some of the attributes {list(self.names)}, or a tuple "
                f"of a value for each of them in this order. Received: {label!r}."
            )
        return tuple(self._find_value(i, value) for i, value in enumerate(label))

    def combinations(self, names: str | Sequence[str] | None) -> list[Any]:
        """Return every combination of the values of some attributes, sorted.

        Combinations without images are included. `names` None: all attributes.
        """
        values = [self.values[position].tolist() for position in self.positions(names)]
        return values[0] if len(values) == 1 else list(itertools.product(*values))

    def _find_value(self, position: int, value: Any) -> int:
        values = self.values[position]
        found = np.flatnonzero(values == value if np.ndim(value) == 0 else False)
        if len(found) == 1:
            return int(found[0])
        known = f"The attribute {self.names[position]!r} has the values"
        if len(self.names) == 1:
            known = "The model knows the classes"
        raise DataError(f"{known} {values.tolist()}. Received: {value!r}.")

    def find_text(self, position: int, text: str, called: Sequence[str] = ()) -> Any:
        """Return the value of an attribute that a text names.

        Parameters
        ----------
        position : int
            Position of the attribute.
        text : str
            One of the names in `called`, or a value as text.
        called : sequence of str, default=()
            Names of the values, in order.
        """
        texts = [str(value) for value in self.values[position].tolist()]
        for names in (list(called), texts):
            if text in names:
                return self.values[position].tolist()[names.index(text)]
        known = f"{', '.join(called or texts)}"
        if len(self.names) == 1:
            raise DataError(f"There is no class {text!r}. The classes are: {known}.")
        raise DataError(
            f"The attribute {self.names[position]!r} has the values {known}. "
            f"Received: {text!r}."
        )

    def indices(self, labels: Labels) -> np.ndarray:
        """Return the class index of each image."""
        value_indices = []
        for position, column in enumerate(labels.columns):
            found, inverse = np.unique(column, return_inverse=True)
            known = [self._find_value(position, value) for value in found.tolist()]
            value_indices.append(np.array(known, dtype=int)[inverse])
        return np.ravel_multi_index(tuple(value_indices), self.sizes)

    def check_known(self, labels: Labels) -> None:
        """Raise DataError unless `labels` are of these attributes and their values."""
        if len(self.names) == len(labels.names) == 1:
            return  # the name of a single attribute does not matter
        if labels.names != self.names:
            raise DataError(
                f"The model was trained on the attributes {list(self.names)}, in this "
                f"order. Received: {list(labels.names)}."
            )
        for position, column in enumerate(labels.columns):
            for value in np.unique(column).tolist():
                self._find_value(position, value)
