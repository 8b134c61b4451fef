"""Write labelled images in any format, with synthetic ones appended.

Whatever was read can be written in every format. Original image files are copied byte
for byte; everything appears whole or not at all.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from balancegan.data.arraywriting import write_array_file
from balancegan.data.filewriting import check_pixels, write_files
from balancegan.data.labelled import LabelledImages, SyntheticImages
from balancegan.data.lineage import SOURCE_KEY
from balancegan.data.manifests import encode_table
from balancegan.data.output_checks import WrittenFiles
from balancegan.data.outputs import (
    FOLDER_CARD,
    FOLDER_TABLE,
    IMAGE_FILES,
    card_path,
    images_folder,
    is_data_card,
    output_format,
    output_paths,
)
from balancegan.errors import DataError
from balancegan.files import whole_file, whole_folder
from balancegan.images import ImageFormat

CardMaker = Callable[[WrittenFiles | None], str]


def check_writable(
    out: str | os.PathLike[str],
    labelled: LabelledImages,
    image_format: ImageFormat | None = None,
) -> None:
    """Raise DataError if a format cannot hold the images, before any are generated.

    Parameters
    ----------
    out : path-like
        The file or folder to write.
    labelled : LabelledImages
        What was read.
    image_format
        See :func:`write_images`.
    """
    out = Path(out)
    kind = output_format(out)
    paths = output_paths(out)
    folders = [path for path, is_folder in paths.items() if is_folder]
    for part in labelled.parts.values():
        _check_files_apart(part.files or (), folders)
    if kind in IMAGE_FILES:
        check_pixels(labelled, image_format)
    if kind == "parquet":
        encode_table(out, pd.DataFrame())


def _check_files_apart(files: Iterable[Path], places: Sequence[Path]) -> None:
    """Raise DataError if an output would replace a file that was read."""
    taken = {place.resolve() for place in places}
    for folder in {file.resolve().parent for file in files}:
        if taken.intersection((folder, *folder.parents)):
            raise DataError(
                f"The images that were read are in {folder}, which is never written "
                "to. Choose another place for the output."
            )


def write_images(
    out: str | os.PathLike[str],
    labelled: LabelledImages,
    synthetic: SyntheticImages | None = None,
    *,
    card: CardMaker | None = None,
    image_format: ImageFormat | None = None,
) -> None:
    """Write labelled images, with synthetic ones appended to the training part.

    Parameters
    ----------
    out : path-like
        An .npz file, a .csv or .parquet manifest (with the images in a folder next to
        it), or a folder (one sub-folder a class, and a metadata.csv). If an .npz file
        was read, an .npz file is a copy of it, with all its other arrays.
    labelled : LabelledImages
        What was read.
    synthetic : SyntheticImages or None, default=None
        What to add. None: nothing, and the output does not mark synthetic images.
    card : callable or None, default=None
        Returns a text about the images, given the image files that were written (None:
        the images are in arrays): README.md in a folder, NAME.card.md next to a file.
        None: no card, and a card of an earlier output is removed.
    image_format : ImageFormat or None, default=None
        Layout, black and white of the training images, by which arrays become image
        files, see :meth:`balancegan.images.ImageFormat.to_pixels`. "npz" keeps all
        values. None: see :func:`balancegan.images.find_format`.

    Raises
    ------
    DataError
        If the format cannot hold the images.
    """
    out = Path(out)
    kind = output_format(out)
    if kind == "folder":
        with whole_folder(out) as folder:
            table = write_files(folder, labelled, synthetic, image_format)
            path = folder / FOLDER_TABLE
            path.write_bytes(encode_table(path, table))
            if card is not None:
                text = card(WrittenFiles(folder, table))
                (folder / FOLDER_CARD).write_text(text, encoding="utf-8")
        return
    written = None
    if kind == "npz":
        write_array_file(out, labelled, synthetic)
    else:
        written = _write_manifest(out, labelled, synthetic, image_format)
    if card is not None:
        with whole_file(card_path(out)) as file:
            file.write(card(written).encode())
    elif is_data_card(card_path(out)):
        card_path(out).unlink()  # it describes the earlier output


def _write_manifest(
    out: Path,
    labelled: LabelledImages,
    synthetic: SyntheticImages | None,
    image_format: ImageFormat | None,
) -> WrittenFiles:
    images = images_folder(out)
    with whole_folder(images) as folder:
        table = write_files(folder, labelled, synthetic, image_format)
        for key in {"file_name", SOURCE_KEY} & {*table.columns}:
            table[key] = images.name + "/" + table[key]
        # Inside the block, so that no folder is left if the table cannot be written
        content = encode_table(out, table)
    with whole_file(out) as file:
        file.write(content)
    return WrittenFiles(out.parent, table)
