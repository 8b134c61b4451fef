"""Writing labelled images of any kind, with synthetic ones behind: one door for all.

Whatever was read can be written as any kind. Original image files are copied byte for
byte; everything appears whole or not at all.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from balancegan.data.archives import write_arrays, write_members
from balancegan.data.arrays import (
    MASK_KEY,
    MODEL_KEY,
    NUMBER_KEY,
    lineage_arrays,
    to_arrays,
)
from balancegan.data.idx import encode_idx
from balancegan.data.labelled import TRAIN, LabelledImages, SyntheticImages
from balancegan.data.manifests import encode_table
from balancegan.errors import DataError
from balancegan.files import check_folder, whole_file, whole_folder
from balancegan.pictures import encode_png

FORMATS = ("npz", "npy", "idx", "csv", "parquet", "folder")
IDX_NAMES = {
    "x_train": "train-images-idx{}-ubyte",
    "y_train": "train-labels-idx{}-ubyte",
    "x_test": "t10k-images-idx{}-ubyte",
    "y_test": "t10k-labels-idx{}-ubyte",
}
PNG_CHANNELS = (1, 3, 4)


def find_format(out: Path, given: str | None = None) -> str:
    """Return the format that an output is written in: by its name, or as given.

    Raises
    ------
    DataError
        If name and format contradict each other.

    Examples
    --------
    >>> find_format(Path("balanced.npz")), find_format(Path("balanced"))
    ('npz', 'folder')
    """
    by_name = out.suffix[1:] if out.suffix in (".npz", ".csv", ".parquet") else None
    if given is None:
        if by_name is None and out.suffix and not out.is_dir():
            raise DataError(
                "An output is an .npz, .csv or .parquet file, or a folder, whose name "
                f"has no suffix. Received: {out}."
            )
        return by_name or "folder"
    if given in ("npz", "csv", "parquet") and given != by_name:
        raise DataError(f"A {given} file ends in .{given}. Received: {out}.")
    if given not in ("npz", "csv", "parquet") and by_name is not None:
        raise DataError(f"The format {given} is a folder. Received: {out}.")
    return given


def check_output(
    out: str | os.PathLike[str],
    source: Path | None,
    *,
    overwrite: bool,
    format: str | None = None,
) -> None:
    """Raise DataError unless a new output may be written.

    Parameters
    ----------
    out : path-like
        The file or folder to write.
    source : Path or None
        The user's own data, which is never written over.
    overwrite : bool
        Whether something else there may be replaced.
    format : str or None, default=None
        See :func:`find_format`.
    """
    out = Path(out)
    kind = find_format(out, format)
    reason = check_folder(out)
    if reason is not None:
        raise DataError(f"{out} cannot be written: {reason}.")
    targets = [out]
    if kind in ("csv", "parquet"):
        targets.append(images_folder(out))
    for target, is_folder in zip(targets, (kind in FOLDER_WRITERS, True), strict=False):
        _check_target(target, is_folder, source, overwrite)


def images_folder(manifest: Path) -> Path:
    """Return the folder beside a manifest that its images are in."""
    return manifest.with_suffix("")


def write_images(
    out: str | os.PathLike[str],
    labelled: LabelledImages,
    synthetic: SyntheticImages | None = None,
    *,
    format: str | None = None,
) -> None:
    """Write labelled images, with synthetic ones behind the training part.

    Parameters
    ----------
    out : path-like
        The file or folder to write; see :func:`check_output`. An .npz file that was
        read from another one is a copy of that, with all its other arrays.
    labelled : LabelledImages
        What was read.
    synthetic : SyntheticImages or None, default=None
        What to add. None: nothing; the output says nothing of synthetic images then.
    format : str or None, default=None
        "npz", "npy" (a folder of arrays), "idx" (a folder of MNIST's files), "csv",
        "parquet" (a manifest, the images in a folder beside it) or "folder" (one
        sub-folder a class, and a metadata.csv). None: by the name of `out`.

    Raises
    ------
    DataError
        If the format cannot hold the images.
    """
    out = Path(out)
    kind = find_format(out, format)
    is_npz = labelled.stored is not None and labelled.path.is_file()
    if kind == "npz" and is_npz and labelled.path.suffix != ".npy":
        _write_copy(out, labelled, synthetic)
    elif kind == "npz":
        write_arrays(out, to_arrays(labelled, synthetic))
    elif kind in FOLDER_WRITERS:
        with whole_folder(out) as folder:
            FOLDER_WRITERS[kind](folder, labelled, synthetic)
    else:
        images = images_folder(out)
        with whole_folder(images) as folder:
            table = write_files(folder, labelled, synthetic)
            table["file_name"] = images.name + "/" + table["file_name"]
            # Here, so that no folder is left where the table cannot be written
            content = encode_table(out, table)
        with whole_file(out) as file:
            file.write(content)


def write_files(
    folder: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> pd.DataFrame:
    """Write images as files below a folder; return the table that names them.

    Original files keep their names; images of arrays become PNG files.
    """
    namer = _Namer(labelled)
    tables = []
    for split, part in labelled.parts.items():
        class_names = [labelled.name(label) for label in part.labels]
        names = [
            namer.real(split, class_name, row, part.files)
            for row, class_name in enumerate(class_names)
        ]
        for row, name in enumerate(names):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if part.files is None:
                target.write_bytes(_encode(part.images[row]))
            else:
                shutil.copyfile(part.files[row], target)
        first = {"file_name": names, "label": class_names, "split": split}
        tables.append(pd.DataFrame(first).join(part.columns))
        if split == TRAIN and synthetic is not None:
            tables.append(_write_synthetic(folder, labelled, synthetic, namer))
            tables[-2][MASK_KEY] = False
        elif synthetic is not None:
            tables[-1][MASK_KEY] = False
    return pd.concat(tables, ignore_index=True)


def _write_synthetic(
    folder: Path, labelled: LabelledImages, synthetic: SyntheticImages, namer: "_Namer"
) -> pd.DataFrame:
    rows = []
    for image, label, number in zip(
        synthetic.images, synthetic.labels, synthetic.numbers, strict=True
    ):
        class_name = labelled.name(label)
        name = namer.synthetic(class_name, int(number))
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        lineage = describe_lineage(class_name, int(number), synthetic.model)
        target.write_bytes(_encode(image, lineage))
        rows.append((name, class_name, TRAIN, True, number, synthetic.model))
    columns = ["file_name", "label", "split", MASK_KEY, NUMBER_KEY, MODEL_KEY]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({NUMBER_KEY: "Int64"})


def describe_lineage(class_name: str, number: int, model: str) -> dict[str, str]:
    """Return what a synthetic image's file says of where it comes from.

    Examples
    --------
    >>> describe_lineage("bag", 7, "1f")["balancegan:number"]
    '7'
    """
    return {
        "balancegan:synthetic": "true",
        "balancegan:class": class_name,
        "balancegan:number": str(number),
        "balancegan:model": model,
    }


def safe_name(text: str) -> str:
    """Return a text as part of a file name, whatever is in it.

    Examples
    --------
    >>> safe_name("../T-shirt/top"), safe_name("狗")
    ('_T-shirt_top', '狗')
    """
    return re.sub(r"[^\w .+()-]", "_", text).strip(" .")[:100] or "_"


class _Namer:
    """Says what files are called, relative to the folder: each one differently."""

    def __init__(self, labelled: LabelledImages) -> None:
        self.labelled = labelled
        self.has_splits = len(labelled.parts) > 1
        files = labelled.train.files
        self.root = None if files is None else _root_of(labelled)
        self.folders: dict[str, str] = {}
        self.taken: set[str] = set()

    def real(
        self, split: str, class_name: str, row: int, files: list[Path] | None
    ) -> str:
        """Return the name of a real image, the original's where it has one."""
        if files is None or self.root is None:
            return f"{self._folder(split, class_name)}/real_{row:06d}.png"
        name = files[row].relative_to(self.root).as_posix()
        if name in self.taken:  # a table may name a file twice
            folder = self._folder(split, class_name)
            name = f"{folder}/again_{row:06d}{files[row].suffix}"
        self.taken.add(name)
        return name

    def synthetic(self, class_name: str, number: int) -> str:
        """Return the name of image `number` of a class, which says what it is."""
        folder = self._folder(TRAIN, class_name)
        return f"{folder}/synthetic_{folder.rsplit('/')[-1]}_{number:06d}.png"

    def _folder(self, split: str, class_name: str) -> str:
        if class_name not in self.folders:
            name = safe_name(class_name)
            while name.lower() in {other.lower() for other in self.folders.values()}:
                name += "_"
            self.folders[class_name] = name
        name = self.folders[class_name]
        return f"{split}/{name}" if self.has_splits else name


def _root_of(labelled: LabelledImages) -> Path:
    return labelled.path if labelled.path.is_dir() else labelled.path.parent


def _encode(image: np.ndarray, lineage: dict[str, str] | None = None) -> bytes:
    """Return an image as the bytes of a PNG file, value for value."""
    shown = image if image.ndim == 3 else image[..., None]
    if image.dtype != np.uint8 or shown.ndim != 3 or shown.shape[2] not in PNG_CHANNELS:
        raise DataError(
            "Image files hold uint8 values, in 1, 3 or 4 channels. Received: images of "
            f"shape {image.shape}, {image.dtype}. Choose .npz, or the format npy."
        )
    return encode_png(shown, lineage)


def _write_copy(
    out: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write a copy of an .npz file, its other arrays byte for byte."""
    stored = labelled.stored
    if stored is None:
        raise ValueError("A copy is made of named arrays only.")
    new: dict[str, np.ndarray] = {}
    if synthetic is not None:
        images = np.concatenate([labelled.images, synthetic.images])
        labels = np.concatenate([labelled.labels, synthetic.labels])
        new = {
            stored.images_key: images,
            stored.labels_key: stored.encode(labels),
            **lineage_arrays(len(labelled.labels), synthetic),
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


def _write_folder(
    folder: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    table = write_files(folder, labelled, synthetic)
    path = folder / "metadata.csv"
    path.write_bytes(encode_table(path, table))


def _write_npy(
    folder: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    for name, array in to_arrays(labelled, synthetic).items():
        np.save(folder / f"{_file_name(name)}.npy", array, allow_pickle=False)


def _write_idx(
    folder: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write images and labels as idx files, what they cannot hold as .npy beside."""
    for name, array in to_arrays(labelled, synthetic).items():
        if name in IDX_NAMES:
            if name.startswith("y_") and array.dtype.kind in "iu":
                small = array.min() >= 0 and array.max() <= 255
                array = array.astype(np.uint8 if small else np.int32)
            file = folder / IDX_NAMES[name].format(array.ndim)
            file.write_bytes(encode_idx(array))
        else:
            np.save(folder / f"{_file_name(name)}.npy", array, allow_pickle=False)


def _file_name(array: str) -> str:
    if safe_name(array) != array:
        raise DataError(
            f"Arrays in files of their own need names that are file names. Received: "
            f"{array!r}. Choose .npz, or rename the column."
        )
    return array


Writer = Callable[[Path, LabelledImages, SyntheticImages | None], None]
FOLDER_WRITERS: dict[str, Writer] = {
    "folder": _write_folder,
    "npy": _write_npy,
    "idx": _write_idx,
}


def _check_target(
    target: Path, is_folder: bool, source: Path | None, overwrite: bool
) -> None:
    if source is not None and source.exists():
        own, other = target.resolve(), source.resolve()
        if own == other:
            raise DataError(f"{target} is the input itself, which is left as it is.")
        if own in other.parents or other in own.parents:
            raise DataError(
                f"{target} and the input {source} lie within each other. Choose a "
                "place of its own for the output."
            )
    if not target.exists():
        return
    if target.is_dir() != is_folder:
        raise DataError(f"{target} is a {'file' if is_folder else 'folder'}.")
    if not overwrite:
        raise DataError(
            f"{target} exists already. Allow it to be overwritten (--overwrite), or "
            "choose another name."
        )
