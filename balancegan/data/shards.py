"""From shards, files that each hold many encoded images, to labelled images.

Every shard is read once, from its beginning to its end, and decoded to 8 bits as it is
read (where images have more bits twice: how far their values go is measured first); a
set larger than memory goes to a temporary file. What is in a shard is `samples`'s
business.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd

from balancegan.data.arrays import LINEAGE_KEYS, MASK_KEY, marked_rows, refuse_synthetic
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
from balancegan.data.imagefiles import (
    Kinds,
    OnError,
    check_usable,
    list_bad,
    note_sizes,
    nothing_left,
)
from balancegan.data.labelled import TRAIN, LabelledImages, Part
from balancegan.data.links import BadFile, counted
from balancegan.data.opening import UnusableImage
from balancegan.data.samples import Plain, Sample, iterate_samples
from balancegan.data.shardfiles import Source, find_shards
from balancegan.memory import GrowingArray

N_LOOKED_AT = 1_000  # images, by which size, fit and channels of all are chosen
DECODED_AT_ONCE = 256


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
        A shard, or a folder of shards of one format, or with such folders. A shard is
        of the training part unless its name, or its folder's, says another
        ("test-00000-of-00002.parquet").
    images_key, labels_key : str or None, default=None
        See :func:`balancegan.data.samples.iterate_samples`.
    size : tuple of int or None, default=None
        Height and width. None: what the first thousand training images would get, see
        :func:`balancegan.data.fitting.choose_size`.
    largest_side : int, default=64
        The longer side is at most that, where no size is given.
    fit : str or None, default=None
        See :func:`balancegan.data.decoding.decode`. None: chosen by them as well.
    on_error : str, default="fail"
        "fail" refuses a set with unusable images and names them; "skip" leaves them
        out, and names them in the notes.
    value_range : tuple of float or None, default=None
        Black and white of images of more than 8 bits. None: all training images
        decide, see :func:`balancegan.data.depth.choose_scale`.

    Returns
    -------
    labelled : LabelledImages

    Raises
    ------
    DataError
        If shards are damaged, images unusable, or no training image is left.
    """
    by_split = find_shards(path, labels_key)
    keys = images_key, labels_key
    bad: list[BadFile] = []
    rule, parts, notes, kinds = None, {}, [], Kinds()
    for split in sorted(by_split, key=lambda s: (s != TRAIN, s)):
        samples = _iterate(by_split[split], keys)
        if rule is None:
            first = list(islice(samples, N_LOOKED_AT))
            rule, is_deep = _choose_rule(path, first, size, largest_side, fit)
            samples = chain(first, samples)
            if is_deep or value_range is not None:
                training = _iterate(by_split.get(TRAIN, []), keys)
                deep = ((s.name, s.image) for s in training if _is_deep(s.image))
                scale, others = find_scale(deep, value_range)
                rule = replace(rule, scale=scale, others=others)
        parts[split], sides = _gather(path, samples, rule, bad, kinds)
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


@dataclass(frozen=True)
class _Rule:
    """What images are decoded to."""

    size: tuple[int, int]
    fit: Fit
    channels: int
    scale: Scale | None = None  # of images of more than 8 bits
    others: dict[str, str] = field(default_factory=dict)  # on another scale


def _iterate(
    sources: list[Source], keys: tuple[str | None, str | None]
) -> Iterator[Sample]:
    for file, split in sources:
        for sample in iterate_samples(file, *keys):
            if split is None or sample.split == split:
                yield sample


def _is_deep(image: bytes) -> bool:
    try:
        return read_header(image).is_deep
    except UnusableImage:
        return False


