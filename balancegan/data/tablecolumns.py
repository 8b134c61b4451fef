"""Find the columns of file names and labels of a table.

Columns are found by usual names, and by their values if several have usual names.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from balancegan.data.filefinder import FileFinder
from balancegan.data.opening import SUFFIXES
from balancegan.data.splits import (
    BINARY,
    SPLIT_KEYS,
    TRUE,
    find_called,
    find_flags,
    plain_name,
    plain_texts,
)
from balancegan.errors import DataError

FILE_KEYS, LABEL_KEY = ("file_name", "path"), "label"  # preferred
# Compared by `plain_name`, in order of preference
FILE_NAMES = (
    *("file_name", "filename", "file", "filepath", "filepaths", "file_path", "path"),
    *("paths", "image", "image_name", "image_path", "image_file", "image_id", "img"),
    *("image_index", "img_name", "img_path", "img_id", "images", "id", "id_code"),
    *("isic_id", "name", "filenames", "files", "photo", "picture"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "classes", "class_name", "class_id", "classid"),
    *("class_index", "label_name", "category", "target", "y", "dx", "diagnosis"),
    *("species", "breed", "emotion", "finding", "level", "ground_truth"),
)
VALUES_LOOKED_AT = 50
WHOLE = r"-?\d+(?:\.0*)?"


class Columns(NamedTuple):
    """The columns of file names and labels.

    Attributes
    ----------
    file : str
        The column of file names.
    label : str or None
        The column of labels. None: there is none.
    table : DataFrame
        The table, with a label column if labels were one-hot.
    notes : list of str
        What was decided.
    """

    file: str
    label: str | None
    table: pd.DataFrame
    notes: list[str]


def find_table_columns(
    path: Path,
    table: pd.DataFrame,
    finder: FileFinder,
    file_column: str | None = None,
    label_column: str | None = None,
) -> Columns:
    """Return the columns of file names and labels: given, or found."""
    notes: list[str] = []
    file = find_file_column(path, table, finder, file_column, label_column)
    label = _given(path, table, label_column, "--labels-key")
    if label is None:
        table, label, notes = find_label_column(path, table, file)
    usual = file in FILE_KEYS and label == LABEL_KEY
    if file_column is None and label_column is None and not usual and not notes:
        notes = [f"files are named by the column {file!r}, labels by {label!r}"]
    return Columns(file, label, table, notes)


def find_label_column(
    path: Path, table: pd.DataFrame, file: str | None
) -> tuple[pd.DataFrame, str, list[str]]:
    """Return a table, its column of labels, and notes."""
    if LABEL_KEY in table and file != LABEL_KEY:
        return table, LABEL_KEY, []
    others = [str(name) for name in table if name != file]
    if candidates := find_called(LABEL_NAMES, others):
        codes = [pd.factorize(table[name])[0].tolist() for name in candidates]
        if any(each != codes[0] for each in codes):
            raise _unclear(path, "labels", candidates, "--labels-key")
        texts = (n for n in candidates if not _is_numeric(table[n]))
        return table, next(texts, candidates[0]), []

    # Look for one-hot columns.
    flags = find_flags(table, others)
    classes = [
        name
        for name in others
        if name not in flags and plain_texts(table[name]).isin(BINARY).all()
    ]
    hot = table[classes].apply(plain_texts).isin(TRUE)
    if len(classes) > 1 and len(table) and (hot.sum(axis=1) == 1).all():
        labels = hot.idxmax(axis=1)
        table = table.drop(columns=[n for n in (LABEL_KEY,) if n in table])
        note = f"the label is which of the columns {', '.join(classes)} has a 1"
        return table.assign(**{LABEL_KEY: labels}), LABEL_KEY, [note]
    if len(others) == 1:
        return table, others[0], []
    message = (
        f"{path} needs a column of labels, called label, class, category or the like. "
        f"Received: {', '.join(others) or 'none besides the file names'}. Name one by "
        "--labels-key."
    )
    if len(classes) > 1:
        message += (
            f" The columns {', '.join(classes)} hold 0 and 1, but not one 1 in each "
            "row; an image has one label here."
        )
    raise DataError(message)


def tidy_labels(labels: pd.Series) -> tuple[pd.Series, list[str]]:
    """Strip labels, and write whole numbers without a decimal point.

    Examples
    --------
    >>> tidy_labels(pd.Series(["1.0", "2", "02"]))[0].tolist()
    ['1', '2', '02']
    >>> tidy_labels(pd.Series(["cat", "cat "]))[1]
    ['labels that differ in blanks around them are one: cat']
    """
    notes = []
    tidy = labels.str.strip()
    if tidy.nunique() < labels.nunique():
        forms = labels.groupby(tidy).nunique()
        names = ", ".join(map(str, forms.index[forms > 1]))
        notes.append(f"labels that differ in blanks around them are one: {names}")
    if tidy.str.fullmatch(WHOLE).all() and tidy.str.contains(".", regex=False).any():
        tidy = tidy.str.replace(r"\.0*$", "", regex=True)
        notes.append("labels such as 1.0 are read as whole numbers, such as 1")
    return tidy, notes


def is_usual(name: str) -> bool:
    """Return whether a name is usual for a column of file names, labels or splits."""
    return plain_name(name) in {*FILE_NAMES, *LABEL_NAMES, *SPLIT_KEYS}


def find_file_column(
    path: Path,
    table: pd.DataFrame,
    finder: FileFinder,
    given: str | None = None,
    label: str | None = None,
) -> str:
    """Return the column of file names, see :func:`find_table_columns`."""
    if (file := _given(path, table, given, "--images-key")) is not None:
        return file
    names = [str(name) for name in table if name != label]
    candidates = (
        [name for name in FILE_KEYS if name in names]
        or find_called(FILE_NAMES, names)
        or [name for name in names if _has_image_names(table[name])]
    )
    if len(candidates) == 1:
        return candidates[0]

    # Of several columns, take the one whose files exist.
    found = {name: _found_share(table[name], finder) for name in candidates or names}
    best = max(found.values(), default=0)
    if candidates and not best:
        likely = (name for name in candidates if _has_image_names(table[name]))
        return next(likely, candidates[0])
    named = [name for name, share in found.items() if share == best and best > 0]
    files = [_first_files(table[name], finder) for name in named]
    if named and all(each == files[0] for each in files):
        return named[0]
    if named:
        raise _unclear(path, "file names", named, "--images-key")
    raise DataError(
        f"{path} needs a column of file names, called file_name, path, image or the "
        f"like. Received: {', '.join(map(str, names))}. Name one by --images-key."
    )


def _given(
    path: Path, table: pd.DataFrame, name: str | None, option: str
) -> str | None:
    if name is None or name in table:
        return name
    raise DataError(
        f"{path} needs a column {name} ({option}). Received: "
        f"{', '.join(map(str, table.columns))}."
    )


def _some_values(column: pd.Series) -> list[str]:
    values = column.dropna().astype(str).unique()
    return list(values[:: max(1, len(values) // VALUES_LOOKED_AT)])


def _first_files(column: pd.Series, finder: FileFinder) -> list[str | None]:
    names = column.head(VALUES_LOOKED_AT).astype(str)
    places = finder.find(names).places
    return [places.get(name) for name in names]


def _found_share(column: pd.Series, finder: FileFinder) -> float:
    values = _some_values(column)
    return len(finder.find(values).places) / len(values) if values else 0


def _has_image_names(column: pd.Series) -> bool:
    values = _some_values(column)
    return any(value.strip().lower().endswith(SUFFIXES) for value in values)


def _is_numeric(column: pd.Series) -> bool:
    return bool(pd.to_numeric(column, errors="coerce").notna().all())


def _unclear(path: Path, what: str, names: list[str], option: str) -> DataError:
    return DataError(
        f"Which column of {path} has the {what}? Received: {', '.join(names)}. Name "
        f"one by {option}."
    )
