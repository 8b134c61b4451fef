import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from balancegan.evaluation.checks import run_checks
from balancegan.evaluation.metrics import (
    class_metrics,
    overall_metrics,
)
from balancegan.evaluation.result import EvaluationResult

CLASSES = ["bag", "shirt"]
CODES = {f"BG{n:03}" for n in [*range(1, 8), *range(201, 205)]}
GOOD = {
    "agreement": 0.9,
    "real_agreement": 0.92,
    "frechet_distance": 1.0,
    "density": 0.9,
    "coverage": 0.9,
    "diversity": 0.95,
    "near_copies": 0.05,
}
ADDED = {
    "n": 50,
    "n_measured": 50,
    "n_equal_train": 0,
    "n_equal_test": 0,
    "n_near_test": 0,
}


def make_run(
    method, seed, accuracy, added=None, figures=None, n_test=100, judged=(), **fields
):
    """Facts of a run that is right on a share of the images of either class."""
    rng = np.random.default_rng([seed, len(method)])
    true = np.repeat([0, 1], n_test)
    right = rng.random(len(true)) < accuracy
    predicted = np.where(right, true, 1 - true)
    table = class_metrics(true, predicted, 2).to_dict("records")
    n_added = [0, 50] if added else [0, 0]
    figures = figures if added else None
    return {
        "method": method,
        "split": 0,
        "seed": seed,
        "metrics": overall_metrics(true, predicted, None, [900, 40])
        | {"calibration_error": None, "medium_shot": 0.5, "many_shot": 0.5},
        "classes": [
            {"class": name, "n_train": n, **row, "n_added": new}
            | ((figures or {}) if new else {})
            for name, n, row, new in zip(
                CLASSES, [900, 40], table, n_added, strict=True
            )
        ],
        "combinations": [],
        "confusion": confusion_matrix(true, predicted, labels=[0, 1]).tolist(),
        "seconds": {"fit": 9.0, "resample": 1.0, "classify": 2.0},
        "added": added or dict.fromkeys(ADDED, 0),
        "judged": list(judged),
        "pictures": {},
        **fields,
    }


JUDGED = [
    {
        "class": "shirt",
        "gan": 50,
        "interpolated": 0,
        "copied": 0,
        "instead": 0,
        "accepted": 0.94,
        "fault": None,
        "fault_share": 0.0,
    }
]


def make_result(
    *,
    accuracy=0.9,
    judged=JUDGED,
    added=ADDED,
    figures=GOOD,
    n_test=100,
    seeds=4,
    leaks=(0, 0),
):
    """A comparison of none and oversample with a method called ours."""
    methods = {"none": 0.7, "oversample": 0.75, "ours": accuracy}
    runs = [
        make_run(
            method,
            seed,
            share,
            added if method == "ours" else None,
            figures,
            n_test,
            judged=judged if method == "ours" else [],
        )
        for seed in range(seeds)
        for method, share in methods.items()
    ]
    settings = {
        "methods": [
            {
                "name": name,
                "baseline": name != "ours",
                "sampler": None,
                "transform": None,
                "mixup": 0.0,
                "weighted": False,
                "images_of": name,
            }
            for name in methods
        ],
        "classes": CLASSES,
        "attributes": ["label"],
        "train_counts": [900, 40],
        "image_shape": [8, 8, 1],
        "n_splits": 1,
        "grouped": False,
        "seeds": list(range(seeds)),
        "classifier": "LogisticRegression()",
        "classifier_steps": None,
        "leaks": [{"n_test": 200, "n_equal": leaks[0], "n_near": leaks[1], "limit": 1}],
        "data_hash": "0123",
        "pictures": {},
        "versions": {"python": "3.11"},
    }
    return EvaluationResult(settings, runs)


def outcomes(result):
    return {(check.code, check.method): check.outcome for check in run_checks(result)}


def test_good_images_pass_everything():
    found = run_checks(make_result())
    assert {check.outcome for check in found} == {"passed"}
    assert {check.code for check in found} == CODES
    assert [check.code for check in found if check.method is None] == ["BG004", "BG005"]


