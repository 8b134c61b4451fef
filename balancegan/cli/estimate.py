"""Estimate within 20 seconds what a run would cost, from steps on few images.

Nothing is compiled, because compiling takes long and cannot be stopped. Steps are run
eagerly on 2 images, then on more while time is left; the time of a compiled step on a
whole batch is extrapolated.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

import balancegan.gan.judge as own_judge
from balancegan.attributes import Labels
from balancegan.evaluation.classifiers import (
    TrainingRows,
    build_network,
    choose_batch_size,
)
from balancegan.evaluation.networks import ClassifierBuilder
from balancegan.gan.keras_compat import Adam
from balancegan.gan.model import BATCH, TrainedModel, draw_seed
from balancegan.gan.presets import UNBOUNDED_STEPS, Preset
from balancegan.gan.training import TrainingRun, training_bytes
from balancegan.memory import peak_memory_bytes
from balancegan.quality.judges import FEWEST_FOR_NETWORK, N_FOLDS, SHARE_OF_STEPS
from balancegan.quality.screening import N_TRIAL
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.training import TrainingPlan, plan_training, prepare_run
from balancegan.targets import read_attributes

LIMIT_SECONDS = 20.0  # for the whole estimate
GAN_SHARE = 0.75  # of the time left, for steps of GAN training
STEPS_SECONDS = 15.0  # for all steps: the last one may take longer than expected
TRIAL_SIZES, ROUNDS = (2, 8, 32), 3  # images per step, and repetitions
# How much slower the first step is than the next: expected, and at most
FIRST_TO_NEXT, LONGEST_TO_NEXT = 2.0, 4.0
# Time of compiled steps compared with eager ones, and of compiling: measured at 8 to 64
# pixels on two cores, correct within a factor of 2
PER_IMAGE, PER_STEP, COMPILING = 0.7, 1 / 8, 15.0


class Limit:
    """The time left for an estimate; `longest` is the time of the longest step."""

    def __init__(
        self,
        seconds: float = STEPS_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.ends = clock, clock() + seconds
        self.longest = 0.0

    @property
    def left(self) -> float:
        """Seconds until the limit; negative after it."""
        return self.ends - self.clock()

    def time(self, take: Callable[[int], Any], n: int) -> float:
        """Run a step on n images, and return its seconds."""
        started = self.clock()
        take(n)
        taken = self.clock() - started
        self.longest = max(self.longest, taken)
        return taken


@dataclass(frozen=True)
class StepTime:
    """Seconds of a compiled step, and of compiling; `is_least`: a lower bound."""

    seconds: float
    compiling: float
    is_least: bool = False


def time_step(
    take: Callable[[int], Any], size: int, limit: Limit, share: float = 0.5
) -> StepTime:
    """Return the approximate time of a compiled step.

    Parameters
    ----------
    take : callable
        Runs a step on a number of images eagerly.
    size : int
        Images of a whole step.
    limit : Limit
        The time left. Steps that would probably exceed it are not started.
    share : float, default=0.5
        Share of the time left to use.
    """
    spared = (1 - share) * limit.left
    if limit.left - spared < limit.longest / LONGEST_TO_NEXT or limit.left <= 0:
        return StepTime(0.0, 0.0, is_least=True)
    first = limit.time(take, min(TRIAL_SIZES[0], size))
    taken: dict[int, float] = {}
    for n in [min(n, size) for n in TRIAL_SIZES] * ROUNDS:
        expected = taken.get(n) or (_fit(taken)(n) if taken else first / FIRST_TO_NEXT)
        if limit.left - spared >= expected:
            # Keep the shortest time: other programs may have slowed down a step
            taken[n] = min(limit.time(take, n), taken.get(n, math.inf))
    if not taken:  # only the first step, which is slower by an unknown factor
        return StepTime(PER_STEP * first / LONGEST_TO_NEXT, 0.0, is_least=True)
    if len(taken) == 1 and size not in taken:  # growth with the size is unknown
        return StepTime(PER_STEP * min(taken.values()), 0.0, is_least=True)
    steady = _fit(taken)
    overhead = max(0.0, steady(0))
    per_image = (steady(size) - overhead) / size
    seconds = PER_IMAGE * per_image * size + PER_STEP * overhead
    return StepTime(seconds, COMPILING * overhead)


def _fit(taken: Mapping[int, float]) -> Callable[[int], float]:
    """Return seconds as a linear function of the number of images."""
    few, many = min(taken), max(taken)
    slope = taken[many] / many
    if few < many:
        slope = max(0.0, taken[many] - taken[few]) / (many - few)
    return lambda n: taken[many] + slope * (n - many)


@dataclass(frozen=True)
class Estimate:
    """What training and synthesis would cost on this machine.

    Parameters
    ----------
    steps : int
        Training steps.
    training_seconds, judging_seconds, synthesis_seconds : float
        Durations, correct within a factor of 2. Judging includes training the judges.
    peak_memory_bytes : int or None
        Largest memory of the process. None: unknown.
    needs_gan : bool
        Whether any image is generated. If not, nothing is trained.
    is_least : bool
        Whether steps were too slow to measure, so that times are lower bounds.
    """

    steps: int
    training_seconds: float
    judging_seconds: float
    synthesis_seconds: float
    peak_memory_bytes: int | None
    needs_gan: bool
    is_least: bool = False


def estimate_cost(
    augmenter: ConditionalGANAugmenter,
    X: np.ndarray,
    y: Any,
    n_images: int,
    limit: Limit | None = None,
    *,
    reject: bool = True,
) -> Estimate:
    """Estimate the cost of training and of making images.

    Parameters
    ----------
    augmenter : ConditionalGANAugmenter
        A trained one, or one to train. It is not changed.
    X, y : ndarray, or DataFrame of attributes
        The training data.
    n_images : int
        Number of images to make.
    limit : Limit or None, default=None
        The time for the estimate. None: 15 seconds.
    reject : bool, default=True
        Whether generated images are judged.
    """
    limit = limit or Limit()
    labels = read_attributes(y) or Labels.of_one(np.asarray(y))
    planned = plan_training(augmenter, X, labels)
    if not planned.needs_gan:
        return Estimate(0, 0.0, 0.0, 0.0, peak_memory_bytes(), needs_gan=False)
    trial = _Trial(augmenter, X, labels, planned, limit)
    training = StepTime(0.0, 0.0)
    steps, training_seconds, memory = 0, 0.0, peak_memory_bytes()
    if trial.run is not None:
        training = trial.time_training(trial.run)
        steps, training_seconds = trial.count_steps(training)
        memory = memory and memory + training_bytes(trial.run.gan)
    n_generated = min(n_images, augmenter.gan_share * (len(X) + n_images))
    making = trial.time_making()
    judging = StepTime(0.0, 0.0)
    judging_seconds = 0.0
    if reject and n_generated:
        judging = trial.time_judge()
        n_judged = max(n_generated, N_TRIAL * trial.n_classes)
        judging_seconds = n_judged / BATCH * making.seconds
        if len(X) >= FEWEST_FOR_NETWORK:  # linear judges take a second
            n_steps = N_FOLDS * SHARE_OF_STEPS * own_judge.JUDGE_STEPS
            judging_seconds += n_steps * judging.seconds
    return Estimate(
        steps=steps,
        training_seconds=training_seconds,
        judging_seconds=judging_seconds,
        synthesis_seconds=n_generated / BATCH * making.seconds,
        peak_memory_bytes=memory,
        needs_gan=True,
        is_least=any(one.is_least for one in (training, making, judging)),
    )


class _Trial:
    """The networks that training would build, to time their steps."""

    def __init__(
        self,
        augmenter: ConditionalGANAugmenter,
        X: np.ndarray,
        labels: Labels,
        planned: TrainingPlan,
        limit: Limit,
    ) -> None:
        self.augmenter, self.images, self.limit = augmenter, X, limit
        self.class_indices = planned.class_indices
        self.n_classes = len(np.unique(self.class_indices))
        self.run: TrainingRun | None = None
        if hasattr(augmenter, "model_"):
            self.model: TrainedModel = augmenter.model_
        else:
            self.run = prepare_run(augmenter, X, labels, planned.model, draw_seed(0))
            self.model = self.run.model
        self.preset: Preset = self.model.preset
        self.format, self.sizes = self.model.image_format, self.model.attributes.sizes

    def time_training(self, run: TrainingRun) -> StepTime:
        """Return the time of a training step."""
        gan, preset = run.gan, self.preset
        images, classes = run.batches[0]
        n_halves = 2 if preset.alternating else 1

        def take(n: int) -> None:
            """Run a step on `n` images."""
            gan.preset = replace(preset, batch_size=n)
            rows = slice(max(1, n // n_halves))
            batch = (images[rows], classes[rows])
            gan.train_step(tuple(map(keras.ops.convert_to_tensor, batch)))

        return time_step(take, preset.batch_size, self.limit, GAN_SHARE)

    def count_steps(self, step: StepTime) -> tuple[int, float]:
        """Return the number of steps, and the seconds of the whole training."""
        before = step.compiling
        if self.preset.judge_features:
            n_attributes = len(self.sizes)
            factor = own_judge.ATTRIBUTES_FACTOR if n_attributes > 1 else 1
            before += own_judge.JUDGE_STEPS * factor * self.time_judge().seconds
        steps = self.preset.n_steps(len(self.images))
        minutes = self.augmenter.max_minutes
        if minutes is None:
            return steps, before + steps * step.seconds
        in_time = max(1, int((60 * minutes - before) / max(step.seconds, 1e-9)))
        if in_time < steps or steps >= UNBOUNDED_STEPS:
            return in_time, 60.0 * minutes
        return steps, before + steps * step.seconds

    def time_judge(self) -> StepTime:
        """Return the time of a training step of a judge."""
        if not hasattr(self, "_judge_step"):
            shape = self.format.image_shape
            to_model_range = self.format.to_model_range
            judge = own_judge.Judge(shape, self.sizes, to_model_range, 0)
            network = keras.Model(judge.network.input, judge.network.output[-1])
            take = _train_eagerly(network, judge.cross_entropy)
            rows = np.resize(np.arange(len(self.images)), own_judge.JUDGE_BATCH)
            images = to_model_range(self.images[rows])
            classes = self.class_indices[rows]
            self._judge_step = time_step(
                lambda n: take(images[:n], classes[:n]), len(rows), self.limit
            )
        return self._judge_step

    def time_making(self) -> StepTime:
        """Return the time of generating a batch."""
        classes = np.zeros(BATCH, dtype="int32")
        generator = self.model.check_generates()
        latents = self.model.draw_latents(classes, 0)
        return time_step(
            lambda n: generator([latents[:n], classes[:n]], training=False),
            BATCH,
            self.limit,
        )


def _train_eagerly(network: keras.Model, loss: Any) -> Callable[..., Any]:
    """Return a function that runs a training step eagerly."""
    network.compile(Adam(), loss, run_eagerly=True, jit_compile=False)
    return network.train_on_batch


def estimate_classifier(
    build: ClassifierBuilder | None,
    rows: TrainingRows,
    n_steps: int,
    limit: Limit | None = None,
) -> float:
    """Return the approximate seconds of training a classifier for some steps."""
    shape = rows.to_model_range(rows.images[:1]).shape[1:]
    batch_size = choose_batch_size(shape)
    few = np.resize(np.arange(len(rows.images)), batch_size)
    images = rows.to_model_range(rows.images[few])
    labels = np.eye(rows.n_classes, dtype="float32")[rows.class_indices[few]]
    network = build_network(build, shape, rows.n_classes, 0)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    take = _train_eagerly(network, loss)
    step = time_step(
        lambda n: take(images[:n], labels[:n]), batch_size, limit or Limit()
    )
    return step.compiling + n_steps * step.seconds
