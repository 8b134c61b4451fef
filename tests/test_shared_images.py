import numpy as np
import pytest
from sklearn.datasets import load_digits

from balancegan.evaluation.added_images import share_of_near_copies
from balancegan.images import typical_distance
from balancegan.quality.likeness import count_equal, find_shared

N_TEST = 200


def make_parts(dtype, shape):
    """Return digits to learn from, and others; no two of them are equal."""
    digits = np.unique(load_digits().data, axis=0)
    digits = np.random.default_rng(0).permutation(digits)[: 3 * N_TEST]
    high = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    images = (digits / 16 * high).astype(dtype).reshape(-1, *shape)
    return images[N_TEST:], images[:N_TEST].copy()


def add_noise(images):
    """Return near copies: half of a per cent of noise."""
    high = np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.005 * high, images.shape)
    return np.clip(images + noise, 0, high).round(6).astype(images.dtype)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("uint8", (8, 8)), ("uint16", (8, 8, 1)), ("float32", (8, 8))],
)
@pytest.mark.parametrize(
    ("equal", "near"),
    [(0, 0), (0.02, 0), (0, 0.02), (0.5, 0.1), (0.9, 0.05), (0, 0.6), (0.3, 0.7)],
)
@pytest.mark.parametrize("is_strict", [False, True])
def test_shared_images_are_found_however_many_there_are(
    dtype, shape, equal, near, is_strict
):
    training, test = make_parts(dtype, shape)
    n_equal, n_near = int(equal * N_TEST), int(near * N_TEST)
    test[:n_equal] = training[:n_equal]
    copied = slice(n_equal, n_equal + n_near)
    test[copied] = add_noise(training[copied])
    are_equal, are_near = find_shared(test, training, is_strict=is_strict)
    assert np.flatnonzero(are_equal).tolist() == list(range(n_equal))
    assert np.flatnonzero(are_near).tolist() == list(range(n_equal, n_equal + n_near))
    # Also near copies of test images that a method adds
    assert find_shared(add_noise(test[-20:]), test, is_strict=is_strict)[1].all()


def test_constant_images_are_no_scale():
    training, test = make_parts("float32", (8, 8))
    training[: len(training) // 2], test[: N_TEST // 2] = 0, 0
    test[-5:] = add_noise(training[-5:])
    equal, near = find_shared(test, training)
    assert (equal.sum(), near.sum()) == (N_TEST // 2, 5)
    equal, near = find_shared(np.zeros((5, 4, 4)), np.zeros((9, 4, 4)))
    assert (equal.all(), near.any()) == (True, False)


def test_the_scale_of_values_does_not_matter():
    training, test = make_parts("float64", (8, 8))
    test[:150] = add_noise(training[:150])
    for scale in (1e-3, 1, 1e3):
        _, near = find_shared(scale * test, scale * training)
        assert np.flatnonzero(near).tolist() == list(range(150))


def test_equal_values_are_equal_whatever_their_dtype():
    images = np.array([[0.0, 2.0], [0.5, 2.0], [-0.0, 1.0]])
    others = np.array([[0, 2], [0, 1]], "uint8")
    assert count_equal(images, others) == count_equal(others, images) == 2


def test_typical_distances_leave_out_copies():
    images = np.random.default_rng(0).normal(size=(100, 4, 4))
    usual = typical_distance(images, images)
    copies = np.concatenate([images, *[images[:1]] * 60])
    assert typical_distance(copies, copies) == pytest.approx(usual, rel=0.2)
    assert typical_distance(images[:0], images) == 0
    assert typical_distance(images[:1], images[:1]) == 0


def test_copies_are_near_although_the_held_out_images_are_copies_too():
    training, held_out = make_parts("float32", (8, 8))
    held_out[:50] = training[:50]
    made = add_noise(training[100:140])
    assert share_of_near_copies(made, training, held_out) == 1
    assert np.isnan(share_of_near_copies(made, training, training[:50]))
