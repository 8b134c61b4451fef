import json
import re
from functools import partial

import numpy as np
import pytest

from balancegan.cli import comparing
from balancegan.cli.comparing import Comparison
from balancegan.cli.estimate import Limit
from balancegan.evaluation.result import EvaluationResult

from .test_cli import run
from .test_compared_attributes import X_TEST, Y_TEST, X, Y
from .test_quality import stripes

QUICK = ["--classifier-steps", "5", "--steps", "1"]


@pytest.fixture
def data(tmp_path):
    """Three classes that anyone tells apart, with a test part and groups."""
    images, classes = stripes(30)
    kept = np.r_[0:30, 30:45, 60:68]
    test_images, test_classes = stripes(12, seed=1)
    path = tmp_path / "data.npz"
    np.savez(
        path,
        x_train=images[kept],
        y_train=classes[kept],
        x_test=test_images,
        y_test=test_classes,
        class_names=np.array(["left", "<b>", "right"]),
        photo=np.arange(len(kept)) // 2,
    )
    return path


@pytest.fixture
def patient(monkeypatch):
    """Steps are measured, however slow: else the times are said to be the least."""
    monkeypatch.setattr(comparing, "Limit", partial(Limit, 3600.0))


@pytest.mark.usefixtures("patient")
def test_evaluate_compares_on_the_test_part(data, tmp_path):
    report = tmp_path / "report.html"
    methods = "none, class_weight,cgan"
    options = [
        "--methods",
        methods,
        "--seeds",
        "2",
        "--report",
        report,
        "--json",
        *QUICK,
    ]
    result = run("evaluate", data, *options)
    assert result.exit_code == 0, result.output
    read = EvaluationResult.from_json(result.stdout)
    assert read.methods == ["none", "class_weight", "cgan"]
    assert read.settings["classes"] == ["left", "<b>", "right"]
    assert read.frame["n_test"].eq(12).all()
    assert "runs in about" in result.stderr
    assert read.verdict().sentence.split(":")[0] in " ".join(result.stderr.split())
    assert "&lt;b&gt;" in report.read_text()
    assert "<b></b>" not in report.read_text()


def test_evaluate_compares_on_folds(data, tmp_path):
    options = ["--methods", "none", "--seeds", "1", "--quiet", "--json", *QUICK]
    facts = {}
    for name, more in (
        ("folds", ["--folds", "2"]),
        ("groups", ["--group-key", "photo", "--folds", "3"]),
    ):
        result = run("evaluate", data, *options, *more)
        assert result.stderr == ""
        facts[name] = json.loads(result.stdout)["settings"]
    assert (facts["folds"]["n_splits"], facts["folds"]["grouped"]) == (2, False)
    assert (facts["groups"]["n_splits"], facts["groups"]["grouped"]) == (3, True)


@pytest.mark.usefixtures("patient")
def test_a_dry_run_says_how_long_it_takes(data):
    result = run("evaluate", data, "--dry-run", "--seeds", "5", *QUICK)
    assert result.exit_code == 0
    assert "40 runs in about" in result.stderr
    assert result.stdout == ""


def test_a_dry_run_says_so_where_steps_are_too_slow_to_measure(data, monkeypatch):
    monkeypatch.setattr(comparing, "Limit", partial(Limit, 0.0))
    result = run("evaluate", data, "--dry-run", "--seeds", "5", *QUICK)
    assert "40 runs in at least" in result.stderr


def test_finished_runs_are_kept(data, tmp_path):
    cache = tmp_path / "cache"
    options = ["--methods", "oversample", "--seeds", "2", "--cache", cache, *QUICK]
    first, again = (
        json.loads(run("evaluate", data, *options, "--json", "--quiet").stdout)
        for _ in range(2)
    )
    assert first.pop("seconds") != again.pop("seconds")
    assert first == again
    assert len(list(cache.glob("run-*"))) == 4


