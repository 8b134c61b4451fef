"""The images and sub-folders of a folder, without system files.

Names decide what a file is, and its content if the name says nothing. What the folders
mean (classes, splits) is decided in `folderlayout`.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from balancegan.data.decoding import read_header
from balancegan.data.links import (
    LINKED_FOLDER,
    BadFile,
    counted,
    list_some,
    real_path,
    why_missing,
)
from balancegan.data.opening import SUFFIXES, UnusableImage
from balancegan.errors import DataError

TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# Suffixes of images, although some cannot be read
PICTURES = {
    *SUFFIXES,
    *(".svg", ".heic", ".heif", ".jxl", ".psd", ".dng", ".cr2", ".nef"),
}
OTHERS = {
    *(".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".md", ".rst", ".tex", ".log"),
    *(".pdf", ".doc", ".docx", ".rtf", ".xls", ".xlsx", ".htm", ".html", ".url"),
    *(".yaml", ".yml", ".toml", ".ini", ".cfg", ".py", ".ipynb", ".js", ".sh", ".m"),
    *(".zip", ".gz", ".tar", ".rar", ".7z", ".npy", ".npz", ".mat", ".h5", ".parquet"),
    *(".pkl", ".pickle", ".pt", ".pth", ".bin", ".dat", ".db", ".tmp", ".part"),
    *(".avi", ".mov", ".mp4", ".mp3", ".wav"),
}
ANNOTATIONS = (".xml", ".txt", ".json")
# Ignored without a note
SILENT = ("readme", "readme.md", "readme.txt", "license", "license.md", "license.txt")
SYSTEM_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store")
APPLE_DOUBLE = "._"
SYSTEM_FOLDERS = {
    *("#recycle", "#snapshot", "$recycle.bin", ".ipynb_checkpoints", ".thumbnails"),
    *("@eadir", "__macosx", "__pycache__", "lost+found", "system volume information"),
    *("thumbnails", "thumbs"),
}
DEEPEST = 50  # nested folders


@dataclass(eq=False)
class Folder:
    """A folder and everything below it.

    Parameters
    ----------
    path : str
        Relative to the scanned folder, "" for that itself.
    images : list of str
        Paths of the image files directly in it.
    folders : list of Folder
        Sub-folders.
    table : str or None
        Path of a table that names its images.
    bad : list of BadFile
        Unusable entries directly in it.
    n_others : int
        Number of other files directly in it.
    """

    path: str
    images: list[str] = field(default_factory=list)
    folders: list["Folder"] = field(default_factory=list)
    table: str | None = None
    bad: list[BadFile] = field(default_factory=list)
    n_others: int = 0

    @property
    def name(self) -> str:
        """Its name, without the folders above it."""
        return os.path.basename(self.path)

    def walk(self) -> Iterator["Folder"]:
        """Yield the folder and all folders below it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def all_images(self) -> list[str]:
        """Return all images in it and below it, sorted by name."""
        images = (image for folder in self.walk() for image in folder.images)
        return sorted(images, key=lambda image: image.split(os.sep))

    def all_bad(self) -> list[BadFile]:
        """Return all unusable entries in it and below it."""
        return [file for folder in self.walk() for file in folder.bad]

    @property
    def filled(self) -> list["Folder"]:
        """The sub-folders with images in or below them."""
        return [folder for folder in self.folders if folder.has_images]

    @property
    def has_images(self) -> bool:
        """Whether there are images in it or below it."""
        return any(folder.images for folder in self.walk())

    @property
    def is_empty(self) -> bool:
        """Whether there is no file in it or below it."""
        return not any(f.images or f.bad or f.n_others or f.table for f in self.walk())


