"""The batches of a training, and how TensorFlow is fed with them.

Batch `step` depends on the seed and on `step` alone, so training can stop and resume
anywhere. The images stay as the user gave them; only the rows of a batch are converted.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from balancegan.memory import take_rows

PREFETCHED = 4  # batches


class BalancedBatches:
    """Batches of real images in which rare classes are drawn more often.

    Rows are drawn with replacement: a batch may be larger than the data.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    class_indices : ndarray of shape (n,), int
        The class 0..K-1 of each image. A class without images is never drawn.
    to_model_range : callable
        Turns rows of `images` into float32 of shape (m, height, width, channels) in
        [-1, 1].
    batch_size, n_steps : int
        Images per batch, and number of batches.
    class_power : float
        A class of n images is drawn in proportion to n ** class_power.
    seed : int
        Seed of the draws.

    Attributes
    ----------
    first_step : int, default=0
        The step of the first batch: above 0 where training resumes.
    """

    def __init__(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        to_model_range: Callable[[np.ndarray], np.ndarray],
        *,
        batch_size: int,
        n_steps: int,
        class_power: float,
        seed: int,
    ) -> None:
        self.images, self.class_indices = images, class_indices
        self.to_model_range = to_model_range
        self.batch_size = batch_size
        self.n_steps = n_steps
        self.seed, self.first_step = seed, 0
        # Rows sorted by class: class c owns rows[first[c] : first[c] + counts[c]]
        self.rows = np.argsort(class_indices, kind="stable")
        self.counts = np.bincount(class_indices)
        self.first = np.cumsum(self.counts) - self.counts
        weights = self.counts.astype(float) ** class_power
        weights[self.counts == 0] = 0  # where the power of 0 would be 1
        self.class_probabilities = weights / weights.sum()

    def __len__(self) -> int:
        return self.n_steps - self.first_step

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the images (float32, [-1, 1]) and classes (int32) of one step."""
        return self.part(index, 0, 1)

    def part(self, index: int, i: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return part `i` of `n` equal parts of a batch, reading only its rows."""
        rng = np.random.default_rng([self.seed, self.first_step + index])
        classes = rng.choice(
            len(self.counts), size=self.batch_size, p=self.class_probabilities
        )
        within = rng.integers(self.counts[classes])
        own = slice(i * self.batch_size // n, (i + 1) * self.batch_size // n)
        classes, within = classes[own], within[own]
        rows = self.rows[self.first[classes] + within]
        images = self.to_model_range(take_rows(self.images, rows))
        return images, classes.astype("int32")


class Batches(Protocol):
    """Batches by number: a list of them, or an object that draws each on request."""

    def __len__(self) -> int: ...

    def __getitem__(self, step: int, /) -> Any: ...


def to_dataset(batches: Batches) -> tf.data.Dataset:
    """Return a dataset of batches, in their order, for :meth:`keras.Model.fit`.

    All batches have the same structure. Batches added later are ignored.

    Examples
    --------
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
    """Return a dataset of what `draw` yields, of the types `like`, some of it ahead.

    Autotuning is off: its thread sleeps for up to a minute, and closing an iterator
    that was not read to its end waits for it.
    """
    dataset = tf.data.Dataset.from_generator(draw, output_signature=like)
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(PREFETCHED).with_options(options)
