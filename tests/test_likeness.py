import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan.quality import likeness
from balancegan.quality.likeness import (
    NearSearch,
    make_thumbnails,
    measure_distances,
    number_equal,
)

from .conftest import make_images

EVERY = np.arange(100)


HALVES = st.integers(0, 8).map(lambda twice: twice / 2)


@given(st.lists(st.integers(0, 4), max_size=12), st.lists(HALVES))
def test_equal_images_share_a_number_and_no_others(one, other):
    sets = [
        np.array(values, dtype=dtype).reshape(-1, 1, 1) * np.ones((1, 2, 3), dtype)
        for values, dtype in ((one, "uint8"), (other, "float32"))
    ]
    numbers = np.concatenate(number_equal(*sets))
    values = np.array([*one, *other])
    assert ((numbers[:, None] == numbers) == (values[:, None] == values)).all()


def test_minus_zero_is_zero():
    assert number_equal(np.array([0.0, -0.0]).reshape(2, 1, 1))[0].tolist() == [0, 0]


def test_pieces_change_nothing(monkeypatch):
    images = make_images(100, (20, 17, 3))
    images[40], images[77] = images[3], images[4] // 2 * 2
    images[88] = np.clip(images[9].astype(int) + 5, 0, 255)

    def look():
        search = NearSearch(images, EVERY[EVERY != 40])
        return search.find_within(), number_equal(images)[0].tolist()

    whole = look()
    assert whole[0].pairs == [(4, 77), (9, 88)]
    monkeypatch.setattr("balancegan.quality.likeness.VALUES_PER_PIECE", 20 * 17 * 3 * 7)
    assert look() == whole


def test_more_copies_than_compared_neighbours(rng):
    images = rng.random((100, 8, 8))
    images[:30] = images[0] + rng.normal(0, 0.003, (30, 8, 8))
    rows = {
        row for pair in NearSearch(images, EVERY).find_within().pairs for row in pair
    }
    assert rows == set(range(30))


def test_a_plain_class_raises_no_alarm(rng):
    images = rng.random((100, 8, 8))
    images[:30] = 0.5 + (images[:30] - 0.5) / 8
    assert NearSearch(images, EVERY).find_within().pairs == []


def test_colours_of_the_same_brightness_hide_no_copy(rng):
    images = np.zeros((100, 8, 8, 3))
    images[..., 1] = rng.random((100, 8, 8))
    images[20] = images[55] + 0.01
    for red, green in ((5, 20), (6, 55)):
        images[red] = 0
        images[red, ..., 0] = images[green].sum(axis=2)
    assert NearSearch(images, EVERY).find_within().pairs == [(5, 6), (20, 55)]


def test_what_thumbnails_do_not_show_is_seen(rng):
    coarse = np.kron(rng.random((100, 16, 16)), np.ones((4, 4)))
    coarse[70] = coarse[3]
    fine = rng.choice([-0.2, 0.2], (100, 64, 32))
    images = coarse + np.stack([fine, -fine], axis=3).reshape(100, 64, 64)
    assert NearSearch(images, EVERY).find_within().pairs == []
    assert NearSearch(coarse, EVERY[EVERY != 2]).find_within().pairs == [(3, 70)]


def test_samples_are_bounded_seeded_and_told(monkeypatch, rng):
    monkeypatch.setattr(likeness, "MOST_PAIRS", 20 * 60)
    monkeypatch.setattr(likeness, "MOST_COMPARED", 60)
    images = rng.random((100, 8, 8))
    images[50:] = images[:50] + 0.001
    one, again, other = (
        NearSearch(images, EVERY, seed).find_within() for seed in (0, 0, 1)
    )
    assert one == again
    assert one.pairs != other.pairs
    assert all(b - a == 50 for a, b in one.pairs)
    told = (one.n_sought, one.n_compared, one.n_all_sought, one.n_all_compared)
    assert told == (20, 60, 100, 100)
    across = NearSearch(images, EVERY).find_across(images[:30] + 0.001, EVERY[:30])
    assert (across.n_sought, across.n_all_sought) == (20, 30)


def test_nothing_to_seek():
    found = NearSearch(make_images(100), EVERY).find_across(make_images(3), EVERY[:0])
    assert (found.pairs, found.n_sought) == ([], 0)


@pytest.mark.parametrize("shape", [(5, 40), (28, 28), (28, 28, 3), (33, 17, 9)])
def test_thumbnails_are_means(shape, rng):
    images = rng.random((4, *shape))
    thumbnails = make_thumbnails(images, np.array([1, 3]))
    assert thumbnails.dtype == np.float32
    assert thumbnails.shape[1] <= 512
    level = np.ones((2, *shape)) * np.array([0.25, 0.75]).reshape(2, *[1] * len(shape))
    flat = make_thumbnails(level, np.arange(2))
    np.testing.assert_allclose(flat, [[0.25] * len(flat.T), [0.75] * len(flat.T)])


def test_thumbnails_of_blocks():
    image = np.kron(np.arange(256).reshape(16, 16), np.ones((2, 2)))[None]
    np.testing.assert_array_equal(make_thumbnails(image, [0])[0], np.arange(256))


def test_distances_do_not_depend_on_storage():
    images = make_images(10)
    rows, others = np.arange(9), np.arange(1, 10)
    whole = measure_distances(images, rows, images, others)
    share = measure_distances(images / 255, rows, images / 255, others)
    np.testing.assert_allclose(whole, 255 * share)


@pytest.mark.parametrize("n_copies", [3, 12, 30])
def test_near_copies_are_found_though_most_images_have_many(n_copies, rng):
    images = rng.random((20, 8, 8))
    varied = np.repeat(images, n_copies, axis=0)
    varied += rng.normal(0, 0.003, varied.shape)
    found = NearSearch(varied, np.arange(len(varied))).find_within()
    rows = {row for pair in found.pairs for row in pair}
    assert rows == set(range(len(varied)))
    assert all(a // n_copies == b // n_copies for a, b in found.pairs)
