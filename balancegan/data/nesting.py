"""Folders within class folders: parts of a class, or classes themselves.

Where either may be meant, it is refused; else a note says what a class is made of.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence

from balancegan.data.foldertree import Folder
from balancegan.data.links import list_some
from balancegan.data.masks import is_image_folder
from balancegan.errors import DataError

DATE = re.compile(r"(19|20)\d\d([ ._-]?\d\d){0,2}")
TABLE = "list the images in a metadata.csv with columns file_name, label and split."
MEND = (
    f"Name the folder whose sub-folders are the classes, move the folders, or {TABLE}"
)
SHOWN_CLASSES = 3


def paths_of(folders: Sequence[Folder]) -> str:
    """Return the paths of folders, for a message."""
    return list_some([folder.path for folder in folders])


def _inner(folder: Folder) -> tuple[list[str], Folder]:
    """Return the folder that has several in it, or images, below a class folder.

    Before it, the names of the folders around it. Folders called as dates are not
    looked into.
    """
    names: list[str] = []
    while not folder.images and len(folder.filled) == 1:
        folder = folder.filled[0]
        names.append(folder.name)
        if DATE.fullmatch(folder.name):
            break
    return names, folder


def _inner_names(classes: Sequence[Folder]) -> list[set[str]]:
    """Return the names of the folders in each class that may be classes themselves.

    A folder that is the only one in every class is none.
    """
    inner = [_inner(folder) for folder in classes]
    n_common = len(os.path.commonprefix([names for names, _ in inner]))
    found = []
    for names, folder in inner:
        inside = [] if names and DATE.fullmatch(names[-1]) else folder.filled
        found.append({*names[n_common:], *(f.name for f in inside)})
    return found


def refuse_misplaced(classes: Sequence[Folder]) -> None:
    """Refuse a class folder with the name of another one in it."""
    names = {folder.name for folder in classes}
    for folder in classes:
        inside = _inner_names([folder, Folder("")])[0] & names - {folder.name}
        if inside:
            raise DataError(
                f"{folder.path} holds folders with the names of others next to it: "
                f"{list_some(sorted(inside))}. It may be a copy of the set, or a "
                f"folder that was moved by accident. {MEND}"
            )


def refuse_repeated(classes: Sequence[Folder]) -> None:
    """Refuse sub-folders of one name in several classes: either may be the class."""
    inner = _inner_names(classes)
    counts = Counter(name for names in inner for name in names)
    repeated = sorted(
        name
        for name, n in counts.items()
        if n > 1 and not DATE.fullmatch(name) and not is_image_folder(name)
    )
    if not repeated:
        return
    holders = [
        f for f, names in zip(classes, inner, strict=True) if repeated[0] in names
    ]
    raise DataError(
        f"{paths_of(holders)} each hold folders of the same names: "
        f"{list_some(repeated)}. Either may be the classes. If {paths_of(holders)} "
        "are, give the folders in them names of their own, or move the images out of "
        f"them. If {list_some(repeated)} are, move the images of each into one folder. "
        f"Or {TABLE}"
    )


def note_nested(classes: Sequence[Folder]) -> list[str]:
    """Say which classes take images from sub-folders whose names say more."""
    notes = []
    for folder in classes:
        inside, inner = _inner(folder)
        names = [f.name for f in inner.filled] or inside[-1:]
        names = [n for n in names if not is_image_folder(n) and n != folder.name]
        if not names:
            continue
        of = "a sub-folder" if len(names) == 1 else f"{len(names)} sub-folders"
        named = list_some(names)
        notes.append(f"class {folder.name!r} takes images from {of}: {named}")
    rest = len(notes) - SHOWN_CLASSES
    more = [f"{rest} more classes take images from sub-folders"] if rest > 0 else []
    return notes[:SHOWN_CLASSES] + more
