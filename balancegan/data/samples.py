"""The encoded images of one shard, each with its label and columns.

A shard is a WebDataset tar or a Parquet file. Which files are shards, and how their
images are decoded, is decided in `shards`.
"""

import itertools
import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from balancegan.data.opening import SUFFIXES
from balancegan.errors import DataError
from balancegan.files import READ_ERRORS

TAR, PARQUET = "tar", "parquet"
NAMES = {
    TAR: re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2|txz)$", re.IGNORECASE),
    PARQUET: re.compile(r"\.parquet$", re.IGNORECASE),
}
IMAGE_KEY = "image"
LABEL_KEYS = ("label", "labels", "class", "target")  # in order of preference
MOST_BYTES = 100_000_000  # of an encoded image; larger ones count as damage
READ_AT_ONCE = 64  # rows of a Parquet file

Plain = str | int | float | bool


@dataclass(frozen=True)
class Sample:
    """An encoded image of a shard.

    Attributes
    ----------
    name : str
        Identifies the image in messages.
    image : bytes
        The encoded image.
    label : str, int, float or bool
        Its class.
    columns : dict
        Further values, by name.
    """

    name: str
    image: bytes
    label: Plain
    columns: dict[str, Plain]


def shard_format(file: Path) -> str | None:
    """Return "tar" or "parquet" by the file name, None for any other name.

    Examples
    --------
    >>> [shard_format(Path(name)) for name in ("a-7.tar", "a.TGZ", "a.csv")]
    ['tar', 'tar', None]
    """
    return next((kind for kind, name in NAMES.items() if name.search(file.name)), None)


def holds_images(parquet: Path) -> bool:
    """Return whether a Parquet file contains images, and not only their names.

    False if that cannot be read (no pyarrow, a damaged file).
    """
    try:
        from pyarrow.parquet import read_schema

        schema = read_schema(parquet)
    except (ImportError, OSError, *READ_ERRORS):
        return False
    return bool(_image_columns(schema))


def iterate_samples(
    file: Path, images_key: str | None = None, labels_key: str | None = None
) -> Iterator[Sample]:
    """Yield the images of a shard in order.

    Parameters
    ----------
    file : Path
        A WebDataset tar, in which NAME.png (or another image format), NAME.cls and
        NAME.json belong together; or a .parquet file with a column of images: bytes, or
        a struct of bytes and path as in Hugging Face's datasets.
    images_key, labels_key : str or None, default=None
        Column names, or suffixes in a tar. None: in a Parquet file the only column of
        images or "image", and "label" or the like, or the only column of classes; in a
        tar the first image, and "label" of NAME.json or NAME.cls.
    """
    read = _read_tar if shard_format(file) == TAR else _read_parquet
    yield from read(file, images_key, labels_key)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Report exceptions of a library as damage of the shard."""
    try:
        yield
    except (OSError, *READ_ERRORS, tarfile.TarError) as error:
        reason = " ".join(str(error).split())
        if isinstance(error, tarfile.ReadError) and "method" in reason:
            reason = "it is empty or of another kind"  # instead of one per compression
        raise _damaged(file, reason or type(error).__name__) from error


def _each(file: Path, items: Iterable[Any]) -> Iterator[Any]:
    """Yield what a library reads from a shard, with its exceptions translated."""
    end = object()
    with _reading(file):
        found = iter(items)
    while True:
        with _reading(file):
            item = next(found, end)
        if item is end:
            return
        yield item


def _damaged(file: Path, reason: str) -> DataError:
    return DataError(f"{file} is damaged, or no .{shard_format(file)} file: {reason}")


def _read_tar(
    file: Path, images_key: str | None, labels_key: str | None
) -> Iterator[Sample]:
    wanted = SUFFIXES if images_key is None else (f".{images_key.lstrip('.')}",)
    for name, members in _group_members(file):
        suffix = next((suffix for suffix in wanted if suffix in members), None)
        if suffix is None:
            continue
        facts = _plain(_load_object(members.get(".json", b"{}"), f"{file}: {name}"))
        label = facts.pop(labels_key or "label", None)
        if label is None:
            label = _read_class(file, members.get(f".{labels_key or 'cls'}"))
        where = f"{file.name}: {name}{suffix}"
        if label is None:
            raise _lacking(
                "label",
                where,
                [*members, *facts],
                "Name another by --labels-key, or unpack a tar of class folders.",
            )
        yield Sample(where, members[suffix], label, facts)


def _group_members(file: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the names up to the first dot, and the contents of each by suffix."""
    with _reading(file):
        tar = tarfile.open(file, "r|*")  # noqa: SIM115
    with tar:
        members = (member for member in _each(file, tar) if member.isreg())
        for name, group in itertools.groupby(members, lambda m: _cut_name(m.name)[0]):
            found, n_bytes = {}, 0
            for member in group:
                n_bytes += member.size
                if n_bytes > MOST_BYTES:
                    raise _damaged(file, f"{name} has more than {MOST_BYTES:,} bytes")
                with _reading(file):
                    content = tar.extractfile(member)
                    found[_cut_name(member.name)[1].lower()] = content.read()  # type: ignore[union-attr]
            yield name, found


