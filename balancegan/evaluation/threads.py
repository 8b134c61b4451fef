"""As many threads in a worker process as in the one that sent it work.

How a sum is split among threads decides in what order it is added, by TensorFlow and by
the libraries below numpy alike, so that figures would depend on how many trials there
are side by side.
"""

from contextlib import suppress
from typing import NamedTuple

import tensorflow as tf
from threadpoolctl import threadpool_info, threadpool_limits


class Threads(NamedTuple):
    """How many threads one operation has."""

    tensorflow: int  # 0: as many as TensorFlow chooses
    pools: dict[str, int]  # of "blas" and "openmp", as far as they are loaded


def count_threads() -> Threads:
    """Return the threads of this process."""
    pools = {pool["user_api"]: pool["num_threads"] for pool in threadpool_info()}
    return Threads(tf.config.threading.get_intra_op_parallelism_threads(), pools)


def take_threads(threads: Threads) -> None:
    """Have as many threads in this process.

    Where TensorFlow runs already it is left as it is.

    Parameters
    ----------
    threads : Threads
        Of the process that sends the work.
    """
    threadpool_limits(limits=threads.pools)
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads.tensorflow)
