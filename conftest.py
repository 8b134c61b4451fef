"""What holds for every test, those in docstrings too: threads, haste, no compiling."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # there is a worker on every core already
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# A shared machine may stop for longer than hypothesis allows an example
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def train_briefly():
    """Judges that have learned nothing, and latents hardly sought.

    All of it, done for its result, would take most of the time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("balancegan.gan.judge.JUDGE_STEPS", 1)
        patch.setattr("balancegan.quality.screening.N_TRIAL", 8)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Run without compiling, which costs seconds, unless marked `compiled`.

    No fixture: those of whole modules train, too, and would come before it.
    """
    import tensorflow as tf

    from balancegan.gan.settings import PROCESS_SETTINGS

    eagerly = item.get_closest_marker("compiled") is None
    tf.config.run_functions_eagerly(eagerly)
    read, write, _ = PROCESS_SETTINGS["run_functions_eagerly"]
    PROCESS_SETTINGS["run_functions_eagerly"] = (read, write, eagerly)
