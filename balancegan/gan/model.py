"""What training leaves behind: enough to make image k of any class.

Image k of a class depends on the model, the class and k alone, whoever asks. Its
latent comes from a random generator of its own, and it is always computed as number
k % BATCH of a batch of BATCH, so that not even rounding depends on how many images
are asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from balancegan.errors import DataError
from balancegan.gan.presets import Preset
from balancegan.images import ImageFormat

BATCH = 64


@dataclass(frozen=True)
class TrainedModel:
    """A trained generator with everything needed to ask it and to save it.

    Parameters
    ----------
    generator : keras.Model
        (latents, class indices) to images in [-1, 1].
    own_generator : bool
        Whether a builder of the user's own built it.
    preset : Preset
        The settings that training used.
    image_format : ImageFormat
        Layout and range of the user's images.
    classes : ndarray of shape (n_classes,)
        The user's labels in the order of the class indices.
    class_names : list of str or None
        What people call them. None: as the labels' own texts.
    counts : list of int
        Real images of each class.
    seed : int
        Where training and sampling start from.
    n_steps : int
        Training steps taken.
    kept_step : int
        The step after which the generator was as it is now.
    seconds : float
        How long they took.
    """

    generator: keras.Model
    own_generator: bool
    preset: Preset
    image_format: ImageFormat
    classes: np.ndarray
    class_names: list[str] | None
    counts: list[int]
    seed: int
    n_steps: int
    kept_step: int
    seconds: float

    def find_class(self, label: Any) -> int:
        """Return the index of a class.

        Raises
        ------
        DataError
            If the model knows no such class.
        """
        found = np.flatnonzero(self.classes == label)
        if not len(found):
            raise DataError(
                f"The model knows the classes {self.classes.tolist()}. "
                f"Received: {label!r}."
            )
        return int(found[0])

    def find_named_class(self, name: str) -> int:
        """Return the index of a class by its name, or by its label as text.

        Raises
        ------
        DataError
            If no class is called so.
        """
        texts = [str(label) for label in self.classes.tolist()]
        for names in (self.class_names or [], texts):
            if name in names:
                return names.index(name)
        known = ", ".join(self.class_names or texts)
        raise DataError(f"There is no class {name!r}. The classes are: {known}.")

    def make_images(self, class_index: int, first: int, n: int) -> Iterator[np.ndarray]:
        """Make images first..first + n - 1 of one class, a batch at a time.

        Parameters
        ----------
        class_index : int
            The class, 0..K-1.
        first, n : int
            Number of the first image, and how many.

        Yields
        ------
        images : ndarray of shape (m, ...)
            At most ``BATCH`` of them, in the user's layout, dtype and range.
        """
        classes = np.full(BATCH, class_index, dtype="int32")
        for start in range(first - first % BATCH, first + n, BATCH):
            latents = draw_latents(
                self.preset.latent_dim, self.seed, class_index, start
            )
            images = self.generator.predict_on_batch([latents, classes])
            wanted = images[max(0, first - start) : first + n - start]
            yield self.image_format.from_model_range(wanted)


def draw_latents(
    latent_dim: int, seed: int, class_index: int, start: int
) -> np.ndarray:
    """Return the latents of images start..start + BATCH - 1 of one class.

    Examples
    --------
    >>> whole = draw_latents(3, seed=0, class_index=1, start=0)
    >>> later = draw_latents(3, seed=0, class_index=1, start=10)
    >>> whole.shape, bool((whole[10:] == later[:-10]).all())
    ((64, 3), True)
    """
    rows = [
        np.random.default_rng([seed, class_index, k]).standard_normal(latent_dim)
        for k in range(start, start + BATCH)
    ]
    return np.asarray(rows, dtype="float32")
