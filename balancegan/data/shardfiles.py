"""Which files of a folder are shards, and of which split each is.

As Hugging Face's hub and TensorFlow Datasets lay them out, too: below folders, next to
files that describe them. What is in a shard is `samples`'s business.
"""

import os
import re
import tarfile
from pathlib import Path

from balancegan.data.classtars import find_class_folders
from balancegan.data.contents import refuse_pointer
from balancegan.data.foldertree import TABLES
from balancegan.data.labelled import SPLIT_NAMES, TRAIN
from balancegan.data.samples import PARQUET, TAR, holds_images, shard_format
from balancegan.errors import DataError
from balancegan.files import DAMAGES

# Of files that describe shards next to them
SIDE_SUFFIXES = (".md", ".json", ".txt", ".yaml", ".yml", ".py", ".license", "")
GENERAL = ("data", "default")  # folders that say nothing of their shards

Source = tuple[Path, str | None]  # a shard, and the split that is meant within it


def is_sharded(path: Path) -> bool:
    """Return whether a path is a shard, or a folder of shards.

    A folder with a table of image files is one of files, and so is one whose folders
    have others than shards.
    """
    if not path.is_dir():
        return _is_shard(path)
    return bool(_list_shards(path))


def find_shards(path: Path, labels_key: str | None = None) -> dict[str, list[Source]]:
    """Return the shards of each split, sorted by name.

    Parameters
    ----------
    path : Path
        A shard, or a folder of shards.
    labels_key : str or None, default=None
        Where labels are. None: in a tar maybe in the names of folders, which may also
        say splits.

    Raises
    ------
    DataError
        If shards are of several formats, which may hold the same images, or of several
        sets.
    """
    found: dict[str, list[Source]] = {}
    files = _list_shards(path) if path.is_dir() else [path]
    formats = sorted({str(shard_format(file)) for file in files})
    if len(formats) > 1:
        raise DataError(
            f"The shards of a folder must be of one format. Received: {path} with "
            f"{' and '.join(formats)} files. Name a folder with those of one."
        )
    root = path if path.is_dir() else path.parent
    _refuse_several_sets(path, [file.relative_to(root).parent for file in files])
    for file in files:
        splits = set() if labels_key is not None else _splits_within(file)
        for split in sorted(splits):
            found.setdefault(split, []).append((file, split))
        if not splits:
            split = find_split(file.relative_to(root))
            found.setdefault(split, []).append((file, None))
    return found


def find_split(name: Path) -> str:
    """Return the split that a name has in it as a word; else it is the training part.

    Examples
    --------
    >>> [find_split(Path(n)) for n in ("mnist-test.tfrecord-00000-of-00001", "a.tar")]
    ['test', 'train']
    >>> find_split(Path("validation/0000.parquet"))
    'val'
    """
    for part in reversed(name.parts):
        for word in re.findall("[a-z]+", part.lower()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return TRAIN


def _splits_within(file: Path) -> set[str]:
    """Return the splits that folders within a tar say."""
    if shard_format(file) != TAR:
        return set()
    try:
        with tarfile.open(file) as tar:
            names = [member.name for member in tar if member.isreg()]
    except (OSError, *DAMAGES, tarfile.TarError):
        return set()  # reading it says what is wrong
    folders = find_class_folders(names)
    return {split for _, split in folders.values() if split is not None}


def _list_shards(folder: Path) -> list[Path]:
    """Return the shards below a folder; none of a folder of others."""
    files: list[Path] = []
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(top, name)
            if name in TABLES:
                return []
            if name.startswith("."):
                continue
            if _is_shard(file):
                files.append(file)
            elif file.parent != folder and file.suffix.lower() not in SIDE_SUFFIXES:
                return []  # folders of other files
    return files


def _is_shard(file: Path) -> bool:
    kind = shard_format(file)
    if kind is None or not file.is_file():
        return False
    refuse_pointer(file)
    return kind != PARQUET or holds_images(file)


def _refuse_several_sets(path: Path, folders: list[Path]) -> None:
    """Raise DataError if folders differ in other words than those for splits."""
    sets = {
        "/".join(
            part
            for part in folder.parts
            if part.lower() not in (*SPLIT_NAMES, *GENERAL)
        )
        for folder in folders
    }
    if len(sets) > 1:
        some = ", ".join(name or "." for name in sorted(sets))
        raise DataError(
            f"Shards of one set are read together. Received: {path} with shards in "
            f"several folders: {some}. Name one of them."
        )
