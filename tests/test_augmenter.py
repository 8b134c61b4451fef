import pickle
import random
import subprocess
import sys
from copy import copy, deepcopy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from balancegan import ConditionalGANAugmenter, DataError, TrainingOptions
from balancegan.gan import judge, settings
from balancegan.gan.conditional_gan import ConditionalGAN
from balancegan.gan.distribution import WorkerGroup
from balancegan.gan.networks import (
    build_tutorial_discriminator,
    build_tutorial_generator,
)
from balancegan.samplers import augmenter as augmenter_module

from .augmenters import build_augmenter
from .conftest import make_images

QUICK = {"steps": 1, "random_state": 0, "verbose": 0}


def quick(**parameters):
    return build_augmenter(**{**QUICK, **parameters})


@pytest.mark.parametrize("preset", ["default", "tutorial"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((8, 8), "uint8"),
        ((9, 7, 1), "float32"),
        ((12, 16, 3), "uint8"),
        ((5, 6, 4), "float64"),
    ],
)
def test_what_comes_back_is_of_the_callers_kind(preset, shape, dtype):
    X, y = make_images(12, shape, dtype), np.repeat([3, 8], [9, 3])
    augmenter = quick(preset=preset)
    X_bal, y_bal = augmenter.fit_resample(X, y)
    assert (X_bal.dtype, X_bal.shape) == (X.dtype, (18, *shape))
    assert (y_bal.dtype, y_bal.tolist()) == (y.dtype, [*y, *[8] * 6])
    np.testing.assert_array_equal(X_bal[:12], X)
    assert augmenter.is_synthetic_.tolist() == [False] * 12 + [True] * 6
    assert X_bal.min() >= 0
    assert X_bal.max() <= (255 if dtype == "uint8" else 1)


def test_resample_after_fit_takes_counts_and_names(trained, small_set):
    X, y = small_set
    X_bal, y_bal = trained.resample({"boot": 9, "shirt": 13})
    assert y_bal[len(y) :].tolist() == ["boot"] * 5 + ["shirt"]
    assert trained.n_to_generate_ == {"bag": 0, "boot": 5, "shirt": 1}
    np.testing.assert_array_equal(X_bal[:36], X)
    _, y_bal = trained.resample("minority")
    assert np.unique(y_bal, return_counts=True)[1].tolist() == [20, 20, 12]
    _, y_bal = trained.resample(0.5)
    assert np.unique(y_bal, return_counts=True)[1].tolist() == [20, 10, 12]


def test_sample_is_prefix_stable(trained):
    many = trained.sample("boot", 90)
    np.testing.assert_array_equal(trained.sample("boot", 7), many[:7])
    np.testing.assert_array_equal(trained.sample("boot", 20, first=60), many[60:80])
    assert trained.sample("boot", 0).shape == (0, 8, 8)
    assert trained.sample("boot", 0).dtype == np.uint8


def test_asked_label_is_the_label_fed(trained, monkeypatch):
    fed = []
    predict = trained.model_.generator.predict_on_batch

    def spy(inputs):
        fed.append(set(np.asarray(inputs[1]).tolist()))
        return predict(inputs)

    monkeypatch.setattr(trained.model_.generator, "predict_on_batch", spy)
    for index, label in enumerate(["bag", "boot", "shirt"]):
        trained.sample(label, 3)
        assert fed[-1] == {index}


def test_other_names_for_the_classes_change_nothing_else(small_set):
    X, y = small_set
    renamed = np.array([{"bag": 10, "boot": 20, "shirt": 30}[label] for label in y])
    by_name, by_number = quick().fit(X, y), quick().fit(X, renamed)
    np.testing.assert_array_equal(by_name.sample("boot", 5), by_number.sample(20, 5))


