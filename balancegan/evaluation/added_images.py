"""The images that a sampler added: counts, fidelity, and strips to look at.

The test part is read here only after the sampler has finished.
"""

from base64 import b64encode
from typing import Any

import numpy as np
from scipy.linalg import eigvals
from sklearn.neighbors import NearestNeighbors

from balancegan.evaluation.resampling import Resampled
from balancegan.evaluation.splits import Part
from balancegan.gan.judge import Judge
from balancegan.gan.quality import diversity_ratio
from balancegan.images import ImageFormat
from balancegan.pictures import encode_png, join_images
from balancegan.quality.likeness import count_equal, find_shared

NEIGHBOURS = 5
NEAR_COPY_QUANTILE = 0.05  # of held-out images' distances to the training images
FEWEST_IMAGES = 2 * NEIGHBOURS  # of a class, on either side, to say anything about it
MAX_MEASURED = 300  # added images of a class whose fidelity is measured
STRIP_LENGTH = 8  # images
MAX_STRIP_CLASSES = 20  # the rarest ones; keeps reports of many classes small
MAX_STRIP_SIDE = 64  # pixels; larger images are reduced

Strips = dict[str, dict[str, str]]  # by class index and kind: PNG in base64


def describe_added(
    resampled: Resampled,
    train: Part,
    test: Part,
    is_leaked: np.ndarray,
    n_classes: int,
    image_format: ImageFormat,
    seed: int,
    *,
    is_candidate: bool,
    is_shown: bool,
) -> dict[str, Any]:
    """Return facts about the added images. Copies of real images are only counted.

    Parameters
    ----------
    resampled : Resampled
        What the sampler returned, with the class indices that classifiers learn.
    train, test : tuple of ndarray
        Images and class indices of both parts.
    leaks : Leaks
        Test images that occur in the training part; they are ignored.
    n_classes, image_format, seed
        Of the judge.
    is_candidate, is_shown : bool
        Whether fidelity is measured, and whether strips are made too.

    Returns
    -------
    facts : dict
        "counts": all images ("n"), those equal to a training or test image, those
        measured and those close to a test image. "classes": a dict for each class with
        "n_added" and its fidelity. "pictures": strips.
    """
    is_made = resampled.is_new & ~resampled.is_copy
    images, classes = resampled.images[is_made], resampled.class_indices[is_made]
    # A sampler need not have seen test images that are also in the training part
    unleaked, unleaked_classes = (side[~is_leaked] for side in test)
    counts = {
        "n": len(images),
        "n_equal_train": count_equal(images, train[0]),
        "n_equal_test": count_equal(images, unleaked),
        "n_measured": 0,
        "n_near_test": 0,
    }
    fidelity: list[dict[str, Any]] = [{} for _ in range(n_classes)]
    if len(images) and len(unleaked) and is_candidate:
        measured = _spread_out(classes, n_classes, MAX_MEASURED)
        images, classes = images[measured], classes[measured]
        judge = Judge(
            image_format.image_shape, n_classes, image_format.to_model_range, seed
        )
        judge.train(*train)
        meter = FidelityMeter(judge, train, (unleaked, unleaked_classes))
        for index in range(n_classes):
            fidelity[index] = meter.measure(images[classes == index], index) or {}
        counts["n_measured"] = len(images)
        _, is_near = find_shared(
            *map(image_format.to_channels_last, (images, unleaked)), is_strict=True
        )
        counts["n_near_test"] = int(is_near.sum())

    added = resampled.class_indices[resampled.is_new]
    n_added = np.bincount(added, minlength=n_classes)
    pictures: Strips = {}
    if is_shown and is_candidate:
        pictures = Gallery(*train, n_classes, image_format).show_added(
            resampled.images[resampled.is_new],
            added,
            resampled.is_copy[resampled.is_new],
        )
    return {
        "counts": counts,
        "classes": [
            {"n_added": int(n), **of_class}
            for n, of_class in zip(n_added, fidelity, strict=True)
        ],
        "pictures": pictures,
    }


def _spread_out(class_indices: np.ndarray, n_classes: int, most: int) -> np.ndarray:
    """Return at most `most` rows of each class, evenly spread."""
    rows = [np.flatnonzero(class_indices == index) for index in range(n_classes)]
    return np.concatenate(
        [r[np.linspace(0, len(r) - 1, min(most, len(r)), dtype=int)] for r in rows]
    )


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Fréchet distance between Gaussians fitted to two sets of features.

    Dowson and Landau 1982, https://doi.org/10.1016/0047-259X(82)90077-X, equation 4.
    It grows with fewer rows, so compare sets of the same sizes only.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(frechet_distance(rows, rows + [2, 0, 0]), 6)
    4.0
    """
    a, b = (np.atleast_2d(np.cov(features.T)) for features in (first, second))
    # The trace of the square root of the product, stable where it is singular
    root = np.sqrt(np.clip(eigvals(a @ b).real, 0, None)).sum()
    means = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    return float(means + np.trace(a) + np.trace(b) - 2 * root)


def density_and_coverage(
    real: np.ndarray, synthetic: np.ndarray
) -> tuple[float, float]:
    """Return the density and the coverage of synthetic images among real ones.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797, equations 5 and 6, with five
    neighbours. For as many images like real ones, a density of 1 and a coverage of
    1 - 2**-5 are expected.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> density_and_coverage(rows, rows + 1_000)
    (0.0, 0.0)
    """
    # The nearest of the real images is the image itself
    among_real = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(real)
    radii = among_real.kneighbors(real)[0][:, -1]
    nearest = NearestNeighbors(n_neighbors=1).fit(synthetic)
    coverage = float(np.mean(nearest.kneighbors(real)[0][:, 0] < radii))
    inside = sum(
        int((np.linalg.norm(synthetic - row, axis=1) < radius).sum())
        for row, radius in zip(real, radii, strict=True)
    )
    return inside / (NEIGHBOURS * len(synthetic)), coverage


def nearest_distances(
    images: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each image's Euclidean distance to the nearest of others, and its row.

    Examples
    --------
    >>> nearest_distances(np.array([[0.0], [9.0]]), np.array([[8.0], [2.0]]))
    (array([2., 1.]), array([1, 0]))
    """
    flat = [rows.reshape(len(rows), -1).astype("float32") for rows in (images, others)]
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat[1])
    distances, rows = search.kneighbors(flat[0])
    return distances[:, 0], rows[:, 0]


