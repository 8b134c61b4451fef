"""Reading labelled images of any kind that people have: one door for all.

Which kind it is follows from the name and from what is there. Nothing is ever
unpickled, and nothing outside the folder that was named is read.
"""

import os
from dataclasses import replace
from pathlib import Path

from balancegan.data.arrayfiles import load_named, npy_files
from balancegan.data.arrays import from_arrays
from balancegan.data.fitting import FITS, Fit
from balancegan.data.folders import list_folder
from balancegan.data.idx import has_idx_set, parse_name
from balancegan.data.imagefiles import BadFile, OnError, read_image_files
from balancegan.data.labelled import TRAIN, LabelledImages
from balancegan.data.manifests import SUFFIXES as MANIFESTS
from balancegan.data.manifests import read_table
from balancegan.data.shards import is_sharded, read_shards
from balancegan.errors import DataError

ARRAY_KINDS = ("npz", "npy", "idx")


def read_images(
    path: str | os.PathLike[str],
    *,
    images_key: str | None = None,
    labels_key: str | None = None,
    size: tuple[int, int] | None = None,
    fit: Fit | None = None,
    on_error: OnError = "fail",
    value_range: tuple[float, float] | None = None,
) -> LabelledImages:
    """Read labelled images.

    Parameters
    ----------
    path : path-like
        A folder with a sub-folder for each class (in `train` and `test`, or without),
        or with a metadata.csv or .jsonl, as Hugging Face's imagefolder has it; a .csv,
        .jsonl or .parquet manifest of image files; an .npz file; a .npy file of images
        with one of labels beside it, or a folder of such, which are mapped, not
        loaded; a folder of MNIST's idx files, gzipped or not, or one file of a set
        where the folder has several; or a shard of encoded images (.tar, .tfrecord,
        .parquet), or a folder of such.
    images_key, labels_key : str, default=None
        Names of the two arrays, of the manifest's columns, or within the shards. None:
        the usual ones, see :func:`balancegan.data.arrays.from_arrays`,
        :func:`balancegan.data.manifests.read_table` and
        :func:`balancegan.data.samples.iterate_samples`.
    size : tuple of int or None, default=None
        Height and width that image files are brought to. None: their own where all
        are alike and at most 64 pixels; else the median, scaled down to 32: larger
        images take much longer to train. Of shards the first thousand images decide.
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
    if kind in ARRAY_KINDS:
        if size is not None or fit is not None:
            raise DataError(
                f"{path} holds arrays, whose images have one size already. Received: "
                f"size={size}, fit={fit}, which are for image files."
            )
        arrays, *keys, notes = load_named(path, kind, images_key, labels_key)
        found = from_arrays(path, arrays, *keys)
        # Nobody has named what lies next to an .npy file
        more = [] if kind == "npy" and path.is_file() else found.notes
        return replace(found, notes=[*more, *notes])
    bad: list[BadFile] = []
    notes: list[str] = []
    if fit is not None and fit not in FITS:
        raise DataError(f"A fit is one of {', '.join(FITS)}. Received: {fit!r}.")
    if kind == "shards":
        return read_shards(
            path,
            images_key=images_key,
            labels_key=labels_key,
            size=size,
            fit=fit,
            on_error=on_error,
            value_range=value_range,
        )
    if kind == "folder":
        root = path
        table, bad, notes = list_folder(path, labels_key, images_key)
    else:
        root = path.parent
        table = read_table(path, file_column=images_key, label_column=labels_key)
        if "split" not in table:
            table.insert(2, "split", TRAIN)
    labelled = read_image_files(
        path,
        root,
        table,
        bad,
        size=size,
        fit=fit,
        on_error=on_error,
        value_range=value_range,
    )
    return replace(labelled, notes=[*labelled.notes, *notes])


def find_kind(path: Path) -> str:
    """Return "npz", "npy", "idx", "shards", "manifest" or "folder".

    Raises
    ------
    DataError
        If there is nothing of that name.
    """
    if not path.exists():
        raise DataError(f"There is no file or folder {path}.")
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is a pipe or device. Expected: a file or folder.")
    if is_sharded(path):
        return "shards"
    if path.is_dir():
        if has_idx_set(path):
            return "idx"
        return "npy" if npy_files(path) else "folder"
    if path.suffix.lower() == ".npy":
        return "npy"
    if parse_name(path.name) is not None:
        return "idx"
    return "manifest" if path.suffix.lower() in MANIFESTS else "npz"
