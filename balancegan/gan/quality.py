"""How good synthetic images are, measured against real ones of their class.

Three figures, for the three ways in which a conditional GAN fails: images of another
class (agreement), images all alike (diversity), images unlike real ones (distance).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.distance import cdist

from balancegan.balance import FEW_SHOT
from balancegan.gan.model import TrainedModel
from balancegan.state import State

if TYPE_CHECKING:
    from balancegan.gan.judge import Judge

CHUNK = 256  # images held as floats
MAX_WATCHED = 10  # classes
MAX_WATCHED_COMBINATIONS = 20  # of several attributes
FEWEST_IMAGES = 5  # of a combination, to compare with
SYNTHETIC_PER_CLASS = 64
MAX_REAL_PER_CLASS = 500
JUDGE_SEED_OFFSET = 7_919
JUDGE_STEPS = 400  # enough to tell the classes apart; training waits for it


def diversity_ratio(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return how varied synthetic images are, as a share of how varied real ones are.

    Parameters
    ----------
    real, synthetic : ndarray of shape (n, ...)
        Images of one class.

    Returns
    -------
    ratio : float
        The standard deviation over the images, averaged over the pixels, of
        `synthetic` divided by that of `real`. NaN where real images do not vary.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> real = rng.normal(size=(500, 4, 4))
    >>> round(diversity_ratio(real, real / 2), 2)
    0.5
    """
    spread = _mean_spread(real)
    return _mean_spread(synthetic) / spread if spread else float("nan")


def _mean_spread(images: np.ndarray) -> float:
    """Return the standard deviation over images, averaged over the pixels.

    Some images at a time: numpy's would hold them all as float64.
    """
    mean = images.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(images), CHUNK):
        squares += ((images[start : start + CHUNK] - mean) ** 2).sum(axis=0)
    return float(np.sqrt(squares / len(images)).mean())


def energy_coefficient(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return how far apart two samples are distributed: 0 equally, 1 wholly apart.

    The coefficient of inhomogeneity of Szekely and Rizzo 2013,
    https://doi.org/10.1016/j.jspi.2013.03.018, section 4: the energy distance divided
    by twice the mean distance between the samples. Unlike Fréchet's distance it asks
    for no covariance, which 40 images do not give.

    Parameters
    ----------
    real, synthetic : ndarray of shape (n, n_features)
        Features of images of one class.

    Returns
    -------
    coefficient : float
        Without bias, so that it may lie a little below 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> first, second = rng.normal(size=(2, 400, 3))
    >>> abs(energy_coefficient(first, second)) < 0.01
    True
    >>> 0.8 < energy_coefficient(first, second + 20) < 1
    True
    """
    between = float(cdist(real, synthetic).mean())
    if not between:
        return 0.0
    return 1 - (_mean_distance(real) + _mean_distance(synthetic)) / (2 * between)


def _mean_distance(rows: np.ndarray) -> float:
    """Return the mean distance of two different rows; 0 where there is only one."""
    n = len(rows)
    return float(cdist(rows, rows).sum() / (n * (n - 1))) if n > 1 else 0.0


class QualityMeter:
    """Measures a generator's images of the few-shot classes.

    The judge is trained when first needed. The images measured are numbers 0 to 63
    of each class: those that users get first.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Real images of the training part, in the user's layout and range.
    class_indices : ndarray of shape (n,), int
        The class 0..K-1 of each image.
    model : TrainedModel
        Whose images are measured; its generator may be in training.
    """

    def __init__(
        self, images: np.ndarray, class_indices: np.ndarray, model: TrainedModel
    ) -> None:
        self.images, self.class_indices, self.model = images, class_indices, model
        counts = np.bincount(class_indices)
        one_label = len(model.attributes.names) == 1
        self.watched = (few_shot_classes if one_label else rare_combinations)(counts)
        self.judge: Judge | None = None
        self.real_features: dict[int, np.ndarray] = {}

    def measure(self) -> list[dict[str, Any]]:
        """Return the three figures for each class that is watched.

        Returns
        -------
        rows : list of dict
            "class": the user's label; "agreement": share of images that the judge
            puts in the class; "diversity": see :func:`diversity_ratio`; "distance":
            :func:`energy_coefficient` of the judge's features. Of several attributes
            "agreement" is the mean over those of each, "agreement_NAME".
        """
        if self.judge is None:
            self.judge = self._train_judge()
        return [self._measure_class(self.judge, index) for index in self.watched]

    def adopt_judge(self, state: State) -> None:
        """Measure by a judge that was trained before."""
        self.judge = self._new_judge()
        self.judge.restore(state)
        self._look_at_real_images(self.judge)

    def _train_judge(self) -> "Judge":
        judge = self._new_judge()
        judge.train(self.images, self.class_indices, JUDGE_STEPS)
        self._look_at_real_images(judge)
        return judge

    def _new_judge(self) -> "Judge":
        from balancegan.gan.judge import Judge  # imports TensorFlow

        return Judge(
            self.model.image_format.image_shape,
            self.model.attributes.sizes,
            self.model.image_format.to_model_range,
            # Not the judge whose features the generator may be trained on
            self.model.seed + JUDGE_SEED_OFFSET,
        )

    def _look_at_real_images(self, judge: "Judge") -> None:
        for index in self.watched:
            self.real_features[index], _ = judge.look_at(self._real_images(index))

    def _real_images(self, index: int) -> np.ndarray:
        rows = np.flatnonzero(self.class_indices == index)[:MAX_REAL_PER_CLASS]
        return self.images[rows]

    def _measure_class(self, judge: "Judge", index: int) -> dict[str, Any]:
        synthetic = np.concatenate(
            list(self.model.make_images(index, 0, SYNTHETIC_PER_CLASS))
        )
        features, logits = judge.look_at(synthetic)
        real = self._real_images(index)
        agreement = judge.agreement(logits, index)
        names = self.model.attributes.names if len(agreement) > 1 else ()
        return {
            "class": self.model.attributes.label(index),
            "agreement": float(np.mean(agreement)),
            **{f"agreement_{name}": agreement[i] for i, name in enumerate(names)},
            "diversity": diversity_ratio(real, synthetic),
            "distance": energy_coefficient(self.real_features[index], features),
        }


def few_shot_classes(counts: np.ndarray) -> list[int]:
    """Return the classes to watch: at most 200 images, the rarest first.

    Where no class has so few, the rarer half.

    Examples
    --------
    >>> few_shot_classes(np.array([4000, 60, 200, 40, 201]))
    [3, 1, 2]
    >>> few_shot_classes(np.array([900, 300, 500]))
    [1]
    """
    rarest_first = np.argsort(counts, kind="stable")
    n_few = int((counts <= FEW_SHOT).sum()) or max(1, len(counts) // 2)
    return rarest_first[: min(n_few, MAX_WATCHED)].tolist()


def rare_combinations(counts: np.ndarray) -> list[int]:
    """Return the combinations of attributes to watch, the rarest first.

    Those of at least 5 images: fewer say little about how varied images should be.

    Examples
    --------
    >>> rare_combinations(np.array([0, 90, 3, 12, 7]))
    [4, 3, 1]
    """
    rarest_first = np.argsort(counts, kind="stable")
    enough = counts[rarest_first] >= min(FEWEST_IMAGES, counts.max())
    return rarest_first[enough][:MAX_WATCHED_COMBINATIONS].tolist()
