import importlib
import json
import linecache
import shutil
import sys
from functools import partial

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from imblearn.ensemble import BalancedRandomForestClassifier
from imblearn.over_sampling import RandomOverSampler
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from balancegan.errors import DataError
from balancegan.evaluation import comparison, runcache
from balancegan.evaluation.checks import run_checks
from balancegan.evaluation.comparison import compare
from balancegan.evaluation.labelling import learn_labels
from balancegan.evaluation.methods import Method
from balancegan.evaluation.resampling import resample
from balancegan.evaluation.result import EvaluationResult

from .augmenters import build_augmenter
from .test_quality import stripes

IMAGES, CLASSES = stripes(40)
KEPT = np.r_[0:40, 40:60, 80:86]
X_TRAIN, Y_TRAIN = IMAGES[KEPT], np.array(["left", "middle", "right"])[CLASSES[KEPT]]
X_TEST, TEST_CLASSES = stripes(15, seed=1)
Y_TEST = np.array(["left", "middle", "right"])[TEST_CLASSES]
LINEAR = LogisticRegression(C=0.01, max_iter=500)

compare_quickly = partial(compare, classifier=LINEAR, verbose=0)
compare_given = partial(
    compare_quickly, X_train=X_TRAIN, y_train=Y_TRAIN, X_test=X_TEST, y_test=Y_TEST
)


class Appends:
    """A sampler that appends the same rows whatever it is given."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def fit_resample(self, X, y):
        return np.concatenate([X, self.images]), np.concatenate([y, self.labels])


class AppendsCopies(Appends):
    """A sampler that declares its rows copies."""

    def fit_resample(self, X, y):
        self.method_ = np.repeat(["real", "copied"], [len(X), len(self.images)])
        return super().fit_resample(X, y)


class Remembers:
    """Keeps what any copy of it was given in a list of the test's."""

    seen: list = []  # noqa: RUF012

    def __deepcopy__(self, memo):
        return self

    def fit_resample(self, X, y):
        self.seen.append((X.copy(), y.copy()))
        return X, y


def runs_of(result):
    """Return the facts of all runs, without what no two runs have in common."""
    return [{k: v for k, v in run.items() if k != "seconds"} for run in result.runs]


def test_copies_are_not_measured():
    again = X_TRAIN[60:], Y_TRAIN[60:]
    methods = [
        Method("copies", Appends(*again)),
        Method("again", AppendsCopies(*again)),
    ]
    result = compare_given(methods, seeds=1)
    copies, said = (run for run in result.runs if run["method"] != "none")
    assert (copies["added"]["n"], copies["added"]["n_equal_train"]) == (6, 6)
    assert (said["added"]["n"], said["added"]["n_equal_train"]) == (0, 0)
    for run in (copies, said):
        assert [row["n_added"] for row in run["classes"]] == [0, 0, 6]
    assert copies["metrics"] == said["metrics"]
    found = {c.method: c.outcome for c in run_checks(result) if c.code == "BG001"}
    assert found == {"copies": "issue", "again": "not applicable"}


def test_a_row_per_method_split_seed_and_class():
    result = compare_given(["oversample", "smote"], seeds=[3, 8])
    frame = result.frame
    assert len(frame) == 3 * 2 * 3
    assert not frame.duplicated(["method", "split", "seed", "class"]).any()
    assert list(result.runs_frame["method"]) == ["none", "oversample", "smote"] * 2
    assert list(result.runs_frame["seed"]) == [3] * 3 + [8] * 3
    per_class = frame[(frame["method"] == "smote") & (frame["seed"] == 8)]
    assert per_class["n_train"].tolist() == [40, 20, 6]
    assert per_class["n_added"].tolist() == [0, 20, 34]
    assert per_class["n_test"].tolist() == [15] * 3


