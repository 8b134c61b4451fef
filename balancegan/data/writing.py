"""Writing labelled images of any kind, with synthetic ones behind: one door for all.

Whatever was read can be written as any kind. Original image files are copied byte for
byte; everything appears whole or not at all.
"""

import io
import itertools
import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from balancegan.data.archives import write_array, write_arrays, write_members
from balancegan.data.arraynames import find_other_parts
from balancegan.data.arrays import (
    SOURCE_KEY,
    WEIGHT_KEY,
    add_images,
    attribute_arrays,
    lineage_arrays,
    to_arrays,
)
from balancegan.data.filewriting import check_pixels, write_files
from balancegan.data.idx import write_idx
from balancegan.data.labelled import (
    TEST,
    TRAIN,
    LabelledImages,
    SyntheticImages,
    column_name,
)
from balancegan.data.lineage import safe_name
from balancegan.data.manifests import encode_table
from balancegan.data.outputs import (
    FOLDER_CARD,
    FOLDER_TABLE,
    FOLDERS,
    IMAGE_FILES,
    card_beside,
    find_format,
    find_places,
    images_folder,
    is_our_card,
)
from balancegan.data.rows import Rows, as_rows
from balancegan.data.written import WrittenFiles
from balancegan.errors import DataError
from balancegan.files import whole_file, whole_folder
from balancegan.images import ImageFormat

CardMaker = Callable[[WrittenFiles | None], str]
IDX_NAMES = {
    "x_train": "train-images-idx{}-ubyte",
    "y_train": "train-labels-idx{}-ubyte",
    "x_test": "t10k-images-idx{}-ubyte",
    "y_test": "t10k-labels-idx{}-ubyte",
}


def check_format(
    out: str | os.PathLike[str],
    labelled: LabelledImages,
    format: str | None = None,
    image_format: ImageFormat | None = None,
) -> None:
    """Raise DataError where a format cannot hold images, before any are made.

    Parameters
    ----------
    out : path-like
        The file or folder to write.
    labelled : LabelledImages
        What was read.
    format : str or None, default=None
        See :func:`balancegan.data.outputs.find_format`.
    image_format : ImageFormat or None, default=None
        See :func:`write_images`.

    Raises
    ------
    DataError
        If it cannot, what it needs is not installed, or it would replace an image file
        that was read.
    """
    out = Path(out)
    kind = find_format(out, format)
    places = [place for place, is_folder in find_places(out, kind).items() if is_folder]
    for part in labelled.parts.values():
        _check_files_apart(part.files or (), places)
    if kind in IMAGE_FILES:
        check_pixels(labelled, image_format)
    if kind == "parquet":
        encode_table(out, pd.DataFrame())
    if kind in ("npy", "idx"):
        for name, array in to_arrays(labelled).items():
            if kind == "idx" and name in IDX_NAMES:
                write_idx(io.BytesIO(), as_rows(_idx_array(array)).first[:0])
            else:
                _file_name(name)


def _check_files_apart(files: Iterable[Path], places: Sequence[Path]) -> None:
    """Raise DataError if an output would take the place of a file that was read."""
    taken = {place.resolve() for place in places}
    for folder in {file.resolve().parent for file in files}:
        if taken.intersection((folder, *folder.parents)):
            raise DataError(
                f"The images that were read are in {folder}, which is left as it is. "
                "Choose a place of its own for the output."
            )


def write_images(
    out: str | os.PathLike[str],
    labelled: LabelledImages,
    synthetic: SyntheticImages | None = None,
    *,
    format: str | None = None,
    card: CardMaker | None = None,
    image_format: ImageFormat | None = None,
) -> None:
    """Write labelled images, with synthetic ones behind the training part.

    Parameters
    ----------
    out : path-like
        The file or folder to write; see :func:`balancegan.data.outputs.check_output`.
        An .npz file that was read from another one is a copy of that, with all its
        other arrays.
    labelled : LabelledImages
        What was read.
    synthetic : SyntheticImages or None, default=None
        What to add. None: nothing; the output says nothing of synthetic images then.
    format : str or None, default=None
        "npz", "npy" (a folder of arrays), "idx" (a folder of MNIST's files), "csv",
        "parquet" (a manifest, the images in a folder beside it) or "folder" (one
        sub-folder a class, and a metadata.csv). None: by the name of `out`.
    card : callable or None, default=None
        Returns a text about the images, given the image files that were written (None:
        images are in arrays): README.md in a folder, NAME.card.md next to a file. None:
        there is none, and one that we wrote for an earlier output is removed.
    image_format : ImageFormat or None, default=None
        Layout, black and white of the training images, by which arrays become image
        files ("csv", "parquet" and "folder"), see
        :meth:`balancegan.images.ImageFormat.to_pixels`; arrays keep their values in
        all other formats. None: found out, see :func:`balancegan.images.find_format`.

    Raises
    ------
    DataError
        If the format cannot hold the images.
    """
    out = Path(out)
    kind = find_format(out, format)
    is_copy = labelled.stored is not None and zipfile.is_zipfile(labelled.path)
    if kind in FOLDERS:
        with whole_folder(out) as folder:
            written = None
            if kind in IMAGE_FILES:
                written = _write_folder(folder, labelled, synthetic, image_format)
            else:
                ARRAY_WRITERS[kind](folder, labelled, synthetic)
            if card is not None:
                (folder / FOLDER_CARD).write_text(card(written), encoding="utf-8")
        return
    written = None
    if kind == "npz" and is_copy and labelled.held_out is not None:
        _write_parted(out, labelled, synthetic)
    elif kind == "npz" and is_copy:
        _write_copy(out, labelled, synthetic)
    elif kind == "npz":
        write_arrays(out, to_arrays(labelled, synthetic))
    else:
        written = _write_manifest(out, labelled, synthetic, image_format)
    if card is not None:
        with whole_file(card_beside(out)) as file:
            file.write(card(written).encode())
    elif is_our_card(card_beside(out)):
        card_beside(out).unlink()  # it describes what was there before


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
        # Here, so that no folder is left where the table cannot be written
        content = encode_table(out, table)
    with whole_file(out) as file:
        file.write(content)
    return WrittenFiles(out.parent, table)


