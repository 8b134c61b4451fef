"""What changes in the course of training: the learning rate.

A callback, so that the training step knows one rate only.
"""

from typing import Any

import keras

from balancegan.gan.budget import Budget
from balancegan.state import State

LOWERED = 0.25  # of the rate, each time that training diverged


class LinearDecay(keras.callbacks.Callback):
    """Let the learning rate fall linearly to 0 over the last part of the budget.

    At a constant rate the weights keep circling the point that they have come near
    to; the images are the better for letting them settle.

    Parameters
    ----------
    budget : Budget
        How far training has come.
    learning_rate : float
        The rate at the start.
    decay_from : float
        The share of the budget from which on the rate falls. 1: it does not.

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
        """Return the learning rate after so many steps."""
        rate = self.learning_rate * LOWERED**self.times_lowered
        if self.decay_from >= 1:
            return rate
        left = max(0.0, 1 - self.budget.share_used(step))
        return rate * min(1.0, left / (1 - self.decay_from))

    def lower(self) -> None:
        """Go on at a quarter of the rate."""
        self.times_lowered += 1

    def state(self) -> State:
        """Return how often the rate was lowered."""
        return State({"times_lowered": self.times_lowered})

    def restore(self, state: State) -> None:
        """Go on at the rate that it was lowered to."""
        self.times_lowered = state.facts["times_lowered"]

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Set the rate of the next call."""
        if self.decay_from < 1:
            self.model.set_learning_rate(self.rate(self.model.steps_done))
