"""Load named arrays from .npz, .npy and idx files. Nothing is ever unpickled.

Which of the arrays are images and labels is decided in `arrays`.
"""

import gzip
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from balancegan.data.labelled import SPLIT_NAMES, TEST, TRAIN
from balancegan.data.opening import refuse_pointer
from balancegan.errors import DataError
from balancegan.files import READ_ERRORS
from balancegan.memory import available_bytes

NPY = ".npy"
# Most times its own size that an .npz file may unpack to, and bytes that it always may.
# Handwriting packs to 10 %, drawings on white to 1 %
MOST_UNPACKED, ALWAYS_UNPACKED = 200, 1_000_000_000

# idx: two zero bytes, a type, the number of dimensions, each dimension in four bytes,
# then the values, all big-endian (Y. LeCun, C. Cortes, C. Burges, The MNIST database)
IDX_DTYPES = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}
IDX_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<what>image|label)s?[-._]idx\d([-._][a-z]+)?(\.gz)?",
    re.IGNORECASE,
)
MNIST_TEST = "t10k"
GZIP_MAGIC = b"\x1f\x8b"
MOST_UNPACKED_GZIP = 1_100  # times its size: the limit of the format
TRAINING_PAIR = {"x_train": "training images", "y_train": "training labels"}


class NamedArrays(NamedTuple):
    """Arrays of a file or folder.

    Attributes
    ----------
    arrays : dict of str to ndarray
        All arrays; those of .npy files are mapped, not loaded.
    images_key, labels_key : str or None
        Names of images and labels, if the user named them.
    notes : list of str
        What was ignored.
    """

    arrays: dict[str, np.ndarray]
    images_key: str | None
    labels_key: str | None
    notes: list[str]


class IdxName(NamedTuple):
    """The set that the name of an idx file gives, "" for none, and the array's name."""

    set_name: str
    key: str


def load_named(
    path: Path, kind: str, images_key: str | None, labels_key: str | None
) -> NamedArrays:
    """Load the arrays of a file or folder.

    Parameters
    ----------
    path : Path
        An .npz file, an .npy or idx file with others next to it, or a folder of them.
    kind : str
        "npz", "npy" or "idx".
    images_key, labels_key : str or None
        Names of the arrays, or of idx files. None: found.
    """
    if kind == "npz":
        return NamedArrays(load_arrays(path), images_key, labels_key, [])
    folder = path.parent if path.is_file() else path
    if kind == "npy" and path.is_file():
        images_key = path.stem
    arrays = {name: _map(file) for name, file in npy_files(folder).items()}
    if kind == "idx":
        chosen = [path.name] if path.is_file() else []
        chosen += [key for key in (images_key, labels_key) if key is not None]
        read = read_idx_set(folder, chosen)
        if twice := sorted(set(arrays) & set(read)):
            raise DataError(
                f"{folder} has an idx file and an .npy file of the same part of a set: "
                f"{', '.join(f'{key}.npy' for key in twice)}. Remove one of them."
            )
        arrays |= read
        images_key, labels_key = _array_key(images_key), _array_key(labels_key)
        _check_pair(folder, arrays, images_key, labels_key)
    files = (file for file in sorted(folder.iterdir()) if file.is_file())
    archives = [file.name for file in files if file.suffix.lower() == ".npz"]
    notes = [f"ignored next to the arrays: {', '.join(archives)}"] if archives else []
    return NamedArrays(arrays, images_key, labels_key, [] if path.is_file() else notes)


def npy_files(folder: Path) -> dict[str, Path]:
    """Return the .npy files of a folder by the names of their arrays."""
    return {
        file.stem: file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() == NPY and not file.name.startswith(".")
    }


def array_files(path: Path) -> list[Path]:
    """Return the files that are read together with a single .npy or idx file."""
    if path.suffix.lower() != NPY and parse_idx_name(path.name) is None:
        return []
    idx = find_idx_files(path.parent)
    files = [file for keys in idx.values() for found in keys.values() for file in found]
    return [*npy_files(path.parent).values(), *files]


def _array_key(key: str | None) -> str | None:
    name = None if key is None else parse_idx_name(key)
    return key if name is None else name.key


def _check_pair(
    folder: Path,
    arrays: dict[str, np.ndarray],
    images_key: str | None,
    labels_key: str | None,
) -> None:
    """Refuse idx files without training images or labels."""
    given = dict(zip(TRAINING_PAIR, (images_key, labels_key), strict=True))
    missing = [key for key in given if given[key] is None and key not in arrays]
    if missing:
        held = set(npy_files(folder).values())
        files = sorted(
            f for f in folder.iterdir() if f in held or parse_idx_name(f.name)
        )
        raise DataError(
            f"{folder} lacks {' and '.join(TRAINING_PAIR[key] for key in missing)}. "
            "Expected: idx files called train-images-idx3-ubyte and "
            "train-labels-idx1-ubyte. "
            f"Received: {', '.join(file.name for file in files)}."
        )


def _map(file: Path) -> np.ndarray:
    refuse_pointer(file)
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, *READ_ERRORS) as error:
        reason = " ".join(str(error).split())
        if "Python objects" in reason:
            reason = "it holds Python objects. Save texts by np.asarray(y, dtype=str)."
        raise DataError(
            f"{file} is not an .npy file of plain values: {reason}"
        ) from error


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file.

    The unpacked size is checked before anything is unpacked.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    if path.is_dir():
        raise DataError(f"{path} is a folder. Expected: an .npz file.")
    arrays: dict[str, np.ndarray] = {}
    with _open_archive(path) as archive:
        members = archive.infolist()
        _check_unpacked_size(path, sum(member.file_size for member in members))
        for member in members:
            if member.filename.endswith(NPY):
                key = member.filename.removesuffix(NPY)
                arrays[key] = _read_member(path, archive, member, key)
    return arrays


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except READ_ERRORS as error:
        raise DataError(
            f"{path} is not an .npz file, or is cut short: its table of contents "
            f"cannot be read ({error})."
        ) from error


