"""Progress for people: a bar on a terminal, a plain line now and then elsewhere.

Training and synthesis share it. Everything goes to stderr.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

SECONDS_BETWEEN_LINES = 10


class TimeLeft:
    """Foretells the time left where units of several kinds take different times.

    Parameters
    ----------
    kinds : iterable of str
        The kind of every unit.
    n_workers : int
        Units done side by side.

    Examples
    --------
    >>> left = TimeLeft(["slow", "quick", "quick", "slow"], n_workers=1)
    >>> left.note("quick", 1.0)
    >>> left.seconds() is None
    True
    >>> left.note("slow", 60.0)
    >>> left.seconds()
    61.0
    """

    def __init__(self, kinds: Iterable[str], n_workers: int) -> None:
        self.left, self.n_workers = Counter(kinds), n_workers
        self.took: defaultdict[str, list[float]] = defaultdict(list)

    def note(self, kind: str, seconds: float) -> None:
        """Note that a unit is done; 0 seconds say nothing about the others."""
        self.left[kind] -= 1
        if seconds:
            self.took[kind].append(seconds)

    def seconds(self) -> float | None:
        """Return the seconds left, or None while a kind has never been seen."""
        waiting = +self.left
        if set(waiting) - set(self.took):
            return None
        means = {kind: sum(s) / len(s) for kind, s in self.took.items()}
        return sum(n * means[kind] for kind, n in waiting.items()) / self.n_workers


class ProgressDisplay:
    """A bar with the time left on a terminal, a plain line now and then elsewhere.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        How many units of work there are.
    unit : str
        Plural name of a unit, for the plain lines.
    time_left : TimeLeft or None
        Who knows it. None: all units take the same time.
    """

    def __init__(
        self,
        description: str,
        total: int,
        unit: str,
        time_left: TimeLeft | None = None,
    ) -> None:
        self.console, self.time_left = Console(stderr=True), time_left
        self.description, self.total, self.unit = description, total, unit
        self.started, self.last_line = time.monotonic(), -math.inf
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]} {task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(description, total=total, note="", left="")

    def update(self, done: int, note: str = "", total: int | None = None) -> None:
        """Show that `done` units are done of all, or of a `total` that has changed."""
        self.total = total or self.total
        now = time.monotonic()
        seconds = self._seconds_left(done, now)
        left = "" if seconds is None else f"about {format_seconds(seconds)} left"
        self.bar.update(
            self.task, completed=done, total=self.total, note=note, left=left
        )
        due = now - self.last_line >= SECONDS_BETWEEN_LINES
        if self.console.is_terminal or not due or not done:
            return
        line = f"{self.description}: {done} of {self.total} {self.unit}"
        about = f", {left}" if left else ""
        self.console.out(f"{line}{about} {note}".rstrip())
        self.last_line = now

    def _seconds_left(self, done: int, now: float) -> float | None:
        if self.time_left is not None:
            return self.time_left.seconds()
        return (now - self.started) * (self.total - done) / done if done else None

    def say(self, line: str | None) -> None:
        """Show a line that stays, above the bar; nothing where it is None."""
        if line is not None:
            self.console.out(line, highlight=False)


@contextmanager
def show_progress(
    description: str,
    total: int,
    unit: str,
    *,
    visible: bool,
    time_left: TimeLeft | None = None,
) -> Iterator[ProgressDisplay | None]:
    """Show progress within the block; yield None where nothing shall be shown."""
    if not visible:
        yield None
        return
    display = ProgressDisplay(description, total, unit, time_left)
    with display.bar:
        yield display


def format_seconds(seconds: float) -> str:
    """Return a duration as people say it.

    Examples
    --------
    >>> format_seconds(7.4), format_seconds(100), format_seconds(4000)
    ('7 s', '1 min 40 s', '1 h 7 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"
