"""Our optimizers beside Keras's; and no graph of a training outlives it."""

import gc
import re
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import balancegan
from balancegan.gan.layers import FewFilterConv2D
from balancegan.gan.optimizers import Adam, AdamW

PAIRS = {
    "adam": (Adam, keras.optimizers.Adam),
    "adamw": (AdamW, keras.optimizers.AdamW),
}
OF_KERAS = re.compile(
    r"keras\.optimizers\.[A-Z]|from keras\.optimizers|(?<!re\.)compile\(\s*\""
)


def make_step(build=Adam):
    """Return a function that changes a variable by its optimizer, and the variable."""
    variable = keras.Variable(np.linspace(-1, 1, 5))
    optimizer = build(0.1)
    optimizer.build([variable])

    def step(gradient):
        optimizer.apply([gradient], [variable])

    return step, variable


def make_convolution(shape):
    """Return a function that convolves, and takes the gradient."""
    layer = FewFilterConv2D(1, 3, padding="same")
    layer.build(shape)

    def convolve(x):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.square(layer(x)))
        return tape.gradient(value, layer.kernel.value)

    return convolve


def outlives(step, argument):
    """Whether the graph of a function is there when the function is not."""
    graph = weakref.ref(tf.function(step).get_concrete_function(argument).graph)
    gc.collect()
    return graph() is not None


@pytest.mark.parametrize(("own", "other"), PAIRS.values(), ids=PAIRS)
def test_they_do_what_those_of_keras_do(own, other):
    moved = []
    for build in (own, other):
        step, variable = make_step(build)
        for gradient in np.random.default_rng(0).normal(size=(5, 5)).astype("float32"):
            step(gradient)
        moved.append(variable.numpy())
    np.testing.assert_array_equal(*moved)


@pytest.mark.compiled
def test_no_graph_of_a_step_outlives_it():
    keras_step, _ = make_step(keras.optimizers.Adam)
    step, _ = make_step()
    assert outlives(keras_step, tf.ones(5))  # else our own are not needed any more
    assert not outlives(step, tf.ones(5))


@pytest.mark.compiled
def test_no_graph_of_a_convolution_outlives_it():
    x = tf.ones((2, 4, 4, 3))
    assert not outlives(make_convolution(x.shape), x)


def test_no_other_optimizers_are_used():
    files = sorted(Path(balancegan.__file__).parent.rglob("*.py"))
    using = [file.name for file in files if OF_KERAS.search(file.read_text())]
    assert using == ["optimizers.py"]
