"""A judge for sets too small to train a network on: linear, on principal components.

It has the face of :class:`balancegan.gan.judge.Judge`.
"""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from balancegan.attributes import Classes, sizes_of, unravel

MOST_COMPONENTS = 32
IMPOSSIBLE = -1e4  # the logit of a value that no training image has


class SimpleJudge:
    """Logistic regression on principal components of the pixels.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).
    n_classes : int or tuple of int
        Number of classes; of several attributes, how many values each has.
    to_model_range : callable
        Turns rows as the user holds them into float32 in [-1, 1].
    seed : int
        Seed.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: Classes,
        to_model_range: Callable[[np.ndarray], np.ndarray],
        seed: int,
    ) -> None:
        self.image_shape, self.sizes = image_shape, sizes_of(n_classes)
        self.to_model_range, self.seed = to_model_range, seed
        self.classifiers: list[LogisticRegression | int] = []

    def train(
        self, images: np.ndarray, class_indices: np.ndarray, n_steps: int | None = None
    ) -> None:
        """Learn from real images, each class weighing the same.

        Parameters
        ----------
        images : ndarray of shape (n, ...)
            In the user's layout and range.
        class_indices : ndarray of shape (n,), int
            Their classes.
        n_steps : int or None, default=None
            Of no effect: there are no steps. It is there for the networks' sake.
        """
        del n_steps
        rows = self._flatten(images)
        n_components = min(MOST_COMPONENTS, *rows.shape)
        self.components = PCA(n_components, random_state=self.seed).fit(rows)
        features = self.components.transform(rows)
        # One scale for all, so that distances stay those between images
        self.scale = float(features.std()) or 1.0
        self.classifiers = [
            _fit(features / self.scale, values)
            for values in unravel(class_indices, self.sizes)
        ]

    def look_at(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features (n, n_components) and logits (n, all values) of images."""
        if not len(images):
            n_features = self.components.n_components_
            return np.empty((0, n_features)), np.empty((0, sum(self.sizes)))
        features = self.components.transform(self._flatten(images)) / self.scale
        logits = np.full((len(images), sum(self.sizes)), IMPOSSIBLE)
        start = 0
        for classifier, size in zip(self.classifiers, self.sizes, strict=True):
            if isinstance(classifier, int):
                logits[:, start + classifier] = 0.0
            else:
                columns = start + classifier.classes_
                logits[:, columns] = classifier.predict_log_proba(features)
            start += size
        return features, logits

    def _flatten(self, images: np.ndarray) -> np.ndarray:
        return self.to_model_range(images).reshape(len(images), -1)


def _fit(features: np.ndarray, values: np.ndarray) -> LogisticRegression | int:
    """Return a classifier, or the only value that there is."""
    if len(np.unique(values)) == 1:
        return int(values[0])
    classifier = LogisticRegression(class_weight="balanced", max_iter=1_000)
    return classifier.fit(features, values)
