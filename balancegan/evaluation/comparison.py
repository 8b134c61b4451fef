"""The comparison of methods: every method on every split, with every seed.

Samplers and classifiers get the training part of a split only, see :mod:`.trials`.
"""

import platform
from collections.abc import Sequence
from datetime import datetime
from numbers import Integral
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator

from balancegan.errors import DataError
from balancegan.evaluation.classifiers import (
    N_STEPS,
    check_estimator,
    check_network,
    choose_classifier,
)
from balancegan.evaluation.labelling import Labelling
from balancegan.evaluation.methods import (
    Method,
    MethodsGiven,
    default_augmenter,
    find_methods,
)
from balancegan.evaluation.networks import DESCRIPTIONS
from balancegan.evaluation.pretrained import PretrainedClassifier
from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.runcache import PACKAGES, RunCache
from balancegan.evaluation.splits import find_splits
from balancegan.evaluation.trials import Classifier, Trial, TrialRunner
from balancegan.images import ImageFormat
from balancegan.progress import TimeLeft, show_progress
from balancegan.versions import library_versions


def compare(
    methods: MethodsGiven,
    X_train: Any,
    y_train: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    classifier: Classifier | keras.Model | str | Path = None,
    fine_tune: bool = False,
    classifier_steps: int | None = None,
    seeds: int | Sequence[int] = 3,
    cv: int | None = None,
    groups: Any = None,
    class_attribute: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
    class_names: Sequence[str] | None = None,
    n_jobs: int | None = None,
    cache_dir: str | Path | None = None,
    verbose: int = 1,
    data_name: str | None = None,
) -> EvaluationResult:
    """Measure on real held-out images which method improves a classifier most.

    Each method resamples the training part, and a classifier learns from the result
    and is tested; once per seed, and per fold if there is no test part. All methods
    get the same splits, seeds, classifier and number of training steps.

    Parameters
    ----------
    methods : iterable of str or Method, mapping of str to sampler, or None
        See :class:`balancegan.evaluation.Method`; "none" is added. None: all built-in
        methods except "cgan+augment+mixup", and with a scikit-learn classifier those
        without mixup. Every method that is not a baseline gets a verdict.
    X_train : array-like of shape (n, height, width[, channels]) or (n, n_values)
        Real images, imbalanced.
    y_train : array-like of shape (n,) or (n, n_attributes), or DataFrame
        Their labels. With several attributes, see
        :meth:`balancegan.ConditionalGANAugmenter.fit`, classifiers learn one, methods
        balance the combinations, and the mean accuracy over the tested combinations
        ranks the methods. Samplers of other packages get a number per combination.
    X_test, y_test : array-like, default=None
        Real images to test with, of the same classes. None: `cv` folds.
    classifier : estimator, callable, Keras model, path, name or None, default=None
        A scikit-learn classifier, which gets flattened images in [-1, 1]; a function
        (image_shape, n_classes) to a Keras model; a trained Keras model or its .keras
        file, of which the last layer learns (and is replaced if the number of outputs
        differs); or "network", "residual" or "linear". None: a small convolutional
        network, for images with a side of more than 64 pixels a residual one.
    fine_tune : bool, default=False
        Train all layers of a trained model, not only the last.
    classifier_steps : int or None, default=None
        Training steps of networks, of 128 images each, or of 32 images with a side of
        more than 64 pixels. None: 1,000. Fewer favour methods that oversample.
    seeds : int or sequence of int, default=3
        The seeds, or their number. On one test part intervals are over seeds, so more
        seeds narrow them, and with one there is no verdict. On folds one is enough.
    cv : int or None, default=None
        Number of stratified folds; intervals are over folds then. None: five, if there
        is no test part.
    groups : array-like of shape (n,), default=None
        The photo or patient of each training image. Images of a group are never on
        both sides of a fold.
    class_attribute : str or None, default=None
        The attribute that classifiers learn; those of an array are called "0", "1",
        ... None: the first.
    image_shape, value_range : default=None
        See :func:`balancegan.images.find_format`.
    class_names : sequence of str, default=None
        Names of the sorted classes in tables. None: their labels.
    n_jobs : int or None, default=None
        Trials that joblib runs in parallel; the result does not depend on it. With
        many processes, set TF_NUM_INTRAOP_THREADS=1. None: one, or as
        `joblib.parallel_config` says.
    cache_dir : path-like or None, default=None
        A folder for finished runs and slow resampled sets: an interrupted comparison
        resumes, and one with more methods or another classifier reuses the images.
        None: no cache.
    verbose : int, default=1
        Whether to show progress on stderr.
    data_name : str or None, default=None
        Name of the data in reports.

    Returns
    -------
    result : EvaluationResult

    Raises
    ------
    DataError
        If images, labels, methods, classifier, seeds or folds cannot be used.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_digits(return_X_y=True)
    >>> result = compare(
    ...     ["oversample", "smote"], X[:600], y[:600], X[600:], y[600:],
    ...     image_shape=(8, 8), classifier=LogisticRegression(max_iter=200), seeds=2,
    ...     verbose=0,
    ... )
    >>> list(result.summary().index)
    ['none', 'oversample', 'smote']
    """
    splits, image_format, labelling = find_splits(
        X_train,
        y_train,
        X_test,
        y_test,
        cv=cv,
        groups=groups,
        class_attribute=class_attribute,
        image_shape=image_shape,
        value_range=value_range,
    )
    # Check everything before the first trial
    shape = image_format.image_shape
    classifier = choose_classifier(classifier, shape, fine_tune=fine_tune)
    train_counts = np.bincount(labelling.learned(splits[0].given[1]))
    seeds = _check_seeds(seeds)
    known = find_methods(
        methods,
        lambda: default_augmenter(image_shape=image_shape, value_range=value_range),
        mixes=not isinstance(classifier, BaseEstimator),
    )
    n_steps = N_STEPS if classifier_steps is None else classifier_steps
    _check_classifier(classifier, n_steps, known, image_format, labelling)
    names = _check_names(class_names, labelling.classes)

    # Find leaks once, not in every process, and run the trials
    leaks = [
        {"n_test": len(equal), "n_equal": int(equal.sum()), "n_near": int(near.sum())}
        for equal, near in (split.leaks for split in splits)
    ]
    runner = TrialRunner(
        splits, labelling, names, image_format, classifier, n_steps, RunCache(cache_dir)
    )
    runs = _run_all(runner, known, seeds, n_jobs, visible=verbose > 0)

    # Describe the comparison so that it can be reproduced
    settings = {
        "data_name": data_name,
        "date": datetime.now().astimezone().date().isoformat(),
        "methods": _describe_methods(known),
        "classes": names,
        "attributes": list(labelling.attributes.names),
        "class_attribute": labelling.attributes.names[labelling.position],
        "train_counts": train_counts.tolist(),
        "image_shape": list(shape),
        "n_splits": len(splits),
        "grouped": groups is not None,
        "seeds": seeds,
        "classifier": _describe_classifier(classifier, image_format, len(names)),
        "classifier_steps": None if isinstance(classifier, BaseEstimator) else n_steps,
        "leaks": leaks,
        "data_hash": joblib.hash([splits[0].train(), splits[0].test()]),
        "pictures": runner.show_real(),
        "versions": {
            "python": platform.python_version(),
            **library_versions(PACKAGES),
        },
    }
    return EvaluationResult(settings, runs)


