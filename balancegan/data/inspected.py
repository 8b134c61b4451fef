"""What an inspection found: plain facts, tables, and one HTML page.

Which checks there are, and how images come here, is not known here.
"""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from balancegan.balance import class_text
from balancegan.data.evidence import Evidence, Examined
from balancegan.data.findings import Finding, count
from balancegan.data.opening import UnusableImage
from balancegan.errors import DataError
from balancegan.files import whole_file
from balancegan.images import ImageFormat
from balancegan.pictures import encode_thumbnail

FAULTS = ("issue", "tip")
MOST_SHOWN = 24  # images, or pairs of them, of each finding on a page
THUMBNAIL = 128  # pixels of the longer side


@dataclass(frozen=True, eq=False)
class Inspection:
    """What an image set holds, and what the checks found.

    Attributes
    ----------
    counts : dict
        Training images of each class, in the order of the sorted labels.
    imbalance_ratio : float
        Largest class over smallest.
    image_format : ImageFormat
        Layout and range of the training images, those with values out of range left
        out.
    results : list of Finding
        How each check ended, the worst first.
    notes : list of str
        What was decided or left out while reading.
    title : str
        What the set is called.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    >>> images[31] = images[7]
    >>> from balancegan import inspect
    >>> inspect(images, np.arange(60) // 40).findings[["code", "row", "other_row"]]
        code  row  other_row
    0  BG104    7         31
    1  BG104   31          7
    """

    counts: dict[Any, int]
    imbalance_ratio: float
    image_format: ImageFormat
    results: list[Finding]
    evidence: Evidence = field(repr=False)
    notes: list[str] = field(default_factory=list)
    title: str = "Images"

    @property
    def checks(self) -> pd.DataFrame:
        """A row for each check: code, title, outcome, images concerned, message."""
        columns = ["code", "title", "outcome", "n_images", "message"]
        rows = [
            (f.code, f.title, f.outcome, len(f.rows) + len(f.test_rows), f.message)
            for f in self.results
        ]
        return pd.DataFrame(rows, columns=columns)

    @property
    def findings(self) -> pd.DataFrame:
        """A row for each image that an issue or a tip is about.

        "code", "title", "outcome"; "part" ("train" or "test"), "row", "file" (None for
        arrays) and "label" of the image; "other_part", "other_row" and "other_file" of
        the first image that it is paired with, as a copy is.
        """
        rows = [
            row for f in self.results if f.outcome in FAULTS for row in self._list(f)
        ]
        columns = ["code", "title", "outcome", "part", "row", "file", "label"]
        others = ["other_part", "other_row", "other_file"]
        frame = pd.DataFrame(rows, columns=[*columns, *others])
        return frame.astype({"other_row": "Int64"})

    def _list(self, finding: Finding) -> Iterable[tuple[Any, ...]]:
        partner: dict[tuple[str, int], tuple[str, int]] = {}
        for pair in _pairs_of(finding):
            partner.setdefault(*pair)
            partner.setdefault(*pair[::-1])
        for which, rows in (("train", finding.rows), ("test", finding.test_rows)):
            for row in rows:
                part = self._part(which)
                other = partner.get((which, row), (None, None))
                other_file = None if other[0] is None else self._file(*other)
                yield (
                    *(finding.code, finding.title, finding.outcome, which, row),
                    *(self._file(which, row), part.labels[row], *other, other_file),
                )

    def _part(self, which: str) -> Examined:
        return self.evidence.parts[which == "test"]

    def _file(self, which: str, row: int) -> str | None:
        files = self._part(which).part.files
        return None if files is None else str(files[row])

    def __repr__(self) -> str:
        lines = [self.sentence]
        lines += [
            f"{f.outcome:6} {f.code} {f.title}: {f.message}"
            for f in self.results
            if f.outcome in (*FAULTS, "not run")
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
        """Write one HTML file with counts, checks and the images that they name.

        It needs nothing else: thumbnails are in it, at most 24 for each check.

        Parameters
        ----------
        path : path-like
            Ends in .html. The file is replaced as a whole, or not at all.

        Raises
        ------
        DataError
            If it ends in anything else.
        """
        if Path(path).suffix.lower() != ".html":
            raise DataError(
                f"A report of an inspection ends in .html. Received: {str(path)!r}."
            )
        environment = Environment(
            loader=PackageLoader("balancegan"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        page = environment.get_template("inspection.html").render(self._gather_page())
        with whole_file(Path(path)) as file:
            file.write(page.encode("utf-8", "replace"))

    def _gather_page(self) -> dict[str, Any]:
        name = self.evidence.name
        image_format = self.image_format
        outcomes = Counter(f.outcome for f in self.results)
        return {
            "title": self.title,
            "sentence": self.sentence,
            "n_issues": outcomes["issue"],
            "n_tips": outcomes["tip"],
            "classes": [(class_text(name(k)), n) for k, n in self.counts.items()],
            "most": max(self.counts.values()),
            "ratio": self.imbalance_ratio,
            "image_format": "x".join(map(str, image_format.image_shape))
            + f" {image_format.dtype}",
            "notes": self.notes,
            "checks": [self._show_check(finding) for finding in self.results],
        }

    def _show_check(self, finding: Finding) -> dict[str, Any]:
        pairs = _pairs_of(finding)
        places = [("train", row) for row in finding.rows]
        places += [("test", row) for row in finding.test_rows]
        sets: list[tuple[tuple[str, int], ...]] = [*pairs] or [(one,) for one in places]
        has_sheet = finding.outcome in FAULTS and finding.code not in WITHOUT_SHEET
        shown = sets[: MOST_SHOWN * has_sheet]
        what = "pairs" if pairs else "images"
        return {
            **{k: getattr(finding, k) for k in ("code", "title", "outcome", "message")},
            "n_images": len(places),
            "sheet": [[self._show(*one) for one in images] for images in shown],
            "shown": f"{len(shown)} of {len(sets):,} {what}.",
        }

    def _show(self, which: str, row: int) -> dict[str, str]:
        part = self._part(which)
        try:
            image = self.evidence.photo_of(part)(row)
            kind, picture = encode_thumbnail(image, THUMBNAIL)
            source = f"data:image/{kind};base64,{b64encode(picture).decode()}"
        except (OSError, UnusableImage):  # the file has gone meanwhile
            source = ""
        label = class_text(self.evidence.name(part.labels[row]))
        return {"source": source, "name": part.cite(row), "class": label}


WITHOUT_SHEET = ("BG103", "BG109", "BG110", "BG111")  # what they say is of no image


def _pairs_of(finding: Finding) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Return pairs as two (part, row) each."""
    is_test = finding.code == "BG113"
    first = "test" if is_test else "train"
    second = "test" if finding.test_rows else "train"
    return [((first, one), (second, other)) for one, other in finding.pairs]
