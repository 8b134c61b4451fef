"""What a user sets for the whole process changes no image, and is as it was."""

import random
import subprocess
import sys
import threading
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from keras.src.backend.common import global_state
from keras.src.backend.common.name_scope import current_path
from tensorflow.python.eager import context
from tensorflow.python.framework import config as tf_config

from balancegan import ConditionalGANAugmenter, DataError
from balancegan.evaluation.classifiers import TrainingRows, train_network
from balancegan.gan.keras_compat import NAME_SCOPES
from balancegan.gan.networks import build_projection_generator
from balancegan.gan.settings import PROCESS_SETTINGS, standard_settings

from .augmenters import build_augmenter
from .conftest import make_images

X, Y = make_images(24, (9, 8, 3)), np.repeat(["bag", "boot"], [16, 8])
USERS = {  # other values than the libraries' own
    "floatx": ["float16", "float64"],
    "epsilon": [1e-2],
    "image_data_format": ["channels_first"],
    "max_epochs": [0],
    "max_steps_per_epoch": [1],
    "jit": ["autoclustering"],
    "optimizer_options": [{"layout_optimizer": False, "remapping": False}],
    "op_determinism": [True],
}
POLICIES = ["mixed_float16", "mixed_bfloat16", "float64", None]


def read_all():
    policy = global_state.get_global_attribute("dtype_policy")
    found = {name: read() for name, (read, _, _) in PROCESS_SETTINGS.items()}
    listeners = list(context.context().op_callbacks)
    return found, policy and policy.name, listeners, current_path()


@contextmanager
def set_by_user(chosen, policy=None):
    """Set what a user might; afterwards the process is as it was."""
    before = {name: PROCESS_SETTINGS[name][0]() for name in chosen}
    own_policy = global_state.get_global_attribute("dtype_policy")
    try:
        for name, value in chosen.items():
            PROCESS_SETTINGS[name][1](value)
        global_state.set_global_attribute("dtype_policy", None)
        if policy is not None:
            keras.config.set_dtype_policy(policy)
        yield
    finally:
        for name, value in before.items():
            PROCESS_SETTINGS[name][1](value)
        tf_config.disable_op_determinism()
        global_state.set_global_attribute("dtype_policy", own_policy)


def check_standard():
    for name, (read, _, ours) in PROCESS_SETTINGS.items():
        assert read() == ours, name
    assert keras.config.dtype_policy().name == "float32"
    assert not context.context().op_callbacks
    assert not global_state.get_global_attribute(NAME_SCOPES)


def test_every_setting_is_tried():
    assert {*USERS, "run_functions_eagerly"} == set(PROCESS_SETTINGS)
    for name, values in USERS.items():
        assert PROCESS_SETTINGS[name][2] not in values


@given(
    chosen=st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in USERS.items()}
    ),
    policy=st.sampled_from(POLICIES),
    ending=st.sampled_from(["well", "error", "nested", "nested error"]),
)
def test_the_defaults_hold_within_and_the_users_settings_after(chosen, policy, ending):
    with set_by_user(chosen, policy):
        before = read_all()
        try:
            with standard_settings():
                check_standard()
                if "nested" in ending:
                    with standard_settings():
                        check_standard()
                    check_standard()
                if "error" in ending:
                    raise RuntimeError("ours")
        except RuntimeError:
            assert "error" in ending
        assert read_all() == before


def test_scopes_and_callbacks_of_the_user_do_not_apply():
    tf.debugging.enable_check_numerics()
    try:
        with keras.name_scope("mine"):
            before = read_all()
            with standard_settings():
                check_standard()
            assert read_all() == before
            assert before[2:] == (context.context().op_callbacks, "mine")
    finally:
        tf.debugging.disable_check_numerics()


def test_threads_may_overlap():
    begun, may_end = threading.Event(), threading.Event()

    def work():
        with standard_settings():
            begun.set()
            may_end.wait(30)

    with set_by_user({"floatx": "float16"}):
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait(30)
        with standard_settings():
            may_end.set()
            thread.join()
            assert keras.config.floatx() == "float32"
        assert keras.config.floatx() == "float16"


def test_settings_changed_meanwhile_stay():
    with set_by_user({"floatx": "float16", "epsilon": 1e-2}):
        with standard_settings():
            keras.config.set_floatx("float64")
        assert (keras.config.floatx(), keras.config.epsilon()) == ("float64", 1e-2)


def make_all(**settings):
    """Images of both sorts of networks, probabilities of a classifier, dtypes."""
    found, dtypes = [], set()
    for preset in ("default", "tutorial"):
        augmenter = build_augmenter(
            preset=preset,
            steps=2,
            batch_size=8,
            gan_share=1,
            random_state=0,
            verbose=0,
            **settings,
        ).fit(X, Y)
        found += [augmenter.sample("boot", 3), augmenter.resample()[0]]
        dtypes |= {weight.dtype for weight in augmenter.model_.generator.weights}
        dtypes |= {one.compute_dtype for one in augmenter.model_.generator.layers}
    rows = TrainingRows(X, np.repeat([0, 1], [16, 8]), 2, lambda x: x / 127.5 - 1)
    found.append(train_network(None, rows, X[:4], 0, n_steps=2, batch_size=8))
    return found, dtypes


