"""The Keras and TensorFlow settings that every network of balancegan runs with.

Users set a data format, a precision or a limit of steps for their own networks, or
have them in ``keras.json``. The same data, settings and seed must give the same bits
all the same, so everything that builds, trains, loads or calls a network runs in
:func:`standard_settings`.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from balancegan.errors import DataError
from balancegan.gan.devices import FLOAT32, Precision
from balancegan.gan.keras_compat import (
    default_thread_settings,
    graph_optimizer_options,
    has_started,
    is_deterministic,
    set_determinism,
    set_graph_optimizer_options,
)

# How each setting is read and written, and the libraries' default, which we use
Setting = tuple[Callable[[], Any], Callable[[Any], None], Any]
PROCESS_SETTINGS: dict[str, Setting] = {
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
    "optimizer_options": (graph_optimizer_options, set_graph_optimizer_options, {}),
    "op_determinism": (is_deterministic, set_determinism, False),
}


@contextmanager
def standard_settings() -> Iterator[None]:
    """Run the block with the defaults of Keras and TensorFlow; then restore the user's.

    Blocks may be nested and run in several threads at once: settings of the process
    are restored when the last block ends, unless they have been changed meanwhile.
    May decorate a function.

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
    _process.enter()
    try:
        with default_thread_settings():
            yield
    finally:
        _process.leave()


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Build the layers of the block in this precision; float32 changes nothing.

    Examples
    --------
    >>> with computing_in("mixed_bfloat16"):
    ...     layer = keras.layers.Dense(2)
    >>> layer.compute_dtype, layer.variable_dtype, keras.layers.Dense(2).compute_dtype
    ('bfloat16', 'float32', 'float32')
    """
    before = keras.config.dtype_policy()
    if precision != FLOAT32:
        keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class _ProcessSettings:
    """Sets the defaults with the first block; restores the user's after the last."""

    def __init__(self) -> None:
        self.lock, self.depth = threading.Lock(), 0
        self.before: list[Any] = []

    def enter(self) -> None:
        """Save the settings of the process and set the standard ones."""
        with self.lock:
            if not self.depth:
                self.before = [read() for read, _, _ in PROCESS_SETTINGS.values()]
            for read, write, default in PROCESS_SETTINGS.values():
                if read() != default:
                    write(default)
            self.depth += 1

    def leave(self) -> None:
        """Restore the saved settings when the last user leaves."""
        with self.lock:
            self.depth -= 1
            if self.depth:
                return
            settings = PROCESS_SETTINGS.values()
            for (read, write, default), before in zip(
                settings, self.before, strict=True
            ):
                if before != default and read() == default:
                    write(before)


_process = _ProcessSettings()
_is_forked = False  # from a process in which TensorFlow had threads, which a fork lacks


def _note_fork() -> None:
    global _is_forked
    _is_forked = has_started()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_note_fork)


def _check_process() -> None:
    """Raise DataError where TensorFlow would fail or wait forever."""
    if _is_forked:
        raise DataError(
            "TensorFlow does not work in a process that was forked from one that has "
            "used it: it would wait forever. Start processes by 'spawn' or "
            "'forkserver', as in multiprocessing.get_context('spawn'), or generate the "
            "images in the parent process."
        )
    if not tf.executing_eagerly():
        raise DataError(
            "balancegan needs TensorFlow's eager execution. Received: a call where it "
            "is off, after tf.compat.v1.disable_eager_execution() or within a "
            "tf.function or graph. Call balancegan elsewhere, or in another process."
        )
