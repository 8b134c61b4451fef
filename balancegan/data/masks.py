"""Leave out masks next to photos.

A mask has a telling name (`0_mask.png`), or lies in a folder of masks next to one of
images, or has the name of a JPEG photo and another suffix (`0.jpg`, `0.png`). The
last rule needs nearly every photo to have one.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import numpy as np

from balancegan.data.foldertree import Folder, Scan
from balancegan.data.links import counted, list_some
from balancegan.errors import DataError

WORD = r"(masks?|seg(mentation)?s?|labels?|gt|ground[ _-]?truth|annotations?)"
MASK_NAME = re.compile(rf"(?P<photo>.+)[ ._-]{WORD}([ ._-]?\d+)?", re.IGNORECASE)
MASK_FOLDER = re.compile(rf"{WORD}(class|object)?", re.IGNORECASE)
IMAGE_FOLDER = re.compile(
    r"((jpe?g|png|bmp|tiff?)?[ _-]?(images?|imgs?|pictures?|photos?|pics?)"
    r"|jpe?g|png|bmp|tiff?|data|dataset|raw|originals?|files)",
    re.IGNORECASE,
)
JPEG = (".jpg", ".jpeg", ".jfif", ".jpe")
NEARLY_ALL = 0.9

Pair = tuple[str, str]


def leave_out_masks(scan: Scan) -> list[str]:
    """Remove masks from the images of a folder, and return notes.

    Parameters
    ----------
    scan : Scan
        The folder, whose tree is changed.
    """
    notes = []
    masks = [f for folder in scan.tree.walk() for f in _remove_mask_folders(folder)]
    if masks:
        images = counted(sum(len(folder.all_images()) for folder in masks), "image")
        paths = list_some([folder.path for folder in masks])
        notes.append(f"left out {images} in folders with names of masks: {paths}")
    named = [mask for folder in scan.tree.walk() for mask in _remove_named(folder)]
    if named:
        images = counted(len(named), "image")
        notes.append(f"left out {images} with names of masks: {list_some(named)}")
    return notes + _remove_twins(scan.tree)


def is_image_folder(name: str) -> bool:
    """Return whether a folder name says that it has images, and not which.

    Examples
    --------
    >>> [is_image_folder(name) for name in ("Imgs", "JPEGImages", "cats", "2021")]
    [True, True, False, False]
    """
    return IMAGE_FOLDER.fullmatch(name) is not None


def _remove_mask_folders(folder: Folder) -> list[Folder]:
    """Remove and return folders of masks that lie next to their images."""
    masks = [f for f in folder.filled if MASK_FOLDER.fullmatch(f.name)]
    stems = _stems(folder.images)
    has_image_folder = any(is_image_folder(f.name) for f in folder.filled)
    removed = [
        mask
        for mask in masks
        if has_image_folder
        or np.mean([_photo_of(i, stems) for i in mask.all_images()]) >= NEARLY_ALL
    ]
    folder.folders = [f for f in folder.folders if f not in removed]
    return removed


def _photo_of(image: str, photos: set[str]) -> bool:
    """Return whether an image has the name of a photo, or of its mask."""
    stem = PurePosixPath(image).stem
    match = MASK_NAME.fullmatch(stem)
    return stem in photos or (match is not None and match["photo"] in photos)


def _remove_named(folder: Folder) -> list[str]:
    stems = _stems(folder.images)
    names = {i: MASK_NAME.fullmatch(PurePosixPath(i).stem) for i in folder.images}
    masks = [i for i, match in names.items() if match and match["photo"] in stems]
    _remove(folder, masks)
    return masks


def _remove_twins(tree: Folder) -> list[str]:
    """Remove images with the name of a photo and another suffix, if nearly all have."""
    by_folder = [(folder, list(_pairs(folder))) for folder in tree.walk()]
    usual = [
        pair
        for folder, pairs in by_folder
        if len(_stems(first for first, _ in pairs))
        >= NEARLY_ALL * len(_stems(folder.images))
        for pair in pairs
    ]
    if len(usual) < 2:
        return _note_pairs([pair for _, pairs in by_folder for pair in pairs])
    kinds = Counter(_kinds(pair) for pair in usual).most_common(1)[0][0]
    mask_kind = _find_mask_kind([p for p in usual if _kinds(p) == kinds])
    removed: list[str] = []
    for folder, pairs in by_folder:
        chosen = [pair for pair in pairs if _kinds(pair) == kinds]
        masks = [name for pair in chosen for name in pair if _kind(name) == mask_kind]
        _remove(folder, masks)
        removed += masks
    (photo_kind,) = set(kinds) - {mask_kind}
    return [
        f"left out {counted(len(removed), f'{mask_kind} file')}, masks or copies of "
        f"{photo_kind} files with the same names: {list_some(removed)}",
        *_remove_twins(tree),  # photos may have masks of several kinds
    ]


def _pairs(folder: Folder) -> Iterator[Pair]:
    """Yield pairs of images with one name and different suffixes."""
    by_stem = defaultdict(list)
    for image in folder.images:
        by_stem[PurePosixPath(image).stem].append(image)
    for images in by_stem.values():
        for first, second in itertools.combinations(sorted(images, key=_kind), 2):
            if _kind(first) != _kind(second):
                yield first, second


def _stems(images: Iterable[str]) -> set[str]:
    return {PurePosixPath(image).stem for image in images}


def _find_mask_kind(pairs: list[Pair]) -> str:
    """Return the suffix next to that of JPEG, which masks never have."""
    kinds = _kinds(pairs[0])
    if JPEG[0] not in kinds:
        raise DataError(
            f"Nearly every image has another one of the same name: {len(pairs)} pairs "
            f"such as {' and '.join(pairs[0])}. One may be the mask of the other, but "
            "which one is unclear. Move the masks to another place, or list the "
            "photos in a metadata.csv with columns file_name and label."
        )
    return next(kind for kind in kinds if kind != JPEG[0])


def _note_pairs(pairs: list[Pair]) -> list[str]:
    if not pairs:
        return []
    both = [" and ".join(pair) for pair in pairs]
    return [
        f"{counted(len(pairs), 'pair')} of images with one name and two suffixes, both "
        f"of which are read: {list_some(both)}"
    ]


def _kinds(pair: Pair) -> Pair:
    return _kind(pair[0]), _kind(pair[1])


def _kind(name: str) -> str:
    """Return the suffix, the same for all spellings of a format."""
    suffix = PurePosixPath(name).suffix.lower()
    return JPEG[0] if suffix in JPEG else suffix.replace(".tiff", ".tif")


def _remove(folder: Folder, images: list[str]) -> None:
    taken = set(images)
    folder.images = [image for image in folder.images if image not in taken]
