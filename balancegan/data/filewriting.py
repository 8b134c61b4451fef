"""Image files: what each is called, what it says of itself, and the table of all.

Original files are copied byte for byte. Files of synthetic images say so in their
names, and carry what makes them again. Which pixels an image is written as is decided
by :meth:`balancegan.images.ImageFormat.to_pixels`.
"""

import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from balancegan.data.arrays import (
    LINEAGE_KEYS,
    MASK_KEY,
    METHOD_KEY,
    MODEL_KEY,
    NUMBER_KEY,
    SCORE_KEY,
    WEIGHT_KEY,
)
from balancegan.data.columns import keep_whole, rename_apart
from balancegan.data.fitting import unfit_image
from balancegan.data.labelled import (
    SPLIT_NAMES,
    TRAIN,
    LabelledImages,
    SyntheticImages,
)
from balancegan.data.lineage import Lineage, safe_name, whole_range
from balancegan.data.rows import PART
from balancegan.errors import DataError
from balancegan.images import ImageFormat, check_format, find_format
from balancegan.memory import release
from balancegan.pictures import encode_png

PNG_CHANNELS = (1, 3, 4)


def check_pixels(
    labelled: LabelledImages, image_format: ImageFormat | None = None
) -> ImageFormat:
    """Return black and white of what is written, after checking that it can be.

    Parameters
    ----------
    labelled : LabelledImages
        The images.
    image_format : ImageFormat or None, default=None
        Of the training part. None: found out.

    Raises
    ------
    DataError
        If image files cannot hold an array.
    """
    if image_format is None:
        image_format = find_format(
            labelled.images, labelled.image_shape, may_be_dim=True
        )
    for split, part in labelled.parts.items():
        if part.files is not None or not len(part.images):
            continue
        expected = image_format.like(part.images)
        images = part.images
        if expected.holds_pixels:  # of any range
            images, expected = images[:1], replace(expected, low=0, high=255)
        check_format(images, expected, f"the images to write (looked at: {split})")
        encode_image(expected.to_pixels(images[:1])[0])
    return image_format


def note_pixels(image_format: ImageFormat) -> list[str]:
    """Return what to tell people of the pixels of image files, which may be nothing.

    Examples
    --------
    >>> note_pixels(ImageFormat((4, 4), (4, 4, 1), "uint16", 0, 4095))
    ['image files hold 8 bits: 0 to 4095 (uint16) is written as 0 to 255']
    """
    if image_format.holds_pixels:
        return []
    return [
        f"image files hold 8 bits: {image_format.low:g} to {image_format.high:g} "
        f"({image_format.dtype}) is written as 0 to 255"
    ]


def note_added(labelled: LabelledImages) -> list[str]:
    """Return what to tell people of synthetic files next to files of more than 8 bits.

    Nothing where there are no such files.
    """
    if labelled.file_range is None:
        return []
    bits = "16 bits on this scale" if labelled.has_wide_grey else "8 bits: 0 to 255"
    return [f"synthetic image files have {bits}"]


def write_files(
    folder: Path,
    labelled: LabelledImages,
    synthetic: SyntheticImages | None,
    image_format: ImageFormat | None = None,
) -> pd.DataFrame:
    """Write images as files below a folder; return the table that names them.

    Original files keep their names; images of arrays become PNG files. Columns that are
    called as the table's own get a number behind their names.
    """
    image_format = check_pixels(labelled, image_format)
    namer = _Namer(labelled)
    own = ("file_name", "label", "split", *LINEAGE_KEYS)
    called = rename_apart(labelled.column_names, own)
    tables = []
    for split, part in labelled.parts.items():
        table = _write_real(folder, labelled, split, namer, image_format)
        table = table.join(keep_whole(part.columns).rename(columns=called))
        if synthetic is not None:
            table[MASK_KEY] = False
            is_weighted = synthetic.origins is not None and split == TRAIN
            if is_weighted and WEIGHT_KEY not in table:
                table[WEIGHT_KEY] = 1.0
        tables.append(table)
        if split == TRAIN and synthetic is not None:
            table = _write_synthetic(folder, labelled, synthetic, namer, image_format)
            tables.append(table.join(synthetic.attributes.rename(columns=called)))
    return pd.concat(tables, ignore_index=True)