def test_a_reason_that_the_sampler_has_found_is_reported():
    copies = JUDGED[0] | {"fault": "copy", "fault_share": 0.3}
    found = run_checks(make_result(judged=[copies]))
    assert (found[0].code, found[0].outcome) == ("BG201", "issue")
    assert "copies of training images: shirt (30 %)" in found[0].message
    assert {check.outcome for check in found[1:]} == {"passed"}
    given_up = copies | {"gan": 0, "copied": 60, "instead": 50, "accepted": 0.1}
    found = {c.code: c for c in run_checks(make_result(judged=[given_up]))}
    assert found["BG201"].outcome == found["BG007"].outcome == "tip"
    assert "shirt: 50" in found["BG007"].message


def test_nothing_is_said_of_samplers_that_do_not_judge():
    codes = {check.code for check in run_checks(make_result(judged=[]))}
    assert codes == {code for code in CODES if code < "BG007"}


@pytest.mark.parametrize(
    ("figures", "code", "outcome"),
    [
        ({"near_copies": 0.3}, "BG001", "tip"),
        ({"near_copies": 0.6}, "BG001", "issue"),
        ({"diversity": 0.7}, "BG002", "tip"),
        ({"diversity": 0.2}, "BG002", "issue"),
        ({"agreement": 0.8}, "BG003", "tip"),
        ({"agreement": 0.5}, "BG003", "issue"),
        ({"density": 0.0, "agreement": 1.0}, "BG003", "issue"),
    ],
)
def test_a_bad_figure_is_found_and_no_other(figures, code, outcome):
    found = run_checks(make_result(figures=GOOD | figures))
    assert found[0].code == code
    assert found[0].outcome == outcome
    assert "shirt" in found[0].message
    assert found[0].method == "ours"
    assert {check.outcome for check in found[1:]} == {"passed"}


@pytest.mark.parametrize(
    ("counts", "code", "said"),
    [
        ({"n_equal_train": 10}, "BG001", "20 % of the added images equal a training"),
        ({"n_equal_test": 1}, "BG004", "Of 200 added images 4 equal a test image"),
        ({"n_near_test": 9}, "BG004", "36 nearly do"),
    ],
)
def test_images_that_are_real_ones_are_found(counts, code, said):
    found = run_checks(make_result(added=ADDED | counts))
    assert (found[0].code, found[0].outcome) == (code, "issue")
    assert said in found[0].message
    assert {check.outcome for check in found[1:]} == {"passed"}


def test_test_images_in_the_data_are_found():
    assert outcomes(make_result(leaks=(3, 0)))["BG004", None] == "issue"
    assert outcomes(make_result(leaks=(0, 3)))["BG004", None] == "tip"


def test_few_test_images_are_no_ground_to_judge():
    assert outcomes(make_result(n_test=20))["BG005", None] == "tip"
    assert outcomes(make_result(n_test=9))["BG005", None] == "issue"


@pytest.mark.parametrize(
    ("accuracy", "seeds", "outcome"),
    [(0.9, 4, "passed"), (0.75, 4, "tip"), (0.6, 4, "issue"), (0.9, 1, "not run")],
)
def test_gain_follows_the_verdict(accuracy, seeds, outcome):
    found = outcomes(make_result(accuracy=accuracy, seeds=seeds))
    assert found["BG006", "ours"] == outcome


def test_what_could_not_be_measured_has_not_passed():
    found = outcomes(make_result(figures={}))
    for code in ("BG001", "BG002", "BG003"):
        assert found[code, "ours"] == "not run"


def test_an_method_that_adds_nothing_has_no_images_to_check():
    found = outcomes(make_result(added=None))
    for code in ("BG001", "BG002", "BG003", "BG004"):
        assert found[code, "ours"] == "not applicable"


def test_an_method_of_copies_only_has_its_generator_checked():
    failed = {**JUDGED[0], "gan": 0, "copied": 50, "instead": 50, "fault": "unlike"}
    none = dict.fromkeys(ADDED, 0)
    result = make_result(added=none, figures={}, judged=[failed])
    checks = {(check.code, check.method): check for check in run_checks(result)}
    assert (
        checks["BG001", "ours"].message == "The method adds only copies of real images."
    )
    assert checks["BG007", "ours"].outcome == "tip"
    assert checks["BG203", "ours"].outcome == "tip"


@pytest.mark.parametrize("n_splits", [1, 5])
def test_folds_are_advised_where_there_are_none(n_splits):
    result = make_result(n_test=5)
    result.settings["n_splits"] = n_splits
    (check,) = (c for c in run_checks(result) if c.code == "BG005")
    assert ("folds" in check.message) == (n_splits == 1)
