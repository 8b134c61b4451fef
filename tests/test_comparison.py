import matplotlib
import numpy as np
import pytest

from balancegan.evaluation.metrics import paired_difference
from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.verdicts import distinct_pairs

from .test_checks import make_result

matplotlib.use("agg")

RIVALS = ["none", "class_weight", "oversample", "smote", "augment"]


def simulate(rng, effect=0.0, n_seeds=3, n_draws=3, n_ours=1, behind=()):
    """Facts of arms that are all equally good but for ours; seeds matter to all.

    Those that are behind are so by thirty points.
    """
    arms = [*RIVALS, *(f"ours{k or ''}" for k in range(n_ours))]
    runs = []
    for split in range(n_draws):
        for seed in range(n_seeds):
            of_seed = rng.normal(0.8, 0.01)
            for arm in arms:
                recall = of_seed + rng.normal(0, 0.01) + effect * (arm not in RIVALS)
                recall -= 0.3 * (arm in behind)
                row = {"class": "bag", "recall": recall, "n_test": 1000}
                runs.append(
                    {
                        "arm": arm,
                        "split": split,
                        "seed": seed,
                        "figures": {"balanced_accuracy": recall},
                        "classes": [row],
                        "confusion": [],
                        "seconds": {"fit": 0.0, "resample": 0.0, "classify": 1.0},
                    }
                )
    settings = {
        "arms": [{"name": name, "rival": name in RIVALS} for name in arms],
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
    # Of several arms on trial the best one, which looks better than it is
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
def test_of_several_arms_those_count_that_may_be_the_best(n_ours, behind, lower, upper):
    result = simulate(np.random.default_rng(1), n_ours=n_ours, behind=behind)
    figures = result.runs_frame.pivot_table(
        "balanced_accuracy", ["split", "seed"], "arm"
    )
    verdict = result.verdict()
    found = verdict.against_best_rival
    expected = paired_difference(
        figures[verdict.arm],
        figures[verdict.best_rival],
        n_chosen_from=upper,
        n_tried=lower,
    )
    bounds = found.mean, found.low, found.high
    assert bounds == pytest.approx((expected.mean, expected.low, expected.high))


def test_the_plot_shows_what_the_frame_says():
    result = make_result()
    ax = result.plot()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["none", "oversample", "ours"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "shirt (40)",
        "bag (900)",
    ]
    drawn = np.asarray(ax.containers[2].lines[0].get_xdata(), dtype=float)
    means = result.frame.query("arm == 'ours'").groupby("class")["recall"].mean()
    np.testing.assert_allclose(drawn, means[["shirt", "bag"]])
    with pytest.raises(ValueError, match="Received: arms="):
        result.plot(["other"])


def test_seeds_that_agree_by_chance_all_count():
    result = simulate(np.random.default_rng(0), n_seeds=6, n_draws=1)
    arms = result.arms
    for run in result.runs:
        level = 0.5 + 0.1 * (run["seed"] % 2) * (run["arm"] != arms[0])
        run["figures"] = dict.fromkeys(run["figures"], level)
        run["confusion"] = [[1, 0], [0, 1]]
    pairs = distinct_pairs(result.runs, arms[1], arms[0])
    assert len(pairs) == 6
    for run in result.runs:
        run["figures"] = dict.fromkeys(run["figures"], 0.5)
    assert len(distinct_pairs(result.runs, arms[1], arms[0])) == 1
