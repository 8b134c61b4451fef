"""What trains: the precision of this machine's GPUs, and the workers of ``TF_CONFIG``.

Importing this module does not import TensorFlow.
"""

import json
import os
from dataclasses import dataclass
from glob import glob
from typing import Any, Literal, Protocol, runtime_checkable

from balancegan.errors import DataError

AUTO, MULTI_WORKER = "auto", "multi-worker"  # names of strategies
CLUSTER = "TF_CONFIG"  # the environment variable that lists the workers
JOBS = ("chief", "worker")  # the first one present is the chief
Distribution = Any  # a name, a tf.distribute.Strategy, or None

Precision = Literal["float32", "mixed_bfloat16"]
FLOAT32: Precision = "float32"
BFLOAT16: Precision = "mixed_bfloat16"
GPU_FILES = ("/dev/nvidia[0-9]*", "/dev/dxg", "/dev/kfd")  # NVIDIA, WSL, AMD
BFLOAT16_CAPABILITY = (8, 0)  # of NVIDIA GPUs: Ampere


def choose_precision(asked: str) -> Precision:
    """Return the precision to train in; "auto" depends on this machine.

    "auto" means bfloat16 if there is a TPU or all GPUs support bfloat16: twice as many
    products a second with half of the memory. Most CPUs do not support it.
    """
    if asked == BFLOAT16 or (asked == AUTO and _has_bfloat16()):
        return BFLOAT16
    return FLOAT32


def _has_bfloat16() -> bool:
    import tensorflow as tf

    if tf.config.list_physical_devices("TPU"):
        return True
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return bool(capabilities) and min(capabilities) >= BFLOAT16_CAPABILITY


def may_have_gpu() -> bool:
    """Return whether the system lists a device that may be a GPU; takes no time."""
    return any(glob(pattern) for pattern in GPU_FILES)


def has_gpu() -> bool:
    """Return whether TensorFlow has a GPU; imports it only if there may be one."""
    if not may_have_gpu():
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@runtime_checkable
class DistributionStrategy(Protocol):
    """A tf.distribute.Strategy, recognised without importing TensorFlow."""

    def scope(self) -> Any:
        """Return the block in which variables are created."""

    def run(self, fn: Any, args: Any = ()) -> Any:
        """Run a function on each replica."""

    def experimental_local_results(self, value: Any) -> Any:
        """Return the results of the replicas of this process."""


@dataclass(frozen=True)
class Task:
    """The role of this process among those that train together; the chief writes."""

    job: str
    index: int
    n_processes: int
    is_chief: bool

    def __str__(self) -> str:
        return f"{self.job} {self.index} of {self.n_processes} processes"


def read_task() -> Task:
    """Return the role that TF_CONFIG gives this process.

    Raises
    ------
    DataError
        If TF_CONFIG is missing or not valid.

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
    """Return whether this process writes results: it trains alone or is the chief."""
    return strategy != MULTI_WORKER or read_task().is_chief
