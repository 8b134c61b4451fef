"""What training was seen to do: rows as they come, frames when asked.

Every record is passed on at once to those who listen (a log file, a progress
display); afterwards there are two tidy frames.
"""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from balancegan.balance import class_text
from balancegan.state import State

Event = dict[str, Any]
Listener = Callable[[Event], None]


class History:
    """Losses and image quality over the steps of one training run.

    Parameters
    ----------
    listeners : list of callable
        Called with every event as it is recorded: a dict with "event" ("losses" or
        "quality"), "step", "seconds", and the figures; of quality also "classes",
        one dict per class.

    Examples
    --------
    >>> history = History([print])
    >>> history.record_losses(10, 1.5, {"generator_loss": 0.7})
    {'event': 'losses', 'step': 10, 'seconds': 1.5, 'generator_loss': 0.7}
    >>> history.frame().columns.tolist()
    ['step', 'seconds', 'generator_loss']
    """

    def __init__(self, listeners: list[Listener] | None = None) -> None:
        self.listeners = list(listeners or [])
        self.rows: dict[int, Event] = {}
        self.class_rows: list[Event] = []

    def record_losses(
        self, step: int, seconds: float, losses: dict[str, float]
    ) -> None:
        """Record mean losses since the record before."""
        self._record("losses", step, seconds, losses)

    def record_quality(
        self, step: int, seconds: float, classes: list[Event], means: dict[str, float]
    ) -> None:
        """Record how good the images of some classes are, and the mean of it.

        Parameters
        ----------
        step : int
            Training steps so far.
        seconds : float
            Seconds so far.
        classes : list of dict
            "class", the user's label, and the figures of one class.
        means : dict
            The figures' means over these classes, and what the look cost.
        """
        self.class_rows += [{"step": step, **row} for row in classes]
        self._record("quality", step, seconds, means, classes=classes)

    def _record(
        self, event: str, step: int, seconds: float, figures: Event, **more: Any
    ) -> None:
        when = {"step": step, "seconds": round(seconds, 3)}
        self.rows.setdefault(step, when).update(figures)
        for listener in self.listeners:
            listener({"event": event, **when, **figures, **more})

    def state(self) -> State:
        """Return what was recorded."""
        return State({"rows": list(self.rows.values()), "classes": self.class_rows})

    def restore(self, state: State) -> None:
        """Have on record what was recorded before."""
        self.rows = {row["step"]: row for row in state.facts["rows"]}
        self.class_rows = state.facts["classes"]
        for row in self.class_rows:
            if isinstance(row["class"], list):  # JSON has no tuples
                row["class"] = tuple(row["class"])

    def frame(self) -> pd.DataFrame:
        """Return a row per step on record; quality is NaN where not looked at."""
        frame = pd.DataFrame(list(self.rows.values()))
        return frame if len(frame) else pd.DataFrame(columns=["step", "seconds"])

    def class_frame(self) -> pd.DataFrame:
        """Return a row per look at the images and class."""
        if self.class_rows:
            return pd.DataFrame(self.class_rows)
        columns = ["step", "class", "agreement", "diversity", "distance"]
        return pd.DataFrame(columns=columns)


def describe_quality(event: Event) -> str | None:
    """Return what a look at the images has shown in words; None for other events.

    Of several attributes it says the means, for the combinations are many.

    Examples
    --------
    >>> bag = {"class": "bag", "agreement": 0.931, "diversity": 0.88}
    >>> boot = {"class": 7, "agreement": 0.7, "diversity": 0.5}
    >>> means = {"agreement": 0.81, "diversity": 0.69}
    >>> event = {"event": "quality", "step": 500, **means, "classes": [bag, boot]}
    >>> describe_quality(event)
    "step 500: 81 % recognised, variety 69 %; weakest class '7': 70 %, 50 %"
    """
    if event["event"] != "quality":
        return None
    prefix = "agreement_"
    means = [
        f"{name.removeprefix(prefix)} {_percent(mean)}"
        for name, mean in event.items()
        if name.startswith(prefix)
    ]
    variety = f"variety {_percent(event['diversity'])}"
    if means:
        return f"step {event['step']:,}: recognised {', '.join(means)}; {variety}"
    said = f"step {event['step']:,}: {_percent(event['agreement'])} recognised"
    weakest = min(event["classes"], key=lambda row: min(row["agreement"], _low(row)))
    figures = f"{_percent(weakest['agreement'])}, {_percent(weakest['diversity'])}"
    return f"{said}, {variety}; weakest {class_text(weakest['class'])}: {figures}"


def _low(row: Event) -> float:
    """Return the diversity of a class, 1 where it is not known."""
    return 1.0 if math.isnan(row["diversity"]) else float(row["diversity"])


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{100 * share:.0f} %"
