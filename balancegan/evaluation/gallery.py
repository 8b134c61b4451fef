"""Strips of images to look at next to a comparison's figures: small PNGs as text.

Real images, copies of them, synthetic ones, and below each synthetic one the real
training image that it comes nearest to. Which ones is not chosen: the first.
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

    def show_added(
        self, added: np.ndarray, class_indices: np.ndarray, is_again: np.ndarray
    ) -> Strips:
        """Return strips of the classes that have new images.

        Parameters
        ----------
        added, class_indices : ndarray
            New images, in the user's layout and range, and their classes.
        is_again : ndarray of bool
            Which of them are copies of real images, shifted or not.

        Returns
        -------
        strips : dict
            By class "synthetic" and "nearest", "copied", or all three.
        """
        strips: Strips = {}
        for index in self.shown:
            of_class = class_indices == index
            made = added[of_class & ~is_again][:SHOWN]
            copied = added[of_class & is_again][:SHOWN]
            shown = {}
            if len(made):
                real = self._real(index)
                nearest = real[nearest_distances(made, real)[1]]
                shown = {
                    "synthetic": self._strip(made),
                    "nearest": self._strip(nearest),
                }
            if len(copied):
                shown["copied"] = self._strip(copied)
            if shown:
                strips[str(index)] = shown
        return strips

    def _real(self, index: int) -> np.ndarray:
        return self.images[self.class_indices == index]

    def _strip(self, images: np.ndarray) -> str:
        strip = join_images(self.image_format.to_uint8(images), MOST_PIXELS)
        return b64encode(encode_png(strip)).decode()