def _cut_name(name: str) -> tuple[str, str]:
    """Return a name up to its first dot, and the rest.

    Examples
    --------
    >>> _cut_name("a.b/c.seg.png")
    ('a.b/c', '.seg.png')
    """
    folder, file = os.path.split(os.path.normpath(name))
    stem, dot, suffix = file.partition(".")
    return os.path.join(folder, stem), dot + suffix


def _load_object(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"The .json of {where} is not JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _read_class(file: Path, content: bytes | None) -> str | int | None:
    """Return the class in a .cls file, a number or a text."""
    with _reading(file):
        text = (content or b"").decode().strip()
    return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else text or None


def _read_parquet(
    file: Path, images_key: str | None, labels_key: str | None
) -> Iterator[Sample]:
    from pyarrow.parquet import ParquetFile

    with _reading(file):
        opened = ParquetFile(file)
    with opened as table:
        schema = table.schema_arrow
        names = find_class_names(schema.metadata or {})
        images_key = images_key or _only(_image_columns(schema))
        usual = (key for key in LABEL_KEYS if key in schema.names)
        labels_key = labels_key or next(usual, None) or _only(names)
        lists = (batch.to_pylist() for batch in table.iter_batches(READ_AT_ONCE))
        rows = itertools.chain.from_iterable(_each(file, lists))
        for number, row in enumerate(rows):
            where = f"{file.name}: row {number}"
            sample = _make_sample(file, where, row, images_key, labels_key)
            label, known = sample.label, names.get(labels_key or "label", ())
            if type(label) is int and 0 <= label < len(known):
                sample = replace(sample, label=known[label])
            yield sample


def find_class_names(metadata: Mapping[bytes, bytes]) -> Mapping[str, Sequence[str]]:
    """Return the class names of each column that Hugging Face's metadata declare.

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


def _image_columns(schema: Any) -> list[str]:
    return [field.name for field in schema if _is_bytes(field.type)]


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _is_bytes(kind.field(place).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _only(names: Iterable[str]) -> str | None:
    """Return the only name, None for several or none."""
    names = list(names)
    return names[0] if len(names) == 1 else None


def _make_sample(
    file: Path,
    where: str,
    values: Mapping[str, Any],
    images_key: str | None,
    labels_key: str | None,
) -> Sample:
    """Find image and label among the values of a row."""
    images_key = images_key or IMAGE_KEY
    pixels: Any = values.get(images_key)
    if isinstance(pixels, Mapping):  # Hugging Face's
        pixels = pixels.get("bytes")
    if not isinstance(pixels, bytes) or not pixels:
        remedy = "Name another by --images-key."
        raise _lacking("encoded image", where, values, remedy)
    if len(pixels) > MOST_BYTES:
        raise _damaged(file, f"{where} has an image of {len(pixels):,} bytes")
    facts = _plain(values)
    keys = LABEL_KEYS if labels_key is None else (labels_key,)
    found = (facts.pop(key, None) for key in keys)
    label = next((value for value in found if value is not None), None)
    if label is None:
        raise _lacking("label", where, values, "Name another by --labels-key.")
    facts.pop(images_key, None)
    return Sample(where, pixels, label, facts)


def _plain(values: Mapping[str, Any]) -> dict[str, Plain]:
    """Return the texts, numbers and booleans; bytes as texts if they are UTF-8."""
    found: dict[str, Plain] = {}
    for name, value in values.items():
        if isinstance(value, bytes) and name != IMAGE_KEY:
            try:
                value = value.decode()
            except UnicodeDecodeError:
                continue
        if isinstance(value, (str, int, float, bool)) and value == value:  # not NaN
            found[name] = value
    return found


def _lacking(what: str, where: str, names: Iterable[str], remedy: str) -> DataError:
    return DataError(
        f"Every image of a shard needs its bytes and a label. Received: no {what} in "
        f"{where}, which has {', '.join(map(str, names)) or 'nothing'}. {remedy}"
    )
