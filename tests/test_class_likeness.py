import numpy as np
import pytest

from balancegan.quality.class_likeness import (
    RealNeighbours,
    crop,
    nearest_earlier,
    number_near_copies,
    shrink,
)


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, size=(40, 12, 10, 2)).astype("float32")


def test_a_shifted_copy_is_at_no_distance(images):
    moved = np.roll(images[5:6], (1, -1), axis=(1, 2))
    distances, rows = RealNeighbours(images).find(moved)
    assert rows.tolist() == [5]
    assert distances[0] == pytest.approx(0, abs=0.05)
    distances, _ = RealNeighbours(images).find(np.roll(images[5:6], 3, axis=1))
    assert distances[0] > 5


def test_spacing_is_the_distance_to_the_nearest_other(images):
    real = RealNeighbours(images)
    for row in (0, 17):
        others = np.delete(images, row, axis=0)
        found, _ = RealNeighbours(others).find(images[row : row + 1])
        assert real.spacing[row] == pytest.approx(found[0], rel=1e-3)


def test_ratios_of_real_images_are_those_of_images_held_out(images):
    ratios = RealNeighbours(images).ratios_among()
    for row in (3, 21):
        others = RealNeighbours(np.delete(images, row, axis=0))
        distance, nearest = others.find(images[row : row + 1])
        expected = distance[0] / others.spacing[nearest[0]]
        assert ratios[row] == pytest.approx(expected, rel=1e-3)


def test_chunks_change_nothing(images, monkeypatch):
    whole = RealNeighbours(images)
    monkeypatch.setattr("balancegan.quality.class_likeness.CHUNK", 7)
    parts = RealNeighbours(images)
    np.testing.assert_allclose(parts.spacing, whole.spacing, rtol=1e-5)
    for found, expected in zip(parts.find(images), whole.find(images), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_images_have_no_ratios(images, n):
    real = RealNeighbours(images[:n])
    assert np.isnan(real.ratios_among()).all()
    assert np.isfinite(real.spacing).all() == (n != 1)


def test_equal_real_images_do_not_make_everything_far(images):
    images[1] = images[0] + 0.02
    real = RealNeighbours(images)
    assert real.spacing.min() == pytest.approx(0.1 * np.median(real.spacing), rel=0.1)


def test_a_duplicate_is_no_neighbour(images):
    once, twice = RealNeighbours(images), RealNeighbours(np.repeat(images, 2, axis=0))
    np.testing.assert_allclose(twice.spacing[::2], once.spacing, rtol=1e-5)
    copy = images[:5] + np.float32(0.005)
    found, rows = twice.find(copy)
    assert (found / twice.spacing[rows] < 0.05).all()
    assert np.nanmin(twice.ratios_among()) > 0.3
    equal = RealNeighbours(np.repeat(images[:1], 6, axis=0))
    assert np.isnan([*equal.spacing, *equal.ratios_among(), equal.usual]).all()


def test_images_of_one_line_can_be_compared():
    assert crop(np.zeros((3, 1, 9, 1)), 1, -1).shape == (3, 7)


@pytest.mark.parametrize(
    ("side", "expected"), [(32, 32), (33, 16), (64, 32), (100, 25)]
)
def test_images_shrink_to_at_most_32_pixels(side, expected):
    flat = np.full((1, side, side, 1), 0.5)
    found = shrink(flat)
    assert found.shape == (1, expected, expected, 1)
    np.testing.assert_allclose(found, 0.5)


def test_only_earlier_images_count(rng):
    images, earlier = rng.normal(size=(6, 4)), rng.normal(size=(3, 4))
    found = nearest_earlier(images, earlier)
    for k, image in enumerate(images):
        before = np.concatenate([earlier, images[:k]])
        assert found[k] == pytest.approx(np.linalg.norm(before - image, axis=1).min())
    assert nearest_earlier(images[:1], earlier[:0]).tolist() == [np.inf]


@pytest.mark.parametrize("share", [0.4, 0.55, 0.65])
def test_near_copies_in_the_real_images_hide_no_copy(share, rng):
    images = rng.random((200, 8, 8, 1), "float32")
    usual = RealNeighbours(images).usual
    n = int(share * len(images))
    images[:n] = images[-1] + rng.normal(0, 0.002, (n, 8, 8, 1))
    neighbours = RealNeighbours(images)
    assert 0.1 * usual < neighbours.usual < 1.5 * usual
    copies = images[:9] + rng.normal(0, 0.002, (9, 8, 8, 1)).astype("float32")
    distances, rows = neighbours.find(copies)
    assert (distances < neighbours.spacing[rows]).all() or share < 0.5


@pytest.mark.parametrize("chunk", [7, 512])
def test_shifted_relit_and_noisy_copies_share_a_number(images, rng, monkeypatch, chunk):
    monkeypatch.setattr("balancegan.quality.class_likeness.CHUNK", chunk)
    copies = [
        np.roll(images[3], 1, axis=0),
        0.4 * images[3] + 0.5,
        images[3] + rng.normal(0, 0.05, images[3].shape),
        np.roll(images[20], 4, axis=0),
        images[20, :, ::-1],
    ]
    numbers, is_chained = number_near_copies(np.concatenate([images, copies]))
    assert numbers.tolist() == [*range(40), 3, 3, 3, 43, 44]
    assert not is_chained


def test_near_copies_are_linked_in_chains_up_to_half_a_class(images):
    steps = np.linspace(0, 1, 12)[:, None, None, None]
    chain = images[:1] + steps * (images[1:2] - images[:1])
    for n_others, is_chained in ((14, False), (9, True)):
        numbers, found = number_near_copies(
            np.concatenate([images[2 : 2 + n_others], chain])
        )
        assert found == is_chained
        assert len(set(numbers[n_others:])) == (12 if is_chained else 1)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_equal_images_of_a_class_are_no_group(n):
    numbers, is_chained = number_near_copies(np.ones((n, 8, 8, 1), "float32"))
    assert numbers.tolist() == list(range(n))
    assert is_chained == (n > 2)
