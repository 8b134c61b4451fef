"""Names of files, and where they lead: links, missing files, ways out of the folder.

Nothing outside the folder that was named is read. Links that lead outside are
followed only where that is asked for.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from balancegan.errors import DataError

OPTION = "--follow-links"
SHOWN_NAMES = 3


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be used, and why."""

    name: str
    reason: str


LINKED_FOLDER = f"a link to a folder: {OPTION}"
LINKED_OUTSIDE = f"a link that leads outside the folder: {OPTION}"


def readable(name: str) -> str:
    """Return a file name with escapes for what is no text, or moves the cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def counted(number: int, thing: str) -> str:
    """Return a number of things.

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
    """Return where a path leads, links followed.

    Raises
    ------
    OSError, RuntimeError or ValueError
        If there is nothing, links lead in a circle, or it is no name of a file.
    """
    return path.resolve(strict=True)


def find_files(
    root: Path, names: Iterable[str], bad: list[BadFile], follow_links: bool = False
) -> tuple[dict[str, Path], list[str]]:
    """Return the files by name, without those that are missing or lead elsewhere.

    Parameters
    ----------
    root : Path
        The folder that names start from.
    names : iterable of str
        Relative, or absolute and within the root.
    bad : list of BadFile
        What cannot be used is added to it.
    follow_links : bool, default=False
        Whether links out of the root are followed.

    Returns
    -------
    files : dict of str to Path
        Within the root, links unchanged.
    notes : list of str
        Which links were followed, and which names are of one file.
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
        elif not is_plain:
            bad.append(BadFile(name, "leads outside the folder"))
            continue
        elif not follow_links:
            bad.append(BadFile(name, LINKED_OUTSIDE))
            continue
        else:
            files[name] = root / name
            followed.append(file)
        by_file.setdefault(file, []).append(name)
    return files, _note_links(followed) + _note_twice(list(by_file.values()))


def refuse_links(root: Path, files: Iterable[Path]) -> None:
    """Raise DataError for the first of some files that is a link out of a folder."""
    for file in files:
        if file.is_symlink() and not file.resolve().is_relative_to(root.resolve()):
            raise DataError(
                f"{file} is a link that leads outside {root}, which is not read. Name "
                f"the file itself, or follow links by {OPTION}."
            )


def why_missing(root: Path, name: str) -> str:
    """Return why a name leads to no file that is read: none is there, or a link."""
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


def _note_links(followed: Sequence[Path]) -> list[str]:
    if not followed:
        return []
    folders = Counter(str(file.parent) for file in followed)
    where = [f"{folder} ({n})" for folder, n in folders.most_common()]
    return [
        f"followed links to {counted(len(followed), 'file')}: in {list_some(where)}"
    ]


def _note_twice(names: Sequence[list[str]]) -> list[str]:
    """Say which files are read under several names."""
    several = [" = ".join(same) for same in names if len(same) > 1]
    if not several:
        return []
    files = counted(len(several), "file")
    return [f"{files} read under several names: {list_some(several)}"]
