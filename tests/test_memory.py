import errno
import io
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from balancegan import memory
from balancegan.memory import (
    GrowingArray,
    allocate,
    check_available,
    release,
    take_rows,
)

from .conftest import make_images


@pytest.mark.parametrize(
    ("limit", "sizes"),
    [
        (10**9, [1, 1, 1]),
        (10**9, [4, 0, 3]),
        (0, [1, 1, 1]),
        (500, [3, 4, 2, 0]),  # 64 bytes a row: the file begins in the midst
        (500, [9]),
        (64 * 9, [8, 1]),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_rows_come_back_wherever_they_were_kept(monkeypatch, limit, sizes, dtype):
    monkeypatch.setattr(memory, "IN_MEMORY", limit)
    rows = make_images(sum(sizes), dtype=dtype)
    with GrowingArray() as gathered:
        for block in np.split(rows, np.cumsum(sizes)[:-1]):
            gathered.append(np.asfortranarray(block))
        assert len(gathered) == len(rows)
        taken = gathered.take()
    assert isinstance(taken, np.memmap) == (rows.nbytes > limit // 2)
    assert taken.dtype == rows.dtype
    np.testing.assert_array_equal(taken, rows)


def test_discarded_rows_leave_no_open_file(monkeypatch):
    monkeypatch.setattr(memory, "IN_MEMORY", 0)
    with pytest.raises(KeyError), GrowingArray() as gathered:
        gathered.append(make_images(2))
        file = gathered._file
        raise KeyError
    assert file.closed


def test_a_full_temporary_folder_is_named(monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(memory, "IN_MEMORY", 0)
    monkeypatch.setattr(memory.tempfile, "TemporaryFile", Full)
    with GrowingArray() as gathered, pytest.raises(OSError, match="TMPDIR"):
        gathered.append(make_images(2))


def test_large_arrays_are_in_a_file(monkeypatch):
    assert not isinstance(allocate((2, 4, 4)), np.memmap)
    monkeypatch.setattr(memory, "IN_MEMORY", 31)
    room = allocate((2, 4, 4))
    room[1] = 7
    assert isinstance(room, np.memmap)
    assert (room[0] == 0).all()
    assert (room[1] == 7).all()


@pytest.mark.parametrize(
    ("limit", "system", "group", "words"),
    [
        (None, None, None, None),
        (150, 100, 100, None),
        (149, 10**9, None, "150 bytes of addresses, and 149 are left"),
        (None, 10**9, 99, "100 bytes of memory, and 99 are available"),
        (10**9, 98, 99, "100 bytes of memory, and 98 are available"),
    ],
)
def test_too_little_memory_is_an_error(monkeypatch, limit, system, group, words):
    for name, found in (("limit", limit), ("system", system), ("group", group)):
        monkeypatch.setattr(memory, f"_{name}_available", lambda found=found: found)
    if words is None:
        check_available("Training", 100, 50)
    else:
        with pytest.raises(MemoryError, match=f"^Training needs about {words}"):
            check_available("Training", 100, 50)


def resident(name):
    """Return the bytes of a mapped file that are in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith(name))
    (line,) = (part for part in lines[at : at + 12] if part.startswith("Rss:"))
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_of_a_mapped_file_are_released(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.ones((500, 64, 64), "uint8"))
    mapped = np.load(path, mmap_mode="r")
    for array in (mapped, np.asarray(mapped), mapped[10:].reshape(-1, 64 * 64)):
        assert mapped.sum() == mapped.size
        assert resident("images.npy") > 10**6
        release(array)
        assert resident("images.npy") < 10**5
        assert array.min() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_taking_rows_reads_little_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "images.npy"
    images = make_images(20_000, shape=(32, 32))  # 20 MB
    np.save(path, images)
    mapped = np.load(path, mmap_mode="r")
    held = []

    def release_watched(array):
        held.append(resident("images.npy"))
        release(array)

    monkeypatch.setattr(memory, "release", release_watched)
    monkeypatch.setattr(memory, "ROWS_AT_ONCE", 4)
    rows = np.random.default_rng(0).permutation(20_000)[:400]
    taken = take_rows(mapped, rows)
    assert max(held) < path.stat().st_size / 2
    assert resident("images.npy") < 10**5
    np.testing.assert_array_equal(taken, images[rows])
    taken[:] = 0  # a copy
    assert (mapped == images).all()


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_nothing_that_was_written_is_lost(tmp_path, mode):
    np.save(tmp_path / "images.npy", np.zeros((9, 4, 4), "uint8"))
    mapped = np.load(tmp_path / "images.npy", mmap_mode=mode)
    mapped[3] = 7
    release(mapped)
    assert (mapped[3] == 7).all()
    release(make_images(3))


def test_allocated_room_keeps_what_is_in_it(monkeypatch):
    monkeypatch.setattr(memory, "IN_MEMORY", 0)
    room = allocate((9, 4, 4))
    room[:] = 5
    release(room)
    assert (room == 5).all()


MEASURED = """
import resource
import numpy as np
from balancegan.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(1_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
keep_freed_memory()
np.ones(1_000_000)
print(usual, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_reused_without_the_system():
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True
    )
    usual, kept = map(int, done.stdout.split())
    assert kept < 100 < usual
