import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan.evaluation.methods import mix_up, shift_images


@given(st.integers(4, 40), st.integers(4, 40), st.integers(1, 4), st.integers(0, 99))
def test_shifted_images_repeat_the_edge(height, width, channels, seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(3, height, width, channels)).astype("float32")
    before = images.copy()
    moved = shift_images(images, rng)
    np.testing.assert_array_equal(images, before)
    assert moved.shape == images.shape
    assert moved.dtype == images.dtype
    reach = [max(1, round(side / 14)) for side in (height, width)]
    for image, result in zip(images, moved, strict=True):
        padded = np.pad(image, [*((r, r) for r in reach), (0, 0)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, image.shape)
        assert any(
            np.array_equal(window, result)
            for window in windows.reshape(-1, *image.shape)
        )


def test_all_shifts_are_equally_likely(rng):
    images = np.zeros((5_000, 28, 28, 1), "float32")
    images[:, 14, 14] = 1
    _, rows, columns, _ = np.nonzero(shift_images(images, rng))
    for places in (rows, columns):
        counts = np.bincount(places - 12)
        assert len(counts) == 5
        assert counts.min() > 900


def test_equal_generators_shift_equally(rng):
    images = rng.normal(size=(9, 12, 12, 2))
    first, second = (shift_images(images, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (shift_images(images, np.random.default_rng(5)) != first).any()


def test_mixup_mixes_images_and_labels_equally(rng):
    labels = np.eye(6, dtype="float32")[rng.integers(6, size=64)]
    images = labels @ np.arange(6, dtype="float32")  # brightness says the class
    images = np.broadcast_to(images[:, None, None, None], (64, 4, 4, 1))
    mixed, mixed_labels = mix_up(images, labels, rng, 0.2)
    np.testing.assert_allclose(mixed_labels.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        mixed[:, 0, 0, 0], mixed_labels @ np.arange(6), rtol=1e-5, atol=1e-5
    )
    assert mixed.dtype == mixed_labels.dtype == np.float32


@pytest.mark.parametrize(("alpha", "share"), [(0.2, 0.5), (5.0, 0.05)])
def test_a_small_alpha_mixes_little(alpha, share, rng):
    images, labels = np.zeros((4_000, 4, 4, 1)), np.eye(4_000)
    _, mixed = mix_up(images[:500], labels[:500, :500], rng, alpha)
    alone = np.mean(mixed.max(axis=1) > 0.9)
    assert alone > share if alpha < 1 else alone < share
