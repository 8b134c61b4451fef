"""Read tables from text files, JSON lines and Parquet, whatever their columns mean.

Encoding and separator of text files are inferred. An apostrophe before a cell that a
spreadsheet would take for a formula is removed.
"""

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from balancegan.data.columns import keep_whole
from balancegan.data.opening import SUFFIXES as IMAGE_SUFFIXES
from balancegan.errors import DataError
from balancegan.files import READ_ERRORS

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".jsonl", ".parquet")
# What spreadsheets take for a formula (OWASP, CSV Injection), maybe quoted already
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
BOMS = (  # UTF-32 first, since it begins like UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
FALLBACK = "cp1252"  # of spreadsheets in western Europe and America
BLANK = " "  # runs of blanks and tabs
SEPARATORS = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "bars",
    BLANK: "blanks",
}
EXCEL_HINT = re.compile(r'"?sep=(?P<separator>.)"?\r?\n')
COMMENTS = re.compile("(#[^\r\n]*(\r\n|\r|\n|$))+")  # above a table
CONTROL = re.compile("[\x01-\x08\x0e-\x1f]")  # never in a text
HEAD_ROWS, HEAD_CHARACTERS = 200, 2**20
LONGEST_CELL = 2**31 - 1  # an image in a cell exceeds csv's own limit


@dataclass
class TextTable:
    """A text file, and how it is cut into cells.

    Attributes
    ----------
    path : Path
        The file.
    text : str
        Its content.
    separator : str
        What separates cells.
    skips_blanks : bool
        Whether blanks after a separator belong to it.
    notes : list of str
        What was decided.
    """

    path: Path
    text: str
    separator: str = ","
    skips_blanks: bool = False
    notes: list[str] = field(default_factory=list)

    def head(self) -> list[list[str]]:
        """Return the first rows that are not blank."""
        rows = self._cut(self.text[:HEAD_CHARACTERS], strict=False)
        filled = (row for row in rows if any(cell.strip() for cell in row))
        return list(islice(filled, HEAD_ROWS))

    def frame(self, is_data: Callable[[list[str]], bool]) -> pd.DataFrame:
        """Return the table, with all cells as texts.

        Parameters
        ----------
        is_data : callable
            Whether the first row contains data, not names. If so, columns are called
            column_1, column_2, ...
        """
        rows, n_blank = [], 0
        for row in self._cut(self.text):
            if any(cell.strip() for cell in row):
                rows.append(row)
            else:
                n_blank += bool(row)
        if not rows:
            raise DataError(f"{self.path} has no rows.")
        if n_blank:
            self.notes.append(f"ignored blank rows of {self.path.name}: {n_blank}")
        if is_data(rows[0]):
            names = [f"column_{k}" for k in range(1, len(rows[0]) + 1)]
            self.notes.append(note_unnamed(self.path, len(names)))
        else:
            names = [cell.strip() for cell in rows.pop(0)]
        names, rows = _even_out(self.path, names, rows)
        columns = range(len(names))
        return _drop_empty(names, pd.DataFrame(rows, columns=columns, dtype=object))

    def _cut(self, text: str, *, strict: bool = True) -> Iterator[list[str]]:
        """Yield rows of cells."""
        if self.separator == BLANK:
            text = text.replace("\t", BLANK)
        limit = csv.field_size_limit(LONGEST_CELL)
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.separator,
            skipinitialspace=self.skips_blanks,
            strict=strict,
        )
        try:
            yield from reader
        except csv.Error as error:
            raise DataError(
                f"{self.path} cannot be read as a table: line {reader.line_num} has a "
                f'quotation mark that does not end its cell ({error}). Write " within '
                'a quoted cell twice, as "".'
            ) from error
        finally:
            csv.field_size_limit(limit)


def note_unnamed(path: Path, n_columns: int) -> str:
    """Return a note on a table without column names."""
    return (
        f"{path.name} has no row of column names; the columns are called column_1 to "
        f"column_{n_columns}"
    )


