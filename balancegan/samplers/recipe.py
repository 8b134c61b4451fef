"""Whether a GAN is needed, and what it is trained by.

TensorFlow is imported only where a GAN is trained. Copies and recombined images need a
model without a generator.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from balancegan.attributes import Attributes, Labels
from balancegan.balance import VALIDATED, Plan, plan_synthesis
from balancegan.gan.devices import Distribution, choose_precision
from balancegan.gan.history import History
from balancegan.gan.model import TrainedModel
from balancegan.gan.presets import choose_preset
from balancegan.images import find_format
from balancegan.progress import say_line, show_progress
from balancegan.samplers.model_sampler import ModelSampler

if TYPE_CHECKING:
    from balancegan.gan.checkpoint import CheckpointFolder
    from balancegan.gan.distribution import WorkerGroup
    from balancegan.gan.training import TrainingRun

RECIPE = ("steps", "max_minutes", "batch_size", "learning_rate")
# What users expect something of, and get nothing where no GAN is trained
IDLE = ("steps", "max_minutes", "log_dir", "tensorboard")


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What `fit` would do, decided before any training.

    Attributes
    ----------
    plan : dict
        How many images to make of each class; of amounts to be validated, at most.
    model : TrainedModel
        All that is known before training: a model without a generator.
    class_indices : ndarray of shape (n,), int
        The classes of the images; of several attributes, of their combinations.
    needs_gan : bool
        Whether an image has to be generated. If not, no GAN is trained.
    """

    plan: Plan
    model: TrainedModel
    class_indices: np.ndarray
    needs_gan: bool


def plan_training(
    sampler: ModelSampler, images: np.ndarray, labels: Labels
) -> TrainingPlan:
    """Return what `fit` of an augmenter would do with checked arrays.

    Parameters
    ----------
    sampler : ConditionalGANAugmenter
        Whose parameters count.
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    labels : Labels
        Their labels.
    """
    parameters = sampler.get_params(deep=False)
    image_shape, value_range = parameters["image_shape"], parameters["value_range"]
    attributes, class_indices = Attributes.learn(labels)
    positions = attributes.positions(sampler.balance_on)
    plan = plan_synthesis(
        labels.joined(positions),
        sampler.sampling_strategy,
        sampler.max_ratio,
        attributes.combinations(sampler.balance_on),
    )
    counts = np.bincount(class_indices, minlength=attributes.n_classes)
    model = TrainedModel(
        generator=None,
        own_generator=False,
        preset=choose_preset(
            parameters["preset"], **{name: parameters[name] for name in RECIPE}
        ),
        image_format=find_format(images, image_shape, value_range),
        attributes=attributes,
        class_names=None,
        counts=counts.reshape(attributes.sizes),
        seed=0,
        n_steps=0,
        kept_step=0,
        seconds=0.0,
    )
    is_validated = sampler.sampling_strategy == VALIDATED
    # Of amounts to be validated it is only known which classes may get some
    asked = dict.fromkeys(plan, 1) if is_validated else plan
    names = [attributes.names[position] for position in positions]
    visible = bool(sampler.verbose) and len(attributes.names) > 1
    with show_progress("Finding regions", visible=visible):
        ladder = sampler.ladder_of(model, images, class_indices)
        needs_gan = ladder.needs_generator(asked, names)
    return TrainingPlan(plan, model, class_indices, needs_gan)


def gather_workers(
    strategy: Distribution,
    checkpoint_dir: str | os.PathLike[str] | None,
    seed: int | None,
) -> "tuple[WorkerGroup, CheckpointFolder | None, int]":
    """Return who trains together, the checkpoints, and the seed of all.

    Parameters are those of :func:`balancegan.gan.distribution.gather` and
    :func:`balancegan.gan.training.begin`.
    """
    from balancegan.gan.distribution import connect_workers
    from balancegan.gan.training import open_checkpoints  # imports TensorFlow

    workers = connect_workers(strategy)
    return workers, *open_checkpoints(checkpoint_dir, seed, workers)


def prepare_run(
    parameters: Mapping[str, Any],
    images: np.ndarray,
    labels: Labels,
    model: TrainedModel,
    seed: int,
    workers: "WorkerGroup | None" = None,
) -> "TrainingRun":
    """Return a training of the GAN that has not begun.

    Parameters
    ----------
    parameters : mapping
        Of :class:`balancegan.samplers.augmenter.ConditionalGANAugmenter`.
    images : ndarray of shape (n, ...)
        What is trained on, in the user's layout and range.
    labels : Labels
        Their labels.
    model : TrainedModel
        What :func:`plan_training` knows.
    seed : int
        Of the training.
    workers : WorkerGroup or None, default=None
        Who trains together. None: this process, on one device.
    """
    from balancegan.gan.training import TrainingRun  # imports TensorFlow

    minutes = parameters["max_minutes"]
    return TrainingRun(
        images,
        labels,
        model.image_format,
        replace(model.preset, precision=choose_precision(parameters["precision"])),
        seed,
        max_seconds=minutes and 60 * float(minutes),
        generator=parameters["generator"],
        discriminator=parameters["discriminator"],
        workers=workers,
    )


def train(
    run: "TrainingRun",
    parameters: Mapping[str, Any],
    checkpoints: "CheckpointFolder | None",
    adopt: Callable[[TrainedModel, History], None],
) -> None:
    """Train; the best state is adopted, also where training is interrupted."""
    is_chief = run.workers.is_chief
    try:
        run.fit(
            show=bool(parameters["verbose"]) and is_chief,
            log_dir=parameters["log_dir"] if is_chief else None,
            tensorboard=parameters["tensorboard"] and is_chief,
            checkpoints=checkpoints,
        )
    except KeyboardInterrupt:
        if run.has_learned:
            adopt(run.result(), run.history)
        raise
    adopt(run.result(), run.history)


def say_untrained(parameters: Mapping[str, Any]) -> None:
    """Say that no GAN is trained, and which settings have no effect therefore."""
    given = [name for name in IDLE if parameters[name] not in (None, False)]
    verb = "has" if len(given) == 1 else "have"
    idle = f"; {' and '.join(given)} {verb} no effect" if given else ""
    say_line(f"no GAN is trained, because no generated image is needed{idle}")
