"""Write image files: their names, contents and table.

Originals and unshifted copies are copied byte for byte; shifted copies keep size,
format and quality (`filecopies`). Other synthetic files carry their provenance.
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

from balancegan.data.arraywriting import PART
from balancegan.data.columns import keep_whole, rename_apart
from balancegan.data.filecopies import MovedFile, encode_moved
from balancegan.data.filenames import FileNamer
from balancegan.data.fitting import unfit_image
from balancegan.data.labelled import (
    TRAIN,
    LabelledImages,
    SyntheticImages,
)
from balancegan.data.lineage import (
    LINEAGE_KEYS,
    MASK_KEY,
    METHOD_KEY,
    MODEL_KEY,
    MOVE_KEY,
    NUMBER_KEY,
    SCORE_KEY,
    SOURCE_KEY,
    WEIGHT_KEY,
    Lineage,
    Moves,
    whole_range,
)
from balancegan.data.opening import UnusableImage
from balancegan.errors import DataError, SimplerMethodWarning
from balancegan.images import ImageFormat, check_format, find_format
from balancegan.memory import release
from balancegan.pictures import encode_png

PNG_CHANNELS = (1, 3, 4)


def check_pixels(
    labelled: LabelledImages, image_format: ImageFormat | None = None
) -> ImageFormat:
    """Return the format of the training images; DataError if files cannot hold it."""
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
        check_format(images, expected, f"the images to write (part: {split})")
        encode_image(expected.to_pixels(images[:1])[0])
    return image_format


def note_pixels(image_format: ImageFormat) -> list[str]:
    """Return a note if values are converted to 8 bits.

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
    """Return a note on the bits of synthetic files, if originals have more than 8."""
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

    Images of arrays become PNG files. Columns named like those of the table get a
    number appended.
    """
    image_format = check_pixels(labelled, image_format)
    namer = FileNamer(labelled)
    own = ("file_name", "label", "split", *LINEAGE_KEYS)
    renamed = rename_apart(labelled.column_names, own)
    tables = []
    for split, part in labelled.parts.items():
        table = _write_real(folder, labelled, split, namer, image_format)
        names = table["file_name"].tolist()
        table = table.join(keep_whole(part.columns).rename(columns=renamed))
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
            tables.append(written.join(synthetic.attributes.rename(columns=renamed)))
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
    for row, (image, planned) in enumerate(zip(images, lineages, strict=True)):
        file, lineage = _copied_file(labelled, synthetic, row), planned
        if file is None:
            made = MovedFile(encode_image(image, lineage), ".png")
        else:
            made, lineage = _copy_file(file, planned, row, synthetic.moves)
            n_png += made.suffix != file.suffix
            n_unmoved += lineage.move != planned.move
        names.append(namer.synthetic(lineage, made.suffix))
        sources.append(lineage.source)
        moves.append(lineage.move)
        target = folder / names[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.content)
    _warn_of_formats(n_png, n_unmoved)
    table = {
        "file_name": names,
        "label": [labelled.name(label) for label in synthetic.labels],
        "split": TRAIN,
        MASK_KEY: True,
        NUMBER_KEY: pd.Series(synthetic.numbers, dtype="Int64"),
        MODEL_KEY: synthetic.model,
    }
    origins = synthetic.origins
    if origins is not None:
        table |= {METHOD_KEY: origins["method"], SCORE_KEY: origins["score"]}
        if WEIGHT_KEY not in labelled.train.columns:
            table[WEIGHT_KEY] = origins["weight"]
    if synthetic.sources is not None:
        table |= {SOURCE_KEY: sources, MOVE_KEY: moves}
    return pd.DataFrame(table)


def _warn_of_formats(n_png: int, n_unmoved: int) -> None:
    counts = {
        f"{n_png:,} shifted copies are written as PNG": n_png,
        f"{n_unmoved:,} copies are not shifted": n_unmoved,
    }
    said = [text for text, n in counts.items() if n]
    if said:
        warnings.warn(
            "Some formats of the originals can be read, but not written: "
            f"{'; '.join(said)}. Their pixels are unchanged.",
            SimplerMethodWarning,
            stacklevel=2,
        )


def _copied_file(
    labelled: LabelledImages, synthetic: SyntheticImages, row: int
) -> Path | None:
    """Return the file that a synthetic image copies, if there is one."""
    files, sources = labelled.train.files, synthetic.sources
    if files is None or sources is None or sources[row] < 0:
        return None
    return files[sources[row]]


def _copy_file(
    file: Path, lineage: Lineage, row: int, moves: Moves | None
) -> tuple[MovedFile, Lineage]:
    """Return a copy of a file with its lineage: some files cannot be shifted."""
    if moves is not None and lineage.move:
        try:
            moved = encode_moved(file, partial(moves.apply, row), lineage.texts())
        except UnusableImage as error:
            raise DataError(
                f"{file} could be read before, and no longer can: {error}. Do not "
                "change the images while they are balanced."
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
    """Yield the lineage of each synthetic image; images of arrays have these sides."""
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
            class_name=labelled.name(synthetic.labels[row]),
            number=number,
            model=synthetic.model,
            attributes={
                name: str(column[row])
                for name, column in zip(names, columns, strict=True)
            },
            size=size,
            fit=fit,
            method=None if methods is None else methods[row],
            score=None if scores is None or np.isnan(scores[row]) else scores[row],
            truncation=synthetic.truncation,
            file_range=file_range if source < 0 else None,
            source=real_names[source] if source >= 0 else None,
            move=move,
        )


def _origin_of(
    labelled: LabelledImages,
    synthetic: SyntheticImages,
    row: int,
    sides: tuple[int, ...],
) -> tuple[int, str]:
    """Return the row that a synthetic image copies, -1 for none, and its shift."""
    source = -1 if synthetic.sources is None else int(synthetic.sources[row])
    if source < 0 or synthetic.moves is None:
        return source, ""
    if labelled.train.sizes is not None:
        sides = tuple(labelled.train.sizes[source].tolist())
    return source, synthetic.moves.describe_move(row, sides)


def encode_image(image: np.ndarray, lineage: Lineage | None = None) -> bytes:
    """Return an image as the bytes of a PNG file.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, channels), uint8
        One, three or four channels.
    lineage : Lineage or None, default=None
        Provenance of a synthetic image: the file carries it, and has its size and
        range.
    """
    shown = image if image.ndim == 3 else image[..., None]
    if image.dtype != np.uint8 or shown.ndim != 3 or shown.shape[2] not in PNG_CHANNELS:
        raise DataError(
            "Image files have 1, 3 or 4 channels of uint8. Received: images of shape "
            f"{image.shape}, {image.dtype}. Choose .npz."
        )
    if lineage is None:
        return encode_png(shown)
    if lineage.size is not None and lineage.fit is not None:
        shown = unfit_image(shown, lineage.size, lineage.fit)
    if lineage.file_range is not None and shown.shape[2] == 1:
        black, white = lineage.file_range
        shown = np.rint(black + shown / 255 * (white - black)).astype(np.uint16)
    return encode_png(shown, lineage.texts())
