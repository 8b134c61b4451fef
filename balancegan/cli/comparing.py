"""A comparison of a file's images: what it would cost, and running it.

For the command line, as `balancing` is: plain values in, a result out. Photos are
compared at a size at which their details show; the GAN learns from smaller ones, as it
does when files are balanced.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags

from balancegan.balance import class_counts
from balancegan.cli.estimate import Limit, estimate_classifier, estimate_cost
from balancegan.cli.tasks import Task, make_augmenter
from balancegan.data.fitting import resize_pixels
from balancegan.evaluation.classifiers import (
    N_STEPS,
    TrainingRows,
)
from balancegan.evaluation.comparison import compare
from balancegan.evaluation.methods import find_methods
from balancegan.evaluation.networks import ClassifierBuilder
from balancegan.evaluation.pretrained import PretrainedClassifier
from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.splits import DEFAULT_FOLDS, find_splits
from balancegan.images import find_format
from balancegan.memory import allocate
from balancegan.samplers.augmenter import ConditionalGANAugmenter
from balancegan.samplers.synthesis import Portion

# Settings that are not the comparison's: it has seeds of its own
UNCOMPARED = ("random_state", "log_dir", "tensorboard", "verbose")


class PhotoAugmenter(BaseEstimator):
    """Adds to photos what balancing their files adds, at the size they are shown at.

    Copies are made of the photos themselves. The GAN learns from reduced photos, and
    generated images are enlarged.

    Parameters
    ----------
    augmenter : ConditionalGANAugmenter
        Learns from the reduced photos.
    size : tuple of int
        Their height and width.
    """

    def __init__(self, augmenter: ConditionalGANAugmenter, size: tuple[int, int]):
        self.augmenter, self.size = augmenter, size

    @property
    def balance_on(self) -> Any:
        """What makes the classes, see :class:`ConditionalGANAugmenter`."""
        return self.augmenter.balance_on

    def fit_resample(self, X: np.ndarray, y: Any) -> tuple[np.ndarray, Any]:
        """Return photos followed by those that are added.

        Parameters
        ----------
        X : ndarray of shape (n, height, width, channels), uint8
            Photos.
        y : ndarray or DataFrame
            Their labels.
        """
        fitted = clone(self.augmenter).fit(resize_images(X, self.size), y)
        synthetic = fitted.synthesize()
        images = allocate((len(X) + len(synthetic), *X.shape[1:]))
        images[: len(X)] = X
        row = len(X)
        for portion in synthetic.portions:
            for image in _render(portion, X):
                images[row] = image
                row += 1
        self.report_ = fitted.report_
        self.method_ = np.concatenate([np.full(len(X), "real"), synthetic.methods])
        added = synthetic.labels
        if not isinstance(y, pd.DataFrame):
            return images, np.concatenate([y, added.columns[0]])
        columns = dict(zip(added.names, added.columns, strict=True))
        return images, pd.concat([y, pd.DataFrame(columns)], ignore_index=True)

    def __sklearn_tags__(self) -> Any:
        """Return the tags of the augmenter: images, and labels in columns."""
        return get_tags(self.augmenter)


def _render(portion: Portion, photos: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the images of a portion at the size of the photos."""
    copies, sources = portion.copies, portion.sources
    if copies is not None and sources is not None:
        for number, row in zip(portion.numbers.tolist(), sources, strict=True):
            yield copies.apply(number, photos[row])
        return
    for batch in portion.make(portion.numbers):
        yield from resize_images(batch, photos.shape[1:3])