@pytest.fixture(scope="module")
def expected():
    return make_all()[0]


@pytest.mark.parametrize(
    ("chosen", "policy"),
    [
        (
            {
                "image_data_format": "channels_first",
                "floatx": "float16",
                "epsilon": 1e-2,
                "max_steps_per_epoch": 1,
            },
            "mixed_float16",
        ),
        (
            {
                "floatx": "float64",
                "op_determinism": True,
                "max_epochs": 0,
                "optimizer_options": {"disable_meta_optimizer": True},
            },
            None,
        ),
        ({"image_data_format": "channels_first"}, "mixed_bfloat16"),
    ],
    ids=str,
)
def test_no_setting_of_the_process_changes_a_bit(expected, chosen, policy):
    with set_by_user(chosen, policy), keras.name_scope("mine"):
        before = read_all()
        found, dtypes = make_all()
        assert read_all() == before
    assert dtypes == {"float32"}
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_loading_and_sampling_depend_on_no_setting(trained, tmp_path):
    trained.save(tmp_path / "model")
    with set_by_user({"image_data_format": "channels_first", "floatx": "float16"}):
        loaded = ConditionalGANAugmenter.load(tmp_path / "model")
        images = loaded.sample("boot", 3)
    np.testing.assert_array_equal(images, trained.sample("boot", 3))
    assert {weight.dtype for weight in loaded.model_.generator.weights} == {"float32"}


def test_builders_of_users_are_called_with_the_defaults():
    seen = []

    def generator(*arguments):
        seen.append(
            (keras.config.image_data_format(), layers.Dense(2).dtype_policy.name)
        )
        return build_projection_generator(*arguments)

    def classifier(shape, n_classes):
        seen.append(
            (keras.config.image_data_format(), layers.Dense(2).dtype_policy.name)
        )
        return keras.Sequential(
            [layers.Input(shape), layers.Flatten(), layers.Dense(n_classes)]
        )

    rows = TrainingRows(X, np.repeat([0, 1], [16, 8]), 2, lambda x: x / 127.5 - 1)
    with set_by_user({"image_data_format": "channels_first"}, "mixed_bfloat16"):
        build_augmenter(generator=generator, steps=1, batch_size=8, verbose=0).fit(X, Y)
        train_network(classifier, rows, X[:4], 0, n_steps=1, batch_size=8)
    assert set(seen) == {("channels_last", "float32")}
    assert len(seen) == 3  # the generator and its average; the classifier


def test_no_global_random_state_is_touched():
    def states():
        numpy_state = np.random.get_state()
        generator = tf.random.get_global_generator().state.numpy().tolist()
        return random.getstate(), numpy_state[1].tolist(), numpy_state[2], generator

    before = states()
    drawn = []

    def classifier(shape, n_classes):  # with seeds that Keras draws
        drawn.append(random.getstate())
        return keras.Sequential(
            [layers.Input(shape), layers.Flatten(), layers.Dense(n_classes)]
        )

    augmenter = build_augmenter(steps=1, batch_size=8, verbose=0, random_state=0)
    augmenter.fit_resample(X, Y)
    augmenter.sample("boot", 2)
    rows = TrainingRows(X, np.repeat([0, 1], [16, 8]), 2, lambda x: x / 127.5 - 1)
    one, other = (
        train_network(classifier, rows, X[:4], seed, n_steps=1, batch_size=8)
        for seed in (0, 1)
    )
    assert states() == before
    assert drawn == [before[0]] * 2
    assert (one != other).any()


def test_disabled_eager_execution_is_an_error(trained):
    with tf.Graph().as_default(), pytest.raises(DataError, match="eager execution"):
        trained.sample("boot", 1)
    with tf.Graph().as_default(), pytest.raises(DataError, match="eager execution"):
        build_augmenter(steps=1, verbose=0).fit(X, Y)


FORKING = """
import multiprocessing, sys
import numpy as np
import tensorflow as tf
from balancegan import DataError
from balancegan.gan.settings import standard_settings

def work():
    try:
        with standard_settings():
            tf.reduce_sum(tf.ones(3))
    except DataError as error:
        sys.exit(3 if "'spawn'" in str(error) else 4)

if __name__ == "__main__":
    for expected in (0, 3):
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join(60)
        assert child.exitcode == expected, child.exitcode
        work()  # from here on this process has used TensorFlow
    child = multiprocessing.get_context("spawn").Process(target=work)
    child.start()
    child.join(60)
    assert child.exitcode == 0, child.exitcode
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks only where that is usual")
def test_a_forked_process_raises_an_error(tmp_path):
    script = tmp_path / "forking.py"
    script.write_text(FORKING)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
