import numpy as np
import pytest

from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.verdicts import (
    Difference,
    MethodVerdict,
    distinct_pairs,
    paired_difference,
)

BASELINES = ["none", "class_weight", "oversample", "smote", "augment"]


def simulate(rng, effect=0.0, n_seeds=3, n_draws=3, n_ours=1, behind=()):
    """Facts of methods that are all equally good but for ours; seeds matter to all.

    Those that are behind are so by thirty points.
    """
    methods = [*BASELINES, *(f"ours{k or ''}" for k in range(n_ours))]
    runs = []
    for split in range(n_draws):
        for seed in range(n_seeds):
            of_seed = rng.normal(0.8, 0.01)
            for method in methods:
                recall = (
                    of_seed + rng.normal(0, 0.01) + effect * (method not in BASELINES)
                )
                recall -= 0.3 * (method in behind)
                row = {"class": "bag", "recall": recall, "n_test": 1000}
                runs.append(
                    {
                        "method": method,
                        "split": split,
                        "seed": seed,
                        "metrics": {"balanced_accuracy": recall},
                        "classes": [row],
                        "confusion": [],
                        "seconds": {"fit": 0.0, "resample": 0.0, "classify": 1.0},
                    }
                )
    settings = {
        "methods": [{"name": name, "baseline": name in BASELINES} for name in methods],
        "classes": ["bag"],
        "attributes": ["label"],
        "n_splits": 1,
    }
    return EvaluationResult(settings, runs)


@pytest.mark.parametrize(
    ("n_seeds", "n_draws", "n_ours"), [(3, 1, 1), (3, 3, 1), (3, 1, 3)]
)
def test_no_effect_is_rarely_taken_for_one(n_seeds, n_draws, n_ours):
    rng = np.random.default_rng(0)
    # Of several methods on trial the best one, which looks better than it is
    found = [
        simulate(rng, 0.0, n_seeds, n_draws, n_ours).verdict().overall
        for _ in range(1_000)
    ]
    wrong = found.count("helps") + found.count("harms")
    assert wrong <= 50
    assert set(found) <= {"helps", "harms", "no evidence"}


def test_a_true_effect_is_found():
    rng = np.random.default_rng(0)
    for effect, verdict in ((0.05, "helps"), (-0.05, "harms")):
        found = [simulate(rng, effect).verdict("ours").overall for _ in range(50)]
        assert found.count(verdict) >= 48


@pytest.mark.parametrize(
    ("n_ours", "behind", "lower", "upper"),
    [
        (1, {"none", "class_weight", "oversample", "augment"}, 1, 1),
        (3, {"none", "class_weight", "oversample", "augment", "ours1", "ours2"}, 1, 1),
        (3, {"none", "class_weight", "oversample", "augment"}, 3, 1),
        (1, {"none"}, 1, 4),
    ],
)
def test_of_several_methods_those_count_that_may_be_the_best(
    n_ours, behind, lower, upper
):
    result = simulate(np.random.default_rng(1), n_ours=n_ours, behind=behind)
    figures = result.runs_frame.pivot_table(
        "balanced_accuracy", ["split", "seed"], "method"
    )
    verdict = result.verdict()
    found = verdict.against_best_baseline
    expected = paired_difference(
        figures[verdict.method],
        figures[verdict.best_baseline],
        splits=figures.index.get_level_values("split"),
        n_chosen_from=upper,
        n_tried=lower,
    )
    bounds = found.mean, found.low, found.high
    assert bounds == pytest.approx((expected.mean, expected.low, expected.high))


def test_seeds_of_a_fold_are_no_pairs_of_their_own():
    rng = np.random.default_rng(0)
    result = simulate(rng, n_seeds=4, n_draws=5)
    result.settings["n_splits"] = 5
    verdict = result.verdict()
    means = result.runs_frame.groupby(["method", "split"])["balanced_accuracy"].mean()
    expected = paired_difference(
        means["ours"], means["none"], test_share=1 / 4, resolution=1 / 1000
    )
    assert verdict.against_none.n_pairs == expected.n_pairs == 5
    assert verdict.against_none.low == pytest.approx(expected.low)
    of_class = verdict.classes["bag"]["against_none"]
    assert (of_class.n_pairs, of_class.mean) == (5, pytest.approx(expected.mean))
    assert ", 5 folds)" in verdict.sentence


def test_one_seed_has_a_verdict_on_folds_alone():
    rng = np.random.default_rng(0)
    on_folds = simulate(rng, effect=0.2, n_seeds=1, n_draws=5)
    on_folds.settings["n_splits"] = 5
    assert on_folds.verdict().overall == "helps"
    on_a_test_part = simulate(rng, effect=0.2, n_seeds=1, n_draws=1)
    assert on_a_test_part.verdict().overall == "not enough runs"


def test_the_best_baseline_is_no_reason_to_say_anything_of_a_class():
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(500):
        result = simulate(rng, n_draws=1)
        result.settings["classes"] = ["bag", "boot"]
        for run in result.runs:
            other = run["classes"][0] | {"class": "boot"}
            other["recall"] = rng.normal(0.8, 0.01)
            run["classes"].append(other)
            mean = np.mean([row["recall"] for row in run["classes"]])
            run["metrics"] = {"balanced_accuracy": mean}
        said = set(result.verdict().class_verdicts().values())
        wrong += not said <= {"no evidence"}
    # 5 % at most; three standard errors of 500 draws are 3 %
    assert wrong <= 40


def test_seeds_that_agree_by_chance_all_count():
    result = simulate(np.random.default_rng(0), n_seeds=6, n_draws=1)
    methods = result.methods
    for run in result.runs:
        level = 0.5 + 0.1 * (run["seed"] % 2) * (run["method"] != methods[0])
        run["metrics"] = dict.fromkeys(run["metrics"], level)
        run["confusion"] = [[1, 0], [0, 1]]
    pairs = distinct_pairs(result.runs, methods[1], methods[0])
    assert len(pairs) == 6
    for run in result.runs:
        run["metrics"] = dict.fromkeys(run["metrics"], 0.5)
    assert len(distinct_pairs(result.runs, methods[1], methods[0])) == 1


def make_verdict(best, best_baseline="smote", none=(0.051, 0.01, 0.09)):
    against = [Difference(*bounds, 5) for bounds in (none, best)]
    means = {"cgan": 0.957, "none": 0.906, best_baseline: 0.945}
    return MethodVerdict(
        "cgan", best_baseline, *against, {}, means, "balanced accuracy", "folds"
    )


@pytest.mark.parametrize(
    ("best", "words"),
    [
        ((0.012, -0.08, 0.29), "not shown to be better than smote, the best baseline"),
        ((0.012, 0.002, 0.02), "better than smote, the best baseline"),
        ((-0.012, -0.02, -0.002), "worse than smote, the best baseline"),
    ],
)
def test_the_sentence_says_each_of_both_comparisons_and_its_difference(best, words):
    points, low, high = (f"{100 * x:+.1f}" for x in best)
    assert make_verdict(best).sentence == (
        "cgan reaches 95.7 % balanced accuracy: better than doing nothing (+5.1 "
        f"points), {words} ({points} points, 95 % interval {low} to {high}, 5 folds)."
    )


def test_doing_nothing_is_named_once_where_it_is_the_best_baseline():
    difference = (-0.004, -0.02, 0.01)
    sentence = make_verdict(difference, "none", difference).sentence
    assert sentence.count("doing nothing") == 1
    assert "not shown to be better than doing nothing, the best baseline" in sentence
