"""Where an output goes: what it consists of, and what there it may replace."""

import os
import re
from collections.abc import Collection
from pathlib import Path

from balancegan.data.manifests import named_files
from balancegan.errors import DataError
from balancegan.files import check_folder, check_kind

CARD_TITLE = "# Real and synthetic images"  # of a data card, below a YAML header
MOST_HEADER = 1000  # characters
FORMATS = ("npz", "npy", "idx", "csv", "parquet", "folder")
FOLDERS = ("npy", "idx", "folder")  # of them
IMAGE_FILES = ("csv", "parquet", "folder")  # a file for each image
FOLDER_CARD, FOLDER_TABLE = "README.md", "metadata.csv"
TABLE_SUFFIXES = (".csv", ".parquet")
LEFT_BY_SYSTEMS = (".ds_store", "thumbs.db", "desktop.ini")
ARRAY_FILE = re.compile(r".*\.npy|.*-idx\d-ubyte")


def find_format(out: Path, given: str | None = None) -> str:
    """Return the format that an output is written in: by its name, or as given.

    Raises
    ------
    DataError
        If name and format contradict each other.

    Examples
    --------
    >>> find_format(Path("balanced.npz")), find_format(Path("balanced"))
    ('npz', 'folder')
    """
    by_name = out.suffix[1:] if out.suffix in (".npz", ".csv", ".parquet") else None
    if given is None:
        if by_name is None and out.suffix and not out.is_dir():
            raise DataError(
                "An output is an .npz, .csv or .parquet file, or a folder, whose name "
                f"has no suffix. Received: {out}."
            )
        return by_name or "folder"
    if given in ("npz", "csv", "parquet") and given != by_name:
        raise DataError(f"A {given} file ends in .{given}. Received: {out}.")
    if given not in ("npz", "csv", "parquet") and by_name is not None:
        raise DataError(f"The format {given} is a folder. Received: {out}.")
    return given


def check_output(
    out: str | os.PathLike[str],
    source: Path | None,
    *,
    overwrite: bool,
    format: str | None = None,
    with_card: bool = False,
) -> None:
    """Raise DataError unless a new output may be written.

    Parameters
    ----------
    out : path-like
        The file or folder to write.
    source : Path or None
        The user's own data, which is never written over.
    overwrite : bool
        Whether something else there may be replaced.
    format : str or None, default=None
        See :func:`find_format`.
    with_card : bool, default=False
        Whether a card is written, too; see
        :func:`balancegan.data.writing.write_images`.
    """
    out = Path(out)
    kind = find_format(out, format)
    reason = check_folder(out)
    if reason is not None:
        raise DataError(f"{out} cannot be written: {reason}.")
    places = find_places(out, kind, with_card=with_card)
    for target, is_folder in places.items():
        _check_target(target, is_folder, source, overwrite)
        if is_folder:
            _check_owner(target, places)


def find_places(
    out: Path, format: str | None = None, *, with_card: bool = False
) -> dict[Path, bool]:
    """Return all that an output consists of, and which of it are folders.

    Examples
    --------
    >>> places = find_places(Path("cells.csv"), with_card=True)
    >>> {place.name: is_folder for place, is_folder in places.items()}
    {'cells.csv': False, 'cells': True, 'cells.card.md': False}
    """
    kind = find_format(out, format)
    places = {out: kind in FOLDERS}
    if kind in ("csv", "parquet"):
        places[images_folder(out)] = True
    if with_card and not places[out]:
        places[card_beside(out)] = False
    return places


def images_folder(manifest: Path) -> Path:
    """Return the folder beside a manifest that its images are in."""
    return manifest.with_suffix("")


def card_beside(out: Path) -> Path:
    """Return the file beside an output that says what is in it."""
    return out.with_suffix(".card.md")


def is_our_card(path: Path) -> bool:
    """Return whether a file is a data card that we wrote, and not a user's own file.

    Examples
    --------
    >>> is_our_card(Path("nowhere.card.md"))
    False
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            head = file.read(MOST_HEADER)
    except OSError:
        return False
    if head.startswith("---\n"):
        head = head.partition("\n---\n")[2].lstrip("\n")
    return head.partition("\n")[0] == CARD_TITLE


def _check_target(
    target: Path, is_folder: bool, source: Path | None, overwrite: bool
) -> None:
    if source is not None and source.exists():
        own, other = target.resolve(), source.resolve()
        if own == other:
            raise DataError(f"{target} is the input itself, which is left as it is.")
        if own in other.parents or other in own.parents:
            raise DataError(
                f"{target} and the input {source} lie within each other. Choose a "
                "place of its own for the output."
            )
    reason = check_kind(target, is_folder=is_folder)
    if reason is not None:
        raise DataError(reason)
    if not target.exists():
        return
    if not overwrite:
        raise DataError(
            f"{target} exists already. Allow it to be overwritten (--overwrite), or "
            "choose another name."
        )
    if is_folder and not _may_be_ours(target):
        raise DataError(
            f"{target} is a folder of other things than images and their table, which "
            "is not replaced. Choose another name, or remove it yourself."
        )


def _check_owner(folder: Path, written: Collection[Path]) -> None:
    """Raise DataError if a table that stays names files of a folder."""
    for table in _tables_beside(folder):
        if table not in written and any(
            path.exists() and folder in path.parents for path in named_files(table)
        ):
            raise DataError(
                f"The images in {folder} are those of {table}, which is not replaced. "
                "Choose another name, or remove both."
            )


def _tables_beside(folder: Path) -> list[Path]:
    beside = (folder.with_name(folder.name + suffix) for suffix in TABLE_SUFFIXES)
    return [path for path in beside if path.is_file()]


def _may_be_ours(folder: Path) -> bool:
    """Return whether a folder is as we write them: arrays, or what its table names."""
    table = folder / FOLDER_TABLE
    files = {
        path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    files -= {table, folder / FOLDER_CARD}
    files -= {path for path in files if path.name.lower() in LEFT_BY_SYSTEMS}
    flat = all(path.parent == folder for path in files)
    if flat and all(ARRAY_FILE.fullmatch(path.name) for path in files):
        return True
    tables = [table, *_tables_beside(folder)]
    return any(files <= named_files(path) for path in tables if path.is_file())
