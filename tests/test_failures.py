"""Every failure of a command is one line and an exit code; --traceback shows more."""

import errno
import json
import warnings

import numpy as np
import pytest

from balancegan.cli import edge
from balancegan.cli.edge import _describe_failure
from balancegan.data import reading
from balancegan.errors import (
    DataError,
    SavedModelError,
    TrainingFailed,
    TrainingWarning,
)

from .commands import invoke


@pytest.fixture
def set_of_two(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.zeros((4, 6, 5), np.uint8), y=[0, 0, 1, 1])
    return str(path)


def run(*words, **variables):
    return invoke(*words, **variables)


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (DataError("no\nimages"), 2, "no images"),
        (SavedModelError("no model"), 2, "no model"),
        (TrainingFailed("NaN"), 1, "NaN"),
        (OSError("disk full"), 1, "disk full"),
        (MemoryError(), 1, "Memory ran out"),
        (
            TypeError("ours\nand more"),
            1,
            "Unexpected TypeError: ours. This may be a bug",
        ),
        (KeyError("x"), 1, "Unexpected KeyError: 'x'."),
        (ImportError(), 1, "Unexpected ImportError: no message."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_a_line_and_its_traceback_is_shown_on_request(
    set_of_two, monkeypatch, error, exit_code, line
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(reading, "read_images", fail)
    # What is left of memory changes from one call to the next
    monkeypatch.setattr(edge, "_describe_memory", lambda: "Memory ran out.")
    result = run("inspect", set_of_two)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr.startswith(f"Error: {line}")
    assert result.stderr.count("\n") == 1
    for words, variables in (
        (("--traceback", "inspect", set_of_two), {}),
        (("inspect", "--traceback", set_of_two), {}),
        (("inspect", set_of_two), {"BALANCEGAN_TRACEBACK": "1"}),
    ):
        shown = run(*words, **variables)
        assert shown.exit_code == exit_code
        assert shown.stderr.startswith("Traceback (most recent call last)")
        assert "in fail\n" in shown.stderr
        assert shown.stderr.endswith(result.stderr)
    quiet = run("inspect", set_of_two, BALANCEGAN_TRACEBACK="0")
    assert quiet.stderr == result.stderr


def test_what_is_no_failure_stays_what_it_is(set_of_two):
    assert run("--traceback", "inspect", set_of_two).exit_code == 0
    for words in (("inspect", "--no-such-option"), ("nothing",), ("inspect",)):
        result = run("--traceback", *words)
        assert (result.exit_code, "Usage:" in result.stderr) == (2, True)
        assert "Traceback" not in result.stderr


def test_a_long_message_of_a_library_is_cut_to_its_first_line():
    assert "more" not in _describe_failure(RuntimeError("short\nand more")).message


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("inspect", "none.npz", "--json"), "There is no file or folder none.npz."),
        (("inspect", "--json", "--siz", "3"), "No such option '--siz'."),
        (("balance", "none.npz", "--json"), "Missing option '--out'"),
        (("generate", "--json"), "Missing argument 'MODEL'."),
        (("balanse", "--json"), "No such command 'balanse'."),
    ],
)
def test_with_json_a_failure_is_one_object_too(words, error):
    result = run(*words)
    said = json.loads(result.stdout)
    assert said["exit_code"] == result.exit_code == 2
    assert said["error"].startswith(error)
    assert said["warnings"] == []
    assert f"Error: {said['error']}" in result.stderr
    without = run(*(word for word in words if word != "--json"))
    assert (without.stdout, without.stderr) == ("", result.stderr)


@pytest.mark.filterwarnings("default::balancegan.errors.TrainingWarning")
def test_with_json_an_interruption_is_an_object_with_the_warnings_so_far(
    set_of_two, monkeypatch
):
    def interrupt(*_, **__):
        warnings.warn("few images", TrainingWarning, stacklevel=2)
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "read_images", interrupt)
    result = run("inspect", set_of_two, "--json")
    assert json.loads(result.stdout) == {
        "error": "Interrupted. Nothing unfinished is left behind.",
        "exit_code": 130,
        "warnings": ["few images"],
    }
    assert result.exit_code == 130


def test_a_reader_that_has_enough_is_no_error(set_of_two, monkeypatch):
    def fail(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(reading, "read_images", fail)
    result = run("inspect", set_of_two, "--json")
    assert (result.exit_code, result.stderr) == (1, "")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "--steps",
            "many",
            "expected a whole number from 1 to 1,000,000,000, or",
        ),
        ("--steps", "0", "expected a whole number from 1"),
        ("--batch-size", "1.5", "'1.5' is not a valid integer."),
        ("--max-minutes", "ten", "'ten' is not a valid float."),
    ],
)
def test_values_that_are_not_numeric_are_reported_without_type_names(
    option, value, message
):
    result = run("train", "data.npz", "--model", "m", option, value)
    is_option = option != "--batch-size"
    shown = f"'{option}'" if is_option else "'batch-size' (in the file of --config)"
    assert f"Invalid value for {shown}: {message}" in " ".join(result.stderr.split())
