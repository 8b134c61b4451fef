"""The images that a sampler added: counts, fidelity, and strips to look at.

The test part is read here only after the sampler has finished.
"""

from base64 import b64encode
from typing import Any

import numpy as np

from balancegan.evaluation.fidelity import FidelityMeter, nearest_distances
from balancegan.evaluation.resampling import Resampled
from balancegan.evaluation.splits import Part
from balancegan.gan.judge import Judge
from balancegan.images import ImageFormat
from balancegan.pictures import encode_png, join_images
from balancegan.quality.likeness import count_equal, find_shared

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
    is_leaked : ndarray of shape (n_test,), bool
        Which test images occur in the training part; they are ignored.
    n_classes : int
        Number of classes.
    image_format : ImageFormat
        Of the images.
    seed : int
        Seed of the judge.
    is_candidate : bool
        Whether the fidelity is measured and strips are made.
    is_shown : bool
        Whether strips are made.

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


class Gallery:
    """Strips of the first images of the rarest classes, as PNG.

    Parameters
    ----------
    images, class_indices : ndarray
        The training part, in the user's layout and range.
    n_classes : int
        Number of classes.
    image_format : ImageFormat
        Of the images.
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
