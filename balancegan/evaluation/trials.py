"""One trial: a sampler, a split, a seed, and the arms that share them.

Resamples the training part, trains the classifier for each arm, and notes the facts;
what they mean is `comparison`'s business. A trial may run in another process.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator

from balancegan.downstream.classifiers import (
    TrainingRows,
    train_estimator,
    train_network,
)
from balancegan.evaluation.arms import Arm
from balancegan.evaluation.fidelity import FidelityMeter
from balancegan.evaluation.gallery import Gallery, Strips
from balancegan.evaluation.leakage import count_equal, count_near
from balancegan.evaluation.metrics import (
    class_figures,
    count_confusions,
    overall_figures,
)
from balancegan.evaluation.resampling import Resampled, resample
from balancegan.evaluation.runcache import RunCache
from balancegan.evaluation.splits import Part, Split
from balancegan.evaluation.threads import count_threads, take_threads
from balancegan.gan.judge import Judge
from balancegan.images import ImageFormat

MOST_MEASURED = 300  # added images of a class whose fidelity is measured

Classifier: TypeAlias = BaseEstimator | Callable[..., Any] | None


@dataclass(frozen=True)
class Trial:
    """The arms that share what one sampler makes of one split with one seed.

    Of those that are shown, a few images are kept to look at.
    """

    arms: list[Arm]
    split_number: int
    seed: int
    is_shown: bool


class TrialRunner:
    """Runs trials of one comparison; may be sent to another process.

    Parameters
    ----------
    splits : list of Split
        The user's images and labels.
    classes : ndarray of shape (n_classes,)
        The sorted labels.
    class_names : list of str
        What they are called.
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
        class_names: list[str],
        image_format: ImageFormat,
        classifier: Classifier,
        classifier_steps: int,
        cache: RunCache,
    ) -> None:
        self.splits, self.image_format = splits, image_format
        self.classes, self.class_names = classes, class_names
        self.classifier, self.n_steps = classifier, classifier_steps
        self.cache = cache
        self.home, self.threads = os.getpid(), count_threads()

    def run(self, trial: Trial) -> tuple[list[dict[str, Any]], float]:
        """Return the facts of each arm's run: those kept, or new ones.

        Returns
        -------
        runs : list of dict
            "arm", "split", "seed"; "figures" (see
            :func:`balancegan.evaluation.metrics.overall_figures`); "classes", a dict
            for each with the columns of ``EvaluationResult.frame``; "confusion", counts
            of shape (n_classes, n_classes); "seconds" to "fit" the sampler, to
            "resample" and to "classify"; "added", how many images the sampler added and
            how many of them equal a real one; "judged", what the sampler found of them
            (see :func:`balancegan.evaluation.resampling.read_quality`); "pictures",
            strips by class (see :class:`balancegan.evaluation.gallery.Gallery`).
        seconds : float
            What it took; 0 where all of them were kept.
        """
        if os.getpid() != self.home:
            take_threads(self.threads)
        started = perf_counter()
        split = self.splits[trial.split_number]
        train, test = split.train(), split.test()
        rows_key = (trial.arms[0].sampler, trial.seed, train)
        settings = (
            self.classifier,
            self.n_steps,
            self.image_format,
            self.class_names,
            test,
        )
        keys = [(rows_key, settings, arm, trial.is_shown) for arm in trial.arms]
        found = [self.cache.find(key) for key in keys]
        seconds = 0.0
        if None in found:
            resampled = self.cache.resampled(
                rows_key,
                lambda: resample(
                    trial.arms[0].sampler, *train, self.classes, trial.seed
                ),
            )
            added = self._describe_added(resampled, train, test, trial)
            for k, (key, arm) in enumerate(zip(keys, trial.arms, strict=True)):
                if found[k] is None:
                    run = self._run_arm(arm, trial, train, test, resampled, added)
                    self.cache.keep(key, run)
                    found[k] = run
            seconds = perf_counter() - started
        return [run for run in found if run is not None], seconds

    def _run_arm(
        self,
        arm: Arm,
        trial: Trial,
        train: Part,
        test: Part,
        resampled: Resampled,
        added: dict[str, Any],
    ) -> dict[str, Any]:
        started = perf_counter()
        probabilities = self._learn_and_predict(arm, resampled, test[0], trial.seed)
        seconds = perf_counter() - started
        true = self._indices(test[1])
        predicted = probabilities.argmax(axis=1)
        n_classes = len(self.classes)
        n_train = np.bincount(self._indices(train[1]), minlength=n_classes)
        table = class_figures(true, predicted, n_classes)
        classes = [
            {"class": name, "n_train": int(n), **row, **of_added}
            for name, n, row, of_added in zip(
                self.class_names,
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
            "seconds": {
                "fit": resampled.fit_seconds,
                "resample": resampled.resample_seconds,
                "classify": seconds,
            },
            "added": added["counts"],
            "judged": resampled.judged,
            "pictures": added["pictures"],
        }

    def _learn_and_predict(
        self, arm: Arm, resampled: Resampled, test_images: np.ndarray, seed: int
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
            return train_estimator(self.classifier, rows, test_images, seed)
        return train_network(
            self.classifier, rows, test_images, seed, n_steps=self.n_steps
        )

    def _describe_added(
        self, resampled: Resampled, train: Part, test: Part, trial: Trial
    ) -> dict[str, Any]:
        """Return what is known about the rows that the sampler added, by class.

        Real images again are counted and nothing else. The test part is looked at, once
        the sampler has done its work.
        """
        is_made = resampled.is_new & ~resampled.is_again
        images = resampled.images[is_made]
        of_class = resampled.class_indices[is_made]
        n_classes = len(self.classes)
        figures: list[dict[str, Any]] = [{} for _ in range(n_classes)]
        counts = {
            "n": len(images),
            "n_equal_train": count_equal(images, train[0]),
            "n_equal_test": count_equal(images, test[0]),
            "n_measured": 0,
            "n_near_test": 0,
        }
        pictures: Strips = {}
        if len(images) and not all(arm.rival for arm in trial.arms):
            measured = _spread_out(of_class, n_classes, MOST_MEASURED)
            images, of_class = images[measured], of_class[measured]
            meter = self._new_meter(train, test, trial.seed)
            for index in range(n_classes):
                of_this = images[of_class == index]
                figures[index] = meter.measure(of_this, index) or {}
            counts["n_measured"] = len(images)
            limit = self.splits[trial.split_number].leaks.limit
            counts["n_near_test"] = count_near(images, test[0], limit)
            if trial.is_shown:
                pictures = self._new_gallery(train).show_synthetic(images, of_class)
        numbers = np.bincount(
            resampled.class_indices[resampled.is_new], minlength=n_classes
        )
        classes = [
            {"n_added": int(n), **figures_of_class}
            for n, figures_of_class in zip(numbers, figures, strict=True)
        ]
        return {"counts": counts, "classes": classes, "pictures": pictures}

    def show_real(self) -> Strips:
        """Return strips of real images of the first split."""
        return self._new_gallery(self.splits[0].train()).show_real()

    def _new_gallery(self, train: Part) -> Gallery:
        images, labels = train
        return Gallery(
            images, self._indices(labels), len(self.classes), self.image_format
        )

    def _new_meter(self, train: Part, test: Part, seed: int) -> FidelityMeter:
        to_model_range = self.image_format.to_model_range
        train, test = (
            (images, self._indices(labels)) for images, labels in (train, test)
        )
        judge = Judge(
            self.image_format.image_shape, len(self.classes), to_model_range, seed
        )
        judge.train(*train)
        return FidelityMeter(judge, train, test)

    def _indices(self, labels: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.classes, labels)


def _spread_out(class_indices: np.ndarray, n_classes: int, most: int) -> np.ndarray:
    """Return rows of each class, at most so many, evenly spread."""
    rows = [np.flatnonzero(class_indices == index) for index in range(n_classes)]
    return np.concatenate(
        [r[np.linspace(0, len(r) - 1, min(most, len(r)), dtype=int)] for r in rows]
    )


def _none_for_nan(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as plain values that JSON holds."""
    plain_facts = {}
    for name, value in facts.items():
        value = value.item() if isinstance(value, np.generic) else value
        is_nan = isinstance(value, float) and np.isnan(value)
        plain_facts[name] = None if is_nan else value
    return plain_facts
