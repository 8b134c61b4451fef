"""Devices and processes that train one GAN together, by TensorFlow's strategies.

Every process runs the same program. What is random, measured by a clock or read from a
disk is the chief's (the first of them): the others get it from there, so that all take
the same steps and end at the same one.
"""

import faulthandler
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from io import BytesIO
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from balancegan.errors import DataError, TrainingFailed
from balancegan.gan.batches import BalancedBatches
from balancegan.gan.budget import Budget
from balancegan.gan.cluster import (
    AUTO,
    CLUSTER,
    JOBS,
    MULTI_WORKER,
    DistributionStrategy,
    Task,
    Together,
    read_task,
)
from balancegan.gan.conditional_gan import STEPS_PER_CALL, ConditionalGAN
from balancegan.gan.feeding import draw_ahead, to_dataset
from balancegan.state import State

CONNECT_SECONDS = 600.0  # for the others to come, before the first step
FACTS = "facts"


class Workers:
    """What trains together; alone where there is no strategy.

    Parameters
    ----------
    strategy : tf.distribute.Strategy or None, default=None
        None: one device, in one process.
    is_automatic : bool, default=False
        Whether nobody asked for it: fewer devices will do as well.
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
        """How many parts a batch has."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def scope(self) -> AbstractContextManager:
        """Give the block in which networks are built that all train together."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def for_batch(self, batch_size: int, n_halves: int) -> "Workers":
        """Return those that a batch can be dealt out to evenly.

        These, or as many of the GPUs as divide it where nobody asked for all of them.

        Parameters
        ----------
        batch_size : int
            Images of a step.
        n_halves : int
            Parts of it that a step treats one after the other: 2, or 1 for the whole.

        Raises
        ------
        DataError
            If it cannot, and somebody asked for these.
        """
        n = self.n_replicas
        if n == 1 or not batch_size % (n_halves * n):
            return self
        if not self.is_automatic:
            raise DataError(
                f"A batch is dealt out among {n} replicas, so that batch_size must be "
                f"a multiple of {n_halves * n}. Received: batch_size={batch_size}."
            )
        while n > 1 and batch_size % (n_halves * n):
            n -= 1
        gpus = [f"GPU:{i}" for i in range(n)]
        return Workers(tf.distribute.MirroredStrategy(gpus) if n > 1 else None)

    def check_alone(self, what: str) -> None:
        """Raise DataError where several processes would do what one has to."""
        if self.n_processes > 1:
            raise DataError(
                f"{what} is for one process. Received: {self.n_processes} of them. "
                "Train together, save the model, and balance with it (--model)."
            )

    def from_chief(self, values: np.ndarray) -> np.ndarray:
        """Return the chief's values; everybody calls it, with an array as large.

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

        with failing_loudly():
            taken = self.strategy.run(take, args=(tf.constant(values),))
            return self.strategy.experimental_local_results(taken)[0].numpy()

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self.from_chief(np.zeros(1))

    def state_from_chief(self, state: State | None) -> State | None:
        """Return the chief's state, or None where it has none."""
        if self.n_processes == 1:
            return state
        found = np.zeros(0, "int32") if state is None else _pack(state)
        n = int(self.from_chief(np.array([len(found)]))[0])
        if not self.is_chief:
            found = np.zeros(n, "int32")
        return _unpack(self.from_chief(found)) if n else None

    def fit(
        self,
        gan: ConditionalGAN,
        batches: BalancedBatches,
        callbacks: Sequence[keras.callbacks.Callback],
        budget: Budget,
    ) -> None:
        """Train from `batches.first_step` on, until there are none or somebody stops.

        What :meth:`keras.Model.fit` does, which is left to it where one trains alone:
        under a strategy it does not take several steps in one call.
        """
        if self.strategy is None:
            gan.fit(
                to_dataset(batches), shuffle=False, verbose=0, callbacks=list(callbacks)
            )
            return
        take_steps = self._compile_steps(gan)
        rows = iter(self._deal_out(batches))
        watching = keras.callbacks.CallbackList(list(callbacks), model=gan)
        gan.stop_training = False
        self.agree_on_time(budget)
        watching.on_train_begin()
        done, total = 0, len(batches)
        while done < total and not gan.stop_training:
            n = min(STEPS_PER_CALL, total - done)
            with failing_loudly():
                losses = take_steps(rows, tf.constant(n))
                logs = {name: loss.numpy() for name, loss in losses.items()}
            done += n
            self.agree_on_time(budget)
            watching.on_train_batch_end(done - 1, logs)
        watching.on_train_end()

    def _compile_steps(self, gan: ConditionalGAN) -> Callable[..., dict[str, Any]]:
        strategy = self.strategy

        @tf.function
        def take_steps(rows: Any, n: Any) -> dict[str, Any]:
            """Take some steps, and return the losses of the last."""
            losses = strategy.run(gan.train_step, args=(next(rows),))
            for _ in tf.range(n - 1):
                losses = strategy.run(gan.train_step, args=(next(rows),))
            # Means over all replicas: every one has the same
            return {
                name: strategy.experimental_local_results(loss)[0]
                for name, loss in losses.items()
            }

        return take_steps  # type: ignore[no-any-return]

    def _deal_out(self, batches: BalancedBatches) -> Any:
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
        """Let all processes read the chief's clock, until the next time."""
        if self.n_processes > 1:
            budget.agree(lambda own: float(self.from_chief(np.array([own]))[0]))


