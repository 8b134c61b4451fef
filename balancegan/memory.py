"""Room for images: in memory, or in a temporary file where memory might not do.

How much memory there is, and whether that is enough for what shall be done.
"""

import mmap
import sys
import tempfile
from contextlib import ExitStack
from typing import IO, Any, Self

import numpy as np

IN_MEMORY = 1_000_000_000  # bytes of pixels; more are kept in a temporary file
ROWS_AT_ONCE = 64  # of a mapped file
SHARED_MODES = ("r", "r+", "w+")  # of mapped files: what is written goes to the file


def allocate(shape: tuple[int, ...]) -> np.ndarray:
    """Return room for uint8 images, in a temporary file where memory might not do.

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
    """Return how much memory this process can still take, None where nobody says.

    The least of what the system has, swap with it, what a control group (version 2)
    allows, and what is left of the process's own limit (``ulimit -v``).

    Examples
    --------
    >>> available_bytes() is None or available_bytes() > 0
    True
    """
    found = [_system_available(), _group_available(), _limit_available()]
    return min((n for n in found if n is not None), default=None)


def check_available(what: str, n_bytes: int, n_addresses: int = 0) -> None:
    """Raise MemoryError where there is less memory than something needs.

    Asked before, since what is refused memory in the midst of its work may end without
    a word, or not at all.

    Parameters
    ----------
    what : str
        What needs it, as a sentence begins.
    n_bytes : int
        About how much memory it needs.
    n_addresses : int, default=0
        How many addresses it takes beyond that, for threads and mapped files; they
        count where addresses are limited (``ulimit -v``).

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
    found = [_system_available(), _group_available()]
    free = min((n for n in found if n is not None), default=n_bytes)
    if free < n_bytes:
        raise MemoryError(
            f"{what} needs about {n_bytes:,} bytes of memory, and {free:,} are "
            "available. End other programs, or use a machine with more."
        )


def _system_available() -> int | None:
    """Return what Linux would give, swapping where it may."""
    wanted = ("MemAvailable:", "SwapFree:")
    facts = dict(line.split()[:2] for line in _read_lines("/proc/meminfo"))
    if wanted[0] not in facts:
        return None
    return 1024 * sum(int(facts.get(name, 0)) for name in wanted)


def _group_available() -> int | None:
    """Return what a container, or another control group, may still take."""
    limit = _read_lines("/sys/fs/cgroup/memory.max")
    used = _read_lines("/sys/fs/cgroup/memory.current")
    facts = dict(line.split() for line in _read_lines("/sys/fs/cgroup/memory.stat"))
    if not limit or not used or limit[0] == "max":
        return None
    cached = int(facts.get("inactive_file", 0))  # given back when wanted
    return max(0, int(limit[0]) - int(used[0]) + cached)


def _limit_available() -> int | None:
    """Return what is left of the addresses that the process may take."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    taken = _read_lines("/proc/self/statm")
    if limit == resource.RLIM_INFINITY or not taken:
        return None
    return max(0, limit - int(taken[0].split()[0]) * resource.getpagesize())


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def release(array: np.ndarray) -> None:
    """Let go of what was read of a mapped file, which is read again when needed.

    Without this all that was ever looked at counts as memory of the process until
    others want it. Arrays that are not mapped from a file are left alone, and so are
    those whose changes are kept in memory only (mode "c").

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
    """Return rows of an array that may be mapped from a file, some at a time.

    The same as ``array[rows]``, but never with more of the file in memory than a part
    of the rows brings along: pages come in by the neighbourhood, so that a few thousand
    rows of a large file are the whole file.

    Parameters
    ----------
    array : ndarray of shape (n, ...)
        Perhaps mapped.
    rows : ndarray of shape (m,), int
        Which rows.

    Returns
    -------
    taken : ndarray of shape (m, ...)
        A copy; of uint8 in a temporary file where memory might not do.

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
    """Gathers rows whose number nobody knows beforehand.

    Use it as a context manager: what was gathered and not taken is given up at the end.

    Examples
    --------
    >>> with GrowingArray() as gathered:
    ...     gathered.append(np.zeros((2, 4, 4)))
    ...     gathered.append(np.ones((1, 4, 4)))
    ...     gathered.take().shape
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
        if self._n_bytes > IN_MEMORY // 2:  # joined they would be there twice
            self._write_blocks()

    def take(self) -> np.ndarray:
        """Return all rows as one array; a mapped one if they are in a file."""
        if self._file is None:
            return np.concatenate(self._blocks)
        last = self._blocks[-1]
        self._write_blocks()
        shape = (self._n_rows, *last.shape[1:])
        return np.memmap(self._file, dtype=last.dtype, mode="r+", shape=shape)

    def _write_blocks(self) -> None:
        """Move to the file what is in memory, but for the last block's shape."""
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


def peak_memory_bytes() -> int | None:
    """Return the largest resident memory of this process so far, if known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
