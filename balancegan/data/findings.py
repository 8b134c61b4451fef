"""What an audit takes and what it says: parts of a set, findings, their wording."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from balancegan.errors import DataError

Outcome = Literal["issue", "tip", "passed", "not applicable", "not run"]
OUTCOMES: tuple[Outcome, ...] = ("issue", "tip", "not run", "passed", "not applicable")
TITLES = {
    "BG101": "Values out of range",
    "BG102": "Constant images",
    "BG103": "Unequal sizes",
    "BG104": "Equal images",
    "BG105": "Conflicting labels",
    "BG106": "Test images in training",
    "BG107": "Nearly equal images",
    "BG108": "Test images nearly in training",
    "BG109": "Groups in both parts",
    "BG110": "Small classes",
    "BG111": "Classes of one part only",
    "BG112": "High imbalance",
    "BG113": "Conflicting test labels",
    "BG114": "Conflicting labels across parts",
    "BG115": "Dark photos",
    "BG116": "Bright photos",
    "BG117": "Low contrast",
    "BG118": "Blurred photos",
    "BG119": "Odd aspect ratios",
    "BG120": "Odd sizes",
    "BG121": "Grey and colour mixed",
    "BG122": "Outliers of a class",
    "BG123": "Probably wrong labels",
}
EXAMPLES = 5


@dataclass(frozen=True, eq=False)
class AuditedPart:
    """The training or the test images of a set, and what is known of each.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, channels)
        Integers, booleans or floats; NaN and infinity are found, not refused.
    labels : ndarray of shape (n,)
        Their labels.
    groups : ndarray of shape (n,), default=None
        What each image was taken from: a photo, a person, a batch. None: not known.
    names : sequence of n str, default=None
        What to call the images, such as file names. None: their row numbers.
    sizes : ndarray of shape (n, 2), int, default=None
        Height and width that each image had before all were brought to one size.
        None: they have always had it, or nobody knows.
    photo : callable, default=None
        From a row to the image at its own size, of shape (height, width, 1 or 3),
        uint8. None: `images` is all there is.
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


@dataclass(frozen=True)
class Finding:
    """How one check of an image set ended.

    Attributes
    ----------
    code : str
        "BG101" and so on; see `TITLES`.
    title : str
        What is looked for.
    outcome : str
        "issue", "tip", "passed", "not applicable" or "not run".
    message : str
        What was found, with counts and up to five examples, and what to do.
    rows, test_rows : tuple of int
        All rows of the training and of the test part that it is about.
    pairs : tuple of (int, int)
        Rows that belong together: two of the training part (of BG113 of the test
        part), of which the second is the copy, or one of the training and one of the
        test part.
    """

    code: str
    title: str
    outcome: Outcome
    message: str
    rows: tuple[int, ...] = ()
    test_rows: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()


def make_finding(
    code: str,
    outcome: Outcome,
    message: str,
    rows: Iterable[int] = (),
    test_rows: Iterable[int] = (),
    pairs: Iterable[tuple[int, int]] = (),
) -> Finding:
    """Return a finding with its title, and with rows sorted and as plain numbers.

    Examples
    --------
    >>> make_finding("BG102", "issue", "Two images are black.", np.array([7, 2])).rows
    (2, 7)
    """
    return Finding(
        code,
        TITLES[code],
        outcome,
        message,
        tuple(sorted({int(row) for row in rows})),
        tuple(sorted({int(row) for row in test_rows})),
        tuple((int(one), int(other)) for one, other in pairs),
    )


def check_part(part: AuditedPart, which: str) -> None:
    """Raise DataError unless the arrays of a part belong together.

    Parameters
    ----------
    part : AuditedPart
        A part of a set.
    which : str
        What it is called in the error: "training" or "test".
    """
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


def count(n: int, noun: str) -> str:
    """Return a number and its noun.

    Examples
    --------
    >>> count(1, "image"), count(1234, "class")
    ('1 image', '1,234 classes')
    """
    ending = "" if n == 1 else "es" if noun.endswith("s") else "s"
    return f"{n:,} {noun}{ending}"


def list_some(texts: Sequence[str], most: int = EXAMPLES) -> str:
    """Join texts, and say how many were left out.

    Examples
    --------
    >>> list_some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(texts[:most])
    left_out = len(texts) - most
    return f"{shown} and {left_out:,} more" if left_out > 0 else shown


def cite(part: AuditedPart, row: int, which: str = "") -> str:
    """Return what to call an image: its name, or its row.

    Examples
    --------
    >>> part = AuditedPart(np.zeros((3, 4, 4)), np.zeros(3))
    >>> cite(part, 2), cite(part, 2, "test ")
    ('row 2', 'test row 2')
    """
    return f"{which}row {row}" if part.names is None else str(part.names[row])


def cite_pairs(
    pairs: Iterable[tuple[int, int]],
    one: Callable[[int], str],
    other: Callable[[int], str],
) -> str:
    """Return up to five pairs of images in words.

    Parameters
    ----------
    pairs : iterable of (int, int)
        Rows.
    one, other : callable
        What to call the first and the second of a pair.

    Examples
    --------
    >>> cite_pairs([(0, 3), (1, 2)], str, "test row {}".format)
    'For example: 0 and test row 3, 1 and test row 2.'
    """
    shown = [f"{one(a)} and {other(b)}" for a, b in list(pairs)[:EXAMPLES]]
    return f"For example: {', '.join(shown)}."
