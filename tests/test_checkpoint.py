"""Training that is stopped anywhere and taken up again ends with the same model."""

import os
import shutil
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from balancegan import TrainingOptions
from balancegan.attributes import Labels
from balancegan.errors import CheckpointWarning, SavedModelError
from balancegan.gan import callbacks, checkpoint, conditional_gan
from balancegan.gan.checkpoint import (
    CheckpointFolder,
    DeferredSignals,
    State,
    deferred_signals,
    describe_run,
)

from .augmenters import build_augmenter
from .conftest import make_images
from .test_files import gone, leave

N_STEPS = 4  # each a call
SETTINGS = {"steps": N_STEPS, "batch_size": 8, "random_state": 3, "verbose": 0}
PRESETS = ("default", "tutorial")


@pytest.fixture(autouse=True)
def heed_interrupts():
    """As in the foreground: processes in the background have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Killed(BaseException):
    """As sudden as a kill: nobody catches it."""


@pytest.fixture(autouse=True, scope="module")
def often():
    """Evaluate and write a checkpoint after every call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditional_gan, "STEPS_PER_CALL", 1)
        patch.setattr(callbacks, "FIRST_EVALUATION", 1)
        patch.setattr(callbacks, "CHECKPOINT_SECONDS", 0.0)
        yield


@contextmanager
def killed_after(n_calls, *, written=True):
    """Kill the training after so many calls, before or after its checkpoint."""
    write = callbacks.CheckpointMonitor.write
    calls = []

    def write_or_die(self):
        calls.append(1)
        if len(calls) < n_calls or written:
            write(self)
        if len(calls) == n_calls:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(callbacks.CheckpointMonitor, "write", write_or_die)
        yield


def weights_of(augmenter):
    return augmenter.model_.generator.get_weights()


