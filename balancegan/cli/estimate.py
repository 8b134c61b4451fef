"""What a run would cost, estimated within a few seconds from steps on few images.

Nothing is compiled: that alone takes longer than people wait for an estimate, and
cannot be stopped. Steps are taken one operation at a time, on 2 images, then on more
as long as time is left, and what a whole batch takes compiled is extrapolated.
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

LIMIT_SECONDS = 20.0  # for all of an estimate
GAN_SHARE = 0.75  # of the time left
STEPS_SECONDS = 15.0  # for its steps: the last one may take longer than foreseen
TRIAL_SIZES, ROUNDS = (2, 8, 32), 3  # images of a step, and how often each is taken
# The very first step is slower: parts of it are compiled. Those of the GAN are longer
# than those of other networks
FIRST_TO_NEXT, LONGEST_TO_NEXT = 2.0, 4.0
# What compiled steps take of the same steps taken one operation at a time, and how
# long compiling is: measured at 8 to 64 pixels on two cores, right within a factor of 2
PER_IMAGE, PER_STEP, COMPILING = 0.7, 1 / 8, 15.0


class Limit:
    """How much time is left for an estimate.

    Parameters
    ----------
    seconds : float, default=15
        In all.
    clock : callable
        Seconds.

    Attributes
    ----------
    longest : float
        What the longest step so far took.
    """

    def __init__(
        self,
        seconds: float = STEPS_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.ends = clock, clock() + seconds
        self.longest = 0.0

    @property
    def left(self) -> float:
        """Seconds until the limit, below 0 after it."""
        return self.ends - self.clock()

    def time(self, take: Callable[[int], Any], n: int) -> float:
        """Return what a step of n images takes."""
        started = self.clock()
        take(n)
        taken = self.clock() - started
        self.longest = max(self.longest, taken)
        return taken


@dataclass(frozen=True)
class StepTime:
    """What a compiled step takes.

    Parameters
    ----------
    seconds, compiling : float
        Of a step, and before the first one.
    is_least : bool
        Whether it is only known that a step takes as long or longer.
    """

    seconds: float
    compiling: float
    is_least: bool = False


def time_step(
    take: Callable[[int], Any], size: int, limit: Limit, share: float = 0.5
) -> StepTime:
    """Return about how long a compiled step of `size` images takes.

    Parameters
    ----------
    take : callable
        Takes a step of so many images, one operation at a time.
    size : int
        Images of a whole step.
    limit : Limit
        No step is begun that would probably not end in time.
    share : float, default=0.5
        Of the time left.
    """
    spared = (1 - share) * limit.left
    if limit.left - spared < limit.longest / LONGEST_TO_NEXT or limit.left <= 0:
        return StepTime(0.0, 0.0, is_least=True)
    first = limit.time(take, min(TRIAL_SIZES[0], size))
    taken: dict[int, float] = {}
    for n in [min(n, size) for n in TRIAL_SIZES] * ROUNDS:
        expected = taken.get(n) or (_fit(taken)(n) if taken else first / FIRST_TO_NEXT)
        if limit.left - spared >= expected:
            # The least of each size: other programs may have been in the way
            taken[n] = min(limit.time(take, n), taken.get(n, math.inf))
    if not taken:  # the first step alone: how much slower it was, nobody knows
        return StepTime(PER_STEP * first / LONGEST_TO_NEXT, 0.0, is_least=True)
    if len(taken) == 1 and size not in taken:  # how it grows with images, nobody knows
        return StepTime(PER_STEP * min(taken.values()), 0.0, is_least=True)
    steady = _fit(taken)
    overhead = max(0.0, steady(0))
    per_image = (steady(size) - overhead) / size
    seconds = PER_IMAGE * per_image * size + PER_STEP * overhead
    return StepTime(seconds, COMPILING * overhead)


def _fit(taken: Mapping[int, float]) -> Callable[[int], float]:
    """Return seconds by the number of images: a line through the extremes."""
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
        How long each would take, right within a factor of 2. Judging is training the
        judges, and making the images that they look at.
    peak_memory_bytes : int or None
        Largest resident memory of the process. None where the system does not tell.
    needs_gan : bool
        Whether any image is generated. If not, nothing is trained.
    is_least : bool
        Whether steps were too slow to measure, and all takes as long or longer.
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
    """Estimate what it would cost to train and to make `n_images`.

    Parameters
    ----------
    augmenter : ConditionalGANAugmenter
        A trained one, which costs no training, or the settings of one to be trained;
        it is left as it is.
    X, y : ndarray, or DataFrame of attributes
        What it would be trained on.
    n_images : int
        How many images would be made.
    limit : Limit or None, default=None
        How long estimating may take. None: 15 seconds.
    reject : bool, default=True
        Whether generated images would be judged.

    Returns
    -------
    estimate : Estimate
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
        n_looked_at = max(n_generated, N_TRIAL * trial.n_classes)
        judging_seconds = n_looked_at / BATCH * making.seconds
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
    """What steps are taken of: networks as training would build them."""

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
        """Return what a step of the GAN takes."""
        gan, preset = run.gan, self.preset
        images, classes = run.batches[0]
        n_halves = 2 if preset.alternating else 1

        def take(n: int) -> None:
            """Take a step of `n` images."""
            gan.preset = replace(preset, batch_size=n)
            rows = slice(max(1, n // n_halves))
            batch = (images[rows], classes[rows])
            gan.train_step(tuple(map(keras.ops.convert_to_tensor, batch)))

        return time_step(take, preset.batch_size, self.limit, GAN_SHARE)

    def count_steps(self, step: StepTime) -> tuple[int, float]:
        """Return how many steps are taken, and how long all of training takes."""
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
        """Return what a step of a judge takes."""
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
        """Return what it takes to make a batch of images."""
        classes = np.zeros(BATCH, dtype="int32")
        generator = self.model.check_generates()
        latents = self.model.draw_latents(classes, 0)
        return time_step(
            lambda n: generator([latents[:n], classes[:n]], training=False),
            BATCH,
            self.limit,
        )


def _train_eagerly(network: keras.Model, loss: Any) -> Callable[..., Any]:
    """Return what takes a step of a network, one operation at a time."""
    network.compile(Adam(), loss, run_eagerly=True, jit_compile=False)
    return network.train_on_batch


def estimate_classifier(
    build: ClassifierBuilder | None,
    rows: TrainingRows,
    n_steps: int,
    limit: Limit | None = None,
) -> float:
    """Return about how many seconds it takes to train a network for so many steps.

    Parameters
    ----------
    build, rows, n_steps
        As in :func:`balancegan.evaluation.classifiers.train_network`.
    limit : Limit or None, default=None
        How long estimating may take. None: 15 seconds.
    """
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
