"""What a training run leaves on disk for those who watch it, while it runs.

One folder per run: `history.jsonl`, a line per event; `samples/`, grids of the same
images at every look; on request TensorBoard's event files. Nothing here changes what
is learned.
"""

import json
import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.errors import DataError
from balancegan.files import check_folder, plain_facts
from balancegan.gan.history import Event
from balancegan.gan.model import TrainedModel
from balancegan.pictures import tile_grid, write_png

SHOWN_CLASSES = 20
SHOWN_PER_CLASS = 10


class RunLog:
    """A listener of a :class:`~balancegan.gan.history.History` that writes files.

    Parameters
    ----------
    folder : path-like
        The run gets a new folder `run-1`, `run-2`, ... in it; made if missing.
    model : TrainedModel
        The one in training, whose images are drawn.
    tensorboard : bool
        Also write TensorBoard's event files, with the package `tensorboard`.

    Raises
    ------
    DataError
        If the folder cannot be made or `tensorboard` is not installed.
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
        """Write down one event."""
        self.lines.write(json.dumps(plain_facts(event), ensure_ascii=False) + "\n")
        self.lines.flush()
        if self.writer is not None:
            for name, value in _scalars(event).items():
                self.writer.add_scalar(name, value, event["step"])
            self.writer.flush()
        if event["event"] == "quality":
            self.write_samples(event["step"])

    def write_samples(self, step: int) -> None:
        """Write a grid: a row per class, always the same numbers of it."""
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
    """Make and return the first of run-1, run-2, ... that is not there yet."""
    reason = check_folder(parent)
    if reason is not None:
        raise DataError(f"log_dir={str(parent)!r} cannot be written: {reason}.")
    try:
        parent.mkdir(exist_ok=True)
        for number in count(1):
            folder = parent / f"run-{number}"
            with suppress(FileExistsError):  # also of a run that begins just now
                folder.mkdir()
                break
    except OSError as error:
        raise DataError(f"log_dir={str(parent)!r} cannot be used: {error}") from error
    return folder


def _tensorboard_writer() -> Any:
    """Return TensorBoard's class of writers."""
    try:
        from tensorboard.summary import Writer
    except ImportError as error:
        raise DataError(
            "tensorboard=True needs the package tensorboard, which is not installed. "
            "Install it: pip install tensorboard."
        ) from error
    return Writer


def _scalars(event: Event) -> dict[str, float]:
    """Return the figures of an event by name, those of a class as quality/class."""
    scalars = {k: v for k, v in event.items() if isinstance(v, float)}
    scalars.pop("seconds")
    for row in event.get("classes", []):
        for name in ("agreement", "diversity", "distance"):
            scalars[f"{name}/{row['class']}"] = row[name]
    return scalars
