"""Labels that users give as y and get back: one label, or several attributes."""

import warnings
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from imblearn.utils import check_target_type
from sklearn.utils.multiclass import check_classification_targets, is_multilabel

from balancegan.attributes import Labels
from balancegan.datasets import is_dataset, read_dataset
from balancegan.errors import DataError
from balancegan.sklearn_compat import ArraysTransformer

KINDS: dict[str, tuple[type, ...]] = {
    "booleans": (bool, np.bool_),
    "texts": (str,),
    "bytes": (bytes,),
    "numbers": (Number, np.number),
}


def read_labelled(X: Any, y: Any) -> tuple[Any, Any]:
    """Return images and labels as given, or those of a dataset.

    Examples
    --------
    >>> read_labelled(np.zeros((2, 4, 4)), ["bag", "boot"])[1]
    ['bag', 'boot']
    """
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        raise DataError(
            f"Every image needs a label. Received: {np.ma.count_masked(y):,} masked "
            "ones. Fill them in, or leave these images out."
        )
    if not is_dataset(X):
        if y is None:
            raise DataError(
                "Learning requires y to be passed, but the target y is None. Only a "
                "tf.data.Dataset of images with labels comes without. Received: X of "
                f"type {type(X).__name__}."
            )
        return X, y
    if y is not None:
        raise DataError(
            "A dataset has the labels of its images. Received: a dataset as X, and y "
            f"of type {type(y).__name__}. Leave out y."
        )
    return read_dataset(X)


def read_attributes(y: Any) -> Labels | None:
    """Return the labels of several attributes, None if `y` has one label per image.

    Examples
    --------
    >>> read_attributes(np.array([["3", "red"], ["5", "blue"]])).names
    ('0', '1')
    >>> read_attributes(["3", "5"]) is None
    True
    """
    if isinstance(y, pd.DataFrame):
        names = [str(name) for name in y.columns]
        columns = [y.iloc[:, i].to_numpy() for i in range(y.shape[1])]
    else:
        # As objects, since a list of rows may mix numbers and texts
        given = y if isinstance(y, np.ndarray) else np.array(y, dtype=object)
        if given.ndim != 2 or _is_indicator(y):
            return None
        columns = list(given.T)
        names = [str(i) for i in range(len(columns))]
    if len(columns) < 2:
        return None
    checked = [_check_column(*pair) for pair in zip(names, columns, strict=True)]
    return Labels(tuple(names), tuple(checked))


def _is_indicator(y: Any) -> bool:
    """Return whether a table has two distinct numbers: one-hot, or a mistake."""
    values = np.asarray(y)
    return values.dtype != object and is_multilabel(values)


def read_one_label(y: Any) -> tuple[np.ndarray, bool]:
    """Return the labels, and whether they were one-hot.

    Examples
    --------
    >>> read_one_label(np.array([[1, 0], [0, 1]]))
    (array([0, 1]), True)
    """
    if not _is_indicator(y):
        return check_target_type(y, indicate_one_vs_all=True)
    try:
        return check_target_type(np.asarray(y), indicate_one_vs_all=True)
    except ValueError as error:
        raise DataError(
            f"{error} Received: a table of two numbers that is not one-hot. Attributes "
            "of two numbers each are given as a DataFrame."
        ) from error


def _check_column(name: str, values: np.ndarray) -> np.ndarray:
    """Return the values of an attribute as an array that can be sorted."""
    if pd.isna(values).any():
        raise DataError(
            f"Every image needs a value of each attribute. Received: {name!r} with "
            f"{int(pd.isna(values).sum())} missing ones. Fill them in, or leave these "
            "images out."
        )
    if values.dtype == object and len(kinds := _kinds_of(values)) > 1:
        raise DataError(
            "The values of an attribute must be of one kind, to be sorted. Received: "
            f"{name!r} with {', '.join(kinds)}."
        )
    column = np.asarray(values.tolist()) if values.dtype == object else values
    if column.dtype.kind in "SmM":
        raise DataError(
            "The values of an attribute are texts, numbers or booleans. Received: "
            f"{name!r} of dtype {column.dtype}. Give them as texts: astype(str)."
        )
    try:
        check_classification_targets(column)
    except ValueError as error:
        raise DataError(f"The attribute {name!r} cannot be a label. {error}") from error
    return column


