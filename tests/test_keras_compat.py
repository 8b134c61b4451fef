"""The private parts of Keras and TensorFlow still do what we need of them."""

import gc
import re
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.eager import context

import balancegan
from balancegan.gan import keras_compat
from balancegan.gan.keras_compat import (
    Adam,
    AdamW,
    default_seeds_from,
    default_thread_settings,
    fresh_layer_names,
)
from balancegan.gan.layers import FewFilterConv2D

PAIRS = {
    "adam": (Adam, keras.optimizers.Adam),
    "adamw": (AdamW, keras.optimizers.AdamW),
}
KERAS_OPTIMIZER = re.compile(
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


def test_layer_names_start_again_and_continue_afterwards():
    before = [layers.Dense(2).name for _ in range(2)][-1]
    with pytest.raises(RuntimeError), fresh_layer_names():
        assert layers.Dense(2).name == "dense"
        with fresh_layer_names():
            assert layers.Dense(2).name == "dense"
        assert layers.Dense(2).name == "dense_1"
        raise RuntimeError
    number = int(before.removeprefix("dense_"))
    assert layers.Dense(2).name == f"dense_{number + 1}"


def test_thread_settings_are_the_defaults_and_come_back():
    keras.config.set_dtype_policy("mixed_bfloat16")
    callbacks = context.context().op_callbacks
    callbacks.append(print)
    try:
        with default_thread_settings():
            assert layers.Dense(2).compute_dtype == "float32"
            assert not callbacks
        assert callbacks == [print]
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        callbacks.clear()
        keras.config.set_dtype_policy("float32")


def test_default_seeds_of_layers_depend_on_the_seed():
    drawn = []
    for seed in (3, 3, 4):
        with default_seeds_from(seed):
            layer = layers.Dense(2)
            layer.build((1, 5))
            drawn.append(layer.kernel.numpy())
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_graph_optimizer_options_are_replaced():
    before = keras_compat.graph_optimizer_options()
    try:
        keras_compat.set_graph_optimizer_options({"remapping": False})
        assert keras_compat.graph_optimizer_options() == {"remapping": False}
        assert tf.config.optimizer.get_experimental_options()["remapping"] is False
    finally:
        keras_compat.set_graph_optimizer_options(before)


def test_determinism_is_switched():
    keras_compat.set_determinism(True)
    assert keras_compat.is_deterministic()
    keras_compat.set_determinism(False)
    assert not keras_compat.is_deterministic()


def test_tensorflow_is_known_to_have_started():
    keras.ops.zeros(())
    assert keras_compat.has_started()


@pytest.mark.parametrize(("own", "other"), PAIRS.values(), ids=PAIRS)
def test_optimizers_compute_what_those_of_keras_do(own, other):
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
    using = [file.name for file in files if KERAS_OPTIMIZER.search(file.read_text())]
    assert using == ["keras_compat.py"]
