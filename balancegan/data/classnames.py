"""What makers of shards call the classes 0, 1, ... of a column."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def find_class_names(metadata: Mapping[bytes, bytes]) -> Mapping[str, Sequence[str]]:
    """Return what Hugging Face's datasets call them in the metadata of a Parquet file.

    Examples
    --------
    >>> find_class_names({b"huggingface": b"null"})
    {}
    """
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            name: list(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def read_class_names(folder: Path, column: str) -> Mapping[str, Sequence[str]]:
    """Return what TensorFlow Datasets calls them in a file next to its records."""
    file = folder / f"{column}.labels.txt"
    if not file.is_file():
        return {}
    return {column: file.read_text(encoding="utf-8", errors="replace").splitlines()}
