import numpy as np
import pytest
from scipy.stats import t as student

from balancegan.downstream.gains import mean_of_classes, measure_gain

CLASSES = np.repeat([0, 1], [30, 10])


def test_every_class_counts_the_same():
    better = np.tile(CLASSES == 1, (3, 1)) * 1.0
    assert mean_of_classes(better, CLASSES).tolist() == [0.5, 0.5, 0.5]
    gain = measure_gain(better, CLASSES)
    assert (gain.mean, gain.at_least) == (0.5, 0.5)  # nothing that could be otherwise


def test_seeds_that_differ_are_a_doubt():
    better = np.outer([1.0, 1.0, 0.0], CLASSES == 1)
    gain = measure_gain(better, CLASSES)
    error = np.std([0.5, 0.5, 0.0], ddof=1) / 3**0.5
    assert gain.mean == pytest.approx(1 / 3)
    assert gain.at_least == pytest.approx(1 / 3 - student.ppf(0.9, 2) * error)


def test_images_that_differ_are_a_doubt():
    every_other = (CLASSES == 1) & (np.arange(40) % 2 == 0)
    gain = measure_gain(np.tile(every_other, (3, 1)) * 1.0, CLASSES)
    error = (5 / 18 / 10) ** 0.5 / 2
    assert gain.mean == pytest.approx(0.25)
    assert gain.at_least == pytest.approx(0.25 - student.ppf(0.9, 9) * error)


def test_seeds_are_pooled():
    # One whose seeds agree by chance, among others whose seeds do not
    steady, shaky = np.full((3, 40), 0.1), np.outer([0.3, 0.1, -0.1], np.ones(40))
    assert measure_gain(steady, CLASSES).at_least == pytest.approx(0.1)
    among = measure_gain(steady, CLASSES, [steady, shaky])
    error = (np.mean([0, 0.04]) / 3) ** 0.5
    assert among.mean == pytest.approx(0.1)
    assert among.at_least == pytest.approx(0.1 - student.ppf(0.9, 4) * error)


def test_a_single_image_is_as_doubtful_as_any():
    classes = np.repeat([0, 1], [30, 1])
    better = np.tile(np.arange(31) / 31, (2, 1))
    gain = measure_gain(better, classes)
    assert gain.mean == pytest.approx((14.5 / 31 + 30 / 31) / 2)
    assert gain.at_least < gain.mean - 0.1


@pytest.mark.parametrize("gained", [0.1, 0.5, 1.0])
def test_a_single_image_proves_nothing(gained):
    classes = np.repeat([0, 1], [30, 1])
    gain = measure_gain(np.tile(gained * (classes == 1), (3, 1)), classes)
    assert gain.mean == pytest.approx(gained / 2)
    assert gain.at_least < 0


def test_who_looks_often_finds_something():
    rng = np.random.default_rng(0)
    better = rng.normal(0.2, 0.5, (3, 40))
    once, ten_times = (measure_gain(better, CLASSES, n_looks=n) for n in (1, 10))
    assert once.mean == ten_times.mean
    of_images = better.mean(axis=0)
    images = [
        of_images[c == CLASSES].var(ddof=1) / n / 4 for c, n in ((0, 30), (1, 10))
    ]
    seeds = mean_of_classes(better, CLASSES).var(ddof=1) / 3
    variances = np.array([*images, seeds])
    freedom = variances.sum() ** 2 / (variances**2 / [29, 9, 2]).sum()
    error = variances.sum() ** 0.5
    for gain, level in ((once, 0.9), (ten_times, 0.99)):
        bound = once.mean - student.ppf(level, freedom) * error
        assert gain.at_least == pytest.approx(bound)


def test_where_nothing_is_gained_one_in_ten_says_otherwise():
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [100, 30, 10])
    n_above = 0
    for _ in range(2_000):
        of_images = rng.normal(0, 0.2, size=140)
        of_seeds = rng.normal(0, 0.15, size=(3, 3))[:, classes]
        noise = rng.normal(0, 0.1, size=(3, 140))
        gain = measure_gain(of_images + of_seeds + noise, classes)
        n_above += gain.at_least > 0
    assert 160 <= n_above <= 230
