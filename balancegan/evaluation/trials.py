"""One trial: a sampler, a split, a seed, and the methods that share them.

Resamples the training part, trains the classifier for each method, and notes the facts;
what they mean is `comparison`'s business. A trial may run in another process.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import confusion_matrix

from balancegan.downstream.classifiers import TrainingRows, train_network
from balancegan.downstream.estimators import train_estimator
from balancegan.evaluation.fidelity import FidelityMeter
from balancegan.evaluation.gallery import Gallery, Strips
from balancegan.evaluation.labelling import Labelling
from balancegan.evaluation.leakage import are_equal, count_near
from balancegan.evaluation.methods import Method
from balancegan.evaluation.metrics import (
    class_metrics,
    combination_metrics,
    overall_metrics,
)
from balancegan.evaluation.resampling import Resampled, resample
from balancegan.evaluation.runcache import RunCache, find_code
from balancegan.evaluation.splits import Part, Split
from balancegan.evaluation.threads import count_threads, take_threads
from balancegan.files import plain_facts
from balancegan.gan.judge import Judge
from balancegan.images import ImageFormat

MOST_MEASURED = 300  # added images of a class whose fidelity is measured

Names: TypeAlias = tuple[str | None, list[str | None]]
Classifier: TypeAlias = BaseEstimator | Callable[..., Any] | None


@dataclass(frozen=True)
class Trial:
    """The methods that share what one sampler makes of one split with one seed.

    Of those that are shown, a few images are kept to look at.
    """

    methods: list[Method]
    split_number: int
    seed: int
    is_shown: bool


class TrialRunner:
    """Runs trials of one comparison; may be sent to another process.

    Parameters
    ----------
    splits : list of Split
        The user's images and class indices.
    labelling : Labelling
        What these stand for.
    class_names : list of str
        What the classes are called.
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
        self.home, self.threads = os.getpid(), count_threads()
        self._parts: dict[int, tuple[str | None, ...]] = {}

    def name(self, trial: Trial) -> Names:
        """Return what the set and the runs of a trial are called in the cache.

        Asked for before trials are sent to other processes, where functions and arrays
        are others.
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
                (
                    rows_name,
                    settings,
                    method,
                    find_code(method.transform),
                    trial.is_shown,
                )
            )
            for method in trial.methods
        ]
        return rows_name, names

    def run(
        self, trial: Trial, names: Names | None = None
    ) -> tuple[list[dict[str, Any]], float]:
        """Return the facts of each method's run: those kept, or new ones.

        Parameters
        ----------
        trial : Trial
            What to run.
        names : tuple or None, default=None
            What `name` says of it. None: it is asked.

        Returns
        -------
        runs : list of dict
            "method", "split", "seed"; "metrics" (see
            :func:`balancegan.evaluation.metrics.overall_metrics`); "classes", a dict
            for each with the columns of ``EvaluationResult.frame``; "combinations", the
            same of several attributes, else empty; "confusion", counts of shape
            (n_classes, n_classes); "seconds" to "fit" the sampler, to
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
        started = perf_counter()
        probabilities = self._learn_and_predict(method, resampled, test[0], trial.seed)
        seconds = perf_counter() - started
        true = self.labelling.learned(test[1])
        predicted = probabilities.argmax(axis=1)
        n_classes = len(self.class_names)
        n_train = self._count_learned(train[1])
        table = class_metrics(true, predicted, n_classes)
        figures = overall_metrics(true, predicted, probabilities, n_train.tolist())
        combinations: list[dict[str, Any]] = []
        if self.labelling.has_combinations:
            of_combinations, combinations, recall = self._describe_combinations(
                true == predicted, train, test, resampled
            )
            figures |= of_combinations
            table["combination_recall"] = recall
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
            "metrics": figures,
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
                {
                    **row,
                    "class": self.labelling.name_values(row["class"], self.class_names),
                }
                for row in resampled.judged
            ],
            "pictures": added["pictures"],
        }
        return dict(plain_facts(facts))

    def _describe_combinations(
        self, right: np.ndarray, train: Part, test: Part, resampled: Resampled
    ) -> tuple[dict[str, float], list[dict[str, Any]], list[float]]:
        """Return figures, a row for each combination with images, and recalls.

        The recall of a class is the mean over its combinations here.
        """
        n = self.labelling.attributes.n_classes
        n_train = np.bincount(train[1], minlength=n)
        n_added = np.bincount(resampled.class_indices[resampled.is_new], minlength=n)
        figures, table = combination_metrics(right, test[1], n_train)
        learned = self.labelling.learned(np.arange(n))
        recall = table["accuracy"].groupby(learned).mean().tolist()
        table = table.assign(n_train=n_train, n_added=n_added)
        has_images = np.flatnonzero(table[["n_train", "n_added", "n_test"]].any(axis=1))
        rows = [
            {
                "combination": self.labelling.name(k, self.class_names),
                "class": self.class_names[learned[k]],
                **{str(column): v for column, v in row.items()},
            }
            for k, row in zip(
                has_images.tolist(),
                table.iloc[has_images].to_dict("records"),
                strict=True,
            )
        ]
        return figures, rows, recall

    def _learn_and_predict(
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

    def _describe_added(
        self, resampled: Resampled, train: Part, test: Part, trial: Trial
    ) -> dict[str, Any]:
        """Return what is known about the rows that the sampler added, by class.

        Real images again are counted and nothing else. The test part is looked at, once
        the sampler has done its work.
        """
        is_made = resampled.is_new & ~resampled.is_again
        images = resampled.images[is_made]
        of_class = self.labelling.learned(resampled.class_indices[is_made])
        n_classes = len(self.class_names)
        figures: list[dict[str, Any]] = [{} for _ in range(n_classes)]
        # Test images that the training part has say nothing of what a sampler has seen
        leaks = self.splits[trial.split_number].leaks
        kept_apart, kept_classes = (
            np.delete(side, list(leaks.rows), axis=0) for side in test
        )
        counts = {
            "n": len(images),
            "n_equal_train": int(are_equal(images, train[0]).sum()),
            "n_equal_test": int(are_equal(images, kept_apart).sum()),
            "n_measured": 0,
            "n_near_test": 0,
        }
        pictures: Strips = {}
        if len(images) and not all(method.baseline for method in trial.methods):
            measured = _spread_out(of_class, n_classes, MOST_MEASURED)
            images, of_class = images[measured], of_class[measured]
            meter = self._new_meter(train, (kept_apart, kept_classes), trial.seed)
            for index in range(n_classes):
                of_this = images[of_class == index]
                figures[index] = meter.measure(of_this, index) or {}
            counts["n_measured"] = len(images)
            counts["n_near_test"] = count_near(images, kept_apart, leaks.limit)
        if trial.is_shown and not all(method.baseline for method in trial.methods):
            pictures = self._new_gallery(train).show_added(
                resampled.images[resampled.is_new],
                self.labelling.learned(resampled.class_indices[resampled.is_new]),
                resampled.is_again[resampled.is_new],
            )
        numbers = self._count_learned(resampled.class_indices[resampled.is_new])
        classes = [
            {"n_added": int(n), **figures_of_class}
            for n, figures_of_class in zip(numbers, figures, strict=True)
        ]
        return {"counts": counts, "classes": classes, "pictures": pictures}

    def show_real(self) -> Strips:
        """Return strips of real images of the first split."""
        return self._new_gallery(self.splits[0].train()).show_real()

    def _new_gallery(self, train: Part) -> Gallery:
        images, learned = self._learnable(train)
        return Gallery(images, learned, len(self.class_names), self.image_format)

    def _new_meter(self, train: Part, test: Part, seed: int) -> FidelityMeter:
        to_model_range = self.image_format.to_model_range
        train, test = self._learnable(train), self._learnable(test)
        judge = Judge(
            self.image_format.image_shape, len(self.class_names), to_model_range, seed
        )
        judge.train(*train)
        return FidelityMeter(judge, train, test)

    def _learnable(self, part: Part) -> Part:
        """Return images and the indices of the classes that are learned."""
        return part[0], self.labelling.learned(part[1])

    def _count_learned(self, class_indices: np.ndarray) -> np.ndarray:
        learned = self.labelling.learned(class_indices)
        return np.bincount(learned, minlength=len(self.class_names))


def _spread_out(class_indices: np.ndarray, n_classes: int, most: int) -> np.ndarray:
    """Return rows of each class, at most so many, evenly spread."""
    rows = [np.flatnonzero(class_indices == index) for index in range(n_classes)]
    return np.concatenate(
        [r[np.linspace(0, len(r) - 1, min(most, len(r)), dtype=int)] for r in rows]
    )
