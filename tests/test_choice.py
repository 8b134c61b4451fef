import warnings

import numpy as np
import pandas as pd
import pytest

from balancegan.errors import DataError, SimplerMethodWarning
from balancegan.images import find_format
from balancegan.samplers import move_finder
from balancegan.samplers.choice import MethodChoice
from balancegan.samplers.copies import LARGEST_REPEATED, MovedCopies, shift_image
from balancegan.samplers.summary import describe_exceptions

from .augmenters import build_augmenter
from .conftest import make_images

QUICK = {"steps": 1, "random_state": 0, "verbose": 0}


def gradient_images(n, shape=(12, 12)):
    """Smooth images, so that a moved one stays near the original."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape)
    phases = np.random.default_rng(0).uniform(0, 3, size=(n, 1, 1))
    return np.rint(127.5 + 127.5 * np.sin(3 * rows + 2 * columns + phases)).astype(
        "uint8"
    )


def copies_of(images, seed=0):
    classes, rows = np.full(len(images), 4), np.arange(len(images))
    return MovedCopies(images, classes, rows, find_format(images), seed)


def made(copies, numbers):
    return np.concatenate(list(copies.make(np.asarray(numbers))))


def test_copy_k_does_not_depend_on_other_copies():
    copies = copies_of(gradient_images(3))
    whole = made(copies, range(150))
    np.testing.assert_array_equal(made(copies, [7, 149]), whole[[7, 149]])
    assert 15 < len(np.unique(whole.reshape(150, -1), axis=0)) <= 3 * 9


def test_copies_are_of_every_image_alike_and_near_it():
    levels = np.array([40, 120, 200], dtype="uint8")[:, None, None]
    images = levels + gradient_images(3) // 16
    copies = copies_of(images)
    whole = made(copies, range(90)).astype(float)
    distances = [np.abs(whole - image).mean(axis=(1, 2)) for image in images]
    nearest = np.argmin(distances, axis=0)
    assert np.bincount(nearest).tolist() == [30, 30, 30]
    assert 0 < np.min(distances, axis=0).max() < 60
    assert 30 < (np.min(distances, axis=0) == 0).sum() < 65


@pytest.mark.parametrize("shape", [(8, 8), (8, 6, 3), (5, 9, 4)])
def test_copies_have_the_callers_format(shape):
    images = make_images(2, shape, "float32")
    found = made(copies_of(images), range(3))
    assert (found.shape, found.dtype) == ((3, *shape), np.float32)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_copies_that_stay_are_the_very_images(dtype):
    images = make_images(5, (8, 6), dtype) / (3 if dtype != "uint8" else 1)
    images = images.astype(dtype)
    whole = made(copies_of(images), range(40))
    equal = (whole[:, None] == images[None]).all(axis=(2, 3)).any(axis=1)
    assert 10 < equal.sum() < 35


@pytest.fixture(scope="module")
def tiny_classes():
    """Classes of 30, 12, 4 and 1."""
    return make_images(47), np.repeat(["bag", "shirt", "boot", "sock"], [30, 12, 4, 1])


@pytest.fixture(scope="module")
def fitted(tiny_classes):
    return build_augmenter(**QUICK).fit(*tiny_classes)


@pytest.fixture
def accepting(monkeypatch):
    """Judges that accept nearly everything: a GAN of two steps makes noise."""
    monkeypatch.setattr("balancegan.quality.screening.LEAST_ACCEPTED", 0.01)
    for limit in ("COPY", "NEAR"):
        monkeypatch.setattr(f"balancegan.quality.screening.{limit}", -1.0)
    accepts = "balancegan.quality.screening.Limits.reasons"
    monkeypatch.setattr(accepts, lambda self, figures: np.full(len(figures), ""))


def test_classes_too_small_for_the_gan_get_copies(fitted, accepting):
    with pytest.warns(
        SimplerMethodWarning, match=r"Too few real images: boot \(4\), sock \(1\)"
    ):
        _, y_bal = fitted.resample({"shirt": 14, "boot": 9, "sock": 6})
    assert y_bal[47:].tolist() == ["boot"] * 5 + ["shirt"] * 2 + ["sock"] * 5
    methods = ["copied"] * 5 + ["gan"] * 2 + ["copied"] * 5
    assert fitted.method_.tolist() == ["real"] * 47 + methods
    assert fitted.report_.quality["method"].tolist() == methods
    looked_at = fitted.report_.quality["probability"].notna()
    assert looked_at.tolist() == [False] * 5 + [True] * 2 + [False] * 5
    assert fitted.report_.quality_summary["gan"].tolist() == [0, 2, 0]
    assert fitted.report_.quality_summary["copied"].tolist() == [5, 0, 5]
    assert fitted.report_.quality_summary["instead"].tolist() == [1, 0, 1]


def test_copies_stand_in_for_nothing_where_the_gan_has_no_share(fitted, accepting):
    fitted.set_params(gan_share=0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SimplerMethodWarning)
            fitted.resample({"shirt": 14, "boot": 9, "sock": 6})
    finally:
        fitted.set_params(gan_share=0.1)
    assert fitted.report_.quality_summary["instead"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("gan_share", [0, 0.1])
def test_where_every_class_gets_copies_as_many_of_each_are_moved(
    fitted, accepting, monkeypatch, gan_share
):
    told = {}

    class Remembers(MovedCopies):
        def __init__(self, images, class_indices, rows, *others, **named):
            told[len(rows)] = others[-1]
            super().__init__(images, class_indices, rows, *others, **named)

    monkeypatch.setattr("balancegan.samplers.choice.MovedCopies", Remembers)
    fitted.set_params(gan_share=gan_share)
    try:
        fitted.resample(2.0)
        summary = fitted.report_.quality_summary.set_index("class")
        moved = {
            label: told[row["real"]] * row["copied"] / 60
            for label, row in summary.iterrows()
        }
        assert (fitted.report_.quality["class"] == "bag").sum() == 30
        assert told[30] == 1
        assert moved["boot"] == pytest.approx(moved["shirt"], rel=0.2)
        assert moved["bag"] == pytest.approx(moved["shirt"], rel=0.15)
        fitted.resample("auto")
        assert set(told.values()) >= {0.5}
        told.clear()
        fitted.resample({"shirt": 40})
        assert told == {12: 0.5}
    finally:
        fitted.set_params(gan_share=0.1)


def test_a_warning_of_many_classes_names_some_of_them(fitted):
    fitted.resample({"boot": 9})
    summary = pd.concat([fitted.report_.quality_summary] * 300, ignore_index=True)
    said = describe_exceptions(summary, [f"class{k}" for k in range(300)])
    assert "class9 " in said
    assert "class10" not in said
    assert "290 more" in said


def test_a_short_training_is_said_first_and_each_reason_once():
    row = dict.fromkeys(("gan", "recombined", "interpolated", "forced"), 0)
    row |= {"real": 12, "copied": 30, "instead": 30, "accepted": 0.02}
    row |= {"reason": "unlike", "reason_share": 0.98}
    few = row | {"real": 3, "accepted": None}
    summary = pd.DataFrame([row, row | {"reason_share": 0.9}, few])
    short = "Training was short: 10 of the default 3,000 steps."
    said = describe_exceptions(summary, ["bag", "class '0'", "boot"], short)
    assert said == (
        f"{short} Of 90 added images 0 are generated; the remaining ones are made from "
        "real images. Copies of real images replace generated images. Rejected as "
        "images unlike real ones: bag (98 %), class '0' (90 %). Too few real images: "
        "boot (3)."
    )
    assert short not in describe_exceptions(summary[2:], ["boot"], short)


def test_rejected_images_are_not_returned_without_a_warning(fitted, monkeypatch):
    """Of a class that the GAN is good at on the whole, too."""

    def all_but_300(self, figures):
        return np.where(np.arange(len(figures)) < 300, "", "repeated")

    monkeypatch.setattr("balancegan.quality.screening.Limits.reasons", all_but_300)
    for limit in ("COPY", "NEAR"):
        monkeypatch.setattr(f"balancegan.quality.screening.{limit}", -1.0)
    fitted.set_params(gan_share=1)
    try:
        with pytest.warns(SimplerMethodWarning, match="88 rejected images are used"):
            fitted.resample({"shirt": 400})
    finally:
        fitted.set_params(gan_share=0.1)
    summary = fitted.report_.quality_summary.iloc[0]
    assert summary["accepted"] > 0.1
    assert (
        summary["forced"]
        == (fitted.report_.quality["rejected"] == "repeated").sum()
        == 88
    )


def test_real_images_are_counted_that_are_added_to(fitted, tiny_classes, accepting):
    X, y = tiny_classes
    few = np.r_[0:30, 30:33]  # three shirts of twelve
    with pytest.warns(SimplerMethodWarning, match=r"Too few real images: shirt \(3\)"):
        fitted.resample({"shirt": 5}, X[few], y[few])
    assert fitted.report_.quality_summary["real"].tolist() == [3]


@pytest.mark.parametrize(
    ("share", "n_gan"), [(0.1, 5), (0.5, 21), (0, 0), (0.75, 30), (1, 30)]
)
def test_copies_fill_the_rest_of_a_class(fitted, tiny_classes, accepting, share, n_gan):
    X, y = tiny_classes
    fitted.set_params(gan_share=share)
    try:
        X_bal, y_bal = fitted.resample({"shirt": 42})
    finally:
        fitted.set_params(gan_share=0.1)
    n_again = 30 - n_gan
    assert fitted.method_[47:].tolist() == ["gan"] * n_gan + ["copied"] * n_again
    assert y_bal[47:].tolist() == ["shirt"] * 30
    row = fitted.report_.quality_summary.iloc[0]
    assert (row["gan"], row["copied"], row["instead"]) == (n_gan, n_again, 0)
    np.testing.assert_array_equal(X_bal[47 : 47 + n_gan], fitted.sample("shirt", n_gan))
    real = [image.tobytes() for image in X[y == "shirt"]]
    again = [image.tobytes() in real for image in X_bal[47 + n_gan :]]
    assert 0.2 * n_again <= sum(again) <= 0.9 * n_again


def test_copies_are_unchanged_if_none_may_be_moved(fitted, tiny_classes, accepting):
    X, y = tiny_classes
    moved, _ = fitted.resample({"shirt": 42})
    numbers = fitted.report_.quality["number"]
    fitted.set_params(moves="none")
    try:
        as_they_are, _ = fitted.resample({"shirt": 42})
    finally:
        fitted.set_params(moves="shift")
    is_copy = fitted.method_ == "copied"
    assert is_copy.sum() == 25
    # The GAN's images, and whose turn it is, are the same
    np.testing.assert_array_equal(as_they_are[~is_copy], moved[~is_copy])
    np.testing.assert_array_equal(fitted.report_.quality["number"], numbers)
    real = [image.tobytes() for image in X[y == "shirt"]]
    again = [image.tobytes() for image in as_they_are[is_copy]]
    assert {again.count(image) for image in real} == {2, 3}  # 12 images, 25 copies


def test_moves_are_found_once_where_copies_need_them(
    fitted, tiny_classes, accepting, monkeypatch
):
    calls = []

    def find(images, class_indices, *others, show):
        calls.append(len(images))
        return move_finder.FoundMoves(("mirror",), pd.DataFrame(), "Mirrored.")

    monkeypatch.setattr(move_finder, "find_moves", find)
    X, y = tiny_classes
    fitted.set_params(moves="auto", gan_share=0)
    try:
        fitted.resample({"shirt": 12})
        assert (calls, fitted.report_.moves) == ([], None)
        for _ in range(2):
            images, _ = fitted.resample({"shirt": 42})
        assert (calls, fitted.report_.moves.allowed) == ([len(X)], ("mirror",))
        real = X[y == "shirt"]
        known = [{i.tobytes() for i in each} for each in (real, real[:, :, ::-1])]
        found = [[i.tobytes() in each for i in images[len(X) :]] for each in known]
        assert all(np.any(found, axis=0))
        assert min(map(sum, found)) >= 5
        fitted.set_params(moves="shift").resample({"shirt": 42})
        assert (len(calls), fitted.report_.moves) == (1, None)
        with pytest.raises(DataError, match="moves='flip'"):
            fitted.set_params(moves="flip").resample({"shirt": 42})
    finally:
        fitted.set_params(moves="shift", gan_share=0.1)


def test_moved_images_are_real_ones_by_whole_pixels():
    images = gradient_images(1, (14, 28))
    changed = made(copies_of(images), range(300))
    padded = np.pad(images[0], ((1, 1), (2, 2)), mode="edge")
    moved = {
        padded[top : top + 14, left : left + 28].tobytes(): (top - 1, left - 2)
        for top in range(3)
        for left in range(5)
    }
    places = [moved[image.tobytes()] for image in changed]
    assert len(set(places)) == 15
    assert 0.4 < np.mean([place == (0, 0) for place in places]) < 0.65


def test_a_copy_is_moved_alike_at_every_size_and_of_every_dtype():
    copies = copies_of(gradient_images(3))
    for number in range(40):
        source, small = copies.source(number), np.zeros((12, 12, 1))
        whole = np.arange(120 * 240.0).reshape(120, 240, 1).repeat(3, axis=2)
        moved = copies.apply(number, whole)
        assert moved.shape == whole.shape
        assert source in range(3)
        if not copies.is_moved(number):
            assert moved is whole
            assert copies.describe(number, (120, 240)) == ""
        for dtype in ("uint8", "uint16", "float32", "bool"):
            assert copies.apply(number, whole.astype(dtype)).dtype == dtype
        *_, down, right = copies._move(number, (120, 240))
        assert abs(down) <= round(120 / 14)
        assert abs(right) <= round(240 / 14)
        np.testing.assert_array_equal(moved, shift_image(whole, down, right))
        assert down % 8 == right % 8 == 0
        # In proportion: within a pixel of the small image
        at_12 = copies._move(number, small.shape[:2])[2:]
        assert abs(at_12[0] - down / 10) <= 1
        assert abs(at_12[1] - right / 20) <= 1


def test_what_a_shift_uncovers_is_mirrored_in_large_images_repeated_in_small_ones():
    for side in (LARGEST_REPEATED, LARGEST_REPEATED + 1):
        image = np.arange(side * side).reshape(side, side, 1)
        moved = shift_image(image, 3, -2)[..., 0]
        np.testing.assert_array_equal(moved[3:, :-2], image[:-3, 2:, 0])
        is_mirrored = (moved[0, :-2] == image[3, 2:, 0]).all()
        is_repeated = (moved[0, :-2] == image[0, 2:, 0]).all()
        assert (is_mirrored, is_repeated) == (side > LARGEST_REPEATED, side == 64)


def test_copies_say_which_row_they_copy(fitted):
    fitted.set_params(moves="none")
    try:
        synthesis = fitted.synthesize({"shirt": 40}, reject=False)
        images = np.concatenate(list(synthesis))
    finally:
        fitted.set_params(moves="shift")
    real = fitted._training_data[0]
    is_copy = synthesis.methods == "copied"
    assert is_copy.any()
    assert not is_copy.all()
    assert (synthesis.sources[~is_copy] == -1).all()
    np.testing.assert_array_equal(images[is_copy], real[synthesis.sources[is_copy]])


def test_what_is_missing_of_the_gan_is_made_of_real_images(fitted, monkeypatch):
    monkeypatch.setattr("balancegan.quality.screening.LEAST_ACCEPTED", 1.1)
    with pytest.warns(SimplerMethodWarning, match=r"Copies.*: shirt \(\d+ %\)"):
        X_bal, _ = fitted.resample({"shirt": 20})
    assert fitted.method_[47:].tolist() == ["copied"] * 8
    assert len(X_bal) == 55


def test_copies_that_fill_a_class_are_new_ones(fitted, monkeypatch):
    monkeypatch.setattr("balancegan.quality.screening.LEAST_ACCEPTED", 1.1)
    with pytest.warns(SimplerMethodWarning, match="shirt"):
        fitted.resample({"shirt": 42})
    assert fitted.method_[47:].tolist() == ["copied"] * 30
    assert fitted.report_.quality["number"].tolist() == list(range(30))
    assert fitted.report_.quality_summary["instead"].tolist() == [5]


def test_a_share_is_not_exceeded_by_rounding(fitted):
    choice = MethodChoice(fitted.model_, *fitted._training_data, gan_share=0.1)
    n = np.arange(1_000)
    for percent in range(1, 100):
        choice.gan_share = percent / 100
        most = [choice.most_generated(40, int(k)) for k in n]
        expected = -(-percent * (40 + n) // 100)  # rounded up, in whole numbers
        np.testing.assert_array_equal(most, np.minimum(n, expected))


def test_the_gan_alone_makes_as_many_as_are_wanted(fitted, monkeypatch):
    monkeypatch.setattr("balancegan.quality.screening.LEAST_ACCEPTED", 1.1)
    fitted.set_params(gan_share=1)
    try:
        with pytest.warns(SimplerMethodWarning, match=r"rejected.*gan_share.*shirt"):
            X_bal, _ = fitted.resample({"shirt": 20})
        assert fitted.report_.quality["probability"].notna().all()
        weights = fitted.sample_weight_[47:]
        assert ((weights >= 0) & (weights <= 1)).all()
        assert weights.min() < 1
        np.testing.assert_array_equal(X_bal[47:], fitted.sample("shirt", 8))
    finally:
        fitted.set_params(gan_share=0.1)
    assert fitted.method_[47:].tolist() == ["gan"] * 8


def test_the_gan_alone_if_it_is_wanted(fitted):
    fitted.set_params(gan_share=1)
    try:
        X_bal, _ = fitted.resample({"sock": 6}, reject=False)
        np.testing.assert_array_equal(X_bal[47:], fitted.sample("sock", 5))
        assert fitted.method_[47:].tolist() == ["gan"] * 5
        assert fitted.sample_weight_.tolist() == [1.0] * 52
    finally:
        fitted.set_params(gan_share=0.1)


def test_what_is_said_of_images_is_said_of_each_in_order(fitted, accepting):
    X_bal, y_bal = fitted.resample({"shirt": 15, "boot": 6})
    quality = fitted.report_.quality
    assert quality["class"].tolist() == y_bal[47:].tolist()
    assert len(fitted.sample_weight_) == len(X_bal)
    np.testing.assert_array_equal(fitted.sample_weight_[47:], quality["weight"])
    assert ((quality["weight"] > 0) & (quality["weight"] <= 1)).all()
    for row, image in zip(quality.itertuples(), X_bal[47:], strict=True):
        if row.method == "gan":
            again = fitted.sample(row._1, 1, first=row.number)[0]
            np.testing.assert_array_equal(image, again)
            assert 0 <= row.probability <= 1


def test_resampling_again_judges_by_the_same_judges(fitted):
    fitted.resample({"shirt": 15})
    first = fitted._judged[1]
    fitted.resample({"shirt": 16})
    assert fitted._judged[1] is first


def test_images_changed_in_place_get_judges_of_their_own(fitted):
    X, y = (part.copy() for part in fitted._training_data)
    fitted.resample({"shirt": 15}, X, y)
    first = fitted._judged[1]
    X[-1] = X[0]
    fitted.resample({"shirt": 15}, X, y)
    assert fitted._judged[1] is not first


def test_truncated_images_vary_less(fitted):
    whole = fitted.sample("bag", 40)
    truncated = fitted.sample("bag", 40, truncation=0.2)
    assert truncated.std(axis=0).mean() < whole.std(axis=0).mean()
    shared = {"reject": False, "truncation": 0.2}
    fitted.set_params(gan_share=1)
    try:
        X_bal, _ = fitted.resample({"sock": 6}, **shared)
    finally:
        fitted.set_params(gan_share=0.1)
    made = fitted.sample("sock", 5, truncation=0.2)
    np.testing.assert_array_equal(X_bal[47:], made)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"best_of": 0}, "best_of must be a whole number.*0"),
        ({"best_of": 1.5}, "best_of must be a whole number.*1.5"),
        ({"truncation": 0}, "truncation must be a number above 0.*0"),
        ({"truncation": "wide"}, "truncation must be.*'wide'"),
    ],
)
def test_arguments_of_resample_are_checked(fitted, given, message):
    with pytest.raises(DataError, match=message):
        fitted.resample({"shirt": 14}, **given)
