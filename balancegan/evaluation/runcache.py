"""What a comparison has finished already, in a folder, so that it can go on.

Entries are named by a hash of everything that they depend on: whoever changes the
data, a method, the classifier, a seed, the code of a sampler, transformation or
network, or a version of ours or of the libraries finds nothing, and so starts afresh.
"""

import inspect
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
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
FORMAT = 10  # of the entries: those of another format are never found
# What reading raises of a file that is missing, cut short or another
DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile, zlib.error)
LONG = 10  # seconds: what a sampler made in less is rather made again than kept


class RunCache:
    """Facts of finished runs, and resampled sets that took long to make.

    The sets serve whoever asks again with more methods or another classifier.

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

    def name(self, depends_on: Any) -> str | None:
        """Return what is called by what it depends on; None where nothing is kept.

        Raises
        ------
        DataError
            If something cannot be told apart.
        """
        if self.folder is None:
            return None
        versions = list(library_versions(PACKAGES).values())
        try:
            return str(joblib.hash((FORMAT, versions, depends_on)))
        except Exception as error:  # whatever a foreign object raises when pickled
            raise DataError(
                "With cache_dir, samplers, transformations and classifiers are told "
                f"apart by pickling them. Received: {error}. Use functions that a "
                "module defines instead of lambdas, or leave cache_dir out."
            ) from error

    def find(self, name: str | None) -> dict[str, Any] | None:
        """Return the facts that are kept under a name, None where they are damaged."""
        path = self._path("run", name, "json")
        if path is None:
            return None
        try:
            return dict(json.loads(path.read_bytes()))
        except (OSError, TypeError, ValueError):
            return None

    def keep(self, name: str | None, facts: dict[str, Any]) -> None:
        """Keep facts, which JSON can hold, under a name."""
        path = self._path("run", name, "json")
        if path is not None:
            with whole_file(path) as file:
                file.write(json.dumps(plain_facts(facts)).encode())

    def resampled(self, name: str | None, make: Callable[[], Resampled]) -> Resampled:
        """Return the resampled set kept under a name, or make it.

        It is kept where making it took long, and made again where it is damaged.
        """
        path = self._path("rows", name, "npz")
        if path is None:
            return make()
        kept = _read_resampled(path)
        if kept is not None:
            return kept
        made = make()
        if made.fit_seconds + made.resample_seconds < LONG:
            return made
        with whole_file(path) as file:
            np.savez_compressed(
                file,
                images=made.images,
                class_indices=made.class_indices,
                is_new=made.is_new,
                is_again=made.is_again,
                fit_seconds=made.fit_seconds,
                resample_seconds=made.resample_seconds,
                judged=json.dumps(plain_facts(made.judged)),
            )
        return made

    def _path(self, kind: str, name: str | None, suffix: str) -> Path | None:
        if self.folder is None or name is None:
            return None
        return self.folder / f"{kind}-{name}.{suffix}"


def _read_resampled(path: Path) -> Resampled | None:
    """Return the resampled set in a file, None where it is missing or damaged."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return Resampled(
                file["images"],
                file["class_indices"],
                file["is_new"],
                file["is_again"],
                float(file["fit_seconds"]),
                float(file["resample_seconds"]),
                json.loads(str(file["judged"])),
            )
    except DAMAGE:
        return None


def find_code(thing: Any) -> list[str]:
    """Return the source of an object's class, or of a function, and of its parameters'.

    Pickling tells them apart by their names, whatever was written into them since.

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