def _choose_rule(
    path: Path,
    samples: list[Sample],
    size: tuple[int, int] | None,
    largest_side: int,
    fit: Fit | None,
) -> tuple[_Rule, bool]:
    """Return what images are decoded to, and whether there are some of more bits."""
    headers, bad = [], []
    for sample in samples:
        try:
            headers.append(read_header(sample.image))
        except UnusableImage as error:
            bad.append(BadFile(sample.name, str(error)))
    if not headers:
        raise nothing_left(path, bad)
    size = size or choose_size(headers, largest_side)
    rule = _Rule(size, fit or choose_fit(headers, size), choose_channels(headers))
    return rule, any(header.is_deep for header in headers)


def _gather(
    path: Path,
    samples: Iterable[Sample],
    rule: _Rule,
    bad: list[BadFile],
    kinds: Kinds,
) -> tuple[Part, np.ndarray]:
    """Return a part, and the least and largest height and width before decoding."""
    known, sides = _Known(), _Sides()
    with GrowingArray() as images:
        for pixels in _decode(samples, rule, bad, known, sides, kinds):
            images.append(pixels)
        empty = np.empty((0, *rule.size, rule.channels), np.uint8)
        gathered = images.take() if len(images) else empty
    table = known.table()
    if MASK_KEY in table:
        refuse_synthetic(path, marked_rows(table[MASK_KEY]))
    table = table.drop(columns=[key for key in LINEAGE_KEYS if key in table])
    return Part(gathered, known.label_array(), table), sides.extremes()


def _decode(
    samples: Iterable[Sample],
    rule: _Rule,
    bad: list[BadFile],
    known: "_Known",
    sides: "_Sides",
    kinds: Kinds,
) -> Iterator[np.ndarray]:
    """Yield the pixels of some images at a time, and note what is said of them."""
    samples = iter(samples)
    while some := list(islice(samples, DECODED_AT_ONCE)):
        block = np.empty((len(some), *rule.size, rule.channels), np.uint8)
        n = 0
        for sample in some:
            try:
                if sample.name in rule.others:
                    raise UnusableImage(rule.others[sample.name])
                block[n], header = decode(
                    sample.image, rule.channels, rule.size, rule.fit, rule.scale
                )
            except UnusableImage as error:
                bad.append(BadFile(sample.name, str(error)))
                continue
            n += 1
            known.add(sample.label, sample.columns)
            sides.add(header.height, header.width)
            kinds.add(sample.name, header)
        if n:
            yield block[:n]


@dataclass
class _Sides:
    """Keeps the least and the largest of heights and widths."""

    least: tuple[int, int] | None = None
    largest: tuple[int, int] = (0, 0)

    def add(self, *sides: int) -> None:
        """Take note of a height and a width."""
        least = self.least or sides
        self.least = min(least[0], sides[0]), min(least[1], sides[1])
        self.largest = max(self.largest[0], sides[0]), max(self.largest[1], sides[1])

    def extremes(self) -> np.ndarray:
        ends = [] if self.least is None else [self.least, self.largest]
        return np.array(ends, dtype=int).reshape(-1, 2)


@dataclass
class _Known:
    """Gathers labels and columns; where an image lacks a column, it has None."""

    labels: list[Plain] = field(default_factory=list)
    columns: dict[str, list[Plain | None]] = field(default_factory=dict)
    # Each text once, however many images have it
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, label: Plain, columns: dict[str, Plain]) -> None:
        """Take note of what is known of the next image."""
        n = len(self.labels)
        self.labels.append(self._once(label))
        for name, value in columns.items():
            column = self.columns.setdefault(name, [])
            column.extend([None] * (n - len(column)))
            column.append(self._once(value))

    def _once(self, value: Plain) -> Plain:
        return self.texts.setdefault(value, value) if isinstance(value, str) else value

    def label_array(self) -> np.ndarray:
        """Return numbers where all labels are, else texts."""
        if any(isinstance(label, str) for label in self.labels):
            return np.array([str(label) for label in self.labels], dtype=str)
        return np.array(self.labels)

    def table(self) -> pd.DataFrame:
        n = len(self.labels)
        full = {name: c + [None] * (n - len(c)) for name, c in self.columns.items()}
        return keep_whole(pd.DataFrame(full, index=range(n), dtype=object))
