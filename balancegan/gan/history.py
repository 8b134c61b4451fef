"""The record of a training: losses and image quality by step, in memory and on disk.

Every record is passed at once to listeners (a log folder, the progress display).
"""

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balancegan.balance import class_text
from balancegan.errors import DataError
from balancegan.files import check_folder, plain_facts
from balancegan.gan.checkpoint import State
from balancegan.gan.model import TrainedModel
from balancegan.pictures import tile_grid, write_png

SHOWN_CLASSES = 20
SHOWN_PER_CLASS = 10
FIGURES = ("agreement", "diversity", "distance")  # of a class

Event = dict[str, Any]
Listener = Callable[[Event], None]


class History:
    """Losses and image quality over the steps of one training run.

    Listeners are called with every event: a dict with "event" ("losses" or "quality"),
    "step", "seconds", and the figures; of quality also "classes", one dict per class.

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
        """Record the mean losses since the last record."""
        self._record("losses", step, seconds, losses)

    def record_quality(
        self, step: int, seconds: float, classes: list[Event], means: dict[str, float]
    ) -> None:
        """Record an evaluation: the figures of some classes, and their means.

        Each entry of `classes` has "class", the user's label, and the figures of one
        class.
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

    def frame(self) -> pd.DataFrame:
        """Return one row per recorded step; quality is NaN where not evaluated."""
        frame = pd.DataFrame(list(self.rows.values()))
        return frame if len(frame) else pd.DataFrame(columns=["step", "seconds"])

    def class_frame(self) -> pd.DataFrame:
        """Return one row per evaluation and class."""
        if self.class_rows:
            return pd.DataFrame(self.class_rows)
        return pd.DataFrame(columns=["step", "class", *FIGURES])

    def state(self) -> State:
        """Return all records."""
        return State({"rows": list(self.rows.values()), "classes": self.class_rows})

    def restore(self, state: State) -> None:
        """Restore former records."""
        self.rows = {row["step"]: row for row in state.facts["rows"]}
        self.class_rows = state.facts["classes"]
        for row in self.class_rows:
            if isinstance(row["class"], list):  # JSON has no tuples
                row["class"] = tuple(row["class"])


def describe_quality(event: Event) -> str | None:
    """Return the result of an evaluation in words; None for other events.

    With several attributes only the means are named, as there are many combinations.

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
    start, prefix = f"step {event['step']:,}: ", "agreement_"
    means = [
        f"{name.removeprefix(prefix)} {_percent(mean)}"
        for name, mean in event.items()
        if name.startswith(prefix)
    ]
    variety = f"variety {_percent(event['diversity'])}"
    if means:
        return f"{start}recognised {', '.join(means)}; {variety}"

    def weakness(row: Event) -> float:
        diversity = row["diversity"]
        return min(row["agreement"], 1.0 if math.isnan(diversity) else diversity)

    weakest = min(event["classes"], key=weakness)
    figures = f"{_percent(weakest['agreement'])}, {_percent(weakest['diversity'])}"
    return (
        f"{start}{_percent(event['agreement'])} recognised, {variety}; weakest "
        f"{class_text(weakest['class'])}: {figures}"
    )


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{100 * share:.0f} %"


class RunLog:
    """Listens to a :class:`History` and writes a new folder per run: run-1, ...

    It holds `history.jsonl`, a line per event; `samples/`, grids of the same images at
    every evaluation; optionally TensorBoard's event files, with the package
    `tensorboard`. Raises DataError if the folder cannot be created or the package is
    not installed.
    """

    def __init__(
        self, folder: str | os.PathLike[str], model: TrainedModel, *, tensorboard: bool
    ) -> None:
        self.model = model
        writer = _tensorboard_writer() if tensorboard else None
        self.folder = _make_run_folder(Path(folder))
        self.lines = (self.folder / "history.jsonl").open("a", encoding="utf-8")
        self.writer = writer and writer(str(self.folder))
        counts = model.counts.ravel()
        rarest_first = np.argsort(counts, kind="stable")
        shown = rarest_first[counts[rarest_first] > 0][:SHOWN_CLASSES]
        self.shown_classes = sorted(shown.tolist())

    def __call__(self, event: Event) -> None:
        """Write one event."""
        self.lines.write(json.dumps(plain_facts(event), ensure_ascii=False) + "\n")
        self.lines.flush()
        if self.writer is not None:
            for name, value in _scalars(event).items():
                self.writer.add_scalar(name, value, event["step"])
            self.writer.flush()
        if event["event"] == "quality":
            self.write_samples(event["step"])

    def write_samples(self, step: int) -> None:
        """Write a grid of images 0 to 9 of each class, one row per class."""
        (self.folder / "samples").mkdir(exist_ok=True)
        to_uint8 = self.model.image_format.to_uint8
        rows = []
        for class_index in self.shown_classes:
            images = self.model.make_images(class_index, 0, SHOWN_PER_CLASS)
            rows.append(to_uint8(np.concatenate(list(images))))
        write_png(self.folder / "samples" / f"step_{step:06d}.png", tile_grid(rows))

    def close(self) -> None:
        """Close the files."""
        self.lines.close()
        if self.writer is not None:
            self.writer.close()


def _make_run_folder(parent: Path) -> Path:
    """Create and return the first of run-1, run-2, ... that does not exist."""
    reason = check_folder(parent)
    if reason is not None:
        raise DataError(f"log_dir={str(parent)!r} cannot be written: {reason}.")
    try:
        parent.mkdir(exist_ok=True)
        for number in count(1):
            folder = parent / f"run-{number}"
            with suppress(FileExistsError):  # another run may create it just now
                folder.mkdir()
                break
    except OSError as error:
        raise DataError(f"log_dir={str(parent)!r} cannot be used: {error}") from error
    return folder


def _tensorboard_writer() -> Any:
    try:
        from tensorboard.summary import Writer
    except ImportError as error:
        raise DataError(
            "tensorboard=True needs the package tensorboard, which is not installed. "
            "Install it: pip install tensorboard."
        ) from error
    return Writer


def _scalars(event: Event) -> dict[str, float]:
    """Return the figures of an event by name; those of a class as quality/class."""
    scalars = {k: v for k, v in event.items() if isinstance(v, float)}
    scalars.pop("seconds")
    for row in event.get("classes", []):
        for name in FIGURES:
            scalars[f"{name}/{row['class']}"] = row[name]
    return scalars
