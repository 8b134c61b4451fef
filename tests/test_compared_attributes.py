"""A comparison of images with several attributes."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from balancegan import ConditionalGANAugmenter
from balancegan.errors import DataError
from balancegan.evaluation.checks import run_checks
from balancegan.evaluation.classifiers import AugmentedBatches, TrainingRows
from balancegan.evaluation.comparison import compare
from balancegan.evaluation.labelling import learn_labels
from balancegan.evaluation.methods import Method
from balancegan.evaluation.report import gather_facts
from balancegan.evaluation.resampling import resample
from balancegan.evaluation.result import EvaluationResult

from .test_report import read_html

LINEAR = LogisticRegression(C=0.01, max_iter=500)
BAG, BOOT = "bag", "boot"


def half_bright(counts, seed):
    """Images whose left half says the garment, faintly, and the right half the light.

    `counts` maps pairs of both to how many there are.
    """
    rng = np.random.default_rng(seed)
    y = [pair for pair, n in counts.items() for _ in range(n)]
    images = rng.normal(110, 8, (len(y), 6, 6))
    for image, (garment, light) in zip(images, y, strict=True):
        image[:, :3] += 12 * (garment == BOOT)
        image[:, 3:] += 90 * (light == "day")
    y = pd.DataFrame(y, columns=["garment", "light"])
    return images.round().clip(0, 255).astype(np.uint8), y


TRAIN = {(BAG, "day"): 40, (BOOT, "night"): 38, (BAG, "night"): 2, (BOOT, "day"): 1}
TEST = dict.fromkeys(TRAIN, 30)
X, Y = half_bright(TRAIN, 0)
X_TEST, Y_TEST = half_bright(TEST, 1)
PAIRS = list(map(tuple, Y.to_numpy()))


def compare_pairs(methods, **how):
    test = {"X_test": X_TEST, "y_test": Y_TEST} if "cv" not in how else {}
    settings = {"classifier": LINEAR, "seeds": 1, "verbose": 0, **test, **how}
    return compare(methods, X, Y, **settings)


@pytest.fixture(scope="module")
def result():
    return compare_pairs(["class_weight", "oversample"], seeds=2)


def test_metrics_match_the_predictions(result):
    model = LINEAR.set_params(random_state=0)
    flat = lambda rows: rows.reshape(len(rows), -1) / 127.5 - 1  # noqa: E731
    predicted = model.fit(flat(X), Y["garment"]).predict(flat(X_TEST))
    right = pd.Series(predicted == Y_TEST["garment"])
    by_pair = right.groupby([Y_TEST["garment"], Y_TEST["light"]]).mean()
    run = result.runs_frame.query("method == 'none'").iloc[0]
    assert run["combination_accuracy"] == pytest.approx(by_pair.mean())
    assert run["worst_combination"] == pytest.approx(by_pair.min())
    assert run["few_shot"] == pytest.approx(by_pair.mean())  # all have few
    frame = result.combinations_frame.query("method == 'none' and seed == 0")
    assert list(frame["combination"]) == [
        "bag, day", "bag, night", "boot, day", "boot, night"
    ]  # fmt: skip
    np.testing.assert_allclose(frame["accuracy"], by_pair.to_numpy())
    assert list(frame["n_train"]) == [40, 2, 1, 38]
    assert list(frame["n_test"]) == [30] * 4
    rows = result.frame.query("method == 'none' and seed == 0")
    np.testing.assert_allclose(
        rows["combination_recall"], by_pair.groupby("garment").mean()
    )


def test_combinations_rank_the_methods(result):
    assert result.metric == "combination_accuracy"
    summary = result.summary()
    # The light gives the garment away in training; alone it would be right in half
    assert summary["combination_accuracy"]["none"] < 0.75
    assert summary["combination_accuracy"]["oversample"] > 0.85
    assert result.best_baseline == summary["combination_accuracy"].idxmax()
    again = EvaluationResult.from_json(result.to_json())
    pd.testing.assert_frame_equal(again.summary(), summary)


def test_combinations_reveal_shortcuts_that_recall_hides():
    result = compare_pairs(["oversample"], cv=2)
    none = result.summary().loc["none"]
    assert none["balanced_accuracy"] > none["combination_accuracy"] + 0.1
    n_test = result.combinations_frame.query("method == 'none'").groupby("combination")
    assert n_test["n_test"].sum().to_dict() == {
        "bag, day": 40, "bag, night": 2, "boot, day": 1, "boot, night": 38
    }  # fmt: skip
    assert n_test["n_test"].max()["bag, night"] == 1  # in either fold


def test_samplers_of_one_label_balance_the_combinations(result):
    added = result.combinations_frame.query("method == 'oversample' and seed == 0")
    assert list(added["n_added"]) == [0, 38, 39, 2]


class Remembers(BaseEstimator):
    """Keeps what it was given; takes a column for each attribute, or one label."""

    received: list = []  # noqa: RUF012

    def __init__(self, in_columns=True, change=None):
        self.in_columns, self.change = in_columns, change

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.multi_output = self.in_columns
        return tags

    def fit_resample(self, X, y):
        self.received.append(y)
        return X, y if self.change is None else self.change(y)


def test_samplers_that_take_columns_get_them_by_name():
    labelling, class_indices = learn_labels(Y, len(X), "light")
    Remembers.received.clear()
    for in_columns in (True, False):
        found = resample(Remembers(in_columns), X, class_indices, labelling, 0)
        np.testing.assert_array_equal(found.class_indices, class_indices)
    pd.testing.assert_frame_equal(Remembers.received[0], Y)
    np.testing.assert_array_equal(Remembers.received[1], class_indices)
    assert list(labelling.classes[labelling.learned(class_indices)]) == list(Y["light"])


@pytest.mark.parametrize(
    ("in_columns", "change", "message"),
    [
        (True, lambda y: y.replace("bag", "hat"), "unknown {'garment': \\['hat'\\]}"),
        (True, lambda y: y["garment"], "attributes must be .*'light'\\]"),
        (False, lambda y: y + 4, "unknown \\[4, 5, 6, 7\\]"),
        (False, lambda y: np.zeros_like(y), "missing \\['boot'\\]"),
        (True, lambda y: y.assign(garment="bag"), "missing \\['boot'\\]"),
    ],
)
def test_unknown_labels_from_a_sampler_are_refused(in_columns, change, message):
    labelling, class_indices = learn_labels(Y, len(X))
    sampler = Remembers(in_columns, change)
    with pytest.raises(DataError, match=message):
        resample(sampler, X, class_indices, labelling, 0)


def test_combinations_without_images_may_be_added():
    kept = [pair != (BOOT, "day") for pair in PAIRS]
    labelling, class_indices = learn_labels(Y[kept], sum(kept))
    added = Y[kept].assign(garment=BOOT, light="day")
    sampler = Remembers(True, lambda y: pd.concat([y[:-1], added[:1]]))
    found = resample(sampler, X[kept], class_indices, labelling, 0)
    assert found.class_indices[-1] == 2
    assert labelling.name(2, ["Bag", "Boot"]) == "Boot, day"


def test_the_augmenter_gets_every_attribute(monkeypatch):
    seen = []
    train = ConditionalGANAugmenter._train

    def remember(self, images, labels, checkpoint_dir):
        seen.append(labels.names)
        return train(self, images, labels, checkpoint_dir)

    monkeypatch.setattr(ConditionalGANAugmenter, "_train", remember)
    augmenter = ConditionalGANAugmenter(
        sampling_strategy="combinations", gan_share=1, steps=1, verbose=0
    )
    result = compare_pairs([Method("cgan", augmenter)])
    assert seen == [("garment", "light")]
    added = result.combinations_frame.query("method == 'cgan'")
    assert list(added["n_added"]) == [0, 38, 39, 2]
    assert result.runs[1]["judged"][0]["class"] == "bag, night"
    named = [c.message for c in run_checks(result) if c.code.startswith("BG20")]
    assert any("bag, night" in message for message in named)


def test_another_attribute_may_be_learned():
    result = compare_pairs(["none"], class_attribute="light")
    assert result.settings["classes"] == ["day", "night"]
    assert result.summary()["combination_accuracy"]["none"] == 1


@pytest.mark.parametrize(
    "table",
    [Y[["light", "garment"]], Y.to_numpy(), Y.to_numpy().tolist(), Y.to_numpy(str)],
    ids=["other order", "objects", "list", "texts"],
)
def test_columns_are_matched_by_name_else_by_position(table):
    labelling, class_indices = learn_labels(Y, len(X), "light")
    np.testing.assert_array_equal(labelling.number(table, len(X)), class_indices)
    other, _ = learn_labels(table, len(X))
    if not isinstance(table, pd.DataFrame):
        np.testing.assert_array_equal(other.number(Y, len(X)), class_indices)
    sampler = Remembers(True, lambda y: y[["light", "garment"]])
    found = resample(sampler, X, class_indices, labelling, 0)
    np.testing.assert_array_equal(found.class_indices, class_indices)


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("xyz"), st.booleans()), min_size=3
)


# More combinations than half the images: no warning of ours
MANY = [(k % 4, "xyz"[k % 3], k % 2 == 0) for k in range(21)]


@example(MANY, 3, False, None)
@given(ROWS, st.integers(1, 3), st.booleans(), st.data())
def test_labels_come_back_from_samplers(rows, n_attributes, in_columns, data):
    y = pd.DataFrame(rows, columns=["a", "b", "c"]).iloc[:, :n_attributes]
    position = data.draw(st.integers(0, n_attributes - 1)) if data else 0
    name = None if n_attributes == 1 else "abc"[position]
    y = y["a"].to_numpy() if n_attributes == 1 else y
    labelling, class_indices = learn_labels(y, len(rows), name)
    to_sampler = labelling.as_given(class_indices, in_columns=in_columns)
    back = labelling.from_given(to_sampler, in_columns=in_columns)
    np.testing.assert_array_equal(back, class_indices)
    np.testing.assert_array_equal(labelling.number(y, len(rows)), class_indices)
    learned = labelling.classes[labelling.learned(class_indices)]
    assert learned.tolist() == [row[position] for row in rows]


def test_weights_balance_the_combinations():
    labelling, class_indices = learn_labels(Y, len(X))
    rows = TrainingRows(
        X.astype("float32")[..., None],
        labelling.learned(class_indices),
        2,
        lambda images: images,
        weighted=True,
        combinations=class_indices,
    )
    np.testing.assert_allclose(np.bincount(class_indices) * rows.weights, len(X) / 4)
    batches = AugmentedBatches(rows, n_steps=1, batch_size=200, seed=0)
    images, labels, weights = batches[0]
    for image, label, weight in zip(images, labels, weights, strict=True):
        k = np.flatnonzero((rows.images == image).all(axis=(1, 2, 3)))[0]
        assert label.argmax() == rows.class_indices[k]
        assert weight == pytest.approx(rows.weights[class_indices[k]])


def test_class_weight_alone_cannot_weight_combinations():
    class Unweighted(LogisticRegression):
        def fit(self, X, y):
            return super().fit(X, y)

    with pytest.raises(DataError, match="sample_weight"):
        compare_pairs(["class_weight"], classifier=Unweighted())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"class_attribute": "colour"}, "one of the attributes.*garment.*'colour'"),
        ({"y_test": Y_TEST["garment"]}, "attributes must be"),
        (
            {"y_test": Y_TEST.rename(columns={"light": "hour"})},
            "must be .*'light'.*'hour'",
        ),
        ({"y_test": Y_TEST.replace("day", "dusk")}, "lacks: {'light': \\['dusk'\\]}"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(how, message):
    with pytest.raises(DataError, match=message):
        compare_pairs(["none"], **how)


def test_class_attribute_needs_several_attributes():
    with pytest.raises(DataError, match="class_attribute"):
        compare(["none"], X, Y["garment"], cv=2, class_attribute="garment", verbose=0)


def test_reports_show_the_combinations(result):
    facts = gather_facts(result)
    assert [row["n_train"] for row in facts["combinations"]] == [1, 2, 38, 40]
    frame = result.combinations_frame
    rarest = frame[(frame["combination"] == "boot, day") & (frame["method"] == "none")]
    shown = facts["combinations"][0]["accuracies"]["none"]
    assert shown == pytest.approx(rarest["accuracy"].mean())
    text = read_html(result).text
    for said in ("Accuracy of combinations", "boot, day", "worst combination"):
        assert said in text
    assert json.loads(result.to_json())["settings"]["attributes"] == list(Y.columns)


def test_combinations_without_test_images_are_reported():
    kept = (Y_TEST["light"] == "day").to_numpy()
    result = compare_pairs(["none"], X_test=X_TEST[kept], y_test=Y_TEST[kept])
    (check,) = [check for check in run_checks(result) if check.code == "BG005"]
    assert check.outcome == "tip"
    assert "2 of 4 combinations" in check.message
    assert "bag, night" in check.message


def test_imbalanced_learn_balances_combinations():
    labelling, class_indices = learn_labels(Y.to_numpy(), len(X))
    found = resample(RandomOverSampler(), X, class_indices, labelling, 0)
    assert np.bincount(found.class_indices).tolist() == [40] * 4


def test_one_image_of_a_rare_combination_is_not_evidence():
    keep = np.r_[0:30, 30:60, 60:61, 90:120]  # one bag at night
    test = X_TEST[keep], Y_TEST.iloc[keep]

    class Nothing:
        def fit_resample(self, X, y):
            return X, y

    result = compare(
        {"mine": Nothing()}, X, Y, *test, classifier=LINEAR, seeds=3, verbose=0
    )
    for run in result.runs:
        figures = run["classes"][result.settings["classes"].index(BAG)]
        figures["combination_recall"] = 0.5 + 0.5 * (run["method"] == "mine")
        run["metrics"]["g_mean"] = run["seed"] / 9  # or the seeds are the same
    difference = result.verdict("mine").classes[BAG]["against_none"]
    assert difference.mean == pytest.approx(0.5)
    assert difference.verdict == "no evidence"
