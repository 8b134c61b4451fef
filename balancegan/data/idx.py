"""Arrays in idx files, as MNIST is distributed: gzipped or not.

The format: two zero bytes, a type, the number of dimensions, each dimension in four
bytes, then the values, all big-endian (Y. LeCun, C. Cortes, C. Burges, The MNIST
database).
"""

import gzip
import re
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from balancegan.data.rows import Rows, as_rows
from balancegan.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CODES = {np.dtype(dtype).newbyteorder("="): code for code, dtype in DTYPES.items()}
NAME = re.compile(
    r"(?P<split>.*)(?P<what>images|labels)[-.]idx\d-ubyte(\.gz)?$", re.IGNORECASE
)
# gzip packs no more than about a thousand bytes into one
MOST_UNPACKED = 1_100


def find_idx_files(folder: Path) -> dict[str, Path]:
    """Return the idx files of a folder by what `from_arrays` calls their arrays.

    Examples
    --------
    >>> find_idx_files(Path("/nowhere"))
    {}
    """
    found: dict[str, Path] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir()):
        match = NAME.match(path.name)
        if match:
            split = match["split"].lower()
            key = "x" if match["what"].lower() == "images" else "y"
            is_test = "t10k" in split or "test" in split
            found.setdefault(f"{key}_{'test' if is_test else 'train'}", path)
    return found


def read_idx(path: Path) -> np.ndarray:
    """Read one idx file.

    Parameters
    ----------
    path : Path
        The file; one whose name ends in .gz is unpacked.

    Returns
    -------
    array : ndarray
        In the machine's byte order.

    Raises
    ------
    DataError
        If it is damaged, or says that it holds more than it can.
    """
    packed = path.suffix == ".gz"
    try:
        with open(path, "rb") as raw:
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
