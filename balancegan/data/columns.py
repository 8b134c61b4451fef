"""Columns of images next to the label, as tables and as arrays.

Whole numbers stay whole if values are missing, since ids may exceed the precision of a
float.
"""

import itertools
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from balancegan.data.labelled import SPLITS, TRAIN, column_name

LARGEST_EXACT = 2**53  # the largest range of whole numbers in float64


def find_columns(
    arrays: Mapping[str, np.ndarray], n_rows: int, split: str, known: Collection[str]
) -> dict[str, str]:
    """Return the arrays with a value for each image of a part, by column name.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        All arrays.
    n_rows : int
        Number of images of the part.
    split : str
        The part. Arrays without the name of a split belong to the training part.
    known : collection of str
        Arrays with another meaning.

    Returns
    -------
    columns : dict of str to str
        Array names by column name. A column is named without the split if that is free.

    Examples
    --------
    >>> arrays = {"x_train": np.zeros((2, 3)), "id_train": np.arange(2),
    ...           "test_score": np.ones(2), "id_test": np.arange(2)}
    >>> find_columns(arrays, 2, "train", {"x_train"})
    {'id': 'id_train', 'test_score': 'test_score'}
    """
    columns = {}
    for key, array in arrays.items():
        said = _split_of(key, arrays)
        is_ours = said == split or (said is None and split == TRAIN)
        if key not in known and is_ours and array.shape == (n_rows,):
            short = key if said is None else column_name(key)
            columns[key if short in arrays else short] = key
    return columns


def _split_of(key: str, keys: Collection[str]) -> str | None:
    """Return the split in the name of an array, if any.

    A prefix counts only if other arrays have it: "test_score" may be a score of
    training images.
    """
    for split in (TRAIN, *SPLITS):
        if key.endswith(f"_{split}"):
            return split
    for split in (TRAIN, *SPLITS):
        rest = key.removeprefix(f"{split}_")
        partners = {f"{TRAIN}_{rest}", f"{split}_images"}
        if rest != key and (split == TRAIN or partners & set(keys)):
            return split
    return None


def rename_apart(columns: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Return new names, with a number appended, for columns with taken names.

    Examples
    --------
    >>> rename_apart(["label", "label2", "age"], {"file_name", "label"})
    {'label': 'label3'}
    """
    columns = list(columns)
    used, renamed = {*taken, *columns}, {}
    for name in columns:
        if name in taken:
            numbered = (f"{name}{k}" for k in itertools.count(2))
            renamed[name] = next(new for new in numbered if new not in used)
            used.add(renamed[name])
    return renamed


def keep_whole(table: pd.DataFrame) -> pd.DataFrame:
    """Convert whole numbers and booleans to nullable types, so that they stay exact.

    Examples
    --------
    >>> table = keep_whole(pd.DataFrame({"id": [2**60 + 1, None], "age": [0.5, None]},
    ...                                 dtype=object))
    >>> table["id"].tolist(), table.dtypes.astype(str).tolist()
    ([1152921504606846977, <NA>], ['Int64', 'float64'])
    """
    return table.assign(**{str(name): _keep_whole(table[name]) for name in table})


def _keep_whole(column: pd.Series) -> pd.Series:
    if column.dtype != object:
        return column.convert_dtypes() if column.dtype.kind in "iub" else column
    kind = pd.api.types.infer_dtype(column, skipna=True)
    there = column.dropna()
    if kind == "boolean":
        return column.astype("boolean")
    if kind == "integer" and there.between(-(2**63), 2**63 - 1).all():
        return column.astype("Int64")
    return column.infer_objects()


def to_array(column: pd.Series) -> np.ndarray:
    """Return a column as an array of numbers, booleans or texts, never of objects.

    Missing values are empty texts, or NaN among numbers. Whole numbers and booleans
    with missing values become floats if these are exact, else texts.

    Examples
    --------
    >>> to_array(pd.Series([3, None], dtype="Int64"))
    array([ 3., nan])
    >>> to_array(pd.Series([2**60 + 1, None], dtype="Int64"))
    array(['1152921504606846977', ''], dtype='<U19')
    """
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iufb":
        there = column.dropna()
        if len(there) == len(column):
            return column.to_numpy(dtype=getattr(column.dtype, "numpy_dtype", None))
        exact = kind == "f" or kind in "iu" and (there.abs() <= LARGEST_EXACT).all()
        if exact:
            return column.to_numpy(dtype=float, na_value=np.nan)
    texts = column.astype(object).where(column.notna(), "").astype(str)
    return texts.to_numpy(dtype=str)


def as_written(table: pd.DataFrame) -> pd.DataFrame:
    """Convert columns of mixed types to texts."""
    mixed = [
        name
        for name in table
        if table[name].dtype == object
        and pd.api.types.infer_dtype(table[name], skipna=True).startswith("mixed")
    ]
    texts = {str(name): table[name].map(str, na_action="ignore") for name in mixed}
    return table.assign(**texts)
