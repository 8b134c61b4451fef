"""Training on disk while it runs, so that it can be taken up again exactly there.

A checkpoint is one .npz file of arrays, one of which is a text of JSON: nothing in it
is executed. It is written whole, the last two are kept, and a damaged one is passed
over. What a run is of (the data, the settings, the versions) is in each of them, and
another run is refused with what differs.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.attributes import Labels
from balancegan.errors import CheckpointWarning, SavedModelError
from balancegan.files import DAMAGES, check_folder, clear_leftovers, whole_file
from balancegan.memory import release
from balancegan.state import State
from balancegan.versions import library_versions

LIBRARIES = ("balancegan", "tensorflow", "keras", "numpy")
KEPT = 2  # the last ones
NAME = re.compile(r"step-(\d+)\.npz")
NOT_WHOLE = re.compile(r"\.(step-\d+\.npz)\..+")  # what such a file is called before
SEED = "seed"  # among the settings of a run
FACTS = "facts"  # the name of the text among the arrays
HASHED_AT_ONCE = 256  # images


class CheckpointFolder:
    """The checkpoints of one training run.

    Parameters
    ----------
    folder : path-like
        Made if missing.

    Raises
    ------
    SavedModelError
        If it cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        reason = check_folder(self.folder)
        if reason is None:
            try:
                self.folder.mkdir(exist_ok=True)
                reason = check_folder(self.folder / "checkpoint")
            except OSError as error:
                reason = error.strerror
        if reason is not None:
            raise SavedModelError(
                f"checkpoint_dir={str(folder)!r} cannot be used: {reason}."
            )

    @property
    def steps(self) -> list[int]:
        """The steps that there are checkpoints of, the last one first."""
        matches = (NAME.fullmatch(entry.name) for entry in self.folder.iterdir())
        return sorted((int(found[1]) for found in matches if found), reverse=True)

    def latest(self) -> State | None:
        """Return the last checkpoint that is whole, None where there is none.

        Warns
        -----
        CheckpointWarning
            Of each that is damaged.

        Raises
        ------
        SavedModelError
            If all are damaged.
        """
        self._clear_leftovers()
        steps = self.steps
        for step in steps:
            path = self._path(step)
            try:
                return _read(path)
            except SavedModelError as error:
                warnings.warn(str(error), CheckpointWarning, stacklevel=2)
        if steps:
            raise SavedModelError(
                f"All checkpoints in {self.folder} are damaged. Remove them, and train "
                "from the start."
            )
        return None

    def seed(self) -> int | None:
        """Return the seed of the run that is written down, None where there is none."""
        found = self.latest()
        if found is None:
            return None
        settings = found.facts["run"].get("settings")
        seed = settings.get(SEED) if isinstance(settings, dict) else None
        return seed if isinstance(seed, int) else None

    def write(self, step: int, state: State) -> None:
        """Write a checkpoint, and remove those before the last two."""
        text = json.dumps(state.facts, ensure_ascii=False, default=str).encode()
        path = self._path(step)
        with whole_file(path) as file:
            facts = {FACTS: np.frombuffer(text, dtype=np.uint8)}
            np.savez(file, **facts, **state.arrays)  # type: ignore[arg-type]
        for old in self.steps[KEPT:]:
            self._path(old).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all checkpoints, and the folder if nothing else is in it."""
        for step in self.steps:
            self._path(step).unlink(missing_ok=True)
        self._clear_leftovers()
        with suppress(OSError):
            self.folder.rmdir()

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step}.npz"

    def _clear_leftovers(self) -> None:
        """Remove what killed processes left of steps that no other may ever write."""
        matches = (NOT_WHOLE.fullmatch(entry.name) for entry in self.folder.iterdir())
        for name in {found[1] for found in matches if found}:
            clear_leftovers(self.folder / name)


def _read(path: Path) -> State:
    """Return a checkpoint; raise SavedModelError if it is damaged."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop(FACTS).tobytes())
    except (OSError, *DAMAGES) as error:
        raise _damaged(path, error) from error
    if not isinstance(facts, dict) or not isinstance(facts.get("run"), dict):
        raise _damaged(path, "it does not say of what run it is")
    return State(facts, arrays)


def _damaged(path: Path, reason: object) -> SavedModelError:
    return SavedModelError(
        f"The checkpoint {path} is damaged ({reason}), and is ignored."
    )


def describe_run(
    images: np.ndarray, labels: Labels, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a training run is of, so that it is never taken for another.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    labels : Labels
        Theirs.
    settings : mapping
        All that the trained model depends on beside them; JSON knows it.

    Returns
    -------
    run : dict
        "data", "settings", "versions".
    """
    found = hashlib.sha256(repr((images.shape, str(images.dtype))).encode())
    for start in range(0, len(images), HASHED_AT_ONCE):
        part = np.ascontiguousarray(images[start : start + HASHED_AT_ONCE])
        found.update(part.tobytes())
        release(images)
    for name, column in zip(labels.names, labels.columns, strict=True):
        found.update(repr((name, column.tolist())).encode())
    run = {
        "data": f"{len(images)} images, {found.hexdigest()}",
        "settings": dict(settings),
        "versions": library_versions(LIBRARIES),
    }
    described: dict[str, Any] = json.loads(json.dumps(run))  # as it is read again
    return described


def check_same_run(run: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise SavedModelError with what differs, where a checkpoint is of another run.

    Examples
    --------
    >>> check_same_run({"data": "9 images", "settings": {}}, {"data": "9 images"})
    """
    differences = []
    if run["data"] != found.get("data"):
        differences.append("the data are others")
    for kind in ("settings", "versions"):
        now, then = run.get(kind, {}), found.get(kind) or {}
        differences += [
            f"{name} is {now.get(name)!r}, was {then.get(name)!r}"
            for name in sorted({*now, *then})
            if now.get(name) != then.get(name)
        ]
    if differences:
        raise SavedModelError(
            "The checkpoints are of another training run, which cannot be gone on with "
            f"like this: {'; '.join(differences)}. Use the same, or another folder."
        )
