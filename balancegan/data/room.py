"""Room on the disk for what shall be written, asked for before hours are spent."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from balancegan import files
from balancegan.data.labelled import LabelledImages
from balancegan.data.outputs import IMAGE_FILES, find_format
from balancegan.errors import DataError

N_SAMPLE = 64  # images that are packed to see how small they get
PACKED = ("npz", "folder", "csv", "parquet")


def check_room(
    out: Path,
    labelled: LabelledImages,
    plan: Mapping[Any, int],
    format: str | None = None,
    classes: np.ndarray | None = None,
    gan_share: float = 0.0,
) -> None:
    """Raise DataError where the disk has less room than an output needs.

    Parameters
    ----------
    out : Path
        See :func:`balancegan.data.outputs.check_output`.
    labelled : LabelledImages
        What would be written.
    plan : mapping of object to int
        How many images would be added to each class.
    format : str or None, default=None
        See :func:`balancegan.data.outputs.find_format`.
    classes : ndarray of shape (n,) or None, default=None
        The class of each training image. None: its label.
    gan_share : float, default=0.0
        The largest share of a class that may be generated.
    """
    kind = find_format(out, format)
    n_bytes = estimate_bytes(labelled, plan, kind, classes, gan_share)
    reason = files.check_room(out, n_bytes)
    if reason is not None:
        raise DataError(
            f"{out} cannot be written: {reason}. Make room there, or write elsewhere."
        )


def estimate_bytes(
    labelled: LabelledImages,
    plan: Mapping[Any, int],
    kind: str,
    classes: np.ndarray | None = None,
    gan_share: float = 0.0,
) -> int:
    """Return about how many bytes an output takes, its images alone.

    Parameters are those of :func:`check_room`, `kind` is the format.
    """
    images = labelled.images
    share = _packed_share(images) if _is_packed(labelled, kind) else 1.0
    each = int(np.prod(images.shape[1:])) * images.dtype.itemsize * share
    sizes = labelled.train.sizes
    if labelled.train.files is None or sizes is None or kind not in IMAGE_FILES:
        n_real = sum(len(part.labels) for part in labelled.parts.values())
        return int((n_real + sum(plan.values())) * each)
    # Files are copied as they are, and so are those that fill up classes
    copied = np.array([file.stat().st_size for file in labelled.train.files])
    generated = sizes.prod(axis=1) * images.shape[-1] * share
    rows_of: dict[Any, list[int]] = {}
    of_images = labelled.labels if classes is None else classes
    for row, label in enumerate(of_images.tolist()):
        rows_of.setdefault(label, []).append(row)
    total = float(
        sum(f.stat().st_size for p in labelled.parts.values() for f in p.files or ())
    )
    for label, n in plan.items():
        own = rows_of.get(label, [])
        rows = own or slice(None)
        n_generated = min(n, np.ceil(gan_share * (len(own) + n)))
        total += n_generated * generated[rows].mean()
        total += (n - n_generated) * copied[rows].mean()
    return int(total)


def _is_packed(labelled: LabelledImages, kind: str) -> bool:
    """Return whether images are written packed: an .npz file is if its source is."""
    path, stored = labelled.path, labelled.stored
    if kind == "npz" and stored is not None and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            member = file.getinfo(f"{stored.images_key}.npy")
        return member.compress_type != zipfile.ZIP_STORED
    return kind in PACKED


def _packed_share(images: np.ndarray) -> float:
    step = max(1, len(images) // N_SAMPLE)
    sample = np.ascontiguousarray(images[::step][:N_SAMPLE]).tobytes()
    return len(zlib.compress(sample)) / max(1, len(sample))
