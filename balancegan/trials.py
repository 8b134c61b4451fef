"""One trial: a sampler, a split, a seed, and the arms that share them.

Resamples the training part, trains the classifier for each arm, and notes the facts;
what they mean is `comparison`'s business. A trial may run in another process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator

from balancegan.arms import Arm
from balancegan.balance import plain
from balancegan.classifiers import (
    TrainingRows,
    train_estimator,
    train_network,
)
from balancegan.fidelity import FidelityMeter
from balancegan.images import ImageFormat
from balancegan.judge import Judge
from balancegan.metrics import class_figures, count_confusions, overall_figures
from balancegan.resampling import Resampled, resample
from balancegan.runcache import RunCache

MOST_MEASURED = 300  # added images of a class whose fidelity is measured

Classifier: TypeAlias = BaseEstimator | Callable[..., Any] | None


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to be judged by: images and labels."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Trial:
    """The arms that share what one sampler makes of one split with one seed."""

    arms: list[Arm]
    split_number: int
    seed: int


class TrialRunner:
    """Runs trials of one comparison; may be sent to another process.

    Parameters
    ----------
    splits : list of Split
        The user's images and labels.
    classes : ndarray of shape (n_classes,)
        The sorted labels.
    image_format : ImageFormat
        Of the images.
    classifier, classifier_steps
        As in :func:`balancegan.evaluation.compare`.
    cache : RunCache
        What has been run before.
    """

    def __init__(
        self,
        splits: list[Split],
        classes: np.ndarray,
        image_format: ImageFormat,
        classifier: Classifier,
        classifier_steps: int,
        cache: RunCache,
    ) -> None:
        self.splits, self.classes, self.image_format = splits, classes, image_format
        self.classifier, self.n_steps = classifier, classifier_steps
        self.cache = cache

    def run(self, trial: Trial) -> list[dict[str, Any]]:
        """Return the facts of each arm's run: those kept, or new ones.

        Returns
        -------
        runs : list of dict
            "arm", "split", "seed"; "figures" (see
            :func:`balancegan.metrics.overall_figures`); "classes", a dict for each with
            the columns of ``EvaluationResult.frame``; "confusion", counts of shape
            (n_classes, n_classes); "seconds" by part; "n_found_in_test" and
            "n_found_in_train", added images that equal a real one there.
        """
        split = self.splits[trial.split_number]
        rows_key = (trial.arms[0].sampler, trial.seed, split.train)
        settings = (self.classifier, self.n_steps, self.image_format, split.test)
        keys = [(rows_key, settings, arm) for arm in trial.arms]
        found = [self.cache.find(key) for key in keys]
        if None in found:
            resampled = self.cache.resampled(
                rows_key,
                lambda: resample(
                    trial.arms[0].sampler, *split.train, self.classes, trial.seed
                ),
            )
            added = self._describe_added(resampled, split, trial)
            for k, (key, arm) in enumerate(zip(keys, trial.arms, strict=True)):
                if found[k] is None:
                    run = self._run_arm(arm, trial, split, resampled, added)
                    self.cache.keep(key, run)
                    found[k] = run
            self.cache.forget_resampled(rows_key)
        return [run for run in found if run is not None]

    def _run_arm(
        self,
        arm: Arm,
        trial: Trial,
        split: Split,
        resampled: Resampled,
        added: dict[str, Any],
    ) -> dict[str, Any]:
        started = perf_counter()
        probabilities = self._learn_and_predict(arm, resampled, split, trial.seed)
        seconds = perf_counter() - started
        true = self._indices(split.test[1])
        predicted = probabilities.argmax(axis=1)
        n_classes = len(self.classes)
        n_train = np.bincount(self._indices(split.train[1]), minlength=n_classes)
        table = class_figures(true, predicted, n_classes)
        classes = [
            {"class": str(plain(label)), "n_train": int(n), **row, **of_added}
            for label, n, row, of_added in zip(
                self.classes,
                n_train,
                table.to_dict(orient="records"),
                added["classes"],
                strict=True,
            )
        ]
        figures = overall_figures(true, predicted, probabilities, n_train.tolist())
        return {
            "arm": arm.name,
            "split": trial.split_number,
            "seed": trial.seed,
            "figures": _none_for_nan(figures),
            "classes": [_none_for_nan(row) for row in classes],
            "confusion": count_confusions(true, predicted, n_classes).tolist(),
            "seconds": {"resample": resampled.seconds, "classify": seconds},
            "n_found_in_test": added["n_found_in_test"],
            "n_found_in_train": added["n_found_in_train"],
        }

    def _learn_and_predict(
        self, arm: Arm, resampled: Resampled, split: Split, seed: int
    ) -> np.ndarray:
        rows = TrainingRows(
            resampled.images,
            resampled.class_indices,
            len(self.classes),
            self.image_format.to_model_range,
            arm.transform,
            arm.mixup,
            arm.weighted,
        )
        if isinstance(self.classifier, BaseEstimator):
            return train_estimator(self.classifier, rows, split.test[0], seed)
        return train_network(
            self.classifier, rows, split.test[0], seed, n_steps=self.n_steps
        )

    def _describe_added(
        self, resampled: Resampled, split: Split, trial: Trial
    ) -> dict[str, Any]:
        """Return what is known about the rows that the sampler added, by class.

        The test part is looked at, once the sampler has done its work.
        """
        added = resampled.images[resampled.is_new]
        of_class = resampled.class_indices[resampled.is_new]
        counts = np.bincount(of_class, minlength=len(self.classes))
        figures: list[dict[str, Any]] = [{} for _ in self.classes]
        if len(added) and not all(arm.rival for arm in trial.arms):
            meter = self._new_meter(split, trial.seed)
            for index in range(len(self.classes)):
                images = added[of_class == index][:MOST_MEASURED]
                figures[index] = meter.measure(images, index) or {}
        found = {
            f"n_found_in_{part}": _count_known(added, images)
            for part, (images, _) in (("test", split.test), ("train", split.train))
        }
        classes = [
            {"n_added": int(n), **figures_of_class}
            for n, figures_of_class in zip(counts, figures, strict=True)
        ]
        return {**found, "classes": classes}

    def _new_meter(self, split: Split, seed: int) -> FidelityMeter:
        to_model_range = self.image_format.to_model_range
        train, test = (
            (images, self._indices(labels))
            for images, labels in (split.train, split.test)
        )
        judge = Judge(
            self.image_format.image_shape, len(self.classes), to_model_range, seed
        )
        judge.train(*train)
        return FidelityMeter(judge, train, test)

    def _indices(self, labels: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.classes, labels)


def _count_known(images: np.ndarray, others: np.ndarray) -> int:
    """Return how many images equal one of the others, value for value."""
    known = {row.tobytes() for row in others.astype(images.dtype, copy=False)}
    return sum(row.tobytes() in known for row in images)


def _none_for_nan(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as plain values that JSON holds."""
    plain_facts = {}
    for name, value in facts.items():
        value = value.item() if isinstance(value, np.generic) else value
        is_nan = isinstance(value, float) and np.isnan(value)
        plain_facts[name] = None if is_nan else value
    return plain_facts
