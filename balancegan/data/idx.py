"""Arrays in idx files, as MNIST is distributed: gzipped or not.

The format: two zero bytes, a type, the number of dimensions, each dimension in four
bytes, then the values, all big-endian (Y. LeCun, C. Cortes, C. Burges, The MNIST
database).
"""

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from balancegan.data.contents import refuse_pointer
from balancegan.data.labelled import SPLIT_NAMES, TEST, TRAIN
from balancegan.data.rows import Rows, as_rows
from balancegan.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CODES = {np.dtype(dtype).newbyteorder("="): code for code, dtype in DTYPES.items()}
NAME = re.compile(
    r"(?P<prefix>.*?)(?P<what>image|label)s?[-._]idx\d([-._][a-z]+)?(\.gz)?",
    re.IGNORECASE,
)
TEST_WORD = "t10k"  # MNIST's own
GZIP_MAGIC = b"\x1f\x8b"
# gzip packs no more than about a thousand bytes into one
MOST_UNPACKED = 1_100


@dataclass(frozen=True)
class IdxName:
    """What the name of an idx file says.

    Attributes
    ----------
    set_name : str
        The set that it belongs to; "" where the name says none.
    key : str
        What `from_arrays` calls the array: "x_train", "y_test" and so on.
    """

    set_name: str
    key: str


def parse_name(name: str) -> IdxName | None:
    """Return what the name of an idx file says, None for another name.

    Examples
    --------
    >>> parse_name("emnist-letters-test-labels-idx1-ubyte.gz")
    IdxName(set_name='emnist-letters', key='y_test')
    >>> parse_name("train-images.idx3-ubyte")
    IdxName(set_name='', key='x_train')
    """
    match = NAME.fullmatch(name)
    if match is None:
        return None
    words = re.findall(r"[^-._\s]+", match["prefix"].lower())
    split = TRAIN
    if words and words[-1] == TEST_WORD:
        words, split = words[:-1], TEST
    elif words and words[-1] in SPLIT_NAMES:
        words, split = words[:-1], SPLIT_NAMES[words[-1]]
    key = "x" if match["what"].lower() == "image" else "y"
    return IdxName("-".join(words), f"{key}_{split}")


def find_idx_files(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Return the idx files of a folder, by their set and by the name of their array.

    A set may have a file twice, such as one that is gzipped and one that is not.

    Examples
    --------
    >>> find_idx_files(Path("/nowhere"))
    {}
    """
    found: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = parse_name(path.name)
        if name is not None and path.is_file():
            by_key = found.setdefault(name.set_name, {})
            by_key.setdefault(name.key, []).append(path)
    return found


def has_idx_set(folder: Path) -> bool:
    """Return whether a folder is one of idx files.

    A folder with others in it is one of classes, unless it has a whole training part.
    """
    sets = find_idx_files(folder)
    if any({"x_train", "y_train"} <= by_key.keys() for by_key in sets.values()):
        return True
    return bool(sets) and not any(entry.is_dir() for entry in folder.iterdir())


def read_idx_set(folder: Path, chosen: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read the idx files of one set.

    Parameters
    ----------
    folder : Path
        Where they are.
    chosen : sequence of str, default=()
        Names of files of the set. None: the folder must have one set only.

    Returns
    -------
    arrays : dict of str to ndarray
        "x_train", "y_train" and so on.

    Raises
    ------
    DataError
        If there are several sets to choose from, a file is damaged, or the set has two
        files of one kind that differ.
    """
    sets = find_idx_files(folder)
    names = [parse_name(name) for name in chosen]
    wanted = {name.set_name for name in names if name is not None} or set(sets)
    if len(wanted) > 1:
        called = ", ".join(name or "one without a name" for name in sorted(wanted))
        file = next(iter(sets[min(wanted)].values()))[0]
        raise DataError(
            f"The idx files of one set are read together. Received: {len(wanted)} sets "
            f"in {folder}: {called}. Name a file of one set instead of the folder, "
            f"such as {file}, or name it by --images-key."
        )
    by_key = sets[wanted.pop()]
    return {key: _read_once(files) for key, files in by_key.items()}


def _read_once(files: Sequence[Path]) -> np.ndarray:
    """Read a file that may be there several times, gzipped and not."""
    array = read_idx(files[0])
    for other in files[1:]:
        if not np.array_equal(array, read_idx(other)):
            raise DataError(
                f"{files[0]} and {other.name} have the same part of a set, but differ. "
                "Remove one of them."
            )
    return array


def read_idx(path: Path) -> np.ndarray:
    """Read one idx file.

    Parameters
    ----------
    path : Path
        The file; a gzipped one is unpacked, whatever its name.

    Returns
    -------
    array : ndarray
        In the machine's byte order.

    Raises
    ------
    DataError
        If it is damaged, or says that it holds more than it can.
    """
    try:
        refuse_pointer(path)
        with open(path, "rb") as raw:
            packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            file: IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
            dtype, shape = _read_header(path, file)
            n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
            room = path.stat().st_size * (MOST_UNPACKED if packed else 1)
            if n_bytes > room:
                raise DataError(
                    f"{path} is cut short: it says that it holds {n_bytes} bytes."
                )
            values = file.read(n_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if len(values) != n_bytes:
        raise DataError(
            f"{path} must hold {n_bytes} bytes of values, as it says itself. Received: "
            f"{len(values)}{' or more' if len(values) > n_bytes else ''}."
        )
    array = np.frombuffer(values, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def write_idx(file: IO[bytes], array: np.ndarray | Rows) -> None:
    """Write an array into an open idx file, part by part.

    Raises
    ------
    DataError
        If idx has no such type.
    """
    rows = as_rows(array)
    code = CODES.get(rows.dtype.newbyteorder("="))
    if code is None:
        raise DataError(
            f"idx files hold {', '.join(str(dtype) for dtype in CODES)}. Received: "
            f"{rows.dtype}."
        )
    file.write(bytes([0, 0, code, rows.ndim]))
    file.write(np.array(rows.shape, dtype=">u4").tobytes())
    for part in rows.parts():
        file.write(part.astype(DTYPES[code]).tobytes())


def _read_header(path: Path, file: IO[bytes]) -> tuple[np.dtype, tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not magic[3]:
        raise DataError(f"{path} is no idx file.")
    sides = file.read(4 * magic[3])
    if len(sides) != 4 * magic[3]:
        raise DataError(f"{path} is cut short.")
    return np.dtype(DTYPES[magic[2]]), tuple(np.frombuffer(sides, ">u4").tolist())
