"""Tables that name image files: one schema to read and to write.

The written schema is "file_name", "label", "split" and further columns; tables from
elsewhere are brought to it.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from balancegan.data.columns import as_written
from balancegan.data.filefinder import FileFinder
from balancegan.data.imagefiles import OnError
from balancegan.data.lineage import (
    LINEAGE_KEYS,
    MASK_KEY,
    marked_rows,
    refuse_synthetic,
)
from balancegan.data.links import BadFile, readable
from balancegan.data.splits import SPLIT_KEY, find_splits, split_by_folders
from balancegan.data.tablecolumns import (
    FILE_KEYS,
    LABEL_KEY,
    Columns,
    find_file_column,
    find_table_columns,
    is_usual,
    tidy_labels,
)
from balancegan.data.tables import guarded, needs_pyarrow, read_frame
from balancegan.errors import DataError

QUOTE_TEXTS: Literal[2] = 2  # csv.QUOTE_NONNUMERIC


class Manifest(NamedTuple):
    """A table of image files.

    Attributes
    ----------
    table : DataFrame
        "file_name" relative to the folder, "label", "split" if the table has one, and
        all other columns.
    bad : list of BadFile
        Names that could mean several files.
    notes : list of str
        What was decided or left out.
    """

    table: pd.DataFrame
    bad: list[BadFile]
    notes: list[str]


def read_manifest(
    path: Path,
    *,
    file_column: str | None = None,
    label_column: str | None = None,
    needs_label: bool = True,
) -> Manifest:
    """Read a table of image files in its folder, and find the files.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .txt, .jsonl or .parquet file.
    file_column, label_column : str or None, default=None
        Column names. None: see :func:`balancegan.data.tablecolumns.find_table_columns`.
    needs_label : bool, default=True
        False: labels are optional, and only "label" or the named column has them.
    """
    finder = FileFinder(path.parent)
    table, notes = read_frame(path, lambda row: is_data_row(row, finder))
    if not needs_label and label_column is None and LABEL_KEY not in table:
        file = find_file_column(path, table, finder, file_column)
        columns = Columns(file, None, table, [])
    else:
        columns = find_table_columns(path, table, finder, file_column, label_column)
    return make_manifest(path, columns, notes, finder, "fail")


def is_data_row(row: list[str], finder: FileFinder) -> bool:
    """Return whether the first row of a table names files instead of columns."""
    return not any(map(is_usual, row)) and any(map(finder.is_named, row))


def make_manifest(
    path: Path,
    columns: Columns,
    notes: list[str],
    finder: FileFinder,
    on_error: OnError,
) -> Manifest:
    """Return a table with standard column names, and with the files that it names."""
    if not len(columns.table):
        raise DataError(f"{path} names no image.")
    splits, more = find_splits(path, columns.table, (columns.file, columns.label))
    notes = [*notes, *columns.notes, *more]
    names = {columns.file: "file_name"}
    if columns.label is not None:
        names[columns.label] = "label"
    table = columns.table
    if splits is not None:
        table, notes = table.drop(columns=splits.columns), [*notes, *splits.notes]
    clash = {new for old, new in names.items() if old != new and new in table}
    table = table.drop(columns=list(clash)).rename(columns=names)
    if splits is not None:
        table = table.assign(**{SPLIT_KEY: splits.values})
    table, more = _drop_incomplete(path, table, on_error)
    notes += more
    if MASK_KEY in table:
        refuse_synthetic(path, marked_rows(table[MASK_KEY]))
    table = table.drop(columns=[key for key in LINEAGE_KEYS if key in table])
    if "label" in table:
        table["label"], more = tidy_labels(table["label"])
        notes += more
    first = [c for c in ("file_name", "label", SPLIT_KEY) if c in table]
    table = table[[*first, *(c for c in table if c not in first)]]
    return _find_files(path, table, notes, finder)


def _drop_incomplete(
    path: Path, table: pd.DataFrame, on_error: OnError
) -> tuple[pd.DataFrame, list[str]]:
    """Refuse rows without a file name or a label, or leave them out with a note."""
    is_whole = np.ones(len(table), dtype=bool)
    lacking = []
    needed = [name for name in ("file_name", "label") if name in table]
    for column in needed:
        missing = table[column].isna() | (table[column].astype(str).str.strip() == "")
        if missing.any():
            row = int(np.argmax(missing)) + 1
            lacking.append(f"{int(missing.sum())} without a {column}, first row {row}")
            is_whole &= ~missing.to_numpy()
    said = f"{'; '.join(lacking)} of {len(table)}"
    if lacking and (on_error == "fail" or not is_whole.any()):
        raise DataError(
            f"Every row of {path} needs a file_name and a label. Received: {said}. "
            "Complete or remove these rows, or leave them out by --on-error skip."
        )
    notes = [f"left out incomplete rows of {path.name}: {said}"] if lacking else []
    table = table[is_whole].reset_index(drop=True)
    texts = {name: table[name].astype(str) for name in needed}
    return table.assign(**texts), notes


def _find_files(
    path: Path, table: pd.DataFrame, notes: list[str], finder: FileFinder
) -> Manifest:
    """Replace the names in a table by those of the files that they mean."""
    found = finder.find(table["file_name"])
    if not found.places and not found.unclear:
        names = table["file_name"]
        raise DataError(
            f"None of the {names.nunique()} files that {path} names is in "
            f"{finder.root}. Received: {readable(names.iloc[0])!r} as the first one. "
            "Set images-root in --config to the folder of the images, or name the "
            "column of file names by --images-key."
        )
    bad = [BadFile(name, reason) for name, reason in found.unclear.items()]
    table = table[~table["file_name"].isin(found.unclear)].reset_index(drop=True)
    names = table["file_name"]
    table["file_name"] = names.map(found.places).fillna(names)
    if "label" in table and SPLIT_KEY not in table:
        splits, more = split_by_folders(path, table["file_name"])
        notes = [*notes, *more]
        if splits is not None:
            table.insert(2, SPLIT_KEY, splits)
    return Manifest(table, bad, [*notes, *_note_repeated(table), *found.notes])


def _note_repeated(table: pd.DataFrame) -> list[str]:
    """Return a note on files that several rows name, and whether these differ."""
    again = table["file_name"].duplicated()
    if not again.any():
        return []
    note = (
        f"{again.sum()} of {len(table)} rows name a file that an earlier row names "
        "too, and count as further images; remove them if classes were oversampled"
    )
    files = table[table["file_name"].duplicated(keep=False)].groupby("file_name")
    said = {"label": "labels", SPLIT_KEY: "splits"}
    n_files = {
        w: int((files[c].nunique() > 1).sum()) for c, w in said.items() if c in table
    }
    some = [f"{what} differ for {n} of these files" for what, n in n_files.items() if n]
    return ["; ".join([note, *some])]


def named_files(path: Path) -> set[Path]:
    """Return the files that a table names; none if it is no such table."""
    try:
        table, _ = read_frame(path, lambda _: False)
    except DataError:
        return set()
    key = next((key for key in FILE_KEYS if key in table), None)
    return set() if key is None else {path.parent / n for n in table[key].astype(str)}


def encode_table(path: Path, table: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a .csv or .parquet file.

    Texts in a .csv file that a spreadsheet would take for formulas get an apostrophe,
    which reading removes; file names get "./" instead.
    """
    if path.suffix == ".csv":
        return _to_csv(table).encode()
    with needs_pyarrow(path):
        return bytes(as_written(table).to_parquet(index=False))


def _to_csv(table: pd.DataFrame) -> str:
    table = table.rename(columns=guarded)
    for name in table:
        guard = _guarded_name if name == FILE_KEYS[0] else guarded
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = [
                guard(value) if isinstance(value, str) else value
                for value in table[name]
            ]
    # pandas does not quote a lone carriage return, which readers take for a row end
    has_returns = any(
        table[name].astype(str).str.contains("\r", regex=False).any() for name in table
    )
    if has_returns:
        return table.to_csv(index=False, lineterminator="\n", quoting=QUOTE_TEXTS)
    return table.to_csv(index=False, lineterminator="\n")


def _guarded_name(file_name: str) -> str:
    """Return a name of the same file that is no formula."""
    return file_name if guarded(file_name) == file_name else f"./{file_name}"
