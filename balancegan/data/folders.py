"""Which files a folder of images has, and what they show: a table of them.

One sub-folder per class, under `train`, `test` and `val` where these exist; or a file
metadata.csv, .jsonl or .parquet that names them, as Hugging Face's imagefolder has it.
Nothing is opened here but that table.
"""

import os
from pathlib import Path

import pandas as pd

from balancegan.data.decoding import SUFFIXES
from balancegan.data.imagefiles import BadFile
from balancegan.data.labelled import TEST, TRAIN, VALIDATION
from balancegan.data.manifests import SPLIT_NAMES, read_table
from balancegan.errors import DataError

TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# What other programs leave in folders, and what we write beside images
PASSED_OVER = ("thumbs.db", "desktop.ini", "readme.md", "license", "license.txt")


def list_folder(
    folder: Path,
    label_column: str | None = None,
    file_column: str | None = None,
) -> tuple[pd.DataFrame, list[BadFile]]:
    """Return a table of the images of a folder, and what there is of no use.

    Parameters
    ----------
    folder : Path
        The folder.
    label_column, file_column : str or None, default=None
        Where a table names the images: the columns of labels and files. None: the
        usual ones.

    Returns
    -------
    table : DataFrame
        "file_name" relative to the folder, "label", "split", and further columns.
    bad : list of BadFile
        Files that are no images, or belong to no class.

    Raises
    ------
    DataError
        If there is no class in it.
    """
    columns = {"label_column": label_column, "file_column": file_column}
    tables = [_list_table(folder, ".", columns)]
    split_folders = {
        entry.name: SPLIT_NAMES[entry.name.lower()]
        for entry in _entries(folder)
        if entry.is_dir(follow_symlinks=False) and entry.name.lower() in SPLIT_NAMES
    }
    tables += [_list_table(folder, name, columns) for name in split_folders]
    found = [table for table in tables if table is not None]
    if found:
        for name, table in zip([TRAIN, *split_folders.values()], tables, strict=True):
            if table is not None and "split" not in table:
                table.insert(2, "split", name)
        return pd.concat(found, ignore_index=True), []
    rows: list[tuple[str, str, str]] = []
    bad: list[BadFile] = []
    if TRAIN in split_folders.values():
        for name, split in split_folders.items():
            rows += _list_classes(folder, name, split, bad)
    else:
        rows += _list_classes(folder, "", TRAIN, bad)
    if not rows:
        raise DataError(
            f"{folder} has no images. Expected: a sub-folder for each class with "
            f"{', '.join(SUFFIXES)} files, in the folder itself or in {TRAIN}, {TEST} "
            f"and {VALIDATION}; or a metadata.csv with columns file_name and label."
        )
    return pd.DataFrame(rows, columns=["file_name", "label", "split"]), bad


def _list_table(
    folder: Path, sub_folder: str, columns: dict[str, str | None]
) -> pd.DataFrame | None:
    """Return the table that names the files of a folder, or None without one."""
    for name in TABLES:
        path = folder / sub_folder / name
        if path.is_file():
            table = read_table(path, **columns)
            if sub_folder != ".":
                table["file_name"] = f"{sub_folder}/" + table["file_name"]
            return table
    return None


def _list_classes(
    folder: Path, sub_folder: str, split: str, bad: list[BadFile]
) -> list[tuple[str, str, str]]:
    """Return the files below the class folders of one split."""
    rows: list[tuple[str, str, str]] = []
    for entry in _entries(folder / sub_folder):
        name = os.path.join(sub_folder, entry.name)
        if entry.is_symlink() and not entry.is_file():
            bad.append(BadFile(name, "a link to a folder"))
        elif entry.is_dir(follow_symlinks=False):
            for file in _walk(folder, name, bad):
                if not file.lower().endswith(SUFFIXES):
                    bad.append(BadFile(file, "no image by its name"))
                elif not _is_text(file):
                    bad.append(BadFile(file, "its name is not UTF-8"))
                else:
                    rows.append((file, entry.name, split))
        elif entry.name.lower().endswith(SUFFIXES):
            bad.append(BadFile(name, "belongs to no class"))
    return rows


def _walk(folder: Path, sub_folder: str, bad: list[BadFile]) -> list[str]:
    """Return all files below a folder, their names relative to the first one."""
    files: list[str] = []
    for entry in _entries(folder / sub_folder):
        name = os.path.join(sub_folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            files += _walk(folder, name, bad)
        elif entry.is_symlink() and entry.is_dir():
            bad.append(BadFile(name, "a link to a folder"))
        else:
            files.append(name)
    return files


def _is_text(name: str) -> bool:
    """Return whether a file name can be written to a table."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return what a folder holds, in order, without what is hidden or known."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (
                    entry
                    for entry in entries
                    if not entry.name.startswith(".")
                    and (entry.is_dir() or entry.name.lower() not in PASSED_OVER)
                ),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
