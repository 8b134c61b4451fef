import keras
import numpy as np
import pytest

from balancegan.gan.batches import BalancedBatches, to_dataset


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


def test_batches_come_in_their_order():
    batches, _ = make_batches()
    batches.first_step = 2
    dataset = to_dataset(batches)
    assert len(dataset) == len(batches)
    for step, (images, classes) in enumerate(dataset.as_numpy_iterator()):
        np.testing.assert_array_equal(images, batches[step][0])
        np.testing.assert_array_equal(classes, batches[step][1])
    assert step == len(batches) - 1


def test_batches_keep_their_structure():
    inputs = np.arange(3), np.zeros((3, 2), "float32")
    dataset = to_dataset([(inputs, np.ones((3, 1)))] * 2)
    (index, latents), wanted = next(iter(dataset))
    assert (index.dtype, latents.shape, wanted.shape) == ("int64", (3, 2), (3, 1))


@pytest.mark.parametrize("steps_a_call", [1, 2])
@pytest.mark.compiled
def test_keras_takes_each_batch_once(steps_a_call):
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse", steps_per_execution=steps_a_call, jit_compile=False)
    batches = [(np.ones((4, 1)), np.ones((4, 1)))] * 5
    model.fit(to_dataset(batches), shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 5


def test_autotuning_is_off():
    """The thread that tunes is waited for, up to a minute, when training has ended."""
    batches, _ = make_batches()
    assert to_dataset(batches).options().autotune.enabled is False
