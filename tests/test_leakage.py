import numpy as np
import pytest
from sklearn.datasets import load_digits

from balancegan.evaluation.fidelity import share_of_near_copies
from balancegan.evaluation.leakage import are_equal, count_near, find_leaks
from balancegan.images import typical_distance

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
    [
        ("uint8", (8, 8)),
        ("uint16", (8, 8, 1)),
        ("float32", (64,)),
        ("float64", (1, 8, 8)),
    ],
)
@pytest.mark.parametrize(
    ("equal", "near"),
    [(0, 0), (0.02, 0), (0, 0.02), (0.5, 0.1), (0.9, 0.05), (0, 0.6), (0.3, 0.7)],
)
def test_copies_and_near_copies_are_counted_however_many_there_are(
    dtype, shape, equal, near
):
    training, test = make_parts(dtype, shape)
    n_equal, n_near = int(equal * N_TEST), int(near * N_TEST)
    test[:n_equal] = training[:n_equal]
    copied = slice(n_equal, n_equal + n_near)
    test[copied] = add_noise(training[copied])
    assert not are_equal(test[copied], training).any()
    leaks = find_leaks(training, test)
    assert (leaks.n_equal, leaks.n_near) == (n_equal, n_near)
    assert leaks.rows == tuple(range(n_equal + n_near))
    assert leaks.limit > 0  # so near copies that a sampler adds are found too
    added = add_noise(test[-20:])
    assert count_near(added, test, leaks.limit) == 20


def test_where_all_test_images_are_copies_near_copies_are_found_too():
    training, _ = make_parts("float32", (8, 8))
    leaks = find_leaks(training, training[:50])
    assert (leaks.n_equal, leaks.n_near) == (50, 0)
    assert count_near(add_noise(training[:9]), training, leaks.limit) == 9


def test_constant_images_are_no_scale():
    training, test = make_parts("float32", (8, 8))
    training[: len(training) // 2], test[: N_TEST // 2] = 0, 0
    test[-5:] = add_noise(training[-5:])
    leaks = find_leaks(training, test)
    assert (leaks.n_equal, leaks.n_near) == (N_TEST // 2, 5)
    all_black = find_leaks(np.zeros((9, 4, 4)), np.zeros((5, 4, 4)))
    assert (all_black.n_equal, all_black.n_near, all_black.limit) == (5, 0, 0)


def test_the_scale_of_values_does_not_matter():
    training, test = make_parts("float64", (8, 8))
    test[:150] = add_noise(training[:150])
    found = {
        find_leaks(scale * training, scale * test).rows for scale in (1e-3, 1, 1e3)
    }
    assert found == {tuple(range(150))}


def test_equal_values_are_equal_whatever_their_dtype():
    images = np.array([[0.0, 2.0], [0.5, 2.0], [-0.0, 1.0]])
    others = np.array([[0, 2], [0, 1]], "uint8")
    assert are_equal(images, others).tolist() == [True, False, True]
    assert are_equal(others, images).tolist() == [True, True]


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
