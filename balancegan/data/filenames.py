"""Names of image files in an output."""

from collections import Counter
from pathlib import Path, PurePosixPath

from balancegan.data.labelled import SPLIT_NAMES, TRAIN, LabelledImages
from balancegan.data.lineage import Lineage, safe_name


class FileNamer:
    """Unique file names, relative to the output folder.

    Originals keep their names. Names of synthetic images never differ from others by
    case alone, so they are safe on every file system.
    """

    def __init__(self, labelled: LabelledImages) -> None:
        self.labelled = labelled
        self.has_splits = len(labelled.parts) > 1
        self.root = labelled.root
        self.folders: dict[str, str] = {}
        self.homes = {} if self.root is None else self._find_homes()
        self.taken: set[str] = set()
        originals = (
            self._original(split, file)
            for split, part in labelled.parts.items()
            for file in part.files or ()
        )
        self.folded = {name.casefold() for name in originals}

    def real(
        self, split: str, class_name: str, row: int, files: list[Path] | None
    ) -> str:
        """Return the name of a real image."""
        if files is None or self.root is None:
            return f"{self._folder(split, class_name)}/real_{row:06d}.png"
        name = self._original(split, files[row])
        if name in self.taken:  # a table may name a file twice
            again = f"{self._folder(split, class_name)}/again_{row:06d}"
            name = self._free(again, files[row].suffix)
        self.taken.add(name)
        return name

    def synthetic(self, lineage: Lineage, suffix: str) -> str:
        """Return the name of a synthetic image."""
        folder = self._folder(TRAIN, lineage.class_name)
        stem = lineage.stem(folder.rsplit("/")[-1])
        folder = self.homes.get(lineage.class_name, folder)
        name = self._free(f"{folder}/{stem}", suffix)
        self.taken.add(name)
        self.folded.add(name.casefold())
        return name

    def _original(self, split: str, file: Path) -> str:
        """Return the name of an original, below its split if one was set aside."""
        folders = file.relative_to(self.root or "").parts
        if self.labelled.held_out is None:
            return "/".join(folders)
        if len(folders) > 2 and folders[0].lower() in SPLIT_NAMES:
            folders = folders[1:]
        return "/".join([split, *folders])

    def _free(self, name: str, suffix: str) -> str:
        free = f"{name}{suffix}"
        while free in self.taken or free.casefold() in self.folded:
            free = f"{free.removesuffix(suffix)}_{suffix}"
        return free

    def _folder(self, split: str, class_name: str) -> str:
        if class_name not in self.folders:
            name = safe_name(class_name)
            while name.lower() in {other.lower() for other in self.folders.values()}:
                name += "_"
            self.folders[class_name] = name
        name = self.folders[class_name]
        return f"{split}/{name}" if self.has_splits else name

    def _find_homes(self) -> dict[str, str]:
        """Return the largest folder of each class with only its training files."""
        owners: dict[str, Counter[tuple[str, str]]] = {}
        for split, part in self.labelled.parts.items():
            for file, label in zip(part.files or (), part.labels, strict=True):
                folder = PurePosixPath(self._original(split, file)).parent.as_posix()
                counts = owners.setdefault(folder, Counter())
                counts[split, self.labelled.name(label)] += 1
        homes: dict[str, tuple[int, str]] = {}
        for folder, counts in owners.items():
            ((split, name), n), *others = counts.items()
            if split == TRAIN and not others and n > homes.get(name, (0, ""))[0]:
                homes[name] = n, folder
        return {name: folder for name, (_, folder) in homes.items()}
