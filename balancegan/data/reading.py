"""Reading labelled images of any kind that people have: one door for all.

Which kind it is follows from the name and from what is there. Nothing is ever
unpickled, and nothing outside the folder that was named is read.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from balancegan.data.arrayfiles import load_named, npy_files
from balancegan.data.arrays import from_arrays
from balancegan.data.filefinder import FileFinder
from balancegan.data.fitting import FITS, LARGEST_SIDE, Fit
from balancegan.data.flat import OPTION
from balancegan.data.folders import Listing, list_folder
from balancegan.data.foldertree import TABLES
from balancegan.data.idx import parse_name
from balancegan.data.imagefiles import OnError, read_image_files
from balancegan.data.kinds import find_kind
from balancegan.data.labelled import TRAIN, LabelledImages
from balancegan.data.links import readable, refuse_links
from balancegan.data.manifests import Manifest, arrange
from balancegan.data.pixeltables import (
    find_pixel_cells,
    has_pixel_columns,
    read_pixel_cells,
    read_pixel_columns,
)
from balancegan.data.shards import read_shards
from balancegan.data.tablecolumns import find_table_columns
from balancegan.data.tables import TEXT_SUFFIXES, from_text, read_frame
from balancegan.data.tablesplits import note_unread
from balancegan.data.texttables import open_text_table
from balancegan.errors import DataError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")  # a .txt is often a remark
ARRAY_KINDS = ("npz", "npy", "idx")


def read_images(
    path: str | os.PathLike[str],
    *,
    images_key: str | None = None,
    labels_key: str | None = None,
    size: tuple[int, int] | None = None,
    largest_side: int = LARGEST_SIDE,
    fit: Fit | None = None,
    on_error: OnError = "fail",
    value_range: tuple[float, float] | None = None,
    images_root: str | os.PathLike[str] | None = None,
    image_shape: Sequence[int] | None = None,
    follow_links: bool = False,
) -> LabelledImages:
    """Read labelled images.

    Parameters
    ----------
    path : path-like
        A folder with a sub-folder for each class (in `train` and `test`, or without),
        or with a metadata.csv or .jsonl, as Hugging Face's imagefolder has it; a .csv,
        .tsv, .txt, .jsonl or .parquet table that names image files, or has their
        pixels; an .npz file; a .npy file of images
        with one of labels beside it, or a folder of such, which are mapped, not
        loaded; a folder of MNIST's idx files, gzipped or not, or one file of a set
        where the folder has several; or a shard of encoded images (.tar, .tfrecord,
        .parquet), or a folder of such.
    images_key, labels_key : str, default=None
        Names of the two arrays, of the manifest's columns, or within the shards. None:
        the usual ones, see :func:`balancegan.data.arrays.from_arrays`,
        :func:`balancegan.data.tablecolumns.find_table_columns` and
        :func:`balancegan.data.samples.iterate_samples`.
    size : tuple of int or None, default=None
        Height and width that image files are brought to. None: their own where all
        are alike and at most 64 pixels; else the median, scaled down to
        `largest_side`. Of shards the first thousand images decide.
    largest_side : int, default=64
        Most pixels of the longer side of image files without a `size`. Larger images
        take much longer to train: twice the side four times as long.
    fit : str or None, default=None
        "pad", "crop" or "stretch", see :func:`balancegan.data.decoding.decode`. None:
        "stretch" where that distorts no image by more than a tenth, else "pad".
    on_error : str, default="fail"
        What to do about encoded images that cannot be used: "fail" names them in an
        error, "skip" leaves them out and names them in the notes.
    value_range : tuple of float or None, default=None
        The values of encoded images of more than 8 bits that become 0 and 255; other
        images keep their values. None: see
        :func:`balancegan.data.depth.choose_scale`; the training images decide.
    images_root : path-like or None, default=None
        The folder that the file names of a table start from. None: that of the table.
    image_shape : sequence of int or None, default=None
        Height and width, and channels where there are several, of images that are
        stored flat: as rows of an array, or in a table of pixels. None: their own;
        those of a table are square.
    follow_links : bool, default=False
        Whether links to folders, and links that lead outside the folder that was
        named, are followed. Such links are refused otherwise. A link as `path` itself
        always is followed.

    Returns
    -------
    labelled : LabelledImages

    Raises
    ------
    DataError
        If there is nothing of a known kind, or it cannot be used.
    """
    path = Path(path)
    kind = find_kind(path)
    _check_settings(path, kind, size, fit, image_shape, images_root)
    if not follow_links:
        _refuse_links(path, kind)
    if kind in ARRAY_KINDS:
        named = load_named(path, kind, images_key, labels_key)
        labelled = from_arrays(
            path, named.arrays, named.images_key, named.labels_key, image_shape
        )
        # Nobody has named what lies next to an .npy file
        more = [] if kind == "npy" and path.is_file() else labelled.notes
        unread = _note_splits(labelled, "save test images as x_test and y_test")
        return replace(labelled, notes=[*more, *named.notes, *unread])
    if kind == "shards":
        labelled = read_shards(
            path,
            images_key=images_key,
            labels_key=labels_key,
            size=size,
            largest_side=largest_side,
            fit=fit,
            on_error=on_error,
            value_range=value_range,
        )
        unread = _note_splits(labelled, "save test images in a file called test")
        return replace(labelled, notes=[*labelled.notes, *unread])
    found: Manifest | Listing
    if kind == "manifest":
        root = path.parent if images_root is None else Path(images_root)
        read = _read_table(path, root, images_key, labels_key, image_shape, on_error)
        if isinstance(read, LabelledImages):
            _check_settings(path, "npz", size, fit, image_shape, images_root=None)
            return read
        found = read
    else:
        root = path
        found = list_folder(path, labels_key, images_key, follow_links=follow_links)
        found.notes.extend(_check_tables_beside(path, found))
    table, bad, notes = found
    labelled = read_image_files(
        path,
        root,
        table,
        bad,
        size=size,
        largest_side=largest_side,
        fit=fit,
        on_error=on_error,
        value_range=value_range,
        follow_links=follow_links,
    )
    return replace(labelled, notes=[*labelled.notes, *notes])


def _read_table(
    path: Path,
    root: Path,
    images_key: str | None,
    labels_key: str | None,
    image_shape: Sequence[int] | None,
    on_error: OnError,
) -> LabelledImages | Manifest:
    """Read a table: of the names of image files, or of their pixels.

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


