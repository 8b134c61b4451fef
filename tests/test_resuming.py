"""Commands that were killed, given again with --resume."""

import numpy as np
import pytest

from balancegan import ConditionalGANAugmenter
from balancegan.gan import callbacks, conditional_gan
from balancegan.gan.checkpoint import CheckpointFolder

from .conftest import load_npz, make_images
from .test_checkpoint import killed_after
from .test_cli import run

SETTINGS = ["--steps", 3, "--batch-size", 8, "--random-state", 3]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(conditional_gan, "STEPS_PER_CALL", 1)
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.npz"
    y = np.repeat(["bag", "shirt"], [12, 9])
    np.savez(path, x_train=make_images(21), y_train=y)
    return path


def balance(data, out, *more):
    return run("balance", data, "--out", out, *SETTINGS, *more)


def test_balance_resumes_to_the_same_output(data, tmp_path):
    expected, out = tmp_path / "expected.npz", tmp_path / "out.npz"
    assert balance(data, expected).exit_code == 0
    with killed_after(2):
        balance(data, out)
    checkpoints = tmp_path / "out.npz.checkpoints"
    assert not out.exists()
    assert CheckpointFolder(checkpoints).steps == [2, 1]

    refused = balance(data, out)
    assert refused.exit_code == 2
    assert "step 2" in refused.stderr
    assert "--resume" in refused.stderr
    assert CheckpointFolder(checkpoints).steps == [2, 1]

    done = balance(data, out, "--resume")
    assert done.exit_code == 0, done.stderr
    assert "resuming from step 2" in done.stderr
    assert not checkpoints.exists()
    found, wanted = load_npz(out), load_npz(expected)
    assert found.keys() == wanted.keys()
    for name in found:
        np.testing.assert_array_equal(found[name], wanted[name])


def test_killed_between_the_output_and_the_end(data, tmp_path, monkeypatch):
    """The output is there and is replaced by the same."""
    out = tmp_path / "out.npz"
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFolder, "remove", lambda self: None)
        assert balance(data, out).exit_code == 0
    whole = out.read_bytes()
    assert balance(data, out).exit_code == 2
    assert balance(data, out, "--resume").exit_code == 0
    assert out.read_bytes() == whole
    assert not (tmp_path / "out.npz.checkpoints").exists()


def test_train_resumes_to_the_same_model(data, tmp_path):
    models = [tmp_path / name for name in ("expected.balancegan", "model.balancegan")]
    train = ["train", data, *SETTINGS, "--model"]
    assert run(*train, models[0]).exit_code == 0
    with killed_after(1):
        run(*train, models[1])
    assert run(*train, models[1]).exit_code == 2
    done = run(*train, models[1], "--resume", "--json")
    assert done.exit_code == 0, done.stderr
    expected, found = (
        ConditionalGANAugmenter.load(m).model_.generator.get_weights() for m in models
    )
    for one, two in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_training_restarts_if_that_is_allowed(data, tmp_path):
    out = tmp_path / "out.npz"
    with killed_after(2):
        balance(data, out)
    done = balance(data, out, "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert "resuming" not in done.stderr


def test_with_another_setting_it_is_refused_and_stays(data, tmp_path):
    out = tmp_path / "out.npz"
    with killed_after(2):
        balance(data, out)
    refused = balance(data, out, "--resume", "--learning-rate", 0.5)
    assert refused.exit_code == 2
    assert "learning_rate is 0.5, was 0.001" in refused.stderr
    assert CheckpointFolder(tmp_path / "out.npz.checkpoints").steps == [2, 1]


def test_nothing_to_resume(data, tmp_path):
    done = balance(data, tmp_path / "out.npz", "--resume")
    assert done.exit_code == 0, done.stderr
    assert "no checkpoint to resume" in done.stderr
    again = balance(data, tmp_path / "out.npz", "--resume")
    assert again.exit_code == 2
    assert "exists already" in again.stderr