def resize_images(images: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return images of shape (n, height, width, channels) brought to another size."""
    height, width = size
    resized = allocate((len(images), height, width, images.shape[-1]))
    for row, image in enumerate(images):
        resized[row] = resize_pixels(image, (height, width))
    return resized


class Comparison:
    """Methods by name, on a file's test part or on folds of its training part.

    Parameters
    ----------
    task : Task
        The images as classifiers see them, and what methods that train a GAN do.
    methods : sequence of str or None
        As in :func:`balancegan.evaluation.methods.find_methods`.
    gan_size : tuple of int or None
        Height and width of the images that the GAN learns from. None: those of the
        task's images.
    folds : int or None
        Number of folds. None: none where there is a test part and no groups, else five.
    groups : ndarray or None
        Groups that no fold tears apart.
    seeds : int
        How many.
    classifier : ClassifierBuilder or None
        What builds the classifier. None: the default for images of this size.
    classifier_steps : int or None
        Its training steps. None: the default.

    Raises
    ------
    DataError
        If methods, test part, folds or groups cannot be used.
    """

    def __init__(
        self,
        task: Task,
        methods: Sequence[str] | None,
        *,
        gan_size: tuple[int, int] | None,
        folds: int | None,
        groups: np.ndarray | None,
        seeds: int,
        classifier: ClassifierBuilder | None,
        classifier_steps: int | None,
    ) -> None:
        self.labelled = task.labelled
        self.n_images = sum(task.plan.values())
        self.layout = {
            name: task.settings[name] for name in ("image_shape", "value_range")
        }
        on_folds = folds is not None or groups is not None
        self.test_part = None if on_folds else self.labelled.test_part
        find_splits(  # refuses what cannot be compared, before anything is run
            self.labelled.images,
            self.labelled.targets,
            *(self.test_part or (None, None)),
            cv=folds,
            groups=groups,
            **self.layout,
        )
        augmenter = {k: v for k, v in task.settings.items() if k not in UNCOMPARED}
        self.methods = find_methods(
            methods, lambda: _make_augmenter(gan_size, augmenter)
        )
        self.groups, self.seeds = groups, seeds
        self.folds = (folds or DEFAULT_FOLDS) if self.test_part is None else None
        self.build = classifier
        self.notes = self._describe(gan_size)
        self.classifier_steps = classifier_steps or N_STEPS

    def _describe(self, gan_size: tuple[int, int] | None) -> list[str]:
        """Return what was decided on sizes and the classifier, for people."""
        shape = find_format(self.labelled.images, **self.layout).image_shape
        notes = []
        if self.labelled.fit is not None:
            said = f"methods are compared at {shape[0]}x{shape[1]} pixels"
            if gan_size is not None:
                said += f"; generated images are {gan_size[0]}x{gan_size[1]}, enlarged"
            notes.append(said)
        if isinstance(self.build, PretrainedClassifier):
            n_classes = len(np.unique(self.labelled.labels))
            notes.append(self.build.describe(shape, n_classes))
        return notes

    def run(self, **how: Any) -> EvaluationResult:
        """Compare the methods; `how` is passed on to :func:`compare`."""
        labelled = self.labelled
        names = [labelled.name(label) for label in class_counts(labelled.labels)]
        X_test, y_test = self.test_part or (None, None)
        return compare(
            self.methods,
            labelled.images,
            labelled.targets,
            X_test,
            y_test,
            cv=self.folds,
            groups=self.groups,
            seeds=self.seeds,
            classifier=self.build,
            classifier_steps=self.classifier_steps,
            class_names=names,
            data_name=labelled.path.name,
            **self.layout,
            **how,
        )

    def estimate(self) -> dict[str, float]:
        """Find out by a little work how long it would take, one run at a time.

        Returns
        -------
        facts : dict
            The number of "runs", the "generator_seconds" with the making of the
            images, and the "classifier_seconds"; whether these are the least that it
            takes, as steps were too slow to measure, "is_least".
        """
        images, labels = self.labelled.images, self.labelled.labels
        to_model_range = find_format(images, **self.layout).to_model_range
        indices = np.unique(labels, return_inverse=True)[1]
        rows = TrainingRows(images, indices, int(indices.max()) + 1, to_model_range)
        limit = Limit()
        n_steps = self.classifier_steps
        classifying = estimate_classifier(self.build, rows, n_steps, limit)
        generating, is_least = 0.0, False
        samplers = {id(method.sampler): method.sampler for method in self.methods}
        for sampler in samplers.values():
            targets = self.labelled.targets
            if isinstance(sampler, PhotoAugmenter):
                images = resize_images(self.labelled.images, sampler.size)
                sampler = sampler.augmenter
            if isinstance(sampler, ConditionalGANAugmenter):
                cost = estimate_cost(sampler, images, targets, self.n_images, limit)
                is_least |= cost.is_least
                generating += cost.training_seconds + cost.judging_seconds
                generating += cost.synthesis_seconds
        n_rounds = self.seeds * (self.folds or 1)
        return {
            "runs": len(self.methods) * n_rounds,
            "generator_seconds": generating * n_rounds,
            "classifier_seconds": classifying * len(self.methods) * n_rounds,
            "is_least": is_least,
        }


def _make_augmenter(size: tuple[int, int] | None, settings: Mapping[str, Any]) -> Any:
    """Return what the methods called "cgan" add images by."""
    augmenter = make_augmenter(settings, verbose=0)
    return augmenter if size is None else PhotoAugmenter(augmenter, size)
