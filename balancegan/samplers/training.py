"""Training for the augmenter: its options, whether a GAN is needed, and running it.

TensorFlow is imported only if a GAN is trained. Copies and recombined images need a
model without a generator.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from balancegan.attributes import Attributes, Labels
from balancegan.balance import Plan, plain, plan_synthesis
from balancegan.gan.devices import (
    AUTO,
    BFLOAT16,
    FLOAT32,
    MULTI_WORKER,
    Distribution,
    DistributionStrategy,
    choose_precision,
)
from balancegan.gan.history import History
from balancegan.gan.model import TrainedModel
from balancegan.gan.presets import (
    PRESETS,
    DiscriminatorBuilder,
    GeneratorBuilder,
    choose_preset,
)
from balancegan.images import find_format
from balancegan.progress import say_line, show_progress
from balancegan.sklearn_compat import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

if TYPE_CHECKING:
    from balancegan.gan.checkpoint import CheckpointFolder
    from balancegan.gan.distribution import WorkerGroup
    from balancegan.gan.training import TrainingRun

# Settings that have no effect if no GAN is trained
IDLE = ("steps", "max_minutes", "log_dir")
# Options that are not saved: objects of this program or of this machine
UNSAVED = ("generator", "discriminator", "strategy")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Advanced training settings, for `preset` of ConditionalGANAugmenter.

    Parameters
    ----------
    preset : {"default", "tutorial"}, default="default"
        What the remaining settings are taken from.
    batch_size : int, default=None
        Images per step; may exceed the number of images. None: the preset's (64;
        "tutorial" 128).
    learning_rate : float, default=None
        Of Adam, for both networks. None: the preset's (1e-3, falling to 0 over the last
        40 % of the training; "tutorial" 2e-4).
    precision : {"float32", "auto", "mixed_bfloat16"}, default="float32"
        Computing precision of the preset's networks; weights and images are always
        float32. "auto": bfloat16 if the hardware has units for it (GPUs from Ampere on,
        TPUs). The gain has not been measured.
    strategy : {"auto", "multi-worker"} or tf.distribute.Strategy, default="auto"
        Devices to train on. "auto": all GPUs of this machine. "multi-worker": the
        processes named in TF_CONFIG; each calls `fit` with the same arguments before it
        uses TensorFlow for anything else, and each has the model afterwards. A step has
        `batch_size` images in total.
    generator, discriminator : callable, default=None
        Builders of your own networks, with the signatures of
        :func:`balancegan.gan.networks.build_projection_generator` and
        :func:`balancegan.gan.networks.build_projection_discriminator`. With several
        attributes they get the number of combinations. They are not saved; `load` asks
        for the generator. Name their layers: Keras's automatic names depend on what was
        built before. None: the preset's networks.
    tensorboard : bool, default=False
        Also write TensorBoard event files to `log_dir`. Needs the package tensorboard.

    Raises
    ------
    ValueError
        If a setting has a wrong type or value.

    Examples
    --------
    >>> TrainingOptions(batch_size=32).batch_size
    32
    """

    preset: str = "default"
    batch_size: int | None = None
    learning_rate: float | None = None
    precision: str = FLOAT32
    strategy: Distribution = AUTO
    generator: GeneratorBuilder | None = None
    discriminator: DiscriminatorBuilder | None = None
    tensorboard: bool = False

    _constraints: ClassVar[dict[str, list[Any]]] = {
        "preset": [StrOptions(set(PRESETS))],
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "precision": [StrOptions({AUTO, FLOAT32, BFLOAT16})],
        "strategy": [StrOptions({AUTO, MULTI_WORKER}), DistributionStrategy],
        "generator": [callable, None],
        "discriminator": [callable, None],
        "tensorboard": ["boolean"],
    }

    def __post_init__(self) -> None:
        validate_parameter_constraints(
            self._constraints, vars(self), type(self).__name__
        )

    @classmethod
    def of(cls, preset: "str | TrainingOptions") -> "TrainingOptions":
        """Return the options that the parameter `preset` stands for."""
        return cls(preset=preset) if isinstance(preset, str) else preset

    def to_json(self) -> dict[str, Any]:
        """Return the options that are saved with a model."""
        names = (part.name for part in fields(self) if part.name not in UNSAVED)
        return {name: plain(getattr(self, name)) for name in names}

    @classmethod
    def from_json(
        cls, facts: dict[str, Any], generator: GeneratorBuilder | None
    ) -> "TrainingOptions | str":
        """Return the saved `preset`: options, or a name if all are the preset's.

        `generator` is your own builder of the generator, if any.
        """
        options = cls(**facts, generator=generator)
        return options.preset if options == cls(preset=options.preset) else options


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What `fit` will do, decided before any training.

    Attributes
    ----------
    plan : dict
        Number of images to make per class.
    model : TrainedModel
        What is known before training: a model without a generator.
    class_indices : ndarray of shape (n,), int
        The classes of the images; with several attributes, their combinations.
    needs_gan : bool
        Whether an image has to be generated. If not, no GAN is trained.
    """

    plan: Plan
    model: TrainedModel
    class_indices: np.ndarray
    needs_gan: bool


def plan_training(augmenter: Any, images: np.ndarray, labels: Labels) -> TrainingPlan:
    """Return what `fit` of an augmenter will do with checked arrays.

    Parameters
    ----------
    augmenter : ConditionalGANAugmenter
        Only its parameters are used.
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    labels : Labels
        Their labels.
    """
    options = TrainingOptions.of(augmenter.preset)
    attributes, class_indices = Attributes.learn(labels)
    positions = attributes.positions(augmenter.balance_on)
    plan = plan_synthesis(
        labels.joined(positions),
        augmenter.sampling_strategy,
        augmenter.max_ratio,
        attributes.combinations(augmenter.balance_on),
    )
    counts = np.bincount(class_indices, minlength=attributes.n_classes)
    model = TrainedModel(
        generator=None,
        own_generator=False,
        preset=choose_preset(
            options.preset,
            steps=augmenter.steps,
            max_minutes=augmenter.max_minutes,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
        ),
        image_format=find_format(images, augmenter.image_shape, augmenter.value_range),
        attributes=attributes,
        class_names=None,
        counts=counts.reshape(attributes.sizes),
        seed=0,
        n_steps=0,
        kept_step=0,
        seconds=0.0,
    )
    names = [attributes.names[position] for position in positions]
    visible = bool(augmenter.verbose) and len(attributes.names) > 1
    with show_progress("Finding regions", visible=visible):
        choice = augmenter.choose_methods(model, images, class_indices)
        needs_gan = choice.needs_generator(plan, names)
    return TrainingPlan(plan, model, class_indices, needs_gan)


def start_workers(
    strategy: Distribution,
    checkpoint_dir: str | os.PathLike[str] | None,
    seed: int | None,
) -> "tuple[WorkerGroup, CheckpointFolder | None, int]":
    """Return the processes that train together, the checkpoints, and their seed.

    Parameters are those of :func:`balancegan.gan.distribution.connect_workers` and
    :func:`balancegan.gan.training.open_checkpoints`.
    """
    from balancegan.gan.distribution import connect_workers  # imports TensorFlow
    from balancegan.gan.training import open_checkpoints

    workers = connect_workers(strategy)
    return workers, *open_checkpoints(checkpoint_dir, seed, workers)


def prepare_run(
    augmenter: Any,
    images: np.ndarray,
    labels: Labels,
    model: TrainedModel,
    seed: int,
    workers: "WorkerGroup | None" = None,
) -> "TrainingRun":
    """Return a training that has not started.

    Parameters
    ----------
    augmenter : ConditionalGANAugmenter
        Only its parameters are used.
    images : ndarray of shape (n, ...)
        The training images, in the user's layout and range.
    labels : Labels
        Their labels.
    model : TrainedModel
        That of :func:`plan_training`.
    seed : int
        Seed of the training.
    workers : Workers or None, default=None
        The processes that train together. None: this one, on one device.
    """
    from balancegan.gan.training import TrainingRun  # imports TensorFlow

    options, minutes = TrainingOptions.of(augmenter.preset), augmenter.max_minutes
    return TrainingRun(
        images,
        labels,
        model.image_format,
        replace(model.preset, precision=choose_precision(options.precision)),
        seed,
        max_seconds=minutes and 60 * float(minutes),
        generator=options.generator,
        discriminator=options.discriminator,
        workers=workers,
    )


def train(
    run: "TrainingRun",
    augmenter: Any,
    checkpoints: "CheckpointFolder | None",
    adopt: Callable[[TrainedModel, History], None],
) -> None:
    """Train; `adopt` gets the best state, also if training is interrupted."""
    is_chief = run.workers.is_chief
    options = TrainingOptions.of(augmenter.preset)
    try:
        run.fit(
            show=bool(augmenter.verbose) and is_chief,
            log_dir=augmenter.log_dir if is_chief else None,
            tensorboard=options.tensorboard and is_chief,
            checkpoints=checkpoints,
        )
    except KeyboardInterrupt:
        if run.has_learned:
            adopt(run.result(), run.history)
        raise
    adopt(run.result(), run.history)


def say_untrained(augmenter: Any) -> None:
    """Say that no GAN is trained, and which settings have no effect therefore."""
    given = [name for name in IDLE if getattr(augmenter, name) is not None]
    if TrainingOptions.of(augmenter.preset).tensorboard:
        given.append("tensorboard")
    verb = "has" if len(given) == 1 else "have"
    idle = f"; {' and '.join(given)} {verb} no effect" if given else ""
    say_line(f"no GAN is trained, because no generated image is needed{idle}")
