"""Named arrays from any file or folder that holds arrays: .npz, .npy, idx.

Which files belong together is decided here; what the arrays mean in `arrays`.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from balancegan.data.archives import load_arrays
from balancegan.data.contents import refuse_pointer
from balancegan.data.idx import find_idx_files, parse_name, read_idx_set
from balancegan.errors import DataError
from balancegan.files import DAMAGES

TRAINING_PAIR = ("x_train", "y_train")


class NamedArrays(NamedTuple):
    """Arrays, and which of them were asked for.

    Attributes
    ----------
    arrays : dict of str to ndarray
        All of them; those of .npy files are mapped, not loaded.
    images_key, labels_key : str or None
        Names of images and labels. None: nobody has said which they are.
    notes : list of str
        What lies next to them and was ignored, for people.
    """

    arrays: dict[str, np.ndarray]
    images_key: str | None
    labels_key: str | None
    notes: list[str]


def load_named(
    path: Path, kind: str, images_key: str | None, labels_key: str | None
) -> NamedArrays:
    """Load the arrays of a file or folder.

    Parameters
    ----------
    path : Path
        An .npz file, an .npy or idx file next to others, or a folder of such.
    kind : str
        "npz", "npy" or "idx".
    images_key, labels_key : str or None
        Names of the arrays; of idx files also the names of the files. None: found.

    Raises
    ------
    DataError
        If files are damaged, or do not say which images belong to which labels.
    """
    if kind == "npz":
        return NamedArrays(load_arrays(path), images_key, labels_key, [])
    folder, named = path, []
    if path.is_file():
        folder = path.parent
        if kind == "npy":
            images_key = path.stem
        else:
            named = [path.name]
    arrays = {name: _map(file) for name, file in npy_files(folder).items()}
    if kind == "idx":
        keys = [key for key in (images_key, labels_key) if key is not None]
        read = read_idx_set(folder, [*named, *keys])
        _refuse_twice(folder, set(arrays) & set(read))
        arrays |= read
        images_key, labels_key = _array_key(images_key), _array_key(labels_key)
        _check_pair(path, arrays, images_key, labels_key)
    # Nobody has named what lies next to a file
    notes = [] if path.is_file() else _note_archives(folder)
    return NamedArrays(arrays, images_key, labels_key, notes)


def npy_files(folder: Path) -> dict[str, Path]:
    """Return the .npy files of a folder by the names of their arrays."""
    return {
        file.stem: file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() == ".npy" and not file.name.startswith(".")
    }


def array_files(path: Path) -> list[Path]:
    """Return the files that are read with a single .npy or idx file."""
    if path.suffix.lower() != ".npy" and parse_name(path.name) is None:
        return []
    idx = find_idx_files(path.parent)
    files = [file for keys in idx.values() for found in keys.values() for file in found]
    return [*npy_files(path.parent).values(), *files]


def _array_key(key: str | None) -> str | None:
    name = None if key is None else parse_name(key)
    return key if name is None else name.key


def _refuse_twice(folder: Path, keys: set[str]) -> None:
    if keys:
        raise DataError(
            f"{folder} has an idx file and an .npy file of the same part of a set: "
            f"{', '.join(f'{key}.npy' for key in sorted(keys))}. Remove one of them."
        )


def _check_pair(
    path: Path,
    arrays: dict[str, np.ndarray],
    images_key: str | None,
    labels_key: str | None,
) -> None:
    """Refuse idx files that have no training images, or none of their labels."""
    wanted = zip((images_key, labels_key), TRAINING_PAIR, strict=True)
    missing = [key for given, key in wanted if given is None and key not in arrays]
    if missing:
        words = {"x_train": "training images", "y_train": "training labels"}
        folder = path if path.is_dir() else path.parent
        held = set(npy_files(folder).values())
        files = sorted(f for f in folder.iterdir() if f in held or parse_name(f.name))
        raise DataError(
            f"{folder} lacks {' and '.join(words[key] for key in missing)}. Expected: "
            "idx files called train-images-idx3-ubyte and train-labels-idx1-ubyte. "
            f"Received: {', '.join(file.name for file in files)}."
        )


def _note_archives(folder: Path) -> list[str]:
    files = (file for file in sorted(folder.iterdir()) if file.is_file())
    others = [file.name for file in files if file.suffix.lower() == ".npz"]
    return [f"ignored next to the arrays: {', '.join(others)}"] if others else []


def _map(file: Path) -> np.ndarray:
    """Return an array that is read as it is needed."""
    refuse_pointer(file)
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, *DAMAGES) as error:
        reason = " ".join(str(error).split())
        if "Python objects" in reason:
            reason = "it holds Python objects. Save texts by np.asarray(y, dtype=str)."
        raise DataError(f"{file} is no .npy file of plain values: {reason}") from error
