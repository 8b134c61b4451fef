"""What the folders of an image set mean: classes, splits, or folders around them.

Decided by names and by which folders hold images; no file is opened. An ambiguous
layout is refused, with what was found and how to resolve it.
"""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from balancegan.data.foldertree import Folder
from balancegan.data.labelled import SPLIT_NAMES, TEST, TRAIN
from balancegan.data.links import BadFile, counted, list_some
from balancegan.data.masks import is_image_folder
from balancegan.data.splits import read_name, split_of
from balancegan.errors import DataError

FOLD = re.compile(r"(k[ _-]?)?(folds?|cv)[ _-]?\d+|\d+[ _-]?fold", re.IGNORECASE)
DATE = re.compile(r"(19|20)\d\d([ ._-]?\d\d){0,2}")
TABLE = "list the images in a metadata.csv with columns file_name, label and split."
REMEDY = (
    f"Name the folder whose sub-folders are the classes, move the folders, or {TABLE}"
)
SHOWN_CLASSES = 3


class Placed(NamedTuple):
    """A folder whose images are of one class and one split."""

    split: str
    label: str
    folder: Folder


@dataclass
class Layout:
    """Class folders with splits, stray files, notes, and folders that are not read."""

    placed: list[Placed] = field(default_factory=list)
    bad: list[BadFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ignored: list[Folder] = field(default_factory=list)


def find_layout(top: Folder) -> Layout:
    """Return which folders are classes of which split; DataError if that is unclear."""
    _refuse_folds(top)
    layout = _find_splits(top) or _find_inner_splits(top)
    if layout is None:
        layout = Layout()
        _add_classes(layout, top, TRAIN)
    layout.notes += _note_names(layout.placed)
    _compare_classes(layout)
    return layout


def unwrap(folder: Folder) -> Folder:
    """Return the innermost folder that is the only one with images.

    A folder with the name of a split, or with images or a table, stays.
    """
    while not (folder.images or folder.bad or folder.table):
        filled = folder.filled
        if len(filled) != 1 or filled[0].images and not filled[0].table:
            break
        is_split = read_name(filled[0].name)[0] is not None
        if is_split and not _named_splits(filled[0].filled)[0]:
            break
        folder = filled[0]
    return folder


def _find_splits(top: Folder) -> Layout | None:
    """Return the classes of each split, or None if no folder is a split."""
    named, vague = _named_splits(top.filled)
    if not named:
        _refuse_vague(vague)
        return None
    levels = {f.path: _class_level(f) for f in named}
    classed = {path: level for path, level in levels.items() if level is not None}
    splits = [split for f, split in _with_splits(named) if f.path in classed]
    others = [f for f in top.filled if f not in named]
    if not classed:
        return _read_flat_splits(top, named, others)
    _check_splits(named, splits, others)
    layout = Layout(bad=list(top.bad))
    for folder, split in _with_splits(named):
        level = classed.get(folder.path)
        if level is None:
            layout.ignored.append(folder)
            layout.notes.append(
                f"ignored {folder.path}: it holds "
                f"{counted(len(folder.all_images()), 'image')} and no class folders"
            )
            continue
        _add_classes(layout, level, split)
        if folder is not level or folder.name.lower() not in SPLIT_NAMES:
            layout.notes.append(f"{level.path} is taken for the {split} part")
    empty = [f.path for f in top.folders if f.is_empty and split_of(f.name)]
    layout.notes += [f"folder {path!r} is empty" for path in empty]
    return layout


def _named_splits(folders: Sequence[Folder]) -> tuple[list[Folder], list[Folder]]:
    """Return the folders that are splits by their names, and those that may be.

    "train" is one, and so is "seg_train" alone, or with a "seg_test" next to it.
    """
    by_rest = defaultdict(set)
    for folder in folders:
        split, rest = read_name(folder.name)
        by_rest[rest].add(split)
    named, vague = [], []
    for folder in folders:
        split, rest = read_name(folder.name)
        is_paired = len(by_rest[rest] - {None}) > 1
        if split and (split_of(folder.name) or is_paired or len(folders) == 1):
            named.append(folder)
        elif split:
            vague.append(folder)
    return named, vague


def _with_splits(folders: Sequence[Folder]) -> list[tuple[Folder, str]]:
    found = [(folder, read_name(folder.name)[0]) for folder in folders]
    return [(folder, split) for folder, split in found if split is not None]


def _class_level(folder: Folder) -> Folder | None:
    """Return the folder whose sub-folders are classes, None without classes."""
    while filled := folder.filled:
        if all(is_image_folder(f.name) and not f.filled for f in filled):
            return None
        if len(filled) > 1 or folder.images or folder.bad:
            return folder
        if filled[0].images:
            return None if filled[0].name == folder.name else folder
        folder = filled[0]
    return None


def _refuse_vague(vague: Sequence[Folder]) -> None:
    for folder in vague:
        level = _class_level(folder)
        if level is not None and len(level.filled) > 1:
            raise DataError(
                f"{folder.path} may be a split or a class: its name suggests "
                f"{read_name(folder.name)[0]}, and it holds the folders "
                f"{_paths(level.filled)}. Call it {TRAIN} or {TEST} if it is a "
                f"split. {REMEDY}"
            )


def _read_flat_splits(
    top: Folder, named: Sequence[Folder], others: Sequence[Folder]
) -> Layout:
    """Read a folder with the name of a split as a class, if others lie next to it."""
    if len({split for _, split in _with_splits(named)}) > 1 or not others:
        raise DataError(
            f"{_paths(named)}: folders with names of splits hold images, but no class "
            f"folders. Expected: a sub-folder for each class. {REMEDY}"
        )
    layout = Layout()
    _add_classes(layout, top, TRAIN)
    layout.notes.append(
        f"{_paths(named)} is taken for a class: it holds images, and lies next "
        f"to {_paths(others)}"
    )
    return layout


def _check_splits(
    named: Sequence[Folder], splits: list[str], others: Sequence[Folder]
) -> None:
    twice = [split for split, n in Counter(splits).items() if n > 1]
    if twice:
        same = [f for f, split in _with_splits(named) if split == twice[0]]
        raise DataError(
            f"Several folders are of the {twice[0]} part by their names: "
            f"{_paths(same)}. Expected: one. Merge them, or move away those that are "
            "not to be read."
        )
    if TRAIN not in splits:
        found = f" next to {_paths(others)}" if others else ""
        raise DataError(
            f"{_paths(named)}{found}: no training part. Expected: a folder {TRAIN} "
            f"next to folders with the names of other splits. {REMEDY}"
        )
    direct = [f for f in others if f.images]
    if len(direct) > 1 and set(splits) == {TRAIN}:
        raise DataError(
            f"{_paths(named)} may be the training part or a class: it holds the "
            f"folders {_paths(named[0].filled)}, and lies next to "
            f"{_paths(direct)}, which hold images. {REMEDY}"
        )


def _find_inner_splits(top: Folder) -> Layout | None:
    """Return the classes whose sub-folders are splits, None without any."""
    by_class = {f.path: [split_of(sub.name) for sub in f.filled] for f in top.filled}
    split = [
        f
        for f in top.filled
        if TRAIN in by_class[f.path]
        and (None not in by_class[f.path] or len({*by_class[f.path]}) > 2)
    ]
    if not split:
        return None
    rest = [
        f for f in top.filled if f.images or not f.filled or None in by_class[f.path]
    ]
    if rest:
        raise DataError(
            f"{_paths(split)} hold folders with names of splits "
            f"({_paths(split[0].filled)}), and {_paths(rest)} do not. Expected: "
            f"splits in every class folder, or in none. {REMEDY}"
        )
    layout = Layout(bad=list(top.bad))
    for folder in top.filled:
        subs = _with_splits(folder.filled)
        nested = [sub for sub, _ in subs if _class_level(sub) is not None]
        if nested or len({name for _, name in subs}) < len(subs):
            raise DataError(
                f"{folder.path} holds splits of its own: {_paths(folder.filled)}. It "
                "may be one of several image sets, or a class with splits. "
                f"{REMEDY}"
            )
        layout.bad += folder.bad
        layout.placed += [Placed(name, _label(folder), sub) for sub, name in subs]
    names = sorted({sub.name for f in top.filled for sub in f.filled})
    layout.notes.append(f"in each class folder, {list_some(names)} are its splits")
    return layout


def _refuse_folds(top: Folder) -> None:
    folds = [f for f in top.filled if FOLD.fullmatch(f.name)]
    if len(folds) > 1:
        raise DataError(
            f"{_paths(folds)} are folds of a cross-validation by their names, not "
            "classes or splits. Move the class folders of one fold into a folder "
            f"{TEST} and those of the other folds into {TRAIN}, or {TABLE}"
        )


def _add_classes(layout: Layout, level: Folder, split: str) -> None:
    """Add a folder's sub-folders as the classes of a split."""
    classes = [f for f in level.folders if f.has_images or f.all_bad()]
    filled = level.filled
    _refuse_folds(level)
    _refuse_nested(filled)
    if len(filled) == 1 and is_image_folder(filled[0].name) and filled[0].images:
        raise DataError(
            f"There is one folder with images, {filled[0].path}, whose name is not "
            f"that of a class. Expected: a sub-folder for each class. {REMEDY}"
        )
    layout.placed += [Placed(split, _label(folder), folder) for folder in classes]
    layout.bad += level.bad
    layout.bad += [BadFile(name, "belongs to no class") for name in level.images]
    layout.notes += _note_nested(filled)
    for folder in level.folders:
        if folder.is_empty:
            layout.notes.append(f"class folder {folder.path!r} is empty")
        elif folder not in classes:
            layout.notes.append(f"folder {folder.path!r} has no images")


def _paths(folders: Sequence[Folder]) -> str:
    return list_some([folder.path for folder in folders])


def _label(folder: Folder) -> str:
    """Return the class name: composed characters, no blanks around them."""
    return unicodedata.normalize("NFC", folder.name).strip() or folder.name


def _note_names(placed: Sequence[Placed]) -> list[str]:
    """Return notes on folders of one class, and on names that differ in case alone."""
    folders, cases = defaultdict(set), defaultdict(set)
    for split, label, folder in placed:
        folders[split, label].add(folder.name)
        cases[label.casefold()].add(label)
    notes = [
        f"folders of one class, {label!r}: {list_some(list(map(ascii, sorted(names))))}"
        for (_, label), names in folders.items()
        if len(names) > 1
    ]
    return notes + [
        f"classes whose names differ in case alone: {list_some(sorted(labels))}"
        for labels in cases.values()
        if len(labels) > 1
    ]


def _compare_classes(layout: Layout) -> None:
    """Note classes that a split lacks; refuse splits without a common class."""
    by_split = defaultdict(set)
    for split, label, folder in layout.placed:
        if folder.has_images:
            by_split[split].add(label)
    train = by_split.pop(TRAIN, set())
    for split, labels in by_split.items():
        if train and not labels & train:
            raise DataError(
                f"The {TRAIN} and the {split} part have no class in common. Received: "
                f"{list_some(sorted(train))}, and {list_some(sorted(labels))}. {REMEDY}"
            )
        if missing := sorted(train - labels):
            layout.notes.append(
                f"classes without a {split} image: {list_some(missing)}"
            )


def _inner(folder: Folder) -> tuple[list[str], Folder]:
    """Return the first folder below a class with images or several sub-folders.

    Before it, the names of the folders around it. Folders named after dates are not
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
    """Return the names of folders in each class that may be classes themselves.

    A folder that is the only one in every class is none.
    """
    inner = [_inner(folder) for folder in classes]
    n_common = len(os.path.commonprefix([names for names, _ in inner]))
    found = []
    for names, folder in inner:
        inside = [] if names and DATE.fullmatch(names[-1]) else folder.filled
        found.append({*names[n_common:], *(f.name for f in inside)})
    return found


def _refuse_nested(classes: Sequence[Folder]) -> None:
    """Refuse class folders with another class, or with equal sub-folders, in them."""
    names = {folder.name for folder in classes}
    for folder in classes:
        inside = _inner_names([folder, Folder("")])[0] & names - {folder.name}
        if inside:
            raise DataError(
                f"{folder.path} holds folders with the names of others next to it: "
                f"{list_some(sorted(inside))}. It may be a copy of the set, or a "
                f"folder that was moved by accident. {REMEDY}"
            )
    inner = _inner_names(classes)
    counts = Counter(name for names in inner for name in names)
    repeated = sorted(
        name
        for name, n in counts.items()
        if n > 1 and not DATE.fullmatch(name) and not is_image_folder(name)
    )
    if repeated:
        pairs = zip(classes, inner, strict=True)
        holders = _paths([f for f, names in pairs if repeated[0] in names])
        raise DataError(
            f"{holders} each hold folders of the same names: {list_some(repeated)}. "
            f"Either may be the classes. If {holders} are, give the folders in them "
            "distinct names, or move the images out of them. If "
            f"{list_some(repeated)} are, move the images of each into one folder. "
            f"Or {TABLE}"
        )


def _note_nested(classes: Sequence[Folder]) -> list[str]:
    """Return notes on classes with images in sub-folders whose names say more."""
    notes = []
    for folder in classes:
        inside, inner = _inner(folder)
        names = [f.name for f in inner.filled] or inside[-1:]
        names = [n for n in names if not is_image_folder(n) and n != folder.name]
        if not names:
            continue
        of = "a sub-folder" if len(names) == 1 else f"{len(names)} sub-folders"
        notes.append(
            f"class {folder.name!r} takes images from {of}: {list_some(names)}"
        )
    rest = len(notes) - SHOWN_CLASSES
    more = [f"{rest} more classes take images from sub-folders"] if rest > 0 else []
    return notes[:SHOWN_CLASSES] + more
