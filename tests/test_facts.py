"""What --json prints: strict JSON, with the same keys from every command."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from balancegan.cli.card import describe_rejections
from balancegan.cli.display import as_json

from .commands import invoke
from .conftest import make_images

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text()
    | st.floats(width=32).map(np.float32)
    | st.integers(-(2**31), 2**31 - 1).map(np.int64)
    | st.dates(),
    lambda own: st.lists(own) | st.tuples(own, own) | st.dictionaries(st.text(), own),
)


def refuse(constant):
    raise ValueError(constant)


def strict(text):
    return json.loads(text, parse_constant=refuse)


@given(VALUES)
def test_whatever_is_found_becomes_strict_json(value):
    known = as_json(value)
    assert strict(json.dumps(known, allow_nan=False)) == known


def test_nan_becomes_null_and_numbers_stay():
    facts = {"a": np.array([1.5, np.nan]), "b": (math.inf, 2), "c": np.int64(3)}
    assert as_json(facts) == {"a": [1.5, None], "b": [None, 2], "c": 3}


@pytest.fixture
def folder(tmp_path):
    """Image files of two classes, two of them equal."""
    images = make_images(12)
    images[1] = images[0]
    for k, image in enumerate(images):
        path = tmp_path / "set" / ("bag" if k < 8 else "boot") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "set"


def run(*arguments):
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return strict(result.stdout), result.stderr


def test_every_command_says_what_it_noted_warned_of_found_and_took(folder, tmp_path):
    out, model = tmp_path / "b.npz", tmp_path / "model"
    quick = ("--steps", 1, "--random-state", 0)
    trained = ("--gan-share", 1, *quick)
    commands = {
        "inspect": (),
        "convert": ("--out", tmp_path / "c.npz"),
        "train": ("--model", model, *quick),
        "balance": ("--out", out, *trained),
    }
    said = {name: run(name, folder, *options) for name, options in commands.items()}
    asked = ("--class", "boot", "--out", tmp_path / "made", "--n", 2)
    said["generate"] = run("generate", model, *asked)
    for facts, shown in said.values():
        assert {"notes", "warnings", "findings", "seconds"} <= facts.keys()
        assert all(f"warning: {text}" in shown for text in facts["warnings"])
        parts = {phase: s for phase, s in facts["seconds"].items() if phase != "all"}
        assert sum(parts.values()) == pytest.approx(facts["seconds"]["all"], abs=0.5)
    assert said["train"][0]["model"] == str(model)


def test_findings_name_the_files_that_they_are_about(folder):
    facts, _ = run("inspect", folder)
    (equal,) = [f for f in facts["findings"] if f["code"] == "BG104"]
    assert [name.rsplit("/", 1)[-1] for name in equal["files"]] == ["0.png", "1.png"]


def test_checks_that_were_not_run_say_why(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(
        path,
        x_train=make_images(20),
        y_train=np.repeat([0, 1], 10),
        x_test=np.zeros((4, 9, 9), np.uint8),
        y_test=np.arange(4) % 2,
    )
    facts, shown = run("inspect", path)
    why = {
        f["code"]: f["message"] for f in facts["findings"] if f["outcome"] == "not run"
    }
    assert "BG106" in why
    shown = " ".join(shown.split())
    for code, message in why.items():
        assert f"({code}). {message}" in shown


def test_a_finding_has_the_reason_and_share_of_its_class():
    row = {"class": 3, "gan": 0, "fault": "unlike", "reason": "unlike"}
    fine = {"class": 4, "gan": 9, "fault": None, "reason": "other_class"}
    (found,) = describe_rejections([row | {"fault_share": 0.98}, fine], str)
    assert (found["code"], found["class"], found["outcome"]) == ("BG203", "3", "tip")
    assert found["message"] == "Rejected as images unlike real ones: 98 %"
