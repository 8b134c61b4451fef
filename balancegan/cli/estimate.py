"""What a run would cost, found out by timing a little of it.

Steps of training and a batch of synthesis are run on the user's own images with the
user's own settings; what is measured is thrown away but for the figures.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from balancegan.attributes import Labels
from balancegan.augmenter import ConditionalGANAugmenter
from balancegan.downstream.classifiers import (
    ClassifierBuilder,
    TrainingRows,
    train_network,
)
from balancegan.gan.conditional_gan import STEPS_PER_CALL
from balancegan.gan.model import BATCH, TrainedModel
from balancegan.recipe import choose_recipe
from balancegan.synthesis.crossfit import (
    FEWEST_FOR_NETWORK,
    JUDGE_STEPS,
    CrossFittedJudge,
)
from balancegan.synthesis.recombination import RecombiningModel
from balancegan.targets import read_attributes

TRIAL_STEPS = (10, 30)  # of classifiers and judges; the first ones compile
TRIAL_CALLS = 4  # of the compiled training function; the first one compiles


@dataclass(frozen=True)
class Estimate:
    """What training and synthesis would cost on this machine.

    Parameters
    ----------
    steps : int
        Training steps.
    training_seconds, judging_seconds, synthesis_seconds : float
        How long each would take. Judging is training the judges, and making the images
        that they look at.
    peak_memory_bytes : int or None
        Largest resident memory of the process. None where the system does not tell.
    recombines : bool
        Whether images are put together of real ones, and none of the GAN is needed.
    """

    steps: int
    training_seconds: float
    judging_seconds: float
    synthesis_seconds: float
    peak_memory_bytes: int | None
    recombines: bool


def estimate_cost(
    augmenter: ConditionalGANAugmenter, X: np.ndarray, y: Any, n_images: int
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

    Returns
    -------
    estimate : Estimate
    """
    steps, training_seconds = 0, 0.0
    if not hasattr(augmenter, "model_"):
        augmenter, steps, training_seconds = _try_training(augmenter, X, y)
    model = augmenter.model_
    recombining = None if augmenter.gan_only else _find_recombining(model, X, y)
    n_generated: float = n_images
    if recombining is None and not augmenter.gan_only:
        n_generated = min(n_images, augmenter.gan_share * (len(X) + n_images))
    synthesis_seconds = n_generated / BATCH * _time_batch(recombining or model)
    judging_seconds = 0.0
    if recombining is None and augmenter.reject and n_generated:
        judging_seconds = synthesis_seconds + _estimate_judges(model, X)

    return Estimate(
        steps=steps,
        training_seconds=training_seconds,
        judging_seconds=judging_seconds,
        synthesis_seconds=synthesis_seconds,
        peak_memory_bytes=peak_memory_bytes(),
        recombines=recombining is not None,
    )


def _find_recombining(
    model: TrainedModel, X: np.ndarray, y: Any
) -> RecombiningModel | None:
    """Return what puts images together, where real ones (or the GAN) show how."""
    labels = read_attributes(y)
    if labels is None:
        return None
    class_indices = model.attributes.indices(labels)
    recombining = RecombiningModel.of(model, X, class_indices)
    return recombining if recombining.regions.are_apart else None


def _time_batch(model: TrainedModel) -> float:
    """Return how many seconds a batch of images takes: the second, for one compiles."""
    batches = model.make_images(0, 0, 2 * BATCH)
    next(batches)
    started = time.monotonic()
    next(batches)
    return time.monotonic() - started


def _try_training(
    augmenter: ConditionalGANAugmenter, X: np.ndarray, y: Any
) -> tuple[ConditionalGANAugmenter, int, float]:
    """Return a copy trained for a moment, the steps and seconds of all training."""
    trial = clone(augmenter).set_params(
        sampling_strategy="auto",
        steps=TRIAL_CALLS * STEPS_PER_CALL,
        max_minutes=None,
        log_dir=None,
        tensorboard=False,
        verbose=0,
    )
    trial.fit(X, y)
    first, last = trial.history_.iloc[0], trial.history_.iloc[-1]
    compiling = first["seconds"]
    seconds_per_step = (last["seconds"] - compiling) / (last["step"] - first["step"])
    budget = math.inf
    if augmenter.max_minutes is not None:
        budget = 60 * augmenter.max_minutes
        if augmenter.steps is None:
            return trial, max(1, int((budget - compiling) / seconds_per_step)), budget
    labels = read_attributes(y) or Labels.of_one(np.asarray(y))
    model = trial.model_
    parameters = augmenter.get_params(deep=False)
    preset = choose_recipe(parameters, X, labels, model.image_format, model.seed)
    # Whichever is over first
    steps, in_time = preset.n_steps(len(X)), (budget - compiling) / seconds_per_step
    if in_time < steps:
        return trial, max(1, int(in_time)), budget
    return trial, steps, compiling + steps * seconds_per_step


def estimate_classifier(
    build: ClassifierBuilder | None, rows: TrainingRows, n_steps: int
) -> float:
    """Return about how many seconds it takes to train a network for so many steps.

    Parameters
    ----------
    build, rows, n_steps
        As in :func:`balancegan.downstream.classifiers.train_network`.
    """
    return _extrapolate(
        lambda steps: train_network(build, rows, rows.images[:1], 0, n_steps=steps),
        n_steps,
    )


def _estimate_judges(model: TrainedModel, X: np.ndarray) -> float:
    """Return about how many seconds it takes to train the judges of synthetic images.

    What they learn makes no difference to that, so any classes will do. Of small sets
    they are linear models, which take a second.
    """
    if len(X) < FEWEST_FOR_NETWORK:
        return 0.0
    sizes = model.attributes.sizes
    classes = np.arange(len(X)) % int(np.prod(sizes))
    judge = CrossFittedJudge(model.image_format, sizes, model.seed)
    return _extrapolate(lambda steps: judge.train(X, classes, steps), JUDGE_STEPS)


def _extrapolate(train: Callable[[int], Any], n_steps: int) -> float:
    """Return about how many seconds training takes, from two short ones."""
    seconds = []
    for steps in TRIAL_STEPS:
        started = time.monotonic()
        train(steps)
        seconds.append(time.monotonic() - started)
    few, more = TRIAL_STEPS
    per_step = max(0.0, seconds[1] - seconds[0]) / (more - few)
    return seconds[0] + per_step * max(0, n_steps - few)


def peak_memory_bytes() -> int | None:
    """Return the largest resident memory of this process so far, if known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
