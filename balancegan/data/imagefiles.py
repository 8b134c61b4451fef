"""Read the image files of a table as labelled images.

The table has "file_name" relative to the root, "label", "split", and further columns.
Files are decoded once, to 8 bits; a set larger than memory goes to a temporary file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from balancegan.balance import class_counts
from balancegan.data.decoding import decode, find_scale, read_header
from balancegan.data.depth import Scale
from balancegan.data.fitting import (
    LARGEST_SIDE,
    Fit,
    Header,
    choose_channels,
    choose_fit,
    choose_size,
)
from balancegan.data.labelled import TRAIN, LabelledImages, Part
from balancegan.data.links import BadFile, counted, find_files, readable
from balancegan.data.opening import UnusableImage
from balancegan.errors import DataError
from balancegan.memory import allocate

OnError = Literal["fail", "skip"]
FILE_COLUMNS = ("file_name", "label", "split")
MOST_NAMED = 20  # bad files in a message


@dataclass
class ImageCounts:
    """Counts images of more than 8 bits, files of several images, synthetic images."""

    n: int = 0
    n_deep: int = 0
    n_several: int = 0
    n_synthetic: int = 0
    example: str = ""
    synthetic: str = ""

    def add(self, name: str, header: Header) -> None:
        """Count an image."""
        self.n += 1
        self.n_deep += header.is_deep
        self.n_several += header.has_more
        self.n_synthetic += header.is_synthetic
        if header.has_more:
            self.example = self.example or name
        if header.is_synthetic:
            self.synthetic = self.synthetic or name

    def refuse_synthetic(self, path: Path) -> None:
        """Raise DataError if images are marked as synthetic."""
        if self.n_synthetic:
            raise DataError(
                f"{path} holds synthetic images already "
                f"({counted(self.n_synthetic, 'image')} that balancegan made, such as "
                f"{readable(self.synthetic)}). Use the real images that it was "
                "made from."
            )

    def describe(self, scale: Scale | None, what: str) -> list[str]:
        """Return notes; `what` is the noun for one of them, such as "file"."""
        notes = []
        if scale is not None and self.n_deep:
            notes.append(
                scale.describe(counted(self.n_deep, what), self.n - self.n_deep)
            )
        if self.n_several:
            notes.append(
                f"{counted(self.n_several, what)} with several images (an animation, "
                "pages or a preview), of which the first is used, such as "
                f"{readable(self.example)}"
            )
        return notes


def read_image_files(
    path: Path,
    root: Path,
    table: pd.DataFrame,
    bad: list[BadFile],
    *,
    size: tuple[int, int] | None = None,
    largest_side: int = LARGEST_SIDE,
    fit: Fit | None = None,
    on_error: OnError = "fail",
    value_range: tuple[float, float] | None = None,
    follow_links: bool = False,
) -> LabelledImages:
    """Decode the files of a table to images of one size.

    Parameters
    ----------
    path : Path
        The path that the user named.
    root : Path
        The folder that file names are relative to; nothing outside it is read.
    table : DataFrame
        Columns "file_name", "label" and "split", and any others.
    bad : list of BadFile
        Files that are known to be unusable.
    size, largest_side, fit, on_error, value_range, follow_links
        See :func:`balancegan.read_images`.
    """
    bad = list(bad)
    files, link_notes = find_files(root, table["file_name"], bad, follow_links)
    headers = _read_headers(files, bad)
    kinds = ImageCounts()
    for name, header in headers.items():
        kinds.add(name, header)
    kinds.refuse_synthetic(path)
    scale = _choose_scale(table, files, headers, value_range, bad)
    if not headers:
        raise nothing_left(path, bad)
    known = list(headers.values())
    size = size or choose_size(known, largest_side)
    fit = fit or choose_fit(known, size)
    table = table[table["file_name"].isin(headers)]
    channels = choose_channels(known)
    images = allocate((len(table), *size, channels))
    parts: dict[str, Part] = {}
    stop = 0
    for split in sorted(table["split"].unique(), key=lambda s: (s != TRAIN, s)):
        rows, start = table[table["split"] == split], stop
        good = np.zeros(len(rows), dtype=bool)
        for row, name in enumerate(rows["file_name"]):
            try:
                images[stop], _ = decode(files[name], channels, size, fit, scale)
            except UnusableImage as error:
                bad.append(BadFile(name, str(error)))
            else:
                good[row] = True
                stop += 1
        parts[split] = _make_part(images[start:stop], rows[good], files, headers)
    check_usable(path, parts, bad, on_error)
    notes = _describe(table, parts, size, fit, bad)
    notes += kinds.describe(scale, "file")
    file_range, is_wide = None, False
    if scale is not None:
        file_range = scale.low, scale.high
        training = table["file_name"][table["split"] == TRAIN]
        is_wide = _are_wide_grey(scale, [headers[name] for name in training])
    return LabelledImages(
        path,
        parts,
        notes=notes + link_notes,
        fit=fit,
        file_range=file_range,
        has_wide_grey=is_wide,
        root=root,
    )


def _choose_scale(
    table: pd.DataFrame,
    files: dict[str, Path],
    headers: dict[str, Header],
    value_range: tuple[float, float] | None,
    bad: list[BadFile],
) -> Scale | None:
    """Return one scale for all deep files; remove files on another from `headers`."""
    deep = {name for name, header in headers.items() if header.is_deep}
    if not deep:
        return None
    training = table["file_name"][table["split"] == TRAIN].unique()
    chosen = ((name, files[name]) for name in training if name in deep)
    scale, others = find_scale(chosen, value_range)
    bad += [BadFile(name, reason) for name, reason in others.items()]
    for name in others:
        del headers[name]
    return scale


def _are_wide_grey(scale: Scale, headers: list[Header]) -> bool:
    """Return whether 16-bit PNG files can hold images on the scale of all files."""
    ends = scale.low, scale.high
    in_range = all(0 <= end < 2**16 and end == int(end) for end in ends)
    are_alike = all(h.values == "uint16" and h.channels == 1 for h in headers)
    return in_range and are_alike


def _read_headers(files: dict[str, Path], bad: list[BadFile]) -> dict[str, Header]:
    headers: dict[str, Header] = {}
    for name, file in files.items():
        try:
            headers[name] = read_header(file)
        except UnusableImage as error:
            bad.append(BadFile(name, str(error)))
    return headers


def _make_part(
    images: np.ndarray,
    rows: pd.DataFrame,
    files: dict[str, Path],
    headers: dict[str, Header],
) -> Part:
    sides = [(headers[name].height, headers[name].width) for name in rows["file_name"]]
    return Part(
        images,
        rows["label"].to_numpy(dtype=str),
        rows.drop(columns=list(FILE_COLUMNS)).reset_index(drop=True),
        [files[name] for name in rows["file_name"]],
        np.array(sides, dtype=int).reshape(-1, 2),
    )


def _describe(
    table: pd.DataFrame,
    parts: dict[str, Part],
    size: tuple[int, int],
    fit: Fit,
    bad: list[BadFile],
) -> list[str]:
    sides = np.concatenate([p.sizes for p in parts.values() if p.sizes is not None])
    notes = note_sizes(sides, size, fit, "files")
    if bad:
        unusable = counted(len(bad), "unusable file")
        notes.append(f"left out {unusable}: {list_bad(bad)}")
    lost = set(table["label"].astype(str)) - set(class_counts(parts[TRAIN].labels))
    if lost:
        notes.append(f"without a training image: {', '.join(sorted(lost))}")
    return notes


def note_sizes(
    sides: np.ndarray, size: tuple[int, int], fit: Fit, what: str
) -> list[str]:
    """Return a note if images are resized."""
    if not (sides != size).any():
        return []
    ends = (sides.min(axis=0), sides.max(axis=0))
    said = " to ".join(dict.fromkeys(f"{height}x{width}" for height, width in ends))
    return [
        f"{what} of {said} pixels (height x width) are brought to "
        f"{size[0]}x{size[1]}: {fit} (--size; fit in --config)"
    ]


def check_usable(
    path: Path, parts: dict[str, Part], bad: list[BadFile], on_error: OnError
) -> None:
    """Raise DataError for unusable images, or if no training image is left."""
    if on_error == "fail" and bad:
        raise DataError(
            f"{path} has {counted(len(bad), 'image')} that cannot be used: "
            f"{list_bad(bad)}. Repair or remove them, or leave them out by --on-error "
            "skip."
        )
    if TRAIN not in parts or not len(parts[TRAIN].labels):
        raise nothing_left(path, bad)


def nothing_left(path: Path, bad: list[BadFile]) -> DataError:
    """Return an error for a set without usable training images."""
    found = f" Unusable: {list_bad(bad)}." if bad else ""
    return DataError(f"{path} has no training image that can be used.{found}")


def list_bad(bad: list[BadFile]) -> str:
    """Return the first files grouped by reason, and how many more there are."""
    by_reason: dict[str, list[str]] = {}
    for file in bad[:MOST_NAMED]:
        by_reason.setdefault(file.reason, []).append(readable(file.name))
    named = [f"{', '.join(names)} ({why})" for why, names in by_reason.items()]
    rest = len(bad) - MOST_NAMED
    return "; ".join(named) + (f"; and {rest:,} more" if rest > 0 else "")
