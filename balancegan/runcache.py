"""What a comparison has finished already, in a folder, so that it can go on.

Entries are named by a hash of everything that they depend on: whoever changes the
data, an arm, the classifier, a seed or the package's version finds nothing, and so
starts afresh.
"""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from balancegan.errors import DataError
from balancegan.files import whole_file
from balancegan.resampling import Resampled

FORMAT = 1  # of the entries: those of another format are never found


class RunCache:
    """Facts of finished runs, and resampled sets of unfinished trials.

    Parameters
    ----------
    folder : path-like or None
        Made where it is missing. None: nothing is kept, nothing is found.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DataError(
                    f"cache_dir={str(folder)!r} is no folder that can be used: "
                    f"{error.strerror}."
                ) from error

    def find(self, depends_on: Any) -> dict[str, Any] | None:
        """Return the facts that are kept under what they depend on, or None."""
        path = self._path("run", depends_on, "json")
        if path is None or not path.exists():
            return None
        return dict(json.loads(path.read_text()))

    def keep(self, depends_on: Any, facts: dict[str, Any]) -> None:
        """Keep facts, which JSON can hold, under what they depend on."""
        path = self._path("run", depends_on, "json")
        if path is not None:
            with whole_file(path) as file:
                file.write(json.dumps(facts).encode())

    def resampled(self, depends_on: Any, make: Callable[[], Resampled]) -> Resampled:
        """Return the resampled set kept under what it depends on, or make it."""
        path = self._path("rows", depends_on, "npz")
        if path is None:
            return make()
        if path.exists():
            with np.load(path, allow_pickle=False) as file:
                return Resampled(
                    file["images"],
                    file["class_indices"],
                    file["is_new"],
                    float(file["seconds"]),
                )
        made = make()
        with whole_file(path) as file:
            np.savez(
                file,
                images=made.images,
                class_indices=made.class_indices,
                is_new=made.is_new,
                seconds=made.seconds,
            )
        return made

    def forget_resampled(self, depends_on: Any) -> None:
        """Remove a resampled set that no run waits for any more."""
        path = self._path("rows", depends_on, "npz")
        if path is not None:
            path.unlink(missing_ok=True)

    def _path(self, kind: str, depends_on: Any, suffix: str) -> Path | None:
        if self.folder is None:
            return None
        try:
            key = joblib.hash((FORMAT, version("balancegan"), depends_on))
        except Exception as error:  # whatever a foreign object raises when pickled
            raise DataError(
                "With cache_dir, samplers, transformations and classifiers are told "
                f"apart by pickling them. Received: {error}. Use functions that a "
                "module defines instead of lambdas, or leave cache_dir out."
            ) from error
        return self.folder / f"{kind}-{key}.{suffix}"
