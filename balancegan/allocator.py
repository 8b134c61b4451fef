"""Memory that is freed and wanted again at once, kept meanwhile.

A training step takes and frees hundreds of megabytes of tensors. The C library (glibc)
gives large blocks back to the system as soon as they are free, which then has to find
and blank them anew, page by page. Where pages are dear that is half of a step.
"""

import ctypes
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# mallopt(3): what is set, what for training, and what glibc begins with
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8
KEEPING = {TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26, MMAP_MAX: 0}
USUAL = {TRIM_THRESHOLD: 2**17, TOP_PAD: 2**17, MMAP_MAX: 2**16}

_lock = threading.Lock()
_n_keeping = 0


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Keep freed memory in the process while the block runs; then give it back.

    It concerns the whole process, and all of its threads. Blocks may be within each
    other. Without glibc nothing is changed.
    """
    global _n_keeping
    libc = _find_glibc()
    if libc is None:
        yield
        return
    with _lock:
        _n_keeping += 1
        if _n_keeping == 1:
            _set(libc, KEEPING)
    try:
        yield
    finally:
        with _lock:
            _n_keeping -= 1
            if not _n_keeping:
                _set(libc, USUAL)
                libc.malloc_trim(0)


def share_one_arena() -> None:
    """Let all threads that begin from now on take memory from one place.

    Else each keeps some of its own, a hundred megabytes together.
    """
    libc = _find_glibc()
    if libc is not None:
        _set(libc, {ARENA_MAX: 1})


def _find_glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)


def _set(libc: ctypes.CDLL, values: dict[int, int]) -> None:
    for name, value in values.items():
        libc.mallopt(name, value)
