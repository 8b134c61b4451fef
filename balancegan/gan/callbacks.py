"""What happens in training between the steps, as Keras callbacks.

They record losses, measure image quality, keep the best state and write checkpoints.
The training step knows nothing of them.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from balancegan.errors import (
    CheckpointWarning,
    SavedModelError,
    TrainingFailed,
    TrainingWarning,
)
from balancegan.gan.budget import Budget
from balancegan.gan.checkpoint import (
    CheckpointFolder,
    DeferredSignals,
    State,
    Stateful,
    check_same_run,
    join_states,
    restore_parts,
)
from balancegan.gan.history import History
from balancegan.gan.quality import QualityMeter
from balancegan.progress import ProgressDisplay

CHECKPOINT_SECONDS = 60.0  # between two checkpoints
COLLAPSE_STEP = 500  # before, images are alike because all are poor
COLLAPSED = 0.2  # of the diversity of real images
EXPLODED = 1e4  # losses are normally below 10
LOSS_INTERVAL = 50  # steps between two records of the losses
EVALUATIONS = 12  # of the images, spread over the budget
FIRST_EVALUATION = 200  # steps; earlier ones would only take time
AUTO_INTERVAL = 500  # steps between evaluations if they decide when to stop
PATIENCE = 5  # evaluations without an improvement before training stops
LEAST_IMPROVEMENT = 0.05  # share of the distance
# Distances measured on 64 images differ by this much between equally good states. The
# later of two has learned more, which the distance may not show
NOISE = 0.01


class Diverged(TrainingFailed):
    """The losses became NaN, infinite or very large."""


class LossMonitor(keras.callbacks.Callback):
    """Records losses, ends training with the budget, shows progress, stops at NaN.

    Attributes
    ----------
    display : ProgressDisplay or None
        Where progress is shown, if set.
    last_good : State or None
        The last recorded state of the model that was finite.
    """

    def __init__(self, history: History, budget: Budget) -> None:
        super().__init__()
        self.history, self.budget = history, budget
        self.display: ProgressDisplay | None = None
        self.unrecorded: dict[str, float] = {}
        self.steps_done, self.seconds = 0, 0.0
        self.last_good: State | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Keep the initial state to roll back to."""
        if self.last_good is None:
            self.keep_if_finite()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Check the losses; record and show them; end training if it is time to."""
        losses = {name: float(value) for name, value in (logs or {}).items()}
        intervals_before = self.steps_done // LOSS_INTERVAL
        is_first_call = not self.steps_done  # compiles, so it gets its own record
        # Not `batch`: Keras counts a last, shorter call as a whole one
        self.steps_done, self.seconds = self.model.steps_done, self.budget.seconds
        for name, value in losses.items():
            if not abs(value) < EXPLODED:
                raise Diverged(
                    f"The {name.replace('_', ' ')} is {value:.4g} at step "
                    f"{self.steps_done}: training diverged. A smaller learning_rate "
                    "usually helps."
                )
        self.unrecorded = losses
        if is_first_call or self.steps_done // LOSS_INTERVAL > intervals_before:
            self.record()
        if self.budget.is_used_up(self.steps_done):
            self.model.stop_training = True
        if self.display is not None:
            note = "  ".join(f"{k.split('_')[0]} {v:.2f}" for k, v in losses.items())
            self.budget.show(self.display, self.steps_done, note)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Record the losses since the last full interval."""
        if self.unrecorded:
            self.record()

    def record(self) -> None:
        """Add the mean losses since the last record to the history."""
        self.history.record_losses(self.steps_done, self.seconds, self.unrecorded)
        self.unrecorded = {}
        self.model.reset_losses()
        self.keep_if_finite()

    def keep_if_finite(self) -> None:
        """Keep the present state to roll back to, if all of it is finite."""
        state = self.model.state()
        if all(np.isfinite(array).all() for array in state.arrays.values()):
            self.last_good = state

    def state(self) -> State:
        """Return the losses not recorded yet, and the last good state."""
        facts = {"steps_done": self.steps_done, "seconds": self.seconds}
        good = {} if self.last_good is None else self.last_good.arrays
        return State({**facts, "unrecorded": self.unrecorded}, dict(good))

    def restore(self, state: State) -> None:
        """Restore a former state."""
        for name in self.state().facts:
            setattr(self, name, state.facts[name])
        self.last_good = State({}, state.arrays) if state.arrays else None


