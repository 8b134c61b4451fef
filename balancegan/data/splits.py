"""Which split an image belongs to: by the name of a folder, or by columns of a table.

Whether a folder with the name of a split is one, and not a class, is decided in
`folderlayout`.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from balancegan.data.labelled import SPLIT_NAMES, TEST, TRAIN, VALIDATION
from balancegan.errors import DataError

SPLIT_WORDS = {
    **SPLIT_NAMES,
    "trn": TRAIN,
    "trainval": TRAIN,
    "tst": TEST,
    "eval": TEST,
    "evaluation": TEST,
    "holdout": TEST,
}
# Other words in the name of a split folder
FILLERS = {
    *("set", "sets", "dataset", "data", "split", "part", "folder", "dir", "files"),
    *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures"),
    *("sample", "samples", "class", "classes"),
}
SPLIT_KEY = "split"  # the column that is written
SPLIT_KEYS = (
    *("split", "splits", "data_split", "set", "data_set", "dataset", "usage", "subset"),
    *("partition", "phase", "fold", "train_test"),
)
OTHER_SPLITS = {"publictest": VALIDATION, "privatetest": TEST}  # FER-2013
FLAG_WORDS = ("is", "in", "for")  # in the names of columns such as is_test
TRUE = ("1", "1.0", "true", "yes")
BINARY = (*TRUE, "0", "0.0", "false", "no")


def split_of(name: str) -> str | None:
    """Return the split that a folder name stands for, or None.

    Examples
    --------
    >>> [split_of(name) for name in ("Training_Set", "1_test", "seg_train", "trainset")]
    ['train', 'test', None, 'train']
    """
    split, rest = read_name(name)
    return split if FILLERS.issuperset(rest) else None


def read_name(name: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the split of the word in a name that stands for one, and the other words.

    Examples
    --------
    >>> read_name("seg_train"), read_name("testSet"), read_name("cat")
    (('train', ('seg',)), ('test', ('set',)), (None, ('cat',)))
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("hold_out", "holdout")
    words: list[str] = []
    for word in map(str.lower, re.findall(r"[^\W\d_]+", spaced)):
        # "trainset" is a split and a filler
        ends = (end for end in SPLIT_WORDS if word.startswith(end))
        joined = [end for end in ends if word.removeprefix(end) in FILLERS]
        split = max(joined, key=len, default="")
        words += [split, word.removeprefix(split)] if split else [word]
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    rest = tuple(word for word in words if word not in SPLIT_WORDS)
    return (splits.pop() if len(splits) == 1 else None), rest


def find_split_level(paths: Collection[Sequence[str]]) -> int | None:
    """Return which folder of each path is its split, 0 for the first; None for none.

    It is the first level with training folders and folders of another split.

    Examples
    --------
    >>> find_split_level([("set", "train", "cat"), ("set", "test", "cat")])
    1
    >>> find_split_level([("train", "cat"), ("bus", "cat")])
    """
    for level, names in enumerate(zip(*paths, strict=False)):
        found = {split_of(name) for name in set(names)}
        if len(found - {None}) > 1 and (TRAIN in found or None not in found):
            return level
    return None


class Splits(NamedTuple):
    """The split of each row of a table.

    Attributes
    ----------
    columns : list of str
        The columns that name it.
    values : Series
        The splits.
    notes : list of str
        What was decided.
    """

    columns: list[str]
    values: pd.Series
    notes: list[str]


def find_splits(
    path: Path, table: pd.DataFrame, taken: Collection[str | None]
) -> tuple[Splits | None, list[str]]:
    """Return the split of each row, and notes on columns that may name one or not.

    A column is used if it is called split; has a usual name and names a split; names
    nothing but splits; or if columns such as is_test are true or false.

    Parameters
    ----------
    path : Path
        The file of the table, for messages.
    table : DataFrame
        The whole table.
    taken : collection of str or None
        Columns with another meaning.
    """
    names = [str(name) for name in table if name not in taken]
    if SPLIT_KEY in names:
        return Splits([SPLIT_KEY], read_splits(path, table[SPLIT_KEY]), []), []
    usual = find_called(SPLIT_KEYS, names)
    naming = [name for name in usual if set(_texts_to_splits(table[name])) - {None, ""}]
    naming += [name for name in names if _has_only_splits(table[name])]
    if naming:
        note = f"the column {naming[0]!r} of {path.name} gives the split"
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
    """Return notes on columns of arrays or shards that may name splits."""
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
    """Return the split that each column such as is_test stands for.

    Next to other columns of 0 and 1, such as car and bus, a column called just train is
    a class.
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
    """Return whether a column is true or false.

    A column is_valid that is true for most rows does not mean the validation part.
    """
    texts = plain_texts(column)
    if not texts.isin((*BINARY, "")).all():
        return False
    return split != VALIDATION or bool(texts.isin(TRUE).mean() <= 0.5)


def _read_flags(path: Path, table: pd.DataFrame, flags: dict[str, str]) -> Splits:
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
    one = len(flags) == 1
    columns = f"column {shown}" if one else f"columns {shown}"
    note = f"the {columns} of {path.name} {'says' if one else 'say'} the split"
    return Splits(list(flags), values, [note])


def split_by_folders(
    path: Path, names: pd.Series
) -> tuple[pd.Series | None, list[str]]:
    """Return the split of each file by a folder in its name, and notes.

    None if no folders are splits.

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
    """Return the split of each row, the training part for a blank one."""
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
    """Return the split of each text, None for other texts, "" for blanks."""
    texts = plain_texts(column)
    known = {text: OTHER_SPLITS.get(text) or split_of(text) for text in set(texts)}
    splits = [known[text] if text else "" for text in texts]
    return pd.Series(splits, index=column.index, dtype=object)


def _has_only_splits(column: pd.Series) -> bool:
    """Return whether a column names the training part, others, and nothing else."""
    is_text = not pd.api.types.is_numeric_dtype(column)
    found = set(_texts_to_splits(column)) - {""} if is_text else set()
    return len(found) > 1 and TRAIN in found and None not in found


def plain_texts(column: pd.Series) -> pd.Series:
    """Return stripped texts in lower case, "" for missing values."""
    texts = column.astype(object).where(column.notna(), "").astype(str)
    return texts.str.strip().str.lower()


def plain_name(name: str) -> str:
    """Return a column name in lower case, with underscores between words.

    Examples
    --------
    >>> plain_name("Image Index"), plain_name(" ClassId")
    ('image_index', 'classid')
    """
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")


def find_called(usual: tuple[str, ...], names: list[str]) -> list[str]:
    """Return the columns with usual names, in the order of preference."""
    found = [name for name in names if plain_name(name) in usual]
    return sorted(found, key=lambda name: usual.index(plain_name(name)))