def assert_same(augmenter, other):
    for one, two in zip(weights_of(augmenter), weights_of(other), strict=True):
        np.testing.assert_array_equal(one, two)
    for name in ("history", "class_history"):
        frames = [
            getattr(each.report_, name).drop(
                columns=["seconds", "evaluation_seconds"], errors="ignore"
            )
            for each in (augmenter, other)
        ]
        pd.testing.assert_frame_equal(*frames)
    model, expected = augmenter.model_, other.model_
    assert (model.n_steps, model.kept_step) == (expected.n_steps, expected.kept_step)
    label = expected.classes[0]
    np.testing.assert_array_equal(augmenter.sample(label, 3), other.sample(label, 3))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What was trained once for all tests, and a folder of the checkpoints."""
    return {"folder": tmp_path_factory.mktemp("run")}


@pytest.fixture
def uninterrupted(small_set, kept):  # of every test, for it is not compiled in there
    """Trained in one go, by preset."""

    def train(preset="default"):
        if preset not in kept:
            augmenter = build_augmenter(**SETTINGS, preset=preset)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(callbacks, "CHECKPOINT_SECONDS", 0.0)
                kept[preset] = augmenter.fit(
                    *small_set, checkpoint_dir=kept["folder"] / preset
                )
        return kept[preset]

    return train


@pytest.fixture
def run_folder(uninterrupted, kept, tmp_path):
    """A copy of the checkpoints of a whole run."""
    uninterrupted()
    return shutil.copytree(kept["folder"] / "default", tmp_path / "copy")


@pytest.mark.parametrize(
    ("preset", "n_calls", "written"),
    [
        ("default", 3, True),
        ("default", 4, True),  # between the last step and the end
        ("default", 5, False),
        ("tutorial", 2, True),
    ],
)
def test_killed_training_resumes_bit_identically(
    small_set,
    uninterrupted,
    monkeypatch,
    tmp_path,
    preset,
    n_calls,
    written,
):
    augmenter = build_augmenter(**SETTINGS, preset=preset)
    with killed_after(n_calls, written=written):
        augmenter.fit(*small_set, checkpoint_dir=tmp_path / "run")
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECONDS", 1e9)
    begun = CheckpointFolder(tmp_path / "run").steps
    assert begun[:1] == ([n_calls] if written else [4] if n_calls == 5 else [])
    augmenter.fit(*small_set, checkpoint_dir=tmp_path / "run")
    assert_same(augmenter, uninterrupted(preset))


def test_finished_training_is_not_repeated(
    small_set, uninterrupted, run_folder, monkeypatch
):
    assert CheckpointFolder(run_folder).steps == [4, 3]
    monkeypatch.setattr("balancegan.gan.training.BalancedBatches.__getitem__", None)
    again = build_augmenter(**SETTINGS).fit(*small_set, checkpoint_dir=run_folder)
    assert_same(again, uninterrupted())


def test_several_attributes(tmp_path):
    X = make_images(36)
    y = np.stack([np.repeat(["a", "b", "c"], 12), np.resize(["x", "y"], 36)], axis=1)
    settings = {**SETTINGS, "gan_share": 1}  # combinations of 6 would be copied
    expected = build_augmenter(**settings).fit(X, y)
    augmenter = build_augmenter(**settings)
    with killed_after(3):
        augmenter.fit(X, y, checkpoint_dir=tmp_path / "run")
    augmenter.fit(X, y, checkpoint_dir=tmp_path / "run")
    assert_same(augmenter, expected)


def test_without_a_seed_resuming_keeps_the_first_seed(small_set, tmp_path):
    settings = {**SETTINGS, "random_state": None}
    augmenter = build_augmenter(**settings)
    with killed_after(2):
        augmenter.fit(*small_set, checkpoint_dir=tmp_path)
    begun_with = CheckpointFolder(tmp_path).seed()
    augmenter.fit(*small_set, checkpoint_dir=tmp_path)
    assert augmenter.model_.seed == begun_with == CheckpointFolder(tmp_path).seed()
    assert augmenter.model_.n_steps == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_writes_a_checkpoint_first(
    small_set, uninterrupted, tmp_path, monkeypatch, number
):
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECONDS", 1e9)

    def end(*_):
        raise KeyboardInterrupt

    def raise_signal(self, batch, logs=None):
        if int(self.model.step) == 2:
            signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(
                "balancegan.gan.budget.LinearDecay.on_train_batch_end", raise_signal
            )
            augmenter = build_augmenter(**SETTINGS)
            with pytest.raises(KeyboardInterrupt), DeferredSignals():
                augmenter.fit(*small_set, checkpoint_dir=tmp_path)
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert augmenter.model_.n_steps == 2  # usable
    assert CheckpointFolder(tmp_path).steps == [2]
    # The rate of the interrupted run was never set anew, but does not fall so early
    augmenter.fit(*small_set, checkpoint_dir=tmp_path)
    assert_same(augmenter, uninterrupted())


def spoil(path, how):
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 0xFF
    path.write_bytes(data[: len(data) // 2] if how == "truncated" else data)
    if how == "empty":
        path.write_bytes(b"")
    if how == "foreign":
        np.savez(path, facts=np.frombuffer(b"[1]", np.uint8))


@pytest.mark.parametrize("how", ["flipped", "truncated", "empty", "foreign"])
def test_a_damaged_checkpoint_is_ignored(run_folder, how):
    spoil(run_folder / "step-4.npz", how)
    folder = CheckpointFolder(run_folder)
    with pytest.warns(CheckpointWarning, match="step-4"):
        found = folder.latest()
    assert found.facts["step"] == 3
    assert set(found.facts) == {
        "run",
        "step",
        "gan",
        "judge",
        "losses",
        "quality",
        "history",
        "budget",
        "schedule",
    }
    assert len(found.facts["quality"]["distances"]) == 3
    spoil(run_folder / "step-3.npz", how)
    with (
        pytest.warns(CheckpointWarning),
        pytest.raises(SavedModelError, match="All checkpoints"),
    ):
        folder.latest()


def test_training_resumes_from_the_last_undamaged_checkpoint(
    small_set, uninterrupted, run_folder
):
    spoil(run_folder / "step-4.npz", "flipped")
    augmenter = build_augmenter(**SETTINGS)
    with pytest.warns(CheckpointWarning, match="step-4"):
        augmenter.fit(*small_set, checkpoint_dir=run_folder)
    assert_same(augmenter, uninterrupted())


def other_data(X, y):
    X = X.copy()
    X[-1, -1, -1] ^= 1
    return X, y


def other_labels(X, y):
    y = y.copy()
    y[0] = "shirt"
    return X, y


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (other_data, {}, "data have changed"),
        (other_labels, {}, "data have changed"),
        (
            None,
            {"preset": TrainingOptions(batch_size=8, learning_rate=0.5)},
            "learning_rate is 0.5, was 0.001",
        ),
        (None, {"steps": 60}, "steps is 60, was 4"),
        (None, {"random_state": 4}, "seed is 4, was 3"),
        (None, {"value_range": (-1, 256)}, "high is 256.*low is -1"),
        (None, {"max_minutes": 9}, "max_seconds is 540"),
        (None, {"preset": "tutorial"}, "alternating is True, was False"),
    ],
)
def test_another_run_is_refused_with_what_differs(
    small_set, run_folder, change, settings, message
):
    data = change(*small_set) if change else small_set
    augmenter = build_augmenter(**SETTINGS).set_params(**settings)
    before = sorted(entry.name for entry in run_folder.iterdir())
    with pytest.raises(SavedModelError, match=message):
        augmenter.fit(*data, checkpoint_dir=run_folder)
    assert sorted(entry.name for entry in run_folder.iterdir()) == before


def test_another_version_is_refused(small_set, run_folder, monkeypatch):
    older = lambda names: dict.fromkeys(names, "0.0.1")  # noqa: E731
    monkeypatch.setattr(checkpoint, "library_versions", older)
    with pytest.raises(SavedModelError, match=r"keras is '0.0.1', was"):
        build_augmenter(**SETTINGS).fit(*small_set, checkpoint_dir=run_folder)


def test_folders_that_cannot_be_used(small_set, tmp_path):
    augmenter = build_augmenter(**SETTINGS)
    (tmp_path / "file").touch()
    for folder in (tmp_path / "missing" / "run", tmp_path / "file", "/proc/run"):
        with pytest.raises(SavedModelError, match="cannot be used"):
            augmenter.fit(*small_set, checkpoint_dir=folder)


def test_the_last_two_are_kept_and_removed_with_the_folder(tmp_path):
    folder = CheckpointFolder(tmp_path / "run")
    for step in (90, 100, 1_000):
        folder.write(step, State({"run": {"step": step}}, {"a": np.arange(step)}))
    assert folder.steps == [1_000, 100]
    found = folder.latest()
    assert found.facts == {"run": {"step": 1_000}}
    assert folder.seed() is None
    assert found.arrays["a"].tolist() == list(range(1_000))
    (folder.folder / "note").touch()
    folder.remove()
    assert [entry.name for entry in folder.folder.iterdir()] == ["note"]
    (folder.folder / "note").unlink()
    folder.remove()
    assert not folder.folder.exists()


def test_partial_checkpoints_of_killed_processes_are_removed(tmp_path):
    folder = CheckpointFolder(tmp_path / "run")
    folder.write(7, State({"run": {}}, {}))
    for step in (5, 9):
        leave(tmp_path / f"run/step-{step}.npz", ".partial", gone(), folder=False)
    mine = leave(tmp_path / "run/step-8.npz", ".partial", os.getpid(), folder=False)
    assert folder.latest().facts == {"run": {}}
    assert sorted(tmp_path.glob("run/*")) == [mine, tmp_path / "run/step-7.npz"]
    mine.unlink()
    leave(tmp_path / "run/step-9.npz", ".partial", gone(), folder=False)
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_runs_are_identified_by_all_of_their_data():
    images = make_images(300)
    labels = Labels.of_one(np.arange(300) % 2)
    runs = [describe_run(images, labels, {})["data"]]
    for i in (0, 255, 299):
        changed = images.copy()
        changed[i, 3, 3] += 1
        runs.append(describe_run(changed, labels, {})["data"])
    runs.append(describe_run(images.astype("int16"), labels, {})["data"])
    runs.append(describe_run(images.reshape(300, -1), labels, {})["data"])
    runs.append(describe_run(images, Labels.of_one(np.arange(300) % 3), {})["data"])
    assert len(set(runs)) == len(runs)
    strided = np.repeat(images, 2, axis=0)[::2]
    assert describe_run(strided, labels, {})["data"] == runs[0]


def test_a_second_signal_is_not_deferred():
    with DeferredSignals() as signals:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # not deferred yet
        signals.deferring = True
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signals.deliver()
        signals.deliver()  # once
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_is_never_swallowed():
    with DeferredSignals():
        with pytest.raises(KeyboardInterrupt), deferred_signals() as signals:
            signals.deferring = True
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(ZeroDivisionError), deferred_signals() as signals:
            signals.deferring = True
            signal.raise_signal(signal.SIGINT)
            raise ZeroDivisionError
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # training is over


def test_training_continues_if_checkpoints_cannot_be_written(
    small_set, uninterrupted, tmp_path, monkeypatch
):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    expected = uninterrupted()
    monkeypatch.setattr(CheckpointFolder, "write", refuse)
    with pytest.warns(CheckpointWarning, match="Step 1 .* No space left") as said:
        augmenter = build_augmenter(**SETTINGS).fit(*small_set, checkpoint_dir=tmp_path)
    assert sum(each.category is CheckpointWarning for each in said) == 1
    assert_same(augmenter, expected)


def test_signals_that_are_ignored_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with DeferredSignals() as signals:
            signals.deferring = True
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.pending is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_checkpoints_are_written_in_other_threads(small_set, tmp_path):
    """Where no signals come, training is written down all the same."""
    done = []
    augmenter = build_augmenter(**SETTINGS)
    thread = threading.Thread(
        target=lambda: done.append(augmenter.fit(*small_set, checkpoint_dir=tmp_path))
    )
    thread.start()
    thread.join()
    assert done
    assert CheckpointFolder(tmp_path).steps == [4, 3]
