"""Write labelled images as named arrays in an .npz file, whole or not at all.

A file that was read from an .npz file becomes a copy of it, with all its other arrays.
"""

import itertools
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from balancegan.data.arrays import find_other_parts
from balancegan.data.columns import keep_whole, rename_apart, to_array
from balancegan.data.labelled import (
    TEST,
    TRAIN,
    LabelledImages,
    StoredArrays,
    SyntheticImages,
    column_name,
)
from balancegan.data.lineage import (
    MASK_KEY,
    METHOD_KEY,
    MODEL_KEY,
    NUMBER_KEY,
    SCORE_KEY,
    WEIGHT_KEY,
)
from balancegan.files import whole_file
from balancegan.memory import release

PART = 1024  # rows written at a time


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that are read only when they are written; they may exceed memory.

    Parameters
    ----------
    n : int
        Number of all rows.
    first : ndarray of shape (m, ...)
        The first rows; may be mapped from a file.
    rest : iterable of ndarray
        Batches of further rows, of the dtype of `first`.

    Examples
    --------
    >>> rows = Rows(3, np.array([1, 2]), [np.array([3])])
    >>> rows.shape, [part.tolist() for part in rows.parts()]
    ((3,), [[1, 2], [3]])
    """

    n: int
    first: np.ndarray
    rest: Iterable[np.ndarray] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return (self.n, *self.first.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.first.dtype

    def parts(self) -> Iterator[np.ndarray]:
        """Yield the rows, some at a time; ValueError if there are not `n`."""
        done = len(self.first)
        for start in range(0, done, PART):
            yield np.ascontiguousarray(self.first[start : start + PART])
            release(self.first)
        for batch in self.rest:
            done += len(batch)
            yield np.ascontiguousarray(batch, dtype=self.dtype)
        if done != self.n:
            raise ValueError(f"There were to be {self.n} rows. Received: {done}.")


def write_array_file(
    out: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write an .npz file: a copy if an .npz file was read, else new arrays."""
    is_copy = labelled.stored is not None and zipfile.is_zipfile(labelled.path)
    if is_copy and labelled.held_out is None:
        _write_copy(out, labelled, synthetic)
    elif is_copy:
        _write_with_test_part(out, labelled, synthetic)
    else:
        write_arrays(out, to_arrays(labelled, synthetic))


def to_arrays(
    labelled: LabelledImages, synthetic: SyntheticImages | None = None
) -> dict[str, np.ndarray | Rows]:
    """Return labelled images as named arrays.

    Returns
    -------
    arrays : dict of str to ndarray or Rows
        "x_train", "y_train" and so on; text labels as numbers with "class_names";
        columns with the name of the split appended. Columns of synthetic rows that are
        no attributes are blank or NaN.
    """
    arrays: dict[str, np.ndarray | Rows] = {}
    every = np.concatenate([part.labels for part in labelled.parts.values()])
    names = labelled.class_names
    is_text = every.dtype.kind not in "iufb"
    classes = np.unique(every)
    if is_text:
        names = [str(label) for label in classes]
    renamed = rename_apart(labelled.column_names, ("x", "y"))
    for split, part in labelled.parts.items():
        images, labels = Rows(len(part.labels), part.images), part.labels
        columns = part.columns
        if split == TRAIN and synthetic is not None:
            images = _with_synthetic(part.images, synthetic)
            labels = np.concatenate([labels, synthetic.labels])
            columns = _extend_columns(columns, synthetic)
            weight_key = None if WEIGHT_KEY in columns else WEIGHT_KEY
            arrays |= _lineage_arrays(len(part.labels), synthetic, weight_key)
        arrays[f"x_{split}"] = images
        arrays[f"y_{split}"] = np.searchsorted(classes, labels) if is_text else labels
        for name, column in columns.items():
            arrays[f"{renamed.get(str(name), name)}_{split}"] = to_array(column)
    if names is not None:
        arrays["class_names"] = np.array(names, dtype=str)
    return arrays


