"""What the checks of an audit share about the two parts of a set, found out once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from balancegan.balance import class_counts
from balancegan.data.duplicates import LEAST_IMAGES, NearSearch, number_equal
from balancegan.data.findings import AuditedPart, cite, list_some
from balancegan.data.values import (
    OVERSHOOT,
    ImageValues,
    describe_values,
    find_usual_range,
    is_far_outside,
    is_fractional,
)

# Less contrast, as a share of the median of images that have any, is none: JPEG leaves
# traces in an empty image
NO_CONTRAST = 0.02


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
    ) -> None:
        self.value_range, self.seed = value_range, seed
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
        numbers = number_equal(*(part.part.images for part in compared))
        return [n[part.sound] for n, part in zip(numbers, compared, strict=True)]

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
        (numbers,) = number_equal(self.test.part.images)
        return _group_equal(numbers[self.test.sound], self.test.sound)

    @cached_property
    def search(self) -> NearSearch | None:
        """Finds near duplicates; None of too few images to say what is near."""
        first = np.unique(self.numbers[0], return_index=True)[1]
        if len(first) < LEAST_IMAGES:
            return None
        rows = self.train.sound[np.sort(first)]
        return NearSearch(self.train.part.images, rows, self.seed)


def _group_equal(numbers: np.ndarray, rows: np.ndarray) -> list[list[int]]:
    """Return the rows that share a number, two or more each, in order."""
    _, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    groups: dict[int, list[int]] = {}
    for position in np.flatnonzero(counts[which] > 1).tolist():
        groups.setdefault(int(which[position]), []).append(int(rows[position]))
    return sorted(groups.values())
