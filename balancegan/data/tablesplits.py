"""Which split each row of a table is of.

By a column that names it, by columns that are true for one split, or by the folders of
the files. Rows to test with must not be trained on: what is unclear is said.
"""

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from balancegan.data.labelled import SPLIT_NAMES, TEST, TRAIN, VALIDATION
from balancegan.data.splitnames import (
    FILLERS,
    find_split_level,
    read_name,
    split_of,
)
from balancegan.errors import DataError

SPLIT_KEY = "split"  # the name that we write
SPLIT_KEYS = (
    *("split", "splits", "data_split", "set", "data_set", "dataset", "usage", "subset"),
    *("partition", "phase", "fold", "train_test"),
)
OTHER_SPLITS = {"publictest": VALIDATION, "privatetest": TEST}  # FER-2013
FLAG_WORDS = ("is", "in", "for")  # in the names of columns such as is_test
TRUE = ("1", "1.0", "true", "yes")
BINARY = (*TRUE, "0", "0.0", "false", "no")


class Splits(NamedTuple):
    """Which split each row of a table is of.

    Attributes
    ----------
    columns : list of str
        The columns that say it.
    values : Series
        The split of each row.
    notes : list of str
        What was decided, for people.
    """

    columns: list[str]
    values: pd.Series
    notes: list[str]


def find_splits(
    path: Path, table: pd.DataFrame, taken: Collection[str | None]
) -> tuple[Splits | None, list[str]]:
    """Return the split of each row, and a note where a column may say it or not.

    A column is taken that is called split, or usually says the split and names one, or
    names splits and nothing else; or columns such as is_test that are true or false.

    Parameters
    ----------
    path : Path
        The file of the table, for messages.
    table : DataFrame
        All of it.
    taken : collection of str or None
        Columns that are something else.

    Raises
    ------
    DataError
        If a column names splits and other things, or two flags contradict each other.
    """
    names = [str(name) for name in table if name not in taken]
    usual = find_called(SPLIT_KEYS, names)
    if SPLIT_KEY in names:
        return Splits([SPLIT_KEY], read_splits(path, table[SPLIT_KEY]), []), []
    naming = [name for name in usual if set(_texts_to_splits(table[name])) - {None, ""}]
    naming += [name for name in names if _has_only_splits(table[name])]
    if naming:
        note = f"the column {naming[0]!r} of {path.name} says the split"
        values = read_splits(path, table[naming[0]])
        return Splits(naming[:1], values, [note]), []
    flags = find_flags(table, names)
    unclear = [
        name for name, split in flags.items() if not _is_flag(table[name], split)
    ]
    clear = {name: split for name, split in flags.items() if name not in unclear}
    notes = [
        f"the column {name!r} of {path.name} is not read as a split; to hold out "
        "images, add a column split of train, val or test"
        for name in [*usual, *unclear]
    ]
    return (_read_flags(path, table, clear) if clear else None), notes


def note_unread(path: Path, table: pd.DataFrame, advice: str) -> list[str]:
    """Name the columns that may say splits, where only a table's are read as such."""
    names = [str(name) for name in table]
    found = [
        *find_called(SPLIT_KEYS, names),
        *(name for name in names if _has_only_splits(table[name])),
        *find_flags(table, names),
    ]
    return [
        f"{name!r} of {path.name} is not read as a split; {advice}"
        for name in dict.fromkeys(found)
    ]


def find_flags(table: pd.DataFrame, names: list[str]) -> dict[str, str]:
    """Return the split that each column stands for that is called so, such as is_test.

    Next to other columns of 0 and 1, such as car and bus, one that is just called train
    is one of them.
    """
    words = {name: read_name(name) for name in names}
    flags = {
        name: split
        for name, (split, rest) in words.items()
        if split is not None and {*FILLERS, *FLAG_WORDS}.issuperset(rest)
    }
    binary = (n for n in names if plain_texts(table[n]).isin(BINARY).all())
    if any(name not in flags for name in binary):
        flags = {n: split for n, split in flags.items() if words[n][1]}
    return flags