def _read_member(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, key: str
) -> np.ndarray:
    try:
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except READ_ERRORS as error:
        if "pickle" in str(error).lower():
            raise DataError(
                f"The array {key!r} in {path} holds Python objects (texts of dtype "
                "object, or images of differing shapes), which may run code when "
                "read. Bring the images to one shape, and save plain arrays: texts by "
                "np.asarray(y, dtype=str)."
            ) from error
        reason = str(error) or type(error).__name__
        raise DataError(f"The array {key!r} in {path} is damaged: {reason}") from error


def _check_unpacked_size(path: Path, n_bytes: int) -> None:
    most = max(ALWAYS_UNPACKED, MOST_UNPACKED * path.stat().st_size)
    if n_bytes > most:
        raise DataError(
            f"{path} unpacks to {n_bytes:,} bytes, more than {MOST_UNPACKED} times its "
            f"size, which no file of images does. Expected: {most:,} bytes at most. If "
            "it is one, save its arrays as .npy files in a folder."
        )
    available = available_bytes()
    if available is not None and n_bytes > available:
        raise DataError(
            f"{path} needs {n_bytes:,} bytes of memory, and {available:,} are there. "
            "Save its arrays as .npy files in a folder: they are mapped, not loaded."
        )


def parse_idx_name(name: str) -> IdxName | None:
    """Return what the name of an idx file says, None for any other name.

    Examples
    --------
    >>> parse_idx_name("emnist-letters-test-labels-idx1-ubyte.gz")
    IdxName(set_name='emnist-letters', key='y_test')
    >>> parse_idx_name("train-images.idx3-ubyte")
    IdxName(set_name='', key='x_train')
    """
    match = IDX_NAME.fullmatch(name)
    if match is None:
        return None
    words = re.findall(r"[^-._\s]+", match["prefix"].lower())
    splits = {**SPLIT_NAMES, MNIST_TEST: TEST}
    split = splits[words.pop()] if words and words[-1] in splits else TRAIN
    key = "x" if match["what"].lower() == "image" else "y"
    return IdxName("-".join(words), f"{key}_{split}")


def find_idx_files(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Return the idx files of a folder by set and array; one may be gzipped, too.

    Examples
    --------
    >>> find_idx_files(Path("/nowhere"))
    {}
    """
    found: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = parse_idx_name(path.name)
        if name is not None and path.is_file():
            found.setdefault(name.set_name, {}).setdefault(name.key, []).append(path)
    return found


def has_idx_set(folder: Path) -> bool:
    """Return whether a folder holds idx files.

    A folder with sub-folders is one of classes, unless it has a whole training part.
    """
    sets = find_idx_files(folder)
    if any(TRAINING_PAIR.keys() <= by_key.keys() for by_key in sets.values()):
        return True
    return bool(sets) and not any(entry.is_dir() for entry in folder.iterdir())


def read_idx_set(folder: Path, chosen: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return the arrays of one idx set as "x_train", "y_train" and so on.

    `chosen` are names of files of the set, needed if the folder has several sets.
    """
    sets = find_idx_files(folder)
    names = [parse_idx_name(name) for name in chosen]
    wanted = {name.set_name for name in names if name is not None} or set(sets)
    if len(wanted) > 1:
        called = ", ".join(name or "one without a name" for name in sorted(wanted))
        file = next(iter(sets[min(wanted)].values()))[0]
        raise DataError(
            f"The idx files of one set are read together. Received: {len(wanted)} sets "
            f"in {folder}: {called}. Name a file of one set instead of the folder, "
            f"such as {file}, or name it by --images-key."
        )
    arrays: dict[str, np.ndarray] = {}
    for key, files in sets[wanted.pop()].items():
        arrays[key] = read_idx(files[0])
        for other in files[1:]:
            if not np.array_equal(arrays[key], read_idx(other)):
                raise DataError(
                    f"{files[0]} and {other.name} have the same part of a set, but "
                    "differ. Remove one of them."
                )
    return arrays


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an idx file, gzipped or not, in the machine's byte order."""
    try:
        refuse_pointer(path)
        with open(path, "rb") as raw:
            packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            file: IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
            dtype, shape = _read_idx_header(path, file)
            n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
            most = path.stat().st_size * (MOST_UNPACKED_GZIP if packed else 1)
            if n_bytes > most:
                raise DataError(
                    f"{path} is cut short: its header declares {n_bytes} bytes."
                )
            values = file.read(n_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if len(values) != n_bytes:
        raise DataError(
            f"{path} must hold {n_bytes} bytes of values according to its header. "
            f"Received: {len(values)}{' or more' if len(values) > n_bytes else ''}."
        )
    array = np.frombuffer(values, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _read_idx_header(path: Path, file: IO[bytes]) -> tuple[np.dtype, tuple[int, ...]]:
    magic = file.read(4)
    is_idx = len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in IDX_DTYPES
    if not is_idx or not magic[3]:
        raise DataError(f"{path} is not an idx file.")
    sides = file.read(4 * magic[3])
    if len(sides) != 4 * magic[3]:
        raise DataError(f"{path} is cut short.")
    return np.dtype(IDX_DTYPES[magic[2]]), tuple(np.frombuffer(sides, ">u4").tolist())
