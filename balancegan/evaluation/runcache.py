"""A cache of finished runs and slow resampled sets, so that a comparison can resume.

Entries are named by a hash of everything that they depend on: data, method, classifier,
seed, the code of samplers, transformations and networks, and versions of libraries.
"""

import inspect
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from balancegan.errors import DataError
from balancegan.evaluation.resampling import Resampled
from balancegan.files import plain_facts, whole_file
from balancegan.versions import library_versions

PACKAGES = ("balancegan", "tensorflow", "keras", "scikit-learn", "imbalanced-learn")
FORMAT = 11  # of the entries; those of another format are ignored
# What reading a missing, cut or foreign file raises
DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile, zlib.error)
SLOW_SECONDS = 10  # resampled sets made in less time are not kept


class RunCache:
    """A folder with the facts of finished runs, and slow resampled sets.

    Parameters
    ----------
    folder : path-like or None
        Created if missing. None: nothing is kept or found.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DataError(
                    f"cache_dir={str(folder)!r} is not a usable folder: "
                    f"{error.strerror}."
                ) from error

    def name(self, depends_on: Any) -> str | None:
        """Return the name of an entry, a hash; None without a folder."""
        if self.folder is None:
            return None
        versions = list(library_versions(PACKAGES).values())
        try:
            return str(joblib.hash((FORMAT, versions, depends_on)))
        except Exception as error:  # pickling foreign objects may raise anything
            raise DataError(
                "With cache_dir, samplers, transformations and classifiers must be "
                f"picklable. Received: {error}. Use functions that a module defines "
                "instead of lambdas, or leave cache_dir out."
            ) from error

    def find(self, name: str | None) -> dict[str, Any] | None:
        """Return the facts kept under a name; None if missing or damaged."""
        path = self._path("run", name, "json")
        if path is None:
            return None
        try:
            return dict(json.loads(path.read_bytes()))
        except DAMAGE:
            return None

    def keep(self, name: str | None, facts: dict[str, Any]) -> None:
        """Keep facts, which JSON can hold, under a name."""
        path = self._path("run", name, "json")
        if path is not None:
            with whole_file(path) as file:
                file.write(json.dumps(plain_facts(facts)).encode())

    def resampled(self, name: str | None, make: Callable[[], Resampled]) -> Resampled:
        """Return the resampled set kept under a name, or make it; keep slow ones."""
        path = self._path("rows", name, "npz")
        if path is None:
            return make()
        with suppress(*DAMAGE):
            return _read_resampled(path)
        made = make()
        if made.fit_seconds + made.resample_seconds >= SLOW_SECONDS:
            values = {each.name: getattr(made, each.name) for each in fields(made)}
            values["judged"] = json.dumps(plain_facts(made.judged))
            with whole_file(path) as file:
                np.savez_compressed(file, **values)
        return made

    def _path(self, kind: str, name: str | None, suffix: str) -> Path | None:
        if self.folder is None or name is None:
            return None
        return self.folder / f"{kind}-{name}.{suffix}"


def _read_resampled(path: Path) -> Resampled:
    with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
        values = {each.name: file[each.name] for each in fields(Resampled)}
        values["judged"] = json.loads(str(values["judged"]))
        for name in ("fit_seconds", "resample_seconds"):
            values[name] = float(values[name])
        return Resampled(**values)


def find_code(thing: Any) -> list[str]:
    """Return the source of an object's class, or of a function, and its parameters'.

    Pickles identify both by name only, whatever their code is.

    Examples
    --------
    >>> find_code(3), find_code(find_code)[0].split("(")[0]
    ([], 'def find_code')
    """
    parameters = thing.get_params() if isinstance(thing, BaseEstimator) else {}
    found = []
    for one in (thing, *parameters.values()):
        for candidate in (one, type(one)):
            with suppress(OSError, TypeError):  # no source; no function and no class
                found.append(inspect.getsource(candidate))
                break
    return found
