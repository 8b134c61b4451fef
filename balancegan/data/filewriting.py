"""Image files: what each is called, what it says of itself, and the table of all.

Original files are copied byte for byte, and so are unmoved copies of them; moved ones
keep size, format and quality (:mod:`balancegan.data.filecopies`). Files of other
synthetic images carry what makes them again. Which pixels an array is written as is
decided by :meth:`balancegan.images.ImageFormat.to_pixels`.
"""

import itertools
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from balancegan.data.arrays import (
    LINEAGE_KEYS,
    MASK_KEY,
    METHOD_KEY,
    MODEL_KEY,
    MOVE_KEY,
    NUMBER_KEY,
    SCORE_KEY,
    SOURCE_KEY,
    WEIGHT_KEY,
)
from balancegan.data.columns import keep_whole, rename_apart
from balancegan.data.filecopies import MovedFile, encode_moved
from balancegan.data.filenames import FileNamer
from balancegan.data.fitting import unfit_image
from balancegan.data.labelled import TRAIN, LabelledImages, SyntheticImages
from balancegan.data.lineage import Lineage, Moves, whole_range
from balancegan.data.opening import UnusableImage
from balancegan.data.rows import PART
from balancegan.errors import DataError, SimplerMethodWarning
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
    namer = FileNamer(labelled)
    own = ("file_name", "label", "split", *LINEAGE_KEYS)
    called = rename_apart(labelled.column_names, own)
    tables = []
    for split, part in labelled.parts.items():
        table = _write_real(folder, labelled, split, namer, image_format)
        names = table["file_name"].tolist()
        table = table.join(keep_whole(part.columns).rename(columns=called))
        if synthetic is not None:
            table[MASK_KEY] = False
            is_weighted = synthetic.origins is not None and split == TRAIN
            if is_weighted and WEIGHT_KEY not in table:
                table[WEIGHT_KEY] = 1.0
        tables.append(table)
        if split == TRAIN and synthetic is not None:
            sides = image_format.image_shape[:2]
            lineages = _lineages(labelled, synthetic, names, sides)
            written = _write_synthetic(
                folder, labelled, synthetic, namer, image_format, lineages
            )
            tables.append(written.join(synthetic.attributes.rename(columns=called)))
    return pd.concat(tables, ignore_index=True)


def _write_real(
    folder: Path,
    labelled: LabelledImages,
    split: str,
    namer: FileNamer,
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
    namer: FileNamer,
    image_format: ImageFormat,
    lineages: Iterator[Lineage],
) -> pd.DataFrame:
    names, sources, moves = [], [], []
    n_png = n_unmoved = 0
    batches = map(image_format.to_pixels, synthetic.batches)
    images = itertools.chain.from_iterable(batches)
    for row, (image, lineage) in enumerate(zip(images, lineages, strict=True)):
        file = _file_copied(labelled, synthetic, row)
        if file is None:
            made = MovedFile(encode_image(image, lineage), ".png")
        else:
            planned = lineage
            made, lineage = _copy_file(file, lineage, row, synthetic.moves)
            n_png += made.suffix != file.suffix
            n_unmoved += lineage.move != planned.move
        names.append(namer.synthetic(lineage, made.suffix))
        sources.append(lineage.source)
        moves.append(lineage.move)
        target = folder / names[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.content)
    _warn_of_formats(n_png, n_unmoved)
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
    if synthetic.sources is not None:
        first[SOURCE_KEY], first[MOVE_KEY] = sources, moves
    return pd.DataFrame(first)


def _warn_of_formats(n_png: int, n_unmoved: int) -> None:
    """Say how many moved copies could not keep their format, or not be moved."""
    said = [
        text
        for n, text in (
            (n_png, f"{n_png:,} moved copies are written as PNG"),
            (n_unmoved, f"{n_unmoved:,} copies are not moved"),
        )
        if n
    ]
    if said:
        warnings.warn(
            f"Some formats of the originals are read, but cannot be written: "
            f"{'; '.join(said)}. Their pixels are unchanged.",
            SimplerMethodWarning,
            stacklevel=2,
        )


def _file_copied(
    labelled: LabelledImages, synthetic: SyntheticImages, row: int
) -> Path | None:
    """Return the file that a synthetic image copies, None where it copies none."""
    files, sources = labelled.train.files, synthetic.sources
    if files is None or sources is None or sources[row] < 0:
        return None
    return files[sources[row]]


def _copy_file(
    file: Path, lineage: Lineage, row: int, moves: Moves | None
) -> tuple[MovedFile, Lineage]:
    """Return a copy of a file, and what is true of it: some cannot be moved."""
    if moves is not None and lineage.move:
        try:
            moved = encode_moved(file, partial(moves.apply, row), lineage.texts())
        except UnusableImage as error:
            raise DataError(
                f"{file} could be read before, and no longer can: {error}. Leave the "
                "images alone while they are balanced."
            ) from error
        if moved is not None:
            return moved, lineage
    return MovedFile(file.read_bytes(), file.suffix), replace(lineage, move="")


def _lineages(
    labelled: LabelledImages,
    synthetic: SyntheticImages,
    real_names: list[str],
    sides: tuple[int, ...],
) -> Iterator[Lineage]:
    """Yield where each synthetic image comes from; arrays have these sides."""
    names = [str(name) for name in synthetic.attributes]
    columns = [synthetic.attributes[name].tolist() for name in names]
    origins = synthetic.origins
    methods = None if origins is None else origins["method"].tolist()
    scores = None if origins is None else origins["score"].tolist()
    file_range = whole_range(labelled.file_range, labelled.has_wide_grey)
    for row, number in enumerate(synthetic.numbers.tolist()):
        size, fit = None, None
        source, move = _origin_of(labelled, synthetic, row, sides)
        if synthetic.sizes is not None and source < 0:
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
            file_range if source < 0 else None,
            real_names[source] if source >= 0 else None,
            move,
        )


def _origin_of(
    labelled: LabelledImages,
    synthetic: SyntheticImages,
    row: int,
    sides: tuple[int, ...],
) -> tuple[int, str]:
    """Return the row that a synthetic image copies, -1 if none, and how it is moved."""
    source = -1 if synthetic.sources is None else int(synthetic.sources[row])
    if source < 0 or synthetic.moves is None:
        return source, ""
    if labelled.train.sizes is not None:
        sides = tuple(labelled.train.sizes[source].tolist())
    return source, synthetic.moves.describe_move(row, sides)


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