def test_same_seed_same_images_and_another_seed_others(small_set):
    first, second = (quick().fit(*small_set).sample("bag", 3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (quick(random_state=1).fit(*small_set).sample("bag", 3) != first).any()
    unseeded = quick(random_state=None).fit(*small_set)
    assert unseeded.model_.seed != quick(random_state=None).fit(*small_set).model_.seed


def test_global_random_states_are_neither_used_nor_changed(small_set):
    images = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        before = random.getstate(), np.random.get_state()[1].copy()
        images.append(quick().fit(*small_set).sample("bag", 3))
        assert random.getstate() == before[0]
        np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    np.testing.assert_array_equal(*images)


@pytest.mark.compiled
def test_same_images_in_another_process(small_set, tmp_path):
    X, y = small_set
    np.savez(tmp_path / "set.npz", X=X, y=y)
    script = (
        "import sys, numpy as np\n"
        "from balancegan import ConditionalGANAugmenter\n"
        "from balancegan.gan import judge\n"
        f"judge.JUDGE_STEPS = {judge.JUDGE_STEPS}\n"
        "data = np.load(sys.argv[1])\n"
        f"augmenter = ConditionalGANAugmenter(**{QUICK})\n"
        "images = augmenter.fit(data['X'], data['y']).sample('bag', 9)\n"
        "np.save(sys.argv[2], images)\n"
    )
    arguments = [str(tmp_path / "set.npz"), str(tmp_path / "images.npy")]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True)
    expected = quick().fit(X, y).sample("bag", 9)
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), expected)


def test_flat_images_and_containers(small_set):
    X, y = small_set
    flat = X.reshape(36, -1)
    frame = pd.DataFrame(flat, columns=[f"pixel{i}" for i in range(64)])
    series = pd.Series(y, name="garment")
    X_bal, y_bal = quick(image_shape=(8, 8)).fit_resample(frame, series)
    assert isinstance(X_bal, pd.DataFrame)
    assert list(X_bal.columns) == list(frame.columns)
    assert (X_bal.dtypes == np.uint8).all()
    assert isinstance(y_bal, pd.Series)
    assert y_bal.name == "garment"
    expected, _ = quick().fit_resample(X, y)
    np.testing.assert_array_equal(X_bal.to_numpy(), expected.reshape(len(expected), -1))
    X_bal, y_bal = quick(image_shape=(8, 8)).fit_resample(flat.tolist(), y.tolist())
    assert isinstance(X_bal, list)
    assert isinstance(y_bal, list)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_one_hot_labels_come_back_one_hot(width):
    X, y = make_images(9), np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
    _, y_bal = quick().fit_resample(X, np.eye(width, dtype=int)[y])
    assert y_bal.shape == (12, width)
    assert y_bal.sum(axis=0).tolist() == [6, 6, 0, 0][:width]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bool", "int8"])
def test_one_hot_labels_keep_their_dtype(dtype):
    one_hot = np.eye(2, dtype=dtype)[[0, 0, 0, 0, 1, 1]]
    _, y_bal = quick().fit_resample(make_images(6), one_hot)
    assert (y_bal.dtype, y_bal.shape) == (one_hot.dtype, (8, 2))


@pytest.mark.parametrize(("dtype", "kind"), [("Int64", "i"), ("boolean", "b")])
def test_nullable_labels_stay_what_they_are(dtype, kind):
    y = pd.Series([0, 0, 0, 0, 1, 1], dtype=dtype)
    augmenter = quick()
    _, y_bal = augmenter.fit_resample(make_images(6), y)
    assert (y_bal.dtype, y_bal.tolist()) == (y.dtype, [*y, 1, 1])
    assert augmenter.classes_.dtype.kind == kind


@pytest.mark.parametrize(
    ("fitted_on", "known", "asked", "expected"),
    [
        (["bag", "cat", "shirt"], ["bag", "cat"], "shirt", "shirt"),
        ([1, 2, 300], np.array([1, 2], dtype="int8"), 300, 300),
        ([0, 1, 2], [False, True], 2, 2),
    ],
)
def test_a_class_that_the_images_at_hand_lack_keeps_its_name(
    fitted_on, known, asked, expected
):
    X, y = make_images(12), np.repeat(fitted_on, [6, 3, 3])
    augmenter = quick(gan_share=1).fit(X, y)
    given = np.repeat(known, [6, 3])
    X_bal, y_bal = augmenter.resample({asked: 2}, X[:9], given)
    assert y_bal.tolist() == [*given.tolist(), expected, expected]
    assert len(X_bal) == 11
    fits = {known[0]: 7}
    assert augmenter.resample(fits, X[:9], given)[1].dtype == given.dtype