@dataclass
class Scan:
    """Scans a folder, and collects what the notes mention.

    Parameters
    ----------
    root : Path
        The folder.
    follow_links : bool
        Whether links to folders, and out of the folder, are followed.
    """

    root: Path
    follow_links: bool
    systems: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)

    @cached_property
    def tree(self) -> Folder:
        """The folder and everything below it."""
        return self._scan("", ())

    def may_open(self, name: str) -> bool:
        """Return whether a file exists, and not behind a link that is not followed."""
        try:
            path = real_path(self.root / name)
        except (OSError, RuntimeError, ValueError):
            return False
        inside = path.is_relative_to(real_path(self.root))
        return path.is_file() and (self.follow_links or inside)

    def notes(self) -> list[str]:
        """Return what was ignored or decided."""
        kinds = Counter(_suffix(name) or "without suffix" for name in self.others)
        listed = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        n_others = counted(len(self.others), "file")
        n_annotations = counted(len(self.annotations), "annotation file")
        n_unnamed = counted(len(self.unnamed), "image")
        found = {
            "ignored folders of other programs": self.systems,
            "ignored links to folders that they lie in": self.loops,
            f"ignored {n_others} not of images ({listed})": self.others,
            f"ignored {n_annotations} with names of images": self.annotations,
            f"{n_unnamed} known by content, not by suffix": self.unnamed,
        }
        return [f"{what}: {list_some(names)}" for what, names in found.items() if names]

    def _scan(self, path: str, above: tuple[Path, ...]) -> Folder:
        if len(above) > DEEPEST:
            raise DataError(
                f"{self.root} has more than {DEEPEST} folders within each other: "
                f"{path}. Name a folder further down."
            )
        found = Folder(path)
        above = (*above, real_path(self.root / path))
        others = []
        for entry in _entries(self.root / path):
            name = os.path.join(path, entry.name)
            if _is_folder(entry):
                self._add_folder(found, entry, name, above)
            elif _suffix(name) in PICTURES and not entry.name.startswith("."):
                found.images.append(name)
            elif entry.name in TABLES:
                found.table = found.table or name
            elif self._is_image(entry, name):
                found.images.append(name)
                self.unnamed.append(name)
            elif self._is_closed_link(entry, name):
                found.bad.append(BadFile(name, why_missing(self.root, name)))
            elif entry.name.lower() not in SILENT:
                others.append(name)
        found.images, bad = _split_encodable(found.images)
        found.bad += bad
        found.n_others = len(others)
        stems = {PurePosixPath(image).stem for image in found.images}
        for name in others:
            is_twin = PurePosixPath(name).stem in stems and _suffix(name) in ANNOTATIONS
            (self.annotations if is_twin else self.others).append(name)
        return found

    def _add_folder(
        self,
        found: Folder,
        entry: "os.DirEntry[str]",
        name: str,
        above: tuple[Path, ...],
    ) -> None:
        if entry.name.lower() in SYSTEM_FOLDERS:
            self.systems.append(name)
        elif entry.is_symlink() and not self.follow_links:
            found.bad.append(BadFile(name, LINKED_FOLDER))
        elif entry.is_symlink() and real_path(self.root / name) in above:
            self.loops.append(name)
        else:
            found.folders.append(self._scan(name, above))

    def _is_closed_link(self, entry: "os.DirEntry[str]", name: str) -> bool:
        """Return whether an image or folder may be behind a link not followed."""
        if not entry.is_symlink() or _is_known(entry.name):
            return False
        return not self.may_open(name)

    def _is_image(self, entry: "os.DirEntry[str]", name: str) -> bool:
        """Return whether a file without a telling name is an image."""
        if _is_known(entry.name) or not self.may_open(name):
            return False
        try:
            read_header(Path(entry.path))
        except UnusableImage:
            return False
        return True


def _is_known(name: str) -> bool:
    """Return whether a name is that of a file that is no image."""
    is_other = _suffix(name) in OTHERS or name.startswith(".")
    return is_other or name.lower() in (*SILENT, *SYSTEM_FILES)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, for instance
        return False


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _split_encodable(names: list[str]) -> tuple[list[str], list[BadFile]]:
    """Return the names that a table can hold, and the remaining files."""
    good, bad = [], []
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            bad.append(BadFile(name, "its name is not UTF-8"))
        else:
            good.append(name)
    return good, bad


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return the entries of a folder in order, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            shown = (entry for entry in entries if not _is_hidden(entry.name))
            return sorted(shown, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error


def _is_hidden(name: str) -> bool:
    known = name.lower() in (*SYSTEM_FOLDERS, *SYSTEM_FILES)
    return name.startswith(".") and not known and not name.startswith(APPLE_DOUBLE)