def _note_splits(labelled: LabelledImages, advice: str) -> list[str]:
    """Say which columns of arrays or shards without other parts may say splits."""
    if set(labelled.parts) != {TRAIN}:
        return []
    return note_unread(labelled.path, labelled.train.columns, advice)


def _check_settings(
    path: Path,
    kind: str,
    size: tuple[int, int] | None,
    fit: Fit | None,
    image_shape: Sequence[int] | None,
    images_root: str | os.PathLike[str] | None,
) -> None:
    """Raise DataError if a setting has no effect on data of this kind."""
    if kind in ARRAY_KINDS and (size is not None or fit is not None):
        raise DataError(
            f"{path} holds arrays, whose images have one size already. Received: "
            f"size={size}, fit={fit}, which are for image files. Flat images get their "
            f"shape by {OPTION}."
        )
    if fit is not None and fit not in FITS:
        raise DataError(f"A fit is one of {', '.join(FITS)}. Received: {fit!r}.")
    if image_shape is not None and kind not in (*ARRAY_KINDS, "manifest"):
        raise DataError(
            f"{OPTION} is for arrays and tables of pixels. Received: {path}, which has "
            "image files. Use --size to bring them to one size."
        )
    if images_root is None:
        return
    if kind != "manifest":
        raise DataError(
            f"--images-root is for a table that names image files. Received: {path}."
        )
    if not Path(images_root).is_dir():
        raise DataError(f"There is no folder {os.fspath(images_root)} (--images-root).")


def _refuse_links(path: Path, kind: str) -> None:
    """Raise DataError for links out of a folder of arrays or shards."""
    if path.is_dir() and kind != "folder":
        refuse_links(path, path.rglob("*"))
    elif kind in ("npy", "idx"):
        beside = [file for file in path.parent.iterdir() if file.name != path.name]
        arrays = npy_files(path.parent).values()
        files = (f for f in beside if f in arrays or parse_name(f.name) is not None)
        refuse_links(path.parent, files)


def _check_tables_beside(folder: Path, found: Listing) -> list[str]:
    """Say which tables next to folders of images are ignored.

    Raises
    ------
    DataError
        If there is one folder of images only: the table must have the labels then.
    """
    files = sorted(file for file in folder.iterdir() if file.is_file())
    if any(file.name in TABLES for file in files):
        return []
    tables = [file.name for file in files if file.suffix.lower() in TABLE_SUFFIXES]
    classes = found.table["label"].unique()
    if tables and len(classes) == 1:
        raise DataError(
            f"{folder} has one folder of images, {readable(classes[0])}, and next to "
            f"it {', '.join(tables)}. If the table has the labels, name it instead: "
            f"{folder / tables[0]}."
        )
    return [f"ignored next to the folders: {', '.join(tables)}"] if tables else []
