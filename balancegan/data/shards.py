"""Read shards: files that each hold many encoded images.

Every shard is read once from beginning to end and decoded to 8 bits (twice where images
have more bits: their range is measured first). A set larger than memory goes to a
temporary file.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd

from balancegan.data.columns import keep_whole
from balancegan.data.decoding import decode, find_scale, read_header
from balancegan.data.depth import Scale
from balancegan.data.fitting import (
    LARGEST_SIDE,
    Fit,
    choose_channels,
    choose_fit,
    choose_size,
)
from balancegan.data.foldertree import TABLES
from balancegan.data.imagefiles import (
    ImageCounts,
    OnError,
    check_usable,
    list_bad,
    note_sizes,
    nothing_left,
)
from balancegan.data.labelled import SPLIT_NAMES, TRAIN, LabelledImages, Part
from balancegan.data.lineage import (
    LINEAGE_KEYS,
    MASK_KEY,
    marked_rows,
    refuse_synthetic,
)
from balancegan.data.links import BadFile, counted
from balancegan.data.opening import UnusableImage, refuse_pointer
from balancegan.data.samples import (
    PARQUET,
    Plain,
    Sample,
    holds_images,
    iterate_samples,
    shard_format,
)
from balancegan.errors import DataError
from balancegan.memory import GrowingArray

N_LOOKED_AT = 1_000  # images that decide size, fit and channels of all
DECODED_AT_ONCE = 256
# Files that describe shards next to them
SIDE_SUFFIXES = (".md", ".json", ".txt", ".yaml", ".yml", ".py", ".license", "")
GENERAL = ("data", "default")  # folder names that name no set


def is_sharded(path: Path) -> bool:
    """Return whether a path is a shard, or a folder of shards.

    A folder with a table of image files is none, and neither is one with sub-folders
    of other files.
    """
    return bool(_list_shards(path)) if path.is_dir() else _is_shard(path)


def find_shards(path: Path) -> dict[str, list[Path]]:
    """Return the shards of each split, sorted by name."""
    files = _list_shards(path) if path.is_dir() else [path]
    formats = sorted({str(shard_format(file)) for file in files})
    if len(formats) > 1:
        raise DataError(
            f"The shards of a folder must be of one format. Received: {path} with "
            f"{' and '.join(formats)} files. Name a folder with those of one."
        )
    root = path if path.is_dir() else path.parent
    _refuse_several_sets(path, [file.relative_to(root).parent for file in files])
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(find_split(file.relative_to(root)), []).append(file)
    return found


def find_split(name: Path) -> str:
    """Return the split that a word of the path names, else the training part.

    Examples
    --------
    >>> [find_split(Path(name)) for name in ("mnist-test-00000-of-00001.tar", "a.tar")]
    ['test', 'train']
    >>> find_split(Path("validation/0000.parquet"))
    'val'
    """
    for part in reversed(name.parts):
        for word in re.findall("[a-z]+", part.lower()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return TRAIN


def _list_shards(folder: Path) -> list[Path]:
    files: list[Path] = []
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(top, name)
            if name in TABLES:
                return []
            if name.startswith("."):
                continue
            if _is_shard(file):
                files.append(file)
            elif file.parent != folder and file.suffix.lower() not in SIDE_SUFFIXES:
                return []
    return files


def _is_shard(file: Path) -> bool:
    kind = shard_format(file)
    if kind is None or not file.is_file():
        return False
    refuse_pointer(file)
    return kind != PARQUET or holds_images(file)


def _refuse_several_sets(path: Path, folders: list[Path]) -> None:
    """Raise DataError if folders differ in other words than those for splits."""
    ignored = (*SPLIT_NAMES, *GENERAL)
    sets = {
        "/".join(part for part in folder.parts if part.lower() not in ignored)
        for folder in folders
    }
    if len(sets) > 1:
        raise DataError(
            f"Shards of one set are read together. Received: {path} with shards in "
            f"several folders: {', '.join(name or '.' for name in sorted(sets))}. Name "
            "one of them."
        )


@dataclass(frozen=True)
class _Decoding:
    """Size, fit, channels and scale that all images are decoded to."""

    size: tuple[int, int]
    fit: Fit
    channels: int
    scale: Scale | None = None  # of images of more than 8 bits
    off_scale: dict[str, str] = field(default_factory=dict)  # images, with the reason


def read_shards(
    path: Path,
    *,
    images_key: str | None = None,
    labels_key: str | None = None,
    size: tuple[int, int] | None = None,
    largest_side: int = LARGEST_SIDE,
    fit: Fit | None = None,
    on_error: OnError = "fail",
    value_range: tuple[float, float] | None = None,
) -> LabelledImages:
    """Decode the images of shards to one size.

    Parameters
    ----------
    path : Path
        A shard, or a folder of shards of one format. A shard belongs to the training
        part unless its name, or that of its folder, names another split
        ("test-00000-of-00002.parquet").
    images_key, labels_key : str or None, default=None
        See :func:`balancegan.data.samples.iterate_samples`.
    size, largest_side, fit, on_error, value_range
        See :func:`balancegan.read_images`. The first thousand training images choose
        size and fit; all training images choose the value range.
    """
    by_split = find_shards(path)
    keys = images_key, labels_key
    bad: list[BadFile] = []
    rule, parts, notes, kinds = None, {}, [], ImageCounts()
    for split in sorted(by_split, key=lambda s: (s != TRAIN, s)):
        samples = _iterate(by_split[split], keys)
        if rule is None:
            first = list(islice(samples, N_LOOKED_AT))
            rule, has_deep = _choose_decoding(path, first, size, largest_side, fit)
            samples = chain(first, samples)
            if has_deep or value_range is not None:
                training = _iterate(by_split.get(TRAIN, []), keys)
                deep = ((s.name, s.image) for s in training if _is_deep(s.image))
                scale, off_scale = find_scale(deep, value_range)
                rule = replace(rule, scale=scale, off_scale=off_scale)
        parts[split], sides = _read_part(path, samples, rule, bad, kinds)
        notes += note_sizes(sides, rule.size, rule.fit, f"images ({split})")
    kinds.refuse_synthetic(path)
    check_usable(path, parts, bad, on_error)
    if bad:
        unusable = counted(len(bad), "unusable image")
        notes.append(f"left out {unusable}: {list_bad(bad)}")
    scale = None if rule is None else rule.scale
    notes += kinds.describe(scale, "image")
    file_range = (scale.low, scale.high) if scale is not None and kinds.n_deep else None
    return LabelledImages(path, parts, notes=notes, file_range=file_range)


def _iterate(
    files: list[Path], keys: tuple[str | None, str | None]
) -> Iterator[Sample]:
    return chain.from_iterable(iterate_samples(file, *keys) for file in files)


def _is_deep(image: bytes) -> bool:
    try:
        return read_header(image).is_deep
    except UnusableImage:
        return False


def _choose_decoding(
    path: Path,
    samples: list[Sample],
    size: tuple[int, int] | None,
    largest_side: int,
    fit: Fit | None,
) -> tuple[_Decoding, bool]:
    """Return how images are decoded, and whether some have more than 8 bits."""
    headers, bad = [], []
    for sample in samples:
        try:
            headers.append(read_header(sample.image))
        except UnusableImage as error:
            bad.append(BadFile(sample.name, str(error)))
    if not headers:
        raise nothing_left(path, bad)
    size = size or choose_size(headers, largest_side)
    rule = _Decoding(size, fit or choose_fit(headers, size), choose_channels(headers))
    return rule, any(header.is_deep for header in headers)


def _read_part(
    path: Path,
    samples: Iterable[Sample],
    rule: _Decoding,
    bad: list[BadFile],
    kinds: ImageCounts,
) -> tuple[Part, np.ndarray]:
    """Return a part, and the least and largest height and width before decoding."""
    facts = _Facts()
    with GrowingArray() as images:
        for pixels in _decode(samples, rule, bad, facts, kinds):
            images.append(pixels)
        empty = np.empty((0, *rule.size, rule.channels), np.uint8)
        decoded = images.take() if len(images) else empty
    table = facts.table()
    if MASK_KEY in table:
        refuse_synthetic(path, marked_rows(table[MASK_KEY]))
    table = table.drop(columns=[key for key in LINEAGE_KEYS if key in table])
    return Part(decoded, facts.label_array(), table), facts.extreme_sides()


def _decode(
    samples: Iterable[Sample],
    rule: _Decoding,
    bad: list[BadFile],
    facts: "_Facts",
    kinds: ImageCounts,
) -> Iterator[np.ndarray]:
    """Yield blocks of pixels, and collect what is known of each image."""
    samples = iter(samples)
    while some := list(islice(samples, DECODED_AT_ONCE)):
        block = np.empty((len(some), *rule.size, rule.channels), np.uint8)
        n = 0
        for sample in some:
            try:
                if sample.name in rule.off_scale:
                    raise UnusableImage(rule.off_scale[sample.name])
                block[n], header = decode(
                    sample.image, rule.channels, rule.size, rule.fit, rule.scale
                )
            except UnusableImage as error:
                bad.append(BadFile(sample.name, str(error)))
                continue
            n += 1
            facts.add(sample, (header.height, header.width))
            kinds.add(sample.name, header)
        if n:
            yield block[:n]


@dataclass
class _Facts:
    """Collects labels, columns and extreme sizes of images."""

    labels: list[Plain] = field(default_factory=list)
    columns: dict[str, list[Plain | None]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)  # each stored once
    least: tuple[int, int] | None = None
    largest: tuple[int, int] = (0, 0)

    def add(self, sample: Sample, sides: tuple[int, int]) -> None:
        """Record the label, columns and size of one sample."""
        n = len(self.labels)
        self.labels.append(self._once(sample.label))
        for name, value in sample.columns.items():
            column = self.columns.setdefault(name, [])
            column.extend([None] * (n - len(column)))
            column.append(self._once(value))
        least = self.least or sides
        self.least = min(least[0], sides[0]), min(least[1], sides[1])
        self.largest = max(self.largest[0], sides[0]), max(self.largest[1], sides[1])

    def _once(self, value: Plain) -> Plain:
        return self.texts.setdefault(value, value) if isinstance(value, str) else value

    def label_array(self) -> np.ndarray:
        """Return numbers if all labels are numbers, else texts."""
        if any(isinstance(label, str) for label in self.labels):
            return np.array([str(label) for label in self.labels], dtype=str)
        return np.array(self.labels)

    def table(self) -> pd.DataFrame:
        n = len(self.labels)
        full = {name: c + [None] * (n - len(c)) for name, c in self.columns.items()}
        return keep_whole(pd.DataFrame(full, index=range(n), dtype=object))

    def extreme_sides(self) -> np.ndarray:
        ends = [] if self.least is None else [self.least, self.largest]
        return np.array(ends, dtype=int).reshape(-1, 2)
