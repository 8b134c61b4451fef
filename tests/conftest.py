"""Fixtures: seeded randomness, tiny image sets, one trained augmenter to share."""

import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # there is a worker on every core already
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

# A shared machine may stop for longer than hypothesis allows an example
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def rng():
    return np.random.default_rng(20_231)


def make_images(n, shape=(8, 8), dtype="uint8", seed=0):
    """Random images, uint8 in 0..255 or floats in 0..1."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(n, *shape))
    return images.astype(dtype) if dtype == "uint8" else (images / 255).astype(dtype)


def load_npz(path):
    """All arrays of a file, which is closed again."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="session")
def small_set():
    """36 grey 8x8 images: 20 bags, 12 shirts, 4 boots."""
    return make_images(36), np.repeat(["bag", "shirt", "boot"], [20, 12, 4])


@pytest.fixture(scope="session")
def trained(small_set):
    """An augmenter trained for a few steps on `small_set`; do not change it."""
    from balancegan import ConditionalGANAugmenter

    return ConditionalGANAugmenter(steps=20, random_state=7, verbose=0).fit(*small_set)


@pytest.fixture(autouse=True, scope="session")
def train_briefly():
    """Judges that have learned nothing, latents hardly sought, costs hardly measured.

    All of it, done for its result, would take most of the time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("balancegan.gan.judge.JUDGE_STEPS", 1)
        patch.setattr("balancegan.gan.quality.JUDGE_STEPS", 1)
        patch.setattr("balancegan.synthesis.crossfit.JUDGE_STEPS", 1)
        patch.setattr("balancegan.synthesis.rejection.N_TRIAL", 8)
        patch.setattr("balancegan.gan.inversion.N_STEPS", 2)
        patch.setattr("balancegan.cli.estimate.TRIAL_CALLS", 2)
        patch.setattr("balancegan.cli.estimate.TRIAL_STEPS", (1, 3))
        yield


@pytest.fixture(autouse=True)
def run_eagerly(request):
    """Run without compiling, which costs seconds, unless marked `compiled`."""
    if request.node.get_closest_marker("compiled"):
        yield
        return
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the `tf.config.experimental")
        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def one_step_a_call(monkeypatch):
    """Return to Python after every step: a few then do for what happens in between."""
    for module in ("gan.conditional_gan", "cli.estimate"):
        monkeypatch.setattr(f"balancegan.{module}.STEPS_PER_CALL", 1)
