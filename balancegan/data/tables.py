"""Tables in files of any kind, as they are stored: texts, JSON lines, Parquet.

What the columns mean is not known here. Cells that a spreadsheet would take for
formulas have an apostrophe before them in text files, which is taken away.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from balancegan.data.columns import keep_whole
from balancegan.data.opening import SUFFIXES as IMAGE_SUFFIXES
from balancegan.data.tablecolumns import is_usual
from balancegan.data.texttables import TextTable, open_text_table
from balancegan.errors import DataError
from balancegan.files import DAMAGES

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".jsonl", ".parquet")
# What spreadsheets take for a formula, which may do anything (OWASP, CSV Injection),
# and such a text behind the apostrophes that keep it from being one
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


class needs_pyarrow:
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


def read_frame(
    path: Path, is_named: Callable[[str], bool]
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table with all of its columns.

    Parameters
    ----------
    path : Path
        A file of one of `SUFFIXES`.
    is_named : callable
        Whether a text is the name of an image file. A text file whose first row has
        such a one has no row of column names.

    Returns
    -------
    table : DataFrame
    notes : list of str
        What was decided, for people.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return from_text(open_text_table(path), is_named)
    if suffix != ".jsonl":
        with needs_pyarrow(path):
            from pyarrow.parquet import read_table as read_parquet
    try:
        if suffix == ".jsonl":
            lines = path.read_bytes().split(b"\n")
        else:  # integers with missing values would become floats
            table = read_parquet(path).to_pandas(integer_object_nulls=True)
    except (OSError, *DAMAGES) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as a table: {reason}") from error
    if suffix == ".jsonl":
        return _read_json_lines(path, lines), []
    return keep_whole(table), []


def from_text(
    text: TextTable, is_named: Callable[[str], bool]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table of a text file, and what to say of it."""

    def is_data(row: list[str]) -> bool:
        if any(cell.strip().lower().endswith(IMAGE_SUFFIXES) for cell in row):
            return True
        return not any(map(is_usual, row)) and any(map(is_named, row))

    table = text.frame(is_data).rename(columns=_bare)
    return table.map(_bare), text.notes


def guarded(text: str) -> str:
    """Return a cell with an apostrophe before what a spreadsheet takes for a formula.

    Examples
    --------
    >>> [guarded(text) for text in ("=1+1", "-x", "-1", "a=b", "'=1")]
    ["'=1+1", "'-x", '-1', 'a=b', "''=1"]
    """
    return f"'{text}" if FORMULA.match(text) and not _is_number(text) else text


def _bare(text: str) -> str:
    """Return the text that a cell was written for.

    Examples
    --------
    >>> [_bare(text) for text in ("'=1+1", "-1", "'quoted'", "''=1")]
    ['=1+1', '-1', "'quoted'", "'=1"]
    """
    isguarded = text.startswith("'") and guarded(text[1:]) == text
    return text[1:] if isguarded else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_json_lines(path: Path, lines: list[bytes]) -> pd.DataFrame:
    """Return a table of a JSON object a line, each with a plain value a column."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
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
