"""Which classes targets speak of: values of the label, or of several attributes."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from balancegan.attributes import Attributes, Labels
from balancegan.data.labelled import LabelledImages
from balancegan.errors import DataError

JOINT = ","  # between the values of a combination, as people type them


class BalancedClasses:
    """The classes that are balanced, and what people call them.

    Parameters
    ----------
    labelled : LabelledImages
        What was read.
    names : sequence of str
        The attributes that are balanced on: the label, or others. Empty: the label.

    Attributes
    ----------
    names : tuple of str
        The attributes.
    of_images : ndarray of shape (n,)
        The class of each training image: a value, or a tuple where there are several
        attributes.
    """

    def __init__(self, labelled: LabelledImages, names: Sequence[str] = ()) -> None:
        self.labelled = labelled
        self.names = tuple(names) or (labelled.label_name,)
        self.attributes, _ = Attributes.learn(self._labels)
        self.of_images = self._labels.joined(self.attributes.positions(self.names))

    @cached_property
    def _labels(self) -> Labels:
        labelled = self.labelled
        columns = [labelled.train.columns[n].to_numpy() for n in labelled.attributes]
        columns = [np.asarray(column.tolist()) for column in columns]
        return Labels(
            (labelled.label_name, *labelled.attributes), (labelled.labels, *columns)
        )

    def find(self, text: str) -> Any:
        """Return the class that people call so: its values joined by commas.

        Raises
        ------
        DataError
            If there is none.
        """
        texts = text.split(JOINT) if len(self.names) > 1 else [text]
        if len(texts) != len(self.names):
            raise DataError(
                f"A class is a value of each of {', '.join(self.names)}, in this "
                f"order, with commas between. Received: {text!r}."
            )
        values = [
            self._find_value(*pair) for pair in zip(self.names, texts, strict=True)
        ]
        return values[0] if len(values) == 1 else tuple(values)

    @property
    def combinations(self) -> list[Any]:
        """All that can be asked for: every combination of values that images have."""
        return self.attributes.combinations(self.names)

    def _find_value(self, name: str, text: str) -> Any:
        if name == self.labelled.label_name:
            return self.labelled.find_label(text)
        return self.attributes.find_text(self.attributes.names.index(name), text)

    def texts(self, label: Any) -> list[str]:
        """Return what people call the values of a class."""
        values = [label] if len(self.names) == 1 else label
        return [
            self.labelled.name(value)
            if name == self.labelled.label_name
            else str(value)
            for name, value in zip(self.names, values, strict=True)
        ]

    def name(self, label: Any) -> str:
        """Return what people call a class."""
        return ", ".join(self.texts(label))

    def rows_of(self, label: Any, n: int) -> list[int]:
        """Return the first `n` rows of training images of a class."""
        rows = (i for i, own in enumerate(self.of_images.tolist()) if own == label)
        return [row for row, _ in zip(rows, range(n), strict=False)]
