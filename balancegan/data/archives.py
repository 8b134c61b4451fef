"""Named arrays in one file (.npz): never unpickled, written whole or not at all.

What the arrays mean is decided in `arrays`.
"""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from balancegan.data.rows import Rows
from balancegan.errors import DataError
from balancegan.files import DAMAGES, whole_file
from balancegan.memory import available_bytes

SUFFIX = ".npy"  # of the arrays in it; what else is in it is left alone
# A file of so many bytes may unpack to so many times as much, and to this always.
# Images of handwriting are a tenth packed, drawings on white a hundredth
MOST_UNPACKED, ALWAYS_UNPACKED = 200, 1_000_000_000


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a file, each one read to its end and found plain.

    How much it unpacks to is looked at before anything is unpacked.

    Parameters
    ----------
    path : Path
        An .npz file.

    Returns
    -------
    arrays : dict of str to ndarray

    Raises
    ------
    DataError
        If it is missing, damaged or no .npz, an array holds Python objects, or it
        unpacks to more than a file of images would, or than there is memory.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    if path.is_dir():
        raise DataError(f"{path} is a folder. Expected: an .npz file.")
    arrays: dict[str, np.ndarray] = {}
    with _open(path) as archive:
        members = archive.infolist()
        _check_unpacked_size(path, sum(member.file_size for member in members))
        for member in members:
            if member.filename.endswith(SUFFIX):
                key = member.filename.removesuffix(SUFFIX)
                arrays[key] = _read(path, archive, member, key)
    return arrays


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except DAMAGES as error:
        raise DataError(
            f"{path} is not an .npz file, or is cut short: its table of contents "
            f"cannot be read ({error})."
        ) from error


def _read(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, key: str
) -> np.ndarray:
    try:
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise _unreadable(path, error) from error
    except DAMAGES as error:
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
    """Refuse what unpacks to more than a file of images does, or than there is room."""
    most = max(ALWAYS_UNPACKED, MOST_UNPACKED * path.stat().st_size)
    if n_bytes > most:
        raise DataError(
            f"{path} unpacks to {n_bytes:,} bytes, which is more than "
            f"{MOST_UNPACKED} times its size and no file of images. Expected: "
            f"{most:,} bytes at most. Where it is one all the same, save its arrays as "
            ".npy files in a folder."
        )
    available = available_bytes()
    if available is not None and n_bytes > available:
        raise DataError(
            f"{path} needs {n_bytes:,} bytes of memory, and {available:,} are there. "
            "Save its arrays as .npy files in a folder: they are mapped, not loaded."
        )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be read: {error.strerror or error}.")


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray | Rows]
) -> None:
    """Write named arrays as an .npz file, whole or not at all."""
    with (
        whole_file(Path(path)) as file,
        zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as out,
    ):
        write_members(out, arrays)


def write_members(
    out: zipfile.ZipFile, arrays: Mapping[str, np.ndarray | Rows]
) -> None:
    """Write named arrays into an open .npz file."""
    for key, array in arrays.items():
        info = zipfile.ZipInfo(f"{key}{SUFFIX}")
        info.compress_type = out.compression
        with out.open(info, "w", force_zip64=True) as member:
            write_array(member, array)


def write_array(file: IO[bytes], array: np.ndarray | Rows) -> None:
    """Write one array into an open .npy file, rows part by part."""
    if not isinstance(array, Rows):
        np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
        return
    description = np.lib.format.dtype_to_descr(array.dtype)
    np.lib.format.write_array_header_1_0(
        file, {"descr": description, "fortran_order": False, "shape": array.shape}
    )
    for part in array.parts():
        file.write(part.tobytes())
