"""Memory for images: how much there is, and arrays that may outgrow it.

Large arrays are kept in temporary files.
"""

import ctypes
import mmap
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from typing import IO, Any, Self

import numpy as np
import psutil

IN_MEMORY = 1_000_000_000  # bytes of pixels; more are kept in a temporary file
ROWS_AT_ONCE = 64  # of a mapped file
SHARED_MODES = ("r", "r+", "w+")  # of mapped files whose changes go to the file
CONTROL_GROUP = "/sys/fs/cgroup/memory"  # version 2
# mallopt(3): number, value, and the environment variable of child processes
MALLOC_OPTIONS = {
    "MALLOC_TRIM_THRESHOLD_": (-1, 2**31 - 1),
    "MALLOC_TOP_PAD_": (-2, 2**26),
    "MALLOC_MMAP_MAX_": (-4, 0),
    "MALLOC_ARENA_MAX": (-8, 1),
}


def allocate(shape: tuple[int, ...]) -> np.ndarray:
    """Return an empty uint8 array; a large one is mapped from a temporary file.

    Examples
    --------
    >>> allocate((3, 8, 8, 1)).dtype
    dtype('uint8')
    """
    if int(np.prod(shape, dtype=float)) <= IN_MEMORY:
        return np.empty(shape, dtype=np.uint8)
    with tempfile.TemporaryFile() as file:  # the mapping outlives it
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)


def available_bytes() -> int | None:
    """Return how much memory this process can still take, None if unknown.

    The minimum of the system's (with swap), the control group's (version 2) and the
    process's own limit (``ulimit -v``).

    Examples
    --------
    >>> available_bytes() is None or available_bytes() > 0
    True
    """
    found = (_system_available(), _group_available(), _limit_available())
    return min((n for n in found if n is not None), default=None)


def check_available(what: str, n_bytes: int, n_addresses: int = 0) -> None:
    """Raise MemoryError if there is less memory than something needs.

    A process that runs out of memory may be killed without a message.

    Parameters
    ----------
    what : str
        What needs the memory, at the beginning of a sentence.
    n_bytes : int
        About how much memory it needs.
    n_addresses : int, default=0
        Addresses that it takes in addition, for threads and mapped files. They count
        where addresses are limited (``ulimit -v``).

    Examples
    --------
    >>> check_available("Nothing", 0)
    """
    limit = _limit_available()
    if limit is not None and limit < n_bytes + n_addresses:
        raise MemoryError(
            f"{what} needs about {n_bytes + n_addresses:,} bytes of addresses, and "
            f"{limit:,} are left of this process's limit (ulimit -v). Raise the limit."
        )
    found = (_system_available(), _group_available())
    free = min((n for n in found if n is not None), default=n_bytes)
    if free < n_bytes:
        raise MemoryError(
            f"{what} needs about {n_bytes:,} bytes of memory, and {free:,} are "
            "available. End other programs, or use a machine with more."
        )


def _system_available() -> int:
    return int(psutil.virtual_memory().available + psutil.swap_memory().free)


def _group_available() -> int | None:
    """Return what a container, or another control group, may still take."""
    limit = _read_lines(f"{CONTROL_GROUP}.max")
    used = _read_lines(f"{CONTROL_GROUP}.current")
    facts = dict(line.split() for line in _read_lines(f"{CONTROL_GROUP}.stat"))
    if not limit or not used or limit[0] == "max":
        return None
    cached = int(facts.get("inactive_file", 0))  # freed on demand
    return max(0, int(limit[0]) - int(used[0]) + cached)


def _limit_available() -> int | None:
    """Return the addresses that are left of the process's own limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    return max(0, limit - int(psutil.Process().memory_info().vms))


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def peak_memory_bytes() -> int | None:
    """Return the largest resident memory of this process so far, None if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def keep_freed_memory() -> None:
    """Keep freed memory in this process and in those it starts from now on.

    A training step takes and frees hundreds of megabytes. The C library (glibc) gives
    large blocks back to the system, which then has to blank them again: up to half the
    time of a step. All threads share one arena, as each would keep some memory of its
    own. For programs that own their process; without glibc nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for name, (number, value) in MALLOC_OPTIONS.items():
        libc.mallopt(number, value)
        os.environ.setdefault(name, str(value))


def release(array: np.ndarray) -> None:
    """Drop the pages of a mapped file from memory; they are read again when needed.

    Otherwise everything that was ever read counts as memory of the process. Arrays
    that are not mapped from a file, or whose changes stay in memory (mode "c"), are
    left alone.

    Examples
    --------
    >>> release(np.zeros(3))
    """
    base: Any = array
    shared = False
    while base is not None and not isinstance(base, mmap.mmap):
        shared = shared or getattr(base, "mode", None) in SHARED_MODES
        base = getattr(base, "base", None)
    if shared and base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def take_rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return ``array[rows]`` of an array that may be mapped from a file.

    Reads some rows at a time: neighbouring pages come along, so a few thousand rows of
    a large file could bring all of it into memory.

    Parameters
    ----------
    array : ndarray of shape (n, ...)
    rows : ndarray of shape (m,), int

    Returns
    -------
    taken : ndarray of shape (m, ...)
        A copy; large uint8 arrays are mapped from a temporary file.

    Examples
    --------
    >>> take_rows(np.arange(6).reshape(3, 2), np.array([2, 0])).tolist()
    [[4, 5], [0, 1]]
    """
    shape = (len(rows), *array.shape[1:])
    is_bytes = array.dtype == np.uint8
    taken = allocate(shape) if is_bytes else np.empty(shape, dtype=array.dtype)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        taken[part] = array[rows[part]]
        release(array)
    return taken


class GrowingArray:
    """Collects an unknown number of rows, in a temporary file if there are many.

    A context manager: rows that were not taken are discarded at its end.

    Examples
    --------
    >>> with GrowingArray() as collected:
    ...     collected.append(np.zeros((2, 4, 4)))
    ...     collected.append(np.ones((1, 4, 4)))
    ...     collected.take().shape
    (3, 4, 4)
    """

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []
        self._n_bytes = self._n_rows = 0
        self._file: IO[bytes] | None = None
        self._open_files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open_files.close()

    def __len__(self) -> int:
        return self._n_rows

    def append(self, rows: np.ndarray) -> None:
        """Add rows, of the shape and dtype of those before."""
        self._n_rows += len(rows)
        self._n_bytes += rows.nbytes
        self._blocks.append(rows)
        if self._n_bytes > IN_MEMORY // 2:  # joining them takes as much again
            self._write_blocks()

    def take(self) -> np.ndarray:
        """Return all rows as one array, mapped if they are in a file."""
        if self._file is None:
            return np.concatenate(self._blocks)
        last = self._blocks[-1]
        self._write_blocks()
        shape = (self._n_rows, *last.shape[1:])
        return np.memmap(self._file, dtype=last.dtype, mode="r+", shape=shape)

    def _write_blocks(self) -> None:
        """Move all rows to the file; keep an empty block for their shape."""
        if self._file is None:
            file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the stack)
            self._file = self._open_files.enter_context(file)
        try:
            for block in self._blocks:
                self._file.write(np.ascontiguousarray(block).data)
            self._file.flush()
        except OSError as error:
            raise OSError(
                f"There is no room for {self._n_bytes:,} bytes of images, or more, in "
                f"{tempfile.gettempdir()}: {error.strerror}. Name another folder by "
                "the environment variable TMPDIR."
            ) from error
        self._blocks = [self._blocks[-1][:0]]