def _write_copy(
    out: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write a copy of an .npz file, its other arrays byte for byte."""
    stored = labelled.stored
    if stored is None:
        raise ValueError("A copy is made of named arrays only.")
    new: dict[str, np.ndarray | Rows] = {}
    if synthetic is not None:
        labels = np.concatenate([labelled.labels, synthetic.labels])
        weight_key = None if WEIGHT_KEY in stored.keys else WEIGHT_KEY
        new = {
            stored.images_key: add_images(labelled.images, synthetic),
            stored.labels_key: stored.encode(labels),
            **attribute_arrays(stored, labelled.train.columns, synthetic),
            **lineage_arrays(len(labelled.labels), synthetic, weight_key),
        }
    with zipfile.ZipFile(labelled.path) as old, whole_file(out) as file:
        members = {member.filename: member for member in old.infolist()}
        how = members[f"{stored.images_key}.npy"].compress_type
        with zipfile.ZipFile(file, "w", compression=how) as archive:
            write_members(archive, new)
            written = {f"{key}.npy" for key in new}
            for name, member in members.items():
                if name not in written:
                    archive.writestr(member, old.read(name))


def _write_parted(
    out: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write an .npz file whose test part was set aside, with its other arrays.

    Arrays with a row for each image are parted, too.
    """
    stored, is_test = labelled.stored, labelled.held_out
    if stored is None or is_test is None:
        raise ValueError("Named arrays are parted only where rows were set aside.")
    new = to_arrays(labelled, synthetic)
    pairs = find_other_parts(stored.images_key, stored.labels_key, stored.keys)
    known = {stored.images_key, stored.labels_key, *itertools.chain(*pairs.values())}
    known |= {key for key in map(stored.key_of, labelled.column_names) if key}
    rest = [key for key in stored.keys if key not in known and key not in new]
    with np.load(labelled.path, allow_pickle=False) as arrays:
        for key in rest:
            if key in stored.aligned_keys:
                name = column_name(key)
                new[f"{name}_{TRAIN}"] = arrays[key][~is_test]
                new[f"{name}_{TEST}"] = arrays[key][is_test]
            else:
                new[key] = arrays[key]
    write_arrays(out, new)


def _write_folder(
    folder: Path,
    labelled: LabelledImages,
    synthetic: SyntheticImages | None,
    image_format: ImageFormat | None,
) -> WrittenFiles:
    table = write_files(folder, labelled, synthetic, image_format)
    path = folder / FOLDER_TABLE
    path.write_bytes(encode_table(path, table))
    return WrittenFiles(folder, table)


def _write_npy(
    folder: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    for name, array in to_arrays(labelled, synthetic).items():
        _write_npy_file(folder, name, array)


def _write_idx(
    folder: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write images and labels as idx files, what they cannot hold as .npy beside."""
    for name, array in to_arrays(labelled, synthetic).items():
        if name in IDX_NAMES:
            array = _idx_array(array)
            with open(folder / IDX_NAMES[name].format(array.ndim), "wb") as file:
                write_idx(file, array)
        else:
            _write_npy_file(folder, name, array)


def _idx_array(array: np.ndarray | Rows) -> np.ndarray | Rows:
    """Return images as they are, and labels in a type that idx has."""
    if isinstance(array, Rows) or array.dtype.kind not in "iu":
        return array
    low, high = array.min(initial=0), array.max(initial=0)
    if low >= 0 and high <= np.iinfo(np.uint8).max:
        return array.astype(np.uint8)
    if low < np.iinfo(np.int32).min or high > np.iinfo(np.int32).max:
        raise DataError(
            "Labels in idx files are numbers of 32 bits. Received: labels from "
            f"{low} to {high}. Choose .npz, or the format npy."
        )
    return array.astype(np.int32)


def _write_npy_file(folder: Path, name: str, array: np.ndarray | Rows) -> None:
    with open(folder / f"{_file_name(name)}.npy", "wb") as file:
        write_array(file, array)


def _file_name(array: str) -> str:
    if safe_name(array) != array:
        raise DataError(
            f"Arrays in files of their own need names that are file names. Received: "
            f"{array!r}. Choose .npz, or rename the column."
        )
    return array


Writer = Callable[[Path, LabelledImages, SyntheticImages | None], None]
ARRAY_WRITERS: dict[str, Writer] = {
    "npy": _write_npy,
    "idx": _write_idx,
}
