"""Masks next to photos: which files of a folder are not to be taken for photos.

A mask has the name of its photo and another suffix (`0.jpg`, `0.png`), or says what it
is (`0_mask.png`), or lies in a folder of masks next to one of images.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from balancegan.data.decoding import decode, find_scale, read_header
from balancegan.data.foldertree import Folder, Scan
from balancegan.data.links import counted, list_some
from balancegan.data.opening import UnusableImage
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
N_LOOKED_AT = 8  # pairs of a photo and what may be its mask
FEW_COLOURS = 16  # of a mask
MOST_SIDE = 500  # pixels that are looked at, of more every second or further one
ALIKE = 16.0  # mean difference of grey values, of a picture saved twice

Pair = tuple[str, str]


def leave_out_masks(scan: Scan) -> list[str]:
    """Take masks out of the images of a folder; return what to tell people of them.

    Parameters
    ----------
    scan : Scan
        The folder, whose tree is changed.

    Raises
    ------
    DataError
        If nearly all images come in pairs of one name, and nothing says which of both
        is the photo.
    """
    notes = []
    masks = [f for folder in scan.tree.walk() for f in _leave_out_folders(folder)]
    if masks:
        images = counted(sum(len(folder.all_images()) for folder in masks), "image")
        paths = list_some([folder.path for folder in masks])
        notes.append(f"left out {images} in folders with names of masks: {paths}")
    named = _leave_out_named(scan.tree)
    if named:
        notes.append(
            f"left out {counted(len(named), 'image')} with names of masks: "
            f"{list_some(named)}"
        )
    return notes + _leave_out_twins(scan)


def is_image_folder(name: str) -> bool:
    """Return whether a name says that images are in a folder, and not which ones.

    Examples
    --------
    >>> [is_image_folder(name) for name in ("Imgs", "JPEGImages", "cats", "2021")]
    [True, True, False, False]
    """
    return IMAGE_FOLDER.fullmatch(name) is not None


def _leave_out_folders(folder: Folder) -> list[Folder]:
    """Take out and return folders of masks, next to the images that they belong to."""
    masks = [f for f in folder.filled if MASK_FOLDER.fullmatch(f.name)]
    stems = _stems(folder.images)
    is_beside = any(is_image_folder(f.name) for f in folder.filled)
    left_out = [m for m in masks if is_beside or _share_named(m, stems) >= NEARLY_ALL]
    folder.folders = [f for f in folder.folders if f not in left_out]
    return left_out


def _share_named(masks: Folder, photos: set[str]) -> float:
    """Return the share of the images below a folder that are called as photos are."""
    stems = [PurePosixPath(image).stem for image in masks.all_images()]
    matches = [MASK_NAME.fullmatch(stem) for stem in stems]
    named = [
        stem in photos or (match is not None and match["photo"] in photos)
        for stem, match in zip(stems, matches, strict=True)
    ]
    return float(np.mean(named))


def _leave_out_named(tree: Folder) -> list[str]:
    left_out = []
    for folder in tree.walk():
        stems = _stems(folder.images)
        masks = []
        for image in folder.images:
            match = MASK_NAME.fullmatch(PurePosixPath(image).stem)
            if match is not None and match["photo"] in stems:
                masks.append(image)
        _remove(folder, masks)
        left_out += masks
    return left_out


def _leave_out_twins(scan: Scan) -> list[str]:
    """Take out what has the name of a photo and another suffix, where nearly all do."""
    by_folder = [(folder, list(_pairs(folder))) for folder in scan.tree.walk()]
    pairs = [pair for _, of_folder in by_folder for pair in of_folder]
    usual = [
        pair
        for folder, of_folder in by_folder
        if len(_stems(first for first, _ in of_folder))
        >= NEARLY_ALL * len(_stems(folder.images))
        for pair in of_folder
    ]
    if len(usual) < 2:
        return _note_pairs(pairs)
    kinds = Counter(_kinds(pair) for pair in usual).most_common(1)[0][0]
    usual = [pair for pair in usual if _kinds(pair) == kinds]
    of_masks = _kind_of_masks(scan, usual)
    left_out: list[str] = []
    for folder, of_folder in by_folder:
        chosen = [pair for pair in of_folder if _kinds(pair) == kinds]
        masks = [name for pair in chosen for name in pair if _kind(name) == of_masks]
        _remove(folder, masks)
        left_out += masks
    (photos,) = set(kinds) - {of_masks}
    return [
        f"left out {counted(len(left_out), f'{of_masks} file')}, masks or copies of "
        f"{photos} files with the same names: {list_some(left_out)}",
        *_leave_out_twins(scan),  # of photos with masks of several kinds
    ]


def _pairs(folder: Folder) -> Iterator[Pair]:
    """Yield each two images of one name and different suffixes."""
    by_stem = defaultdict(list)
    for image in folder.images:
        by_stem[PurePosixPath(image).stem].append(image)
    for images in by_stem.values():
        for first, second in itertools.combinations(sorted(images, key=_kind), 2):
            if _kind(first) != _kind(second):
                yield first, second


def _stems(images: Iterable[str]) -> set[str]:
    return {PurePosixPath(image).stem for image in images}


def _kind_of_masks(scan: Scan, pairs: list[Pair]) -> str:
    """Return which of two kinds of files the masks are, or copies of the photos."""
    step = max(1, len(pairs) // N_LOOKED_AT)
    looks = [look for pair in pairs[::step] if (look := _look_at(scan, pair))]
    kinds = _kinds(pairs[0])
    shares = [_share(look[side] for look in looks) for side in (0, 1)]
    if max(shares) >= NEARLY_ALL > min(shares):
        return kinds[int(np.argmax(shares))]
    are_other_photos = min(shares) < NEARLY_ALL and _share(k[2] for k in looks) > 0.5
    if JPEG[0] not in kinds or are_other_photos:
        raise DataError(
            f"Nearly every image has another one of the same name: {len(pairs)} pairs "
            f"such as {' and '.join(pairs[0])}. One may be the mask of the other, but "
            "which one cannot be told. Move the masks to another place, or list the "
            "photos in a metadata.csv with columns file_name and label."
        )
    return next(kind for kind in kinds if kind != JPEG[0])


def _share(answers: Iterable[bool]) -> float:
    """Return the share of answers that are yes; 0 without answers."""
    return float(np.mean([*answers] or [False]))


def _look_at(scan: Scan, pair: Pair) -> tuple[bool, bool, bool] | None:
    """Return which of two images may be a mask of the other, and whether they differ.

    A mask has few colours, or is grey where the photo is not. None: one of them cannot
    be decoded.
    """
    if not all(scan.may_open(name) for name in pair):
        return None
    try:
        first, second = (_decode(scan.root / name) for name in pair)
        small = [_decode(scan.root / name, (16, 16)) for name in pair]
    except UnusableImage:
        return None
    difference = np.abs(small[0].astype(float) - small[1]).mean()
    are_grey = _is_grey(first), _is_grey(second)
    return (
        _has_few_colours(first) or are_grey == (True, False),
        _has_few_colours(second) or are_grey == (False, True),
        bool(difference > ALIKE),
    )


def _has_few_colours(pixels: np.ndarray) -> bool:
    """Return whether nearly all pixels have a few colours; edges may be smoothed."""
    step = max(1, max(pixels.shape) // MOST_SIDE)
    colours = pixels[::step, ::step].reshape(-1, 3).astype(int) @ (65_536, 256, 1)
    _, counts = np.unique(colours, return_counts=True)
    return bool(np.sort(counts)[-FEW_COLOURS:].sum() >= NEARLY_ALL * counts.sum())


def _is_grey(pixels: np.ndarray) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _decode(file: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return the pixels of a file, brought to a size or in its own."""
    header = read_header(file)
    scale = find_scale([(file.name, file)])[0] if header.is_deep else None
    size = size or (header.height, header.width)
    return decode(file, 3, size, "stretch", scale)[0]


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
    """Return the suffix, one for all spellings of the same format."""
    suffix = PurePosixPath(name).suffix.lower()
    return JPEG[0] if suffix in JPEG else suffix.replace(".tiff", ".tif")


def _remove(folder: Folder, images: list[str]) -> None:
    taken = set(images)
    folder.images = [image for image in folder.images if image not in taken]
