"""Containers of images: stack single images for learning, and return the same kind.

Arrays pass unchanged. Each entry of a list, a column of a table or an array of objects
is an image.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from balancegan.errors import DataError
from balancegan.pictures import is_picture, read_pixels


def stack_images(X: Any) -> Any:
    """Stack single images to one array.

    Parameters
    ----------
    X : object
        A list or tuple of images, a pandas Series or a DataFrame of one column with an
        image in each row, or a numpy array of such objects. An image is an array, a
        tensor that numpy can read, a Pillow image, or nested lists of numbers.

    Returns
    -------
    X : ndarray of shape (n, ...), or the given object
        In the dtype of the images. Anything but such a container is returned unchanged.

    Examples
    --------
    >>> stack_images([np.zeros((4, 4), "uint8"), np.ones((4, 4), "uint8")]).shape
    (2, 4, 4)
    """
    images = list_images(X)
    if images is None:
        return X
    entries = _entries_of(X)
    for k, image in enumerate(images):
        if image.shape != images[0].shape:
            raise DataError(
                "All images must have one shape. Received: image 0 of shape "
                f"{images[0].shape}, image {k} of shape {image.shape}. Bring them to "
                "one height, width and number of channels first."
            )
        is_plain = isinstance(entries[k], list | tuple)
        if image.dtype != images[0].dtype and not is_plain:
            raise DataError(
                "All images must have one dtype, which defines what their values mean. "
                f"Received: image 0 of {images[0].dtype}, image {k} of {image.dtype}. "
                "Bring them to one range and dtype first."
            )
    return np.stack(images)


def list_images(X: Any) -> list[np.ndarray] | None:
    """Return single images of any sizes as a list.

    Parameters
    ----------
    X : object
        See `stack_images`.

    Returns
    -------
    images : list of ndarray or None
        None: `X` is an array of images, or similar.

    Examples
    --------
    >>> [image.shape for image in list_images([np.zeros((4, 4)), np.zeros((5, 6))])]
    [(4, 4), (5, 6)]
    """
    entries = _entries_of(X)
    if not entries:
        _check_array(X)
        return None
    return [_as_image(entry, k) for k, entry in enumerate(entries)]


def unstack_images(images: Any, like: Any) -> Any:
    """Return an array of images in a container like another one.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        The images.
    like : object
        The container given to `stack_images`.

    Returns
    -------
    images : list, Series, DataFrame or ndarray
        Of arrays for a list, a column or an array of objects; else `images`.

    Examples
    --------
    >>> unstack_images(np.zeros((2, 4, 4)), like=[])[1].shape
    (4, 4)
    """
    if isinstance(like, list):
        return list(images)
    if isinstance(like, tuple) or not _entries_of(like):
        return images
    objects = np.empty(len(images), dtype=object)
    for k, image in enumerate(images):
        objects[k] = image
    if isinstance(like, pd.Series):
        return pd.Series(objects, name=like.name)
    objects = objects.reshape(-1, *like.shape[1:])
    if isinstance(like, pd.DataFrame):
        return pd.DataFrame(objects, columns=like.columns)
    return objects


def _entries_of(X: Any) -> list[Any]:
    """Return the images of a container of single images, else an empty list."""
    if isinstance(X, list | tuple):
        return list(X)
    if isinstance(X, pd.DataFrame) and X.shape[1] == 1:
        entries = _entries_of(X.iloc[:, 0])
    elif isinstance(X, pd.Series) and not pd.api.types.is_numeric_dtype(X.dtype):
        entries = X.tolist()
    elif isinstance(X, np.ndarray) and X.dtype == object and X.shape[:1] == (X.size,):
        entries = X.reshape(-1).tolist()
    else:
        return []
    return entries


def _check_array(X: Any) -> None:
    """Raise DataError unless this is an array of images, a table or similar."""
    if isinstance(X, pd.DataFrame):
        _check_columns(X)
        return
    if issparse(X):  # scikit-learn refuses it
        return
    is_text = isinstance(X, str | bytes | os.PathLike)
    array = np.asarray(None if is_text else X)
    if not array.ndim or isinstance(X, list | tuple):
        raise DataError(
            "X must hold images: an array of shape (n, height, width[, channels]), a "
            "list of images, or a column of them. Received: "
            + (f"a {type(X).__name__}." if not array.ndim else "an empty list.")
            + (" Image files are read by balancegan.read_images." if is_text else "")
            + (" Make a list of it: list(X)." if isinstance(X, Iterator) else "")
        )
    if array.dtype.kind not in "iufbcO":
        raise DataError(
            "Images must be numbers (integers, booleans or floats). Received: images "
            f"of dtype {array.dtype}. Convert them first: X.astype('float32')."
        )
    _check_mask(X, "X")


def _check_columns(X: pd.DataFrame) -> None:
    """Raise DataError if a column of flat images has no numpy type."""
    for name, dtype in X.dtypes.items():
        if not isinstance(dtype, np.dtype | pd.SparseDtype):
            raise DataError(
                "A table of flat images has a column of numbers for each value, of "
                f"numpy's types. Received: column {name!r} of dtype {dtype}. Leave out "
                "columns that are no pixels, and convert numbers: X.astype('uint8')."
            )


def _check_mask(images: Any, which: str) -> None:
    """Raise DataError if values of a masked array are masked."""
    if isinstance(images, np.ma.MaskedArray) and np.ma.is_masked(images):
        raise DataError(
            f"Images must not have masked values. Received: {which} with "
            f"{np.ma.count_masked(images):,} of them. Give them a value first: "
            "X.filled(0)."
        )


def _as_image(entry: Any, number: int) -> np.ndarray:
    """Return an entry as an array of numbers."""
    _check_mask(entry, f"image {number}")
    if is_picture(entry):
        return read_pixels(entry, f"image {number}")
    try:
        # Tables read from Parquet hold arrays of arrays
        is_nested = isinstance(entry, np.ndarray) and entry.dtype == object
        image = np.asarray(entry.tolist() if is_nested else entry)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"Entry {number} of X cannot be read as an image: {error} Received: an "
            f"entry of type {type(entry).__name__}."
        ) from error
    if not image.ndim or image.dtype.kind not in "iufb":
        raise DataError(
            "Each entry of X must be an image: an array, a Pillow image, or nested "
            f"lists of numbers. Received: entry {number} of type "
            f"{type(entry).__name__}. Image files are read by balancegan.read_images."
        )
    return image
