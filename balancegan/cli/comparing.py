"""A comparison of a file's images: what it would cost, and running it.

For the command line, as `balancing` is: plain values in, a result out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from balancegan.augmenter import ConditionalGANAugmenter
from balancegan.balance import class_counts
from balancegan.cli.estimate import Limit, estimate_classifier, estimate_cost
from balancegan.cli.tasks import Task
from balancegan.downstream.classifiers import CLASSIFIERS, N_STEPS, TrainingRows
from balancegan.evaluation.arms import default_augmenter, find_arms
from balancegan.evaluation.comparison import compare
from balancegan.evaluation.result import EvaluationResult
from balancegan.evaluation.splits import DEFAULT_FOLDS, find_splits
from balancegan.images import find_format

# Settings that are not the comparison's: it has seeds of its own
UNCOMPARED = ("random_state", "log_dir", "tensorboard", "verbose")


class Comparison:
    """Arms by name, on a file's own test part or on folds of its training part.

    Parameters
    ----------
    task : Task
        The training part, and what arms that train a generator do.
    arms : sequence of str or None
        As in :func:`balancegan.evaluation.arms.find_arms`.
    folds : int or None
        Number of folds. None: none where there is a test part and no groups, else five.
    groups : ndarray or None
        Groups that no fold tears apart.
    seeds : int
        How many.
    classifier : str
        A key of :data:`balancegan.downstream.classifiers.CLASSIFIERS`.
    classifier_steps : int or None
        Its training steps. None: the default.

    Raises
    ------
    DataError
        If arms, test part, folds or groups cannot be used.
    """

    def __init__(
        self,
        task: Task,
        arms: Sequence[str] | None,
        *,
        folds: int | None,
        groups: np.ndarray | None,
        seeds: int,
        classifier: str,
        classifier_steps: int | None,
    ) -> None:
        self.labelled, self.is_validated = task.labelled, task.is_validated
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
        self.arms = find_arms(arms, lambda: default_augmenter(**augmenter))
        self.groups, self.seeds = groups, seeds
        self.folds = (folds or DEFAULT_FOLDS) if self.test_part is None else None
        self.build = CLASSIFIERS[classifier]
        self.classifier_steps = classifier_steps or N_STEPS

    def run(self, **how: Any) -> EvaluationResult:
        """Compare the arms; `how` is passed on to :func:`compare`."""
        labelled = self.labelled
        names = [labelled.name(label) for label in class_counts(labelled.labels)]
        X_test, y_test = self.test_part or (None, None)
        return compare(
            self.arms,
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
        samplers = {id(arm.sampler): arm.sampler for arm in self.arms}
        for sampler in samplers.values():
            if isinstance(sampler, ConditionalGANAugmenter):
                if self.is_validated:
                    generating += 60 * sampler.validation_minutes
                targets = self.labelled.targets
                cost = estimate_cost(sampler, images, targets, self.n_images, limit)
                is_least |= cost.is_least
                generating += cost.training_seconds + cost.judging_seconds
                generating += cost.synthesis_seconds
        n_rounds = self.seeds * (self.folds or 1)
        return {
            "runs": len(self.arms) * n_rounds,
            "generator_seconds": generating * n_rounds,
            "classifier_seconds": classifying * len(self.arms) * n_rounds,
            "is_least": is_least,
        }
