from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancegan.attributes import Attributes
from balancegan.gan import quality
from balancegan.gan.quality import (
    QualityMeter,
    diversity_ratio,
    energy_coefficient,
    few_shot_classes,
    rare_combinations,
)


def stripes(n_per_class, seed=0):
    """Three classes that anyone tells apart: a bright third, left to right."""
    rng = np.random.default_rng(seed)
    classes = np.repeat([0, 1, 2], n_per_class)
    images = rng.integers(0, 60, size=(len(classes), 9, 9))
    for image, class_index in zip(images, classes, strict=True):
        image[:, 3 * class_index : 3 * class_index + 3] += 150
    return images.astype("uint8"), classes


class PerfectModel:
    """Stands for a trained model: draws `images_of`(class, how many)."""

    def __init__(self, trained, images_of):
        self.image_format = replace(
            trained.model_.image_format, row_shape=(9, 9), image_shape=(9, 9, 1)
        )
        names = np.array(["left", "middle", "right"])
        self.attributes, self.seed = Attributes(("place",), (names,)), 0
        self.images_of = images_of

    def make_images(self, class_index, first, n):
        yield self.images_of(class_index, n)


def measure(trained, images_of, monkeypatch):
    monkeypatch.setattr("balancegan.gan.judge.JUDGE_STEPS", 180)
    images, classes = stripes([150, 40, 30])
    meter = QualityMeter(images, classes, PerfectModel(trained, images_of))
    return {row["class"]: row for row in meter.measure()}


def fresh(class_index, n):
    counts = [0, 0, 0]
    counts[class_index] = n
    return stripes(counts, seed=9)[0]


def test_real_images_are_of_their_class_varied_and_near(trained, monkeypatch):
    rows = measure(trained, fresh, monkeypatch)
    assert set(rows) == {"left", "middle", "right"}
    for row in rows.values():
        assert row["agreement"] > 0.95
        assert 0.9 < row["diversity"] < 1.1
        assert row["distance"] < 0.1


def test_images_of_another_class_are_seen(trained, monkeypatch):
    rows = measure(trained, lambda c, n: fresh((c + 1) % 3, n), monkeypatch)
    for row in rows.values():
        assert row["agreement"] < 0.05
        assert row["distance"] > 0.3


def test_mode_collapse_is_found(trained, monkeypatch):
    one = lambda c, n: fresh(c, 1).repeat(n, axis=0)  # noqa: E731
    for row in measure(trained, one, monkeypatch).values():
        assert row["diversity"] == 0
        assert row["distance"] > 0.2


def test_only_few_shot_classes_are_measured(trained, monkeypatch):
    monkeypatch.setattr(quality, "FEW_SHOT", 40)
    assert set(measure(trained, fresh, monkeypatch)) == {"middle", "right"}


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=50))
def test_the_rarest_classes_are_watched_and_there_is_one(counts):
    watched = few_shot_classes(np.array(counts))
    assert 1 <= len(watched) <= quality.MAX_WATCHED
    assert min(counts) == counts[watched[0]]
    left_out = [n for c, n in enumerate(counts) if c not in watched]
    assert all(counts[c] <= n for c in watched for n in left_out)


def test_distance_of_a_class_of_one_image_is_a_number():
    rows = np.random.default_rng(0).normal(size=(20, 5))
    assert 0 < energy_coefficient(rows[:1], rows) < 1
    assert energy_coefficient(rows[:1], rows[:1].repeat(3, axis=0)) == 0
    assert np.isnan(diversity_ratio(rows[:1], rows))


@pytest.mark.parametrize("shift", [0.5, 1, 2, 4])
def test_distance_grows_with_the_shift_and_not_with_the_scale(shift):
    first, second = np.random.default_rng(0).normal(size=(2, 300, 4))
    nearer = energy_coefficient(first, second + shift)
    assert nearer < energy_coefficient(first, second + 2 * shift)
    assert energy_coefficient(9 * first, 9 * (second + shift)) == pytest.approx(nearer)


class TwoAttributes(PerfectModel):
    """A model of stripes whose second attribute is how bright they are."""

    def __init__(self, trained, images_of):
        super().__init__(trained, images_of)
        places, lights = np.array(["left", "middle", "right"]), np.array(["dim", "lit"])
        self.attributes = Attributes(("place", "light"), (places, lights))


def lit_stripes(class_index, n, seed):
    counts = [0, 0, 0]
    counts[class_index // 2] = n
    return stripes(counts, seed)[0] // (2 - class_index % 2)


def test_agreement_is_given_for_each_attribute(trained, monkeypatch):
    monkeypatch.setattr("balancegan.gan.judge.JUDGE_STEPS", 240)
    classes = np.repeat([0, 1, 2, 3, 5], [40, 30, 20, 20, 12])
    images = np.concatenate(
        [
            lit_stripes(c, n, c)
            for c, n in zip(*np.unique(classes, return_counts=True), strict=True)
        ]
    )
    # What is made has the place asked for, and always the other light
    model = TwoAttributes(trained, lambda c, n: lit_stripes(c ^ 1, n, 9))
    rows = QualityMeter(images, classes, model).measure()
    assert [row["class"] for row in rows] == [
        ("right", "lit"),
        ("middle", "dim"),
        ("middle", "lit"),
        ("left", "lit"),
        ("left", "dim"),
    ]
    for row in rows:
        assert row["agreement_place"] > 0.9
        assert row["agreement_light"] < 0.1
        mean = (row["agreement_place"] + row["agreement_light"]) / 2
        assert row["agreement"] == pytest.approx(mean)


@given(st.lists(st.integers(0, 300), min_size=2, max_size=60).filter(any))
def test_rare_combinations_have_images_to_compare_with(counts):
    watched = rare_combinations(np.array(counts))
    assert 1 <= len(watched) <= quality.MAX_WATCHED_COMBINATIONS
    least = min(quality.FEWEST_IMAGES, max(counts))
    assert all(counts[c] >= least for c in watched)
    left_out = [n for c, n in enumerate(counts) if c not in watched and n >= least]
    assert all(counts[c] <= n for c in watched for n in left_out)


def test_diversity_is_that_of_numpy_in_pieces():
    rng = np.random.default_rng(0)
    real = rng.integers(0, 256, (700, 4, 4), dtype=np.uint8)
    other = rng.integers(100, 156, (300, 4, 4), dtype=np.uint8)
    expected = other.std(axis=0).mean() / real.std(axis=0).mean()
    assert diversity_ratio(real, other) == pytest.approx(expected, rel=1e-9)
