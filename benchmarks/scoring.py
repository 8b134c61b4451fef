"""Scores of synthetic images by a classifier that belongs to the measuring.

The reference is a Keras classifier of images in [-1, 1], trained on ALL real training
images, with a layer named "feat" before its logits. Nothing that trains, selects or
stops may use it, or the test images.
"""

import keras
import numpy as np

from balancegan.evaluation.added_images import (
    NEAR_COPY_QUANTILE,
    density_and_coverage,
    frechet_distance,
    share_of_near_copies,
)


class Scorer:
    """Measures images of each class against real test images of it.

    Parameters
    ----------
    reference : str
        File of the reference classifier.
    train, test : tuple of ndarray
        Images (n, height, width), uint8, and classes 0..K-1: what a generator was
        trained on, and the images that nothing has seen.
    """

    def __init__(self, reference, train, test):
        model = keras.models.load_model(reference)
        outputs = [model.get_layer("feat").output, model.output]
        self.network = keras.Model(model.input, outputs)
        self.train, self.test = train, test
        self.test_features, logits = self.look_at(test[0])
        self.test_agrees = logits.argmax(axis=1) == test[1]

    def look_at(self, images):
        rows = images.reshape(*images.shape[:3], -1).astype("float32") / 127.5 - 1
        return self.network.predict(rows, batch_size=500, verbose=0)

    def score(self, images, class_index):
        """Return the figures of one class; "real_" ones are of the test images."""
        features, logits = self.look_at(images)
        of_class = self.test[1] == class_index
        real, real_features = self.test[0][of_class], self.test_features[of_class]
        density, coverage = density_and_coverage(real_features, features)
        own = self.train[0][self.train[1] == class_index]
        figures = {
            "intra_fd": frechet_distance(features, real_features),
            "agreement": np.mean(logits.argmax(axis=1) == class_index),
            "real_agreement": self.test_agrees[of_class].mean(),
            "diversity": images.std(axis=0).mean() / real.std(axis=0).mean(),
            "density": density,
            "coverage": coverage,
            "near_copies": share_of_near_copies(images, own, real),
            "real_near_copies": NEAR_COPY_QUANTILE,
        }
        return {name: round(float(value), 3) for name, value in figures.items()}
