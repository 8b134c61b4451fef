import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
def test_a_missing_effect_rarely_gets_a_verdict(n_seeds, n_draws, n_ours):
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
def test_corrections_count_methods_that_may_be_the_best(n_ours, behind, lower, upper):
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


def test_seeds_of_a_fold_are_averaged():
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


def test_one_seed_is_enough_on_folds():
    rng = np.random.default_rng(0)
    on_folds = simulate(rng, effect=0.2, n_seeds=1, n_draws=5)
    on_folds.settings["n_splits"] = 5
    assert on_folds.verdict().overall == "helps"
    on_a_test_part = simulate(rng, effect=0.2, n_seeds=1, n_draws=1)
    assert on_a_test_part.verdict().overall == "not enough runs"


def test_choosing_the_best_baseline_does_not_bias_classes():
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
def test_the_sentence_reports_both_comparisons(best, words):
    points, low, high = (f"{100 * x:+.1f}" for x in best)
    assert make_verdict(best).sentence == (
        "cgan reaches 95.7 % balanced accuracy: better than doing nothing (+5.1 "
        f"points), {words} ({points} points, 95 % interval {low} to {high}, 5 folds)."
    )


def test_doing_nothing_is_named_once_if_it_is_the_best_baseline():
    difference = (-0.004, -0.02, 0.01)
    sentence = make_verdict(difference, "none", difference).sentence
    assert sentence.count("doing nothing") == 1
    assert "not shown to be better than doing nothing, the best baseline" in sentence


def test_intervals_are_students():
    from scipy.stats import ttest_rel

    first, second = [0.81, 0.86, 0.84, 0.9], [0.8, 0.82, 0.85, 0.83]
    difference = paired_difference(first, second)
    expected = ttest_rel(first, second).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx(
        (expected.low, expected.high)
    )
    assert difference.n_pairs == 4
    assert difference.verdict == "no evidence"


def test_verdicts():
    better, worse = [0.84, 0.86, 0.85], [0.80, 0.81, 0.81]
    assert paired_difference(better, worse).verdict == "helps"
    assert paired_difference(worse, better).verdict == "harms"
    assert paired_difference(better, better).verdict == "no evidence"
    assert paired_difference(better[:1], worse[:1]).verdict == "not enough runs"
    assert paired_difference([], []).verdict == "not enough runs"
    holes = [np.nan, 0.9, np.nan]
    assert paired_difference(holes, worse).verdict == "not enough runs"
    with pytest.raises(ValueError, match="same length"):
        paired_difference(better, worse[:2])


@pytest.mark.parametrize("pairs", [([0.9], [0.1]), ([0.9, 0.1], [0.1, 0.2])])
def test_unmeasurable_intervals_are_nan(pairs):
    difference = paired_difference(*pairs, n_verdicts=10)
    assert np.isnan([difference.low, difference.high]).all()
    assert difference == paired_difference(*pairs, n_verdicts=10)
    assert difference.verdict in ("not enough runs", "no evidence")


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(1, 10),
)
def test_corrections_only_widen_and_sides_mirror(pairs, chosen, tried, n_verdicts):
    first, second = np.array(pairs).T
    plain = paired_difference(first, second)
    settings = {"n_chosen_from": chosen, "n_tried": tried, "n_verdicts": n_verdicts}
    wider = paired_difference(first, second, **settings)
    mirrored = paired_difference(second, first)
    assert mirrored.mean == pytest.approx(-plain.mean)
    words = {"helps": "harms", "harms": "helps"}
    assert mirrored.verdict == words.get(plain.verdict, plain.verdict)
    if np.isfinite(wider.low):
        assert wider.low <= plain.low <= plain.mean <= plain.high <= wider.high
        base = second.mean()
        assert -1e-9 <= base + wider.low <= base + wider.high <= 1 + 1e-9