def _kinds_of(values: np.ndarray) -> list[str]:
    """Return the kinds of objects: texts, numbers, booleans, or type names."""
    kinds = {
        next((k for k, types in KINDS.items() if issubclass(one, types)), one.__name__)
        for one in set(map(type, values.ravel().tolist()))
    }
    return sorted(kinds)


def as_numpy(y: Any) -> Any:
    """Return valid labels, with pandas' nullable numbers as numpy's.

    Examples
    --------
    >>> as_numpy(pd.Series([3, 5], dtype="Int64"))
    array([3, 5])
    """
    if isinstance(y, list | tuple):
        as_numpy(np.asarray(y, dtype=object))
        return as_numpy(np.asarray(y))
    if not hasattr(y, "dtype"):
        return y
    if not hasattr(y.dtype, "kind"):  # of TensorFlow or PyTorch
        return as_numpy(np.asarray(y))
    if y.dtype == object or pd.api.types.is_extension_array_dtype(y.dtype):
        missing = int(np.sum(pd.isna(y)))
        if missing:
            raise DataError(
                f"Every image needs a label. Received: {missing} missing ones. Fill "
                "them in, or leave these images out."
            )
    if y.dtype == object and len(kinds := _kinds_of(np.asarray(y))) > 1:
        raise DataError(
            "Labels must be of one kind, to be sorted. Received: labels that are "
            f"{', '.join(kinds)}. Give them as texts: astype(str)."
        )
    are_bytes = y.dtype == object and _kinds_of(np.asarray(y)) == ["bytes"]
    if are_bytes or y.dtype.kind in "SMmT":
        received = "bytes" if are_bytes else f"labels of dtype {y.dtype}"
        raise DataError(
            f"Labels are texts, numbers or booleans. Received: {received}. Give them "
            "as texts: y.astype(str)."
        )
    numbers = getattr(y.dtype, "numpy_dtype", None)
    return y if numbers is None else y.to_numpy(dtype=numbers)


def as_given(one_hot: np.ndarray | None, labels: Labels) -> np.ndarray:
    """Return the labels of a single attribute, one-hot if others are.

    Examples
    --------
    >>> as_given(np.empty((0, 2)), Labels.of_one(np.array([1]))).tolist()
    [[0.0, 1.0]]
    """
    y = labels.columns[0]
    if one_hot is None:
        return y
    width = one_hot.shape[1]
    if y.max(initial=-1) >= width:
        raise DataError(
            f"One-hot labels of {width} columns cannot hold class {y.max()}. Give a "
            "column for each class that the model knows."
        )
    return np.eye(width, dtype=one_hot.dtype)[y]


def give_back(
    arrays: ArraysTransformer, images: np.ndarray, labels: np.ndarray
) -> tuple[Any, Any]:
    """Return images and labels in the types of the given ones."""
    try:
        with warnings.catch_warnings():  # pandas warns of a future error
            warnings.simplefilter("ignore", DeprecationWarning)
            X, y = arrays.transform(images, labels)
        kept = np.asarray(y, dtype=object).ravel()
        fits = np.array_equal(kept, np.asarray(labels, dtype=object).ravel())
    except (OverflowError, TypeError, ValueError) as error:
        raise DataError(f"The type of y cannot hold the labels: {error}.") from error
    if not fits:
        lost = sorted(set(map(str, labels.ravel())) - set(map(str, kept)))
        raise DataError(
            f"The type of y, {getattr(y, 'dtype', type(y).__name__)}, cannot hold all "
            f"labels that were requested. Received: {', '.join(lost)}. Give y a type "
            "or categories that can."
        )
    return X, y


def as_table(labels: Labels, *, as_objects: bool) -> np.ndarray:
    """Return the columns of several attributes side by side.

    Examples
    --------
    >>> labels = Labels(("digit", "colour"), (np.array([3]), np.array(["red"])))
    >>> as_table(labels, as_objects=True).tolist()
    [[3, 'red']]
    """
    if not as_objects:
        return np.stack(labels.columns, axis=1)
    table = np.empty((len(labels), len(labels.columns)), dtype=object)
    for i, column in enumerate(labels.columns):
        table[:, i] = column.tolist()
    return table
