"""Batches as `tf.data` datasets that end at once.

TensorFlow tunes pipelines in a thread of its own, which sleeps for up to a minute
between two looks; who frees an iterator that was not read to its end, as that of a
training that is stopped, may wait until it wakes up. There is nothing to tune here.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import tensorflow as tf

PREFETCHED = 4  # batches


class Batches(Protocol):
    """Batches by their number: a list of them, or what draws each when asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, step: int, /) -> Any: ...


def to_dataset(batches: Batches) -> tf.data.Dataset:
    """Return a dataset of batches, in their order, for :meth:`keras.Model.fit`.

    Parameters
    ----------
    batches : Batches
        At least one, all of the same structure. Their number is that of this moment.

    Returns
    -------
    dataset : tf.data.Dataset
        Of as many elements; the first dimension of each array is left open.

    Examples
    --------
    >>> import numpy as np
    >>> dataset = to_dataset([(np.full((4, 2), step), np.arange(4)) for step in [5, 6]])
    >>> len(dataset), [int(images[0, 0]) for images, _ in dataset]
    (2, [5, 6])
    """
    n = len(batches)

    def draw() -> Iterator[Any]:
        return (batches[step] for step in range(n))

    like = tf.nest.map_structure(
        lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), batches[0]
    )
    dataset = draw_ahead(draw, like)
    return dataset.apply(tf.data.experimental.assert_cardinality(n))


def draw_ahead(draw: Callable[[], Iterable[Any]], like: Any) -> tf.data.Dataset:
    """Return a dataset of what is drawn, some of it ahead, without tuning.

    Parameters
    ----------
    draw : callable
        Returns an iterable of tuples of arrays.
    like : tuple of tf.TensorSpec
        Their shapes and types.
    """
    dataset = tf.data.Dataset.from_generator(draw, output_signature=like)
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    return dataset.prefetch(PREFETCHED).with_options(untuned)
