"""Read a `tf.data.Dataset` of images with labels into arrays, once.

Datasets are recognised by their methods, so that nothing here starts TensorFlow. The
first element decides whether a dataset is batched.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from balancegan.errors import DataError
from balancegan.memory import GrowingArray

INFINITE = -1  # in tf.data
CHANNELS = (1, 3, 4)
ONE_LABEL = ""  # name of labels that are no dict
PAIRS = (
    "Elements of a dataset must be pairs: an image, and a label or a dict of labels by "
    "attribute; batched or not."
)


def is_dataset(data: Any) -> bool:
    """Return whether an object has the methods of a `tf.data.Dataset`.

    Examples
    --------
    >>> is_dataset(np.zeros((3, 8, 8)))
    False
    """
    return hasattr(data, "element_spec") and hasattr(data, "as_numpy_iterator")


def read_dataset(dataset: Any) -> tuple[np.ndarray, np.ndarray | pd.DataFrame]:
    """Read a `tf.data.Dataset` of images with labels into arrays.

    Use it if the same images are needed twice, for instance to compare with
    :func:`~balancegan.compare`: a dataset that shuffles changes its order.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Of pairs: an image of shape (height, width) or (height, width, channels) and
        its label, or batches of them. A label is a number or a text, alone or one-hot;
        or a dict with one for each attribute. It must come to an end.

    Returns
    -------
    images : ndarray of shape (n, height, width) or (n, height, width, channels)
        In the dataset's dtype; above 500 MB mapped from a temporary file.
    labels : ndarray of shape (n,) or (n, n_classes), or DataFrame
        One-hot labels stay one-hot. A DataFrame has a column for each attribute.

    Raises
    ------
    DataError
        If the dataset is infinite or empty, its elements are no such pairs, images
        differ in shape, or reading fails.

    Examples
    --------
    >>> import tensorflow as tf
    >>> pairs = np.zeros((5, 8, 8), "uint8"), ["bag", "bag", "boot", "bag", "boot"]
    >>> dataset = tf.data.Dataset.from_tensor_slices(pairs).batch(2)
    >>> images, labels = read_dataset(dataset)
    >>> images.shape, labels.tolist()
    ((5, 8, 8), ['bag', 'bag', 'boot', 'bag', 'boot'])
    """
    _check_spec(dataset.element_spec)
    if int(dataset.cardinality()) == INFINITE:
        raise DataError(
            "A dataset must come to an end, to be read once. Received: one that "
            "repeats forever. Leave out repeat(), or cut it: dataset.take(1000)."
        )
    columns: dict[str, list[np.ndarray]] = {}
    with GrowingArray() as images:
        for rows, labels in _iterate_rows(dataset):
            images.append(rows)
            for name, values in labels.items():
                columns.setdefault(name, []).append(values)
        if not len(images):
            raise DataError("A dataset must have images. Received: an empty one.")
        joined = {name: _join(values) for name, values in columns.items()}
        one_label = list(joined) == [ONE_LABEL]
        return images.take(), joined[ONE_LABEL] if one_label else _make_frame(joined)


def _check_spec(spec: Any) -> None:
    """Refuse elements that are not pairs."""
    is_pair = isinstance(spec, tuple) and len(spec) == 2
    if is_pair and _is_array(spec[0]):
        labels = spec[1].values() if isinstance(spec[1], Mapping) else [spec[1]]
        if labels and all(map(_is_array, labels)):
            return
    raise DataError(
        f"{PAIRS} Received: {spec}. Bring them to this form, as in "
        'dataset.map(lambda row: (row["image"], row["label"])).'
    )


def _is_array(spec: Any) -> bool:
    """Return whether a part of an element is one array, not a structure."""
    return hasattr(spec, "shape")


def _iterate_rows(dataset: Any) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield images and labels of each element, with an axis that counts images."""
    is_batched, first_shapes, n_read = None, None, 0
    spec = dataset.element_spec[1]
    spec = next(iter(spec.values())) if isinstance(spec, Mapping) else spec
    for image, label in _iterate(dataset):
        images = np.asarray(image)
        labels = label if isinstance(label, Mapping) else {ONE_LABEL: label}
        labels = {name: np.asarray(values) for name, values in labels.items()}
        if is_batched is None:
            is_batched = _find_batched(images, labels, spec.shape)
        if not is_batched:
            images = images[None]
            labels = {name: values[None] for name, values in labels.items()}
        _check_rows(images, labels)
        shapes = [a.shape[1:] for a in (images, *labels.values())]
        first_shapes = first_shapes or shapes
        if shapes != first_shapes:
            raise DataError(
                "All images of a dataset must have one shape, and so must all labels. "
                f"Received: images and labels of shape {_say(first_shapes)}, then "
                f"{_say(shapes)} after {n_read} images. Bring them to one by "
                "dataset.map, for instance with tf.image.resize."
            )
        if len(images):
            n_read += len(images)
            yield images, labels


def _iterate(dataset: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the elements as arrays; exceptions become DataError."""
    try:
        yield from dataset.as_numpy_iterator()
    except MemoryError:
        raise
    except Exception as error:  # the user's pipeline may raise anything
        reason = " ".join(str(error).split())
        raise DataError(f"The dataset failed while it was read: {reason}") from error


def _find_batched(
    images: np.ndarray, labels: Mapping[str, np.ndarray], label_shape: Any
) -> bool:
    """Return whether the first axis of an element counts images.

    Three axes may be (n, height, width) or (height, width, channels). The labels
    decide: there are n of them, or one, which may be one-hot.
    """
    label = next(iter(labels.values()))
    if images.ndim != 3 or label.ndim != 1:
        return images.ndim > 3 or (images.ndim == 3 and label.ndim > 1)
    # One-hot labels have a known length, while the last batch may be shorter
    may_vary = label_shape.rank == 1 and label_shape[0] is None
    has_channels = images.shape[2] in CHANNELS and not may_vary
    return len(label) == len(images) and not has_channels


def _check_rows(images: np.ndarray, labels: Mapping[str, np.ndarray]) -> None:
    """Refuse anything but rows of images with a label each."""
    fits = images.ndim in (3, 4) and images.dtype.kind in "biuf"
    for values in labels.values():
        fits &= values.ndim in (1, 2) and len(values) == len(images)
    if not fits:
        shapes = {name or "label": values.shape for name, values in labels.items()}
        raise DataError(
            f"{PAIRS} Images are numbers of shape (height, width) or (height, width, "
            f"channels). Received: images of shape {images.shape}, {images.dtype}, "
            f"with labels of shape {shapes}, where the first axis counts images."
        )


def _say(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _join(blocks: list[np.ndarray]) -> np.ndarray:
    """Join the labels of all elements: bytes as texts, a single column flattened."""
    values = np.concatenate(blocks)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind not in "OS":
        return values
    try:
        texts = [value.decode() for value in values.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"Labels that are texts must be UTF-8: {error}") from error
    return np.array(texts).reshape(values.shape)


def _make_frame(columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    for name, values in columns.items():
        if values.ndim != 1:
            raise DataError(
                "Each attribute has one value per image. Received: a row of "
                f"{values.shape[1]} for {name!r}. Of one-hot labels take the class: "
                "tf.argmax(label, axis=-1)."
            )
    return pd.DataFrame(dict(columns))
