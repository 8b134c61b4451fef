"""The parts of an image set that is checked, and what is known of each image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from balancegan.containers import list_images
from balancegan.data.fitting import unfit_image
from balancegan.data.labelled import LabelledImages, column_name
from balancegan.data.photo_measures import open_photos
from balancegan.data.values import ImageValues
from balancegan.errors import DataError
from balancegan.quality.checks import list_some
from balancegan.targets import read_attributes, read_labelled, read_one_label

LARGEST_SIDE = 64  # pixels to which images of several sizes are brought


@dataclass(frozen=True, eq=False)
class ImagePart:
    """The training or the test images of a set, and what is known of each.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, channels)
        Integers, booleans or floats; NaN and infinity are found, not refused.
    labels : ndarray of shape (n,)
        Their labels.
    groups : ndarray of shape (n,), default=None
        What each image was taken from: a photo, a person, a batch. None: unknown.
    names : sequence of n str, default=None
        Names of the images, such as file names. None: their row numbers.
    sizes : ndarray of shape (n, 2), int, default=None
        Height and width of each image before all were brought to one size. None: it
        has not changed, or is unknown.
    photo : callable, default=None
        From a row to the image at its own size, of shape (height, width, 1 or 3),
        uint8. None: there is only `images`.
    files : sequence of Path, default=None
        The file of each image. None: there are none.
    """

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None
    names: Sequence[str] | None = None
    sizes: np.ndarray | None = None
    photo: Callable[[int], np.ndarray] | None = None
    files: Sequence[Path] | None = None


def check_part(part: ImagePart, which: str) -> None:
    """Raise DataError unless the arrays of a part (training or test) fit each other."""
    images = part.images
    if images.ndim not in (3, 4) or images.dtype.kind not in "iufb":
        raise DataError(
            "Images must be numbers of shape (n, height, width) or (n, height, width, "
            f"channels). Received: {which} images of shape {images.shape}, "
            f"{images.dtype}."
        )
    if not images[:1].size and len(images):
        raise DataError(
            "Images must have pixels. "
            f"Received: {which} images of shape {images.shape}."
        )
    for what in ("labels", "groups", "names", "sizes"):
        values = getattr(part, what)
        if values is not None and len(values) != len(images):
            raise DataError(
                f"There must be one entry of {what} for each image. Received: "
                f"{len(values)} {what} for {len(images)} {which} images."
            )


@dataclass(frozen=True, eq=False)
class ExaminedPart:
    """A part with the facts of each of its images."""

    part: ImagePart
    which: str  # "training " or "test ", as it comes before "image"
    values: ImageValues
    outside: np.ndarray  # (n,), bool: values far from the expected range
    fractional: np.ndarray  # (n,), bool: in 0 to 1, in a set of 0 to 255
    constant: np.ndarray  # (n,), bool

    @cached_property
    def bad_values(self) -> np.ndarray:
        """Which images have values that do not fit the set."""
        return ~self.values.finite | self.outside | self.fractional

    @cached_property
    def sound(self) -> np.ndarray:
        """Rows of images that can be compared: good values, and not constant."""
        return np.flatnonzero(~self.bad_values & ~self.constant)

    @cached_property
    def labels(self) -> list[Any]:
        """The label of each row, as a plain value."""
        return self.part.labels.tolist()

    def digest(self, row: int) -> bytes:
        """Return a digest of the photo at its own size; empty if there is none."""
        if self.part.photo is None:
            return b""
        pixels = self.part.photo(row)
        shape = repr(pixels.shape).encode()
        return shape + blake2b(pixels.tobytes(), digest_size=16).digest()

    def cite(self, row: int, *, with_part: bool = False) -> str:
        """Return the name of an image, or its row: "row 3", "test row 3".

        `with_part` also says "training row 3".
        """
        if self.part.names is not None:
            return str(self.part.names[row])
        return f"{self.which if with_part or self.which == 'test ' else ''}row {row}"

    def cite_all(self, rows: np.ndarray) -> str:
        """Return the names of up to five images."""
        return list_some([self.cite(row) for row in rows.tolist()])


def image_part(
    labelled: LabelledImages, split: str, group_key: str | None = None
) -> ImagePart:
    """Return a part of images that were read, as the checks take it."""
    part = labelled.parts[split]
    groups = photo = None
    if group_key is not None:
        known = {group_key, column_name(group_key)} & set(part.columns)
        if known or split == "train":
            groups = labelled.groups(group_key, split)
    if part.files is not None:
        photo = open_photos(part.files, labelled.file_range)
    return ImagePart(
        *(part.images, part.labels, groups, part.names, part.sizes, photo, part.files)
    )


def take_images(X: Any, y: Any) -> ImagePart:
    """Return images from memory with their labels."""
    X, y = read_labelled(X, y)
    several = read_attributes(y)
    if several is None:
        labels = np.asarray(read_one_label(y)[0])
    else:
        labels = several.joined(range(len(several.names)))
    images = list_images(X)
    if images is None:
        return ImagePart(np.asarray(X), labels)
    shapes = {image.shape[:2] if image.ndim > 1 else image.shape for image in images}
    pixels = [image[..., None] if image.ndim == 2 else image for image in images]
    if len({image.shape for image in pixels}) == 1:
        return ImagePart(np.stack(pixels), labels)
    if any(
        p.dtype != np.uint8 or p.shape[2:] not in ((1,), (3,), (4,)) for p in pixels
    ):
        raise DataError(
            "Images of several shapes must be uint8 of shape (height, width[, 1, 3 or "
            f"4]). Received: {len(shapes)} sizes, {pixels[0].dtype}. Bring them to one "
            "shape, or to uint8, first."
        )

    def show(row: int) -> np.ndarray:
        """Return the pixels of one image, in colour."""
        image = pixels[row][..., :3]
        return image.repeat(3, axis=2) if image.shape[2] == 1 else image

    sizes = np.array([image.shape[:2] for image in pixels])
    median = np.median(sizes, axis=0)
    height, width = np.maximum(4, np.rint(median * min(1, LARGEST_SIDE / median.max())))
    part = ImagePart(np.empty((len(pixels), 1, 1)), labels, sizes=sizes, photo=show)
    return resize_photos(part, (int(height), int(width), 3))


def resize_photos(part: ImagePart, row_shape: tuple[int, ...]) -> ImagePart:
    """Return images of several sizes resized to one; other images unchanged."""
    if part.photo is None or len(row_shape) < 3:
        return part
    height, width, channels = row_shape
    photos = (part.photo(row) for row in range(len(part.labels)))
    images = np.stack([unfit_image(p, (height, width), "stretch") for p in photos])
    return replace(part, images=images[..., :channels])
