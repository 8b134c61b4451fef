"""Batches as Keras is given them: in their order, each once, and ended at once."""

import keras
import numpy as np
import pytest

from balancegan.gan.feeding import to_dataset

from .test_batches import make_batches


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


def test_nothing_is_tuned():
    """The thread that tunes is waited for, up to a minute, when training has ended."""
    batches, _ = make_batches()
    assert to_dataset(batches).options().autotune.enabled is False
