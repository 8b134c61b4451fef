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
    monkeypatch.setattr("balancegan.gan.conditional_gan.STEPS_PER_CALL", 1)


@pytest.fixture
def data(tmp_path):
    """An .npz file of 12 bags and 6 boots, 8x8."""
    path = tmp_path / "data.npz"
    y = np.repeat([0, 1], [12, 6])
    names = np.array(["bag", "boot"])
    np.savez(path, x_train=make_images(18), y_train=y, class_names=names)
    return path


@pytest.fixture
def photos(tmp_path):
    """The same as files, a folder for each of two classes."""
    from balancegan.pictures import write_png

    for row, image in enumerate(make_images(18)):
        label, n = (0, row) if row < 12 else (1, row - 12)
        path = tmp_path / "photos" / f"c{label}" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, image[..., None])
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A saved model of these images, trained for a step; do not change it."""
    from balancegan import ConditionalGANAugmenter

    path = tmp_path_factory.mktemp("models") / "model"
    augmenter = ConditionalGANAugmenter(steps=1, gan_share=1, random_state=0, verbose=0)
    augmenter.fit(make_images(18), np.repeat([0, 1], [12, 6]))
    augmenter.set_params(gan_share=0.1).save(path)
    return path