def test_a_class_that_the_type_of_the_labels_cannot_hold_is_refused():
    X, y = make_images(12), np.repeat(["bag", "cat", "shirt"], [6, 3, 3])
    augmenter = quick(gan_share=1).fit(X, y)
    few = pd.Series(y[:9], dtype="category")
    with pytest.raises(DataError, match=r"category, cannot hold.*Received: shirt"):
        augmenter.resample({"shirt": 2}, X[:9], few)
    known = few.cat.add_categories(["shirt"])
    _, y_bal = augmenter.resample({"shirt": 2}, X[:9], known)
    assert y_bal.tolist()[9:] == ["shirt"] * 2


def test_a_refused_fit_leaves_model_and_images_of_before(small_set):
    X, y = small_set
    augmenter = quick().fit(X, y)
    expected = augmenter.resample({"boot": 6})[0]
    augmenter.set_params(sampling_strategy={"bag": 1})
    with pytest.raises(DataError):
        augmenter.fit(make_images(30, seed=1), np.repeat(["bag", "shirt"], 15))
    with pytest.raises(DataError):
        augmenter.fit(make_images(30, (9, 9)), np.repeat(["bag"], 30))
    assert augmenter.n_features_in_ == X.shape[1]
    np.testing.assert_array_equal(augmenter.resample({"boot": 6})[0], expected)


def test_numbers_of_numpy_are_numbers(small_set, tmp_path):
    X, y = small_set
    settings = {
        "steps": np.int64(1),
        "batch_size": np.int64(8),
        "learning_rate": np.float32(1e-3),
        "max_minutes": np.float32(5),
        "value_range": (np.uint8(0), np.uint8(255)),
        "image_shape": (np.int64(8), np.int64(8)),
    }
    augmenter = build_augmenter(**settings, random_state=0, verbose=0)
    augmenter.fit(X, y, checkpoint_dir=tmp_path / "run").save(tmp_path / "model")
    loaded = ConditionalGANAugmenter.load(tmp_path / "model")
    images = augmenter.sample("bag", 2)
    np.testing.assert_array_equal(loaded.sample("bag", 2), images)


def test_the_largest_seed_of_numpy_is_one(small_set):
    quick(random_state=2**32 - 1).fit(*small_set).resample({"shirt": 14})


@pytest.mark.parametrize("parameters", [{"gan_share": -0.5}, {"max_ratio": -1}])
def test_parameters_set_after_fit_are_checked_too(small_set, parameters):
    augmenter = quick().fit(*small_set).set_params(**parameters)
    with pytest.raises(ValueError, match=next(iter(parameters))):
        augmenter.resample({"boot": 6})
    with pytest.raises(ValueError, match=next(iter(parameters))):
        augmenter.sample("boot", 1)


def test_a_class_of_one_image_and_a_batch_larger_than_the_data():
    X, y = make_images(6), np.array([0, 0, 0, 0, 0, 1])
    augmenter = quick(batch_size=32)
    _, y_bal = augmenter.fit_resample(X, y)
    assert y_bal.tolist() == [0] * 5 + [1] * 5


def test_max_ratio_caps(small_set):
    _, y_bal = quick(max_ratio=1).fit_resample(*small_set)
    assert np.unique(y_bal, return_counts=True)[1].tolist() == [20, 8, 20]


def test_time_ends_training(small_set):
    augmenter = quick(steps=None, max_minutes=0.01).fit(*small_set)
    assert 0 < augmenter.model_.n_steps < 5000
    assert augmenter.report_.history["step"].iloc[-1] == augmenter.model_.n_steps


@pytest.mark.compiled
def test_steps_are_counted_one_by_one(small_set):
    augmenter = quick(steps=13).fit(*small_set)
    assert augmenter.model_.n_steps == 13
    assert augmenter.report_.history["step"].tolist() == [10, 13]


def test_history_has_the_losses(trained):
    assert trained.report_.history["step"].tolist() == [10, 20]
    assert np.isfinite(trained.report_.history["generator_loss"]).all()
    assert trained.model_.n_steps == 20


@pytest.mark.usefixtures("one_step_a_call")
@pytest.mark.parametrize("method", ["fit", "fit_resample"])
def test_an_interrupted_fit_leaves_a_usable_model(small_set, monkeypatch, method):
    finish_step = ConditionalGAN.finish_step

    def interrupt(self, *losses):
        if int(self.step) == 3:
            raise KeyboardInterrupt
        return finish_step(self, *losses)

    monkeypatch.setattr(ConditionalGAN, "finish_step", interrupt)
    augmenter = quick(steps=6)
    with pytest.raises(KeyboardInterrupt):
        getattr(augmenter, method)(*small_set)
    assert augmenter.model_.n_steps == 3
    _, counts = np.unique(small_set[1], return_counts=True)
    missing = counts.max() - counts
    assert list(augmenter.sampling_strategy_.values()) == missing[missing > 0].tolist()
    X_bal, _ = augmenter.resample({"boot": 9})
    assert len(X_bal) == 41


