"""Read labelled images of any kind.

The kind follows from the name and the content. Nothing is ever unpickled, and nothing
outside the named folder is read.
"""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from balancegan.data.arrayfiles import (
    has_idx_set,
    load_named,
    npy_files,
    parse_idx_name,
)
from balancegan.data.arrays import from_arrays
from balancegan.data.filefinder import FileFinder
from balancegan.data.fitting import FITS, LARGEST_SIDE, Fit
from balancegan.data.folders import Listing, list_folder
from balancegan.data.foldertree import TABLES
from balancegan.data.imagefiles import OnError, read_image_files
from balancegan.data.labelled import TRAIN, LabelledImages
from balancegan.data.links import readable, refuse_links
from balancegan.data.manifests import Manifest, is_data_row, make_manifest
from balancegan.data.opening import N_BYTES, WEB_PAGES, refuse_pointer
from balancegan.data.pixeltables import (
    find_pixel_cells,
    has_pixel_columns,
    read_pixel_cells,
    read_pixel_columns,
)
from balancegan.data.shards import is_sharded, read_shards
from balancegan.data.splits import note_unread
from balancegan.data.tablecolumns import find_table_columns
from balancegan.data.tables import (
    SUFFIXES,
    TEXT_SUFFIXES,
    from_text,
    open_text_table,
    read_frame,
)
from balancegan.errors import DataError
from balancegan.shapes import OPTION

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")  # .txt is often a README
ARRAY_KINDS = ("npz", "npy", "idx")
READ = (
    "folders of images; arrays (.npz, .npy, idx); tables (.csv, .tsv, .txt, .jsonl, "
    ".parquet); shards (.tar, .parquet)"
)
UNPACK = "Unpack it, and name the folder or file that was in it"
SAVE = "Save its arrays: np.savez('data.npz', x_train=images, y_train=labels)"
SHARD = "Write its images to a .parquet or WebDataset .tar file"
EXPORT = "Write a table of file names and labels as .csv or .jsonl"
ADVICE = {
    **dict.fromkeys((".zip", ".rar", ".7z", ".gz", ".bz2", ".xz", ".zst"), UNPACK),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".pth"), SAVE),
    **dict.fromkeys((".lmdb", ".mdb", ".joblib", ".arrow", ".feather", ".npx"), SAVE),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".tfrec"), SHARD),
    **dict.fromkeys((".json", ".xml", ".xlsx", ".xls", ".yaml", ".yml"), EXPORT),
}
MAGIC_BYTES = {  # of files with a misleading name
    b"\x89HDF": ("an HDF5 file", SAVE),
    b"MATLAB": ("a MATLAB file", SAVE),
    b"\x80\x02": ("a pickle", SAVE),
    b"\x80\x03": ("a pickle", SAVE),
    b"\x80\x04": ("a pickle", SAVE),
    b"\x80\x05": ("a pickle", SAVE),
    b"\x1f\x8b": ("packed by gzip", UNPACK),
    b"Rar!": ("a RAR archive", UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", UNPACK),
    b"\xfd7zXZ": ("packed by xz", UNPACK),
    b"\x93NUMPY": ("a single array", "Call it .npy, with one of labels next to it"),
    b"PAR1": ("a Parquet file", "Call it .parquet"),
}


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
        A folder with a sub-folder for each class (below `train` and `test`, or not),
        or with a metadata.csv or .jsonl as in Hugging Face's imagefolder; a .csv, .tsv,
        .txt, .jsonl or .parquet table that names image files or contains pixels; an
        .npz file; a .npy file of images with one of labels next to it, or a folder of
        them, which are mapped, not loaded; a folder of MNIST's idx files, gzipped or
        not, or one file of a set; a shard of encoded images (WebDataset .tar,
        .parquet), or a folder of shards.
    images_key, labels_key : str, default=None
        Names of the two arrays, of columns of the table, or in the shards. None: the
        usual ones, see :func:`balancegan.data.arrays.from_arrays`,
        :func:`balancegan.data.manifests.find_table_columns` and
        :func:`balancegan.data.samples.iterate_samples`.
    size : tuple of int or None, default=None
        Height and width that image files are brought to. None: their own if all have
        the same size of at most 64 pixels; else the median, scaled down to
        `largest_side`.
    largest_side : int, default=64
        Most pixels of the longer side of image files without a `size`. Training takes
        four times as long with twice the side.
    fit : str or None, default=None
        "pad", "crop" or "stretch", see :func:`balancegan.data.decoding.decode`. None:
        "stretch" if that distorts no image by more than 10 %, else "pad".
    on_error : str, default="fail"
        How to handle unusable encoded images: "fail" names them in an error, "skip"
        leaves them out and names them in the notes.
    value_range : tuple of float or None, default=None
        The values of encoded images of more than 8 bits that become 0 and 255. None:
        chosen by the training images, see :func:`balancegan.data.depth.choose_scale`.
    images_root : path-like or None, default=None
        The folder that file names of a table are relative to. None: that of the table.
    image_shape : sequence of int or None, default=None
        Height and width, and channels if there are several, of images that are stored
        flat. None: their own; those of a table are square.
    follow_links : bool, default=False
        Whether to follow links to folders, and links that lead outside the named
        folder. They are refused otherwise. `path` itself may always be a link.

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
        return _read_arrays(path, kind, images_key, labels_key, image_shape)
    how: dict[str, Any] = {
        "size": size,
        "largest_side": largest_side,
        "fit": fit,
        "on_error": on_error,
        "value_range": value_range,
    }
    if kind == "shards":
        labelled = read_shards(
            path, images_key=images_key, labels_key=labels_key, **how
        )
        unread = _note_splits(labelled, "save test images in a file called test")
        return replace(labelled, notes=[*labelled.notes, *unread])

    # List the image files of a table or folder.
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
        found.notes.extend(_check_ignored_tables(path, found))
    table, bad, notes = found
    labelled = read_image_files(
        path, root, table, bad, follow_links=follow_links, **how
    )
    return replace(labelled, notes=[*labelled.notes, *notes])


def _read_arrays(
    path: Path,
    kind: str,
    images_key: str | None,
    labels_key: str | None,
    image_shape: Sequence[int] | None,
) -> LabelledImages:
    named = load_named(path, kind, images_key, labels_key)
    labelled = from_arrays(
        path, named.arrays, named.images_key, named.labels_key, image_shape
    )
    # The user did not name the files next to an .npy file
    notes = [] if kind == "npy" and path.is_file() else labelled.notes
    unread = _note_splits(labelled, "save test images as x_test and y_test")
    return replace(labelled, notes=[*notes, *named.notes, *unread])


def _read_table(
    path: Path,
    root: Path,
    images_key: str | None,
    labels_key: str | None,
    image_shape: Sequence[int] | None,
    on_error: OnError,
) -> LabelledImages | Manifest:
    """Read a table: the images if it contains pixels, else the files that it names."""
    finder = FileFinder(root)

    def is_data(row: list[str]) -> bool:
        return is_data_row(row, finder)

    if path.suffix.lower() in TEXT_SUFFIXES:
        text = open_text_table(path)
        if has_pixel_columns(text) and images_key is None:
            return read_pixel_columns(text, labels_key, image_shape)
        table, notes = from_text(text, is_data)
    else:
        table, notes = read_frame(path, is_data)
    cells = find_pixel_cells(table)
    if cells is not None and images_key in (None, cells):
        return read_pixel_cells(path, table, notes, cells, labels_key, image_shape)
    if image_shape is not None:
        raise DataError(
            f"{OPTION} is for flat images. Received: {path}, which names files. Use "
            "--size to bring them to one size."
        )
    columns = find_table_columns(path, table, finder, images_key, labels_key)
    found = make_manifest(path, columns, notes, finder, on_error)
    if "split" not in found.table:
        found.table.insert(2, "split", TRAIN)
    return found


def _note_splits(labelled: LabelledImages, advice: str) -> list[str]:
    """Return notes on columns that may name splits, if there is one part only."""
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
            f"shape by {OPTION} in --config."
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
            f"images-root is for a table that names image files. Received: {path}."
        )
    if not Path(images_root).is_dir():
        raise DataError(f"There is no folder {os.fspath(images_root)} (images-root).")


