"""The file of weights of a saved model, looked into before anything reads it.

HDF5 files can refer to other files, whose content would be read as weights, and can
say that they hold more than they do. Ours do neither.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

CHECKSUM = "checksum"  # the name among a model's facts of what `seal` returns


def check_plain(path: Path) -> None:
    """Refuse a file with anything but arrays that are in it, as large as they say.

    Raises
    ------
    ValueError
        If it refers to other files, or has arrays that are packed, or not there.
    OSError
        If it is no HDF5 file.
    """
    with h5py.File(path, "r") as file:
        # What a visitor returns ends the visit
        reason = file.visititems_links(_refuse_link) or file.visititems(_refuse_array)
    if reason is not None:
        raise ValueError(reason)


def _refuse_link(name: str, link: object) -> str | None:
    is_inside = isinstance(link, h5py.HardLink)
    return None if is_inside else f"{name} is a link to somewhere else"


def _refuse_array(name: str, found: object) -> str | None:
    if not isinstance(found, h5py.Dataset):
        return None
    if found.external or found.is_virtual:
        return f"{name} is in another file"
    if found.chunks is not None or found.id.get_storage_size() != found.nbytes:
        return f"{name} does not hold the {found.nbytes:,} bytes that it says"
    return None


def seal(facts: Mapping[str, Any], weights: Path) -> str:
    """Return a checksum of what is said of a model and its weights.

    It tells damage, and files that do not belong together. It does not tell who wrote
    them: whoever changes them can make it anew.

    Parameters
    ----------
    facts : mapping
        As JSON has them; their own checksum does not count.
    weights : Path
        The file of weights.
    """
    own = {name: value for name, value in facts.items() if name != CHECKSUM}
    found = hashlib.sha256(json.dumps(own, sort_keys=True).encode())
    with weights.open("rb") as file:
        found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