def test_an_interruption_before_the_first_step_leaves_nothing(small_set, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ConditionalGAN, "finish_step", interrupt)
    augmenter = quick()
    with pytest.raises(KeyboardInterrupt):
        augmenter.fit(*small_set)
    with pytest.raises(NotFittedError):
        augmenter.sample("bag", 1)


def test_networks_of_the_users_own_take_the_place_of_the_presets(small_set):
    calls = []

    def generator(image_shape, n_classes, latent_dim, seed):
        calls.append((image_shape, n_classes, latent_dim))
        return build_tutorial_generator(image_shape, n_classes, latent_dim, seed)

    augmenter = quick(generator=generator).fit(*small_set)
    assert set(calls) == {((8, 8, 1), 3, 64)}
    own = build_tutorial_generator((8, 8, 1), 3, 64, 0).count_params()
    assert augmenter.model_.generator.count_params() == own
    assert augmenter.sample("boot", 2).shape == (2, 8, 8)


EVERY_PARAMETER = {
    "sampling_strategy": {"boot": 5},
    "balance_on": ["label"],
    "max_ratio": 3.0,
    "gan_share": 0.5,
    "moves": ["shift", "mirror"],
    "image_shape": (8, 8),
    "value_range": (0, 255),
    "preset": TrainingOptions(
        preset="tutorial",
        batch_size=6,
        learning_rate=1e-3,
        strategy="multi-worker",
        precision="auto",
        generator=build_tutorial_generator,
        discriminator=build_tutorial_discriminator,
        tensorboard=True,
    ),
    "steps": 1,
    "max_minutes": 5.0,
    "log_dir": "runs",
    "random_state": 5,
    "verbose": 0,
}


def test_clone_and_fit_keep_every_parameter(small_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(
        "balancegan.gan.distribution.connect_workers", lambda _: WorkerGroup()
    )
    defaults = build_augmenter().get_params()
    assert defaults.keys() == EVERY_PARAMETER.keys()
    assert all(defaults[name] != EVERY_PARAMETER[name] for name in defaults)
    augmenter = clone(ConditionalGANAugmenter(**EVERY_PARAMETER))
    assert augmenter.get_params() == EVERY_PARAMETER
    augmenter.fit(*small_set)
    assert augmenter.get_params() == EVERY_PARAMETER
    assert augmenter.model_.preset.batch_size == 6
    assert augmenter.model_.preset.learning_rate == 1e-3


def test_a_fitted_augmenter_survives_pickling(trained):
    again = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(again.sample("bag", 3), trained.sample("bag", 3))


def test_in_a_forked_process_it_is_unpickled_and_says_why_it_cannot_work(
    trained, monkeypatch
):
    pickled = pickle.dumps(trained)
    monkeypatch.setattr(settings, "_is_forked", True)
    again = pickle.loads(pickled)  # where TensorFlow would wait forever
    with pytest.raises(DataError, match="forked from one that has used it"):
        again.sample("bag", 1)
    assert again.report_.class_counts == trained.report_.class_counts


def test_a_pickle_holds_no_images(small_set):
    X, y = np.tile(small_set[0], (30, 1, 1)), np.tile(small_set[1], 30)
    augmenter = build_augmenter(steps=1, gan_share=0, random_state=0, verbose=0).fit(
        X, y
    )
    expected = augmenter.resample({"boot": len(X)})
    pickled = pickle.dumps(augmenter)
    assert augmenter._judged is not None
    assert X[:20].tobytes() not in pickled
    augmenter._training_data = None
    assert len(pickled) < len(pickle.dumps(augmenter)) + 1_000
    again = pickle.loads(pickled)
    with pytest.raises(DataError, match="loaded or unpickled does not hold the images"):
        again.resample()
    for one, other in zip(
        again.resample({"boot": len(X)}, X, y), expected, strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("copied", [copy, deepcopy])
def test_a_copy_refers_to_the_same_images(trained, copied):
    again = copied(trained)
    assert again._training_data[0] is trained._training_data[0]
    assert again.get_params() == trained.get_params()
    np.testing.assert_array_equal(again.sample("bag", 3), trained.sample("bag", 3))
    assert (again.model_ is trained.model_) == (copied is copy)


def test_what_is_not_fitted_is_copied_too():
    augmenter = build_augmenter(steps=3)
    for again in (copy(augmenter), deepcopy(augmenter), clone(augmenter)):
        assert again.get_params() == augmenter.get_params()
        assert not hasattr(again, "model_")


def test_resampling_hashes_all_images_once(trained, monkeypatch):
    hashed = []
    monkeypatch.setattr(
        augmenter_module.joblib, "hash", lambda rows: str(hashed.append(len(rows[0])))
    )
    again = copy(trained)
    for n in (1, 2):
        again.resample({"boot": 6})
        assert hashed == [36] * n


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"preset": "none"}, "preset"),
        ({"steps": 0}, "steps"),
        ({"steps": 10**9 + 1, "value_range": (0, 1)}, "steps"),
        ({"steps": "some"}, "steps"),
        ({"max_minutes": 0}, "max_minutes"),
        ({"log_dir": "no/such/folder"}, "no folder"),
        ({"tensorboard": True}, "log_dir=None"),
        ({"generator": lambda *_: "network"}, "must return a keras.Model"),
        ({"sampling_strategy": {"sock": 9}}, "sock"),
        ({"sampling_strategy": {"bag": 9}}, "Originally"),
        ({"value_range": (0, 1)}, "value_range"),
        ({"image_shape": (3, 3)}, "9 values"),
    ],
)
def test_bad_parameters_are_refused_before_training(small_set, parameters, message):
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(*small_set)


