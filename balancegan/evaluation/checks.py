"""Checks of a comparison: its data, the images that methods add, and their gain.

Everything follows from the facts of an
:class:`balancegan.evaluation.EvaluationResult`.
"""

from collections.abc import Callable
from functools import partial

import pandas as pd

from balancegan.balance import class_text
from balancegan.evaluation.result import EvaluationResult
from balancegan.quality.checks import Finding, Outcome, count, list_some, sort_findings
from balancegan.quality.screening import REASONS, describe_reason

# Shares of the added images of a method, or of a class
MOST_EQUAL = 0.01
MANY_NEAR_COPIES, MOST_NEAR_COPIES = 0.2, 0.5  # 0.05 are expected
SOME_DIVERSITY, LEAST_DIVERSITY = 0.75, 0.5  # within a class, relative to real images
LESS_AGREEMENT, LEAST_AGREEMENT = 0.1, 0.3  # below that of real images
LEAST_DENSITY = 0.2  # 1 is expected
FEW_TEST_IMAGES, TOO_FEW_TEST_IMAGES = 30, 10  # of a class
MOST_NAMED = 10  # combinations
ADDS_NOTHING = "The method adds no images."
ADDS_COPIES = "The method adds only copies of real images."


def run_checks(result: EvaluationResult) -> list[Finding]:
    """Check the data of a comparison, and the images and gain of each method.

    Parameters
    ----------
    result : EvaluationResult
        The comparison.

    Returns
    -------
    findings : list of Finding
        The worst first. Baselines are not checked.
    """
    findings = [_find_leaked_test_images(result), _find_small_test_classes(result)]
    on_trial = [m for m in result.settings["methods"] if not m["baseline"]]
    for method in dict.fromkeys(m["images_of"] for m in on_trial):
        findings += _check_images(result, method)
        findings += _check_generator(result, method)
    findings += [_find_gain(result, m["name"]) for m in on_trial]
    return sort_findings(findings)


def _find_leaked_test_images(result: EvaluationResult) -> Finding:
    leaks = pd.DataFrame(result.settings["leaks"])
    equal, near, n_test = (int(leaks[c].sum()) for c in ("n_equal", "n_near", "n_test"))
    if not equal and not near:
        message = "No test image occurs in the training part."
        return Finding("BG004", "passed", message)
    return Finding(
        "BG004",
        "issue" if equal else "tip",
        f"Of {n_test} test images {equal} equal a training image and {near} nearly do. "
        "All methods profit from it. Remove them from one side; keep images of one "
        "object or person on one side (groups).",
    )


def _find_small_test_classes(result: EvaluationResult) -> Finding:
    n_test = result.frame.groupby("class", sort=False)["n_test"].max()
    few, folds = n_test[n_test < FEW_TEST_IMAGES], result.settings["n_splits"]
    if few.empty:
        return _find_untested_combinations(result)
    return Finding(
        "BG005",
        "issue" if few.min() < TOO_FEW_TEST_IMAGES else "tip",
        f"Test images: {_list(few, '{:.0f}')}. A single image changes the recall of "
        "such a class by several points. Collect more"
        + ("." if folds > 1 else ", or use folds instead of a test part."),
    )


def _find_untested_combinations(result: EvaluationResult) -> Finding:
    enough = f"Every class has {FEW_TEST_IMAGES} test images or more."
    if not result.has_combinations:
        return Finding("BG005", "passed", enough)
    n_test = result.combinations_frame.groupby("combination")["n_test"].max()
    without = [class_text(name) for name in n_test.index[n_test == 0]]
    if not without:
        return Finding("BG005", "passed", f"{enough} Every combination has one.")
    return Finding(
        "BG005",
        "tip",
        f"{len(without)} of {count(len(n_test), 'combination')} have no test image, so "
        f"their recall is unknown: {list_some(without, MOST_NAMED)}. Collect some.",
    )


def _find_gain(result: EvaluationResult, method: str) -> Finding:
    verdict = result.verdict(method)
    outcome: dict[str, Outcome] = {
        "helps": "passed",
        "no evidence": "tip",
        "harms": "issue",
        "not enough runs": "not run",
    }
    return Finding("BG006", outcome[verdict.overall], verdict.sentence, method=method)


def _check_images(result: EvaluationResult, method: str) -> list[Finding]:
    if _count_added(result, method)["n"]:
        return [check(result, method) for check in IMAGE_CHECKS.values()]
    of_method = result.frame[result.frame["method"] == method]
    why = ADDS_COPIES if of_method["n_added"].any() else ADDS_NOTHING
    return [
        Finding(code, "not applicable", why, method=method) for code in IMAGE_CHECKS
    ]


def _find_copies(result: EvaluationResult, method: str) -> Finding:
    counts = _count_added(result, method)
    equal = counts["n_equal_train"] / counts["n"]
    if equal > MOST_EQUAL:
        message = (
            f"{_percent(equal)} of the added images equal a training image. The method "
            "'oversample' does the same at no cost."
        )
        return Finding("BG001", "issue", message, method=method)
    shares = _figure_by_class(result, method, "near_copies")
    return _judge_classes(
        "BG001",
        method,
        shares,
        issue=shares > MOST_NEAR_COPIES,
        tip=shares > MANY_NEAR_COPIES,
        what="Share of added images that are nearer to a training image than 95 % of "
        "the held-out images are",
        advice="Train on more images of the class, or for fewer steps.",
    )


