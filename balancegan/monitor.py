"""Watching training from outside: losses, budgets, bad numbers.

Keras callbacks that the training step does not know about.
"""

import math
import time
from typing import Any

import keras

from balancegan.errors import TrainingFailed
from balancegan.progress import ProgressDisplay


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
