"""Where file names lead: links, missing files, paths out of the folder.

Nothing outside the named folder is read, and links that lead outside are followed only
on request.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from balancegan.errors import DataError

OPTION = "set follow-links = true in --config"
SHOWN_NAMES = 3
LINKED_FOLDER = f"a link to a folder: {OPTION}"
LINKED_OUTSIDE = f"a link that leads outside the folder: {OPTION}"


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used, and why."""

    name: str
    reason: str


def readable(name: str) -> str:
    """Return a file name with unprintable characters escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def counted(number: int, thing: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "image"), counted(2_000, "image")
    ('1 image', '2,000 images')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def list_some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are.

    Examples
    --------
    >>> list_some(["a", "b"]), list_some("abcde")
    ('a, b', 'a, b, c and 2 more')
    """
    rest = len(names) - SHOWN_NAMES
    shown = ", ".join(readable(name) for name in names[:SHOWN_NAMES])
    return shown + (f" and {rest} more" if rest > 0 else "")


def real_path(path: Path) -> Path:
    """Resolve a path with its links.

    Raises
    ------
    OSError, RuntimeError or ValueError
        If it does not exist, links form a circle, or it is no valid file name.
    """
    return path.resolve(strict=True)


def find_files(
    root: Path, names: Iterable[str], bad: list[BadFile], follow_links: bool = False
) -> tuple[dict[str, Path], list[str]]:
    """Return the files by name, without those that are missing or lead outside.

    Parameters
    ----------
    root : Path
        The folder that names are relative to.
    names : iterable of str
        Relative, or absolute and within the root.
    bad : list of BadFile
        Unusable names are added to it.
    follow_links : bool, default=False
        Whether links out of the root are followed.

    Returns
    -------
    files : dict of str to Path
        Within the root, with links unresolved.
    notes : list of str
        Which links were followed, and which names share a file.
    """
    inside = real_path(root)
    files: dict[str, Path] = {}
    by_file: dict[Path, list[str]] = {}
    followed: list[Path] = []
    for name in dict.fromkeys(names):
        try:
            file = real_path(root / name)
        except (OSError, RuntimeError, ValueError):
            bad.append(BadFile(name, why_missing(root, name)))
            continue
        is_plain = not Path(name).is_absolute() and ".." not in Path(name).parts
        if file.is_relative_to(inside):
            files[name] = root / (name if is_plain else file.relative_to(inside))
        elif is_plain and follow_links:
            files[name] = root / name
            followed.append(file)
        else:
            reason = LINKED_OUTSIDE if is_plain else "leads outside the folder"
            bad.append(BadFile(name, reason))
            continue
        by_file.setdefault(file, []).append(name)
    notes = []
    if followed:
        folders = Counter(str(file.parent) for file in followed)
        where = [f"{folder} ({n})" for folder, n in folders.most_common()]
        links = counted(len(followed), "file")
        notes.append(f"followed links to {links}: in {list_some(where)}")
    if several := [" = ".join(same) for same in by_file.values() if len(same) > 1]:
        number = counted(len(several), "file")
        notes.append(f"{number} read under several names: {list_some(several)}")
    return files, notes


def refuse_links(root: Path, files: Iterable[Path]) -> None:
    """Raise DataError for the first file that is a link out of a folder."""
    for file in files:
        if file.is_symlink() and not file.resolve().is_relative_to(root.resolve()):
            raise DataError(
                f"{file} is a link that leads outside {root}, which is not read. Name "
                f"the file itself, or {OPTION}."
            )


def why_missing(root: Path, name: str) -> str:
    """Return why a name leads to no file that is read."""
    try:
        target = os.readlink(root / name)
    except (OSError, ValueError):
        return "there is no such file"
    if (root / name).exists():
        return LINKED_OUTSIDE
    if ".git/annex" in target:
        return "a link to content of git-annex that is not here: git annex get"
    if f"blobs{os.sep}" in target:
        return "a link to content of the Hugging Face hub that was not downloaded"
    return "a link to nothing"
