import numpy as np
import pytest

from balancegan.gan.batches import BalancedBatches


def make_batches(class_power=0.0, batch_size=16, seed=3):
    """Ten images, 7, 2 and 1 a class; the value of an image is its row."""
    images = np.arange(10.0)[:, None, None, None]
    classes = np.array([0, 1, 0, 0, 2, 0, 0, 1, 0, 0])
    batches = BalancedBatches(
        images,
        classes,
        lambda rows: rows.astype("float32"),
        batch_size=batch_size,
        n_steps=400,
        class_power=class_power,
        seed=seed,
    )
    return batches, classes


def test_images_come_with_their_own_classes():
    batches, classes = make_batches()
    for step in range(20):
        images, drawn = batches[step]
        np.testing.assert_array_equal(drawn, classes[images.ravel().astype(int)])


def test_a_batch_depends_on_its_step_and_seed_alone():
    first, _ = make_batches()
    second, _ = make_batches()
    other, _ = make_batches(seed=4)
    late = first[9][0]
    for step in range(9):
        second[step]
    np.testing.assert_array_equal(late, second[9][0])
    assert not np.array_equal(late, other[9][0])
    assert not np.array_equal(late, first[10][0])


@pytest.mark.parametrize(
    ("class_power", "shares"),
    [
        (0.0, [1 / 3, 1 / 3, 1 / 3]),
        (1.0, [0.7, 0.2, 0.1]),
        (0.5, np.sqrt([7, 2, 1]) / np.sqrt([7, 2, 1]).sum()),
    ],
)
def test_classes_are_drawn_by_the_power_of_their_size(class_power, shares):
    batches, _ = make_batches(class_power)
    drawn = np.concatenate([batches[step][1] for step in range(len(batches))])
    # 6,400 draws: four standard errors are below 0.025
    np.testing.assert_allclose(np.bincount(drawn) / len(drawn), shares, atol=0.025)


def test_every_row_of_a_class_is_drawn_equally_often():
    batches, _ = make_batches(class_power=1.0)
    rows = np.concatenate([batches[step][0].ravel() for step in range(len(batches))])
    shares = np.bincount(rows.astype(int)) / len(rows)
    np.testing.assert_allclose(shares, 0.1, atol=0.02)


def test_a_batch_may_be_larger_than_the_data():
    batches, _ = make_batches(batch_size=50)
    assert batches[0][0].shape == (50, 1, 1, 1)


@pytest.mark.parametrize("class_power", [0.0, 0.5, 1.0])
def test_a_class_without_images_is_never_drawn(class_power):
    images, classes = np.zeros((3, 1, 1, 1)), np.array([1, 3, 3])
    batches = BalancedBatches(
        images,
        classes,
        lambda rows: rows.astype("float32"),
        batch_size=500,
        n_steps=1,
        class_power=class_power,
        seed=0,
    )
    assert set(batches[0][1].tolist()) == {1, 3}
