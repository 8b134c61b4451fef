"""Which kind of data a path is, by its name and by what is there.

What none of the readers reads is refused here, with what to do instead.
"""

import zipfile
from pathlib import Path

from balancegan.data.arrayfiles import npy_files
from balancegan.data.contents import N_BYTES, WEB_PAGES, refuse_pointer
from balancegan.data.idx import has_idx_set, parse_name
from balancegan.data.shardfiles import is_sharded
from balancegan.data.tables import SUFFIXES as TABLES
from balancegan.errors import DataError

READ = (
    "folders of images; arrays (.npz, .npy, idx); tables (.csv, .tsv, .txt, .jsonl, "
    ".parquet); shards (.tar, .tfrecord, .parquet)"
)
UNPACK = "Unpack it, and name the folder or file that was in it"
SAVE = "Save its arrays: np.savez('data.npz', x_train=images, y_train=labels)"
EXPORT = "Write a table of file names and labels as .csv or .jsonl"
ADVICE = {
    **dict.fromkeys((".zip", ".rar", ".7z", ".gz", ".bz2", ".xz", ".zst"), UNPACK),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".pth"), SAVE),
    **dict.fromkeys((".lmdb", ".mdb", ".joblib", ".arrow", ".feather", ".npx"), SAVE),
    **dict.fromkeys((".json", ".xml", ".xlsx", ".xls", ".yaml", ".yml"), EXPORT),
}
BEGINNINGS = {  # of files that are not what their names say
    b"\x89HDF": ("an HDF5 file", SAVE),
    b"MATLAB": ("a MATLAB file", SAVE),
    b"\x80\x02": ("a pickle", SAVE),
    b"\x80\x03": ("a pickle", SAVE),
    b"\x80\x04": ("a pickle", SAVE),
    b"\x80\x05": ("a pickle", SAVE),
    b"\x1f\x8b": ("packed by gzip", UNPACK),
    b"Rar!": ("a RAR archive", UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", UNPACK),
    b"\xfd7zXZ": ("packed by xz", UNPACK),
    b"\x93NUMPY": ("a single array", "Call it .npy, with one of labels next to it"),
    b"PAR1": ("a Parquet file", "Call it .parquet"),
}


def find_kind(path: Path) -> str:
    """Return "npz", "npy", "idx", "shards", "manifest" or "folder".

    Raises
    ------
    DataError
        If there is nothing of that name, or nothing that is read.
    """
    if not path.exists():
        raise DataError(f"There is no file or folder {path}.")
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is a pipe or device. Expected: a file or folder.")
    if path.is_dir():
        return _kind_of_folder(path)
    return _kind_of_file(path)


def _kind_of_folder(path: Path) -> str:
    if is_sharded(path):
        return "shards"
    if has_idx_set(path):
        return "idx"
    return "npy" if npy_files(path) else "folder"


def _kind_of_file(path: Path) -> str:
    try:
        refuse_pointer(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if is_sharded(path):
        return "shards"
    if parse_name(path.name) is not None:
        return "idx"
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return "manifest"
    if suffix == ".npy":
        return "npy"
    if not _is_npz(path):
        raise _unread(path)
    return "npz"


def _is_npz(path: Path) -> bool:
    """Return whether a file has arrays, or is damaged and is called as if it had."""
    if not zipfile.is_zipfile(path):
        return path.suffix.lower() == ".npz" and not _describe(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return path.suffix.lower() == ".npz"
    return any(name.endswith(".npy") for name in names)


def _describe(path: Path) -> tuple[str, str] | None:
    """Return what a file is by its beginning, and what to do about it."""
    with open(path, "rb") as stream:
        beginning = stream.read(N_BYTES)
    if zipfile.is_zipfile(path):
        return "a zip archive without arrays", UNPACK
    if beginning.lstrip().lower().startswith(WEB_PAGES):
        return "a web page", "Download the data again"
    found = (what for mark, what in BEGINNINGS.items() if beginning.startswith(mark))
    return next(found, None)


def _unread(path: Path) -> DataError:
    what, advice = _describe(path) or ("of a kind that is not read", None)
    advice = ADVICE.get(path.suffix.lower(), advice or SAVE)
    return DataError(f"{path} is {what}. Expected: {READ}. {advice}.")