def _plan_trials(methods: list[Method], n_splits: int, seeds: list[int]) -> list[Trial]:
    trials = [
        Trial(sharing, number, seed, is_shown=(number, seed) == (0, seeds[0]))
        for number in range(n_splits)
        for seed in seeds
        for sharing in _by_sampler(methods)
    ]
    # Start the longest first, so that workers finish at about the same time
    return sorted(trials, key=lambda trial: trial.methods[0].baseline)


def _run_all(
    runner: TrialRunner,
    methods: list[Method],
    seeds: list[int],
    n_jobs: int | None,
    *,
    visible: bool,
) -> list[dict[str, Any]]:
    """Return the runs of all trials, by split, seed and method."""
    runs: list[dict[str, Any]] = []
    trials = _plan_trials(methods, len(runner.splits), seeds)
    time_left = TimeLeft((t.methods[0].name for t in trials), effective_n_jobs(n_jobs))
    total = sum(len(trial.methods) for trial in trials)
    with show_progress(
        "Comparing", total, "runs", visible=visible, time_left=time_left
    ) as bar:
        done = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            delayed(runner.run)(trial, runner.name(trial)) for trial in trials
        )
        for of_trial, seconds in done:
            runs.extend(of_trial)
            time_left.note(of_trial[0]["method"], seconds)
            last = of_trial[-1]
            bar.update(len(runs), f"(last: {last['method']}, seed {last['seed']})")
    order = {method.name: k for k, method in enumerate(methods)}
    return sorted(runs, key=lambda r: (r["split"], r["seed"], order[r["method"]]))


