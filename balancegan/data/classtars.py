"""Tar files of class folders: the class and the split of each image by its folders.

Those of WebDataset, which have labels in files next to the images, are none.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from balancegan.data.opening import SUFFIXES
from balancegan.data.splitnames import find_split_level, split_of
from balancegan.errors import DataError

LABEL_SUFFIXES = (".cls", ".json")


Folders = dict[str, tuple[str | None, str | None]]


def find_class_folders(names: Sequence[str]) -> Folders:
    """Return class and split of the images in a tar by their folders.

    Parameters
    ----------
    names : sequence of str
        Names of the files in the tar.

    Returns
    -------
    folders : dict of str to (str or None, str or None)
        By the name of an image: the class, and the split; None where the folders say
        none. Empty where images have labels in other files, or lie in no folder.
    """
    images = [os.path.normpath(name) for name in names if _is_image(name)]
    stems = {cut_name(name)[0] for name in images}
    others = (name for name in names if name.lower().endswith(LABEL_SUFFIXES))
    has_labels = any(cut_name(name)[0] in stems for name in others)
    folders = {name: os.path.dirname(name).split("/") for name in images}
    if has_labels or [""] in folders.values():
        return {}
    return _name_classes(folders)


def refuse_several_splits(file: Path, names: Sequence[str]) -> None:
    """Raise DataError if the images of one tar lie in folders of several splits."""
    images = [os.path.normpath(name) for name in names if _is_image(name)]
    folders = [os.path.dirname(name).split("/") for name in images]
    level = find_split_level(folders)
    if level is not None:
        said = sorted({parts[level] for parts in folders if len(parts) > level})
        raise DataError(
            "A tar with labels next to its images holds one split. Received: "
            f"{file} with the folders {', '.join(said)}. Write a tar for each split, "
            "called after it, such as set-test.tar."
        )


def whole_name(name: str) -> tuple[str, str]:
    """Return a name, and its suffix."""
    name = os.path.normpath(name)
    return name, os.path.splitext(name)[1]


def cut_name(name: str) -> tuple[str, str]:
    """Return a name up to its first dot, and the rest.

    Examples
    --------
    >>> cut_name("a.b/c.seg.png")
    ('a.b/c', '.seg.png')
    """
    folder, file = os.path.split(os.path.normpath(name))
    stem, dot, suffix = file.partition(".")
    return os.path.join(folder, stem), dot + suffix


def _is_image(name: str) -> bool:
    is_hidden = os.path.basename(name).startswith(".")
    return name.lower().endswith(SUFFIXES) and not is_hidden


def _name_classes(
    folders: dict[str, list[str]],
) -> Folders:
    """Return class and split by folders: what all images share says neither.

    Examples
    --------
    >>> _name_classes({"a": ["set", "train", "cat"], "b": ["set", "test", "dog"]})
    {'a': ('cat', 'train'), 'b': ('dog', 'test')}
    >>> _name_classes({"a": ["set", "cat"], "b": ["set", "dog"]})
    {'a': ('cat', None), 'b': ('dog', None)}
    """
    n_shared = len(os.path.commonprefix(list(folders.values())))
    rest = {name: parts[n_shared:] for name, parts in folders.items()}
    level = find_split_level(rest.values())
    classes: dict[str, tuple[str | None, str | None]] = {}
    for name, parts in rest.items():
        if level is None:
            classes[name] = (parts or folders[name][-1:])[0], None
        else:
            own = parts[:level] + parts[level + 1 :]
            classes[name] = next(iter(own), None), split_of(parts[level])
    return classes
