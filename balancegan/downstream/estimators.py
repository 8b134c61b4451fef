"""Any classifier of scikit-learn, trained on the rows that networks learn from."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.utils.validation import has_fit_parameter

from balancegan.downstream.classifiers import TrainingRows, check_output
from balancegan.errors import DataError


def check_estimator(
    estimator: BaseEstimator, *, mixes: bool, weighs: bool, has_combinations: bool
) -> None:
    """Refuse an estimator that cannot learn what it is to, before anything is made.

    Parameters
    ----------
    estimator : estimator
        A scikit-learn classifier.
    mixes, weighs : bool
        Whether labels are mixed for it, and whether classes are weighted.
    has_combinations : bool
        Whether combinations of attributes are weighted instead.

    Raises
    ------
    DataError
        If it cannot.
    """
    if is_regressor(estimator):
        raise DataError(
            "What learns from the images is a classifier. Received: "
            f"{type(estimator).__name__}, a regressor."
        )
    if mixes:
        raise DataError(
            "scikit-learn's classifiers cannot learn from mixed labels. Received: "
            "mixup. Leave that method out, or compare by a network."
        )
    takes_class_weights = not has_combinations and _class_weights_of(estimator)
    takes_weights = has_fit_parameter(estimator, "sample_weight")
    if weighs and not takes_class_weights and not takes_weights:
        raise DataError(
            f"{type(estimator).__name__} takes neither class_weight nor "
            "sample_weight (which combinations need). Leave out the method that "
            "weighs classes."
        )


def _class_weights_of(estimator: BaseEstimator) -> list[str]:
    parameters = estimator.get_params()
    return [name for name in parameters if _last_part(name) == "class_weight"]


def train_estimator(
    estimator: BaseEstimator, rows: TrainingRows, test_images: np.ndarray, seed: int
) -> np.ndarray:
    """Fit a scikit-learn classifier to flattened rows and return its probabilities.

    Rows are changed at random once, before it sees them. Parameters called
    ``random_state`` are set to the seed.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes)
        Zeros and ones for classifiers that give none.

    Raises
    ------
    DataError
        If it cannot weigh classes, or cannot learn from mixed labels, as the rows ask.
    """
    has_combinations = rows.combinations is not None
    check_estimator(
        estimator,
        mixes=bool(rows.mixup),
        weighs=rows.weighted,
        has_combinations=has_combinations,
    )
    model = clone(estimator)
    settings: dict[str, Any] = {
        name: seed for name in model.get_params() if _last_part(name) == "random_state"
    }
    weights: dict[str, Any] = {}
    if rows.weighted:
        if (balanced := _class_weights_of(model)) and not has_combinations:
            settings |= dict.fromkeys(balanced, "balanced")
        else:
            weights["sample_weight"] = rows.weights[rows.balanced]
    model.set_params(**settings)
    images = rows.to_model_range(rows.images)
    if rows.transform is not None:
        images = rows.transform(images, np.random.default_rng([seed, 1]))
    model.fit(_flat(images), rows.class_indices, **weights)
    return _estimator_probabilities(
        model, _flat(rows.to_model_range(test_images)), rows.n_classes
    )


def _estimator_probabilities(
    model: Any, test_rows: np.ndarray, n_classes: int
) -> np.ndarray:
    """Order the columns by class index, whatever classes the estimator has seen."""
    probabilities = np.zeros((len(test_rows), n_classes))
    try:
        seen = np.asarray(model.predict_proba(test_rows))
    except AttributeError:
        predicted = np.asarray(model.predict(test_rows))
        if predicted.shape != (len(test_rows),):
            raise DataError(
                f"Predictions of shape ({len(test_rows)},) were expected. Received "
                f"from {type(model).__name__}: {predicted.shape}."
            ) from None
        if not np.isin(predicted, np.arange(n_classes)).all():
            raise DataError(
                f"Predictions are classes that it has learned, 0 to {n_classes - 1}. "
                f"Received from {type(model).__name__}: {np.unique(predicted)[:5]}."
            ) from None
        probabilities[np.arange(len(test_rows)), predicted.astype(int)] = 1
        return probabilities
    check_output(seen, len(model.classes_), len(test_rows))
    probabilities[:, np.asarray(model.classes_, dtype=int)] = seen
    return probabilities


def _last_part(parameter: str) -> str:
    return parameter.rsplit("__", 1)[-1]


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)
