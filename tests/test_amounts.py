"""Amounts of synthetic images, chosen on held-out real images."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression

from balancegan.errors import DataError
from balancegan.evaluation.amounts import choose_amounts

from .test_evaluation import Appends, hide
from .test_quality import stripes

KEPT = np.r_[0:200, 200:260, 400:460]
IMAGES, CLASSES = stripes(200)
X, Y = hide(IMAGES[KEPT]), np.array(["left", "middle", "right"])[CLASSES[KEPT]]
COUNTS = {"left": 200, "middle": 60, "right": 60}
LINEAR = BaggingClassifier(LogisticRegression(C=0.01, max_iter=500), n_estimators=3)


def test_images_that_help_are_added():
    more, classes = stripes(300, seed=5)
    labels = np.array(["left", "middle", "right"])[classes]
    rare = labels != "left"
    sampler = Appends(hide(more)[rare], labels[rare])
    found = choose_amounts(sampler, X, Y, classifier=LINEAR, verbose=0)
    assert found["left"] == 200
    assert found["middle"] > 60
    assert found["right"] > 60


def test_images_that_do_not_help_are_not_added():
    wrong = Appends(X[:30], np.repeat("right", 30))
    assert choose_amounts(wrong, X, Y, classifier=LINEAR, verbose=0) == COUNTS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.repeat(["bag", "boot"], [311, 9])}, "at least ten.*'boot': 9"),
        ({"y": np.stack([Y, Y[::-1]], axis=1)}, "one label per image"),
        ({"shares": (0.5, 2)}, "shares must be above 0"),
        ({"y": Y[:-1]}, "one label for each"),
    ],
)
def test_bad_input_is_refused(changes, message):
    arguments = {"X": X, "y": Y, "verbose": 0} | changes
    with pytest.raises(DataError, match=message):
        choose_amounts(Appends(X[:0], Y[:0]), **arguments)
