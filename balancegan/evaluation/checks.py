"""What to look out for in a comparison: checks with codes, and how each ended.

A check that could not be made ends as "not run", never as passed. Everything follows
from the facts of an :class:`balancegan.evaluation.EvaluationResult`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from balancegan.balance import class_text
from balancegan.evaluation.result import EvaluationResult
from balancegan.quality.screening import REASONS, describe_reason

Outcome = Literal["issue", "tip", "passed", "not applicable", "not run"]

# Shares of the added images of a method, or of a class
MOST_EQUAL = 0.01
MANY_NEAR_COPIES = 0.2  # 0.05 are expected
MOST_NEAR_COPIES = 0.5
# Diversity within a class, as a ratio to real images
SOME_DIVERSITY = 0.75
LEAST_DIVERSITY = 0.5
# How far fewer images than real ones are taken for their class
LESS_AGREEMENT = 0.1
LEAST_AGREEMENT = 0.3
LEAST_DENSITY = 0.2  # 1 is expected
# Test images of a class
FEW_TEST_IMAGES = 30
TOO_FEW_TEST_IMAGES = 10
MOST_NAMED = 10  # combinations


@dataclass(frozen=True)
class Check:
    """How one check ended.

    Attributes
    ----------
    code : str
        "BG001" and so on.
    title : str
        What is looked for.
    outcome : str
        "issue", "tip", "passed", "not applicable" or "not run".
    message : str
        What was found, and what to do.
    method : str or None
        The method that it is about. None: the data.
    """

    code: str
    title: str
    outcome: Outcome
    message: str
    method: str | None = None


def run_checks(result: EvaluationResult) -> list[Check]:
    """Check the data of a comparison, the images that methods on trial add, their gain.

    Parameters
    ----------
    result : EvaluationResult
        The comparison.

    Returns
    -------
    checks : list of Check
        The worst first.

    Examples
    --------
    >>> sorted(TITLES)  # doctest: +NORMALIZE_WHITESPACE
    ['BG001', 'BG002', 'BG003', 'BG004', 'BG005', 'BG006', 'BG007',
    'BG201', 'BG202', 'BG203', 'BG204']
    """
    checks = [_find_leaked_test_images(result), _find_small_test_classes(result)]
    on_trial = [
        method for method in result.settings["methods"] if not method["baseline"]
    ]
    for method in dict.fromkeys(method["images_of"] for method in on_trial):
        checks += _check_images(result, method)
    checks += [_find_gain(result, method["name"]) for method in on_trial]
    return sorted(checks, key=lambda check: OUTCOMES.index(check.outcome))


OUTCOMES: tuple[Outcome, ...] = ("issue", "tip", "not run", "passed", "not applicable")
TITLES = {
    "BG001": "Copied images",
    "BG002": "Collapsed class",
    "BG003": "Wrong-looking images",
    "BG004": "Test images in training",
    "BG005": "Too few real images to judge",
    "BG006": "No gain",
    "BG007": "Simpler methods",
    **{reason.code: reason.images.capitalize() for reason in REASONS.values()},
}
ADDS_NOTHING = "The method adds no images."
ADDS_COPIES = "The method adds only real images again."


def _find_copies(result: EvaluationResult, method: str) -> Check:
    counts = _count_added(result, method)
    equal = counts["n_equal_train"] / counts["n"]
    if equal > MOST_EQUAL:
        return _check(
            "BG001",
            "issue",
            f"{_percent(equal)} of the added images equal a training image: this is "
            "repetition, which the method 'oversample' does at no cost.",
            method,
        )
    shares = _figure_by_class(result, method, "near_copies")
    return _judge_classes(
        "BG001",
        method,
        shares,
        issue=shares > MOST_NEAR_COPIES,
        tip=shares > MANY_NEAR_COPIES,
        what="Share of added images that lie nearer to a training image than 95 % of "
        "the held-out images do",
        advice="Train on more images of the class, or for fewer steps.",
    )


def _find_collapses(result: EvaluationResult, method: str) -> Check:
    ratios = _figure_by_class(result, method, "diversity")
    return _judge_classes(
        "BG002",
        method,
        ratios,
        issue=ratios < LEAST_DIVERSITY,
        tip=ratios < SOME_DIVERSITY,
        what="Diversity of added images as a ratio to real ones",
        advice="Look at the images; train longer, or ask for fewer of the class.",
    )


def _find_wrong_looking(result: EvaluationResult, method: str) -> Check:
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
        what="Share of added images that a classifier of real ones takes for their "
        "class",
        advice="That is well below real images. Look at them; train longer.",
    )


def _find_smuggled_test_images(result: EvaluationResult, method: str) -> Check:
    counts = _count_added(result, method)
    equal, near = counts["n_equal_test"], counts["n_near_test"]
    if equal or near:
        return _check(
            "BG004",
            "issue",
            f"Of {counts['n']} added images {equal} equal a test image, and of "
            f"{counts['n_measured']} that were looked at {near} nearly do. What made "
            "them has seen the test part: the method's figures mean nothing.",
            method,
        )
    return _check("BG004", "passed", "No added image is a test image.", method)


def _find_leaked_test_images(result: EvaluationResult) -> Check:
    leaks = pd.DataFrame(result.settings["leaks"])
    equal, near, n_test = (int(leaks[c].sum()) for c in ("n_equal", "n_near", "n_test"))
    if not equal and not near:
        return _check("BG004", "passed", "No test image occurs in the training part.")
    return _check(
        "BG004",
        "issue" if equal else "tip",
        f"Of {n_test} test images {equal} equal a training image and {near} nearly do. "
        "All methods profit from it. Remove them from one side; images of one object "
        "or person belong on one side (groups).",
    )


def _find_small_test_classes(result: EvaluationResult) -> Check:
    n_test = result.frame.groupby("class", sort=False)["n_test"].max()
    few, folds = n_test[n_test < FEW_TEST_IMAGES], result.settings["n_splits"]
    if few.empty:
        return _find_untested_combinations(result)
    return _check(
        "BG005",
        "issue" if few.min() < TOO_FEW_TEST_IMAGES else "tip",
        f"Test images: {_list(few, '{:.0f}')}. One image more or less changes such a "
        "class's recall by several points. Collect more"
        + ("." if folds > 1 else ", or use folds instead of a test part."),
    )


def _find_untested_combinations(result: EvaluationResult) -> Check:
    """End the check of numbers of test images where every class has enough."""
    enough = f"Every class has {FEW_TEST_IMAGES} test images or more."
    if not result.has_combinations:
        return _check("BG005", "passed", enough)
    n_test = result.combinations_frame.groupby("combination")["n_test"].max()
    without = n_test.index[n_test == 0].tolist()
    if not without:
        return _check("BG005", "passed", f"{enough} Every combination has one.")
    return _check(
        "BG005",
        "tip",
        f"{len(without)} of {len(n_test)} combinations have no test image, so that "
        f"nothing is known of them: {'; '.join(map(class_text, without[:MOST_NAMED]))}"
        f"{', and others' if len(without) > MOST_NAMED else ''}. Collect some.",
    )


def _find_gain(result: EvaluationResult, method: str) -> Check:
    verdict = result.verdict(method)
    outcome: dict[str, Outcome] = {
        "helps": "passed",
        "no evidence": "tip",
        "harms": "issue",
        "not enough runs": "not run",
    }
    return _check("BG006", outcome[verdict.overall], verdict.sentence, method)


def _check_images(result: EvaluationResult, method: str) -> list[Check]:
    if not _count_added(result, method)["n"]:
        of_method = result.frame[result.frame["method"] == method]
        why = ADDS_COPIES if of_method["n_added"].any() else ADDS_NOTHING
        checks = [_check(code, "not applicable", why, method) for code in IMAGE_CHECKS]
        return checks + _check_generator(result, method)
    checks = [check(result, method) for check in IMAGE_CHECKS.values()]
    return checks + _check_generator(result, method)


def _check_generator(result: EvaluationResult, method: str) -> list[Check]:
    """Check what the method's own judges said before its images were added."""
    judged = _read_judged(result, method)
    if judged.empty:
        return []
    simpler = judged[judged["instead"] > 0]
    n_runs = judged["run"].nunique()
    if simpler.empty:
        checks = [
            _check(
                "BG007",
                "passed",
                "No class needed a simpler method than the GAN.",
                method,
            )
        ]
    else:
        shares = simpler.groupby("class", sort=False)["instead"].sum() / n_runs
        message = (
            f"Interpolated images and copies in each run: "
            f"{_list(shares, '{:.0f}')}. Too few generated images of these classes "
            "were good enough: train longer, or collect more real images."
        )
        checks = [_check("BG007", "tip", message, method)]
    for fault, (code, what, _) in REASONS.items():
        found = judged[judged["fault"] == fault]
        if found.empty:
            checks.append(_check(code, "passed", f"Not found: {what}.", method))
            continue
        shares = found.groupby("class", sort=False)["fault_share"].mean()
        named = [f"{class_text(c)} ({_percent(s)})" for c, s in shares.items()]
        message = f"{describe_reason({'reason': fault})}: {', '.join(named)}."
        if (found["gan"] > 0).any():
            message += " The remaining generated images were added: look at them."
        outcome: Outcome = "issue" if (found["gan"] > 0).any() else "tip"
        checks.append(_check(code, outcome, message, method))
    return checks