class QualityMonitor(keras.callbacks.Callback):
    """Evaluates images of the few-shot classes at times; keeps the best state.

    Parameters
    ----------
    meter : QualityMeter
        Measures the images.
    history : History
        Where the figures are recorded.
    budget : Budget
        Evaluations are spread evenly over it.
    sampler : keras.Model
        The generator whose images are measured: the GAN's own, or one that gets its
        weights.
    until_flat_at : float or None
        Evaluate every 500 steps instead. If the last five evaluations have shown no
        improvement, shorten the budget so that this share of it is used. None: leave
        the budget unchanged.
    from_chief : callable
        Turns this process's figures into the chief's, which decide for all workers.
    """

    def __init__(
        self,
        meter: QualityMeter,
        history: History,
        budget: Budget,
        *,
        sampler: keras.Model,
        until_flat_at: float | None,
        from_chief: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> None:
        super().__init__()
        self.sampler, self.from_chief = sampler, from_chief
        self.meter, self.history, self.budget = meter, history, budget
        self.until_flat_at = until_flat_at
        self.n_due, self.ending = 0, False
        self.distances: list[float] = []
        self.collapsed: dict[str, int] = {}  # class position: evaluations in a row
        self.last_step = 0
        self.best_step, self.best_distance = 0, math.inf
        self.best_weights: list[np.ndarray] | None = None

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Evaluate the images if it is time to."""
        step = self.model.steps_done
        if self.until_flat_at is not None:
            due = step // AUTO_INTERVAL
        else:
            due = int(EVALUATIONS * self.budget.share_used(step))
        if due > self.n_due and step >= FIRST_EVALUATION:
            self.n_due = due
            self.evaluate(step)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Evaluate the last state, unless training was too short for evaluations."""
        step = self.model.steps_done
        if self.distances and step > self.last_step:
            self.evaluate(step)

    def evaluate(self, step: int) -> None:
        """Measure the images, record the figures, keep the best state."""
        started = self.budget.seconds
        self.refresh_sampler()
        rows = self.meter.measure()
        names = [name for name in rows[0] if name != "class"]
        own = np.array([[row[name] for name in names] for row in rows], dtype=float)
        for row, figures in zip(rows, self.from_chief(own).tolist(), strict=True):
            row.update(zip(names, figures, strict=True))
        means = {name: _mean([row[name] for row in rows]) for name in names}
        means["evaluation_seconds"] = self.budget.seconds - started
        self.history.record_quality(step, self.budget.seconds, rows, means)

        self.warn_of_collapse(step, rows)
        self.distances.append(means["distance"])
        self.last_step = step
        if means["distance"] <= self.best_distance + NOISE:
            self.best_step = step
            self.best_distance = min(self.best_distance, means["distance"])
            self.best_weights = self.sampler.get_weights()
        if self.until_flat_at is not None and not self.ending and self.is_flat():
            self.ending = True
            self.budget.end_at_share(self.until_flat_at, step)
            self.model.stop_training = self.budget.is_used_up(step)

    def refresh_sampler(self) -> None:
        """Copy the weights of the trained generator to the sampler."""
        if self.sampler is not self.model.sampling_generator:
            self.sampler.set_weights(self.model.sampling_generator.get_weights())

    def warn_of_collapse(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Warn once when a class looks collapsed in two consecutive evaluations."""
        if step < COLLAPSE_STEP:
            return
        self.collapsed = {
            str(i): self.collapsed.get(str(i), 0) + 1
            for i, row in enumerate(rows)
            if row["diversity"] < COLLAPSED
        }
        for i, row in enumerate(rows):
            if self.collapsed.get(str(i)) == 2:
                warnings.warn(
                    f"Images of {row['class']!r} are nearly identical at step {step}: "
                    f"their diversity is {row['diversity']:.2f} of that of real "
                    "images. The best state of training is kept; if this persists, a "
                    "smaller learning_rate or more steps may help.",
                    TrainingWarning,
                    stacklevel=2,
                )

    def is_flat(self) -> bool:
        """Return whether the last evaluations have shown no improvement."""
        before, recent = self.distances[:-PATIENCE], self.distances[-PATIENCE:]
        if not before:
            return False
        return min(recent) >= (1 - LEAST_IMPROVEMENT) * min(before)

    def restore_best(self) -> int:
        """Give the generator its best weights; return the step they are from."""
        if self.best_weights is None:
            return self.model.steps_done
        self.sampler.set_weights(self.best_weights)
        return self.best_step

    def state(self) -> State:
        """Return the evaluations so far, the best state, and the judge."""
        best, judge = self.best_weights or [], self.meter.judge
        return State(
            {
                "n_due": self.n_due,
                "ending": self.ending,
                "distances": self.distances,
                "collapsed": self.collapsed,
                "last_step": self.last_step,
                "best_step": self.best_step,
                "best_distance": self.best_distance,
            },
            {f"best/{i}": weights for i, weights in enumerate(best)}
            | ({} if judge is None else judge.state().arrays),
        )

    def restore(self, state: State) -> None:
        """Restore a former state."""
        for name in self.state().facts:
            setattr(self, name, state.facts[name])
        n_best = sum(name.startswith("best/") for name in state.arrays)
        best = [state.arrays[f"best/{i}"] for i in range(n_best)]
        self.best_weights = best or None
        if n_best < len(state.arrays):
            self.meter.restore_judge(state)


class CheckpointMonitor(keras.callbacks.Callback):
    """Writes checkpoints every minute, at the end, and on interruption.

    Must be the last callback, so that it saves all their states after a step.
    `run` is what :func:`balancegan.gan.checkpoint.describe_run` returns, `parts` is
    everything that changes in training.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        run: dict[str, Any],
        parts: Mapping[str, Stateful],
        budget: Budget,
        signals: DeferredSignals,
    ) -> None:
        super().__init__()
        self.folder, self.run, self.parts = folder, run, parts
        self.budget, self.signals = budget, signals
        self.written_at, self.has_failed = 0.0, False

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Write a checkpoint if it is time to, or if the user has interrupted."""
        due = self.budget.seconds - self.written_at >= CHECKPOINT_SECONDS
        if due or self.signals.pending is not None:
            self.write()
        self.signals.deliver()
        self.signals.deferring = True  # before the first step there is nothing to save

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write the final state."""
        self.write()

    def write(self) -> None:
        """Write a checkpoint of the present state."""
        step, state = self.model.steps_done, join_states(self.parts)
        state.facts |= {"run": self.run, "step": step}
        try:
            self.folder.write(step, state)
        except OSError as error:
            if not self.has_failed:
                warnings.warn(
                    f"Step {step} cannot be saved in {self.folder.folder}: "
                    f"{error.strerror or error}. Training continues and tries again.",
                    CheckpointWarning,
                    stacklevel=2,
                )
            self.has_failed = True
        self.written_at = self.budget.seconds

    def restore(self, state: State) -> None:
        """Restore all parts from a checkpoint of the same run."""
        check_same_run(self.run, state.facts["run"])
        try:
            restore_parts(self.parts, state)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SavedModelError(
                f"A checkpoint in {self.folder.folder} is damaged: {error!r}"
            ) from error
        self.written_at = self.budget.seconds


def _mean(values: list[float]) -> float:
    """Return the mean of the values that are not NaN, NaN if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
