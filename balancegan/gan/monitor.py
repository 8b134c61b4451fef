"""Watching training from outside: losses, budget, image quality, the best state.

Keras callbacks that the training step does not know about. What they see goes into
the :class:`~balancegan.gan.history.History`; who writes or shows it is not their
affair.
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
from balancegan.gan.checkpoint import CheckpointFolder, check_same_run
from balancegan.gan.history import History
from balancegan.gan.interrupts import Interrupts
from balancegan.gan.quality import QualityMeter
from balancegan.progress import ProgressDisplay
from balancegan.state import State, Stateful

CHECKPOINT_SECONDS = 60.0  # between two checkpoints
LEARNED_TO_VARY = 500  # steps; before, images are alike because all are poor
COLLAPSED = 0.2  # of the diversity of real images
EXPLODED = 1e4  # of losses, which are below 10 as a rule
LOSS_INTERVAL = 50  # steps between two records of the losses
LOOKS = 12  # at the images, over a whole budget
FIRST_LOOK = 200  # steps; before, there is nothing to see and no time to lose
AUTO_INTERVAL = 500  # steps between two looks where they decide when to stop
PATIENCE = 5  # looks without an improvement before training stops by itself
LEAST_IMPROVEMENT = 0.05  # share of the distance; less is none
# Distances of 64 images differ by as much between two equally good states. Of these
# the later one has learned more, in what this measure cannot see
NOISE = 0.01


class Diverged(TrainingFailed):
    """The losses are no numbers any more, or as good as none."""


class LossMonitor(keras.callbacks.Callback):
    """Record the losses, keep the budget, show progress, refuse bad numbers.

    Parameters
    ----------
    history : History
        Where the losses are recorded.
    budget : Budget
        When training ends.

    Attributes
    ----------
    display : ProgressDisplay or None
        Where progress is shown, if set.
    last_good : State or None
        Of the model, when all of it was numbers: at the last record or before.
    """

    def __init__(self, history: History, budget: Budget) -> None:
        super().__init__()
        self.history, self.budget = history, budget
        self.display: ProgressDisplay | None = None
        self.unrecorded: dict[str, float] = {}
        self.steps_done, self.seconds = 0, 0.0
        self.last_good: State | None = None

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Look at the losses since the last record."""
        losses = {name: float(value) for name, value in (logs or {}).items()}
        intervals_before = self.steps_done // LOSS_INTERVAL
        is_first_call = not self.steps_done  # it compiles: its time stands alone
        # Not `batch`: Keras counts a last, shorter call as a whole one
        self.steps_done, self.seconds = self.model.steps_done, self.budget.seconds
        for name, value in losses.items():
            if not abs(value) < EXPLODED:
                raise Diverged(
                    f"The {name.replace('_', ' ')} is {value:.4g} at step "
                    f"{self.steps_done}: training diverged. A smaller learning_rate "
                    "helps most often."
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
        """Record what the last full interval left over."""
        if self.unrecorded:
            self.record()

    def state(self) -> State:
        """Return what was seen and not recorded yet."""
        facts = {"steps_done": self.steps_done, "seconds": self.seconds}
        good = {} if self.last_good is None else self.last_good.arrays
        return State({**facts, "unrecorded": self.unrecorded}, dict(good))

    def restore(self, state: State) -> None:
        """Go on from what was seen before."""
        for name in self.state().facts:
            setattr(self, name, state.facts[name])
        self.last_good = State({}, state.arrays) if state.arrays else None

    def record(self) -> None:
        """Add the mean losses since the last record to the history."""
        self.history.record_losses(self.steps_done, self.seconds, self.unrecorded)
        self.unrecorded = {}
        self.model.reset_losses()
        self.keep_if_good()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Have a state to go back to from the first step on."""
        if self.last_good is None:
            self.keep_if_good()

    def keep_if_good(self) -> None:
        """Keep the state of this moment to go back to, if all of it is numbers."""
        state = self.model.state()
        if all(np.isfinite(array).all() for array in state.arrays.values()):
            self.last_good = state


class QualityMonitor(keras.callbacks.Callback):
    """Look at the images of the few-shot classes now and then; keep the best state.

    Parameters
    ----------
    meter : QualityMeter
        Measures the images.
    history : History
        Where the figures are recorded.
    budget : Budget
        Looks are spread evenly over it.
    sampler : keras.Model
        The generator whose images the meter measures: the GAN's own, or one outside,
        which gets its weights.
    until_flat_at : float or None
        Look every 500 steps instead, and when the images have not become better in
        the last five looks, take what was used of the budget for this share of it.
        None: the budget stays as it is.
    from_chief : callable
        Own figures to those that count, where several train together: what they decide
        they must decide alike.
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
        self.looks_due, self.ending = 0, False
        self.distances: list[float] = []
        self.alike: list[int] = []  # places of the classes that were so at this look
        self.last_step = 0
        self.best_step, self.best_distance = 0, math.inf
        self.best_weights: list[np.ndarray] | None = None

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Look at the images if it is time to."""
        step = self.model.steps_done
        if self.until_flat_at is not None:
            due = step // AUTO_INTERVAL
        else:
            due = int(LOOKS * self.budget.share_used(step))
        if due > self.looks_due and step >= FIRST_LOOK:
            self.looks_due = due
            self.look(step)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Look at the last state, unless training was too short to look at all."""
        step = self.model.steps_done
        if self.distances and step > self.last_step:
            self.look(step)

    def look(self, step: int) -> None:
        """Measure the images, record the figures, remember the best state."""
        started = self.budget.seconds
        self.refresh_sampler()
        rows = self.meter.measure()
        names = [name for name in rows[0] if name != "class"]
        own = np.array([[row[name] for name in names] for row in rows], dtype=float)
        for row, figures in zip(rows, self.from_chief(own).tolist(), strict=True):
            row.update(zip(names, figures, strict=True))
        means = {name: _mean([row[name] for row in rows]) for name in names}
        means["look_seconds"] = self.budget.seconds - started
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
        """Let the sampler make images as the GAN's generator now would."""
        if self.sampler is not self.model.sampling_generator:
            self.sampler.set_weights(self.model.sampling_generator.get_weights())

    def warn_of_collapse(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Say once of a class, at the second look in a row, that it has collapsed."""
        if step < LEARNED_TO_VARY:
            return
        alike = [i for i, row in enumerate(rows) if row["diversity"] < COLLAPSED]
        for i in alike:
            if self.alike.count(i) == 1:
                warnings.warn(
                    f"Images of {rows[i]['class']!r} are nearly all alike at step "
                    f"{step}: their diversity is {rows[i]['diversity']:.2f} of that "
                    "of real ones. The best state of training is kept; if it stays so, "
                    "a smaller learning_rate or more steps may help.",
                    TrainingWarning,
                    stacklevel=2,
                )
        # Twice is said already
        self.alike = [i for i in alike for _ in range(min(self.alike.count(i) + 1, 2))]

    def state(self) -> State:
        """Return the looks so far, the best state, and the judge that looked."""
        best, judge = self.best_weights or [], self.meter.judge
        return State(
            {
                "looks_due": self.looks_due,
                "ending": self.ending,
                "distances": self.distances,
                "alike": self.alike,
                "last_step": self.last_step,
                "best_step": self.best_step,
                "best_distance": self.best_distance,
            },
            {f"best/{i}": weights for i, weights in enumerate(best)}
            | ({} if judge is None else judge.state().arrays),
        )

    def restore(self, state: State) -> None:
        """Go on from the looks before."""
        for name in self.state().facts:
            setattr(self, name, state.facts[name])
        n_best = sum(name.startswith("best/") for name in state.arrays)
        best = [state.arrays[f"best/{i}"] for i in range(n_best)]
        self.best_weights = best or None
        if n_best < len(state.arrays):
            self.meter.adopt_judge(state)

    def is_flat(self) -> bool:
        """Return whether the last looks have shown no improvement on those before."""
        before, recent = self.distances[:-PATIENCE], self.distances[-PATIENCE:]
        if not before:
            return False
        return min(recent) >= (1 - LEAST_IMPROVEMENT) * min(before)

    def restore_best(self) -> int:
        """Give the generator its best state; return the step it is of."""
        if self.best_weights is None:
            return self.model.steps_done
        self.sampler.set_weights(self.best_weights)
        return self.best_step


class CheckpointMonitor(keras.callbacks.Callback):
    """Write checkpoints now and then, at the end, and when somebody interrupts.

    The last callback: it finds the others as they are after a step.

    Parameters
    ----------
    folder : CheckpointFolder
        Where they are written.
    run : dict
        What the run is of; see :func:`describe_run`.
    parts : dict of str to Stateful
        All that changes in training.
    budget : Budget
        Has the clock.
    interrupts : Interrupts
        Whether somebody wants training to end.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        run: dict[str, Any],
        parts: Mapping[str, Stateful],
        budget: Budget,
        interrupts: Interrupts,
    ) -> None:
        super().__init__()
        self.folder, self.run, self.parts = folder, run, parts
        self.budget, self.interrupts = budget, interrupts
        self.written_at, self.has_failed = 0.0, False

    def restore(self, state: State) -> None:
        """Make everything what it was like when a checkpoint was written."""
        check_same_run(self.run, state.facts["run"])
        try:
            restore_parts(self.parts, state)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SavedModelError(
                f"A checkpoint in {self.folder.folder} is damaged: {error!r}"
            ) from error
        self.written_at = self.budget.seconds

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Write a checkpoint if it is time to, or if somebody wants training to end."""
        due = self.budget.seconds - self.written_at >= CHECKPOINT_SECONDS
        if due or self.interrupts.pending is not None:
            self.write()
        self.interrupts.deliver()
        self.interrupts.hold()  # before the first step there was nothing to lose

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write what training came to."""
        self.write()

    def write(self) -> None:
        """Write a checkpoint of this moment."""
        step = self.model.steps_done
        whole = State({"run": self.run, "step": step})
        for name, part in self.parts.items():
            state = part.state()
            whole.facts[name] = state.facts
            whole.arrays |= {f"{name}/{key}": a for key, a in state.arrays.items()}
        try:
            self.folder.write(step, whole)
        except OSError as error:
            if not self.has_failed:
                warnings.warn(
                    f"Step {step} cannot be written down in {self.folder.folder}: "
                    f"{error.strerror or error}. Training goes on, and tries again.",
                    CheckpointWarning,
                    stacklevel=2,
                )
            self.has_failed = True
        self.written_at = self.budget.seconds


def restore_parts(parts: Mapping[str, Stateful], state: State) -> None:
    """Make the parts of a training what they were like in a checkpoint of all."""
    for name, part in parts.items():
        part.restore(_part_of(state, name))


def _part_of(state: State, name: str) -> State:
    start = f"{name}/"
    arrays = {
        key.removeprefix(start): array
        for key, array in state.arrays.items()
        if key.startswith(start)
    }
    return State(state.facts[name], arrays)


def _mean(values: list[float]) -> float:
    """Return the mean of those that are numbers, NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
