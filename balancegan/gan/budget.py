"""When training ends: so many steps, so many minutes, whichever comes first.

Owns the clock of a training run. Everything that depends on how far training has
come (progress, schedules, when to look at the images) asks here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from balancegan.progress import ProgressDisplay
from balancegan.state import State

TRAINING = "Training"
MEASURED_STEPS = 20  # after the first call, to foresee how long training takes


@dataclass
class Budget:
    """Steps and seconds that training may take.

    Parameters
    ----------
    steps : int
        At most so many training steps.
    max_seconds : float or None
        At most so many seconds from `start` on. None: no limit.
    may_end_before : bool, default=False
        Whether training may well end before all is used up.
    limits_steps : bool, default=True
        Whether `steps` is a limit that can be reached, rather than no limit.
    size : str, default=""
        Height and width of the images, as people read them.

    Examples
    --------
    >>> budget = Budget(steps=200, max_seconds=None)
    >>> budget.share_used(50), budget.is_used_up(199), budget.is_used_up(200)
    (0.25, False, True)
    """

    steps: int
    max_seconds: float | None
    started: float = field(default_factory=time.monotonic, repr=False)
    agreed: float | None = field(default=None, repr=False)  # seconds
    may_end_before: bool = field(default=False, kw_only=True)
    limits_steps: bool = field(default=True, kw_only=True)
    size: str = field(default="", kw_only=True)
    first_call: tuple[int, float] | None = field(default=None, init=False, repr=False)
    is_announced: bool = field(default=False, init=False, repr=False)

    def start(self) -> None:
        """Start the clock anew."""
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start, or those that were agreed on."""
        if self.agreed is not None:
            return self.agreed
        return time.monotonic() - self.started

    def agree(self, ask: Callable[[float], float]) -> None:
        """Let the clock stand until the next call, at what others say as well.

        Parameters
        ----------
        ask : callable
            Own seconds to those of all who train together: they must not find each at
            another moment that the time is over.
        """
        self.agreed = None
        self.agreed = ask(self.seconds)

    def state(self) -> State:
        """Return what is left of it."""
        facts = {"steps": self.steps, "max_seconds": self.max_seconds}
        return State({**facts, "seconds": self.seconds})

    def restore(self, state: State) -> None:
        """Let the clock go on from where it was."""
        self.steps, self.max_seconds = state.facts["steps"], state.facts["max_seconds"]
        self.started = time.monotonic() - state.facts["seconds"]

    def share_used(self, step: int) -> float:
        """Return how much of the budget `step` steps have used: 1 or more is all."""
        shares = [step / self.steps]
        if self.max_seconds is not None:
            shares.append(self.seconds / self.max_seconds)
        return max(shares)

    def end_at_share(self, share: float, step: int) -> None:
        """Shorten the budget so that `step` steps are `share` of it."""
        self.may_end_before = False
        self.steps = min(self.steps, max(step, round(step / share)))
        if self.max_seconds is not None:
            self.max_seconds = min(self.max_seconds, self.seconds / share)

    def show(self, display: ProgressDisplay, step: int, note: str) -> None:
        """Show how much of it `step` steps have used."""
        total = self.steps if self.limits_steps else None
        left = None
        if self.max_seconds is not None:
            left = max(0.0, self.max_seconds - self.seconds)
        if display.phase != TRAINING:  # what compiles is over with the first call
            display.begin(TRAINING, total, "steps", done=step, seconds=left)
        display.is_most = self.may_end_before and total is not None
        display.update(step, note, total=total, seconds_left=left)
        self._announce(display, step)

    def _announce(self, display: ProgressDisplay, step: int) -> None:
        """Say once, when the first steps have shown it, how long training takes."""
        if self.first_call is None:  # it compiles: its time says nothing
            self.first_call = step, self.seconds
        done = step - self.first_call[0]
        if self.is_announced or done < MEASURED_STEPS:
            return
        self.is_announced = True
        foreseen = self.foresee(step, (self.seconds - self.first_call[1]) / done)
        if foreseen is not None:
            display.say(f"training at {self.size}: {foreseen}")

    def foresee(self, step: int, step_seconds: float) -> str | None:
        """Return how long training will take, None where that is a minute at most.

        Examples
        --------
        >>> Budget(3_000, None).foresee(step=30, step_seconds=1.0)
        '3,000 steps, about 50 min; max_minutes (--minutes) ends it earlier'
        >>> Budget(3_000, 300.0).foresee(step=30, step_seconds=1.0)
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
            "max_minutes (--minutes) ends it earlier"
        )

    def is_used_up(self, step: int) -> bool:
        """Return whether training ends now."""
        return self.share_used(step) >= 1