@pytest.mark.parametrize(("overall", "code"), [("harms", 3), ("helps", 0)])
def test_fail_if_worse_is_an_exit_code(data, monkeypatch, overall, code):
    from .test_checks import make_result

    made = make_result(accuracy=0.5 if overall == "harms" else 0.95)
    assert made.verdict().overall == overall
    monkeypatch.setattr(Comparison, "run", lambda self, **how: made)
    monkeypatch.setattr(Comparison, "estimate", lambda self: ESTIMATE)
    assert run("evaluate", data, "--fail-if-worse").exit_code == code
    assert run("evaluate", data).exit_code == 0


ESTIMATE = {"runs": 3, "generator_seconds": 60.0, "classifier_seconds": 30.0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "--methods", "gan"], "There is no method called 'gan'"),
        (["evaluate", "--report", "report.pdf"], "ends in .html"),
        (["evaluate", "--report", "no/report.html"], "cannot be written"),
        (["evaluate", "--group-key", "x_test"], "one entry for each of 53"),
        (["evaluate", "--folds", "9"], "Received: .2: 8"),
        (["balance", "--dry-run", "--report", "r.html"], "No such option"),
    ],
)
def test_bad_usage_is_refused_before_any_work(data, arguments, said, monkeypatch):
    monkeypatch.setattr(Comparison, "estimate", lambda self: ESTIMATE)
    command, *options = arguments
    result = run(command, data, *options)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert re.search(said, " ".join(result.stderr.split())), result.stderr


@pytest.fixture
def confounded(tmp_path):
    """The data of `test_compared_attributes`, the light as a column."""
    path = tmp_path / "confounded.npz"
    np.savez(
        path,
        x_train=X,
        y_train=Y["garment"].to_numpy(str),
        light_train=Y["light"].to_numpy(str),
        x_test=X_TEST,
        y_test=Y_TEST["garment"].to_numpy(str),
        light_test=Y_TEST["light"].to_numpy(str),
    )
    return path


ON_PAIRS = ["--attributes", "light", "--balance-on", "label,light"]


def test_evaluate_knows_attributes(confounded, tmp_path, monkeypatch):
    monkeypatch.setattr(Comparison, "estimate", lambda self: ESTIMATE)
    report = tmp_path / "report.html"
    methods = [
        "--methods",
        "oversample,cgan",
        "--seeds",
        "1",
        "--report",
        report,
        *QUICK,
    ]
    gan = ["--gan-share", 1, "--no-reject"]
    result = run("evaluate", confounded, *methods, *ON_PAIRS, *gan, "--json")
    assert result.exit_code == 0, result.output
    assert "accuracy of combinations" in " ".join(result.stderr.split())
    read = EvaluationResult.from_json(result.stdout)
    assert read.settings["attributes"] == ["label", "light"]
    assert read.settings["class_attribute"] == "label"
    added = read.combinations_frame.groupby("method")["n_added"].sum()
    assert added.to_dict() == {"none": 0, "oversample": 79, "cgan": 79}
    assert "boot, day" in report.read_text()


def test_a_test_part_without_the_attribute_is_refused(
    confounded, tmp_path, monkeypatch
):
    monkeypatch.setattr(Comparison, "estimate", lambda self: ESTIMATE)
    with np.load(confounded) as file:
        arrays = {k: a for k, a in file.items() if k != "light_test"}
    other = tmp_path / "other.npz"
    np.savez(other, **arrays)
    result = run("evaluate", other, *ON_PAIRS)
    assert result.exit_code == 2
    assert "none called 'light'" in " ".join(result.stderr.split())
    methods = ["--methods", "none", "--seeds", "1", *QUICK, "--folds", "2"]
    assert run("evaluate", other, *ON_PAIRS, *methods).exit_code == 0


def test_a_bad_test_part_is_refused_before_any_work(data, tmp_path, monkeypatch):
    with np.load(data) as file:
        arrays = dict(file)
    arrays["x_test"] = arrays["x_test"][:, :5]
    other = tmp_path / "other.npz"
    np.savez(other, **arrays)
    monkeypatch.setattr(Comparison, "estimate", lambda self: pytest.fail("worked"))
    result = run("evaluate", other)
    assert result.exit_code == 2
    assert "shape" in result.stderr


def test_a_report_is_not_written_over(data, tmp_path):
    report = tmp_path / "report.html"
    report.write_text("mine")
    result = run("evaluate", data, "--report", report)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert report.read_text() == "mine"
