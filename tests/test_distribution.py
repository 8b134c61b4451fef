import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan import ConditionalGANAugmenter
from balancegan.errors import DataError
from balancegan.gan import distribution
from balancegan.gan.batches import BalancedBatches
from balancegan.gan.budget import Budget
from balancegan.gan.checkpoint import State
from balancegan.gan.devices import read_task, writes_results
from balancegan.gan.distribution import WorkerGroup, _pack, _unpack, connect_workers

from .commands import invoke, with_config

ROOT = Path(__file__).parents[1]
N_WORKERS = 2
STEPS = 50  # of the training that is compared
N_STEPS = 300  # of the one that is killed
TOLERANCE = 1e-10  # in double precision, after STEPS steps
SECONDS_TO_END = 60  # where another worker was killed
TIMEOUT = 240


class TwoReplicas(WorkerGroup):
    """As if there were two processes, which never speak to each other."""

    n_replicas = 2

    def __init__(self):
        super().__init__()
        self.n_processes = 2


def start(arguments, index=None, ports=()):
    """Start a process of Python, as a worker of a cluster on this machine if so."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    env.pop("TF_CONFIG", None)
    if index is not None:
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        task = {"type": "worker", "index": index}
        env["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=env,
        cwd=ROOT,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def start_cluster(arguments):
    """Start two of them; `arguments` are a function of the worker's number."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(N_WORKERS)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return [start(arguments(i), i, ports) for i in range(N_WORKERS)]


def end(process, timeout=TIMEOUT):
    try:
        _, said = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
        pytest.fail(f"no end within {timeout} s: {said[-2000:]}")
    return process.returncode, said


@pytest.fixture(scope="module")
def train_once(tmp_path_factory):
    """What the same training comes to alone, on two devices or in two processes."""
    folder, found = tmp_path_factory.mktemp("trained"), {}

    def command(how, name):
        return "-m", "tests.parallel_training", how, folder / f"{name}.npz", STEPS

    def train(how, worker=0):
        name = f"workers {worker}" if how == "workers" else how
        if name not in found:
            if how == "workers":
                processes = start_cluster(lambda i: command(how, f"workers {i}"))
            else:
                processes = [start(command(how, how))]
            for process in processes:
                code, said = end(process)
                assert code == 0, said[-3000:]
            found.update((path.stem, dict(np.load(path))) for path in folder.iterdir())
        return found[name]

    return train


