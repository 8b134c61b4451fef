"""One trial: the methods that share a sampler, on one split, with one seed.

It resamples the training part, trains the classifier for each method and returns the
facts. A trial may run in another process.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from sklearn.base import BaseEstimator
from sklearn.metrics import confusion_matrix
from threadpoolctl import threadpool_info, threadpool_limits

from balancegan.evaluation.added_images import Gallery, Strips, describe_added
from balancegan.evaluation.classifiers import (
    TrainingRows,
    train_estimator,
    train_network,
)
from balancegan.evaluation.labelling import Labelling
from balancegan.evaluation.methods import Method
from balancegan.evaluation.metrics import (
    class_metrics,
    combination_metrics,
    overall_metrics,
)
from balancegan.evaluation.resampling import Resampled, resample
from balancegan.evaluation.runcache import RunCache, find_code
from balancegan.evaluation.splits import Part, Split
from balancegan.files import plain_facts
from balancegan.images import ImageFormat

Names: TypeAlias = tuple[str | None, list[str | None]]
Classifier: TypeAlias = BaseEstimator | Callable[..., Any] | None


@dataclass(frozen=True)
class Trial:
    """The methods that share what one sampler makes of one split with one seed.

    If `is_shown`, a few images are kept for the report.
    """

    methods: list[Method]
    split_number: int
    seed: int
    is_shown: bool


class TrialRunner:
    """Runs the trials of one comparison; may be sent to another process."""

    def __init__(
        self,
        splits: list[Split],
        labelling: Labelling,
        class_names: list[str],
        image_format: ImageFormat,
        classifier: Classifier,
        classifier_steps: int,
        cache: RunCache,
    ) -> None:
        self.splits, self.image_format = splits, image_format
        self.labelling, self.class_names = labelling, class_names
        self.classifier, self.n_steps = classifier, classifier_steps
        self.cache = cache
        self.home, self.threads = os.getpid(), _count_threads()
        self._parts: dict[int, tuple[str | None, ...]] = {}

    def name(self, trial: Trial) -> Names:
        """Return the cache names of a trial's resampled set and of its runs.

        Called before trials are sent to other processes, where functions and arrays
        pickle differently.
        """
        if self.cache.folder is None:
            return None, [None] * len(trial.methods)
        number = trial.split_number
        if number not in self._parts:
            split = self.splits[number]
            parts = split.train(), split.test()
            self._parts[number] = tuple(self.cache.name(part) for part in parts)
        train, test = self._parts[number]
        sampler = trial.methods[0].sampler
        attributes = self.labelling.attributes
        of_rows = (sampler, find_code(sampler), trial.seed, train, attributes)
        rows_name = self.cache.name((*of_rows, self.image_format))
        settings = (
            self.classifier,
            find_code(self.classifier),
            self.n_steps,
            self.image_format,
            self.labelling.position,
            self.class_names,
            test,
        )
        names = [
            self.cache.name(
                (rows_name, settings, m, find_code(m.transform), trial.is_shown)
            )
            for m in trial.methods
        ]
        return rows_name, names

    def run(
        self, trial: Trial, names: Names | None = None
    ) -> tuple[list[dict[str, Any]], float]:
        """Return the facts of each method's run, cached or new, and the seconds taken.

        `names` are those of :meth:`name`; None: it is called. The seconds are 0 if all
        runs were cached.

        Returns
        -------
        runs : list of dict
            "method", "split", "seed"; "metrics" (see
            :func:`balancegan.evaluation.metrics.overall_metrics`); "classes", a dict
            for each with the columns of ``EvaluationResult.frame``; "combinations",
            the same with several attributes, else empty; "confusion", counts of shape
            (n_classes, n_classes); "seconds" to "fit" the sampler, to "resample" and
            to "classify"; "added" and "pictures", see
            :func:`balancegan.evaluation.added_images.describe_added`; "judged", see
            :func:`balancegan.evaluation.resampling.read_quality`.
        seconds : float
        """
        if os.getpid() != self.home:
            _set_threads(*self.threads)
        started = perf_counter()
        split = self.splits[trial.split_number]
        train, test = split.train(), split.test()
        rows_name, keys = names or self.name(trial)
        found = [self.cache.find(key) for key in keys]
        seconds = 0.0
        if None in found:
            resampled = self.cache.resampled(
                rows_name,
                lambda: resample(
                    trial.methods[0].sampler,
                    *train,
                    self.labelling,
                    trial.seed,
                    (self.image_format.low, self.image_format.high),
                ),
            )
            added = self._describe_added(resampled, train, test, trial)
            for k, (key, method) in enumerate(zip(keys, trial.methods, strict=True)):
                if found[k] is None:
                    run = self._run_method(method, trial, train, test, resampled, added)
                    self.cache.keep(key, run)
                    found[k] = run
            seconds = perf_counter() - started
        return [run for run in found if run is not None], seconds

    def _run_method(
        self,
        method: Method,
        trial: Trial,
        train: Part,
        test: Part,
        resampled: Resampled,
        added: dict[str, Any],
    ) -> dict[str, Any]:
        # Train the classifier and predict the test part
        started = perf_counter()
        probabilities = self._train_and_predict(method, resampled, test[0], trial.seed)
        seconds = perf_counter() - started
        true = self.labelling.learned(test[1])
        predicted = probabilities.argmax(axis=1)

        # Compute the metrics
        n_classes = len(self.class_names)
        n_train = np.bincount(self.labelling.learned(train[1]), minlength=n_classes)
        table = class_metrics(true, predicted, n_classes)
        metrics = overall_metrics(true, predicted, probabilities, n_train.tolist())
        combinations: list[dict[str, Any]] = []
        if self.labelling.has_combinations:
            of_combinations, combinations, recall = self._describe_combinations(
                true == predicted, train, test, resampled
            )
            metrics |= of_combinations
            table["combination_recall"] = recall

        # Collect plain facts
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
        facts = {
            "method": method.name,
            "split": trial.split_number,
            "seed": trial.seed,
            "metrics": metrics,
            "classes": classes,
            "combinations": combinations,
            "confusion": confusion_matrix(
                true, predicted, labels=np.arange(n_classes)
            ).tolist(),
            "seconds": {
                "fit": resampled.fit_seconds,
                "resample": resampled.resample_seconds,
                "classify": seconds,
            },
            "added": added["counts"],
            "judged": [
                row
                | {"class": self.labelling.name_values(row["class"], self.class_names)}
                for row in resampled.judged
            ],
            "pictures": added["pictures"],
        }
        return dict(plain_facts(facts))

    def _train_and_predict(
        self, method: Method, resampled: Resampled, test_images: np.ndarray, seed: int
    ) -> np.ndarray:
        rows = TrainingRows(
            resampled.images,
            self.labelling.learned(resampled.class_indices),
            len(self.class_names),
            self.image_format.to_model_range,
            method.transform,
            method.mixup,
            method.weighted,
            resampled.class_indices if self.labelling.has_combinations else None,
        )
        if isinstance(self.classifier, BaseEstimator):
            return train_estimator(self.classifier, rows, test_images, seed)
        return train_network(
            self.classifier, rows, test_images, seed, n_steps=self.n_steps
        )

    def _describe_combinations(
        self, correct: np.ndarray, train: Part, test: Part, resampled: Resampled
    ) -> tuple[dict[str, float], list[dict[str, Any]], list[float]]:
        """Return metrics, a row per combination with images, and recall per class.

        The recall of a class is the mean over its combinations here.
        """
        n = self.labelling.attributes.n_classes
        n_train = np.bincount(train[1], minlength=n)
        n_added = np.bincount(resampled.class_indices[resampled.is_new], minlength=n)
        metrics, table = combination_metrics(correct, test[1], n_train)
        learned = self.labelling.learned(np.arange(n))
        recall = table["accuracy"].groupby(learned).mean().tolist()
        table = table.assign(n_train=n_train, n_added=n_added)
        has_images = table[["n_train", "n_added", "n_test"]].any(axis=1)
        records = table.to_dict("records")
        rows = [
            {
                "combination": self.labelling.name(k, self.class_names),
                "class": self.class_names[learned[k]],
                **{str(column): value for column, value in records[k].items()},
            }
            for k in np.flatnonzero(has_images).tolist()
        ]
        return metrics, rows, recall

    def _describe_added(
        self, resampled: Resampled, train: Part, test: Part, trial: Trial
    ) -> dict[str, Any]:
        learned = self.labelling.learned(resampled.class_indices)
        return describe_added(
            replace(resampled, class_indices=learned),
            self._with_learned(train),
            self._with_learned(test),
            np.logical_or(*self.splits[trial.split_number].leaks),
            len(self.class_names),
            self.image_format,
            trial.seed,
            is_candidate=not all(method.baseline for method in trial.methods),
            is_shown=trial.is_shown,
        )

    def show_real(self) -> Strips:
        """Return strips of real images of the first split."""
        train = self._with_learned(self.splits[0].train())
        return Gallery(*train, len(self.class_names), self.image_format).show_real()

    def _with_learned(self, part: Part) -> Part:
        """Return images with the indices of the classes that are learned."""
        return part[0], self.labelling.learned(part[1])


def _count_threads() -> tuple[int, dict[str, int]]:
    """Return the threads of an operation, of TensorFlow and of "blas" and "openmp".

    The order of additions depends on them, so all processes need the same numbers.
    """
    pools = {pool["user_api"]: pool["num_threads"] for pool in threadpool_info()}
    return tf.config.threading.get_intra_op_parallelism_threads(), pools


def _set_threads(n_tensorflow: int, pools: dict[str, int]) -> None:
    threadpool_limits(limits=pools)
    with suppress(RuntimeError):  # TensorFlow runs already
        tf.config.threading.set_intra_op_parallelism_threads(n_tensorflow)
