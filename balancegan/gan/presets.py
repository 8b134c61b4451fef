"""Presets: tuned training settings by name.

A preset has everything that training needs except the images. ``choose_preset`` puts
the user's settings into it; the networks and the training read it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from balancegan.balance import plain
from balancegan.gan.devices import Precision

if TYPE_CHECKING:
    import keras

ImageShape = tuple[int, int, int]  # height, width, channels
GeneratorBuilder = Callable[[ImageShape, Any, int, int], "keras.Model"]
DiscriminatorBuilder = Callable[..., "keras.Model"]

MOST_STEPS = 10**9  # four months at 100 a second
UNBOUNDED_STEPS = 10**7
AUTO_STEPS = 20_000  # at most, if training stops by itself
PENALTY_PIXELS = 28 * 28  # of the images that the penalties were tuned on


@dataclass(frozen=True)
class Preset:
    """Everything that training needs except the images and their classes.

    Parameters
    ----------
    networks : str
        Key of ``networks.GENERATORS`` and ``DISCRIMINATORS``.
    loss : str
        Key of ``losses.LOSSES``.
    alternating : bool
        True: update the discriminator on a half batch of real images, then on one of
        generated images, then the generator on a full batch. False: update both
        networks from one pass of the generator.
    latent_dim : int
        Length of the latent vector.
    batch_size : int
        Images per step.
    learning_rate, beta_1, beta_2 : float
        Adam's, for both networks.
    class_power : float
        A class of n images is drawn in proportion to n ** class_power: 1 draws all
        rows equally often, 0 all classes.
    ema_half_life : int or None
        Half-life, in images, of the moving average of the generator's weights.
        None: the generator's own weights are used.
    penalty_weight : float
        Weight of the zero-centred gradient penalties R1 and R2, for images of up to
        28x28 pixels; see :meth:`penalty_for`. 0: none.
    penalty_interval : int
        Penalties are computed once in this many steps, multiplied by it.
    steps : int or None
        Training steps. None: see ``epochs``.
    epochs : int or None
        Passes over the data, ``n // batch_size`` steps each; without ``steps`` only.
    judge_features : bool
        Whether the discriminator also sees the features of a classifier that was
        trained on the same images.
    decay_from : float
        After this share of the budget the learning rate falls linearly to 0. 1: it is
        constant.
    shift : float
        The discriminator sees real and generated images shifted at random by up to
        this share of their shorter side, at least a pixel. 0: not shifted.
    label_weight : float
        With several attributes: weight, in the generator's loss, of the cross-entropy
        of the judge on generated images (Odena et al. 2017,
        https://arxiv.org/abs/1610.09585, where the discriminator is the judge). 0, or a
        single label: not used.
    shift_class_size : int
        Images of a class of n are shifted with probability
        min(1, sqrt(shift_class_size / n)): small classes are overfitted sooner.
    keep_best : bool
        Whether the best evaluated state is kept, or the last one.
    until_flat : bool
        Whether training stops when the images no longer improve; the steps are then a
        limit.
    precision : str
        What the preset's networks compute in; see ``devices``.
    """

    networks: str
    loss: str
    alternating: bool
    latent_dim: int
    batch_size: int
    learning_rate: float
    beta_1: float
    beta_2: float
    class_power: float
    ema_half_life: int | None
    penalty_weight: float
    penalty_interval: int
    steps: int | None
    epochs: int | None
    judge_features: bool
    decay_from: float
    keep_best: bool
    until_flat: bool = False
    shift: float = 0.0
    shift_class_size: int = 200
    label_weight: float = 0.0
    precision: Precision = "float32"

    def n_steps(self, n_images: int) -> int:
        """Return the number of training steps on `n_images`."""
        if self.steps is not None:
            return self.steps
        return (self.epochs or 1) * max(1, n_images // self.batch_size)

    def penalty_for(self, height: int, width: int) -> float:
        """Return the weight of the penalties for images of that size.

        It grows with the pixels, as each one's share in the squared gradient falls
        (the rule of Karras et al. 2020, https://arxiv.org/abs/2006.06676, appendix C).
        """
        return self.penalty_weight * max(1.0, height * width / PENALTY_PIXELS)

    def shift_probabilities(self, class_counts: Sequence[int]) -> list[float]:
        """Return how often an image of each class is shifted, 0 to 1."""
        size = self.shift_class_size
        return [min(1.0, math.sqrt(size / max(1, n))) for n in class_counts]


PRESETS: dict[str, Preset] = {
    # For small imbalanced sets: draws all classes equally often and averages the
    # generator's weights. Each setting was measured.
    "default": Preset(
        networks="projection",
        loss="relativistic",
        alternating=False,
        latent_dim=64,
        batch_size=64,
        learning_rate=1e-3,
        beta_1=0.0,
        beta_2=0.99,
        class_power=0.0,
        ema_half_life=22_000,
        penalty_weight=0.3,
        penalty_interval=4,
        steps=3_000,
        epochs=None,
        judge_features=True,
        decay_from=0.6,
        keep_best=True,
        shift=1 / 14,
        label_weight=0.3,
    ),
    # The conditional GAN of the MNIST tutorials, for comparison and for teaching.
    "tutorial": Preset(
        networks="tutorial",
        loss="binary_cross_entropy",
        alternating=True,
        latent_dim=50,
        batch_size=128,
        learning_rate=2e-4,
        beta_1=0.5,
        beta_2=0.999,
        class_power=1.0,
        ema_half_life=None,
        penalty_weight=0.0,
        penalty_interval=1,
        steps=None,
        epochs=30,
        judge_features=False,
        decay_from=1.0,
        keep_best=False,
    ),
}


def default_steps(preset: Preset, n_images: int) -> int:
    """Return the steps that a preset has without settings of the user.

    Examples
    --------
    >>> default_steps(choose_preset("default", steps=10), n_images=500)
    3000
    """
    named = next(p for p in PRESETS.values() if p.networks == preset.networks)
    return named.n_steps(n_images)


def choose_preset(
    name: str,
    *,
    steps: int | str | None = None,
    max_minutes: float | None = None,
    **own: Any,
) -> Preset:
    """Return the preset of that name with the user's own settings in it.

    A setting that is None is left to the preset. "auto" steps are limited to
    `AUTO_STEPS`, or by `max_minutes` alone.
    """
    if steps == "auto":
        own["until_flat"] = True
        steps = AUTO_STEPS if max_minutes is None else UNBOUNDED_STEPS
    own["steps"] = steps
    # Numbers of numpy, as a search over parameters has them, are not JSON's
    given: dict[str, Any] = {k: plain(v) for k, v in own.items() if v is not None}
    return replace(PRESETS[name], **given)
