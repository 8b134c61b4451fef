"""From images and class indices to a trained model: the parts put together.

``gan`` has the step, ``batches`` what a step sees, ``monitor`` the budget; here they
meet. Nothing is decided here and nothing is learned that is not in the result.
"""

import numpy as np

from balancegan.batches import BalancedBatches
from balancegan.gan import build_gan
from balancegan.images import ImageFormat
from balancegan.model import TrainedModel
from balancegan.monitor import TrainingMonitor
from balancegan.presets import Preset
from balancegan.progress import show_progress


def train(
    images: np.ndarray,
    labels: np.ndarray,
    image_format: ImageFormat,
    preset: Preset,
    seed: int,
    *,
    max_seconds: float | None,
    show: bool,
) -> tuple[TrainedModel, dict[str, list[float]]]:
    """Train a conditional GAN.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    labels : ndarray of shape (n,)
        The user's labels.
    image_format : ImageFormat
        What layout and range those are.
    preset : Preset
        The recipe.
    seed : int
        Seed of weights, batches, latents and dropout.
    max_seconds : float or None
        Training ends after so many seconds. None: when the steps are done.
    show : bool
        Whether to show progress on stderr.

    Returns
    -------
    model : TrainedModel
    history : dict of list
        Step, seconds and mean losses since the record before.
    """
    classes, class_indices = np.unique(labels, return_inverse=True)
    gan = build_gan(image_format.image_shape, len(classes), preset, seed)
    batches = BalancedBatches(
        images,
        class_indices,
        image_format.to_model_range,
        # Taking turns, a step shows the discriminator half a batch of real images
        batch_size=preset.batch_size // (2 if preset.alternating else 1),
        n_steps=preset.n_steps(len(images)),
        class_power=preset.class_power,
        seed=seed,
    )

    total = len(batches) if max_seconds is None else max(1, int(max_seconds))
    unit = "steps" if max_seconds is None else "seconds"
    with show_progress("Training", total, unit, visible=show) as display:
        monitor = TrainingMonitor(display, max_seconds)
        gan.fit(batches, verbose=0, shuffle=False, callbacks=[monitor])

    model = TrainedModel(
        generator=gan.sampling_generator,
        preset=preset,
        image_format=image_format,
        classes=classes,
        class_names=None,
        counts=np.bincount(class_indices).tolist(),
        seed=seed,
        n_steps=monitor.steps_done,
        seconds=monitor.seconds,
    )
    return model, monitor.history


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return a seed, without touching numpy's global random state."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] // 2)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    return int(random_state)
