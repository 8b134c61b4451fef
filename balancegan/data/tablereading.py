"""Reading a table of images: of the names of their files, or of their pixels."""

from collections.abc import Sequence
from pathlib import Path

from balancegan.data.filefinder import FileFinder
from balancegan.data.flat import OPTION
from balancegan.data.imagefiles import OnError
from balancegan.data.labelled import TRAIN, LabelledImages
from balancegan.data.manifests import Manifest, arrange
from balancegan.data.pixeltables import (
    find_pixel_cells,
    has_pixel_columns,
    read_pixel_cells,
    read_pixel_columns,
)
from balancegan.data.tablecolumns import find_table_columns
from balancegan.data.tables import TEXT_SUFFIXES, from_text, read_frame
from balancegan.data.texttables import open_text_table
from balancegan.errors import DataError


def read_any_table(
    path: Path,
    root: Path,
    images_key: str | None,
    labels_key: str | None,
    image_shape: Sequence[int] | None,
    on_error: OnError,
) -> LabelledImages | Manifest:
    """Read a table.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .txt, .jsonl or .parquet file.
    root : Path
        The folder that file names start from.
    images_key, labels_key : str or None
        Columns of images and labels. None: found.
    image_shape : sequence of int or None
        Of the images in a table of pixels. None: square.
    on_error : str
        What to do about incomplete rows: "fail" or "skip".

    Returns
    -------
    found : LabelledImages or Manifest
        The images of a table of pixels; else the files that a table names, all of them
        with a split.

    Raises
    ------
    DataError
        If it cannot be read, or columns are missing or not clear.
    """
    finder = FileFinder(root)
    if path.suffix.lower() in TEXT_SUFFIXES:
        text = open_text_table(path)
        if has_pixel_columns(text) and images_key is None:
            return read_pixel_columns(text, labels_key, image_shape)
        table, notes = from_text(text, finder.is_named)
    else:
        table, notes = read_frame(path, finder.is_named)
    cells = find_pixel_cells(table)
    if cells is not None and images_key in (None, cells):
        return read_pixel_cells(path, table, notes, cells, labels_key, image_shape)
    if image_shape is not None:
        raise DataError(
            f"{OPTION} is for flat images. Received: {path}, which names files. Use "
            "--size to bring them to one size."
        )
    columns = find_table_columns(path, table, finder, images_key, labels_key)
    found = arrange(path, columns, notes, finder, on_error)
    if "split" not in found.table:
        found.table.insert(2, "split", TRAIN)
    return found
