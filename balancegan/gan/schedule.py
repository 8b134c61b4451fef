"""What changes in the course of training: the learning rate.

A callback, so that the training step knows one rate only.
"""

from typing import Any

import keras

from balancegan.gan.budget import Budget


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
        self.learning_rate = learning_rate

    def rate(self, step: int) -> float:
        """Return the learning rate after so many steps."""
        left = max(0.0, 1 - self.budget.share_used(step))
        if self.decay_from >= 1:
            return self.learning_rate
        return self.learning_rate * min(1.0, left / (1 - self.decay_from))

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Set the rate of the next call."""
        if self.decay_from < 1:
            self.model.set_learning_rate(self.rate(int(self.model.step)))