def open_text_table(path: Path) -> TextTable:
    """Read a text file, and infer what separates its cells."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    text, notes = _decode(path, content)
    hint = EXCEL_HINT.match(text)
    if hint is not None:
        return TextTable(path, text[hint.end() :], hint["separator"], notes=notes)
    comments = COMMENTS.match(text)
    lines = [] if comments is None else comments[0].splitlines(keepends=True)
    text = text[sum(map(len, lines)) :]
    found = _choose_separator(path, text)
    if lines:
        notes.append(f"ignored lines of {path.name} that begin with #: {len(lines)}")
    if found.separator != ",":
        signs = SEPARATORS[found.separator]
        notes.append(f"the cells of {path.name} are separated by {signs}")
    found.notes = notes
    return found


def _choose_separator(path: Path, text: str) -> TextTable:
    """Return a table whose separator gives the most regular rows."""
    tables = [TextTable(path, text, sign) for sign in SEPARATORS if sign != BLANK]
    tables += [
        TextTable(path, text, table.separator, skips_blanks=True)
        for table in tables
        if _has_spaced_cells(table)
    ]
    by_blanks = TextTable(path, text, BLANK, skips_blanks=True)
    found = max(tables, key=_regularity)
    if not _regularity(found)[0] and _regularity(by_blanks)[0]:
        return by_blanks
    return found


def _has_spaced_cells(table: TextTable) -> bool:
    """Return whether the separators of a row are followed by blanks."""
    return any(
        len(row) > 1 and all(cell[:1] == " " for cell in row[1:])
        for row in table.head()[:2]
    )


def _regularity(table: TextTable) -> tuple[float, bool]:
    """Return the share of rows of the usual width, and `skips_blanks`.

    It is 0 if most rows, or the first one, have one cell only.
    """
    rows = table.head()
    if not rows or len(rows[0]) == 1:
        return 0, False
    width, n = Counter(map(len, rows)).most_common(1)[0]
    return (n / len(rows) if width > 1 else 0), table.skips_blanks


def _decode(path: Path, content: bytes) -> tuple[str, list[str]]:
    """Return a text, with a note on its encoding."""
    bom, encoding = next(((b, e) for b, e in BOMS if content.startswith(b)), (b"", ""))
    content = content[len(bom) :]
    if not bom and b"\0" in content[:HEAD_CHARACTERS]:
        odd, even = content[1::2].count(0), content[::2].count(0)
        encoding = "utf-16-le" if odd >= even else "utf-16-be"
    for name in [encoding] if encoding else ["utf-8", FALLBACK]:
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        is_guess = not bom and name != "utf-8"
        if "\0" in text or is_guess and CONTROL.search(text):
            break
        note = f"{path.name} is not UTF-8: it is read as Windows-1252"
        return text, [note] if name == FALLBACK else []
    raise DataError(
        f"{path} is not a text file. Expected: a table in UTF-8, UTF-16 or "
        "Windows-1252. Save it as CSV in UTF-8."
    )


def _even_out(
    path: Path, names: list[str], rows: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """Return names and rows of one length, with short rows padded."""
    n = len(names)
    if rows and all(len(row) == n + 1 for row in rows) and any(r[-1] for r in rows):
        names, n = ["", *names], n + 1  # R writes no name above the row names
    for number, row in enumerate(rows, start=1):
        while len(row) > n and not row[-1].strip():
            row.pop()
        if len(row) > n:
            raise DataError(
                f"Row {number} of {path} has {len(row)} cells. Expected: {n}, one for "
                f"each column. Received: {', '.join(row)[:200]}. Put a cell with a "
                "separator in it between quotation marks."
            )
        row += [""] * (n - len(row))
    return names, rows


def _drop_empty(names: list[str], table: pd.DataFrame) -> pd.DataFrame:
    """Drop columns without name and values, and make names unique as pandas does."""
    kept = [k for k, name in enumerate(names) if name or table[k].str.strip().any()]
    given: list[str] = []
    for k in kept:
        name = names[k] or f"Unnamed: {k}"
        again = sum(other.split(".")[0] == name for other in given)
        given.append(f"{name}.{again}" if name in given else name)
    return table[kept].set_axis(given, axis=1)


@contextmanager
def needs_pyarrow(path: Path) -> Iterator[None]:
    """Explain what to install if pyarrow is missing."""
    try:
        yield
    except ImportError as error:
        raise DataError(
            f"{path} is a Parquet file, which needs pyarrow: pip install "
            "'balancegan[parquet]'. Or use .csv."
        ) from error


def read_frame(
    path: Path, is_data: Callable[[list[str]], bool]
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table with all of its columns, and notes.

    Parameters
    ----------
    path : Path
        A file with one of `SUFFIXES`.
    is_data : callable
        Whether the first row of a text file contains data, not column names.
    """
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return from_text(open_text_table(path), is_data)
    if suffix == ".parquet":
        with needs_pyarrow(path):
            from pyarrow.parquet import read_table
    try:
        if suffix == ".jsonl":
            lines = path.read_bytes().split(b"\n")
        else:  # integers with missing values would become floats
            table = read_table(path).to_pandas(integer_object_nulls=True)
    except (OSError, *READ_ERRORS) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as a table: {reason}") from error
    return (
        _read_json_lines(path, lines) if suffix == ".jsonl" else keep_whole(table)
    ), []


def from_text(
    text: TextTable, is_data: Callable[[list[str]], bool]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table of a text file, and notes."""

    def starts_with_data(row: list[str]) -> bool:
        names_images = any(c.strip().lower().endswith(IMAGE_SUFFIXES) for c in row)
        return names_images or is_data(row)

    table = text.frame(starts_with_data).rename(columns=_unguarded)
    return table.map(_unguarded), text.notes


def guarded(text: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would take for a formula.

    Examples
    --------
    >>> [guarded(text) for text in ("=1+1", "-x", "-1", "a=b", "'=1")]
    ["'=1+1", "'-x", '-1', 'a=b', "''=1"]
    """
    return f"'{text}" if FORMULA.match(text) and not _is_number(text) else text


def _unguarded(text: str) -> str:
    """Return the text before `guarded` changed it.

    Examples
    --------
    >>> [_unguarded(text) for text in ("'=1+1", "-1", "'quoted'", "''=1")]
    ['=1+1', '-1', "'quoted'", "'=1"]
    """
    is_guarded = text.startswith("'") and guarded(text[1:]) == text
    return text[1:] if is_guarded else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_json_lines(path: Path, lines: list[bytes]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
            json.dumps(row, ensure_ascii=False).encode()  # no surrogates
        except (ValueError, RecursionError) as error:
            raise DataError(f"Line {number} of {path} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(
                f"Every line of {path} must be a JSON object, of columns and values. "
                f"Received: {type(row).__name__} in line {number}."
            )
        nested = [key for key, value in row.items() if isinstance(value, (dict, list))]
        if nested:
            raise DataError(
                f"A column of {path} has one text, number, true, false or null per "
                f"line. Received: several values of {nested[0]!r} in line {number}. "
                "Leave the column out, or make a column of each value."
            )
        rows.append(row)
    if not rows:
        raise DataError(f"{path} names no image.")
    return keep_whole(pd.DataFrame(rows, dtype=object))
