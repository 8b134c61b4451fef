"""Find the files that names in a table mean.

A name is that of an existing file; failing that, a name from another computer or
folder, in another case, or without suffix. All names are matched together, and a name
that could mean two files means none.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from balancegan.data.labelled import SPLIT_NAMES
from balancegan.data.opening import SUFFIXES

SHOWN_FOLDERS = 5
ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")  # on any system

Match = tuple[tuple[str, ...], str]  # the folders before the matched end, and the file


@dataclass
class FoundFiles:
    """Files by their names in a table.

    Attributes
    ----------
    places : dict of str to str
        Files relative to the folder.
    unclear : dict of str to str
        Names that could mean several files, with the reason.
    notes : list of str
        How files with other names were found.
    """

    places: dict[str, str] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class FileFinder:
    """Finds files below a folder, and nowhere else.

    Parameters
    ----------
    root : Path
        The folder. Loose names match neither hidden files nor files behind links to
        folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, names: Iterable[str]) -> FoundFiles:
        """Return the files that names mean."""
        names = dict.fromkeys(names)
        exact = {name: self._exact(name) for name in names}
        found = FoundFiles({name: file for name, file in exact.items() if file})
        rest = [name for name in names if name not in found.places]
        loose = {name: parts for name in rest if (parts := _parts(name))}
        if loose:
            self._find_loose(loose, found)
        return found

    def is_named(self, name: str) -> bool:
        """Return whether a text names an existing file, with or without suffix."""
        return bool(self._exact(name) or self._endings(_parts(name), at_root=True))

    def _exact(self, name: str) -> str | None:
        """Return the file of exactly this name; slashes may be those of Windows."""
        for text in (name, name.strip(), name.strip().replace("\\", "/")):
            try:
                exists = bool(text) and (self.root / text).is_file()
            except (OSError, ValueError):
                continue
            if exists and (not os.path.isabs(text) or self._is_inside(text)):
                return text
        return None

    def _is_inside(self, path: str) -> bool:
        return Path(path).resolve().is_relative_to(self.root.resolve())

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[str, ...]]]:
        """The parts of all files by file name, and for images also by stem."""
        found: dict[str, list[tuple[str, ...]]] = {}
        for top, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if name[0] != ".")
            above = Path(top).relative_to(self.root).parts
            for file in sorted(name for name in names if name[0] != "."):
                name = _key(file)
                found.setdefault(name, []).append((*above, file))
                if name.endswith(SUFFIXES):
                    stem = os.path.splitext(name)[0]
                    found.setdefault(stem, []).append((*above, file))
        return found

    def _endings(self, parts: Sequence[str], at_root: bool) -> list[Match]:
        """Return the files whose names end in some parts, ignoring case.

        Parameters
        ----------
        parts : sequence of str
            The last parts of the names. The last one may lack a suffix.
        at_root : bool
            Whether nothing may come before these parts.
        """
        if not parts:
            return []
        folders, n = [_key(part) for part in parts[:-1]], len(parts)
        return [
            (file[: len(file) - n], "/".join(file))
            for file in self._by_name.get(_key(parts[-1]), ())
            if (len(file) == n if at_root else len(file) >= n)
            and [_key(part) for part in file[len(file) - n : -1]] == folders
        ]

    def _find_loose(self, names: dict[str, list[str]], found: FoundFiles) -> None:
        """Find files with other names than in the table."""
        # Drop as many common folders as match most files; none if some names are exact
        folders = os.path.commonprefix([parts[:-1] for parts in names.values()])
        most_dropped = 0 if found.places else len(folders)
        best: dict[str, list[Match]] = {}
        n_dropped = 0
        for n in range(most_dropped + 1):
            at_root = bool(found.places) or n > 0 and not _may_move(names, folders[:n])
            ends = {k: self._endings(p[n:], at_root) for k, p in names.items()}
            ends = {name: matches for name, matches in ends.items() if matches}
            if len(ends) > len(best):
                best, n_dropped = ends, n

        # Keep the names that mean one file each.
        before = set(found.places.values())
        chosen = _choose_folders(best)
        uses = Counter(file for files in chosen.values() for file in files)
        for name, files in chosen.items():
            if len(files) > 1:
                some = ", ".join(files[:SHOWN_FOLDERS])
                found.unclear[name] = f"several files may be meant: {some}"
            elif uses[files[0]] > 1 or files[0] in before:
                found.unclear[name] = f"another name means {files[0]} too"
            else:
                found.places[name] = files[0]
        found.notes += _describe(names, n_dropped, found.places)


def _describe(
    names: dict[str, list[str]], n_dropped: int, places: dict[str, str]
) -> list[str]:
    """Return notes on how files with other names were found."""
    loose = {name: places[name] for name in names if name in places}
    if not loose:
        return []
    example = next(iter(loose))
    shown = f"{example} is {loose[example]}"
    if n_dropped:
        dropped = "/".join(names[example][:n_dropped])
        return [f"file names are read without {dropped}: {shown}"]
    notes = []
    added = sorted({_folder_before(names[n], file) for n, file in loose.items()})
    if added != [""]:
        rest = len(added) - SHOWN_FOLDERS
        some = ", ".join(added[:SHOWN_FOLDERS]) + f" and {rest} more" * (rest > 0)
        notes.append(f"the files were found in {some} (images-root)")
    same = [name for name, file in loose.items() if _same_suffix(name, file)]
    if n := len(loose) - len(same):
        notes.append(f"{n} files were found by names without suffix: {shown}")
    if n := sum(not loose[name].endswith("/".join(names[name])) for name in same):
        notes.append(
            f"{n} files are named in another case or spelling than on the disk: {shown}"
        )
    return notes


def _parts(name: str) -> list[str]:
    r"""Return the parts of a name; none if it leads out of a folder.

    Examples
    --------
    >>> _parts(r"C:\set\cat\0.png"), _parts("./0.png"), _parts("../0.png")
    (['C:', 'set', 'cat', '0.png'], ['0.png'], [])
    """
    parts = [
        p for p in name.strip().replace("\\", "/").split("/") if p not in ("", ".")
    ]
    return [] if ".." in parts else parts


def _may_move(names: Iterable[str], dropped: Sequence[str]) -> bool:
    """Return whether files may lie in other folders than those that were dropped.

    Only for names from another computer; files of train are never those of test.
    """
    is_foreign = all(ABSOLUTE.match(name.strip()) for name in names)
    return is_foreign and _key(dropped[-1]) not in SPLIT_NAMES


def _key(part: str) -> str:
    """Return a name without differences in case or Unicode composition."""
    return unicodedata.normalize("NFC", part).casefold()


def _same_suffix(name: str, file: str) -> bool:
    return _key(name.strip()).endswith(_key(os.path.splitext(file)[1]))


def _folder_before(parts: Sequence[str], file: str) -> str:
    return "/".join(file.split("/")[: -len(parts)])


def _choose_folders(matches: dict[str, list[Match]]) -> dict[str, list[str]]:
    """Return the files of each name, of one folder if only one has them all."""
    folders = Counter(folder for found in matches.values() for folder, _ in set(found))
    full = [folder for folder, n in folders.items() if n == len(matches)]
    chosen = full[0] if len(full) == 1 else None
    if () in full:  # the root takes precedence
        chosen = ()
    return {
        name: [f for folder, f in found if chosen is None or folder == chosen]
        for name, found in matches.items()
    }
