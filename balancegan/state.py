"""What is kept of training so that it can go on: every part says its own."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(eq=False)
class State:
    """What something that changes in training is like at one moment of it.

    Attributes
    ----------
    facts : dict
        What JSON can say.
    arrays : dict of str to ndarray
        What it cannot.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class Stateful(Protocol):
    """Something that changes in training."""

    def state(self) -> State:
        """Return what it is like now."""

    def restore(self, state: State) -> None:
        """Make it what it was like."""
