"""As many threads in a worker process as in the one that sent it work.

How TensorFlow splits a sum among its threads decides in what order it is added, so
that figures would depend on how many trials there are side by side.
"""

from contextlib import suppress

import tensorflow as tf


def count_threads() -> int:
    """Return how many threads TensorFlow was given for one operation; 0: its choice."""
    return int(tf.config.threading.get_intra_op_parallelism_threads())


def take_threads(n_threads: int) -> None:
    """Give TensorFlow in this process so many threads for one operation.

    A process in which it runs already is left as it is.

    Parameters
    ----------
    n_threads : int
        What :func:`count_threads` returned in the process that sends the work.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
