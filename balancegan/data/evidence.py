"""What the checks of an audit share about the two parts of a set, found out once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from balancegan.balance import class_counts
from balancegan.data.findings import AuditedPart, Outcome, cite, list_some
from balancegan.data.measures import Measures, measure_photos
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
from balancegan.quality.likeness import LEAST_IMAGES, NearSearch, number_equal
from balancegan.quality.photo_copies import find_photo_copies

# Less contrast, as a share of the median of images that have any, is none: JPEG leaves
# traces in an empty image
NO_CONTRAST = 0.02
LEAST_PHOTO = 48  # pixels a side, on average: smaller images are no photos
MOST_MOVED = 5_000  # among which mirrored and cropped copies are sought: a minute
MOST_PHOTOS = 20_000  # that are measured: some two minutes


@dataclass(frozen=True, eq=False)
class Examined:
    """A part whose images were looked at one by one.

    Attributes
    ----------
    part : AuditedPart
        The part.
    which : str
        What comes before a row number: "" or "test ".
    values : ImageValues
        Of its images.
    outside, fractional, constant : ndarray of shape (n,), bool
        Which images have values far from the expected range, are in 0 to 1 among
        others in 0 to 255, and show nothing.
    """

    part: AuditedPart
    which: str
    values: ImageValues
    outside: np.ndarray
    fractional: np.ndarray
    constant: np.ndarray

    @cached_property
    def bad_values(self) -> np.ndarray:
        """Which images have values that do not belong to the set."""
        return ~self.values.finite | self.outside | self.fractional

    @cached_property
    def sound(self) -> np.ndarray:
        """Rows whose images show something and can be compared."""
        return np.flatnonzero(~self.bad_values & ~self.constant)

    @cached_property
    def labels(self) -> list[Any]:
        """The label of each row, as a plain value."""
        return self.part.labels.tolist()

    def digest(self, row: int) -> bytes:
        """Return what photos share that are equal at their own size.

        Empty if images are all there is.
        """
        if self.part.photo is None:
            return b""
        pixels = self.part.photo(row)
        shape = repr(pixels.shape).encode()
        return shape + blake2b(pixels.tobytes(), digest_size=16).digest()

    def cite(self, row: int) -> str:
        """Return what to call an image."""
        return cite(self.part, row, self.which)

    def cite_all(self, rows: np.ndarray) -> str:
        """Return up to five images in words."""
        return list_some([self.cite(row) for row in rows.tolist()])


class Evidence:
    """Both parts and what several checks need of them.

    Parameters
    ----------
    train, test : AuditedPart, AuditedPart or None
        The parts.
    value_range : tuple of float or None
        As declared.
    name : callable
        From a label of either part to what people call the class.
    seed : int
        Of samples.
    image_shape : tuple of int, default=None
        See :func:`balancegan.images.find_format`.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 256, (9, 4, 4))
    >>> images[[5, 8]], images[6] = images[2], 0
    >>> evidence = Evidence(AuditedPart(images, np.zeros(9)), None, None, str, 0)
    >>> evidence.equal_rows, evidence.train.constant.nonzero()[0].tolist()
    ([[2, 5, 8]], [6])
    """

    def __init__(
        self,
        train: AuditedPart,
        test: AuditedPart | None,
        value_range: tuple[float, float] | None,
        name: Callable[[Any], str],
        seed: int,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.value_range, self.seed = value_range, seed
        self.image_shape = image_shape
        self.neighbours: Any = None  # what photochecks found of similar photos
        self._name = name
        values = describe_values(train.images)
        self.expected_range = value_range or find_usual_range(
            values, train.images.dtype
        )
        some = values.contrast[values.finite & (values.contrast > 0)]
        self._no_contrast = NO_CONTRAST * float(np.median(some)) if len(some) else 0
        self.train = self._examine(train, "", values)
        self.test = None
        if test is not None and len(test.images):
            self.test = self._examine(test, "test ", describe_values(test.images))
        self.counts = class_counts(train.labels)

    def _examine(self, part: AuditedPart, which: str, values: ImageValues) -> Examined:
        outside = fractional = np.zeros(len(part.images), dtype=bool)
        if self.expected_range is not None:
            overshoot = OVERSHOOT if self.value_range is None else 0.0
            outside = is_far_outside(values, self.expected_range, overshoot)
        if self.expected_range == (0, 255):
            fractional = is_fractional(values, part.images.dtype)
        bad = ~values.finite | outside | fractional
        constant = ~bad & (values.contrast <= self._no_contrast)
        return Examined(part, which, values, outside, fractional, constant)

    @cached_property
    def image_format(self) -> ImageFormat:
        """Layout and range of the training images whose values are good.

        Raises
        ------
        DataError
            If no image can be trained on.
        """
        images, bad = self.train.part.images, self.train.bad_values
        if 0 < bad.sum() < len(images):
            images = images[~bad]
        return find_format(images, self.image_shape, self.value_range, may_be_dim=True)

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
            shown = "They were scaled down when read. " * (part.sizes is not None)
            return "not applicable", (
                f"Images of about {side:.0f} pixels a side are too small to be judged "
                f"as photos (at least {LEAST_PHOTO}). " + shown * (part.photo is None)
            ).strip()
        n = sum(len(part.part.images) for part in self.parts)
        if n > MOST_PHOTOS:
            return "not run", (
                f"{n:,} photos are more than {MOST_PHOTOS:,}, which takes minutes: "
                "inspect a part of them."
            )
        return None

    @cached_property
    def measures(self) -> list[Measures]:
        """What was measured of the photos of each part."""
        return [
            measure_photos(self.photo_of(part), len(part.part.images))
            for part in self.parts
        ]

    def photo_of(self, part: Examined) -> Callable[[int], np.ndarray]:
        """Return what gives the image of a row as pixels, at its own size if known."""
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

    @property
    def parts(self) -> list[Examined]:
        """The parts that there are."""
        return [part for part in (self.train, self.test) if part is not None]

    def name(self, label: Any) -> str:
        """Return what people call a class, of either part."""
        return self._name(label)

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

    @cached_property
    def equal_rows(self) -> list[list[int]]:
        """Training rows of equal images, two or more each, in order."""
        return _group_equal(self.numbers[0], self.train.sound)

    @cached_property
    def equal_test_rows(self) -> list[list[int]]:
        """Test rows of equal images, whether or not training images compare to them."""
        if self.test is None:
            return []
        if self.is_comparable:
            return _group_equal(self.numbers[1], self.test.sound)
        return _group_equal(self._number([self.test])[0], self.test.sound)

    def _number(self, compared: list[Examined]) -> list[np.ndarray]:
        """Return a number that equal images share, for the sound rows of each part.

        Photos must also be equal at their own size: a file that was saved anew may
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
        """Finds near duplicates; None of too few images to say what is near."""
        first = np.unique(self.numbers[0], return_index=True)[1]
        if len(first) < LEAST_IMAGES:
            return None
        rows = self.train.sound[np.sort(first)]
        return NearSearch(self.train.part.images, rows, self.seed)

    @cached_property
    def moved_pairs(self) -> list[tuple[int, int]]:
        """Training photos that are one once mirrored, cropped or relit, not equal."""
        if self._is_moved_unknown:
            return []
        rows, first = self._different(0)
        pairs = find_photo_copies(self.measures[0].grey[rows])
        return [(int(rows[one]), int(rows[other])) for one, other in pairs]

    @cached_property
    def moved_across(self) -> list[tuple[int, int]]:
        """Pairs of a training and a test photo that are one once moved, as above."""
        if self._is_moved_unknown or self.test is None:
            return []
        rows, ours = self._different(0)
        test_rows, theirs = self._different(1)
        test_rows = test_rows[~np.isin(theirs, self.numbers[0])]
        pairs = find_photo_copies(
            self.measures[0].grey[rows], self.measures[1].grey[test_rows]
        )
        first = {other: one for one, other in reversed(pairs)}
        return sorted((int(rows[a]), int(test_rows[b])) for b, a in first.items())

    def _different(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first sound row of each different image, and its number."""
        numbers, first = np.unique(self.numbers[part], return_index=True)
        order = np.argsort(first)
        return self.parts[part].sound[first[order]], numbers[order]

    @property
    def _is_moved_unknown(self) -> bool:
        most = max(len(part.part.images) for part in self.parts)
        return self.photo_refusal is not None or most > MOST_MOVED

    @property
    def moved_note(self) -> str:
        """Which changes near copies may have had, besides being saved anew."""
        if self.photo_refusal is not None and self.photo_refusal[0] != "not run":
            return ""
        if self._is_moved_unknown:
            return (
                " Mirrored and cropped copies were not sought: more than "
                f"{MOST_MOVED:,} photos."
            )
        return " Mirrored, cropped and relit copies count, too."


def _group_equal(numbers: np.ndarray, rows: np.ndarray) -> list[list[int]]:
    """Return the rows that share a number, two or more each, in order."""
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    groups: dict[int, list[int]] = {}
    for position in np.flatnonzero(counts[which] > 1).tolist():
        groups.setdefault(int(which[position]), []).append(int(rows[position]))
    return sorted(groups.values())
