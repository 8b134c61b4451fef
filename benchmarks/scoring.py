"""Scores of synthetic images by a classifier that belongs to the measuring.

The reference is a Keras classifier of images in [-1, 1], trained on ALL real training
images, with a layer named "feat" before its logits. Nothing that trains, selects or
stops may use it, or the test images.
"""

import keras
import numpy as np
from scipy.linalg import eigvals
from scipy.spatial.distance import cdist

NEIGHBOURS = 5
NEAR_COPY_QUANTILE = 0.05  # of held-out images' distances to the training images


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
        limit = np.quantile(nearest(real, own), NEAR_COPY_QUANTILE)
        figures = {
            "intra_fd": frechet(features, real_features),
            "agreement": np.mean(logits.argmax(axis=1) == class_index),
            "real_agreement": self.test_agrees[of_class].mean(),
            "diversity": images.std(axis=0).mean() / real.std(axis=0).mean(),
            "density": density,
            "coverage": coverage,
            "near_copies": np.mean(nearest(images, own) < limit),
            "real_near_copies": NEAR_COPY_QUANTILE,
        }
        return {name: round(float(value), 3) for name, value in figures.items()}


def frechet(a, b):
    """Fréchet distance of two Gaussians fitted to features a and b (n, f)."""
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    # The trace of the square root of the product, stable where it is singular
    root = np.sqrt(np.clip(eigvals(cov_a @ cov_b).real, 0, None)).sum()
    means = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return means + np.trace(cov_a) + np.trace(cov_b) - 2 * root


def density_and_coverage(real, synthetic):
    """Naeem et al. 2020, https://arxiv.org/abs/2002.09797, equations 5 and 6."""
    among_real = np.sort(cdist(real, real), axis=1)
    radii = among_real[:, NEIGHBOURS]  # column 0 is the image itself
    between = cdist(real, synthetic)
    density = (between < radii[:, None]).sum() / (NEIGHBOURS * len(synthetic))
    coverage = np.mean(between.min(axis=1) < radii)
    return density, coverage


def nearest(images, others):
    """Distance of each image to the nearest of others, in pixels."""
    flat = [x.reshape(len(x), -1).astype("float32") for x in (images, others)]
    return cdist(*flat).min(axis=1)
