"""Tables that name image files: CSV or Parquet, one schema to read and to write.

JSON lines, an object a row, are read only. "file_name" (or "path"), "label", "split"
(a table without it is all training), and any further columns.
"""

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from balancegan.data.arrays import LINEAGE_KEYS, MASK_KEY, marked_rows, refuse_synthetic
from balancegan.data.columns import as_written, keep_whole
from balancegan.data.labelled import SPLIT_NAMES, TRAIN
from balancegan.errors import DataError

FILE_KEYS = ("file_name", "path")
LABEL_KEY, SPLIT_KEY = "label", "split"
QUOTE_TEXTS: Literal[2] = 2  # csv.QUOTE_NONNUMERIC
SUFFIXES = (".csv", ".jsonl", ".parquet")
# What spreadsheets take for a formula, which may do anything (OWASP, CSV Injection),
# and such a text behind the apostrophes that keep it from being one
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def read_table(
    path: Path, *, file_column: str | None = None, label_column: str | None = None
) -> pd.DataFrame:
    """Read the table of a manifest.

    Parameters
    ----------
    path : Path
        A .csv, .jsonl or .parquet file.
    file_column, label_column : str or None, default=None
        Names of columns. None: "file_name" or "path", and "label".

    Returns
    -------
    table : DataFrame
        "file_name", "label", "split" where the table has it, and all other columns. All
        values of a CSV file are texts, just as they stand there; in other tables these
        three become texts, and other columns stay what they are. An apostrophe
        before what a spreadsheet would take for a formula is taken away.

    Raises
    ------
    DataError
        If it cannot be read, lacks columns or values, or holds synthetic images.
    """
    table = _read(path)
    file_key = _find_column(path, table, file_column, FILE_KEYS, "--images-key")
    label_key = _find_column(path, table, label_column, (LABEL_KEY,), "--labels-key")
    if not len(table):
        raise DataError(f"{path} names no image.")
    names = {file_key: "file_name", label_key: "label"}
    clash = {new for old, new in names.items() if old != new and new in table}
    table = table.drop(columns=list(clash)).rename(columns=names)
    for column in ("file_name", "label"):
        missing = table[column].isna() | (table[column].astype(str) == "")
        if missing.any():
            row = int(np.argmax(missing))
            raise DataError(
                f"Every row of {path} needs a {column}. Received: none in row "
                f"{row + 1} of {len(table)}."
            )
        table[column] = table[column].astype(str)
    if MASK_KEY in table:
        refuse_synthetic(path, marked_rows(table[MASK_KEY]))
    table = table.drop(columns=[key for key in LINEAGE_KEYS if key in table])
    if SPLIT_KEY in table:
        table[SPLIT_KEY] = _find_splits(path, table[SPLIT_KEY])
    first = [c for c in ("file_name", "label", SPLIT_KEY) if c in table]
    return table[[*first, *(c for c in table if c not in first)]]


def named_files(path: Path) -> set[Path]:
    """Return the files that a table names; none of one that is no such table."""
    try:
        table = _read(path)
        key = _find_column(path, table, None, FILE_KEYS, "--images-key")
    except DataError:
        return set()
    return {path.parent / name for name in table[key].astype(str)}


def encode_table(path: Path, table: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a .csv or .parquet file.

    Texts of a .csv file that a spreadsheet would take for formulas get an apostrophe,
    which reading takes away again; names of files get "./" instead.

    Raises
    ------
    DataError
        If it is a .parquet file and pyarrow is not there.
    """
    if path.suffix == ".csv":
        return _to_csv(table).encode()
    with _needs_pyarrow(path):
        return bytes(as_written(table).to_parquet(index=False))


class _needs_pyarrow:
    """Says what to install where pyarrow is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, ImportError):
            raise DataError(
                f"{self.path} is a Parquet file, which needs pyarrow: pip install "
                "'balancegan[parquet]'. Or use .csv."
            ) from error


