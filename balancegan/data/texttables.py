"""Tables of texts as people and spreadsheets write them: rows of cells.

Which encoding a file has, what separates its cells, which rows are blank. What the
columns mean is not known here.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pandas as pd

from balancegan.errors import DataError

BOMS = (  # those of 32 bits begin like those of 16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
FALLBACK = "cp1252"  # of spreadsheets in western Europe and America
SEPARATORS = (",", ";", "\t", "|")
BLANK = " "  # runs of blanks and tabs
EXCEL_HINT = re.compile(r'"?sep=(?P<separator>.)"?\r?\n')
COMMENTS = re.compile("(#[^\r\n]*(\r\n|\r|\n|$))+")  # above a table
CONTROL = re.compile("[\x01-\x08\x0e-\x1f]")  # what texts do not have
ROWS_LOOKED_AT, TEXT_LOOKED_AT = 200, 2**20
LONGEST_CELL = 2**31 - 1  # an image in a cell is longer than csv's own limit


@dataclass
class TextTable:
    """A text, and how it is cut into cells.

    Attributes
    ----------
    path : Path
        Where it was read.
    text : str
        All of it.
    separator : str
        What is between cells.
    skips_blanks : bool
        Whether blanks behind a separator belong to it.
    notes : list of str
        What was decided, for people.
    """

    path: Path
    text: str
    separator: str = ","
    skips_blanks: bool = False
    notes: list[str] = field(default_factory=list)

    def head(self) -> list[list[str]]:
        """Return the first rows that are not blank."""
        rows = self._cut(self.text[:TEXT_LOOKED_AT], strict=False)
        return list(islice(_filled(rows), ROWS_LOOKED_AT))

    def frame(self, is_data: Callable[[list[str]], bool]) -> pd.DataFrame:
        """Return the table, all of its cells texts.

        Parameters
        ----------
        is_data : callable
            Says of the first row whether it is one of data, and not of names. Columns
            without a name are called column_1, column_2, ... then.

        Raises
        ------
        DataError
            If it has no row, a quoted cell does not end, or a row has too many cells.
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
            self.notes.append(
                f"{self.path.name} has no row of column names; the columns are called "
                f"{names[0]} to {names[-1]}"
            )
        else:
            names = [cell.strip() for cell in rows.pop(0)]
        names, rows = _even_out(self.path, names, rows)
        return _drop_empty(
            names, pd.DataFrame(rows, columns=range(len(names)), dtype=object)
        )

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


def open_text_table(path: Path) -> TextTable:
    """Read a text, and find out what separates its cells.

    Raises
    ------
    DataError
        If it cannot be read, or is no text.
    """
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
    # One of as many cells as the table has columns names them
    if lines and (width := _regularity(found)[2]):
        last = TextTable(path, lines[-1], found.separator, found.skips_blanks)
        if len(last.head()[0]) == width:
            found.text = lines.pop() + found.text
    if lines:
        notes.append(f"ignored lines of {path.name} that begin with #: {len(lines)}")
    if found.separator != ",":
        signs = {";": "semicolons", "\t": "tabs", "|": "bars", BLANK: "blanks"}
        notes.append(
            f"the cells of {path.name} are separated by {signs[found.separator]}"
        )
    found.notes = notes
    return found


def _choose_separator(path: Path, text: str) -> TextTable:
    """Return a table whose cells are separated by what makes its rows most alike."""
    tables = [TextTable(path, text, sign) for sign in SEPARATORS]
    tables += [table for table in map(_skipping, tables) if table is not None]
    by_blanks = TextTable(path, text, BLANK, skips_blanks=True)
    found = max(tables, key=_regularity)
    if not _regularity(found)[0] and _regularity(by_blanks)[0]:
        return by_blanks
    return found


def _decode(path: Path, content: bytes) -> tuple[str, list[str]]:
    """Return a text, and what to say of its encoding."""
    bom, encoding = next(((b, e) for b, e in BOMS if content.startswith(b)), (b"", ""))
    content = content[len(bom) :]
    if not bom and b"\0" in content[:TEXT_LOOKED_AT]:
        odd, even = content[1::2].count(0), content[::2].count(0)
        encoding = "utf-16-le" if odd >= even else "utf-16-be"
    notes: list[str] = []
    for name in [encoding] if encoding else ["utf-8", FALLBACK]:
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        is_guess = not bom and name != "utf-8"
        if "\0" in text or is_guess and CONTROL.search(text):
            break
        if name == FALLBACK:
            notes = [f"{path.name} is not UTF-8: it is read as Windows-1252"]
        return text, notes
    raise DataError(
        f"{path} is no text. Expected: a table in UTF-8, UTF-16 or Windows-1252. Save "
        "it as CSV in UTF-8."
    )


def _skipping(table: TextTable) -> TextTable | None:
    """Return a table whose separators have a blank behind; None where none have."""
    rows = table.head()[:2]
    spaced = [len(row) > 1 and all(c[:1] == " " for c in row[1:]) for row in rows]
    if not any(spaced):
        return None
    return TextTable(table.path, table.text, table.separator, skips_blanks=True)


def _regularity(table: TextTable) -> tuple[float, bool, int]:
    """Return the share of rows as wide as most, whether blanks are cut, and the width.

    It is 0 where rows, or the first one, have one cell only.
    """
    rows = table.head()
    if not rows or len(rows[0]) == 1:
        return 0, False, 0
    width, n = Counter(map(len, rows)).most_common(1)[0]
    return (n / len(rows) if width > 1 else 0), table.skips_blanks, width


def _filled(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    return (row for row in rows if any(cell.strip() for cell in row))


def _even_out(
    path: Path, names: list[str], rows: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """Return names and rows of one length: short ones are filled, blank ends cut."""
    n = len(names)
    if rows and all(len(row) == n + 1 for row in rows) and any(r[-1] for r in rows):
        names, n = ["", *names], n + 1  # R writes no name above the names of rows
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
    """Return a table with a name for each column, without those that have nothing."""
    kept = [k for k, name in enumerate(names) if name or table[k].str.strip().any()]
    given: list[str] = []
    for k in kept:
        name = names[k] or f"Unnamed: {k}"  # as pandas calls them
        again = sum(other.split(".")[0] == name for other in given)
        given.append(f"{name}.{again}" if name in given else name)
    return table[kept].set_axis(given, axis=1)