IMAGE_CHECKS: dict[str, Callable[[EvaluationResult, str], Check]] = {
    "BG001": _find_copies,
    "BG002": _find_collapses,
    "BG003": _find_wrong_looking,
    "BG004": _find_smuggled_test_images,
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
) -> Check:
    """End a check of a figure that each class has; `issue` and `tip` are masks."""
    known = values.dropna()
    if known.empty:
        few = "Too few added or held-out images of every class to measure."
        return _check(code, "not run", few, method)
    found = values[tip]
    unknown = values.index[values.isna()].tolist()
    named = ", ".join(class_text(name) for name in unknown)
    left_out = f" Not measured: {named}." if unknown else ""
    if found.empty:
        return _check(code, "passed", f"{what}: {_list(known)}.{left_out}", method)
    return _check(
        code,
        "issue" if issue.any() else "tip",
        f"{what}: {_list(found)}. {advice}{left_out}",
        method,
    )


def _check(
    code: str, outcome: Outcome, message: str, method: str | None = None
) -> Check:
    return Check(code, TITLES[code], outcome, message, method)


def _count_added(result: EvaluationResult, method: str) -> dict[str, int]:
    runs = [run["added"] for run in result.runs if run["method"] == method]
    return {name: sum(run[name] for run in runs) for name in runs[0]}


def _read_judged(result: EvaluationResult, method: str) -> pd.DataFrame:
    """Return a row for each class of each run that the method's sampler has judged."""
    rows = [
        {"run": k, **row}
        for k, run in enumerate(run for run in result.runs if run["method"] == method)
        for row in run["judged"]
    ]
    return pd.DataFrame(rows)


def _figure_by_class(result: EvaluationResult, method: str, figure: str) -> pd.Series:
    """Return the mean over runs of each class that has new images."""
    frame = result.frame
    rows = frame[(frame["method"] == method) & (frame["n_added"] > 0)]
    if figure not in rows:
        return pd.Series(index=rows["class"].unique(), dtype=float)
    return rows.groupby("class", sort=False)[figure].mean()


def _list(values: pd.Series, form: str = "{:.2f}") -> str:
    """Return classes and their values in words."""
    return ", ".join(
        f"{class_text(name)}: {form.format(value)}" for name, value in values.items()
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