def _find_collapses(result: EvaluationResult, method: str) -> Finding:
    ratios = _figure_by_class(result, method, "diversity")
    return _judge_classes(
        "BG002",
        method,
        ratios,
        issue=ratios < LEAST_DIVERSITY,
        tip=ratios < SOME_DIVERSITY,
        what="Diversity of added images, relative to real ones",
        advice="Look at the images; train longer, or add fewer images of the class.",
    )


def _find_wrong_looking(result: EvaluationResult, method: str) -> Finding:
    density = _figure_by_class(result, method, "density")
    outside = density < LEAST_DENSITY
    if outside.any():
        return _judge_classes(
            "BG003",
            method,
            density,
            issue=outside,
            tip=outside,
            what="Density of added images among real ones (1 is expected)",
            advice="They do not look like real images of their class.",
        )
    agreement = _figure_by_class(result, method, "agreement")
    lost = _figure_by_class(result, method, "real_agreement") - agreement
    return _judge_classes(
        "BG003",
        method,
        agreement,
        issue=lost > LEAST_AGREEMENT,
        tip=lost > LESS_AGREEMENT,
        what="Share of added images that a classifier of real images recognises",
        advice="That is well below real images. Look at them; train longer.",
    )


def _find_added_test_images(result: EvaluationResult, method: str) -> Finding:
    counts = _count_added(result, method)
    equal, near = counts["n_equal_test"], counts["n_near_test"]
    if not equal and not near:
        message = "No added image is a test image."
        return Finding("BG004", "passed", message, method=method)
    message = (
        f"Of {counts['n']} added images {equal} equal a test image, and of "
        f"{counts['n_measured']} that were compared {near} nearly do. The method has "
        "seen the test part: its results are invalid."
    )
    return Finding("BG004", "issue", message, method=method)


IMAGE_CHECKS: dict[str, Callable[[EvaluationResult, str], Finding]] = {
    "BG001": _find_copies,
    "BG002": _find_collapses,
    "BG003": _find_wrong_looking,
    "BG004": _find_added_test_images,
}


def _judge_classes(
    code: str,
    method: str,
    values: pd.Series,
    *,
    issue: pd.Series,
    tip: pd.Series,
    what: str,
    advice: str,
) -> Finding:
    """Return the finding on a figure of each class; `issue` and `tip` are masks."""
    finding = partial(Finding, code, method=method)
    known, found = values.dropna(), values[tip]
    if known.empty:
        few = "Too few added or held-out images of every class to measure."
        return finding(outcome="not run", message=few)
    unknown = [class_text(name) for name in values.index[values.isna()]]
    left_out = f" Not measured: {', '.join(unknown)}." if unknown else ""
    if found.empty:
        message = f"{what}: {_list(known)}.{left_out}"
        return finding(outcome="passed", message=message)
    message = f"{what}: {_list(found)}. {advice}{left_out}"
    return finding(outcome="issue" if issue.any() else "tip", message=message)


def _check_generator(result: EvaluationResult, method: str) -> list[Finding]:
    """Check what screening found before images were added; nothing without it."""
    judged = _read_judged(result, method)
    if judged.empty:
        return []
    findings = [_find_simpler_methods(judged, method)]
    for name, reason in REASONS.items():
        found = judged[judged["fault"] == name]
        if found.empty:
            message = f"Not found: {reason.images}."
            findings.append(Finding(reason.code, "passed", message, method=method))
            continue
        shares = found.groupby("class", sort=False)["fault_share"].mean()
        named = [f"{class_text(c)} ({_percent(s)})" for c, s in shares.items()]
        message = f"{describe_reason({'reason': name})}: {', '.join(named)}."
        outcome: Outcome = "tip"
        if (found["gan"] > 0).any():
            outcome = "issue"
            message += " The remaining generated images were added: look at them."
        findings.append(Finding(reason.code, outcome, message, method=method))
    return findings


def _find_simpler_methods(judged: pd.DataFrame, method: str) -> Finding:
    simpler = judged[judged["instead"] > 0]
    if simpler.empty:
        message = "Enough generated images of every class were accepted."
        return Finding("BG007", "passed", message, method=method)
    n_runs = judged["run"].nunique()
    shares = simpler.groupby("class", sort=False)["instead"].sum() / n_runs
    message = (
        f"Images in each run that are not generated but made from real ones: "
        f"{_list(shares, '{:.0f}')}. Too few generated images of these classes were "
        "good enough: train longer, or collect more real images."
    )
    return Finding("BG007", "tip", message, method=method)


def _count_added(result: EvaluationResult, method: str) -> dict[str, int]:
    runs = [run["added"] for run in result.runs if run["method"] == method]
    return {name: sum(run[name] for run in runs) for name in runs[0]}


def _read_judged(result: EvaluationResult, method: str) -> pd.DataFrame:
    """Return a row for each class of each run whose images were screened."""
    runs = [run for run in result.runs if run["method"] == method]
    return pd.DataFrame(
        [{"run": k, **row} for k, run in enumerate(runs) for row in run["judged"]]
    )


def _figure_by_class(result: EvaluationResult, method: str, figure: str) -> pd.Series:
    """Return the mean over runs of each class that has new images."""
    frame = result.frame
    rows = frame[(frame["method"] == method) & (frame["n_added"] > 0)]
    if figure not in rows:
        return pd.Series(index=rows["class"].unique(), dtype=float)
    return rows.groupby("class", sort=False)[figure].mean()


def _list(values: pd.Series, form: str = "{:.2f}") -> str:
    return ", ".join(
        f"{class_text(name)}: {form.format(value)}" for name, value in values.items()
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