def test_metrics_are_scikit_learns():
    result = compare_given(["none"], seeds=1)
    model = LINEAR.set_params(random_state=0)
    scale = lambda rows: rows.reshape(len(rows), -1) / 127.5 - 1  # noqa: E731
    predicted = model.fit(scale(X_TRAIN), Y_TRAIN).predict(scale(X_TEST))
    run = result.runs_frame.iloc[0]
    assert run["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(Y_TEST, predicted)
    )
    np.testing.assert_allclose(
        result.frame["recall"], recall_score(Y_TEST, predicted, average=None)
    )
    confusion = result.confusion("none")
    assert confusion.to_numpy().sum() == 45
    assert confusion.loc["left", "left"] == 15 * result.frame["recall"][0]


def test_a_comparison_is_reproducible_and_changes_no_input():
    before = X_TRAIN.copy(), X_TEST.copy()
    first, again = (
        compare_given(["oversample+augment", "smote"], seeds=2) for _ in range(2)
    )
    assert runs_of(first) == runs_of(again)
    for old, new in zip(before, (X_TRAIN, X_TEST), strict=True):
        np.testing.assert_array_equal(old, new)


def test_samplers_and_classifiers_get_the_training_part_only():
    Remembers.seen.clear()
    result = compare_quickly({"mine": Remembers()}, X_TRAIN, Y_TRAIN, cv=3, seeds=2)
    assert len(Remembers.seen) == 6
    everything = {row.tobytes() for row in X_TRAIN}
    for fold in range(3):
        given = Remembers.seen[2 * fold : 2 * fold + 2]
        np.testing.assert_array_equal(given[0][0], given[1][0])
        held_out = everything - {row.tobytes() for row in given[0][0]}
        rows = result.frame.query("split == @fold and seed == 0 and method == 'mine'")
        assert rows["n_test"].sum() == len(held_out) == 22
    together = [row.tobytes() for X, _ in Remembers.seen[::2] for row in X]
    assert {together.count(row) for row in everything} == {2}


def test_groups_are_never_on_both_sides():
    groups = np.arange(len(Y_TRAIN)) // 2
    Remembers.seen.clear()
    compare_quickly(
        {"mine": Remembers()}, X_TRAIN, Y_TRAIN, cv=2, seeds=1, groups=groups
    )
    group_of = {row.tobytes(): g for row, g in zip(X_TRAIN, groups, strict=True)}
    sides = [{group_of[row.tobytes()] for row in X} for X, _ in Remembers.seen]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 33


def hide(images):
    """Put so much noise over images that a few of them do not suffice."""
    noise = np.random.default_rng(len(images)).normal(0, 400, size=images.shape)
    return np.clip(images + noise, 0, 255).astype("uint8")


def test_real_held_out_images_help():
    more, classes = stripes(200, seed=5)
    labels = np.array(["left", "middle", "right"])[classes]
    few = np.r_[0:10, 40:44, 60:62]
    result = compare_quickly(
        {"real images": Appends(hide(more), labels)},
        hide(X_TRAIN[few]),
        Y_TRAIN[few],
        hide(X_TEST),
        Y_TEST,
        classifier=BaggingClassifier(LINEAR, n_estimators=3),
        seeds=5,
    )
    verdict = result.verdict()
    assert verdict.overall == "helps", verdict
    assert verdict.sentence.startswith("real images reaches ")
    assert " % balanced accuracy: better than doing nothing, the best " in (
        verdict.sentence
    )
    assert result.best_baseline == "none"


def test_mislabelled_images_harm():
    wrong = np.repeat("right", 120)
    result = compare_given(
        {"wrong": Appends(X_TRAIN[:15].repeat(8, axis=0), wrong)},
        classifier=BaggingClassifier(LINEAR, n_estimators=3),
        seeds=5,
    )
    assert result.verdict().overall == "harms"
    assert result.verdict().class_verdicts()["left"] == "harms"
    assert ": worse than doing nothing, the best baseline (-" in (
        result.verdict().sentence
    )


