"""Every private part of Keras and TensorFlow that balancegan depends on.

None of this has a public counterpart. Nothing else in the package imports
``keras.src`` or ``tensorflow.python``, or touches their underscored names;
``tests/test_keras_compat.py`` fails if one of them disappears.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from tensorflow.python.eager import context
from tensorflow.python.framework import config as tf_config

LAYER_COUNTERS = "object_name_uids"  # of Keras: layers built so far, by kind
POLICY, NAME_SCOPES = "dtype_policy", "name_scope_stack"

GradientsAndVariables = list[tuple[Any, Any]]


@contextmanager
def fresh_layer_names() -> Iterator[None]:
    """Count the layers built within the block from zero; may decorate a function.

    Keras numbers the layers of a process: the tenth convolution is "conv2d_9".
    TensorFlow orders the sums of a compiled step by these names, so the same network
    would learn other bits in a process that has built other layers before. The
    builders of users are not run in this block, as they may reuse their own layers.

    Examples
    --------
    >>> with fresh_layer_names():
    ...     keras.layers.Dense(2).name, keras.layers.Dense(2).name
    ('dense', 'dense_1')
    """
    before = global_state.get_global_attribute(LAYER_COUNTERS)
    global_state.set_global_attribute(LAYER_COUNTERS, defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(LAYER_COUNTERS, before)


@contextmanager
def default_thread_settings() -> Iterator[None]:
    """Run the block without this thread's dtype policy, name scopes and op callbacks.

    Keras's public functions would choose a policy where none has been set.
    """
    names = (POLICY, NAME_SCOPES)
    before = {name: global_state.get_global_attribute(name) for name in names}
    callbacks = context.context().op_callbacks  # of tf.debugging
    callbacks_before = list(callbacks)
    keras.config.set_dtype_policy(keras.config.floatx())
    global_state.set_global_attribute(NAME_SCOPES, [])
    callbacks.clear()
    try:
        yield
    finally:
        callbacks[:] = callbacks_before
        for name, value in before.items():
            global_state.set_global_attribute(name, value)


@contextmanager
def default_seeds_from(seed: int) -> Iterator[None]:
    """Draw the default seeds of layers from a generator with this seed."""
    before = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = before


def has_started() -> bool:
    """Return whether TensorFlow has started its threads in this process."""
    started = context.context_safe()
    return started is not None and bool(getattr(started, "_initialized", True))


def graph_optimizer_options() -> dict[str, Any]:
    """Return the options of TensorFlow's graph optimizer that the user has set."""
    return dict(context.context()._optimizer_experimental_options)


def set_graph_optimizer_options(options: dict[str, Any]) -> None:
    """Replace these options; the public function only adds to them."""
    context.context()._optimizer_experimental_options = dict(options)
    tf.config.optimizer.set_experimental_options({})  # read again by this thread


is_deterministic = tf_config.is_op_determinism_enabled


def set_determinism(enabled: bool) -> None:
    """Make operations deterministic on GPUs, as they always are on CPUs, or not."""
    if enabled:
        tf_config.enable_op_determinism()
    elif not tf.config.list_physical_devices("GPU"):
        tf_config.disable_op_determinism()


class _SumsOverReplicas:
    """Sums gradients over replicas only if there are several.

    Keras sums them even over one. That sum has a custom gradient, which TensorFlow
    keeps for the life of the process together with the graph it was traced in:
    megabytes for each network that is trained.
    """

    def _all_reduce_sum_gradients(
        self, grads_and_vars: GradientsAndVariables
    ) -> GradientsAndVariables:
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return grads_and_vars
        summed: GradientsAndVariables = super()._all_reduce_sum_gradients(  # type: ignore[misc]
            grads_and_vars
        )
        return summed


class Adam(_SumsOverReplicas, keras.optimizers.Adam):
    """Adam (Kingma and Ba 2014, https://arxiv.org/abs/1412.6980)."""


class AdamW(_SumsOverReplicas, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter, https://arxiv.org/abs/1711.05101)."""