def _with_synthetic(images: np.ndarray, synthetic: SyntheticImages) -> Rows:
    return Rows(len(images) + len(synthetic.labels), images, synthetic.batches)


def _extend_columns(columns: pd.DataFrame, synthetic: SyntheticImages) -> pd.DataFrame:
    """Return the columns of real images with those of synthetic images below."""
    n = len(columns) + len(synthetic.labels)
    extended = keep_whole(columns).reindex(range(n))
    for name, values in synthetic.attributes.items():
        extended[name] = pd.concat([columns[name], values], ignore_index=True)
    return extended


def _attribute_arrays(
    stored: StoredArrays, columns: pd.DataFrame, synthetic: SyntheticImages
) -> dict[str, np.ndarray]:
    """Return the attributes of real and synthetic images under their stored names.

    A column that shared an array with others gets its own.
    """
    extended = _extend_columns(columns, synthetic)
    return {
        stored.key_of(name) or stored.free_key(name): to_array(
            extended[name].astype(columns[name].dtype)
        )
        for name in map(str, synthetic.attributes)
    }


def _lineage_arrays(
    n_real: int, synthetic: SyntheticImages, weight_key: str | None
) -> dict[str, np.ndarray]:
    """Return mask, numbers, model, methods, scores and weights of all rows."""
    arrays = {
        MASK_KEY: np.repeat([False, True], [n_real, len(synthetic.labels)]),
        NUMBER_KEY: np.concatenate([np.full(n_real, -1), synthetic.numbers]),
        MODEL_KEY: np.array(synthetic.model),
    }
    origins = synthetic.origins
    if origins is not None:
        methods = [""] * n_real + origins["method"].tolist()
        arrays[METHOD_KEY] = np.array(methods, dtype=str)
        arrays[SCORE_KEY] = np.append(np.full(n_real, np.nan), origins["score"])
        if weight_key is not None:
            arrays[weight_key] = np.append(np.ones(n_real), origins["weight"])
    return arrays


def _write_copy(
    out: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write a copy of an .npz file, with its other arrays byte for byte."""
    stored = labelled.stored
    if stored is None:
        raise ValueError("Only named arrays can be copied.")
    new: dict[str, np.ndarray | Rows] = {}
    if synthetic is not None:
        labels = np.concatenate([labelled.labels, synthetic.labels])
        weight_key = None if WEIGHT_KEY in stored.keys else WEIGHT_KEY
        new = {
            stored.images_key: _with_synthetic(labelled.images, synthetic),
            stored.labels_key: stored.encode(labels),
            **_attribute_arrays(stored, labelled.train.columns, synthetic),
            **_lineage_arrays(len(labelled.labels), synthetic, weight_key),
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


def _write_with_test_part(
    out: Path, labelled: LabelledImages, synthetic: SyntheticImages | None
) -> None:
    """Write an .npz file whose test part was set aside, with its other arrays.

    Arrays with a row for each image are split like the images.
    """
    stored, is_test = labelled.stored, labelled.held_out
    if stored is None or is_test is None:
        raise ValueError("Only named arrays with rows set aside can be split.")
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


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray | Rows]
) -> None:
    """Write named arrays as an .npz file, whole or not at all."""
    with (
        whole_file(Path(path)) as file,
        zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as out,
    ):
        write_members(out, arrays)


def write_members(
    out: zipfile.ZipFile, arrays: Mapping[str, np.ndarray | Rows]
) -> None:
    """Write named arrays into an open .npz file."""
    for key, array in arrays.items():
        info = zipfile.ZipInfo(f"{key}.npy")
        info.compress_type = out.compression
        with out.open(info, "w", force_zip64=True) as member:
            write_array(member, array)


def write_array(file: IO[bytes], array: np.ndarray | Rows) -> None:
    """Write one array in .npy format, rows part by part."""
    if not isinstance(array, Rows):
        np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
        return
    description = np.lib.format.dtype_to_descr(array.dtype)
    np.lib.format.write_array_header_1_0(
        file, {"descr": description, "fortran_order": False, "shape": array.shape}
    )
    for part in array.parts():
        file.write(part.tobytes())
