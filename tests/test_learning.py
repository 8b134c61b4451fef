"""Real learning, on data whose answer is known. Slow: make test-slow."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from balancegan import ConditionalGANAugmenter

pytestmark = [pytest.mark.slow, pytest.mark.compiled]


def test_synthetic_digits_are_of_the_class_asked_for_and_varied():
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
