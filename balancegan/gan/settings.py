"""Settings of Keras and TensorFlow that hold for a process, and never for our networks.

Users set a data format, a precision or a limit of steps for networks of their own, or
have them in ``keras.json``. The same data, settings and seed give the same bits all the
same: everything that builds, trains, loads or asks a network runs in this block.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python.eager import context
from tensorflow.python.framework import config as tf_config

from balancegan.errors import DataError


def _optimizer_options() -> dict[str, Any]:
    return dict(context.context()._optimizer_experimental_options)


def _set_optimizer_options(options: dict[str, Any]) -> None:
    # The public function adds to what is set; it also makes this thread read it again
    context.context()._optimizer_experimental_options = dict(options)
    tf.config.optimizer.set_experimental_options({})


def _set_determinism(enabled: bool) -> None:
    """Let operations be deterministic on GPUs where the user wants it; CPUs' are."""
    if enabled:
        tf_config.enable_op_determinism()
    elif not tf.config.list_physical_devices("GPU"):
        tf_config.disable_op_determinism()


# How each is read and set, and what holds in the block: the libraries' own defaults
Setting = tuple[Callable[[], Any], Callable[[Any], None], Any]
OF_THE_PROCESS: dict[str, Setting] = {
    "floatx": (keras.config.floatx, keras.config.set_floatx, "float32"),
    "epsilon": (keras.config.epsilon, keras.config.set_epsilon, 1e-7),
    "image_data_format": (
        keras.config.image_data_format,
        keras.config.set_image_data_format,
        "channels_last",
    ),
    "max_epochs": (keras.config.max_epochs, keras.config.set_max_epochs, None),
    "max_steps_per_epoch": (
        keras.config.max_steps_per_epoch,
        keras.config.set_max_steps_per_epoch,
        None,
    ),
    "run_functions_eagerly": (
        tf.config.functions_run_eagerly,
        tf.config.run_functions_eagerly,
        False,
    ),
    "jit": (tf.config.optimizer.get_jit, tf.config.optimizer.set_jit, ""),
    "optimizer_options": (_optimizer_options, _set_optimizer_options, {}),
    "op_determinism": (
        tf_config.is_op_determinism_enabled,
        _set_determinism,
        False,
    ),
}
# Keras's names; its public functions would choose a policy where none has been set
POLICY, SCOPES = "dtype_policy", "name_scope_stack"


@contextmanager
def standard_settings() -> Iterator[None]:
    """Run the block with the defaults of Keras and TensorFlow; then restore the user's.

    Blocks may be within each other and in several threads at once: what holds for the
    whole process is restored when the last one ends, unless somebody has set it
    meanwhile. May decorate a function.

    Raises
    ------
    DataError
        If TensorFlow cannot compute here: eager execution is off, or the process was
        forked from one that has used TensorFlow.

    Examples
    --------
    >>> keras.config.set_floatx("float16")
    >>> with standard_settings():
    ...     inside = keras.layers.Dense(2)
    >>> inside.variable_dtype, keras.config.floatx()
    ('float32', 'float16')
    >>> keras.config.set_floatx("float32")
    """
    _check_process()
    of_the_thread = {
        name: global_state.get_global_attribute(name) for name in (POLICY, SCOPES)
    }
    listeners = context.context().op_callbacks  # of tf.debugging, in this thread
    listening = list(listeners)
    _shared.enter()
    keras.config.set_dtype_policy(keras.config.floatx())
    global_state.set_global_attribute(SCOPES, [])
    listeners.clear()
    try:
        yield
    finally:
        listeners[:] = listening
        for name, value in of_the_thread.items():
            global_state.set_global_attribute(name, value)
        _shared.leave()


class _Shared:
    """Sets what all threads have in common for the first block, restores for the last.

    Attributes
    ----------
    depth : int
        How many blocks have begun and not ended.
    before : list
        What was set before the first of them.
    """

    def __init__(self) -> None:
        self.lock, self.depth = threading.Lock(), 0
        self.before: list[Any] = []

    def enter(self) -> None:
        """Begin a block: set the defaults, noting what was set if it is the first."""
        with self.lock:
            if not self.depth:
                self.before = [read() for read, _, _ in OF_THE_PROCESS.values()]
            for read, write, ours in OF_THE_PROCESS.values():
                if read() != ours:
                    write(ours)
            self.depth += 1

    def leave(self) -> None:
        """End a block: restore what was set if it is the last."""
        with self.lock:
            self.depth -= 1
            if self.depth:
                return
            for (read, write, ours), before in zip(
                OF_THE_PROCESS.values(), self.before, strict=True
            ):
                if before != ours and read() == ours:
                    write(before)


_shared = _Shared()
_is_forked = False  # from a process whose TensorFlow had threads, which a fork has not


def _note_fork() -> None:
    global _is_forked
    started = context.context_safe()
    _is_forked = started is not None and getattr(started, "_initialized", True)


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_note_fork)


def _check_process() -> None:
    """Raise DataError where TensorFlow would fail or wait forever."""
    if _is_forked:
        raise DataError(
            "TensorFlow does not work in a process that was forked from one that has "
            "used it: it would wait forever. Start processes by 'spawn' or "
            "'forkserver', as in multiprocessing.get_context('spawn'), or make the "
            "images in the parent process."
        )
    if not tf.executing_eagerly():
        raise DataError(
            "balancegan needs TensorFlow's eager execution. Received: a call where it "
            "is off, after tf.compat.v1.disable_eager_execution() or within a "
            "tf.function or graph. Call balancegan elsewhere, or in another process."
        )