def _check_classifier(
    classifier: Classifier,
    n_steps: int,
    methods: list[Method],
    image_format: ImageFormat,
    labelling: Labelling,
) -> None:
    """Raise errors of the classifier before any GAN is trained."""
    if n_steps < 1:
        raise DataError(
            f"classifier_steps must be 1 or more, or None. Received: {n_steps}."
        )
    if isinstance(classifier, BaseEstimator):
        check_estimator(
            classifier,
            mixes=any(method.mixup for method in methods),
            weighs=any(method.weighted for method in methods),
            has_combinations=labelling.has_combinations,
        )
    elif classifier is not None:
        check_network(classifier, image_format.image_shape, len(labelling.classes))


def _check_names(names: Sequence[str] | None, classes: np.ndarray) -> list[str]:
    found = [str(name) for name in (classes.tolist() if names is None else names)]
    if len(found) != len(classes) or len(set(found)) < len(found):
        raise DataError(
            f"class_names must be different names for {len(classes)} classes. "
            f"Received: {found}."
        )
    return found


def _check_seeds(seeds: int | Sequence[int]) -> list[int]:
    several = range(int(seeds)) if isinstance(seeds, Integral) else seeds
    found = [int(seed) for seed in several]  # type: ignore[union-attr]
    if not found or len(set(found)) < len(found) or min(found) < 0:
        raise DataError(
            "seeds must be a positive number of seeds, or different seeds of at least "
            f"0. Received: seeds={seeds!r}."
        )
    return found


def _describe_methods(methods: list[Method]) -> list[dict[str, Any]]:
    """Return each method in plain values; `images_of` names who makes its images."""
    first = {id(method.sampler): method.name for method in reversed(methods)}
    return [
        {
            "name": method.name,
            "baseline": method.baseline,
            "sampler": describe(method.sampler),
            "transform": describe(method.transform),
            "mixup": method.mixup,
            "weighted": method.weighted,
            "images_of": method.name
            if method.sampler is None
            else first[id(method.sampler)],
        }
        for method in methods
    ]


def _describe_classifier(
    classifier: Any, image_format: ImageFormat, n_classes: int
) -> str | None:
    if isinstance(classifier, PretrainedClassifier):
        return classifier.describe(image_format.image_shape, n_classes)
    if isinstance(classifier, BaseEstimator):
        return describe(classifier)
    return DESCRIPTIONS.get(classifier, describe(classifier))


def describe(thing: Any) -> str | None:
    """Return a text without addresses in memory; None of None.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> describe(LogisticRegression(C=2)), describe(len), describe(object())
    ('LogisticRegression(C=2)', 'len', 'object')
    """
    if thing is None:
        return None
    if isinstance(thing, BaseEstimator):
        return " ".join(repr(thing).split())
    return str(getattr(thing, "__name__", type(thing).__name__))


def _by_sampler(methods: list[Method]) -> list[list[Method]]:
    """Group methods with the same sampler: it resamples once for all of them."""
    together: dict[int, list[Method]] = {}
    for method in methods:
        together.setdefault(id(method.sampler), []).append(method)
    return list(together.values())