@pytest.mark.parametrize("label", [["bag", "boot"], ("bag", 9), np.array(["bag"])])
def test_a_class_is_one_value(trained, label):
    with pytest.raises(DataError, match="knows the classes"):
        trained.sample(label, 1)


def bad_sets():
    X, y = make_images(6), np.repeat([0, 1], [4, 2])
    with_nan = X.astype(float)
    with_nan[3, 2, 2] = np.nan
    yield "nan", with_nan, y, "NaN"
    yield "length", X, y[:5], "inconsistent"
    yield "one class", X, np.zeros(6, int), "more than 1 class"
    yield "regression", X, np.linspace(0, 1, 6), "continuous"
    yield "shapes", [*X[:5], X[5, :5]], y, "one shape"
    yield "labels", X, np.array([0, 0, 0, 1, 1, np.nan]), "NaN"
    texts = ["a", "a", "a", "b", "b", None]
    yield "missing", X, texts, "1 missing"
    yield "missing text", X, pd.Series(texts, dtype="string"), "1 missing"
    yield "bytes", X, np.array(["a", "b"] * 3, dtype="S"), "as texts"
    yield "days", X, np.array(["2026-01-01"] * 3 + ["2026-01-02"] * 3, "M8[D]"), "texts"


@pytest.mark.parametrize(
    ("X", "y", "message"), [pytest.param(*s[1:], id=s[0]) for s in bad_sets()]
)
def test_bad_data_are_refused(X, y, message):
    with pytest.raises(DataError, match=message):
        quick().fit(X, y)


def test_bad_requests_are_refused(trained, small_set):
    X, y = small_set
    with pytest.raises(DataError, match="sock"):
        trained.sample("sock", 1)
    with pytest.raises(DataError, match="negative"):
        trained.sample("bag", -1)
    with pytest.raises(DataError, match="whole numbers.*first=1.5"):
        trained.sample("bag", 1, first=1.5)
    with pytest.raises(DataError, match=r"rows of shape \(8, 8\).*\(7, 8\)"):
        trained.resample("auto", X[:, 1:], y)
    without = y != "boot"
    for count in (-5, 2.7):
        with pytest.raises(DataError, match=f"whole numbers.*{count} for 'boot'"):
            trained.resample({"boot": count}, X[without], y[without])
    with pytest.raises(DataError, match="sock"):
        trained.resample("auto", X, np.where(y == "bag", "sock", y))
    with pytest.raises(DataError, match="both"):
        trained.resample("auto", X)
    with pytest.raises(DataError, match="differ"):
        trained.resample("auto", X.astype(float), y)
