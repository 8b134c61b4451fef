"""Check outputs before hours are spent: their paths, what they replace, disk space."""

import os
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from balancegan import files
from balancegan.data.labelled import LabelledImages
from balancegan.data.manifests import named_files
from balancegan.errors import DataError
from balancegan.files import check_folder, check_kind

CARD_TITLE = "# Real and synthetic images"  # of a data card, below a YAML header
MOST_HEADER = 1000  # characters
FILES = ("npz", "csv", "parquet")
FORMATS = (*FILES, "folder")
IMAGE_FILES = ("csv", "parquet", "folder")  # formats with a file for each image
FOLDER_CARD, FOLDER_TABLE = "README.md", "metadata.csv"
TABLE_SUFFIXES = (".csv", ".parquet")
LEFT_BY_SYSTEMS = (".ds_store", "thumbs.db", "desktop.ini")
N_SAMPLE = 64  # images that are compressed to estimate the size of all


def output_format(out: Path) -> str:
    """Return the format of an output by its name; DataError for another suffix.

    Examples
    --------
    >>> output_format(Path("balanced.npz")), output_format(Path("balanced"))
    ('npz', 'folder')
    """
    suffix = out.suffix[1:]
    if suffix and suffix not in FILES and not out.is_dir():
        raise DataError(
            "An output is an .npz, .csv or .parquet file, or a folder, whose name "
            f"has no suffix. Received: {out}."
        )
    return suffix if suffix in FILES else "folder"


def check_output(
    out: str | os.PathLike[str],
    source: Path | None,
    *,
    overwrite: bool,
    with_card: bool = False,
) -> None:
    """Raise DataError unless a new output may be written.

    Parameters
    ----------
    out : path-like
        The file or folder to write.
    source : Path or None
        The user's own data, which is never overwritten.
    overwrite : bool
        Whether an earlier output may be replaced.
    with_card : bool, default=False
        Whether a data card is written, too.
    """
    out = Path(out)
    reason = check_folder(out)
    if reason is not None:
        raise DataError(f"{out} cannot be written: {reason}.")
    paths = output_paths(out, with_card=with_card)
    for target, is_folder in paths.items():
        _check_target(target, is_folder, source, overwrite)
        if is_folder:
            _check_owner(target, paths)


def output_paths(out: Path, *, with_card: bool = False) -> dict[Path, bool]:
    """Return all files and folders of an output, and which of them are folders.

    Examples
    --------
    >>> paths = output_paths(Path("cells.csv"), with_card=True)
    >>> {path.name: is_folder for path, is_folder in paths.items()}
    {'cells.csv': False, 'cells': True, 'cells.card.md': False}
    """
    kind = output_format(out)
    paths = {out: kind == "folder"}
    if kind in ("csv", "parquet"):
        paths[images_folder(out)] = True
    if with_card and not paths[out]:
        paths[card_path(out)] = False
    return paths


def images_folder(manifest: Path) -> Path:
    """Return the folder next to a manifest that holds its images."""
    return manifest.with_suffix("")


def card_path(out: Path) -> Path:
    """Return the data card next to an output file."""
    return out.with_suffix(".card.md")


def is_data_card(path: Path) -> bool:
    """Return whether a file is a data card of balancegan.

    Examples
    --------
    >>> is_data_card(Path("nowhere.card.md"))
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
            raise DataError(f"{target} is the input itself, and never overwritten.")
        if own in other.parents or other in own.parents:
            raise DataError(
                f"{target} and the input {source} lie within each other. Choose "
                "another place for the output."
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
    for table in _tables_next_to(folder):
        if table not in written and any(
            path.exists() and folder in path.parents for path in named_files(table)
        ):
            raise DataError(
                f"The images in {folder} are those of {table}, which is not replaced. "
                "Choose another name, or remove both."
            )


def _tables_next_to(folder: Path) -> list[Path]:
    tables = (folder.with_name(folder.name + suffix) for suffix in TABLE_SUFFIXES)
    return [path for path in tables if path.is_file()]


def _may_be_ours(folder: Path) -> bool:
    """Return whether a folder holds only files that a table of it names."""
    table = folder / FOLDER_TABLE
    present = {
        path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    present -= {table, folder / FOLDER_CARD}
    present -= {path for path in present if path.name.lower() in LEFT_BY_SYSTEMS}
    tables = [table, *_tables_next_to(folder)]
    named = (named_files(path) for path in tables if path.is_file())
    return not present or any(present <= paths for paths in named)


def check_disk_space(out: Path, labelled: LabelledImages, n_added: int) -> None:
    """Raise DataError if the disk has less space than an output needs.

    Parameters
    ----------
    out, labelled
        See :func:`balancegan.data.writing.write_images`.
    n_added : int
        Number of synthetic images.
    """
    n_bytes = estimate_bytes(labelled, n_added, output_format(out))
    reason = files.check_room(out, n_bytes)
    if reason is not None:
        raise DataError(
            f"{out} cannot be written: {reason}. Make room there, or write elsewhere."
        )


def estimate_bytes(labelled: LabelledImages, n_added: int, kind: str) -> int:
    """Estimate the bytes of the images of an output; added files are like the real."""
    parts = labelled.parts.values()
    n = sum(len(part.labels) for part in parts) + n_added
    originals = [file for part in parts for file in part.files or ()]
    if originals and kind in IMAGE_FILES:
        return int(n * np.mean([file.stat().st_size for file in originals]))
    images = labelled.images
    share = _packed_share(images) if _is_packed(labelled, kind) else 1.0
    return int(n * np.prod(images.shape[1:]) * images.dtype.itemsize * share)


def _is_packed(labelled: LabelledImages, kind: str) -> bool:
    """Return whether images are compressed: in a copy of an .npz file as in that."""
    path, stored = labelled.path, labelled.stored
    if kind == "npz" and stored is not None and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            member = file.getinfo(f"{stored.images_key}.npy")
        return member.compress_type != zipfile.ZIP_STORED
    return True


def _packed_share(images: np.ndarray) -> float:
    step = max(1, len(images) // N_SAMPLE)
    sample = np.ascontiguousarray(images[::step][:N_SAMPLE]).tobytes()
    return len(zlib.compress(sample)) / max(1, len(sample))
