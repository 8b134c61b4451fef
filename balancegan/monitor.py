"""Watching from outside: progress, budgets, history, bad losses.

Keras callbacks that the training loop does not know about, and the progress display
that training and synthesis share. Everything for people goes to stderr.
"""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
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
from balancegan.errors import TrainingFailed

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

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` units of all are done."""
        self.bar.update(self.task, completed=done, note=note)
        now = time.monotonic()
        due = now - self.last_line >= SECONDS_BETWEEN_LINES
        if self.console.is_terminal or not due or not done:
            return
        left = (now - self.started) * (self.total - done) / done
        line = f"{self.description}: {done} of {self.total} {self.unit}"
        self.console.out(f"{line}, about {format_seconds(left)} left {note}".rstrip())
        self.last_line = now


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


class TrainingMonitor(keras.callbacks.Callback):
    """Record the losses, keep the budget, show progress, refuse bad numbers.

    Parameters
    ----------
    display : ProgressDisplay or None
        Where progress is shown.
    max_seconds : float or None
        Training ends once so many seconds have passed. None: no limit.
    interval : int, default=50
        Steps between two records in `history`.
    """

    def __init__(
        self,
        display: ProgressDisplay | None,
        max_seconds: float | None,
        interval: int = 50,
    ) -> None:
        super().__init__()
        self.display, self.max_seconds, self.interval = display, max_seconds, interval
        self.history: dict[str, list[float]] = {"step": [], "seconds": []}
        self.unrecorded: dict[str, float] = {}
        self.steps_done, self.seconds = 0, 0.0
        self.started = time.monotonic()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Look at the losses since the last record."""
        losses = {name: float(value) for name, value in (logs or {}).items()}
        self.seconds = time.monotonic() - self.started
        intervals_before = self.steps_done // self.interval
        is_first_call = not self.steps_done  # it compiles: its time stands alone
        # Not `batch`: Keras counts a last, shorter call as a whole one
        self.steps_done = int(self.model.step)
        for name, value in losses.items():
            if not math.isfinite(value):
                raise TrainingFailed(
                    f"The {name.replace('_', ' ')} is {value} at step "
                    f"{self.steps_done}: training diverged. A smaller learning_rate "
                    "helps most often."
                )
        self.unrecorded = losses
        if is_first_call or self.steps_done // self.interval > intervals_before:
            self.record()
        if self.max_seconds is not None and self.seconds >= self.max_seconds:
            self.model.stop_training = True
        if self.display is not None:
            done = self.steps_done if self.max_seconds is None else int(self.seconds)
            note = "  ".join(f"{k.split('_')[0]} {v:.2f}" for k, v in losses.items())
            self.display.update(done, note)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Record what the last full interval left over."""
        if self.unrecorded:
            self.record()

    def record(self) -> None:
        """Add the mean losses since the last record to the history."""
        record = {
            "step": self.steps_done,
            "seconds": round(self.seconds, 3),
            **self.unrecorded,
        }
        for name, value in record.items():
            self.history.setdefault(name, []).append(value)
        self.unrecorded = {}
        self.model.reset_metrics()


def peak_memory_bytes() -> int | None:
    """Return the largest resident memory of this process so far, if known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
