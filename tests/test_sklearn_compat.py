"""The private parts of scikit-learn and imbalanced-learn are still there."""

from numbers import Real

import numpy as np
import pandas as pd

from balancegan.sklearn_compat import ArraysTransformer, Interval, StrOptions


def test_intervals_and_options_know_their_values():
    positive = Interval(Real, 0, None, closed="neither")
    assert positive.is_satisfied_by(0.5)
    assert not positive.is_satisfied_by(0.0)
    assert StrOptions({"a", "b"}).is_satisfied_by("a")
    assert not StrOptions({"a", "b"}).is_satisfied_by("c")


def test_containers_are_returned_as_they_came():
    X, y = pd.DataFrame({"a": [1, 2]}), pd.Series(["x", "y"], name="label")
    arrays = ArraysTransformer(X, y)
    X_new, y_new = arrays.transform(np.array([[3], [4]]), np.array(["x", "x"]))
    assert X_new.columns.tolist() == ["a"]
    assert y_new.name == "label"
