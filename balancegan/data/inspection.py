"""Inspecting a labelled image set before anything is trained: one door for all.

Images that were read, and images that were handed in, become the parts that the checks
take. The command line and Python ask the same functions.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from balancegan.balance import imbalance_ratio
from balancegan.containers import list_images
from balancegan.data.audit import gather_evidence, run_checks
from balancegan.data.findings import AuditedPart
from balancegan.data.fitting import unfit_image
from balancegan.data.inspected import Inspection
from balancegan.data.labelled import LabelledImages, column_name
from balancegan.data.measures import open_photos
from balancegan.data.reading import read_images
from balancegan.errors import DataError
from balancegan.targets import read_attributes, read_labelled, read_one_label

LARGEST_SIDE = 64  # that images of several sizes are brought to


def inspect(
    X: Any,
    y: Any = None,
    *,
    test: tuple[Any, Any] | None = None,
    value_range: tuple[float, float] | None = None,
    image_shape: tuple[int, ...] | None = None,
    **reading: Any,
) -> Inspection:
    """Count and check a labelled image set, as ``balancegan inspect`` does.

    Parameters
    ----------
    X : path-like, LabelledImages, ndarray, list, Series, DataFrame or dataset
        What :func:`balancegan.read_images` reads, or has read; or images, one by one
        or as an array. Images of a list may differ in size if they are uint8.
    y : array-like of shape (n,) or DataFrame, default=None
        The labels of images; several columns count as one label. None: `X` has them.
    test : tuple of (X, y), default=None
        Test images, which training images are compared with. None: those of a path
        that has any.
    value_range : tuple of float, default=None
        The values of black and white. None: inferred.
    image_shape : tuple of int, default=None
        Height, width and channels of images that are stored flat. None: their own.
    **reading
        Passed to :func:`balancegan.read_images`, if `X` is a path.

    Returns
    -------
    inspection : Inspection
        `findings` is a table of the images that were found.

    Raises
    ------
    DataError
        If there are no such images or labels, or no image can be trained on.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    >>> images[31] = images[7]
    >>> inspect(images, np.arange(60) // 40).sentence
    '60 training images of 2 classes: 1 issue, 0 tips, 6 passed, ...'
    """
    options: dict[str, Any] = {"value_range": value_range, "image_shape": image_shape}
    if isinstance(X, str | os.PathLike):
        X = read_images(X, **options, **reading)
    elif reading:
        raise DataError(
            "Settings of reading are for paths. Received: "
            f"{', '.join(sorted(reading))} with X of type {type(X).__name__}."
        )
    if isinstance(X, LabelledImages):
        if y is not None or test is not None:
            raise DataError(
                "What is read from a path has labels and parts of its own. Received: "
                f"{'y' if y is not None else 'test'} with {X.path}. Leave it out."
            )
        return inspect_labelled(X, value_range=value_range)
    train = _take_images(X, y)
    other = None if test is None else _take_images(*test)
    if other is not None and other.images.shape[1:] != train.images.shape[1:]:
        other = _match(other, train.images.shape[1:])
    return inspect_images(train, other, **options)


def inspect_labelled(
    labelled: LabelledImages,
    *,
    value_range: tuple[float, float] | None = None,
    against: str | None = None,
    group_key: str | None = None,
) -> Inspection:
    """Count and check images that were read.

    Parameters
    ----------
    labelled : LabelledImages
        The images.
    value_range : tuple of float or None, default=None
        As they were read with.
    against : str or None, default=None
        "test" or "val": what training images are compared with. None: test; val
        where there is no test part.
    group_key : str or None, default=None
        The column that says what each image was taken from. None: not known.

    Raises
    ------
    DataError
        If there is no such part or column, or no image can be trained on.
    """
    others = [split for split in ("test", "val") if split in labelled.parts]
    if against is not None and against not in others:
        raise DataError(
            f"{labelled.path} has no part {against} (--against). It has: "
            f"{', '.join(labelled.parts)}."
        )
    against = against or (others[0] if others else "test")
    notes = ["what is said of test images is of val"] if against == "val" else []
    notes += [
        f"{other} was not looked at: see --against {other}"
        for other in others
        if other != against
    ]
    train = audited_part(labelled, "train", group_key)
    if train is None:
        raise ValueError("Labelled images always have a training part.")
    inspection = inspect_images(
        train,
        audited_part(labelled, against, group_key),
        name=labelled.name,
        **labelled.format_settings(value_range),
    )
    title = labelled.path.resolve().name or str(labelled.path)
    return replace(inspection, notes=[*labelled.notes, *notes], title=title)


def audited_part(
    labelled: LabelledImages, split: str, group_key: str | None = None
) -> AuditedPart | None:
    """Return what the checks take of a part; None where there is no such part."""
    part = labelled.parts.get(split)
    if part is None:
        return None
    groups = None
    if group_key is not None:
        known = {group_key, column_name(group_key)} & set(part.columns)
        if known or split == "train":
            groups = labelled.groups(group_key, split)
    photo = None
    if part.files is not None:
        photo = open_photos(part.files, labelled.file_range)
    return AuditedPart(
        *(part.images, part.labels, groups, part.names, part.sizes, photo, part.files)
    )


def inspect_images(
    train: AuditedPart,
    test: AuditedPart | None = None,
    *,
    image_shape: tuple[int, ...] | None = None,
    value_range: tuple[float, float] | None = None,
    name: Callable[[Any], str] = str,
) -> Inspection:
    """Count and check the images of parts; see :func:`inspect`.

    Raises
    ------
    DataError
        If the arrays do not belong together, or no image can be trained on.
    """
    evidence = gather_evidence(train, test, value_range, name, image_shape=image_shape)
    results = run_checks(evidence)
    return Inspection(
        counts=evidence.counts,
        imbalance_ratio=imbalance_ratio(evidence.counts),
        image_format=evidence.image_format,
        results=results,
        evidence=evidence,
    )


def _take_images(X: Any, y: Any) -> AuditedPart:
    """Return images that were handed in with their labels."""
    X, y = read_labelled(X, y)
    several = read_attributes(y)
    if several is None:
        labels = np.asarray(read_one_label(y)[0])
    else:
        labels = several.joined(range(len(several.names)))
    images = list_images(X)
    if images is None:
        return AuditedPart(np.asarray(X), labels)
    shapes = {image.shape[:2] if image.ndim > 1 else image.shape for image in images}
    pixels = [image[..., None] if image.ndim == 2 else image for image in images]
    if len({image.shape for image in pixels}) == 1:
        return AuditedPart(np.stack(pixels), labels)
    if any(
        p.dtype != np.uint8 or p.shape[2:] not in ((1,), (3,), (4,)) for p in pixels
    ):
        raise DataError(
            "Images of several shapes must be uint8 of shape (height, width[, 1, 3 or "
            f"4]). Received: {len(shapes)} sizes, {pixels[0].dtype}. Bring them to one "
            "shape, or to uint8, first."
        )
    sizes = np.array([image.shape[:2] for image in pixels])
    median = np.median(sizes, axis=0)
    height, width = np.maximum(4, np.rint(median * min(1, LARGEST_SIDE / median.max())))
    part = AuditedPart(
        np.empty((len(pixels), 1, 1)), labels, sizes=sizes, photo=_shower(pixels)
    )
    return _match(part, (int(height), int(width), 3))


def _shower(pixels: list[np.ndarray]) -> Callable[[int], np.ndarray]:
    def show(row: int) -> np.ndarray:
        image = pixels[row][..., :3]
        return image.repeat(3, axis=2) if image.shape[2] == 1 else image

    return show


def _match(part: AuditedPart, row_shape: tuple[int, ...]) -> AuditedPart:
    """Return images of several sizes in one; other images as they are."""
    if part.photo is None or len(row_shape) < 3:
        return part
    height, width, channels = row_shape
    photos = (part.photo(row) for row in range(len(part.labels)))
    images = np.stack([unfit_image(p, (height, width), "stretch") for p in photos])
    return replace(part, images=images[..., :channels])


def count_values(column: pd.Series) -> dict[Any, int]:
    """Return how many images have each value of a column, sorted by value.

    Values of unlike kinds are sorted by kind first. Missing ones are counted under
    None, which comes last.

    Raises
    ------
    DataError
        If the values are no single numbers or texts.

    Examples
    --------
    >>> count_values(pd.Series(["red", None, "blue", "red"]))
    {'blue': 1, 'red': 2, None: 1}
    """
    try:
        counts = Counter(column[column.notna()].tolist())
        values = sorted(counts, key=lambda value: (type(value).__name__, value))
    except TypeError as error:
        raise DataError(
            f"An attribute has one number or text for each image. Received: "
            f"{column.name!r} with others: {error}."
        ) from error
    n_missing = int(column.isna().sum())
    found = {value: counts[value] for value in values}
    return found | ({None: n_missing} if n_missing else {})
