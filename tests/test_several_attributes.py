"""Several attributes from `fit` to the images: what is asked is what is made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from balancegan import (
    ConditionalGANAugmenter,
    DataError,
    UnseenCombinationWarning,
)
from balancegan.attributes import Attributes, Labels
from balancegan.gan.presets import PRESETS
from balancegan.gan.training import TrainingRun
from balancegan.images import find_format

from .augmenters import build_augmenter
from .conftest import make_images

# What is put together of real images takes longer, and has tests of its own
QUICK = {"steps": 1, "gan_share": 1, "random_state": 0, "verbose": 0}
DIGIT = np.repeat(["3", "5", "8"], [30, 20, 10])
# No 8 is red, every second of the others is
COLOUR = np.where((np.arange(60) % 2 == 0) & (DIGIT != "8"), "red", "blue")
X = make_images(60)
Y = pd.DataFrame({"digit": DIGIT, "colour": COLOUR})
CLASSES = {("3", "blue"): 0, ("3", "red"): 1, ("5", "blue"): 2, ("8", "blue"): 4}


def quick(**parameters):
    return build_augmenter(**{**QUICK, **parameters})


@pytest.fixture(scope="module")
def fitted():
    """Trained on digits of two colours; do not change it."""
    return quick().fit(X, Y)


@pytest.fixture
def fed(fitted, monkeypatch):
    """The class indices that the generator was given, a list per batch."""
    seen = []
    predict = fitted.model_.generator.predict_on_batch

    def spy(inputs):
        seen.append(np.asarray(inputs[1]).tolist())
        return predict(inputs)

    monkeypatch.setattr(fitted.model_.generator, "predict_on_batch", spy)
    return seen


@pytest.mark.parametrize(("label", "class_index"), CLASSES.items())
def test_the_combination_asked_is_the_one_fed(fitted, fed, label, class_index):
    digit, colour = label
    for asked in (label, {"colour": colour, "digit": digit}):
        fitted.sample(asked, 3)
        assert set(fed[-1]) == {class_index}


def test_what_is_not_named_is_drawn_from_images_that_have_what_is(fitted, fed):
    fitted.sample({"digit": "8"}, 3)
    assert set(fed[-1]) == {4}  # there is no red one
    fitted.sample({"digit": "5"}, 3)
    assert set(fed[-1]) == {2, 3}
    fitted.sample({"colour": "red"}, 3)
    assert set(fed[-1]) == {1, 3}
    fitted.sample({}, 3)
    assert set(fed[-1]) <= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("label", [{"digit": "5"}, ("5", "red"), {}])
def test_image_k_does_not_depend_on_the_number_requested(fitted, label):
    many = fitted.sample(label, 90)
    np.testing.assert_array_equal(fitted.sample(label, 7), many[:7])
    np.testing.assert_array_equal(fitted.sample(label, 20, first=60), many[60:80])
    assert fitted.sample(label, 0).shape == (0, 8, 8)


def test_image_k_of_a_request_is_image_k_of_the_combination_drawn(fitted, fed):
    images = fitted.sample({"digit": "5"}, 20)
    colours = ["blue" if index == 2 else "red" for index in fed[-1]]
    for k, colour in enumerate(colours[:20]):
        alone = fitted.sample(("5", colour), 1, first=k)[0]
        # In another batch rounding may differ by one
        assert abs(images[k].astype(int) - alone).max() <= 1


def test_a_combination_never_seen_is_made_with_a_warning(fitted, fed):
    with pytest.warns(UnseenCombinationWarning, match="'colour': 'red', 'digit': '8'"):
        images = fitted.sample({"colour": "red", "digit": "8"}, 4)
    assert set(fed[-1]) == {5}
    assert len(images) == 4
    assert fitted.count_training_images(("8", "red")) == 0
    assert fitted.count_training_images({"digit": "8"}) == 10
    assert fitted.count_training_images({"colour": "red"}) == (COLOUR == "red").sum()


@pytest.mark.parametrize(
    ("label", "message"),
    [("3", "dict"), ({"digit": "9"}, "'9'"), ({"size": "3"}, "'size'")],
)
def test_bad_requests_are_refused(fitted, label, message):
    with pytest.raises(DataError, match=message):
        fitted.sample(label, 1)
    with pytest.raises(DataError, match=message):
        fitted.count_training_images(label)


def test_other_names_of_the_values_change_nothing_else(fitted):
    other = Y.replace({"colour": {"blue": "matt", "red": "shiny"}})
    renamed = quick().fit(X, other)
    np.testing.assert_array_equal(
        renamed.sample({"colour": "shiny"}, 5), fitted.sample({"colour": "red"}, 5)
    )


def test_values_that_change_places_change_the_images(fitted):
    model = fitted.model_
    digits, colours = model.attributes.values
    swapped = Attributes(model.attributes.names, (digits, colours[::-1]))
    swapped = replace(model, attributes=swapped)
    for asked, made in (("red", "blue"), ("blue", "red")):
        selection = swapped.select({"digit": "3", "colour": asked})
        images = np.concatenate(
            [part for part, _ in swapped.make_selected(selection, 0, 5)]
        )
        np.testing.assert_array_equal(images, fitted.sample(("3", made), 5))


def test_a_batch_says_the_attributes_of_its_images():
    # The value of an image is its row
    images = np.zeros((60, 8, 8), "uint8") + np.arange(60, dtype="uint8")[:, None, None]
    image_format = find_format(images, value_range=(0, 255))
    labels = Labels(("digit", "colour"), (DIGIT, COLOUR))
    run = TrainingRun(images, labels, image_format, PRESETS["default"], 0)
    for step in range(5):
        drawn, class_indices = run.batches[step]
        rows = np.round((drawn[:, 0, 0, 0] + 1) * 127.5).astype(int)
        digits, colours = run.model.attributes.columns(class_indices)
        np.testing.assert_array_equal(digits, DIGIT[rows])
        np.testing.assert_array_equal(colours, COLOUR[rows])
    assert run.model.counts.tolist() == [[15, 15], [10, 10], [10, 0]]


@pytest.mark.parametrize(
    ("balance_on", "counts"),
    [
        (
            None,
            {
                ("3", "blue"): 15,
                ("3", "red"): 15,
                ("5", "blue"): 10,
                ("5", "red"): 10,
                ("8", "blue"): 10,
            },
        ),
        ("digit", {"3": 30, "5": 20, "8": 10}),
        (["colour"], {"blue": 35, "red": 25}),
        (
            ["colour", "digit"],
            {
                ("blue", "3"): 15,
                ("blue", "5"): 10,
                ("blue", "8"): 10,
                ("red", "3"): 15,
                ("red", "5"): 10,
            },
        ),
    ],
)
def test_the_attributes_balanced_on_make_the_classes(balance_on, counts):
    augmenter = quick(balance_on=balance_on)
    X_bal, y_bal = augmenter.fit_resample(X, Y)
    assert augmenter.report_.class_counts == counts
    assert augmenter.classes_.tolist() == list(counts)
    largest = max(counts.values())
    assert augmenter.n_to_generate_ == {c: largest - n for c, n in counts.items()}
    assert len(X_bal) == len(y_bal) == largest * len(counts)
    named = ["digit", "colour"] if balance_on is None else balance_on
    names = named[0] if named == ["colour"] else named
    assert set(y_bal.groupby(names).size()) == {largest}
    pd.testing.assert_frame_equal(y_bal[:60], Y)
    np.testing.assert_array_equal(X_bal[:60], X)
    assert augmenter.is_synthetic_.tolist() == [False] * 60 + [True] * (len(X_bal) - 60)


def test_resampled_images_are_those_that_sample_makes():
    augmenter = quick(balance_on="digit").fit(X, Y)
    X_bal, y_bal = augmenter.resample({"8": 13})
    np.testing.assert_array_equal(X_bal[60:], augmenter.sample({"digit": "8"}, 3))
    assert y_bal[60:].to_numpy().tolist() == [["8", "blue"]] * 3


def test_real_images_of_combinations_never_seen_count_and_come_again():
    colour = np.where(DIGIT == "8", "blue", COLOUR)
    augmenter = quick(balance_on="digit", gan_share=0.1).fit(X, Y.assign(colour=colour))
    other = Y.assign(colour=np.where(DIGIT == "8", "red", COLOUR))
    X_bal, y_bal = augmenter.resample({"8": 30}, X, other)
    summary = augmenter.report_.quality_summary
    assert summary["real"].tolist() == [10]
    copied = augmenter.method_[60:] == "copied"
    assert copied.sum() >= 17
    assert (y_bal["colour"][60:][copied] == "red").all()


def test_drawn_attributes_follow_the_data():
    colour = np.where(np.arange(60) % 10 == 0, "red", "blue")
    augmenter = quick(balance_on=["digit"]).fit(X, Y.assign(colour=colour))
    _, y_bal = augmenter.resample({"5": 1020})
    # A tenth of 1,000: four standard errors are below 0.04
    assert (y_bal["colour"][60:] == "red").mean() == pytest.approx(0.1, abs=0.04)
    assert (y_bal["digit"][60:] == "5").all()


TARGETS = [
    ({("8", "blue"): 12}, 2),
    ("minority", 5),
    ("all", 15),
    (0.8, 6),
    (lambda y: {max(y.tolist()): 11}, 1),
]
TARGET_KINDS = ["dict", "name", "all", "share", "callable"]


@pytest.mark.parametrize(("strategy", "n_new"), TARGETS, ids=TARGET_KINDS)
def test_strategies_name_combinations(fitted, strategy, n_new):
    _, y_bal = fitted.resample(strategy)
    assert len(y_bal) == 60 + n_new


def test_targets_for_combinations_without_images_are_met_and_warned_of(fitted):
    with pytest.warns(UnseenCombinationWarning, match="'8'.*'red'"):
        _, y_bal = fitted.resample({("8", "red"): 5})
    assert y_bal[60:].to_numpy().tolist() == [["8", "red"]] * 5
    with pytest.warns(UnseenCombinationWarning):
        assert len(fitted.resample(lambda y: {("8", "red"): 5})[0]) == 65
    with pytest.raises(DataError, match="'8', 'pink'"):
        fitted.resample({("8", "pink"): 5})
    with pytest.raises(DataError, match="Originally"):
        fitted.resample({("8", "blue"): 5})
    with pytest.raises(DataError, match="balance_on"):
        quick(balance_on="size").fit(X, Y)


def frames():
    yield Y
    yield Y.astype("category")
    yield Y.astype({"digit": int})
    yield Y.assign(dark=COLOUR == "blue", size=np.arange(60) % 2 + 0.0)


@pytest.mark.parametrize("frame", list(frames()), ids=lambda f: str(f.dtypes.tolist()))
def test_a_frame_comes_back_as_a_frame(frame):
    _, y_bal = quick(balance_on="digit").fit_resample(X, frame)
    assert (y_bal.dtypes == frame.dtypes).all()
    pd.testing.assert_frame_equal(y_bal[:60], frame)
    assert y_bal.notna().all(axis=None)
    assert y_bal["digit"].value_counts().tolist() == [30, 30, 30]


@pytest.mark.parametrize(
    "table",
    [Y.to_numpy(), Y.to_numpy().astype(str), (np.arange(180) % 7).reshape(60, 3)],
    ids=["objects", "texts", "numbers"],
)
def test_an_array_comes_back_as_an_array(table):
    table = table.astype("int16") if table.dtype.kind == "i" else table
    augmenter = quick(balance_on=["0"])
    _, y_bal = augmenter.fit_resample(X, table)
    assert y_bal.dtype == table.dtype
    np.testing.assert_array_equal(y_bal[:60], table)
    assert len(set(np.unique(y_bal[:, 0], return_counts=True)[1])) == 1


def test_rows_of_a_list_come_back_as_rows_of_a_list():
    rows = [[int(digit), colour] for digit, colour in zip(DIGIT, COLOUR, strict=True)]
    augmenter = quick(balance_on="0")
    _, y_bal = augmenter.fit_resample(X, rows)
    assert y_bal[:60] == rows
    assert y_bal[-1] == [8, "blue"]
    assert len(augmenter.sample({"0": 8}, 2)) == 2


def test_of_two_numbers_a_frame_is_attributes_and_an_array_is_one_hot():
    one_hot = np.eye(3, dtype=int)[np.repeat([0, 1, 2], [30, 20, 10])]
    assert quick().fit(X, one_hot).classes_.tolist() == [0, 1, 2]
    frame = pd.DataFrame(one_hot, columns=list("abc"))
    assert quick().fit(X, frame).report_.class_counts == {
        (0, 0, 1): 10,
        (0, 1, 0): 20,
        (1, 0, 0): 30,
    }
    with pytest.raises(DataError, match="Multilabel.* given as a DataFrame"):
        quick().fit(X, np.ones((60, 2), int))
    _, y_bal = quick().fit_resample(X, one_hot.tolist())
    assert y_bal[-1] == [0, 0, 1]


def test_a_loaded_model_knows_its_attributes(tmp_path):
    augmenter = quick(
        balance_on=["digit", "colour"], sampling_strategy={("8", "blue"): 11}
    )
    augmenter.fit(X, Y).save(tmp_path / "model")
    loaded = ConditionalGANAugmenter.load(tmp_path / "model")
    assert loaded.get_params() == augmenter.get_params()
    assert loaded.report_.class_counts == augmenter.report_.class_counts
    for label in ({"digit": "5"}, ("3", "red")):
        np.testing.assert_array_equal(
            loaded.sample(label, 70), augmenter.sample(label, 70)
        )
    X_bal, y_bal = loaded.resample(None, X, Y)
    assert y_bal[60:].to_numpy().tolist() == [["8", "blue"]]
    np.testing.assert_array_equal(X_bal, augmenter.resample()[0])
    with pytest.raises(DataError, match="Received: \\['colour', 'digit'\\]"):
        loaded.resample(None, X, Y[["colour", "digit"]])


def test_own_networks_get_the_number_of_all_combinations():
    calls = []

    def generator(image_shape, n_classes, latent_dim, seed):
        from balancegan.gan.networks import build_tutorial_generator

        calls.append(n_classes)
        return build_tutorial_generator(image_shape, n_classes, latent_dim, seed)

    augmenter = quick(generator=generator).fit(X, Y)
    assert set(calls) == {6}
    assert isinstance(calls[0], int)
    assert augmenter.sample({"digit": "8"}, 2).shape == (2, 8, 8)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_named_column_is_the_same_label_as_an_array(preset):
    by_array = quick(preset=preset).fit(X, DIGIT)
    by_frame = quick(preset=preset).fit(X, Y[["digit"]])
    np.testing.assert_array_equal(by_array.sample("8", 9), by_frame.sample("8", 9))
    np.testing.assert_array_equal(
        by_array.sample("8", 9), by_frame.sample({"digit": "8"}, 9)
    )


def test_attributes_are_found_by_what_people_write(fitted):
    found = fitted.model_.find_texts({"colour": "red", "digit": "3"})
    assert found == {"colour": "red", "digit": "3"}
    with pytest.raises(DataError, match="'digit' has the values 3, 5, 8.*'4'"):
        fitted.model_.find_texts({"digit": "4"})
    with pytest.raises(DataError, match="digit, colour.*'size'"):
        fitted.model_.find_texts({"size": "3"})
    for class_index, label in enumerate(fitted.model_.classes.tolist()):
        assert fitted.model_.name_values(class_index) == list(label)


@pytest.mark.parametrize("several", [False, True])
def test_the_judge_has_a_say_where_there_are_several_attributes(several):
    labels = Labels.of_one(DIGIT)
    if several:
        labels = Labels(("digit", "colour"), (DIGIT, COLOUR))
    image_format = find_format(X, value_range=(0, 255))
    weights = []
    for label_weight in (0.0, 0.3):
        preset = replace(PRESETS["default"], steps=3, label_weight=label_weight)
        run = TrainingRun(X, labels, image_format, preset, seed=0)
        run.fit()
        weights.append([w.sum() for w in run.gan.generator.get_weights()])
    assert (weights[0] != weights[1]) == several


def test_classes_are_read_in_the_order_that_they_are_named_in(frame_of_two):
    X, labels = frame_of_two
    augmenter = build_augmenter(**QUICK, balance_on=["b", "a"]).fit(X, labels)
    counts = {
        k: augmenter.count_training_images(k) for k in augmenter.report_.class_counts
    }
    assert (
        counts
        == augmenter.report_.class_counts
        == {(0, 0): 9, (0, 1): 2, (1, 0): 4, (1, 1): 1}
    )
    same = augmenter.sample({"a": 1, "b": 0}, 2)
    np.testing.assert_array_equal(augmenter.sample((0, 1), 2), same)
    one = build_augmenter(**QUICK, balance_on="a").fit(X, labels)
    assert one.count_training_images(one.classes_[1]) == 3
    assert len(one.sample(one.classes_[0], 2)) == 2
    assert one.count_training_images((1, 0)) == 2  # of all, in their order


@pytest.fixture
def frame_of_two():
    a, b = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [9, 4, 2, 1], axis=0).T
    return make_images(16), pd.DataFrame({"a": a, "b": b})


def test_longer_values_that_the_images_at_hand_lack_keep_their_name(frame_of_two):
    X, labels = frame_of_two
    names = labels.replace({0: "red", 1: "yellow"})
    augmenter = build_augmenter(**QUICK).fit(X, names)
    few = names[names["a"] == "red"].reset_index(drop=True)
    _, y_bal = augmenter.resample({("yellow", "red"): 2}, X[: len(few)], few)
    assert y_bal.to_numpy()[-1].tolist() == ["yellow", "red"]
