"""Training on several devices or machines with ``tf.distribute``.

A training step is written once, for a whole batch. Each replica takes an equal part
of its rows, and everything about the whole batch goes through the functions below, so
the mathematics does not depend on the number of replicas. With one replica they return
what they are given.

Every process runs the same program. What is random, timed or read from disk comes from
the chief, so that all processes take the same steps and end at the same one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from io import BytesIO
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from balancegan.errors import DataError, TrainingFailed
from balancegan.gan.batches import BalancedBatches, draw_ahead, to_dataset
from balancegan.gan.budget import Budget
from balancegan.gan.checkpoint import State
from balancegan.gan.devices import (
    AUTO,
    CLUSTER,
    JOBS,
    MULTI_WORKER,
    Distribution,
    DistributionStrategy,
    Task,
    read_task,
)

Tensor = Any


def n_replicas() -> int:
    """Return how many replicas take the present step together."""
    n: int = tf.distribute.get_strategy().num_replicas_in_sync
    return n


def mean_over_replicas(value: Tensor) -> Tensor:
    """Return the mean over the replicas of a value that each computed on its rows."""
    if n_replicas() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce("MEAN", value)


def gradients(tape: tf.GradientTape, loss: Tensor, variables: list) -> list[Tensor]:
    """Return dense gradients, zeros for variables that the loss does not depend on.

    `loss` is a mean over the rows of this replica. Gradients are divided by the number
    of replicas, since Keras's optimizers take the sum.
    """
    found = tape.gradient(
        loss,
        [v.value for v in variables],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    dense, n = [tf.convert_to_tensor(g) for g in found], n_replicas()
    return dense if n == 1 else [g / n for g in dense]


def rows_of_replica(drawn: Tensor, groups: int = 1) -> Tensor:
    """Return this replica's rows of values that all replicas drew for a whole batch.

    The batch consists of `groups` equal parts in a row (real and generated images,
    say); a replica gets its share of each.
    """
    n = n_replicas()
    if n == 1:
        return drawn
    index = tf.distribute.get_replica_context().replica_id_in_sync_group
    trailing = drawn.shape[1:]
    parts = tf.reshape(drawn, (groups, n, -1, *trailing))
    return tf.reshape(parts[:, index], (-1, *trailing))


def moments_over_replicas(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel over the rows of all replicas."""
    own_mean, own_variance = ops.moments(maps, axes=(0, 1, 2))
    mean = mean_over_replicas(own_mean)
    # The mean of squares less the squared mean would nearly cancel
    spread = own_variance + ops.square(own_mean - mean)
    return mean, mean_over_replicas(spread)