@pytest.mark.parametrize(
    "how", ["workers", pytest.param("devices", marks=pytest.mark.slow)]
)
def test_training_in_parallel_learns_the_same_model(train_once, how):
    alone, together = train_once("alone"), train_once(how)
    assert len(alone["losses"]) >= 5
    assert len(alone["distances"]) >= 5
    for name, values in alone.items():
        if name != "images":
            np.testing.assert_allclose(
                together[name], values, rtol=0, atol=TOLERANCE, err_msg=name
            )
    assert np.abs(alone["images"].astype(int) - together["images"]).max() <= 1
    if how == "workers":  # all have the same model, to the last bit
        for name, values in train_once(how, 1).items():
            np.testing.assert_array_equal(values, together[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_worker_ends_all_workers_and_the_run_resumes(tmp_path, killed):
    data, model = tmp_path / "data.npz", tmp_path / "model"
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(60, 8, 8), dtype=np.uint8)
    np.savez(data, X=X, y=np.repeat([0, 1], [45, 15]))
    command = ["train", data, "--model", model, "--random-state", 0]
    command += ["--batch-size", 8, "--strategy", "multi-worker", "--steps", N_STEPS]
    command = ["-m", "balancegan", *with_config(command)]
    script = (
        "from balancegan.gan import callbacks; callbacks.CHECKPOINT_SECONDS = 0.5\n"
    )
    script += "import runpy; runpy.run_module('balancegan', run_name='__main__')"
    often = ["-c", script, *command[2:]]
    processes = start_cluster(lambda _: often)
    checkpoints = tmp_path / "model.checkpoints"
    begun = time.monotonic()
    while not list(checkpoints.glob("step-*.npz")):
        assert time.monotonic() - begun < TIMEOUT, "no checkpoint"
        assert all(process.poll() is None for process in processes)
        time.sleep(0.2)
    processes[killed].send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    code, said = end(processes[1 - killed], 2 * SECONDS_TO_END)
    assert time.monotonic() - killed_at < SECONDS_TO_END
    assert code == 1
    assert "Another worker has ended" in said
    assert "--resume" in said
    assert "Traceback" not in said
    end(processes[killed])
    assert not model.exists()

    processes = start_cluster(lambda _: [*command, "--resume"])
    ends = [end(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    assert "going on from step" in ends[0][1]
    assert f"{N_STEPS} steps" in ends[0][1]
    assert ConditionalGANAugmenter.load(model).model_.n_steps == N_STEPS
    assert not checkpoints.exists()


@pytest.mark.slow
def test_a_worker_ends_if_no_other_connects():
    script = "from balancegan.cli import training; training.CONNECT_SECONDS = 2\n"
    script += "training.connect('multi-worker')"
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(N_WORKERS)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    code, said = end(start(["-c", script], 0, ports))
    assert code == 1
    assert "worker 0 of 2 processes" in said
    assert "up to 2 s" in said
    assert "Traceback" not in said


@given(
    st.sampled_from([2, 3, 4]),
    st.integers(1, 4),
    st.integers(0, 99),
    st.integers(0, 9),
)
def test_the_parts_of_a_batch_add_up_to_it(n, size, seed, step):
    rng = np.random.default_rng(seed)
    classes = np.sort(rng.integers(0, 3, 20))
    batches = BalancedBatches(
        np.arange(20.0),
        classes,
        lambda rows: rows,
        batch_size=n * size,
        n_steps=10,
        class_power=0.5,
        seed=seed,
    )
    parts = [batches.part(step, i, n) for i in range(n)]
    for whole, own in zip(batches[step], zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(own), whole)


def test_one_replica_changes_nothing():
    drawn = np.arange(6.0).reshape(6, 1)
    assert distribution.n_replicas() == 1
    assert distribution.rows_of_replica(drawn, 2) is drawn
    assert distribution.mean_over_replicas(drawn) is drawn
    workers = WorkerGroup()
    assert workers.is_chief
    assert workers.from_chief(drawn) is drawn
    assert workers.for_batch(7, 2) is workers
    workers.wait()


@given(st.binary(max_size=9), st.lists(st.floats(allow_nan=False), max_size=5))
def test_states_are_sent_whole(raw, numbers):
    arrays = {"a/b": np.frombuffer(raw, np.uint8), "n": np.array(numbers)}
    sent = _pack(State({"step": 3, "told": numbers}, arrays))
    assert sent.dtype == np.int32
    found = _unpack(sent)
    assert found.facts == {"step": 3, "told": numbers}
    assert found.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)


def test_a_frozen_clock_does_not_advance():
    budget = Budget(100, 10.0)
    budget.freeze(budget.read_clock() + 5)
    seen = budget.seconds
    assert seen > 5
    assert budget.seconds == seen
    assert budget.share_used(0) == seen / 10
    assert budget.read_clock() < 5


def test_a_batch_must_be_divisible_by_the_replicas():
    two = TwoReplicas()
    assert two.for_batch(8, 2) is two
    with pytest.raises(DataError, match="multiple of 4.*batch_size=10"):
        two.for_batch(10, 2)


@pytest.mark.parametrize(
    ("n_gpus", "batch_size", "n_halves", "n_used"),
    [(4, 64, 1, 4), (3, 64, 1, 2), (7, 9, 1, 3), (6, 128, 2, 4), (3, 7, 2, 1)],
)
def test_as_many_gpus_are_used_as_divide_a_batch(
    monkeypatch, n_gpus, batch_size, n_halves, n_used
):
    class Strategy:
        cluster_resolver = None

        def __init__(self, devices=range(n_gpus)):
            self.num_replicas_in_sync = len(devices)

    monkeypatch.setattr("tensorflow.distribute.MirroredStrategy", Strategy)
    monkeypatch.setattr(
        "tensorflow.config.list_physical_devices", lambda kind: [kind] * n_gpus
    )
    workers = connect_workers("auto")
    assert workers.n_replicas == n_gpus
    assert workers.for_batch(batch_size, n_halves).n_replicas == n_used


@pytest.mark.parametrize(
    "config",
    [
        None,
        "{",
        "[]",
        "{}",
        '{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_an_invalid_cluster_is_refused(config, monkeypatch, tmp_path):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(DataError, match="TF_CONFIG"):
        connect_workers("multi-worker")
    data = tmp_path / "data.npz"
    np.savez(data, X=np.zeros((9, 8, 8), np.uint8), y=np.arange(9) % 2)
    arguments = ["train", str(data), "--model", str(tmp_path / "m")]
    done = invoke(*arguments, "--strategy", "multi-worker")
    assert done.exit_code == 2
    assert "TF_CONFIG" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_the_first_process_is_the_chief(monkeypatch):
    cluster = {"worker": ["a:1", "b:1"], "chief": ["c:1"], "ps": ["d:1"]}
    for job, index, is_chief in (("worker", 0, False), ("chief", 0, True)):
        task = {"type": job, "index": index}
        config = json.dumps({"cluster": cluster, "task": task})
        monkeypatch.setenv("TF_CONFIG", config)
        task = read_task()
        assert (task.is_chief, task.n_processes) == (is_chief, 3)
        assert writes_results("multi-worker") == is_chief
        assert writes_results("auto")