def share_of_near_copies(
    synthetic: np.ndarray, training: np.ndarray, held_out: np.ndarray
) -> float:
    """Return the share of synthetic images that are too close to a training image.

    Too close: closer than 95 % of the held-out images that are not in the training
    part. A generator that memorised the class has a share far above 0.05. NaN if all
    held-out images are in the training part.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> training, held_out = rng.normal(size=(2, 50, 9))
    >>> share_of_near_copies(training + 0.01, training, held_out)
    1.0
    """
    usual = nearest_distances(held_out, training)[0]
    usual = usual[usual > 0]
    if not len(usual):
        return float("nan")
    limit = np.quantile(usual, NEAR_COPY_QUANTILE)
    return float(np.mean(nearest_distances(synthetic, training)[0] < limit))


class FidelityMeter:
    """Measures the synthetic images of each class against held-out real ones.

    The judge is trained on the training part alone. Both parts are images, in the
    user's layout and range, and their class indices.
    """

    def __init__(
        self,
        judge: Judge,
        training: tuple[np.ndarray, np.ndarray],
        held_out: tuple[np.ndarray, np.ndarray],
    ) -> None:
        self.judge, self.training, self.held_out = judge, training, held_out
        self.held_out_features, logits = judge.predict(held_out[0])
        self.held_out_agrees = logits.argmax(axis=1) == held_out[1]

    def measure(self, images: np.ndarray, class_index: int) -> dict[str, Any] | None:
        """Return the fidelity of the synthetic images of one class.

        Returns
        -------
        metrics : dict or None
            "agreement" and "real_agreement" (the share of synthetic, and of held-out
            images, that the judge assigns to the class), "frechet_distance",
            "density", "coverage", "diversity" (see
            :func:`balancegan.gan.quality.diversity_ratio`) and "near_copies". None
            with fewer than ten images on one side.
        """
        of_class = self.held_out[1] == class_index
        real = self.held_out[0][of_class]
        if min(len(images), len(real)) < FEWEST_IMAGES:
            return None
        features, logits = self.judge.predict(images)
        real_features = self.held_out_features[of_class]
        density, coverage = density_and_coverage(real_features, features)
        training = self.training[0][self.training[1] == class_index]
        return {
            "agreement": float(np.mean(logits.argmax(axis=1) == class_index)),
            "real_agreement": float(self.held_out_agrees[of_class].mean()),
            "frechet_distance": frechet_distance(features, real_features),
            "density": density,
            "coverage": coverage,
            "diversity": diversity_ratio(real, images),
            "near_copies": share_of_near_copies(images, training, real),
        }


class Gallery:
    """Strips of the first images of the rarest classes, as PNG.

    `images` and `class_indices` are the training part, in the user's layout and range.
    """

    def __init__(
        self,
        images: np.ndarray,
        class_indices: np.ndarray,
        n_classes: int,
        image_format: ImageFormat,
    ) -> None:
        self.images, self.class_indices = images, class_indices
        self.image_format = image_format
        counts = np.bincount(class_indices, minlength=n_classes)
        rarest = np.argsort(counts, kind="stable")[:MAX_STRIP_CLASSES]
        self.shown = sorted(rarest.tolist())

    def show_real(self) -> Strips:
        """Return a strip "real" of each class shown."""
        return {str(k): {"real": self._strip(self._real(k))} for k in self.shown}

    def show_added(
        self, added: np.ndarray, class_indices: np.ndarray, is_copy: np.ndarray
    ) -> Strips:
        """Return strips "synthetic", "nearest" and "copied" of classes that have any.

        "nearest" shows the closest training image of each synthetic one.
        """
        strips: Strips = {}
        for index in self.shown:
            of_class = class_indices == index
            made = added[of_class & ~is_copy][:STRIP_LENGTH]
            copied = added[of_class & is_copy]
            shown = {}
            if len(made):
                real = self._real(index)
                nearest = real[nearest_distances(made, real)[1]]
                shown["synthetic"] = self._strip(made)
                shown["nearest"] = self._strip(nearest)
            if len(copied):
                shown["copied"] = self._strip(copied)
            if shown:
                strips[str(index)] = shown
        return strips

    def _real(self, index: int) -> np.ndarray:
        return self.images[self.class_indices == index]

    def _strip(self, images: np.ndarray) -> str:
        shown = self.image_format.to_uint8(images[:STRIP_LENGTH])
        return b64encode(encode_png(join_images(shown, MAX_STRIP_SIDE))).decode()