class WorkerGroup:
    """The devices and processes that train one GAN together, or a single device.

    Parameters
    ----------
    strategy : tf.distribute.Strategy or None, default=None
        None: one device, in one process.
    is_automatic : bool, default=False
        Whether the user did not ask for these devices: fewer will do.
    """

    def __init__(self, strategy: Any = None, *, is_automatic: bool = False) -> None:
        self.strategy, self.is_automatic = strategy, is_automatic
        resolver = None if strategy is None else strategy.cluster_resolver
        cluster = {} if resolver is None else resolver.cluster_spec().as_dict()
        jobs = {job: cluster[job] for job in JOBS if job in cluster}
        self.n_processes = max(1, sum(map(len, jobs.values())))
        first = next(iter(jobs), None)
        self.is_chief = self.n_processes == 1 or (
            resolver is not None
            and (resolver.task_type, resolver.task_id) == (first, 0)
        )

    @property
    def n_replicas(self) -> int:
        """Into how many parts a batch is divided."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def scope(self) -> AbstractContextManager:
        """Return the block in which networks are built that all train together."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def for_batch(self, batch_size: int, n_halves: int) -> "WorkerGroup":
        """Return workers among whom a batch can be divided evenly.

        These, or fewer GPUs if the user did not ask for all of them; else raises
        DataError. A step treats `n_halves` parts of the batch (1 or 2) one after the
        other.
        """
        n = self.n_replicas
        if n == 1 or not batch_size % (n_halves * n):
            return self
        if not self.is_automatic:
            raise DataError(
                f"A batch is divided among {n} replicas, so batch_size must be a "
                f"multiple of {n_halves * n}. Received: batch_size={batch_size}."
            )
        while n > 1 and batch_size % (n_halves * n):
            n -= 1
        gpus = [f"GPU:{i}" for i in range(n)]
        return WorkerGroup(tf.distribute.MirroredStrategy(gpus) if n > 1 else None)

    def from_chief(self, values: np.ndarray) -> np.ndarray:
        """Return the chief's values; all processes call it with arrays of one shape.

        Parameters
        ----------
        values : ndarray of float32, float64, int32 or int64
        """
        if self.n_processes == 1:
            return values

        def take(own: Any) -> Any:
            replica = tf.distribute.get_replica_context()
            is_first = replica.replica_id_in_sync_group == 0
            return replica.all_reduce("SUM", own if is_first else tf.zeros_like(own))

        with explaining_lost_workers():
            taken = self.strategy.run(take, args=(tf.constant(values),))
            return self.strategy.experimental_local_results(taken)[0].numpy()

    def wait(self) -> None:
        """Wait until all processes have reached this point."""
        self.from_chief(np.zeros(1))

    def state_from_chief(self, state: State | None) -> State | None:
        """Return the chief's state, or None if it has none."""
        if self.n_processes == 1:
            return state
        packed = np.zeros(0, "int32") if state is None else _pack(state)
        n = int(self.from_chief(np.array([len(packed)]))[0])
        if not self.is_chief:
            packed = np.zeros(n, "int32")
        return _unpack(self.from_chief(packed)) if n else None

    def fit(
        self,
        gan: keras.Model,
        batches: BalancedBatches,
        callbacks: Sequence[keras.callbacks.Callback],
        budget: Budget,
    ) -> None:
        """Train on the batches until they end or a callback stops training.

        On one device this is :meth:`keras.Model.fit`, which does not take several
        steps in one call under a strategy.
        """
        if self.strategy is None:
            gan.fit(
                to_dataset(batches), shuffle=False, verbose=0, callbacks=list(callbacks)
            )
            return
        take_steps = self._compile_steps(gan)
        rows = iter(self._divide(batches))
        callback_list = keras.callbacks.CallbackList(list(callbacks), model=gan)
        gan.stop_training = False
        self.agree_on_time(budget)
        callback_list.on_train_begin()
        done, total = 0, len(batches)
        while done < total and not gan.stop_training:
            n = min(gan.steps_per_execution, total - done)
            with explaining_lost_workers():
                losses = take_steps(rows, tf.constant(n))
                logs = {name: loss.numpy() for name, loss in losses.items()}
            done += n
            self.agree_on_time(budget)
            callback_list.on_train_batch_end(done - 1, logs)
        callback_list.on_train_end()

    def _compile_steps(self, gan: keras.Model) -> Callable[..., dict[str, Any]]:
        strategy = self.strategy

        @tf.function
        def take_steps(rows: Any, n: Any) -> dict[str, Any]:
            """Take n steps and return the losses of the last."""
            losses = strategy.run(gan.train_step, args=(next(rows),))
            for _ in tf.range(n - 1):
                losses = strategy.run(gan.train_step, args=(next(rows),))
            # All replicas hold the same means
            return {
                name: strategy.experimental_local_results(loss)[0]
                for name, loss in losses.items()
            }

        return take_steps  # type: ignore[no-any-return]

    def _divide(self, batches: BalancedBatches) -> Any:
        """Return a dataset that gives each replica here its part of every batch."""

        def feed(context: tf.distribute.InputContext) -> tf.data.Dataset:
            """Return the parts of the replicas that one pipeline feeds."""
            n = context.num_replicas_in_sync
            n_here = n // context.num_input_pipelines
            first = context.input_pipeline_id * n_here

            def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
                for step in range(len(batches)):
                    for i in range(first, first + n_here):
                        yield batches.part(step, i, n)

            images, classes = batches.part(0, 0, n)
            like = tuple(tf.TensorSpec(a.shape, a.dtype) for a in (images, classes))
            return draw_ahead(parts, like)

        return self.strategy.distribute_datasets_from_function(feed)

    def agree_on_time(self, budget: Budget) -> None:
        """Set the clock of all processes to the chief's, until the next call."""
        if self.n_processes > 1:
            budget.freeze(float(self.from_chief(np.array([budget.read_clock()]))[0]))


def connect_workers(strategy: Distribution) -> WorkerGroup:
    """Return the workers that train together.

    Parameters
    ----------
    strategy : {"auto", "multi-worker"}, tf.distribute.Strategy or None
        "auto": all GPUs of this machine, if it has several. "multi-worker": the
        processes that TF_CONFIG lists, of which this is one; waits until all of them
        have started. None: one device.

    Raises
    ------
    DataError
        If TF_CONFIG is not valid, or TensorFlow was used before.
    """
    if isinstance(strategy, DistributionStrategy):
        return WorkerGroup(strategy)
    if strategy == MULTI_WORKER:
        return WorkerGroup(_join_cluster(read_task()))
    if strategy == AUTO and len(tf.config.list_physical_devices("GPU")) > 1:
        return WorkerGroup(tf.distribute.MirroredStrategy(), is_automatic=True)
    return WorkerGroup()


@cache  # a process can join once
def _join_cluster(task: Task) -> Any:  # noqa: ARG001 (the key of the cache)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise DataError(
            "TensorFlow was used in this process before it joined its cluster, "
            f"which it must do first: {error}"
        ) from error
    except tf.errors.OpError as error:
        raise TrainingFailed(
            f"The cluster of {CLUSTER} cannot be joined: {error.message}"
        ) from error


@contextmanager
def explaining_lost_workers() -> Iterator[None]:
    """Raise TrainingFailed in place of TensorFlow's own errors of communication."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
    ) as error:
        raise TrainingFailed(
            "Another worker has ended or cannot be reached. Start all workers again "
            "with --resume (checkpoint_dir) to resume from the last checkpoint. "
            f"TensorFlow says: {_first_line(error)}"
        ) from error


def _first_line(error: tf.errors.OpError) -> str:
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    relevant = [line for line in lines if "abort" in line.lower() or "task" in line]
    return (relevant or lines or [type(error).__name__])[0]


def _pack(state: State) -> np.ndarray:
    """Return a state as integers that can be sent."""
    file = BytesIO()
    state.write(file)
    packed = file.getvalue()
    length = np.int64(len(packed)).tobytes()
    return np.frombuffer(length + packed + bytes(-len(packed) % 4), "int32")


def _unpack(numbers: np.ndarray) -> State:
    length, packed = numbers.tobytes()[:8], numbers.tobytes()[8:]
    return State.read(BytesIO(packed[: int(np.frombuffer(length, "int64")[0])]))
