"""Strips of images to look at beside a comparison's figures: small PNGs as text.

Real images, synthetic ones, and below each synthetic one the real training image that
it comes nearest to. Which ones is not chosen: the first.
"""

from base64 import b64encode

import numpy as np

from balancegan.evaluation.fidelity import nearest_distances
from balancegan.images import ImageFormat
from balancegan.pictures import encode_png, join_images

SHOWN = 8  # images in a strip
SHOWN_CLASSES = 20  # the rarest ones, so that a report of many classes stays small
MOST_PIXELS = 64  # longer sides are scaled down to it

Strips = dict[str, dict[str, str]]  # class index, kind: PNG in base64


class Gallery:
    """Makes the strips of one split.

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
        self.shown = sorted(np.argsort(counts, kind="stable")[:SHOWN_CLASSES].tolist())

    def show_real(self) -> Strips:
        """Return a strip "real" of each class shown."""
        return {
            str(index): {"real": self._strip(self._real(index)[:SHOWN])}
            for index in self.shown
        }

    def show_synthetic(self, added: np.ndarray, class_indices: np.ndarray) -> Strips:
        """Return strips "synthetic" and "nearest" of the classes that have new images.

        Parameters
        ----------
        added, class_indices : ndarray
            New images, in the user's layout and range, and their classes.
        """
        strips: Strips = {}
        for index in self.shown:
            images = added[class_indices == index][:SHOWN]
            if len(images):
                real = self._real(index)
                nearest = real[nearest_distances(images, real)[1]]
                strips[str(index)] = {
                    "synthetic": self._strip(images),
                    "nearest": self._strip(nearest),
                }
        return strips

    def _real(self, index: int) -> np.ndarray:
        return self.images[self.class_indices == index]

    def _strip(self, images: np.ndarray) -> str:
        strip = join_images(self.image_format.to_shown(images), MOST_PIXELS)
        return b64encode(encode_png(strip)).decode()
