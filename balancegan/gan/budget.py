"""When training ends, and how the learning rate falls until then.

Training ends after a number of steps or of minutes, whichever comes first.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import keras

from balancegan.gan.checkpoint import State
from balancegan.progress import ProgressDisplay

TRAINING = "Training"
LOWERED = 0.25  # of the learning rate, after each rollback
MEASURED_STEPS = 20  # after the first call, to estimate the duration of training


@dataclass
class Budget:
    """Steps and seconds that training may take, and its clock.

    Parameters
    ----------
    steps : int
        Maximum number of training steps.
    max_seconds : float or None
        Maximum number of seconds since `start`. None: no limit.
    may_end_before : bool, default=False
        Whether training may stop by itself before the budget is used up.
    limits_steps : bool, default=True
        Whether `steps` is a limit that can be reached, and is shown.
    size : str, default=""
        Height and width of the images, for messages.

    Examples
    --------
    >>> budget = Budget(steps=200, max_seconds=None)
    >>> budget.share_used(50), budget.is_used_up(199), budget.is_used_up(200)
    (0.25, False, True)
    """

    steps: int
    max_seconds: float | None
    started: float = field(default_factory=time.monotonic, repr=False)
    frozen_at: float | None = field(default=None, repr=False)  # seconds
    may_end_before: bool = field(default=False, kw_only=True)
    limits_steps: bool = field(default=True, kw_only=True)
    size: str = field(default="", kw_only=True)
    first_call: tuple[int, float] | None = field(default=None, init=False, repr=False)
    is_announced: bool = field(default=False, init=False, repr=False)

    def start(self) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def read_clock(self) -> float:
        """Return the seconds since the start by this process's own clock."""
        return time.monotonic() - self.started

    def freeze(self, seconds: float) -> None:
        """Show this time until the next call: all workers must see the same."""
        self.frozen_at = seconds

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self.read_clock() if self.frozen_at is None else self.frozen_at

    def state(self) -> State:
        """Return the limits and the seconds used."""
        facts = {"steps": self.steps, "max_seconds": self.max_seconds}
        return State({**facts, "seconds": self.seconds})

    def restore(self, state: State) -> None:
        """Restore the limits and set the clock to the seconds used."""
        self.steps, self.max_seconds = state.facts["steps"], state.facts["max_seconds"]
        self.started = time.monotonic() - state.facts["seconds"]

    def share_used(self, step: int) -> float:
        """Return the share of the budget that `step` steps have used: 1 is all."""
        shares = [step / self.steps]
        if self.max_seconds is not None:
            shares.append(self.seconds / self.max_seconds)
        return max(shares)

    def is_used_up(self, step: int) -> bool:
        """Return whether training ends after this step."""
        return self.share_used(step) >= 1

    def end_at_share(self, share: float, step: int) -> None:
        """Shorten the budget so that `step` steps are `share` of it."""
        self.may_end_before = False
        self.steps = min(self.steps, max(step, round(step / share)))
        if self.max_seconds is not None:
            self.max_seconds = min(self.max_seconds, self.seconds / share)

    def show(self, display: ProgressDisplay, step: int, note: str) -> None:
        """Show how much of the budget `step` steps have used."""
        total = self.steps if self.limits_steps else None
        left = None
        if self.max_seconds is not None:
            left = max(0.0, self.max_seconds - self.seconds)
        if display.phase != TRAINING:  # compiling ends with the first call
            display.begin(TRAINING, total, "steps", done=step, seconds=left)
        display.is_most = self.may_end_before and total is not None
        display.update(step, note, total=total, seconds_left=left)
        self._announce(display, step)

    def _announce(self, display: ProgressDisplay, step: int) -> None:
        """Show once, after the first steps, how long training will take."""
        if self.first_call is None:  # includes compiling
            self.first_call = step, self.seconds
        done = step - self.first_call[0]
        if self.is_announced or done < MEASURED_STEPS:
            return
        self.is_announced = True
        estimate = self.estimate(step, (self.seconds - self.first_call[1]) / done)
        if estimate is not None:
            display.say(f"training at {self.size}: {estimate}")

    def estimate(self, step: int, step_seconds: float) -> str | None:
        """Return in words how long training will take, None if a minute at most.

        Examples
        --------
        >>> Budget(3_000, None).estimate(step=30, step_seconds=1.0)
        '3,000 steps, about 50 min; max_minutes (--max-minutes) ends it earlier'
        >>> Budget(3_000, 300.0).estimate(step=30, step_seconds=1.0)
        'about 330 steps in 5 min'
        """
        seconds = self.seconds + (self.steps - step) * step_seconds
        limit = self.max_seconds
        if min(seconds, limit or seconds) <= 60:
            return None
        if limit is not None and seconds > limit:
            n = step + max(0.0, limit - self.seconds) / step_seconds
            return f"about {n:,.0f} steps in {limit / 60:g} min"
        most = "at most " if self.may_end_before else ""
        return (
            f"{most}{self.steps:,} steps, {most or 'about '}{seconds / 60:.0f} min; "
            "max_minutes (--max-minutes) ends it earlier"
        )


class LinearDecay(keras.callbacks.Callback):
    """Lets the learning rate fall linearly to 0 over the last part of the budget.

    At a constant rate the weights keep circling around an optimum; images become
    better if they settle. `decay_from` is the share of the budget after which the rate
    falls; 1 keeps it constant.

    Examples
    --------
    >>> schedule = LinearDecay(Budget(100, None), 0.1, decay_from=0.5)
    >>> [round(schedule.rate(step), 3) for step in (0, 50, 75, 100)]
    [0.1, 0.1, 0.05, 0.0]
    """

    def __init__(self, budget: Budget, learning_rate: float, decay_from: float) -> None:
        super().__init__()
        self.budget, self.decay_from = budget, decay_from
        self.learning_rate, self.times_lowered = learning_rate, 0

    def rate(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        rate = self.learning_rate * LOWERED**self.times_lowered
        if self.decay_from >= 1:
            return rate
        left = max(0.0, 1 - self.budget.share_used(step))
        return rate * min(1.0, left / (1 - self.decay_from))

    def lower(self) -> None:
        """Continue at a quarter of the rate."""
        self.times_lowered += 1

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Set the rate of the next call."""
        if self.decay_from < 1:
            self.model.set_learning_rate(self.rate(self.model.steps_done))

    def state(self) -> State:
        """Return how often the rate was lowered."""
        return State({"times_lowered": self.times_lowered})

    def restore(self, state: State) -> None:
        """Restore a former state."""
        self.times_lowered = state.facts["times_lowered"]