def gather(strategy: Together) -> Workers:
    """Return who trains together.

    Parameters
    ----------
    strategy : {"auto", "multi-worker"}, tf.distribute.Strategy or None
        "auto": all GPUs of this machine, if it has several. "multi-worker": the
        processes that TF_CONFIG names, of which this is one. None: one device.

    Raises
    ------
    DataError
        If TF_CONFIG does not say who they are, or TensorFlow was used before.
    """
    if isinstance(strategy, DistributionStrategy):
        return Workers(strategy)
    if strategy == MULTI_WORKER:
        return Workers(_join_cluster(read_task()))
    if strategy == AUTO and len(tf.config.list_physical_devices("GPU")) > 1:
        return Workers(tf.distribute.MirroredStrategy(), is_automatic=True)
    return Workers()


@cache  # a process can join once
def _join_cluster(task: Task) -> Any:
    sys.stderr.write(
        f"{task}, this one, joins those of {CLUSTER}; ends if the others do not come "
        f"within {CONNECT_SECONDS:.0f} s\n"
    )
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere:
        # TensorFlow waits without an end and lets no thread of Python's run meanwhile
        faulthandler.dump_traceback_later(CONNECT_SECONDS, exit=True, file=nowhere)
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
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextmanager
def failing_loudly() -> Iterator[None]:
    """Say what it means where a worker does not answer any more.

    Raises
    ------
    TrainingFailed
        In place of TensorFlow's own errors of communication.
    """
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
            "Another worker has ended or cannot be reached, so that training cannot go "
            "on. Start all of them again with --resume (checkpoint_dir): it goes on "
            f"from the last checkpoint. TensorFlow says: {_first_line(error)}"
        ) from error


def _first_line(error: tf.errors.OpError) -> str:
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    told = [line for line in lines if "abort" in line.lower() or "task" in line]
    return (told or lines or [type(error).__name__])[0]


def _pack(state: State) -> np.ndarray:
    """Return a state as numbers that can be sent."""
    text = json.dumps(state.facts).encode()
    facts = {FACTS: np.frombuffer(text, dtype=np.uint8)}
    file = BytesIO()
    np.savez(file, **facts, **state.arrays)  # type: ignore[arg-type]
    packed = file.getvalue()
    length = np.int64(len(packed)).tobytes()
    return np.frombuffer(length + packed + bytes(-len(packed) % 4), "int32")


def _unpack(numbers: np.ndarray) -> State:
    length, packed = numbers.tobytes()[:8], numbers.tobytes()[8:]
    n = int(np.frombuffer(length, "int64")[0])
    with np.load(BytesIO(packed[:n]), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    facts = json.loads(arrays.pop(FACTS).tobytes())
    return State(facts, arrays)
