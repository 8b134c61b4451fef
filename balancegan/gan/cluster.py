"""Which of the processes that train together this one is, by TF_CONFIG.

Known without TensorFlow, so that who writes and who does not is known before it starts.
"""

import json
import os
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from balancegan.errors import DataError

AUTO, MULTI_WORKER = "auto", "multi-worker"  # names of strategies
CLUSTER = "TF_CONFIG"  # the environment variable that says who the workers are
JOBS = ("chief", "worker")  # of which the first one is the chief
Together = Any  # a name, a strategy of TensorFlow's, or None


@runtime_checkable
class DistributionStrategy(Protocol):
    """A tf.distribute.Strategy, told without importing TensorFlow."""

    def scope(self) -> Any:
        """Return the block in which variables are made."""

    def run(self, fn: Any, args: Any = ()) -> Any:
        """Run a function on each replica."""

    def experimental_local_results(self, value: Any) -> Any:
        """Return the results of the replicas of this process."""


@dataclass(frozen=True)
class Task:
    """One process of those that train together.

    Attributes
    ----------
    job : str
        "chief" or "worker".
    index : int
        Which one of those, from 0.
    n_processes : int
        Of how many in all.
    is_chief : bool
        Whether it is the one that writes.
    """

    job: str
    index: int
    n_processes: int
    is_chief: bool

    def __str__(self) -> str:
        return f"{self.job} {self.index} of {self.n_processes} processes"


def read_task() -> Task:
    """Return which process this is.

    Raises
    ------
    DataError
        If TF_CONFIG is missing, or does not say so.

    Examples
    --------
    >>> os.environ["TF_CONFIG"] = (
    ...     '{"cluster": {"worker": ["a:5000", "b:5000"]},'
    ...     ' "task": {"type": "worker", "index": 1}}'
    ... )
    >>> task = read_task()
    >>> str(task), task.is_chief
    ('worker 1 of 2 processes', False)
    >>> del os.environ["TF_CONFIG"]
    """
    config = os.environ.get(CLUSTER, "")
    try:
        described = json.loads(config)
        cluster, task = described["cluster"], described["task"]
        sizes = {job: len(cluster[job]) for job in JOBS if job in cluster}
        job, index = str(task["type"]), int(task["index"])
        if not 0 <= index < sizes[job]:
            raise ValueError(f"there is no {job} {index}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"The strategy {MULTI_WORKER!r} needs the environment variable {CLUSTER}, "
            'as in {"cluster": {"worker": ["10.0.0.1:5000", "10.0.0.2:5000"]}, "task": '
            f'{{"type": "worker", "index": 0}}}}. Received: {config!r} ({error!r}).'
        ) from error
    is_chief = index == 0 and job == next(iter(sizes))
    return Task(job, index, sum(sizes.values()), is_chief)


def writes_results(strategy: object) -> bool:
    """Return whether this process keeps what is trained: it alone, or as the chief."""
    return strategy != MULTI_WORKER or read_task().is_chief