def _refuse_links(path: Path, kind: str) -> None:
    """Raise DataError for links out of a folder of arrays or shards."""
    if path.is_dir() and kind != "folder":
        refuse_links(path, path.rglob("*"))
    elif kind in ("npy", "idx"):
        others = [file for file in path.parent.iterdir() if file.name != path.name]
        arrays = npy_files(path.parent).values()
        files = (f for f in others if f in arrays or parse_idx_name(f.name) is not None)
        refuse_links(path.parent, files)


def _check_ignored_tables(folder: Path, found: Listing) -> list[str]:
    """Return a note on tables next to class folders, which are ignored.

    With one folder of images only, the table probably has the labels: DataError.
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


def find_kind(path: Path) -> str:
    """Return "npz", "npy", "idx", "shards", "manifest" or "folder"."""
    if not path.exists():
        raise DataError(f"There is no file or folder {path}.")
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is a pipe or device. Expected: a file or folder.")
    if path.is_dir():
        return _kind_of_folder(path)
    return _kind_of_file(path)


def _kind_of_folder(path: Path) -> str:
    if is_sharded(path):
        return "shards"
    if has_idx_set(path):
        return "idx"
    return "npy" if npy_files(path) else "folder"


def _kind_of_file(path: Path) -> str:
    try:
        refuse_pointer(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if is_sharded(path):
        return "shards"
    if parse_idx_name(path.name) is not None:
        return "idx"
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return "manifest"
    if suffix == ".npy":
        return "npy"
    if not _is_npz(path):
        raise _unread(path)
    return "npz"


def _is_npz(path: Path) -> bool:
    """Return whether a file is an .npz file, maybe a damaged one."""
    if not zipfile.is_zipfile(path):
        return path.suffix.lower() == ".npz" and not _describe(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return path.suffix.lower() == ".npz"
    return any(name.endswith(".npy") for name in names)


def _describe(path: Path) -> tuple[str, str] | None:
    """Return what the first bytes of a file say it is, with a remedy."""
    with open(path, "rb") as stream:
        beginning = stream.read(N_BYTES)
    if zipfile.is_zipfile(path):
        return "a zip archive without arrays", UNPACK
    if beginning.lstrip().lower().startswith(WEB_PAGES):
        return "a web page", "Download the data again"
    found = (what for mark, what in MAGIC_BYTES.items() if beginning.startswith(mark))
    return next(found, None)


def _unread(path: Path) -> DataError:
    what, advice = _describe(path) or ("of a kind that is not read", None)
    advice = ADVICE.get(path.suffix.lower(), advice or SAVE)
    return DataError(f"{path} is {what}. Expected: {READ}. {advice}.")
