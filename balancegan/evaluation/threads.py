"""How many cores a worker process may use.

TensorFlow takes all of them in every process unless it is told before it starts.
"""

import os
from contextlib import suppress

import tensorflow as tf


def share_cores(n_workers: int) -> None:
    """Let TensorFlow in this process use its share of the cores.

    A process in which it runs already is left as it is.

    Parameters
    ----------
    n_workers : int
        Processes side by side.
    """
    n_threads = max(1, (os.cpu_count() or 1) // n_workers)
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(n_threads)
        tf.config.threading.set_inter_op_parallelism_threads(n_threads)
