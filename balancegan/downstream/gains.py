"""What some training rows gain on others, and how sure that is.

Asked about the same images, trained with the same seeds: a gain is a mean of paired
differences, and another draw of the images or of the seeds might have given another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

CONFIDENCE = 0.9  # one-sided


@dataclass(frozen=True)
class Gain:
    """A gain, and what it is at least, nine times in ten."""

    mean: float
    at_least: float


def mean_of_classes(better: np.ndarray, class_indices: np.ndarray) -> np.ndarray:
    """Return the mean over classes of each seed's differences.

    Parameters
    ----------
    better : ndarray of shape (n_seeds, n_images)
        Differences of images.
    class_indices : ndarray of shape (n_images,), int
        Their classes; every class counts the same.

    Returns
    -------
    means : ndarray of shape (n_seeds,)
    """
    own = [better[:, class_indices == c].mean(axis=1) for c in np.unique(class_indices)]
    means: np.ndarray = np.mean(own, axis=0)
    return means


def measure_gain(
    better: np.ndarray,
    class_indices: np.ndarray,
    alike: Sequence[np.ndarray] = (),
    n_looks: int = 1,
) -> Gain:
    """Return the mean over classes of differences, and a lower bound of it.

    Its variance is that of images within each class, and of seeds. Three seeds say
    little of their variance, and of several candidates the one would be chosen that
    seems to have none by chance: so it is pooled over all tried more than once.
    Degrees of freedom by Satterthwaite (1946, https://doi.org/10.2307/3002019).

    Parameters
    ----------
    better : ndarray of shape (n_seeds, n_images)
        Differences of images.
    class_indices : ndarray of shape (n_images,), int
        Their classes.
    alike : sequence of ndarray of shape (at least 2, n_images), default=()
        Those of all candidates whose seeds differ as much, this one among them. Empty:
        this one alone.
    n_looks : int, default=1
        In how many ways these images were looked at to find what is measured, which
        makes it look better than it is; the bound is moved down (Bonferroni).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> better = rng.normal(0.1, 0.2, size=(3, 40))
    >>> gain = measure_gain(better, np.repeat([0, 1], 20))
    >>> bool(0 < gain.at_least < gain.mean)
    True
    """
    classes, counts = np.unique(class_indices, return_counts=True)
    of_images = better.mean(axis=0)
    variances, freedoms = [], []
    for index, n in zip(classes, counts, strict=True):
        own = of_images[class_indices == index]
        # A single image tells nothing of how much others would differ from it: as much
        # as it does from no gain, or as images of all classes do
        variance = own.var(ddof=1) if n > 1 else max(own[0] ** 2, of_images.var())
        variances.append(variance / n / len(classes) ** 2)
        freedoms.append(max(n - 1, 1))
    by_seed = mean_of_classes(better, class_indices)
    if len(by_seed) > 1:
        pool = [mean_of_classes(each, class_indices) for each in alike] or [by_seed]
        variances.append(np.mean([each.var(ddof=1) for each in pool]) / len(by_seed))
        freedoms.append(sum(len(each) - 1 for each in pool))
    mean, error = float(by_seed.mean()), float(np.sqrt(np.sum(variances)))
    if not error:
        return Gain(mean, mean)
    freedom = error**4 / np.sum(np.square(variances) / freedoms)
    tail = (1 - CONFIDENCE) / n_looks
    return Gain(mean, mean - float(student.isf(tail, freedom)) * error)
