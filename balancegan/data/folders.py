"""List the images of a folder: class folders, or a table that names the files.

Class folders may be below split folders (see `folderlayout`); the table is a
metadata.csv, .jsonl or .parquet, as in Hugging Face's imagefolder.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from balancegan.data.decoding import read_header
from balancegan.data.folderlayout import find_layout, unwrap
from balancegan.data.foldertree import Folder, Scan
from balancegan.data.imagefiles import MOST_NAMED, list_bad
from balancegan.data.labelled import TEST, TRAIN, VALIDATION
from balancegan.data.links import BadFile, counted, list_some, refuse_links
from balancegan.data.manifests import Manifest, read_manifest
from balancegan.data.masks import leave_out_masks
from balancegan.data.opening import NO_IMAGE, SUFFIXES, UnusableImage
from balancegan.data.splits import split_of
from balancegan.errors import DataError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
OUTSIDE = "outside the folders that are read"


class Listing(NamedTuple):
    """Images of a folder.

    Attributes
    ----------
    table : DataFrame
        "file_name" relative to the folder, "label", "split", and further columns.
    bad : list of BadFile
        Files that cannot be used, or belong to no class.
    notes : list of str
        What was decided or ignored.
    """

    table: pd.DataFrame
    bad: list[BadFile]
    notes: list[str]


def list_folder(
    folder: Path,
    label_column: str | None = None,
    file_column: str | None = None,
    *,
    follow_links: bool = False,
) -> Listing:
    """Return the images of a folder with labels and splits.

    Parameters
    ----------
    folder : Path
        The folder.
    label_column, file_column : str or None, default=None
        Columns of a table that names the images. None: the usual ones.
    follow_links : bool, default=False
        Whether links to folders, and out of the folder, are followed.
    """
    scan = Scan(folder, follow_links)
    top = unwrap(scan.tree)
    columns = file_column, label_column
    splits = {f.path: split for f in top.filled if (split := split_of(f.name))}
    parts = [f for f in top.filled if f.path in splits]
    places = [place for place in (top, *parts) if place.table is not None]
    tables = {place.path: _read_table(scan, place, *columns) for place in places}
    if any("label" in found.table for found in tables.values()):
        return _list_named(scan, tables, splits)
    try:
        return _list_classes(scan, tables)
    except DataError as error:
        is_flat = parts == top.filled and not any(part.filled for part in parts)
        if not tables or not (top.images or is_flat):
            raise _with_tables(error, scan) from error
    # Without class folders, a column must have the labels
    tables = {place.path: _read_table(scan, place, *columns, True) for place in places}
    return _list_named(scan, tables, splits)


def _list_classes(scan: Scan, tables: dict[str, Manifest]) -> Listing:
    """Return the images of class folders, with the columns of tables."""
    notes: list[str] = []
    try:
        notes += leave_out_masks(scan)
        top = unwrap(scan.tree)
        layout = find_layout(top)
    except DataError as error:
        said = "".join(f" Note: {note}." for note in notes)
        raise DataError(
            f"The layout of {scan.root} is not clear. {error}{said}"
        ) from error
    bad = [*layout.bad, *(b for place in layout.placed for b in place.folder.all_bad())]
    rows = [
        (image, place.label, place.split)
        for place in layout.placed
        for image in place.folder.all_images()
    ]
    if not rows:
        raise _no_images(scan, bad)
    of_classes = [place.folder for place in layout.placed if place.folder.table]
    found = [*tables.values(), *(_read_table(scan, place) for place in of_classes)]
    table = pd.DataFrame(rows, columns=["file_name", "label", "split"])
    table, more = _join(scan.root, table, found)
    told = [image for folder in layout.ignored for image in folder.all_images()]
    used = [*table["file_name"], *(file.name for file in bad), *told]
    unused = _note_unused(scan.tree, used, OUTSIDE)
    if top is not scan.tree:
        notes = [f"read from {top.path}, the only folder with images", *notes]
    notes += [*layout.notes, *more, *unused, *scan.notes()]
    return Listing(table, bad, notes)


def _list_named(
    scan: Scan, tables: dict[str, Manifest], splits: dict[str, str]
) -> Listing:
    """Return the images that tables name."""
    labelled = {p: found for p, found in tables.items() if "label" in found.table}
    for path, (table, _, _) in labelled.items():
        if "split" not in table:
            table.insert(2, "split", splits.get(path, TRAIN))
    together = pd.concat(
        [found.table for found in labelled.values()], ignore_index=True
    )
    notes = [note for found in labelled.values() for note in found.notes]
    notes += _note_unused(scan.tree, together["file_name"], "that no table names")
    bad = [file for found in labelled.values() for file in found.bad]
    return Listing(together, bad, notes)


def _read_table(
    scan: Scan,
    place: Folder,
    file_column: str | None = None,
    label_column: str | None = None,
    needs_label: bool = False,
) -> Manifest:
    """Return the table in a folder, with file names relative to the scanned folder."""
    path = scan.root / str(place.table)
    if not scan.follow_links:
        refuse_links(scan.root, [path])
    found = read_manifest(
        path,
        file_column=file_column,
        label_column=label_column,
        needs_label=needs_label,
    )
    if place.path:
        found.table["file_name"] = f"{place.path}/" + found.table["file_name"]
    return found


def _join(
    folder: Path, images: pd.DataFrame, tables: Sequence[Manifest]
) -> tuple[pd.DataFrame, list[str]]:
    """Add the columns of tables to a table of images; return it with notes."""
    if not tables:
        return images, []
    notes = [note for found in tables for note in found.notes]
    further = pd.concat([found.table for found in tables], ignore_index=True)
    names = further["file_name"].map(os.path.normpath)
    further = further.drop(columns="file_name").set_index(names)
    others = sorted(set(further.index) - set(images["file_name"]))
    if others:
        number = counted(len(others), "file")
        notes.append(f"tables name {number} {OUTSIDE}: {list_some(others)}")
    further = further[~further.index.duplicated()].reindex(images["file_name"])
    for column in [name for name in ("label", "split") if name in further]:
        said = further[column].reset_index(drop=True)
        differs = said.notna() & (said != images[column])
        if column == "split" and set(images["split"]) == {TRAIN}:
            images["split"] = said.fillna(TRAIN)
        elif differs.any():
            row = int(differs.argmax())
            raise DataError(
                f"The tables in {folder} and its folders differ about "
                f"{images['file_name'][row]}. Received: {column} {said[row]!r} in a "
                f"table, {images[column][row]!r} by the folder."
            )
    further = further.drop(columns=["label", "split"], errors="ignore")
    return images.join(further.reset_index(drop=True)), notes


def _with_tables(error: DataError, scan: Scan) -> DataError:
    """Return an error that also suggests the tables in a folder."""
    tables = [n for n in scan.others if n.endswith(TABLE_SUFFIXES) and os.sep not in n]
    if not tables:
        return error
    return DataError(
        f"{error} Or name the table {list_some(tables)} instead of the folder."
    )


def _no_images(scan: Scan, bad: Sequence[BadFile]) -> DataError:
    """Return an error that describes what was expected and found."""
    loose = scan.tree.all_images()
    what = "no folders of classes" if loose else "no images"
    found = scan.notes()
    if bad:
        looked_at = [
            replace(file, reason=_say_content(scan, file.name) or file.reason)
            for file in bad[:MOST_NAMED]
        ]
        found.insert(0, list_bad([*looked_at, *bad[MOST_NAMED:]]))
    for name in scan.others[:1]:
        if content := _say_content(scan, name):
            found.append(f"{name} is {content}")
    received = f" Received: {'; '.join(found)}." if found else ""
    return DataError(
        f"{scan.root} has {what}. Expected: a sub-folder for each class with "
        f"{', '.join(SUFFIXES)} files, in the folder itself or in {TRAIN}, {TEST} "
        f"and {VALIDATION}; or a metadata.csv with columns file_name and label."
        f"{received}"
    )


def _say_content(scan: Scan, name: str) -> str:
    """Return what an undecodable file contains, "" if unknown."""
    if not scan.may_open(name):
        return ""
    try:
        read_header(scan.root / name)
    except UnusableImage as error:
        return "" if str(error) == NO_IMAGE else str(error)
    return ""


def _note_unused(tree: Folder, used: Iterable[str], why: str) -> list[str]:
    """Return a note on images of a folder that were not used."""
    known = {os.path.normpath(name) for name in used}
    images = sorted(image for image in tree.all_images() if image not in known)
    if not images:
        return []
    return [f"ignored {counted(len(images), 'image')} {why}: {list_some(images)}"]