def _read(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    try:
        if path.suffix.lower() == ".csv":
            return _read_csv(path)
        if path.suffix.lower() == ".jsonl":
            return _read_json_lines(path)
        with _needs_pyarrow(path):
            from pyarrow.parquet import read_table as read_parquet

            # Integers with missing values would become floats
            return keep_whole(read_parquet(path).to_pandas(integer_object_nulls=True))
    except DataError:
        raise
    except (OSError, ValueError) as error:  # pandas's and pyarrow's errors are such
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as a table: {reason}") from error


def _read_csv(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.rename(columns=_bare).map(_bare)


def _to_csv(table: pd.DataFrame) -> str:
    table = table.rename(columns=_guarded)
    for name in table:
        guard = _inside if name == FILE_KEYS[0] else _guarded
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = [
                guard(value) if isinstance(value, str) else value
                for value in table[name]
            ]
    # A carriage return alone is not quoted otherwise, and ends a row for who reads it
    has_returns = any(
        table[name].astype(str).str.contains("\r", regex=False).any() for name in table
    )
    if has_returns:
        return table.to_csv(index=False, lineterminator="\n", quoting=QUOTE_TEXTS)
    return table.to_csv(index=False, lineterminator="\n")


def _guarded(text: str) -> str:
    """Return a cell with an apostrophe before what a spreadsheet takes for a formula.

    Examples
    --------
    >>> [_guarded(text) for text in ("=1+1", "-x", "-1", "a=b", "'=1")]
    ["'=1+1", "'-x", '-1', 'a=b', "''=1"]
    """
    return f"'{text}" if FORMULA.match(text) and not _is_number(text) else text


def _inside(file_name: str) -> str:
    """Return a name of the same file that is no formula, and that all programs find."""
    return file_name if _guarded(file_name) == file_name else f"./{file_name}"


def _bare(text: str) -> str:
    """Return the text that a cell was written for.

    Examples
    --------
    >>> [_bare(text) for text in ("'=1+1", "-1", "'quoted'", "''=1")]
    ['=1+1', '-1', "'quoted'", "'=1"]
    """
    is_guarded = text.startswith("'") and _guarded(text[1:]) == text
    return text[1:] if is_guarded else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_json_lines(path: Path) -> pd.DataFrame:
    """Return a table of a JSON object a line, each with a plain value a column."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
            json.dumps(row, ensure_ascii=False).encode()  # no half characters in it
        except (ValueError, RecursionError) as error:
            raise DataError(f"Line {number} of {path} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(
                f"Every line of {path} must be a JSON object, of columns and values. "
                f"Received: {type(row).__name__} in line {number}."
            )
        nested = [key for key, value in row.items() if isinstance(value, (dict, list))]
        if nested:
            raise DataError(
                f"A column of {path} has one text, number, true, false or null a line. "
                f"Received: several values of {nested[0]!r} in line {number}. Leave "
                "the column out, or make a column of each value."
            )
        rows.append(row)
    if not rows:
        raise DataError(f"{path} names no image.")
    return keep_whole(pd.DataFrame(rows, dtype=object))


def _find_column(
    path: Path,
    table: pd.DataFrame,
    given: str | None,
    usual: tuple[str, ...],
    option: str,
) -> str:
    for name in usual if given is None else (given,):
        if name in table:
            return name
    raise DataError(
        f"{path} needs a column {' or '.join(usual) if given is None else given}. "
        f"Received: {', '.join(map(str, table.columns))}. Name another by {option}."
    )


def _find_splits(path: Path, column: pd.Series) -> pd.Series:
    lower = column.fillna("").astype(str).str.lower().replace("", TRAIN)
    unknown = sorted(set(lower) - set(SPLIT_NAMES))
    if unknown:
        raise DataError(
            f"A split is one of {', '.join(SPLIT_NAMES)}. Received in {path}: "
            f"{', '.join(map(repr, unknown))}."
        )
    return lower.map(SPLIT_NAMES)
