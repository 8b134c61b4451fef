"""A trained model: everything needed to generate image k of any class.

Image k of a class depends on the model, the class and k alone. Its latent comes from a
random generator of its own, and it is always computed as number k % BATCH of a batch
of BATCH, so not even rounding depends on how many images are requested. The same holds
for image k of a request that leaves attributes open.
"""

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from balancegan.attributes import Attributes, join
from balancegan.errors import DataError
from balancegan.gan.presets import Preset, default_steps
from balancegan.gan.selection import Selection, count_images, select
from balancegan.images import ImageFormat

if TYPE_CHECKING:
    import keras

BATCH = 64
FINGERPRINT_LENGTH = 16  # hexadecimal digits


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A generator with everything needed to run and save it; or without a generator.

    Parameters
    ----------
    generator : keras.Model or None
        (latents, class indices) to images in [-1, 1]. None: no image had to be
        generated, so none was trained.
    own_generator : bool
        Whether a builder of the user built it.
    preset : Preset
        The settings that training used.
    image_format : ImageFormat
        Layout and range of the user's images.
    attributes : Attributes
        What the class indices stand for: the user's labels.
    class_names : list of str or None
        Display names of the values of the first attribute. None: the values as text.
    counts : ndarray of shape (n_values of each attribute), int
        Real images of each class; 0 for combinations that no image has.
    seed : int
        Seed of training and sampling.
    n_steps : int
        Training steps taken.
    kept_step : int
        The step that the generator's weights are from.
    seconds : float
        Duration of training.
    truncation : float or None, default=None
        Latents are drawn from a normal distribution cut off at this many standard
        deviations. None: not cut off.
    file_range : tuple of float or None, default=None
        The values of image files of more than 8 bits that became the lowest and highest
        of `image_format`. None: there were no such files.
    has_wide_grey : bool, default=False
        Whether those files were grey with unsigned values of 16 bits; files of
        generated images get the same.
    """

    generator: "keras.Model | None"
    own_generator: bool
    preset: Preset
    image_format: ImageFormat
    attributes: Attributes
    class_names: list[str] | None
    counts: np.ndarray
    seed: int
    n_steps: int
    kept_step: int
    seconds: float
    truncation: float | None = None
    file_range: tuple[float, float] | None = None
    has_wide_grey: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, the generator as bytes: it needs TensorFlow."""
        if self.generator is None:
            return self.__dict__
        return {**self.__dict__, "generator": pickle.dumps(self.generator)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Where TensorFlow cannot compute, `make_batch` raises the error
        with suppress(DataError):
            if state["generator"] is not None:
                state = {**state, "generator": _unpickle(state["generator"])}
        self.__dict__.update(state)

    def check_generates(self) -> "keras.Model":
        """Return the generator, or raise DataError where none was trained."""
        if self.generator is None:
            raise DataError(
                "No GAN was trained, because `fit` needed no generated image. "
                "Received: a call that needs one. To train a GAN, set a larger "
                "gan_share, or other targets, and call `fit` again."
            )
        return self.generator

    @property
    def classes(self) -> np.ndarray:
        """The label of each class index: a tuple if there are several attributes."""
        return join(self.attributes.columns(np.arange(self.attributes.n_classes)))

    def select(self, label: Any) -> Selection:
        """Return the classes that a label names; see :meth:`Attributes.find`.

        Raises
        ------
        DataError
            If the label names an unknown attribute or value.
        """
        return select(self.counts, self.attributes.find(label))

    def count_images(self, label: Any) -> int:
        """Return how many training images fit a label."""
        return count_images(self.counts, self.attributes.find(label))

    def describe_shortness(self) -> str:
        """Return a sentence if training was shorter than the default, "" if not."""
        usual = default_steps(self.preset, int(self.counts.sum()))
        if self.n_steps >= usual:
            return ""
        return f"Training was short: {self.n_steps:,} of the default {usual:,} steps."

    def marginal(
        self, names: str | Sequence[str] | None
    ) -> tuple[np.ndarray, list[int]]:
        """Return the labels of some attributes and their numbers of training images.

        None means all attributes. Labels that no training image has are left out; those
        of several attributes are tuples.
        """
        positions = self.attributes.positions(names)
        others = tuple(i for i in range(self.counts.ndim) if i not in positions)
        counts = self.counts.transpose(*others, *positions)
        counts = counts.sum(axis=tuple(range(len(others))))
        seen = np.nonzero(counts)
        pairs = zip(positions, seen, strict=True)
        columns = [self.attributes.values[i][indices] for i, indices in pairs]
        return join(columns), counts[seen].tolist()

    def find_texts(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of attributes, given as text or as display name of a class.

        Raises DataError if there is no such attribute or value.
        """
        values = {}
        names = self.attributes.names
        for name, text in texts.items():
            if name not in names:
                raise DataError(
                    f"The attributes are {', '.join(names)}. Received: {name!r}."
                )
            position = names.index(name)
            called = self.class_names or [] if position == 0 else []
            values[name] = self.attributes.find_text(position, text, called)
        return values

    def name_values(self, class_index: int) -> list[str]:
        """Return the texts of a class's values; the inverse of `find_texts`."""
        columns = self.attributes.columns(np.array([class_index]))
        texts = [str(column.tolist()[0]) for column in columns]
        if self.class_names is not None:
            row = np.unravel_index(class_index, self.attributes.sizes)[0]
            texts[0] = self.class_names[int(row)]
        return texts

    def describe(self, values: Mapping[str, Any]) -> str:
        """Return a display text for some attributes' values."""
        first = self.attributes.names[0]
        texts = {name: str(value) for name, value in values.items()}
        if self.class_names is not None and first in values:
            place = self.attributes.values[0].tolist().index(values[first])
            texts[first] = self.class_names[place]
        return ", ".join(texts.values())

    def make_images(self, class_index: int, first: int, n: int) -> Iterator[np.ndarray]:
        """Generate images first..first + n - 1 of one class, batch by batch.

        Yields at most ``BATCH`` images at a time, in the user's layout, dtype and
        range.
        """
        for images, _ in self.make_selected(Selection.of_class(class_index), first, n):
            yield images

    def make_selected(
        self, selection: Selection, first: int, n: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Generate images first..first + n - 1 of a selection, and their classes.

        Image k is image k of the class drawn for it.
        """
        yield from self.make_numbered(selection, np.arange(first, first + n))

    def make_numbered(
        self, selection: Selection, numbers: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Generate the images with these numbers, with their class indices.

        If the numbers are sorted, no batch is computed twice.
        """
        batch_numbers = numbers // BATCH
        ends = np.flatnonzero(np.diff(batch_numbers)) + 1
        for wanted in np.split(numbers, ends) if len(numbers) else []:
            start = int(wanted[0]) // BATCH * BATCH
            classes = selection.draw(self.seed, start, BATCH)
            rows = wanted - start
            yield self.make_batch(classes, start, rows), classes[rows]

    def make_batch(
        self, class_indices: np.ndarray, start: int, rows: np.ndarray
    ) -> np.ndarray:
        """Generate some rows (0..BATCH-1) of the batch whose first is image `start`.

        All rows are computed, as bits may depend on how many are computed at once.
        `class_indices` are those of the whole batch.
        """
        from balancegan.gan.settings import standard_settings  # imports TensorFlow

        generator = self.check_generates()
        latents = self.draw_latents(class_indices, start)
        with standard_settings():
            made = generator.predict_on_batch([latents, class_indices])
        return self.image_format.from_model_range(made[rows])

    def draw_latents(self, class_indices: np.ndarray, start: int) -> np.ndarray:
        """Return the latents of images start..start + BATCH - 1 of their classes."""
        dim = self.preset.latent_dim
        drawn = draw_latents(dim, self.seed, class_indices, start)
        return truncate(drawn, self.truncation)

    def fingerprint(self) -> str:
        """Return a short hash of everything that image k of a class depends on.

        Models with the same fingerprint generate the same images on one machine.
        """
        facts: dict[str, Any] = {
            "seed": self.seed,
            "latent_dim": self.preset.latent_dim,
            "classes": [str(label) for label in self.classes.tolist()],
            "format": repr(self.image_format),
        }
        if self.truncation is not None:
            facts["truncation"] = self.truncation
        digest = hashlib.sha256(json.dumps(facts).encode())
        for weights in [] if self.generator is None else self.generator.get_weights():
            digest.update(np.ascontiguousarray(weights).tobytes())
        return digest.hexdigest()[:FINGERPRINT_LENGTH]


def _unpickle(network: bytes) -> "keras.Model":
    from balancegan.gan.settings import standard_settings  # imports TensorFlow

    with standard_settings():
        return pickle.loads(network)


def own_share(numbers: np.ndarray, i: int, n: int) -> np.ndarray:
    """Return the images of share `i` (from 0) of `n` shares of about the same size.

    Images of one batch belong to one share, so no batch is computed twice.

    Examples
    --------
    >>> [own_share(np.arange(200), i, 3).tolist()[::64] for i in range(3)]
    [[0, 64], [128], [192]]
    """
    batch_numbers = numbers // BATCH
    own = np.array_split(np.unique(batch_numbers), n)[i]
    return numbers[np.isin(batch_numbers, own)]


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return a seed without using numpy's global random state."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] // 2)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    return int(random_state)


def draw_latents(
    latent_dim: int, seed: int, class_indices: np.ndarray | int, start: int
) -> np.ndarray:
    """Return the latents of images start..start + BATCH - 1 of their classes.

    Examples
    --------
    >>> whole = draw_latents(3, seed=0, class_indices=1, start=0)
    >>> later = draw_latents(3, seed=0, class_indices=1, start=10)
    >>> whole.shape, bool((whole[10:] == later[:-10]).all())
    ((64, 3), True)
    """
    classes = np.broadcast_to(class_indices, BATCH).tolist()
    rows = [
        np.random.default_rng([seed, class_index, k]).standard_normal(latent_dim)
        for k, class_index in enumerate(classes, start)
    ]
    return np.asarray(rows, dtype="float32")


def truncate(latents: np.ndarray, limit: float | None) -> np.ndarray:
    """Turn normal latents into draws from a normal distribution cut off at +-limit.

    The truncation trick (Brock et al. 2019, https://arxiv.org/abs/1809.11096, section
    3.1): more typical images, less variety. Each value keeps its rank instead of being
    drawn again, so an image changes gradually with the limit. None: not cut off.

    Examples
    --------
    >>> truncate(np.array([-3.0, 0.0, 3.0]), 1.0).round(2).tolist()
    [-1.0, 0.0, 1.0]
    """
    if limit is None:
        return latents
    tail = ndtr(-limit)
    inside = tail + ndtr(latents.astype(float)) * (1 - 2 * tail)
    return ndtri(inside).astype(latents.dtype)
