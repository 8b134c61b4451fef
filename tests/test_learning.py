"""Real learning, on data whose answer is known. Slow: make test-slow."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from balancegan import ConditionalGANAugmenter, UnseenCombinationWarning
from balancegan.evaluation import compare
from balancegan.gan import judge
from balancegan.gan.regions import Regions

pytestmark = [pytest.mark.slow, pytest.mark.compiled]
STEPS = judge.JUDGE_STEPS


@pytest.fixture(autouse=True)
def train_judges_as_users_do(monkeypatch):
    monkeypatch.setattr(judge, "JUDGE_STEPS", STEPS)


def test_generated_digits_are_varied_and_of_the_requested_class():
    X, y = load_digits(return_X_y=True)
    kept = [np.flatnonzero(y == digit)[: 90 - 7 * digit] for digit in range(10)]
    train = np.concatenate(kept)
    held_out = np.setdiff1d(np.arange(len(y)), train)
    probe = LogisticRegression(max_iter=5000).fit(X[held_out] / 16, y[held_out])

    augmenter = ConditionalGANAugmenter(
        image_shape=(8, 8), steps=2500, random_state=0, verbose=0
    ).fit(X[train], y[train])
    for digit in range(10):
        images = augmenter.sample(digit, 100)
        agreement = np.mean(probe.predict(images / 16) == digit)
        assert agreement > 0.7, digit
        spread = images.std(axis=0).mean() / X[y == digit].std(axis=0).mean()
        assert spread > 0.5, digit


def bars(places, bright, rng):
    """8x8 images of an upright bar, left to right, on noise; dim or bright."""
    images = rng.integers(0, 40, size=(len(places), 8, 8))
    for image, place, is_bright in zip(images, places, bright, strict=True):
        image[:, 2 * place : 2 * place + 2] += 200 if is_bright else 90
    return images.astype("uint8")


def test_two_attributes_are_learned_and_combined():
    rng = np.random.default_rng(0)
    places, bright = rng.integers(4, size=600), rng.integers(2, size=600)
    images = bars(places, bright, rng)
    flat = images.reshape(600, -1) / 255
    probes = [LogisticRegression(max_iter=5000).fit(flat, y) for y in (places, bright)]

    # No bright bar at the right is seen in training
    seen = (places != 3) | (bright == 0)
    labels = pd.DataFrame({"place": places[seen], "bright": bright[seen]})
    augmenter = ConditionalGANAugmenter(steps=1000, random_state=0, verbose=0)
    augmenter.fit(images[seen], labels)
    for place in range(4):
        for is_bright in range(2):
            label = {"bright": is_bright, "place": place}
            if augmenter.count_training_images(label):
                made = augmenter.sample(label, 100)
                needed = 0.9
            else:
                with pytest.warns(UnseenCombinationWarning):
                    made = augmenter.sample(label, 100)
                needed = 0.5  # at least more often than not
            flat = made.reshape(100, -1) / 255
            for probe, asked in zip(probes, (place, is_bright), strict=True):
                assert np.mean(probe.predict(flat) == asked) >= needed, label


@pytest.mark.parametrize("classifier", [None, LogisticRegression(max_iter=5000)])
def test_two_processes_find_what_one_finds(classifier):
    X, y = load_digits(return_X_y=True)
    X = np.kron(X.reshape(-1, 8, 8), np.ones((4, 4)))  # enough for sums to be split
    given = X[:600], y[:600], X[600:], y[600:]
    settings = {"classifier": classifier, "classifier_steps": 60, "verbose": 0}
    found = [
        compare(["none", "smote"], *given, seeds=2, n_jobs=n_jobs, **settings)
        for n_jobs in (1, 2)
    ]
    assert found[0].frame.equals(found[1].frame)
    assert (
        found[0]
        .runs_frame["calibration_error"]
        .equals(found[1].runs_frame["calibration_error"])
    )


def test_the_gan_separates_correlated_attributes():
    """A digit of eight beside a bar, alike in nineteen of twenty images."""
    rng = np.random.default_rng(0)
    digits, of_digit = load_digits(return_X_y=True)
    digits = digits.reshape(-1, 8, 8) * 15
    shape = np.repeat(np.arange(4), 200)
    other = (shape + rng.integers(1, 4, len(shape))) % 4
    place = np.where(rng.random(len(shape)) < 0.95, shape, other)
    rows = [rng.choice(np.flatnonzero(of_digit == value)) for value in shape]
    beside = bars(place, np.ones(len(place), int), rng)
    images = np.concatenate([digits[rows].astype("uint8"), beside], axis=2)

    augmenter = ConditionalGANAugmenter(steps=1000, random_state=0, verbose=0)
    augmenter.fit(images, pd.DataFrame({"shape": shape, "place": place}))
    assert Regions.of_generator(augmenter.model_).are_apart  # whatever real images show
    X_bal, y_bal = augmenter.resample()
    made = augmenter.is_synthetic_
    assert set(augmenter.method_[made]) == {"recombined"}
    asked = y_bal[made]
    assert (asked["shape"] != asked["place"]).mean() > 0.95
    halves = (("shape", shape, np.s_[..., :8]), ("place", place, np.s_[..., 8:]))
    for column, values, half in halves:
        own = images[half].reshape(len(images), -1) / 255
        probe = LogisticRegression(max_iter=5000).fit(own, values)
        seen = probe.predict(X_bal[made][half].reshape(len(asked), -1) / 255)
        assert (seen == asked[column]).mean() > 0.97, column
