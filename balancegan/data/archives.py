"""Named arrays in one file (.npz): never unpickled, written whole or not at all.

What the arrays mean is decided in `arrays`.
"""

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from balancegan.data.rows import Rows
from balancegan.errors import DataError
from balancegan.files import whole_file


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a file, each one read to its end and found plain.

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
        If it is missing, damaged or no .npz, or an array holds Python objects.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    if path.is_dir():
        raise DataError(f"{path} is a folder. Expected: an .npz file.")
    try:
        is_zip = zipfile.is_zipfile(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if not is_zip:
        raise DataError(
            f"{path} is not an .npz file, or is cut short: it has no table of contents."
        )
    arrays: dict[str, np.ndarray] = {}
    key = "?"
    try:
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                array = file[key]
                if isinstance(array, np.ndarray):  # else a foreign file in the zip
                    arrays[key] = array
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise DataError(
                f"The array {key!r} in {path} holds Python objects (texts of dtype "
                "object, or images of differing shapes), which may run code when "
                "read. Bring the images to one shape, and save plain arrays: texts by "
                "np.asarray(y, dtype=str)."
            ) from error
        raise DataError(f"The array {key!r} in {path} is damaged: {error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DataError(f"The array {key!r} in {path} is damaged: {error}") from error
    return arrays


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
        info = zipfile.ZipInfo(f"{key}.npy")
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
