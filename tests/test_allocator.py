import subprocess
import sys

import pytest

from balancegan import allocator

MEASURED = """
import resource
import numpy as np
from balancegan.allocator import keeping_freed_memory

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.ones(1_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults(10)
with keeping_freed_memory():
    faults(1)
    with keeping_freed_memory():
        pass
    kept = faults(10)
again = faults(10)
with open("/proc/self/statm") as file:
    resident = int(file.read().split()[1])
print(usual, kept, again, resident)
"""


@pytest.mark.skipif(
    allocator._find_glibc() is None, reason="needs a C library that can be told"
)
def test_what_is_freed_is_taken_again_without_the_system():
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True
    )
    usual, kept, again, _ = map(int, done.stdout.split())
    assert kept < 100 < usual
    assert again > 100  # back to what it was, and nothing is kept


def test_without_glibc_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(allocator, "_find_glibc", lambda: None)
    with allocator.keeping_freed_memory():
        assert allocator._n_keeping == 0


def test_it_ends_with_the_outermost_block_whatever_happens():
    with pytest.raises(RuntimeError), allocator.keeping_freed_memory():
        with allocator.keeping_freed_memory():
            pass
        inner = allocator._n_keeping
        raise RuntimeError
    assert (inner > 0) == (allocator._find_glibc() is not None)
    assert allocator._n_keeping == 0