def test_images_of_the_test_part_in_training_are_counted():
    result = compare_given({"smuggler": Appends(X_TEST[:7], Y_TEST[:7])}, seeds=1)
    by_method = {run["method"]: run["added"] for run in result.runs}
    assert by_method["smuggler"]["n_equal_test"] == 7
    assert by_method["none"] == dict.fromkeys(by_method["none"], 0)
    copier = compare_given({"copier": Appends(X_TRAIN[:9], Y_TRAIN[:9])}, seeds=1)
    assert copier.runs[1]["added"]["n_equal_train"] == 9
    assert copier.runs[1]["added"]["n_equal_test"] == 0
    changed = Appends(X_TEST[:30] ^ 1, Y_TEST[:30])
    result = compare_given({"cunning smuggler": changed}, seeds=1)
    added = result.runs[1]["added"]
    assert (added["n_equal_test"], added["n_near_test"], added["n"]) == (0, 30, 30)


LABELS = np.array(["left", "middle", "right"])
NOISE = np.random.default_rng(3).integers(0, 256, size=(60, 9, 9)).astype("uint8")


@pytest.mark.parametrize(
    ("sampler", "code"),
    [
        (Appends(X_TEST[:20], Y_TEST[:20]), "BG004"),
        (Appends(X_TEST[:20] ^ 1, Y_TEST[:20]), "BG004"),
        (Appends(X_TRAIN[:20], Y_TRAIN[:20]), "BG001"),
        (Appends(X_TRAIN[:20] ^ 1, Y_TRAIN[:20]), "BG001"),
        (Appends(X_TRAIN[:1].repeat(20, axis=0) ^ 1, Y_TRAIN[:20]), "BG002"),
        (Appends(NOISE, np.repeat(LABELS, 20)), "BG003"),
        (Appends(stripes(20, seed=7)[0], np.repeat(LABELS[::-1], 20)), "BG003"),
    ],
    ids=[
        "test images",
        "nearly test images",
        "training images",
        "nearly training images",
        "one image again and again",
        "noise",
        "images of other classes",
    ],
)
def test_samplers_cannot_fool_the_checks(sampler, code):
    checks = run_checks(compare_given({"mine": sampler}, seeds=1))
    assert code in {check.code for check in checks if check.outcome == "issue"}


def test_fresh_images_pass_the_checks():
    fresh = Appends(stripes(40, seed=8)[0], np.repeat(LABELS, 40))
    checks = run_checks(compare_given({"mine": fresh}, seeds=1))
    assert not [check for check in checks if check.outcome == "issue"]


def test_added_images_are_measured():
    fresh, classes = stripes(30, seed=4)
    labels = np.array(["left", "middle", "right"])[classes]
    copies = X_TRAIN[:12].repeat(2, axis=0)
    result = compare_given(
        {
            "fresh": Appends(fresh, labels),
            "copies": Appends(copies, np.repeat("left", 24)),
            "smote": Method("smote"),
        },
        seeds=1,
    )
    frame = result.frame.set_index(["method", "class"])
    assert frame.loc[("fresh", "right"), "diversity"] == pytest.approx(1, abs=0.1)
    assert frame.loc[("copies", "left"), "near_copies"] == 1
    assert np.isnan(frame.loc[("copies", "right"), "near_copies"])
    assert frame.loc["none", "near_copies"].isna().all()


def test_identical_runs_are_one_pair():
    class_weight = Method("weighted", weighted=True)
    result = compare_given([class_weight], seeds=4)
    difference = result.verdict("weighted").against_none
    assert difference.n_pairs == 1
    assert result.verdict("weighted").overall == "not enough runs"
    folds = compare_quickly([class_weight], X_TRAIN, Y_TRAIN, cv=3, seeds=2)
    assert folds.verdict("weighted").against_none.n_pairs == 3


def test_one_seed_is_not_enough_for_a_verdict():
    result = compare_given({"mine": Remembers()}, seeds=1)
    assert result.verdict().overall == "not enough runs"
    assert set(result.verdict().class_verdicts().values()) == {"not enough runs"}
    assert "one run each" in result.verdict().sentence


CLASSIFIERS = {
    "pipeline": make_pipeline(PCA(5), LogisticRegression()),
    "forest": BalancedRandomForestClassifier(n_estimators=5),
    "builder": lambda shape, n: keras.Sequential(
        [keras.layers.Input(shape), keras.layers.Flatten(), keras.layers.Dense(n)]
    ),
    "default": None,
}


