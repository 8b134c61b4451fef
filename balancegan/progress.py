"""Progress for people: a bar on a terminal, a plain line now and then elsewhere.

Training and synthesis share it. Everything goes to stderr.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from balancegan.display import format_seconds

SECONDS_BETWEEN_LINES = 10


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
    """

    def __init__(self, description: str, total: int, unit: str) -> None:
        self.console = Console(stderr=True)
        self.description, self.total, self.unit = description, total, unit
        self.started, self.last_line = time.monotonic(), -math.inf
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(description, total=total, note="")

    def update(self, done: int, note: str = "", total: int | None = None) -> None:
        """Show that `done` units are done of all, or of a `total` that has changed."""
        self.total = total or self.total
        self.bar.update(self.task, completed=done, total=self.total, note=note)
        now = time.monotonic()
        due = now - self.last_line >= SECONDS_BETWEEN_LINES
        if self.console.is_terminal or not due or not done:
            return
        left = (now - self.started) * (self.total - done) / done
        line = f"{self.description}: {done} of {self.total} {self.unit}"
        self.console.out(f"{line}, about {format_seconds(left)} left {note}".rstrip())
        self.last_line = now

    def say(self, line: str | None) -> None:
        """Show a line that stays, above the bar; nothing where it is None."""
        if line is not None:
            self.console.out(line, highlight=False)


@contextmanager
def show_progress(
    description: str, total: int, unit: str, *, visible: bool
) -> Iterator[ProgressDisplay | None]:
    """Show progress within the block; yield None where nothing shall be shown."""
    if not visible:
        yield None
        return
    display = ProgressDisplay(description, total, unit)
    with display.bar:
        yield display
