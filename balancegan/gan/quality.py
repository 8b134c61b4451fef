"""The quality of generated images, compared with real ones of their class.

Three figures, for the three ways in which a conditional GAN fails: images of another
class (agreement), nearly identical images (diversity), and images unlike real ones
(distance).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.distance import cdist

from balancegan.balance import FEW_SHOT
from balancegan.gan.checkpoint import State
from balancegan.gan.model import TrainedModel

if TYPE_CHECKING:
    from balancegan.gan.judge import Judge

CHUNK = 256  # images held as floats
MAX_WATCHED = 10  # classes
MAX_WATCHED_COMBINATIONS = 20  # of several attributes
FEWEST_IMAGES = 5  # of a combination that is watched
SYNTHETIC_PER_CLASS = 64
MAX_REAL_PER_CLASS = 500
JUDGE_SEED_OFFSET = 7_919
SHARE_OF_STEPS = 1 / 3  # enough to distinguish the classes; training waits for it


def diversity_ratio(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the variation of synthetic images as a share of that of real ones.

    The variation is the standard deviation over the images, averaged over the pixels.
    NaN if real images do not vary.

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
    """Return the standard deviation over images, averaged over the pixels."""
    # Chunk by chunk: numpy's std would hold all images as float64
    mean = images.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(images), CHUNK):
        squares += ((images[start : start + CHUNK] - mean) ** 2).sum(axis=0)
    return float(np.sqrt(squares / len(images)).mean())


def energy_coefficient(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the distance of two samples (n, n_features): 0 for equal distributions.

    The coefficient of inhomogeneity of Szekely and Rizzo 2013,
    https://doi.org/10.1016/j.jspi.2013.03.018, section 4: the energy distance divided
    by twice the mean distance between the samples, 1 at most. Unlike Fréchet's distance
    it needs no covariance, which 40 images cannot provide. It is unbiased, so it may be
    slightly below 0.

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
    """Return the mean distance of two different rows; 0 for a single row."""
    n = len(rows)
    return float(cdist(rows, rows).sum() / (n * (n - 1))) if n > 1 else 0.0


class QualityMeter:
    """Measures a generator's images of the few-shot classes.

    The judge is trained when first needed. Images 0 to 63 of each class are measured,
    which users get first. The model's generator may be in training.
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
        """Return the three figures of each watched class.

        Returns
        -------
        rows : list of dict
            "class": the user's label; "agreement": share of images that the judge
            assigns to the class; "diversity": see :func:`diversity_ratio`; "distance":
            :func:`energy_coefficient` of the judge's features. With several attributes
            "agreement" is the mean of "agreement_NAME" over them.
        """
        if self.judge is None:
            self.judge = self._train_judge()
        return [self._measure_class(self.judge, index) for index in self.watched]

    def restore_judge(self, state: State) -> None:
        """Restore a judge that was trained before."""
        self.judge = self._new_judge()
        self.judge.restore(state)
        self._learn_real_features(self.judge)

    def _train_judge(self) -> "Judge":
        judge = self._new_judge()
        judge.train(self.images, self.class_indices, SHARE_OF_STEPS)
        self._learn_real_features(judge)
        return judge

    def _new_judge(self) -> "Judge":
        from balancegan.gan.judge import Judge  # imports TensorFlow

        return Judge(
            self.model.image_format.image_shape,
            self.model.attributes.sizes,
            self.model.image_format.to_model_range,
            # Another judge than the one whose features training may use
            self.model.seed + JUDGE_SEED_OFFSET,
        )

    def _learn_real_features(self, judge: "Judge") -> None:
        for index in self.watched:
            self.real_features[index], _ = judge.predict(self._real_images(index))

    def _real_images(self, index: int) -> np.ndarray:
        rows = np.flatnonzero(self.class_indices == index)[:MAX_REAL_PER_CLASS]
        return self.images[rows]

    def _measure_class(self, judge: "Judge", index: int) -> dict[str, Any]:
        synthetic = np.concatenate(
            list(self.model.make_images(index, 0, SYNTHETIC_PER_CLASS))
        )
        features, logits = judge.predict(synthetic)
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
    """Return the classes to watch, rarest first: those of at most 200 images.

    If there are none, the rarer half of the classes.

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
    """Return the combinations of attributes to watch, rarest first.

    They have at least 5 images: fewer say little about diversity.

    Examples
    --------
    >>> rare_combinations(np.array([0, 90, 3, 12, 7]))
    [4, 3, 1]
    """
    rarest_first = np.argsort(counts, kind="stable")
    enough = counts[rarest_first] >= min(FEWEST_IMAGES, counts.max())
    return rarest_first[enough][:MAX_WATCHED_COMBINATIONS].tolist()
