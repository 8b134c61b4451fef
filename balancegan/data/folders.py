"""Which files a folder of images has, and what they show: a table of them.

One sub-folder per class, under `train`, `test` and `val` where these exist; or a file
metadata.csv, .jsonl or .parquet that names them, as Hugging Face's imagefolder has it.
Nothing is opened here but that table.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from balancegan.data.imagefiles import BadFile, readable
from balancegan.data.labelled import SPLIT_NAMES, TEST, TRAIN, VALIDATION
from balancegan.data.manifests import Manifest, read_manifest
from balancegan.data.opening import SUFFIXES
from balancegan.errors import DataError

TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# What other programs leave in folders, and what we write beside images
PASSED_OVER = ("thumbs.db", "desktop.ini", "readme.md", "license", "license.txt")


SHOWN_NAMES = 3


class Listing(NamedTuple):
    """What a folder has.

    Attributes
    ----------
    table : DataFrame
        "file_name" relative to the folder, "label", "split", and further columns.
    bad : list of BadFile
        Files that are no images, or belong to no class.
    notes : list of str
        What there is besides, for people.
    """

    table: pd.DataFrame
    bad: list[BadFile]
    notes: list[str]


def list_folder(
    folder: Path,
    label_column: str | None = None,
    file_column: str | None = None,
) -> Listing:
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
    listing : Listing

    Raises
    ------
    DataError
        If there is no class in it.
    """
    columns = file_column, label_column
    tables = [_list_table(folder, ".", *columns)]
    split_folders = {
        entry.name: SPLIT_NAMES[entry.name.lower()]
        for entry in _entries(folder)
        if entry.is_dir(follow_symlinks=False) and entry.name.lower() in SPLIT_NAMES
    }
    tables += [_list_table(folder, name, *columns) for name in split_folders]
    found = [table for table in tables if table is not None]
    if found:
        for name, each in zip([TRAIN, *split_folders.values()], tables, strict=True):
            if each is not None and "split" not in each.table:
                each.table.insert(2, "split", name)
        together = pd.concat([each.table for each in found], ignore_index=True)
        unused = _note_unused(folder, together["file_name"], "no table names")
        said = [note for each in found for note in each.notes]
        unclear = [file for each in found for file in each.bad]
        return Listing(together, unclear, [*said, *unused])
    rows: list[tuple[str, str, str]] = []
    bad: list[BadFile] = []
    notes: list[str] = []
    if TRAIN in split_folders.values():
        for name, split in split_folders.items():
            rows += _list_classes(folder, name, split, bad)
        files = {file for file, _, _ in rows} | {file.name for file in bad}
        parts = ", ".join(split_folders)
        notes = _note_unused(folder, files, f"are in none of {parts}")
    else:
        rows += _list_classes(folder, "", TRAIN, bad)
    if not rows:
        raise DataError(
            f"{folder} has no images. Expected: a sub-folder for each class with "
            f"{', '.join(SUFFIXES)} files, in the folder itself or in {TRAIN}, {TEST} "
            f"and {VALIDATION}; or a metadata.csv with columns file_name and label."
        )
    table = pd.DataFrame(rows, columns=["file_name", "label", "split"])
    return Listing(table, bad, notes)


def _list_table(
    folder: Path, sub_folder: str, file_column: str | None, label_column: str | None
) -> Manifest | None:
    """Return the table that names the files of a folder, or None without one."""
    for name in TABLES:
        path = folder / sub_folder / name
        if path.is_file():
            found = read_manifest(
                path, file_column=file_column, label_column=label_column
            )
            if sub_folder != ".":
                found.table["file_name"] = f"{sub_folder}/" + found.table["file_name"]
            return found
    return None


def _note_unused(folder: Path, used: Collection[str], why: str) -> list[str]:
    """Say which images of a folder nobody asked for; nothing where there are none."""
    known = {Path(os.path.normpath(name)) for name in used}
    files = {
        Path(top, name).relative_to(folder)
        for top, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    }
    images = sorted(
        str(file)
        for file in files - known
        if not any(part.startswith(".") for part in file.parts)
    )
    if not images:
        return []
    rest = len(images) - SHOWN_NAMES
    shown = [readable(name) for name in images[:SHOWN_NAMES]]
    more = f" and {rest} more" if rest > 0 else ""
    return [f"passed over {len(images)} images that {why}: {', '.join(shown)}{more}"]


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
