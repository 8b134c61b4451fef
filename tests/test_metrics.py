import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)

from balancegan.evaluation.metrics import (
    class_metrics,
    expected_calibration_error,
    overall_metrics,
)
from balancegan.evaluation.verdicts import paired_difference

COUNTS = [4000, 1000, 201, 200, 40]


@pytest.fixture
def predictions(rng):
    true = np.repeat(np.arange(5), [40, 30, 20, 10, 10])
    probabilities = rng.dirichlet(np.ones(5), size=len(true))
    probabilities[np.arange(len(true)), true] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return true, probabilities.argmax(axis=1), probabilities


def test_overall_metrics_are_scikit_learns_and_imbalanced_learns(predictions):
    true, predicted, probabilities = predictions
    metrics = overall_metrics(true, predicted, probabilities, COUNTS)
    recall = recall_score(true, predicted, average=None)
    expected = {
        "balanced_accuracy": balanced_accuracy_score(true, predicted),
        "g_mean": geometric_mean_score(true, predicted),
        "macro_f1": f1_score(true, predicted, average="macro"),
        "accuracy": (true == predicted).mean(),
        "many_shot": recall[0],
        "medium_shot": recall[1:3].mean(),
        "few_shot": recall[3:].mean(),
    }
    assert 0.5 < metrics["balanced_accuracy"] < 1
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value), name


def test_class_metrics_and_confusions_are_scikit_learns(predictions):
    true, predicted, _ = predictions
    metrics = class_metrics(true, predicted, 5)
    np.testing.assert_allclose(
        metrics["precision"], precision_score(true, predicted, average=None)
    )
    np.testing.assert_allclose(
        metrics["recall"], recall_score(true, predicted, average=None)
    )
    assert metrics["n_test"].tolist() == [40, 30, 20, 10, 10]


def test_classes_without_test_images_are_left_out_of_means():
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    metrics = overall_metrics(true, predicted, None, [300, 300, 50])
    assert metrics["balanced_accuracy"] == 0.75
    assert metrics["g_mean"] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(metrics["few_shot"])
    assert np.isnan(metrics["many_shot"])
    assert np.isnan(metrics["calibration_error"])
    of_classes = class_metrics(true, predicted, 3)
    assert of_classes["n_test"].tolist() == [2, 2, 0]
    assert np.isnan(of_classes["recall"][2])


def test_a_class_never_found_makes_the_g_mean_zero():
    true, predicted = np.array([0, 0, 1]), np.array([0, 0, 0])
    assert overall_metrics(true, predicted, None, [9, 9])["g_mean"] == 0
    assert np.isnan(class_metrics(true, predicted, 2)["precision"][1])


def test_calibration_error_by_hand():
    # 0.9: one of two right; 0.6: both right; bins far apart
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    true = np.array([0, 1, 1, 1])
    assert expected_calibration_error(true, probabilities) == pytest.approx(
        0.5 * 0.4 + 0.5 * 0.4
    )
    sure = np.eye(2)[[0, 1]]
    assert expected_calibration_error(np.array([0, 1]), sure) == 0


def test_a_bin_is_open_below_and_closed_above():
    # With two bins 0.5 belongs to the lower one, apart from 0.6
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2]])
    error = expected_calibration_error(np.array([1, 0]), probabilities, n_bins=2)
    assert error == pytest.approx((0.5 + 0.4) / 2)


def test_an_interval_is_students():
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
def test_what_cannot_be_measured_has_no_interval(pairs):
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
def test_no_difference_is_seldom_taken_for_one(n_runs):
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
def test_the_best_of_many_is_no_reason_to_say_anything(n_runs, said, correction):
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


def test_all_verdicts_of_a_table_are_right_together():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(1_000):
        pairs = rng.normal(0.8, 0.02, size=(10, 2, 3))
        verdicts = {paired_difference(*p, n_verdicts=10).verdict for p in pairs}
        wrong += verdicts != {"no evidence"}
    assert wrong <= 70


def test_a_true_effect_is_found():
    rng = np.random.default_rng(0)
    runs = rng.normal(0.85, 0.01, size=(1_000, 2, 9))
    runs[:, 0] += 0.02
    verdicts = [paired_difference(*pair, n_chosen_from=6).verdict for pair in runs]
    assert np.mean([verdict == "helps" for verdict in verdicts]) > 0.9
    assert "harms" not in verdicts


def test_equal_differences_of_few_images_are_no_evidence():
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


def test_an_interval_ends_where_metrics_do():
    few = paired_difference([0.99, 0.9], [0.9, 0.9])
    assert few.low > -0.9
    assert few.high == pytest.approx(0.1)  # no figure is above 1
    assert few.verdict == "no evidence"


def test_seeds_of_a_split_count_once():
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


def test_of_one_split_each_seed_counts():
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
def test_folds_without_an_effect_are_seldom_taken_for_one(n_folds, n_seeds, ratio):
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
def test_classes_of_few_test_images_are_seldom_taken_for_better(
    n_folds, n_seeds, n_test
):
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
