"""What the folders of an image set mean: classes, splits, or folders around them.

Decided by names and by which folders hold images; no file is opened. What cannot be
told is refused, with what was found and how to say what is meant.
"""

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
from balancegan.data.nesting import (
    MEND,
    note_nested,
    paths_of,
    refuse_misplaced,
    refuse_repeated,
)
from balancegan.data.splitnames import read_name, split_of
from balancegan.errors import DataError

FOLD = re.compile(r"(k[ _-]?)?(folds?|cv)[ _-]?\d+|\d+[ _-]?fold", re.IGNORECASE)


class Placed(NamedTuple):
    """A folder whose images are of one class and one split."""

    split: str
    label: str
    folder: Folder


@dataclass
class Layout:
    """What the folders mean.

    Parameters
    ----------
    placed : list of Placed
        The class folders.
    bad : list of BadFile
        What lies where classes do, and is of none.
    notes : list of str
        What was decided, for people.
    ignored : list of Folder
        Folders that the notes say are not read.
    """

    placed: list[Placed] = field(default_factory=list)
    bad: list[BadFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ignored: list[Folder] = field(default_factory=list)


def find_layout(top: Folder) -> Layout:
    """Return which folders are classes of which split.

    Parameters
    ----------
    top : Folder
        A folder, see :func:`unwrap`.

    Raises
    ------
    DataError
        If the folders can be understood in more than one way.
    """
    _refuse_folds(top)
    layout = _find_splits(top) or _find_inner_splits(top)
    if layout is None:
        layout = Layout()
        _add_classes(layout, top, TRAIN)
    layout.notes += _note_names(layout.placed)
    _compare_classes(layout)
    return layout


def unwrap(folder: Folder) -> Folder:
    """Return the folder that matters: the only one, where folders lie within others.

    A folder that is called as a split, or holds images or a table, stays.
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
    """Return the classes of each split, or None where no folder is one."""
    named, vague = _named_splits(top.filled)
    if not named:
        _refuse_vague(vague)
        return None
    levels = {f.path: _class_level(f) for f in named}
    classed = {path: level for path, level in levels.items() if level is not None}
    splits = [split for f, split in _with_splits(named) if f.path in classed]
    others = [f for f in top.filled if f not in named]
    if not classed:
        return _refuse_flat_splits(top, named, others)
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
        is_alone = len(folders) == 1
        if split is not None and (split_of(folder.name) or is_paired or is_alone):
            named.append(folder)
        elif split is not None:
            vague.append(folder)
    return named, vague


def _with_splits(folders: Sequence[Folder]) -> list[tuple[Folder, str]]:
    found = [(folder, read_name(folder.name)[0]) for folder in folders]
    return [(folder, split) for folder, split in found if split is not None]


def _class_level(folder: Folder) -> Folder | None:
    """Return the folder whose sub-folders are classes, or None without classes."""
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
                f"{folder.path} may be a split or a class: its name says "
                f"{read_name(folder.name)[0]}, and it holds the folders "
                f"{paths_of(level.filled)}. Call it {TRAIN} or {TEST} if it is a "
                f"split. {MEND}"
            )


def _refuse_flat_splits(
    top: Folder, named: Sequence[Folder], others: Sequence[Folder]
) -> Layout | None:
    """Refuse splits without classes; return None where they are classes themselves."""
    if len({split for _, split in _with_splits(named)}) == 1 and others:
        layout = Layout()
        _add_classes(layout, top, TRAIN)
        layout.notes.append(
            f"{paths_of(named)} is taken for a class: it holds images, and lies next "
            f"to {paths_of(others)}"
        )
        return layout
    raise DataError(
        f"{paths_of(named)}: folders with names of splits hold images, but no class "
        f"folders. Expected: a sub-folder for each class. {MEND}"
    )


def _check_splits(
    named: Sequence[Folder], splits: list[str], others: Sequence[Folder]
) -> None:
    twice = [split for split, n in Counter(splits).items() if n > 1]
    if twice:
        same = [f for f, split in _with_splits(named) if split == twice[0]]
        raise DataError(
            f"Several folders are of the {twice[0]} part by their names: "
            f"{paths_of(same)}. Expected: one. Merge them, or move those away that are "
            "not to be read."
        )
    direct = [f for f in others if f.images]
    if TRAIN not in splits:
        found = f" next to {paths_of(others)}" if others else ""
        raise DataError(
            f"{paths_of(named)}{found}: no training part. Expected: a folder {TRAIN} "
            f"next to folders with the names of other splits. {MEND}"
        )
    if len(direct) > 1 and set(splits) == {TRAIN}:
        raise DataError(
            f"{paths_of(named)} may be the training part or a class: it holds the "
            f"folders {paths_of(named[0].filled)}, and lies next to "
            f"{paths_of(direct)}, which hold images. {MEND}"
        )


def _find_inner_splits(top: Folder) -> Layout | None:
    """Return the classes whose sub-folders are splits, or None without such ones."""
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
            f"{paths_of(split)} hold folders with names of splits "
            f"({paths_of(split[0].filled)}), and {paths_of(rest)} do not. Expected: "
            f"splits in every class folder, or in none. {MEND}"
        )
    layout = Layout(bad=list(top.bad))
    for folder in top.filled:
        subs = _with_splits(folder.filled)
        nested = [sub for sub, _ in subs if _class_level(sub) is not None]
        if nested or len({name for _, name in subs}) < len(subs):
            raise DataError(
                f"{folder.path} holds splits of its own: {paths_of(folder.filled)}. It "
                "may be one of several image sets, or a class with the splits in it. "
                f"{MEND}"
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
            f"{paths_of(folds)} are folds of a cross-validation by their names, not "
            "classes or splits. Move the class folders of one fold into a folder "
            f"{TEST} and those of the other folds into {TRAIN}, or list the images in "
            "a metadata.csv with columns file_name, label and split."
        )


def _add_classes(layout: Layout, level: Folder, split: str) -> None:
    """Add a folder's sub-folders as the classes of a split."""
    classes = [f for f in level.folders if f.has_images or f.all_bad()]
    filled = level.filled
    _refuse_folds(level)
    refuse_misplaced(filled)
    if len(filled) > 1:
        refuse_repeated(filled)
    if len(filled) == 1 and is_image_folder(filled[0].name) and filled[0].images:
        raise DataError(
            f"There is one folder with images, {filled[0].path}, whose name is not "
            f"that of a class. Expected: a sub-folder for each class. {MEND}"
        )
    layout.placed += [Placed(split, _label(folder), folder) for folder in classes]
    layout.bad += level.bad
    layout.bad += [BadFile(name, "belongs to no class") for name in level.images]
    layout.notes += note_nested(filled)
    for folder in level.folders:
        if folder not in classes:
            is_empty = folder.is_empty
            said = (
                f"folder {folder.path!r} {'is empty' if is_empty else 'has no images'}"
            )
            layout.notes.append(f"class {said}" if is_empty else said)


def _label(folder: Folder) -> str:
    """Return what a class is called: composed characters, no blanks around them."""
    return unicodedata.normalize("NFC", folder.name).strip() or folder.name


def _note_names(placed: Sequence[Placed]) -> list[str]:
    """Say which folders are one class, and which names differ in case alone."""
    folders, cases = defaultdict(set), defaultdict(set)
    for split, label, folder in placed:
        folders[split, label].add(folder.name)
        cases[label.casefold()].add(label)
    several = [(k[1], sorted(names)) for k, names in folders.items() if len(names) > 1]
    notes = [
        f"folders of one class, {label!r}: {list_some([ascii(n) for n in names])}"
        for label, names in several
    ]
    return notes + [
        f"classes whose names differ in case alone: {list_some(sorted(labels))}"
        for labels in cases.values()
        if len(labels) > 1
    ]


def _compare_classes(layout: Layout) -> None:
    """Say which classes the splits do not share; refuse splits that share none."""
    by_split = defaultdict(set)
    for split, label, folder in layout.placed:
        if folder.has_images:
            by_split[split].add(label)
    train = by_split.pop(TRAIN, set())
    for split, labels in by_split.items():
        if train and not labels & train:
            raise DataError(
                f"The {TRAIN} and the {split} part have no class in common. Received: "
                f"{list_some(sorted(train))}, and {list_some(sorted(labels))}. {MEND}"
            )
        if missing := sorted(train - labels):
            layout.notes.append(
                f"classes without a {split} image: {list_some(missing)}"
            )
