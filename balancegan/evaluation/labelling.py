"""Labels as numbers: what classifiers learn, and what methods balance.

With one label per image, both are the label. With several attributes, a classifier
learns one of them, and methods balance their combinations: a class index is then the
number of a combination, as in :mod:`balancegan.attributes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets

from balancegan.attributes import Attributes, Labels, unravel
from balancegan.errors import DataError, refusals_as_data_errors
from balancegan.targets import as_numpy, read_attributes


@dataclass(frozen=True, eq=False)
class Labelling:
    """The attributes of the images, and which of them classifiers learn.

    Parameters
    ----------
    attributes : Attributes
        All attributes; a single label is one.
    position : int, default=0
        Position of the attribute that classifiers learn.
    """

    attributes: Attributes
    position: int = 0

    @property
    def classes(self) -> np.ndarray:
        """The sorted values of the learned attribute."""
        return self.attributes.values[self.position]

    @property
    def has_combinations(self) -> bool:
        """Whether there are several attributes."""
        return len(self.attributes.names) > 1

    def learned(self, class_indices: np.ndarray) -> np.ndarray:
        """Return the positions in `classes` of class indices."""
        return np.asarray(unravel(class_indices, self.attributes.sizes)[self.position])

    def number(self, y: Any, n_images: int) -> np.ndarray:
        """Return the class indices of labels of a test part, or raise a DataError."""
        labels = self._in_order(_read(y, n_images))
        unknown = self._find_unknown(labels)
        if unknown:
            raise DataError(
                f"The test part has classes that the training part lacks: {unknown}."
            )
        return self.attributes.indices(labels)

    def as_given(self, class_indices: np.ndarray, *, in_columns: bool) -> Any:
        """Return labels for a sampler.

        Several attributes are a DataFrame if the sampler takes them `in_columns`, else
        the class indices, so that it balances combinations.
        """
        columns = self.attributes.columns(class_indices)
        if not self.has_combinations:
            return columns[0]
        if not in_columns:
            return class_indices
        return pd.DataFrame(dict(zip(self.attributes.names, columns, strict=True)))

    def from_given(self, y: Any, *, in_columns: bool) -> np.ndarray:
        """Return the class indices of labels from a sampler, or raise a DataError."""
        attributes = self.attributes
        if self.has_combinations and not in_columns:
            numbers = np.asarray(y)
            unknown = np.setdiff1d(numbers, np.arange(attributes.n_classes)).tolist()
            known = np.where(np.isin(numbers, unknown), 0, numbers).astype(int)
            labels = Labels(attributes.names, attributes.columns(known))
        else:
            labels = self._in_order(_read(y, len(y)))
            unknown = self._find_unknown(labels)
        missing = np.setdiff1d(self.classes, labels.columns[self.position]).tolist()
        if unknown or missing:
            raise DataError(
                "it must return images of exactly the classes that it was given. "
                f"Received: unknown {unknown}, missing {missing}."
            )
        return attributes.indices(labels)

    def _in_order(self, labels: Labels) -> Labels:
        """Return labels with columns ordered by name; those of an array are ordered."""
        own = self.attributes.names
        if labels.names == own:
            return labels
        if set(labels.names) == set(own):
            order = [labels.names.index(name) for name in own]
            return Labels(own, tuple(labels.columns[k] for k in order))
        unnamed = tuple(str(k) for k in range(len(own)))
        if len(labels.names) == len(own) and unnamed in (own, labels.names):
            return labels
        raise DataError(
            f"The attributes must be {list(own)}. Received: {list(labels.names)}."
        )

    def _find_unknown(self, labels: Labels) -> Any:
        """Return unknown values: a list, or with several attributes one for each."""
        unknown = {
            name: np.setdiff1d(column, values).tolist()
            for name, values, column in zip(
                self.attributes.names,
                self.attributes.values,
                labels.columns,
                strict=True,
            )
        }
        if not self.has_combinations:
            return next(iter(unknown.values()))
        return {name: values for name, values in unknown.items() if values}

    def name(self, class_index: int, class_names: Sequence[str]) -> str:
        """Return the name of a class index: its values, separated by commas."""
        columns = self.attributes.columns(np.array([class_index]))
        values = [str(column.tolist()[0]) for column in columns]
        values[self.position] = class_names[int(self.learned(np.array(class_index)))]
        return ", ".join(values)

    def name_values(self, values: Sequence[Any], class_names: Sequence[str]) -> str:
        """Return the name of the class that a sampler reports by its values.

        There are fewer values if it balances some of the attributes only.
        """
        if len(values) < len(self.attributes.names):
            return ", ".join(map(str, values))
        columns = tuple(np.array([value]) for value in values)
        index = self.attributes.indices(Labels(self.attributes.names, columns))
        return self.name(int(index[0]), class_names)


def learn_labels(
    y: Any, n_images: int, class_attribute: str | None = None
) -> tuple[Labelling, np.ndarray]:
    """Return the labelling, and the class index of each image.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, n_attributes), or DataFrame
        Labels of the training part.
    n_images : int
        Number of images.
    class_attribute : str or None, default=None
        The attribute that classifiers learn. None: the first.

    Examples
    --------
    >>> y = pd.DataFrame({"garment": ["bag", "boot", "bag"], "digit": [5, 3, 3]})
    >>> labelling, class_indices = learn_labels(y, 3)
    >>> class_indices.tolist(), labelling.learned(class_indices).tolist()
    ([1, 2, 0], [0, 1, 0])
    """
    labels = _read(y, n_images)
    if class_attribute is not None and class_attribute not in labels.names:
        raise DataError(
            f"class_attribute must be one of the attributes {list(labels.names)}. "
            f"Received: {class_attribute!r}."
        )
    attributes, class_indices = Attributes.learn(labels)
    position = 0 if class_attribute is None else labels.names.index(class_attribute)
    return Labelling(attributes, position), class_indices


def _read(y: Any, n_images: int) -> Labels:
    with refusals_as_data_errors():
        labels = read_attributes(y)
        if labels is None:
            is_column = isinstance(y, pd.DataFrame) and len(y.columns) == 1
            given = np.asarray(as_numpy(y.iloc[:, 0] if is_column else y))
            kinds = sorted({type(value).__name__ for value in given.ravel().tolist()})
            if given.dtype == object and len(kinds) > 1:
                raise DataError(
                    "Labels must be of one kind, so that they can be sorted. Received: "
                    f"{', '.join(kinds)}."
                )
            check_classification_targets(given)
            labels = Labels.of_one(given)
    if np.shape(labels.columns[0]) != (n_images,):
        raise DataError(
            f"There must be one label for each of {n_images} images, or a column for "
            "each attribute (a DataFrame if all attributes have two numbers). "
            f"Received: labels of shape {np.shape(y)}."
        )
    return labels
