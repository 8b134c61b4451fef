"""Inspection of a labelled image set before anything is trained.

`inspect` takes a path or images, and `inspect_labelled` images that were read. Both
return an :class:`Inspection`: facts, tables and an HTML page.
"""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from balancegan.balance import class_text, imbalance_ratio
from balancegan.data.examined import ExaminedSet
from balancegan.data.image_checks import run_checks
from balancegan.data.image_parts import (
    ExaminedPart,
    ImagePart,
    image_part,
    resize_photos,
    take_images,
)
from balancegan.data.labelled import TRAIN, LabelledImages
from balancegan.data.opening import UnusableImage
from balancegan.data.reading import read_images
from balancegan.errors import DataError
from balancegan.files import whole_file
from balancegan.images import ImageFormat
from balancegan.pictures import encode_thumbnail
from balancegan.quality.checks import FOUND, Finding, count

MOST_SHOWN = 24  # images, or pairs of them, of each finding on a page
THUMBNAIL = 128  # pixels of the longer side
NOT_SHOWN = ("BG103", "BG109", "BG110", "BG111")  # findings about no single image

Place = tuple[str, int]  # part and row


@dataclass(frozen=True, eq=False)
class Inspection:
    """Contents of an image set, and the findings of the checks.

    Attributes
    ----------
    counts : dict
        Training images of each class, in the order of the sorted labels.
    imbalance_ratio : float
        Largest class over smallest.
    image_format : ImageFormat
        Layout and range of the training images, without values out of range.
    results : list of Finding
        One for each check, the worst first.
    notes : list of str
        What was decided or left out while reading.
    title : str
        Name of the set.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    >>> images[31] = images[7]
    >>> inspect(images, np.arange(60) // 40).findings[["code", "row", "other_row"]]
        code  row  other_row
    0  BG104    7         31
    1  BG104   31          7
    """

    counts: dict[Any, int]
    imbalance_ratio: float
    image_format: ImageFormat
    results: list[Finding]
    examined: ExaminedSet = field(repr=False)
    notes: list[str] = field(default_factory=list)
    title: str = "Images"

    @property
    def checks(self) -> pd.DataFrame:
        """A row for each check: code, title, outcome, number of images, message."""
        columns = ["code", "title", "outcome", "n_images", "message"]
        rows = [
            (f.code, f.title, f.outcome, len(_places_of(f)), f.message)
            for f in self.results
        ]
        return pd.DataFrame(rows, columns=columns)

    @property
    def findings(self) -> pd.DataFrame:
        """A row for each image that an issue or a tip is about.

        "code", "title", "outcome"; "part" ("train" or "test"), "row", "file" (None for
        arrays) and "label" of the image; "other_part", "other_row" and "other_file" of
        the first image that it is paired with, such as its copy.
        """
        found = [f for f in self.results if f.outcome in FOUND]
        rows = [row for f in found for row in self._list(f)]
        columns = ["code", "title", "outcome", "part", "row", "file", "label"]
        others = ["other_part", "other_row", "other_file"]
        frame = pd.DataFrame(rows, columns=[*columns, *others])
        return frame.astype({"other_row": "Int64"})

    def _list(self, finding: Finding) -> Iterable[tuple[Any, ...]]:
        partner: dict[Place, Place] = {}
        for pair in _pairs_of(finding):
            partner.setdefault(*pair)
            partner.setdefault(*pair[::-1])
        about = (finding.code, finding.title, finding.outcome)
        for which, row in _places_of(finding):
            label = self._part(which).labels[row]
            other = partner.get((which, row))
            others = (*other, self._file(*other)) if other else (None, None, None)
            yield (*about, which, row, self._file(which, row), label, *others)

    def _part(self, which: str) -> ExaminedPart:
        return self.examined.parts[which == "test"]

    def _file(self, which: str, row: int) -> str | None:
        files = self._part(which).part.files
        return None if files is None else str(files[row])

    def __repr__(self) -> str:
        lines = [self.sentence]
        lines += [
            f"{f.outcome:6} {f.code} {f.title}: {f.message}"
            for f in self.results
            if f.outcome in (*FOUND, "not run")
        ]
        return "\n".join(lines)

    @property
    def sentence(self) -> str:
        """How many checks found something, in words."""
        outcomes = Counter(f.outcome for f in self.results)
        n_images = count(sum(self.counts.values()), "training image")
        return (
            f"{n_images} of {count(len(self.counts), 'class')}: "
            f"{count(outcomes['issue'], 'issue')}, {count(outcomes['tip'], 'tip')}, "
            f"{outcomes['passed']} passed, {outcomes['not run']} not run, "
            f"{outcomes['not applicable']} not applicable"
        )

    def _repr_html_(self) -> str:
        return self.checks.to_html(index=False, justify="left")

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one HTML file with counts, checks and thumbnails, at most 24 for each.

        Parameters
        ----------
        path : path-like
            Ends in .html. The file is replaced as a whole, or not at all.

        Raises
        ------
        DataError
            If the path ends in anything else.
        """
        if Path(path).suffix.lower() != ".html":
            raise DataError(
                "The file name of an inspection report must end in .html. Received: "
                f"{str(path)!r}."
            )
        environment = Environment(
            loader=PackageLoader("balancegan"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        template = environment.get_template("inspection.html")
        name, image_format = self.examined.name, self.image_format
        page = template.render(
            title=self.title,
            sentence=self.sentence,
            n_issues=sum(f.outcome == "issue" for f in self.results),
            n_tips=sum(f.outcome == "tip" for f in self.results),
            classes=[(class_text(name(k)), n) for k, n in self.counts.items()],
            most=max(self.counts.values()),
            ratio=self.imbalance_ratio,
            image_format="x".join(map(str, image_format.image_shape))
            + f" {image_format.dtype}",
            notes=self.notes,
            checks=[self._show_check(finding) for finding in self.results],
        )
        with whole_file(Path(path)) as file:
            file.write(page.encode("utf-8", "replace"))

    def _show_check(self, finding: Finding) -> dict[str, Any]:
        places, pairs = _places_of(finding), _pairs_of(finding)
        sets: list[tuple[Place, ...]] = [*pairs] or [(place,) for place in places]
        is_shown = finding.outcome in FOUND and finding.code not in NOT_SHOWN
        shown = sets[: MOST_SHOWN * is_shown]
        what = "pairs" if pairs else "images"
        return {
            "finding": finding,
            "n_images": len(places),
            "sheet": [[self._show(*place) for place in images] for images in shown],
            "shown": f"{len(shown)} of {len(sets):,} {what}.",
        }

    def _show(self, which: str, row: int) -> dict[str, str]:
        part = self._part(which)
        try:
            image = self.examined.photo_of(part)(row)
            kind, picture = encode_thumbnail(image, THUMBNAIL)
            source = f"data:image/{kind};base64,{b64encode(picture).decode()}"
        except (OSError, UnusableImage):  # the file was removed after reading
            source = ""
        label = class_text(self.examined.name(part.labels[row]))
        return {"source": source, "name": part.cite(row), "class": label}


def _places_of(finding: Finding) -> list[Place]:
    places = [("train", row) for row in finding.rows]
    return places + [("test", row) for row in finding.test_rows]


def _pairs_of(finding: Finding) -> list[tuple[Place, Place]]:
    first = "test" if finding.code == "BG113" else "train"
    second = "test" if finding.test_rows else "train"
    return [((first, one), (second, other)) for one, other in finding.pairs]


def inspect(
    X: Any,
    y: Any = None,
    *,
    test: tuple[Any, Any] | None = None,
    value_range: tuple[float, float] | None = None,
    image_shape: tuple[int, ...] | None = None,
    **reading: Any,
) -> Inspection:
    """Count and check a labelled image set, as ``balancegan inspect`` does.

    Parameters
    ----------
    X : path-like, LabelledImages, ndarray, list, Series, DataFrame or dataset
        A path for :func:`balancegan.read_images`, its result, or images. Images of a
        list may differ in size if they are uint8.
    y : array-like of shape (n,) or DataFrame, default=None
        The labels of images; several columns count as one label. None: `X` has them.
    test : tuple of (X, y), default=None
        Test images to compare with. None: those of a path that has any.
    value_range : tuple of float, default=None
        The values of black and white. None: inferred.
    image_shape : tuple of int, default=None
        Height, width and channels of images that are stored flat. None: their own.
    **reading
        Passed to :func:`balancegan.read_images`, if `X` is a path.

    Returns
    -------
    inspection : Inspection
        `findings` is a table of the images that were found.

    Raises
    ------
    DataError
        If there are no such images or labels, or no image can be trained on.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    >>> images[31] = images[7]
    >>> inspect(images, np.arange(60) // 40).sentence
    '60 training images of 2 classes: 1 issue, 0 tips, 6 passed, ...'
    """
    options: dict[str, Any] = {"value_range": value_range, "image_shape": image_shape}
    if isinstance(X, str | os.PathLike):
        X = read_images(X, **options, **reading)
    elif reading:
        raise DataError(
            "Reading options are for paths. Received: "
            f"{', '.join(sorted(reading))} with X of type {type(X).__name__}."
        )
    if isinstance(X, LabelledImages):
        if y is not None or test is not None:
            raise DataError(
                "Images that were read from a path have their own labels and parts. "
                f"Received: {'y' if y is not None else 'test'} with {X.path}. Leave it "
                "out."
            )
        return inspect_labelled(X, value_range=value_range)
    train = take_images(X, y)
    other = None if test is None else take_images(*test)
    if other is not None and other.images.shape[1:] != train.images.shape[1:]:
        other = resize_photos(other, train.images.shape[1:])
    return inspect_images(train, other, **options)


def inspect_labelled(
    labelled: LabelledImages,
    *,
    value_range: tuple[float, float] | None = None,
    against: str | None = None,
    group_key: str | None = None,
) -> Inspection:
    """Count and check images that were read.

    Parameters
    ----------
    labelled : LabelledImages
        The images.
    value_range : tuple of float or None, default=None
        The range they were read with.
    against : str or None, default=None
        The part that training images are compared with, "test" or "val". None: test,
        or val where there is no test part.
    group_key : str or None, default=None
        The column that says what each image was taken from. None: unknown.
    """
    others = [split for split in ("test", "val") if split in labelled.parts]
    if against is not None and against not in others:
        raise DataError(
            f"{labelled.path} has no part {against} (--against). It has: "
            f"{', '.join(labelled.parts)}."
        )
    against = against or (others[0] if others else "test")
    notes = ["findings on test images are about the part val"] * (against == "val")
    notes += [
        f"{other} was not checked: see --against {other}"
        for other in others
        if other != against
    ]
    train = image_part(labelled, TRAIN, group_key)
    inspection = inspect_images(
        train,
        image_part(labelled, against, group_key) if against in others else None,
        name=labelled.name,
        **labelled.format_settings(value_range),
    )
    title = labelled.path.resolve().name or str(labelled.path)
    return replace(inspection, notes=[*labelled.notes, *notes], title=title)


def inspect_images(
    train: ImagePart,
    test: ImagePart | None = None,
    *,
    image_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
    name: Callable[[Any], str] = str,
) -> Inspection:
    """Count and check the images of parts; see :func:`inspect`."""
    examined = ExaminedSet(
        train, test, value_range=value_range, name=name, image_shape=image_shape
    )
    results = run_checks(examined)
    return Inspection(
        counts=examined.counts,
        imbalance_ratio=imbalance_ratio(examined.counts),
        image_format=examined.image_format,
        results=results,
        examined=examined,
    )


def count_values(column: pd.Series) -> dict[Any, int]:
    """Return how many images have each value of a column, sorted by kind and value.

    Missing values are counted under None, which comes last.

    >>> count_values(pd.Series(["red", None, "blue", "red"]))
    {'blue': 1, 'red': 2, None: 1}
    """
    try:
        counts = Counter(column[column.notna()].tolist())
        values = sorted(counts, key=lambda value: (type(value).__name__, value))
    except TypeError as error:
        raise DataError(
            "An attribute must have one number or text for each image. Received: "
            f"{column.name!r} with other values: {error}."
        ) from error
    n_missing = int(column.isna().sum())
    found = {value: counts[value] for value in values}
    return found | ({None: n_missing} if n_missing else {})