class Outliers(LogisticRegression):
    """Predicts what it was not asked for."""

    predict_proba = property()

    def predict(self, X):
        return np.full(len(X), -1)


def test_other_classifiers_are_refused():
    sets = X_TRAIN, Y_TRAIN, X_TEST, Y_TEST
    with pytest.raises(DataError, match="Ridge, a regressor"):
        compare(["none"], *sets, classifier=Ridge(), seeds=1, verbose=0)
    with pytest.raises(DataError, match=r"0 to \d.* from Outliers: \[-1\]"):
        compare(["none"], *sets, classifier=Outliers(), seeds=1, verbose=0)


@pytest.mark.compiled
@pytest.mark.parametrize("classifier", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_all_kinds_of_classifier_work(classifier):
    result = compare(
        ["class_weight", "oversample+augment"],
        X_TRAIN,
        Y_TRAIN,
        X_TEST,
        Y_TEST,
        classifier=classifier,
        classifier_steps=60,
        seeds=1,
        verbose=0,
    )
    assert result.runs_frame["balanced_accuracy"].min() > 0.6


class Stops(Exception):
    """What interrupts a comparison in the tests."""


class CountsDown(Remembers):
    """Works so many times, then stops everything; pickles as if it were always new."""

    left = 0

    def __getstate__(self):
        return {}

    def fit_resample(self, X, y):
        if CountsDown.left == 0:
            raise Stops
        CountsDown.left -= 1
        return X, y


@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_an_interrupted_comparison_resumes(tmp_path, stop_after):
    ask = partial(compare_given, {"mine": CountsDown()}, seeds=4)
    CountsDown.left = 4
    expected = ask()
    CountsDown.left = stop_after
    with pytest.raises(Stops):
        ask(cache_dir=tmp_path / "cache")
    CountsDown.left = 4 - stop_after  # not one more
    resumed = ask(cache_dir=tmp_path / "cache")
    assert CountsDown.left == 0
    again = ask(cache_dir=tmp_path / "cache")
    assert again.to_json() == resumed.to_json()
    columns = expected.frame.columns
    assert resumed.frame[columns].equals(expected.frame)
    assert not list((tmp_path / "cache").glob("rows-*"))  # quickly made


def test_other_data_or_settings_miss_the_cache(tmp_path):
    ask = partial(compare_given, ["oversample"], cache_dir=tmp_path, seeds=1)
    ask()
    n_files = len(list(tmp_path.iterdir()))
    ask()
    assert len(list(tmp_path.iterdir())) == n_files == 2
    ask(seeds=[7])
    ask(classifier=LogisticRegression(C=0.1))
    ask(X_test=X_TEST[::-1].copy(), y_test=Y_TEST[::-1].copy())
    ask(X_train=255 - X_TRAIN, X_test=255 - X_TEST)
    assert len(list(tmp_path.iterdir())) == 5 * n_files


def test_slow_resampled_sets_are_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(runcache, "SLOW_SECONDS", 1e-9)
    sampler = CountsDown()
    methods = [Method("plain", sampler), Method("weighted", sampler, weighted=True)]
    from balancegan.evaluation import trials

    learn = trials.train_estimator

    def learn_until_weighted(estimator, rows, *others):
        if rows.weighted:
            raise Stops
        return learn(estimator, rows, *others)

    CountsDown.left = 1
    monkeypatch.setattr(trials, "train_estimator", learn_until_weighted)
    with pytest.raises(Stops):
        compare_given(methods, seeds=1, cache_dir=tmp_path)
    assert len(list(tmp_path.glob("rows-*"))) == 1
    monkeypatch.setattr(trials, "train_estimator", learn)
    resumed = compare_given(methods, seeds=1, cache_dir=tmp_path)  # samples no more
    CountsDown.left = 2
    assert runs_of(compare_given(methods, seeds=1)) == runs_of(resumed)
    CountsDown.left = 0
    other = LogisticRegression(C=0.1)
    judged = compare_given(methods, seeds=1, cache_dir=tmp_path, classifier=other)
    assert judged.runs_frame["seconds_resample"].equals(
        resumed.runs_frame["seconds_resample"]
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[3]", b"\xff\xfe", b"PK\x03\x04cut"])
def test_damaged_cache_entries_are_replaced(tmp_path, monkeypatch, content):
    monkeypatch.setattr(runcache, "SLOW_SECONDS", 1e-9)
    CountsDown.left = 2
    ask = partial(compare_given, [Method("plain", CountsDown())], seeds=1)
    first = ask(cache_dir=tmp_path)
    entries = [*tmp_path.glob("run-*"), *tmp_path.glob("rows-*")]
    assert len(entries) == 3
    for entry in entries:
        entry.write_bytes(content)
    assert runs_of(ask(cache_dir=tmp_path)) == runs_of(first)
    assert CountsDown.left == 0
    ask(cache_dir=tmp_path)


def test_the_cache_needs_picklable_functions(tmp_path):
    methods = [Method("odd", transform=lambda images, rng: images)]
    with pytest.raises(DataError, match="lambdas"):
        compare_given(methods, seeds=1, cache_dir=tmp_path)
    compare_given(methods, seeds=1)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="not a usable folder"):
        compare_given(["none"], seeds=1, cache_dir=tmp_path / "file" / "x")


def test_changed_code_or_versions_miss_the_cache(tmp_path, monkeypatch):
    module = tmp_path / "changing.py"
    monkeypatch.syspath_prepend(tmp_path)
    ask = partial(compare_given, seeds=1, cache_dir=tmp_path / "cache")
    means = []
    for body in ("images", "images * 0", "images"):
        module.write_text(f"def change(images, rng):\n    return {body}\n")
        linecache.clearcache()
        sys.modules.pop("changing", None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        change = importlib.import_module("changing").change
        result = ask([Method("changed", transform=change)])
        means.append(result.summary()["balanced_accuracy"]["changed"])
    assert means[0] == means[2] > 0.9
    assert means[1] == pytest.approx(1 / 3)
    n_files = len(list((tmp_path / "cache").iterdir()))
    ask([Method("changed", transform=change)])
    assert len(list((tmp_path / "cache").iterdir())) == n_files
    monkeypatch.setattr(runcache, "library_versions", lambda names: {"keras": "0"})
    ask([Method("changed", transform=change)])
    assert len(list((tmp_path / "cache").iterdir())) == n_files + 2


def test_memory_mapped_images_hit_the_cache(tmp_path):
    np.save(tmp_path / "x.npy", X_TRAIN)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    ask = partial(compare_given, ["oversample"], cache_dir=tmp_path / "cache", seeds=1)
    ask()
    n_files = len(list((tmp_path / "cache").iterdir()))
    ask(X_train=mapped, seeds=np.int64(1))
    assert len(list((tmp_path / "cache").iterdir())) == n_files


@pytest.mark.parametrize(
    ("method", "classifier", "message"),
    [
        ("oversample+augment+mixup", LINEAR, "mixed labels"),
        ("class_weight", KNeighborsClassifier(), "neither class_weight nor"),
        (
            "oversample",
            lambda shape, n: keras.Sequential(
                [
                    keras.layers.Input(shape),
                    keras.layers.Flatten(),
                    keras.layers.Dense(9),
                ]
            ),
            "3 numbers for each",
        ),
    ],
)
def test_unsupported_classifiers_are_refused_before_sampling(
    method, classifier, message
):
    Remembers.seen.clear()
    with pytest.raises(DataError, match=message):
        compare_given(
            [Method("gan", Remembers()), method], classifier=classifier, seeds=1
        )
    assert Remembers.seen == []


def test_default_methods_fit_the_classifier(monkeypatch):
    monkeypatch.setattr(comparison, "default_augmenter", lambda **_: Remembers())
    assert "oversample+augment+mixup" not in compare_given(None, seeds=1).methods


def test_a_table_of_one_column_is_a_label():
    named = pd.DataFrame({"side": Y_TRAIN}), pd.DataFrame({"side": Y_TEST})
    result = compare_given(["oversample"], y_train=named[0], y_test=named[1], seeds=1)
    assert result.settings["classes"] == ["left", "middle", "right"]


def test_copies_of_leaked_images_are_not_counted():
    train = X_TRAIN.copy()
    train[-1] = X_TEST[-1]
    oversampled = Method("again", RandomOverSampler())
    result = compare_given([oversampled], X_train=train, seeds=1)
    run = next(run for run in result.runs if run["method"] == "again")
    assert (run["added"]["n_equal_test"], run["added"]["n_near_test"]) == (0, 0)
    assert result.settings["leaks"][0]["n_equal"] == 1


def test_parallel_runs_give_the_same_result():
    ask = partial(compare_given, ["smote"], seeds=2)
    alone = ask()
    with joblib.parallel_config("threading"):
        together = ask(n_jobs=2)
    assert alone.frame.equals(together.frame)


def test_json_preserves_the_result(tmp_path):
    result = compare_given({"mine": Remembers()}, seeds=2)
    text = result.to_json(tmp_path / "result.json")
    assert (tmp_path / "result.json").read_text() == text
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    read = EvaluationResult.from_json(text)
    assert read.frame.equals(result.frame)
    assert read.summary().equals(result.summary())
    assert read.verdict() == result.verdict()
    assert json.loads(text)["verdicts"][0]["method"] == "mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X_test": None}, "go together"),
        ({"cv": 3}, "Folds take the place of a test part"),
        ({"seeds": 0}, "seeds=0"),
        ({"seeds": [1, 1]}, "different seeds"),
        ({"classifier_steps": 0}, "classifier_steps must be 1"),
        ({"X_test": None, "y_test": None, "cv": 0}, "cv must be 2"),
        ({"X_test": X_TEST[:0], "y_test": Y_TEST[:0]}, "needs images"),
        ({"X_test": X_TEST / 255}, "differ from the training part"),
        ({"y_train": Y_TRAIN.astype("S")}, "as texts"),
        (
            {"y_train": np.array([1, *Y_TRAIN[1:].tolist()], dtype=object)},
            "of one kind",
        ),
        ({"y_train": Y_TRAIN[:-1]}, "one label for each of 66 images"),
        ({"y_train": np.repeat("left", 66)}, "two classes"),
        ({"y_test": np.where(Y_TEST == "left", "hat", Y_TEST)}, "lacks: .'hat'"),
        ({"X_test": X_TEST[:, :5]}, "shape"),
        ({"methods": ["oversample+augment+mixup"]}, "mixed labels"),
        ({"X_test": None, "y_test": None, "cv": 7}, "each of 7 folds.*'right': 6"),
        (
            {"X_test": None, "y_test": None, "cv": 2, "groups": np.arange(3)},
            "one entry for each",
        ),
        (
            {"X_test": None, "y_test": None, "cv": 2, "groups": Y_TRAIN},
            "in the groups of one fold",
        ),
    ],
)
def test_bad_input_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        compare_given(**{"methods": ["none"], "seeds": 1, **changes})


def test_the_augmenter_is_a_method():

    # Of copies of real images nothing would be asked
    augmenter = build_augmenter(steps=1, verbose=0, gan_share=1)
    methods = [
        Method("cgan", augmenter),
        Method("cgan, weighted", augmenter, weighted=True),
    ]
    result = compare_given(methods, seeds=1)
    frame = result.frame.set_index(["method", "class"])
    for method in ("cgan", "cgan, weighted"):
        assert frame.loc[method, "n_added"].tolist() == [0, 20, 34]
    assert frame.loc[("cgan", "right"), "agreement"] >= 0
    assert not hasattr(augmenter, "model_")
    labelling, class_indices = learn_labels(Y_TRAIN, len(X_TRAIN))
    direct = resample(augmenter, X_TRAIN, class_indices, labelling, 0)
    assert direct.is_new.sum() == 54
