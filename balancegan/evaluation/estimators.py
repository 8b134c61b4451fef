"""scikit-learn classifiers, trained on the rows that networks learn from."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils.validation import has_fit_parameter

from balancegan.errors import DataError
from balancegan.evaluation.classifiers import TrainingRows, check_output


def check_estimator(
    estimator: BaseEstimator, *, mixes: bool, weighs: bool, has_combinations: bool
) -> None:
    """Raise a DataError if a scikit-learn estimator cannot learn as asked.

    Parameters
    ----------
    estimator : estimator
        A scikit-learn classifier.
    mixes, weighs : bool
        Whether mixup is used, and whether classes are weighted.
    has_combinations : bool
        Whether combinations of attributes are weighted instead.
    """
    name = type(estimator).__name__
    if is_regressor(estimator):
        raise DataError(f"The classifier must classify. Received: {name}, a regressor.")
    if mixes:
        raise DataError(
            "scikit-learn's classifiers cannot learn from mixed labels. Received: "
            "mixup. Leave that method out, or compare by a network."
        )
    takes_class_weights = not has_combinations and _parameters(
        estimator, "class_weight"
    )
    takes_weights = has_fit_parameter(estimator, "sample_weight")
    if weighs and not takes_class_weights and not takes_weights:
        raise DataError(
            f"{name} takes neither class_weight nor sample_weight (which combinations "
            "need). Leave out the method that weights classes."
        )


def train_estimator(
    estimator: BaseEstimator, rows: TrainingRows, test_images: np.ndarray, seed: int
) -> np.ndarray:
    """Fit a scikit-learn classifier to flattened rows and return its probabilities.

    Rows are augmented once. Parameters called ``random_state`` are set to the seed.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes)
        Zeros and ones for classifiers without ``predict_proba``.

    Raises
    ------
    DataError
        If it cannot weight classes or learn from mixed labels, as the rows ask.
    """
    has_combinations = rows.combinations is not None
    check_estimator(
        estimator,
        mixes=bool(rows.mixup),
        weighs=rows.weighted,
        has_combinations=has_combinations,
    )
    # Set seeds and weights
    model = clone(estimator)
    settings: dict[str, Any] = dict.fromkeys(_parameters(model, "random_state"), seed)
    weights: dict[str, Any] = {}
    if rows.weighted:
        if (names := _parameters(model, "class_weight")) and not has_combinations:
            settings |= dict.fromkeys(names, "balanced")
        else:
            weights["sample_weight"] = rows.weights[rows.balanced]
    model.set_params(**settings)

    # Fit and predict flattened images
    images = rows.to_model_range(rows.images)
    if rows.transform is not None:
        images = rows.transform(images, np.random.default_rng([seed, 1]))
    model.fit(images.reshape(len(images), -1), rows.class_indices, **weights)
    test_rows = rows.to_model_range(test_images).reshape(len(test_images), -1)
    return _estimator_probabilities(model, test_rows, rows.n_classes)


def _parameters(estimator: BaseEstimator, name: str) -> list[str]:
    """Return parameters of a name, those of nested estimators too."""
    return [each for each in estimator.get_params() if each.split("__")[-1] == name]


def _estimator_probabilities(
    model: Any, test_rows: np.ndarray, n_classes: int
) -> np.ndarray:
    """Order the columns by class index, whatever classes the estimator has seen."""
    probabilities = np.zeros((len(test_rows), n_classes))
    try:
        seen = np.asarray(model.predict_proba(test_rows))
    except AttributeError:
        predicted = np.asarray(model.predict(test_rows))
        name = type(model).__name__
        if predicted.shape != (len(test_rows),):
            raise DataError(
                f"{name}.predict must return shape ({len(test_rows)},). Received: "
                f"{predicted.shape}."
            ) from None
        if not np.isin(predicted, np.arange(n_classes)).all():
            raise DataError(
                f"Predictions must be learned classes, 0 to {n_classes - 1}. Received "
                f"from {name}: {np.unique(predicted)[:5]}."
            ) from None
        probabilities[np.arange(len(test_rows)), predicted.astype(int)] = 1
        return probabilities
    check_output(seen, len(model.classes_), len(test_rows))
    probabilities[:, np.asarray(model.classes_, dtype=int)] = seen
    return probabilities
