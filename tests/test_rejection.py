"""Planted faults are caught and named, and good generators are not accused."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from balancegan.cli.display import Display
from balancegan.evaluation.checks import run_checks
from balancegan.evaluation.resampling import read_quality
from balancegan.gan.selection import Selection
from balancegan.images import find_format
from balancegan.quality import judges, screening
from balancegan.quality.judges import Reference
from balancegan.quality.screening import (
    REASONS,
    Limits,
    describe_reason,
    screen_images,
    set_limits,
)
from balancegan.samplers.summary import (
    ClassFill,
    describe_exceptions,
    find_reason,
    is_fault,
    summarize,
)
from balancegan.samplers.synthesis import Portion

from .test_checks import make_result

N_LOOKED_AT = 96
CLASSES = (0, 3, 8)


def digits():
    """Digits as uint8: 60 images a class to learn from, and the others."""
    X, y = load_digits(return_X_y=True)
    images = np.rint(X.reshape(-1, 8, 8) * 255 / 16).astype("uint8")
    of_class = pd.Series(y).groupby(y).cumcount().to_numpy()
    return (images[of_class < 60], y[of_class < 60]), (
        images[of_class >= 60],
        y[of_class >= 60],
    )


class Planted:
    """A model whose image k of a class is what a function says."""

    seed = 0

    def __init__(self, draw):
        self.draw = draw

    def make_selected(self, selection, first, n):
        index = int(selection.class_indices[0])
        rows = [self.draw(index, k) for k in range(first, first + n)]
        yield np.stack(rows).astype("uint8"), np.full(n, index)


@pytest.fixture(
    scope="module",
    params=["linear judges", pytest.param("networks", marks=pytest.mark.slow)],
)
def reference(request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "networks":
            patch.setattr("balancegan.gan.judge.JUDGE_STEPS", 1_200)
        else:
            patch.setattr(judges, "FEWEST_FOR_NETWORK", 10**9)
        images, labels = digits()[0]
        return Reference(images, labels, find_format(images), (10,), 0)


@pytest.fixture(autouse=True)
def look_at_as_many_as_there_are(monkeypatch):
    monkeypatch.setattr(screening, "N_TRIAL", N_LOOKED_AT)


def unseen(index, k):
    images, labels = digits()[1]
    own = images[labels == index]
    return own[k % len(own)]


def training_image(index, k):
    images, labels = digits()[0]
    own = images[labels == index]
    return own[k % len(own)]


def noisy(image, k, scale):
    noise = np.random.default_rng(k).normal(scale=scale, size=image.shape)
    return np.clip(image + noise, 0, 255)


PLANTED = {
    "ignores the label": (
        "other_class",
        lambda index, k: unseen((index + k) % 10, k // 10),
    ),
    "one image": ("repeated", lambda index, k: noisy(unseen(index, 0), k, 2)),
    "copies": ("copy", training_image),
    "copies shifted by a pixel": (
        "copy",
        lambda index, k: np.pad(training_image(index, k), 1)[2:, 1:-1],
    ),
    "copies with slight noise": (
        "copy",
        lambda index, k: noisy(training_image(index, k), k, 8),
    ),
    "noise": (
        "unlike",
        lambda _, k: np.random.default_rng(k).integers(0, 256, (8, 8)),
    ),
}


@pytest.mark.parametrize("index", CLASSES)
@pytest.mark.parametrize("planted", PLANTED)
def test_planted_images_are_rejected_for_the_right_reason(reference, planted, index):
    fault, draw = PLANTED[planted]
    screened = screen_images(Planted(draw), reference, Selection.of_class(index), 20)
    found, share = find_reason(screened)
    assert found == fault
    assert is_fault(found, screened)
    assert share > 0.5
    kept = screened.figures["rejected"].eq("").mean()
    assert kept < 0.25


@pytest.mark.parametrize("index", range(10))
def test_a_good_generator_is_not_accused(reference, index):
    screened = screen_images(Planted(unseen), reference, Selection.of_class(index), 20)
    assert not is_fault(find_reason(screened)[0], screened)
    assert not screened.is_given_up
    # Networks that learned from 60 images a class reject more of the real ones
    least = 0.6 if reference.judge.is_network else 0.7
    assert screened.figures["rejected"].eq("").mean() > least
    assert len(screened.numbers) == 20


@pytest.mark.parametrize("planted", [*PLANTED, "nothing"])
def test_a_class_has_one_reason_with_one_share(reference, planted, capsys):
    """In its row, in the table, in the warning and as a finding."""
    _, draw = PLANTED.get(planted, ("", unseen))
    screened = screen_images(Planted(draw), reference, Selection.of_class(3), 20)
    none = np.empty(0, dtype=int)
    portion = Portion("gan", none, none, np.empty(0), lambda numbers: iter([]))
    copies = Portion("copied", *[np.arange(20)] * 2, np.ones(20), lambda _: iter([]))
    row = summarize(
        3, 60, [ClassFill(portion, screened), ClassFill(copies, n_replacing=20)]
    )

    shares = {reason: row[reason] for reason in REASONS}
    assert shares[row["reason"]] == row["reason_share"] == max(shares.values())
    assert sum(shares.values()) + row["accepted"] == pytest.approx(1)
    assert row["fault"] in (None, row["reason"])
    assert (row["fault"] is None) == (planted == "nothing")
    assert row["fault_share"] == (row["reason_share"] if row["fault"] else 0)

    share = f"{100 * row['reason_share']:.0f} %"
    warning = describe_exceptions(pd.DataFrame([row]), ["three"])
    assert (f"{describe_reason(row)}: three ({share})") in warning
    Display(quiet=False).show_quality([row], str)
    (line,) = [
        line for line in capsys.readouterr().err.splitlines() if line[:2] == "3 "
    ]
    assert f"{REASONS[row['reason']].short} {share}" in line
    for reason, (code, what, short) in REASONS.items():
        is_named = reason == row["reason"]
        assert (what in warning) == is_named
        assert (short in line) == is_named
        if row["fault"]:
            found = {
                c.code: c for c in run_checks(make_result(judged=[as_judged(row)]))
            }
            assert (found[code].outcome != "passed") == is_named


def as_judged(row):
    (judged,) = read_quality(
        SimpleNamespace(report_=SimpleNamespace(quality_summary=pd.DataFrame([row])))
    )
    return judged | {"class": "shirt"}


def half_bad(index, k):
    """Every other image is of another class."""
    return unseen((index + k % 2) % 10, k // 2)


def test_accepted_images_do_not_depend_on_how_many_are_wanted(reference):
    few, many = (
        screen_images(Planted(half_bad), reference, Selection.of_class(3), n).numbers
        for n in (5, 40)
    )
    assert len(few) == 5
    np.testing.assert_array_equal(few, many[:5])


def test_rejection_leaves_images_of_the_class(reference):
    screened = screen_images(Planted(half_bad), reference, Selection.of_class(3), 40)
    assert len(screened.numbers) == 40
    assert np.mean(screened.numbers % 2 == 0) > 0.9
    figures = screened.figures
    assert (
        figures["rejected"][figures["number"] % 2 == 1] == "other_class"
    ).mean() > 0.8
    assert figures["agrees"][screened.numbers].mean() > figures["agrees"].mean() + 0.3


def test_a_class_that_is_given_up_has_no_numbers(reference):
    planted = Planted(PLANTED["copies"][1])
    screened = screen_images(planted, reference, Selection.of_class(3), 20)
    assert screened.is_given_up
    assert len(screened.numbers) == 0
    assert len(screened.figures) == N_LOOKED_AT


def test_what_is_kept_of_earlier_images_is_bounded(reference, monkeypatch):
    monkeypatch.setattr(screening, "AT_ONCE", 20)
    repetitions = []
    for most in (1_000, 30):
        monkeypatch.setattr(screening, "MOST_EARLIER", most)
        of_class = reference.of_classes(np.array([3]))
        measured = screening._MeasuredImages(
            Planted(unseen), Selection.of_class(3), of_class
        )
        list(measured.extend(96))
        assert len(measured.flat) == min(96, most)
        repetitions.append(measured.figures()["repetition"].to_numpy())
    np.testing.assert_array_equal(repetitions[0][:40], repetitions[1][:40])
    assert (repetitions[0] <= repetitions[1] + 1e-4).all()


def test_the_best_are_those_the_judges_are_surest_of(reference):
    planted = Planted(unseen), reference, Selection.of_class(8)
    first = screen_images(*planted, 20)
    best = screen_images(*planted, 20, best_of=4)
    assert len(best.numbers) == 20
    assert (np.diff(best.numbers) > 0).all()
    means = [s.figures["probability"][s.numbers].mean() for s in (first, best)]
    assert means[1] > means[0]


def test_the_best_of_few_are_the_best_of_a_few_times_as_many(reference):
    planted = Planted(unseen), reference, Selection.of_class(8)
    found = {n: screen_images(*planted, 6, n).numbers for n in (2, 4)}
    assert len(found[2]) == len(found[4]) == 6
    # Of those looked at first, or of as many as it takes
    accepted = screen_images(*planted, 40).numbers
    for best_of, numbers in found.items():
        assert numbers.max() <= max(6 * best_of, accepted[5])
    assert found[4].max() > found[2].max()


def test_weights_are_at_most_one_and_less_for_doubtful_images(reference):
    screened = screen_images(Planted(half_bad), reference, Selection.of_class(3), 40)
    weights = screened.weights()
    probability = screened.figures["probability"].to_numpy()[screened.numbers]
    assert ((weights > 0) & (weights <= 1)).all()
    surest = probability >= screened.real["probability"].median()
    assert (weights[surest] == 1).all()
    assert (weights[~surest] < 1).all()


def frame(agrees, probability):
    n = len(agrees)
    return pd.DataFrame(
        {
            "agrees": agrees,
            "probability": probability,
            "distance": np.ones(n),
            "pixel_distance": np.ones(n),
        }
    )


def test_the_least_probability_brings_agreement_above_that_of_real_images():
    probability = np.linspace(1, 0, 100)
    agrees = (probability > 0.25).astype(float)  # 75 of them
    real = frame(np.repeat([1.0, 0.0], [800, 200]), np.ones(1000))
    limits = set_limits(frame(agrees, probability), real, real, np.ones(3))
    kept = agrees[probability >= limits.least_probability]
    assert limits.real_agreement == pytest.approx(0.8)
    assert kept.mean() == pytest.approx(0.9, abs=0.02)  # midway from there to always


def test_what_pleases_the_judges_too_much_costs_no_more_than_a_fifth():
    probability = np.linspace(1, 0, 100)
    agrees = np.tile([1.0, 0.0], 50)  # whatever the probability
    real = frame(np.repeat([1.0, 0.0], [400, 600]), np.ones(1000))
    limits = set_limits(frame(agrees, probability), real, real, np.ones(3))
    assert (probability >= limits.least_probability).mean() == pytest.approx(0.8, 0.1)
    real = frame(np.repeat([1.0, 0.0], [900, 100]), np.ones(1000))
    limits = set_limits(frame(agrees, probability), real, real, np.ones(3))
    assert (probability >= limits.least_probability).mean() < 0.1


def test_the_worst_twentieth_is_rejected_even_of_good_images():
    probability = np.linspace(1, 0.9, 200)
    good = frame(np.ones(200), probability)
    limits = set_limits(good, good, good, np.ones(3))
    assert (probability < limits.least_probability).mean() == pytest.approx(0.05, 0.1)


def test_reasons_are_distinguished_and_nan_is_none():
    limits = Limits(0.5, 2.0, 3.0, 0.9)
    fine = {
        "probability": 0.9,
        "distance": 1.0,
        "pixel_distance": 1.0,
        "copy_ratio": 1.0,
        "repetition": 1.0,
    }
    rows = [
        fine,
        fine | {"probability": 0.4},
        fine | {"distance": 2.1},
        fine | {"pixel_distance": 3.1},
        fine | {"repetition": 0.1},
        fine | {"copy_ratio": 0.1, "probability": 0.1},
        dict.fromkeys(fine, np.nan),
    ]
    assert limits.reasons(pd.DataFrame(rows)).tolist() == [
        "",
        "other_class",
        "unlike",
        "unlike",
        "repeated",
        "copy",
        "",
    ]