@pytest.mark.parametrize("n_runs", [3, 9])
def test_equal_methods_rarely_get_a_verdict(n_runs):
    rng = np.random.default_rng(n_runs)
    runs = rng.normal(0.85, 0.01, size=(1_000, 2, n_runs))
    verdicts = [paired_difference(*pair).verdict for pair in runs]
    wrong = np.mean([verdict != "no evidence" for verdict in verdicts])
    # 5 % are expected; three standard errors of 1,000 draws are 2 %
    assert 0.03 < wrong < 0.07


@pytest.mark.parametrize("n_runs", [3, 9])
@pytest.mark.parametrize(
    ("said", "correction"), [("harms", "n_chosen_from"), ("helps", "n_tried")]
)
def test_choosing_the_best_of_many_is_corrected(n_runs, said, correction):
    rng = np.random.default_rng(n_runs)
    verdicts, uncorrected = [], []
    for _ in range(1_000):
        other = rng.normal(0.85, 0.01, n_runs)
        many = rng.normal(0.85, 0.01, (6, n_runs))
        best = many[many.mean(axis=1).argmax()]
        pair = (other, best) if said == "harms" else (best, other)
        verdicts.append(paired_difference(*pair, **{correction: 6}).verdict)
        uncorrected.append(paired_difference(*pair).verdict)
    assert np.mean([v != "no evidence" for v in verdicts]) <= 0.05
    assert np.mean([v == said for v in uncorrected]) > 0.05


def test_verdicts_of_a_table_hold_jointly():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(1_000):
        pairs = rng.normal(0.8, 0.02, size=(10, 2, 3))
        verdicts = {paired_difference(*p, n_verdicts=10).verdict for p in pairs}
        wrong += verdicts != {"no evidence"}
    assert wrong <= 70


def test_few_images_are_not_evidence():
    once_more_right = [0.8] * 3, [0.8 - 1 / 15] * 3
    assert paired_difference(*once_more_right).verdict == "helps"
    cautious = paired_difference(*once_more_right, resolution=1 / 15)
    assert cautious.verdict == "no evidence"
    assert paired_difference([0.8] * 3, [0.2] * 3, resolution=1 / 15).verdict == "helps"
    same = paired_difference([0.8] * 3, [0.8] * 3, resolution=1 / 15)
    assert (same.low, same.high, same.verdict) == (0, 0, "no evidence")


def test_folds_widen_the_interval():
    values, others = [0.84, 0.86, 0.85, 0.88], [0.81, 0.82, 0.81, 0.83]
    alone = paired_difference(values, others)
    folds = paired_difference(values, others, test_share=1 / 3)
    ratio = np.sqrt((1 / 4 + 1 / 3) / (1 / 4))
    assert folds.high - folds.mean == pytest.approx(ratio * (alone.high - alone.mean))
    assert folds.mean == alone.mean


def test_intervals_stay_within_the_metrics_range():
    few = paired_difference([0.99, 0.9], [0.9, 0.9])
    assert few.low > -0.9
    assert few.high == pytest.approx(0.1)  # no figure is above 1
    assert few.verdict == "no evidence"


def test_seeds_of_a_split_are_one_pair():
    values, others = np.random.default_rng(0).random((2, 6))
    splits = [0, 0, 0, 4, 4, 7]
    of_splits = paired_difference(values, others, splits=splits)
    means = [[side[:3].mean(), side[3:5].mean(), side[5]] for side in (values, others)]
    expected = paired_difference(*means)
    assert (of_splits.n_pairs, of_splits.mean) == (3, pytest.approx(expected.mean))
    assert of_splits.verdict == expected.verdict
    values[3:5] = np.nan  # a split without a known pair is left out
    assert paired_difference(values, others, splits=splits).n_pairs == 2
    values[5] = np.nan  # and the seeds of the only one left are no pairs
    assert paired_difference(values, others, splits=splits).n_pairs == 1


def test_on_one_split_every_seed_counts():
    values, others = np.random.default_rng(0).normal(0.5, 0.01, (2, 6))
    one_split = paired_difference(values, others, splits=[3] * 6)
    assert one_split == paired_difference(values, others)


