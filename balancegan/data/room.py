"""Room on the disk for what shall be written, asked for before hours are spent."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from balancegan import files
from balancegan.data.labelled import LabelledImages
from balancegan.data.outputs import find_format
from balancegan.errors import DataError

N_SAMPLE = 64  # images that are packed to see how small they get
PACKED = ("npz", "folder", "csv", "parquet")


def check_room(
    out: Path, labelled: LabelledImages, n_synthetic: int, format: str | None = None
) -> None:
    """Raise DataError where the disk has less room than an output needs.

    Parameters
    ----------
    out : Path
        See :func:`balancegan.data.outputs.check_output`.
    labelled : LabelledImages
        What would be written.
    n_synthetic : int
        How many images would be added, which are taken to need as much as real ones.
    format : str or None, default=None
        See :func:`balancegan.data.outputs.find_format`.
    """
    n_bytes = estimate_bytes(labelled, n_synthetic, find_format(out, format))
    reason = files.check_room(out, n_bytes)
    if reason is not None:
        raise DataError(
            f"{out} cannot be written: {reason}. Make room there, or write elsewhere."
        )


def estimate_bytes(labelled: LabelledImages, n_synthetic: int, kind: str) -> int:
    """Return about how many bytes an output takes, its images alone."""
    images = labelled.images
    n_bytes = int(np.prod(images.shape[1:])) * images.dtype.itemsize
    each = n_bytes * (_packed_share(images) if _is_packed(labelled, kind) else 1.0)
    total = n_synthetic * each
    for part in labelled.parts.values():
        if part.files is None or kind in ("npz", "npy", "idx"):
            total += len(part.labels) * each
        else:  # copied as they are
            total += sum(file.stat().st_size for file in part.files)
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