def _is_flag(column: pd.Series, split: str) -> bool:
    """Return whether a column of a split's name is true for its rows, false for others.

    One called is_valid that is true for most rows more likely says that they are good.
    """
    texts = plain_texts(column)
    if not texts.isin((*BINARY, "")).all():
        return False
    return split != VALIDATION or bool(texts.isin(TRUE).mean() <= 0.5)


def _read_flags(path: Path, table: pd.DataFrame, flags: dict[str, str]) -> Splits:
    """Return the split of each row by columns that are true or false."""
    said = table[list(flags)].apply(plain_texts).isin(TRUE)
    several = said.sum(axis=1) > 1
    shown = ", ".join(map(repr, flags))
    if several.any():
        raise DataError(
            f"An image is in one split. Received: several of {shown} true in row "
            f"{int(several.argmax()) + 1} of {path}."
        )
    values = pd.Series(TEST if TRAIN in flags.values() else TRAIN, index=table.index)
    for name, split in flags.items():
        values[said[name]] = split
    verb = "says" if len(flags) == 1 else "say"
    columns = "column" if len(flags) == 1 else "columns"
    note = f"the {columns} {shown} of {path.name} {verb} the split"
    return Splits(list(flags), values, [note])


def split_by_folders(
    path: Path, names: pd.Series
) -> tuple[pd.Series | None, list[str]]:
    """Return the split of each file by a folder of its name, and what to say of it.

    None where folders say no splits.

    Raises
    ------
    DataError
        If they say those of some files only.

    Examples
    --------
    >>> names = pd.Series(["x/train/0.png", "x/test/1.png"])
    >>> split_by_folders(Path("t.csv"), names)[0].tolist()
    ['train', 'test']
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    level = find_split_level(folders)
    if level is None:
        return None, []
    splits = pd.Series([split_of(each[level]) for each in folders], index=names.index)
    if splits.isna().any():
        raise DataError(
            f"The folders that {path} names are splits, such as "
            f"{folders[int(splits.notna().argmax())][level]}, but not that of "
            f"{names[splits.isna()].iloc[0]}. Add a column split of train, val or test."
        )
    return splits, ["splits are those of the folders that the table names"]


def read_splits(path: Path, column: pd.Series) -> pd.Series:
    """Return the split of each row; a blank one is of the training part.

    Raises
    ------
    DataError
        If a value is no split.
    """
    splits = _texts_to_splits(column).replace("", TRAIN)
    unknown = sorted(set(column[splits.isna()].astype(str)))
    if unknown:
        raise DataError(
            f"A split is one of {', '.join(SPLIT_NAMES)}. Received in the column "
            f"{column.name!r} of {path}: {', '.join(map(repr, unknown[:5]))}. Correct "
            "these values, or rename the column if it does not say the split."
        )
    return splits


def _texts_to_splits(column: pd.Series) -> pd.Series:
    """Return the split that each text names: None for another text, "" for a blank."""
    texts = plain_texts(column)
    known = {text: OTHER_SPLITS.get(text) or split_of(text) for text in set(texts)}
    splits = [known[text] if text else "" for text in texts]
    return pd.Series(splits, index=column.index, dtype=object)


def _has_only_splits(column: pd.Series) -> bool:
    """Return whether a column names the training part and others, and nothing else."""
    is_text = not pd.api.types.is_numeric_dtype(column)
    found = set(_texts_to_splits(column)) - {""} if is_text else set()
    return len(found) > 1 and TRAIN in found and None not in found


def plain_texts(column: pd.Series) -> pd.Series:
    """Return texts in small letters without blanks around them, "" for missing ones."""
    texts = column.astype(object).where(column.notna(), "").astype(str)
    return texts.str.strip().str.lower()


def plain_name(name: str) -> str:
    """Return a name of a column in small letters, with underscores between words.

    Examples
    --------
    >>> plain_name("Image Index"), plain_name(" ClassId")
    ('image_index', 'classid')
    """
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")


def find_called(usual: tuple[str, ...], names: list[str]) -> list[str]:
    """Return the columns with usual names, the most usual first."""
    found = [name for name in names if plain_name(name) in usual]
    return sorted(found, key=lambda name: usual.index(plain_name(name)))