N_SIMULATED = 1_000
# 5 % at most; three standard errors of 1,000 draws are 2 %
MOST_WRONG = 0.07


def simulate_folds(n_folds, n_seeds, ratio, correlation, effect=0.0):
    """Return verdicts on differences that vary between folds and between seeds.

    `ratio` is the standard deviation between folds over that between seeds,
    `correlation` that of folds, which overlapping training parts bring. The effect is
    in standard deviations of a fold's mean.
    """
    rng = np.random.default_rng([n_folds, n_seeds])
    shared, of_folds = (
        rng.normal(size=(N_SIMULATED, n, 1)) * np.sqrt(share)
        for n, share in ((1, correlation), (n_folds, 1 - correlation))
    )
    of_seeds = rng.normal(size=(N_SIMULATED, n_folds, n_seeds))
    spread = np.sqrt(ratio**2 + 1 / n_seeds)
    differences = ratio * (shared + of_folds) + of_seeds + effect * spread
    runs = 0.5 + 0.01 * differences.reshape(N_SIMULATED, -1)
    others = np.full(runs.shape[1], 0.5)
    splits = np.repeat(np.arange(n_folds), n_seeds)
    share = 1 / (n_folds - 1)
    found = [
        paired_difference(values, others, splits=splits, test_share=share).verdict
        for values in runs
    ]
    return pd.Series(found).value_counts(normalize=True)


@pytest.mark.parametrize("ratio", [0.3, 1, 3])
@pytest.mark.parametrize(
    ("n_folds", "n_seeds"), [(5, 1), (5, 3), (5, 10), (3, 3), (10, 2)]
)
def test_equal_methods_on_folds_rarely_get_a_verdict(n_folds, n_seeds, ratio):
    for correlation in (0, 1 / n_folds):
        found = simulate_folds(n_folds, n_seeds, ratio, correlation)
        assert found.drop("no evidence").sum() <= MOST_WRONG


# Of an effect of three standard deviations of a fold's mean
@pytest.mark.parametrize(
    ("n_folds", "n_seeds", "power"), [(5, 1, 0.9), (5, 3, 0.9), (3, 3, 0.4)]
)
def test_a_true_effect_is_found_on_folds(n_folds, n_seeds, power):
    for ratio in (0.3, 3):
        found = simulate_folds(n_folds, n_seeds, ratio, 1 / n_folds, effect=3)
        assert found["helps"] > power
        assert "harms" not in found


@pytest.mark.parametrize(("n_folds", "n_seeds"), [(1, 3), (1, 10), (5, 3)])
@pytest.mark.parametrize("n_test", [5, 30])
def test_classes_with_few_test_images_rarely_get_a_verdict(n_folds, n_seeds, n_test):
    rng, n_classes, wrong = np.random.default_rng(n_test), 4, 0
    splits = np.repeat(np.arange(n_folds), n_seeds)
    for _ in range(500):
        # How likely each image is classified correctly, whichever method it is
        easy = rng.beta(4, 1, size=(n_folds, n_classes, n_test))
        right = rng.random((2, n_seeds, *easy.shape)) < easy
        recalls = right.mean(axis=-1).swapaxes(1, 2).reshape(2, -1, n_classes)
        wrong += any(
            paired_difference(
                *recalls[..., k],
                splits=splits,
                n_verdicts=n_classes,
                test_share=1 / (n_folds - 1) if n_folds > 1 else 0,
                resolution=1 / n_test,
            ).verdict
            != "no evidence"
            for k in range(n_classes)
        )
    assert wrong / 500 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)


def test_a_small_true_effect_is_found():
    rng = np.random.default_rng(0)
    runs = rng.normal(0.85, 0.01, size=(1_000, 2, 9))
    runs[:, 0] += 0.02
    verdicts = [paired_difference(*pair, n_chosen_from=6).verdict for pair in runs]
    assert np.mean([verdict == "helps" for verdict in verdicts]) > 0.9
    assert "harms" not in verdicts
