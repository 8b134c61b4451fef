"""An image set with the facts that several checks need, each computed once."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from balancegan.balance import class_counts
from balancegan.data.image_parts import ExaminedPart, ImagePart, check_part
from balancegan.data.photo_measures import Measures, measure_photos
from balancegan.data.photo_votes import N_NEIGHBOURS, PhotoVotes, compare_photos
from balancegan.data.values import (
    OVERSHOOT,
    ImageValues,
    describe_values,
    find_usual_range,
    is_far_outside,
    is_fractional,
)
from balancegan.errors import DataError
from balancegan.images import ImageFormat, find_format
from balancegan.quality.checks import Outcome
from balancegan.quality.likeness import LEAST_IMAGES, NearSearch, number_equal
from balancegan.quality.photo_copies import find_photo_copies

# Share of the median contrast below which an image is constant: JPEG leaves traces
NO_CONTRAST = 0.02
LEAST_PHOTO = 48  # pixels a side, on average: smaller images are not checked as photos
MOST_COPIED = 5_000  # among which mirrored and cropped copies are sought: a minute
MOST_PHOTOS = 20_000  # that are measured: about two minutes
MOST_COMPARED = 10_000  # training photos that are compared with each other


class ExaminedSet:
    """The parts of an image set, and the facts that several checks need.

    Parameters
    ----------
    train, test : ImagePart, ImagePart or None
        The parts. None: checks of the test part do not apply.
    value_range : tuple of float or None, default=None
        The values of black and white. None: the range of nearly all images, if it is
        0 to 1, -1 to 1 or 0 to 255.
    name : callable, default=str
        From a label of either part to the name of the class.
    seed : int, default=0
        Seed of samples, which are drawn of more than about 24,000 images.
    image_shape : tuple of int, default=None
        See :func:`balancegan.images.find_format`.

    Raises
    ------
    DataError
        If there is no training image, or the arrays of a part do not fit each other.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 256, (9, 4, 4))
    >>> images[[5, 8]], images[6] = images[2], 0
    >>> examined = ExaminedSet(ImagePart(images, np.zeros(9)))
    >>> examined.equal_rows(examined.train), examined.train.constant.nonzero()[0]
    ([[2, 5, 8]], array([6]))
    """

    def __init__(
        self,
        train: ImagePart,
        test: ImagePart | None = None,
        *,
        value_range: tuple[float, float] | None = None,
        name: Callable[[Any], str] = str,
        seed: int = 0,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        check_part(train, "training")
        if test is not None:
            check_part(test, "test")
        if not len(train.images):
            raise DataError("There must be training images. Received: none.")
        self.value_range, self.seed = value_range, seed
        self.image_shape, self.name = image_shape, name
        values = describe_values(train.images)
        self.expected_range = value_range or find_usual_range(
            values, train.images.dtype
        )
        some = values.contrast[values.finite & (values.contrast > 0)]
        self._no_contrast = NO_CONTRAST * float(np.median(some)) if len(some) else 0
        self.train = self._examine(train, "training ", values)
        self.test = None
        if test is not None and len(test.images):
            self.test = self._examine(test, "test ", describe_values(test.images))
        self.counts = class_counts(train.labels)

    def _examine(
        self, part: ImagePart, which: str, values: ImageValues
    ) -> ExaminedPart:
        outside = fractional = np.zeros(len(part.images), dtype=bool)
        if self.expected_range is not None:
            overshoot = OVERSHOOT if self.value_range is None else 0.0
            outside = is_far_outside(values, self.expected_range, overshoot)
        if self.expected_range == (0, 255):
            fractional = is_fractional(values, part.images.dtype)
        bad = ~values.finite | outside | fractional
        constant = ~bad & (values.contrast <= self._no_contrast)
        return ExaminedPart(part, which, values, outside, fractional, constant)

    @property
    def parts(self) -> list[ExaminedPart]:
        """The parts that there are."""
        return [part for part in (self.train, self.test) if part is not None]

    @cached_property
    def image_format(self) -> ImageFormat:
        """Layout and range of the training images whose values are good."""
        images, bad = self.train.part.images, self.train.bad_values
        if 0 < bad.sum() < len(images):
            images = images[~bad]
        return find_format(images, self.image_shape, self.value_range, may_be_dim=True)

    # Equal images and near copies

    @cached_property
    def is_comparable(self) -> bool:
        """Whether test images have the size of training images."""
        shapes = {(*part.part.images.shape[1:], 1)[:3] for part in self.parts}
        return len(shapes) == 1

    @cached_property
    def numbers(self) -> list[np.ndarray]:
        """For the sound rows of each part a number that equal images share."""
        compared = self.parts if self.is_comparable else self.parts[:1]
        return self._number(compared)

    def equal_rows(self, part: ExaminedPart) -> list[list[int]]:
        """Return the rows of equal images of one part, two or more each, in order."""
        if part is self.train:
            return _group_equal(self.numbers[0], part.sound)
        numbers = self.numbers if self.is_comparable else self._number([part])
        return _group_equal(numbers[-1], part.sound)

    def _number(self, compared: list[ExaminedPart]) -> list[np.ndarray]:
        """Return a number that equal images share, for the sound rows of each part.

        Photos must also be equal at their own size: a file that was saved again may
        equal the original once both are scaled down.
        """
        numbers = number_equal(*(part.part.images for part in compared))
        numbers = [n[part.sound] for n, part in zip(numbers, compared, strict=True)]
        shared = np.bincount(np.concatenate(numbers)) > 1
        number_of: dict[tuple[int, bytes], int] = {}
        return [
            np.array(
                [
                    number_of.setdefault(
                        (n, part.digest(row) if shared[n] else b""), len(number_of)
                    )
                    for n, row in zip(found.tolist(), part.sound.tolist(), strict=True)
                ],
                dtype=np.int64,
            )
            for found, part in zip(numbers, compared, strict=True)
        ]

    @cached_property
    def search(self) -> NearSearch | None:
        """Search for near copies; None with fewer than five different images."""
        rows, _ = self._different(0)
        if len(rows) < LEAST_IMAGES:
            return None
        return NearSearch(self.train.part.images, rows, self.seed)

    @cached_property
    def photo_pairs(self) -> list[tuple[int, int]]:
        """Training photos that are mirrored, cropped or relit copies, not equal."""
        if self._are_photo_copies_unknown:
            return []
        rows, _ = self._different(0)
        pairs = find_photo_copies(self.measures[0].grey[rows])
        return [(int(rows[one]), int(rows[other])) for one, other in pairs]

    @cached_property
    def photo_pairs_across(self) -> list[tuple[int, int]]:
        """Pairs of a training and a test photo that are such copies."""
        if self._are_photo_copies_unknown or self.test is None:
            return []
        rows, _ = self._different(0)
        test_rows, theirs = self._different(1)
        test_rows = test_rows[~np.isin(theirs, self.numbers[0])]
        pairs = find_photo_copies(
            self.measures[0].grey[rows], self.measures[1].grey[test_rows]
        )
        first = {other: one for one, other in reversed(pairs)}
        return sorted((int(rows[a]), int(test_rows[b])) for b, a in first.items())

    @property
    def photo_copies_note(self) -> str:
        """Which changed copies count as near, besides those that were saved again."""
        if self.photo_refusal is not None and self.photo_refusal[0] != "not run":
            return ""
        if self._are_photo_copies_unknown:
            return (
                " Mirrored and cropped copies were not sought: more than "
                f"{MOST_COPIED:,} photos."
            )
        return " Mirrored, cropped and relit copies count, too."

    def _different(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first sound row of each different image, and its number."""
        numbers, first = np.unique(self.numbers[part], return_index=True)
        order = np.argsort(first)
        return self.parts[part].sound[first[order]], numbers[order]

    @property
    def _are_photo_copies_unknown(self) -> bool:
        most = max(len(part.part.images) for part in self.parts)
        return self.photo_refusal is not None or most > MOST_COPIED

    # Photos at their own size

    @cached_property
    def photo_refusal(self) -> tuple[Outcome, str] | None:
        """Why photos are not measured: outcome and message; None if they are."""
        try:
            height, width, _ = self.image_format.image_shape
        except DataError as error:
            return "not run", str(error)
        part = self.train.part
        side = (height * width) ** 0.5
        if part.photo is not None and part.sizes is not None:
            side = float(np.median(np.sqrt(part.sizes.prod(axis=1))))
        if side < LEAST_PHOTO:
            is_scaled = part.sizes is not None and part.photo is None
            message = (
                f"Images of about {side:.0f} pixels a side are too small to be checked "
                f"as photos (at least {LEAST_PHOTO})."
            )
            scaled = " They were scaled down when read." * is_scaled
            return "not applicable", message + scaled
        n = sum(len(part.part.images) for part in self.parts)
        if n > MOST_PHOTOS:
            return "not run", (
                f"{n:,} photos are more than {MOST_PHOTOS:,}, which takes minutes: "
                "inspect a part of them."
            )
        return None

    @cached_property
    def measures(self) -> list[Measures]:
        """Measures of the photos of each part."""
        return [
            measure_photos(self.photo_of(part), len(part.part.images))
            for part in self.parts
        ]

    @property
    def votes_refusal(self) -> tuple[Outcome, str] | None:
        """Why photos are not compared: outcome and message; None if they are."""
        if self.photo_refusal:
            return self.photo_refusal
        n = len(self.train.sound)
        if n <= N_NEIGHBOURS + 1:
            return "not run", f"{n} photos are too few to be compared."
        if n > MOST_COMPARED:
            return "not run", (
                f"{n:,} training photos are more than {MOST_COMPARED:,}, which takes "
                "minutes: inspect a part of them."
            )
        return None

    @cached_property
    def votes(self) -> PhotoVotes:
        """Comparison of all photos with the training photos."""
        features = [measures.features for measures in self.measures]
        labels = [part.labels for part in self.parts]
        return compare_photos(features, labels, self.train.sound, self.seed)

    def photo_of(self, part: ExaminedPart) -> Callable[[int], np.ndarray]:
        """Return a function from a row to its pixels, at their own size if known."""
        if part.part.photo is not None:
            return part.part.photo
        images = part.part.images
        image_format = self.image_format.like(images)

        def show(row: int) -> np.ndarray:
            """Return the pixels of one image, grey or in colour."""
            image = images[row : row + 1]
            if image.dtype.kind == "f":
                image = np.nan_to_num(image, nan=image_format.low)
            image = np.clip(image, image_format.low, image_format.high)
            (pixels,) = image_format.to_uint8(image)
            return pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., :1]

        return show


def _group_equal(numbers: np.ndarray, rows: np.ndarray) -> list[list[int]]:
    """Return the rows that share a number, two or more each, in order."""
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    groups: dict[int, list[int]] = {}
    for position in np.flatnonzero(counts[which] > 1).tolist():
        groups.setdefault(int(which[position]), []).append(int(rows[position]))
    return sorted(groups.values())
