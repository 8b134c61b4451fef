"""How long each phase of the work takes; every second counts for exactly one phase.

``progress`` and the command line display it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")

OTHER = "Other"
PAST = {
    "Reading": "read",
    "Starting TensorFlow": "started TensorFlow",
    "Preparing": "prepared",
    "Finding regions": "found regions",
    "Compiling": "compiled",
    "Training": "trained",
    "Trying amounts": "tried amounts",
    "Judging": "judged",
    "Copying": "copied",
    "Generating": "generated",
    "Writing": "wrote",
    "Measuring": "measured",
    "Comparing": "compared",
    "Checking": "checked",
    OTHER: "other",
}


class PhaseTimes:
    """Counts every second for one phase: the innermost, or "Other" between phases.

    Examples
    --------
    >>> times = PhaseTimes(iter([0.0, 1.0, 4.0, 4.5]).__next__)
    >>> times.begin("Training"), times.end()
    (None, None)
    >>> times.read()
    {'Other': 1.5, 'Training': 3.0}
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.since = clock, clock()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.phases: list[str] = []

    def begin(self, phase: str) -> None:
        """Begin a phase, within the present one if there is one."""
        self._book()
        self.phases.append(phase)

    def end(self) -> None:
        """End the innermost phase."""
        self._book()
        self.phases.pop()

    def read(self) -> dict[str, float]:
        """Return the seconds of each phase so far; they add up to the time elapsed."""
        self._book()
        return dict(self.seconds)

    def _book(self) -> None:
        now = self.clock()
        self.seconds[self.phases[-1] if self.phases else OTHER] += now - self.since
        self.since = now


_times: ContextVar[PhaseTimes | None] = ContextVar("times", default=None)


@contextmanager
def recording_times(
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[PhaseTimes]:
    """Record how long the phases within the block take."""
    times = PhaseTimes(clock)
    token = _times.set(times)
    try:
        yield times
    finally:
        _times.reset(token)


@contextmanager
def spending(phase: str) -> Iterator[None]:
    """Count the time of the block for a phase, without displaying it."""
    times = _times.get()
    if times is None:
        yield
        return
    times.begin(phase)
    try:
        yield
    finally:
        times.end()


def spending_on_each(phase: str, items: Iterable[Item]) -> Iterator[Item]:
    """Yield items; the time to make them counts for a phase."""
    iterator = iter(items)
    while True:
        with spending(phase):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def format_seconds(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> format_seconds(7.4), format_seconds(100), format_seconds(4000)
    ('7 s', '1 min 40 s', '1 h 7 min')
    """
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


def describe_times(seconds: dict[str, float]) -> str:
    """Return the duration of each phase and of all; the rounded numbers add up.

    Examples
    --------
    >>> describe_times({"Other": 1.4, "Training": 42.4, "Writing": 2.4})
    'trained 42 s, wrote 3 s, other 1 s: 46 s in all'
    """
    last = {OTHER: seconds.get(OTHER, 0.0)}
    ordered = {k: s for k, s in seconds.items() if k != OTHER} | last
    unit = 60 if sum(seconds.values()) >= 3600 else 1  # of the displayed numbers
    told, before, exact = [], 0, 0.0
    for phase, taken in ordered.items():
        exact += taken
        until = round(exact / unit) * unit
        if until > before:
            told.append(f"{PAST[phase]} {format_seconds(until - before)}")
        before = until
    return f"{', '.join(told)}: {format_seconds(before)} in all".removeprefix(": ")


def present_times() -> PhaseTimes | None:
    """Return the present record of times, None if there is none."""
    return _times.get()