def _write_real(
    folder: Path,
    labelled: LabelledImages,
    split: str,
    namer: "_Namer",
    image_format: ImageFormat,
) -> pd.DataFrame:
    part = labelled.parts[split]
    image_format = image_format.like(part.images)
    class_names = [labelled.name(label) for label in part.labels]
    names = []
    for row, class_name in enumerate(class_names):
        names.append(namer.real(split, class_name, row, part.files))
        target = folder / names[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        if part.files is None:
            (pixels,) = image_format.to_pixels(part.images[row : row + 1])
            target.write_bytes(encode_image(pixels))
            if row % PART == 0:
                release(part.images)
        else:
            shutil.copyfile(part.files[row], target)
    return pd.DataFrame({"file_name": names, "label": class_names, "split": split})


def _write_synthetic(
    folder: Path,
    labelled: LabelledImages,
    synthetic: SyntheticImages,
    namer: "_Namer",
    image_format: ImageFormat,
) -> pd.DataFrame:
    names = []
    batches = map(image_format.to_pixels, synthetic.batches)
    images = itertools.chain.from_iterable(batches)
    lineages = _lineages(labelled, synthetic)
    for image, lineage in zip(images, lineages, strict=True):
        names.append(namer.synthetic(lineage))
        target = folder / names[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_image(image, lineage))
    first = {
        "file_name": names,
        "label": [labelled.name(label) for label in synthetic.labels],
        "split": TRAIN,
        MASK_KEY: True,
        NUMBER_KEY: pd.Series(synthetic.numbers, dtype="Int64"),
        MODEL_KEY: synthetic.model,
    }
    origins = synthetic.origins
    if origins is not None:
        first[METHOD_KEY] = origins["method"]
        first[SCORE_KEY] = origins["score"]
        if WEIGHT_KEY not in labelled.train.columns:
            first[WEIGHT_KEY] = origins["weight"]
    return pd.DataFrame(first)


def _lineages(
    labelled: LabelledImages, synthetic: SyntheticImages
) -> Iterator[Lineage]:
    """Yield where each synthetic image comes from."""
    names = [str(name) for name in synthetic.attributes]
    columns = [synthetic.attributes[name].tolist() for name in names]
    origins = synthetic.origins
    methods = None if origins is None else origins["method"].tolist()
    scores = None if origins is None else origins["score"].tolist()
    file_range = whole_range(labelled.file_range, labelled.has_wide_grey)
    for row, number in enumerate(synthetic.numbers.tolist()):
        size, fit = None, None
        if synthetic.sizes is not None:
            height, width = synthetic.sizes[row].tolist()
            size, fit = (height, width), labelled.fit
        yield Lineage(
            labelled.name(synthetic.labels[row]),
            number,
            synthetic.model,
            dict(zip(names, (str(column[row]) for column in columns), strict=True)),
            size,
            fit,
            None if methods is None else methods[row],
            None if scores is None or np.isnan(scores[row]) else scores[row],
            synthetic.truncation,
            file_range,
        )


def encode_image(image: np.ndarray, lineage: Lineage | None = None) -> bytes:
    """Return an image as the bytes of a PNG file, value for value.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, channels), uint8
        One, three or four channels.
    lineage : Lineage or None, default=None
        Where a synthetic image comes from: the file carries it, and has the size and
        the range that it says.

    Raises
    ------
    DataError
        If a PNG file cannot hold such values.
    """
    shown = image if image.ndim == 3 else image[..., None]
    if image.dtype != np.uint8 or shown.ndim != 3 or shown.shape[2] not in PNG_CHANNELS:
        raise DataError(
            "Image files have 1, 3 or 4 channels of uint8. Received: images of shape "
            f"{image.shape}, {image.dtype}. Choose .npz, or the format npy."
        )
    if lineage is None:
        return encode_png(shown)
    if lineage.size is not None and lineage.fit is not None:
        shown = unfit_image(shown, lineage.size, lineage.fit)
    if lineage.file_range is not None and shown.shape[2] == 1:
        black, white = lineage.file_range
        shown = np.rint(black + shown / 255 * (white - black)).astype(np.uint16)
    return encode_png(shown, lineage.texts())


class _Namer:
    """Says what files are called, relative to the folder: each one differently."""

    def __init__(self, labelled: LabelledImages) -> None:
        self.labelled = labelled
        self.has_splits = len(labelled.parts) > 1
        self.root = labelled.root
        self.folders: dict[str, str] = {}
        self.homes = {} if self.root is None else self._find_homes()
        self.taken: set[str] = set()
        self.originals = {
            self._original(split, file)
            for split, part in labelled.parts.items()
            for file in part.files or ()
        }

    def real(
        self, split: str, class_name: str, row: int, files: list[Path] | None
    ) -> str:
        """Return the name of a real image, the original's where it has one."""
        if files is None or self.root is None:
            return f"{self._folder(split, class_name)}/real_{row:06d}.png"
        name = self._original(split, files[row])
        if name in self.taken:  # a table may name a file twice
            again = f"{self._folder(split, class_name)}/again_{row:06d}"
            name = self._free(again, files[row].suffix)
        self.taken.add(name)
        return name

    def synthetic(self, lineage: Lineage) -> str:
        """Return the name of a synthetic image, which says what it is."""
        folder = self._folder(TRAIN, lineage.class_name)
        stem = lineage.stem(folder.rsplit("/")[-1])
        folder = self.homes.get(lineage.class_name, folder)
        name = self._free(f"{folder}/{stem}", ".png")
        self.taken.add(name)
        return name

    def _original(self, split: str, file: Path) -> str:
        """Return the name of an original, below its split if one was set aside."""
        folders = file.relative_to(self.root or "").parts
        if self.labelled.held_out is None:
            return "/".join(folders)
        if len(folders) > 2 and folders[0].lower() in SPLIT_NAMES:
            folders = folders[1:]
        return "/".join([split, *folders])

    def _free(self, name: str, suffix: str) -> str:
        """Return a name that nothing has: values may be alike as parts of names."""
        free = f"{name}{suffix}"
        while free in self.taken or free in self.originals:
            free = f"{free.removesuffix(suffix)}_{suffix}"
        return free

    def _folder(self, split: str, class_name: str) -> str:
        if class_name not in self.folders:
            name = safe_name(class_name)
            while name.lower() in {other.lower() for other in self.folders.values()}:
                name += "_"
            self.folders[class_name] = name
        name = self.folders[class_name]
        return f"{split}/{name}" if self.has_splits else name

    def _find_homes(self) -> dict[str, str]:
        """Return the folder of each class's training files, if no others are in it."""
        owners: dict[str, Counter[tuple[str, str]]] = {}
        for split, part in self.labelled.parts.items():
            for file, label in zip(part.files or (), part.labels, strict=True):
                folder = PurePosixPath(self._original(split, file)).parent.as_posix()
                counts = owners.setdefault(folder, Counter())
                counts[split, self.labelled.name(label)] += 1
        homes: dict[str, tuple[int, str]] = {}
        for folder, counts in owners.items():
            ((split, name), n), *others = counts.items()
            if split == TRAIN and not others and n > homes.get(name, (0, ""))[0]:
                homes[name] = n, folder
        return {name: folder for name, (_, folder) in homes.items()}
