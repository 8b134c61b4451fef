"""Fixtures: seeded randomness, tiny image sets, one trained augmenter to share."""

import numpy as np
import pytest


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


@pytest.fixture
def one_step_a_call(monkeypatch):
    """Return to Python after every step: a few then do for what happens in between."""
    for module in ("gan.conditional_gan", "cli.estimate"):
        monkeypatch.setattr(f"balancegan.{module}.STEPS_PER_CALL", 1)
