"""Images of shards, one after the other and still encoded: tar, TFRecord, Parquet.

What each format calls image and label, and what else it says. Nothing is unpacked to
files, and no more than a few images are in memory. How they become arrays is not known
here.
"""

import itertools
import json
import os
import re
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balancegan.data.classnames import find_class_names, read_class_names
from balancegan.data.classtars import (
    Folders,
    cut_name,
    find_class_folders,
    refuse_several_splits,
    whole_name,
)
from balancegan.data.opening import SUFFIXES
from balancegan.errors import DataError
from balancegan.files import DAMAGES

TAR, TFRECORD, PARQUET = "tar", "tfrecord", "parquet"
NAMES = {  # those of TensorFlow Datasets end in -00003-of-00016
    TAR: re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2|txz)$", re.IGNORECASE),
    TFRECORD: re.compile(r"\.(tfrecords?|tfrec|record)(-\d+-of-\d+)?$", re.IGNORECASE),
    PARQUET: re.compile(r"\.parquet$", re.IGNORECASE),
}
# The most telling names first
IMAGE_KEYS = ("image/encoded", "image")
LABEL_KEYS = ("image/class/text", "label", "labels", "class", "target")
NUMBERED_LABEL = "image/class/label"
ABOUT_IMAGES = "image/"  # features of this beginning are no columns
MOST_BYTES = 100_000_000  # of an encoded image; more is taken for damage
READ_AT_ONCE = 64  # rows of a Parquet file, records of a TFRecord
FRAME = struct.Struct("<Q4x")  # of a TFRecord: length, and the checksum of that
FOOTER = 4  # bytes: the checksum of what is between

Plain = str | int | float | bool


@dataclass(frozen=True)
class Sample:
    """An image as a shard holds it.

    Attributes
    ----------
    name : str
        What people can find it by.
    image : bytes
        The encoded image.
    label : str, int, float or bool
        Its class.
    columns : dict
        What else is known of it, by name.
    split : str or None
        What the shard says within. None: nothing.
    """

    name: str
    image: bytes
    label: Plain
    columns: dict[str, Plain]
    split: str | None = None


def shard_format(file: Path) -> str | None:
    """Return "tar", "tfrecord" or "parquet", None for another name.

    Examples
    --------
    >>> [shard_format(Path(name)) for name in ("a-7.tar", "a.tfrecord-00000-of-00002")]
    ['tar', 'tfrecord']
    """
    for kind, name in NAMES.items():
        if name.search(file.name):
            return kind
    return None


def holds_images(parquet: Path) -> bool:
    """Return whether a Parquet file has images in it, and not only their names.

    Where nobody can tell (no pyarrow, a damaged file) it is taken for a table of names.
    """
    try:
        from pyarrow.parquet import read_schema

        schema = read_schema(parquet)
    except (ImportError, OSError, *DAMAGES):
        return False
    return bool(_image_columns(schema))


def _image_columns(schema: Any) -> list[str]:
    return [field.name for field in schema if _is_bytes(field.type)]


def _only(names: Iterable[str]) -> str | None:
    """Return the only name; None where there are several, or none."""
    names = list(names)
    return names[0] if len(names) == 1 else None


def iterate_samples(
    file: Path, images_key: str | None = None, labels_key: str | None = None
) -> Iterator[Sample]:
    """Yield the images of a shard in their order.

    Parameters
    ----------
    file : Path
        A .tar of WebDataset, whose files NAME.png (or another kind of image), NAME.cls
        and NAME.json belong together, or one of class folders; a .tfrecord of
        ``tf.train.Example``; or a .parquet with a column of images, of bytes alone or,
        as Hugging Face's datasets have them, of bytes and path.
    images_key, labels_key : str or None, default=None
        Names of features or columns, or suffixes in a tar. None: "image/encoded" or
        "image", or the only column of images; "image/class/text", "label" or the like,
        or the only column of classes. In a tar: the first image, and what NAME.json
        has as "label", or NAME.cls, or the name of the folder.

    Raises
    ------
    DataError
        If the file is damaged, or an image or a label is missing.
    """
    kind = shard_format(file)
    if kind is None:
        raise ValueError(f"No shard is called so: {file}")
    yield from READERS[kind](file, images_key, labels_key)


@contextmanager
def _reading(file: Path, *errors: type[Exception]) -> Iterator[None]:
    """Report what a library raises in the block as damage of the shard.

    Only calls of libraries belong in it: an error of our own is not the file's.
    """
    known: tuple[type[Exception], ...] = (OSError, *DAMAGES, *errors)
    try:
        yield
    except known as error:
        # Those of TensorFlow have what was said apart
        reason = " ".join((getattr(error, "message", None) or str(error)).split())
        if isinstance(error, tarfile.ReadError) and "method" in reason:
            reason = "it is empty or of another kind"  # not one reason for each packing
        raise _not_whole(file, reason or type(error).__name__) from error


def _each(file: Path, items: Iterable[Any], *errors: type[Exception]) -> Iterator[Any]:
    """Yield what a library reads from a shard."""
    end = object()
    with _reading(file, *errors):
        found = iter(items)
    while True:
        with _reading(file, *errors):
            item = next(found, end)
        if item is end:
            return
        yield item


def _not_whole(file: Path, reason: str) -> DataError:
    return DataError(f"{file} is no whole .{shard_format(file)} file: {reason}")


def _read_tar(
    file: Path, images_key: str | None, labels_key: str | None
) -> Iterator[Sample]:
    wanted = SUFFIXES if images_key is None else (f".{images_key.lstrip('.')}",)
    if labels_key is None:
        with _reading(file, tarfile.TarError), tarfile.open(file) as tar:
            names = [member.name for member in tar if member.isreg()]
        folders = find_class_folders(names)
        if folders:
            yield from _read_class_tar(file, folders)
            return
        refuse_several_splits(file, names)
    for name, members in _group_members(file, cut_name):
        suffix = next((suffix for suffix in wanted if suffix in members), None)
        if suffix is None:
            continue  # something else that lies in the archive
        facts = _plain(_load_object(members.get(".json", b"{}"), f"{file}: {name}"))
        label = facts.pop(labels_key or "label", None)
        if label is None:
            label = _read_class(file, members.get(f".{labels_key or 'cls'}"))
        where = f"{file.name}: {name}{suffix}"
        if label is None:
            raise _lacking("label", where, [*members, *facts], "--labels-key")
        yield Sample(where, members[suffix], label, facts)


def _read_class_tar(file: Path, folders: Folders) -> Iterator[Sample]:
    """Yield the images of a tar of class folders."""
    has_splits = any(split is not None for _, split in folders.values())
    for name, members in _group_members(file, whole_name):
        if name in folders:
            label, split = folders[name]
            if label is None or (has_splits and split is None):
                what = "class" if label is None else "split"
                raise DataError(
                    f"The folders of {file} say splits, but no {what} of {name}. "
                    "Expected: folders such as train/cat and test/cat."
                )
            pixels = next(iter(members.values()))
            yield Sample(f"{file.name}: {name}", pixels, label, {}, split)


def _group_members(
    file: Path, cut: Callable[[str], tuple[str, str]]
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield what files of one name have, by their suffixes."""
    with ExitStack() as stack:
        with _reading(file, tarfile.TarError):
            tar = stack.enter_context(tarfile.open(file, "r|*"))
        every = _each(file, tar, tarfile.TarError)
        members = (each for each in every if each.isreg())
        for name, group in itertools.groupby(members, key=lambda m: cut(m.name)[0]):
            found, n_bytes = {}, 0
            for member in group:
                n_bytes += member.size
                if n_bytes > MOST_BYTES:
                    reason = f"{name} has more than {MOST_BYTES:,} bytes"
                    raise _not_whole(file, reason)
                with _reading(file, tarfile.TarError):
                    content = tar.extractfile(member)
                    found[cut(member.name)[1].lower()] = content.read()  # type: ignore[union-attr]
            yield name, found


def _load_object(content: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"The .json of {where} is no JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _read_class(file: Path, content: bytes | None) -> str | int | None:
    """Return the class that a .cls file names, by a number or a text."""
    with _reading(file):
        text = (content or b"").decode().strip()
    return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else text or None


def _read_tfrecord(
    file: Path, images_key: str | None, labels_key: str | None
) -> Iterator[Sample]:
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    _check_lengths(file)
    names = read_class_names(file.parent, labels_key or "label")
    batches = tf.data.TFRecordDataset(str(file)).batch(READ_AT_ONCE)
    found = _each(file, batches.as_numpy_iterator(), tf.errors.OpError)
    records = (record for batch in found for record in batch.tolist())
    for number, record in enumerate(records):
        with _reading(file, DecodeError):
            example = tf.train.Example.FromString(record)
        features = example.features.feature.items()
        values = {name: _value(feature) for name, feature in features}
        where = f"{file.name}: record {number}"
        sample = _make_sample(file, where, values, images_key, labels_key)
        yield _name_label(sample, names, labels_key or "label")


def _check_lengths(file: Path) -> None:
    """Refuse lengths beyond the file, for which TensorFlow would ask for memory."""
    end = file.stat().st_size
    with open(file, "rb") as stream:
        while (place := stream.tell()) < end:
            record = f"the record at byte {place:,}"
            if end - place < FRAME.size:
                raise _not_whole(file, f"{record} does not end in it")
            (length,) = FRAME.unpack(stream.read(FRAME.size))
            if place + FRAME.size + length + FOOTER > end:
                raise _not_whole(file, f"{record} does not end in it")
            if length > MOST_BYTES:
                raise _not_whole(file, f"{record} has {length:,} bytes")
            stream.seek(length + FOOTER, os.SEEK_CUR)


def _value(feature: Any) -> Any:
    """Return the only value of a feature, None where there are more or none."""
    kind = feature.WhichOneof("kind")
    values = [] if kind is None else getattr(feature, kind).value
    return values[0] if len(values) == 1 else None


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
            yield _name_label(sample, names, labels_key or "label")


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _is_bytes(kind.field(place).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _name_label(
    sample: Sample, names: Mapping[str, Sequence[str]], column: str
) -> Sample:
    known = names.get(column, ())
    if type(sample.label) is not int or not 0 <= sample.label < len(known):
        return sample
    return Sample(sample.name, sample.image, known[sample.label], sample.columns)


def _make_sample(
    file: Path,
    where: str,
    values: Mapping[str, Any],
    images_key: str | None,
    labels_key: str | None,
) -> Sample:
    """Find image and label among the values of a record."""
    pixels: Any = None
    for name in IMAGE_KEYS if images_key is None else (images_key,):
        pixels = pixels or values.get(name)
    if isinstance(pixels, Mapping):  # Hugging Face's
        pixels = pixels.get("bytes")
    if not isinstance(pixels, bytes) or not pixels:
        raise _lacking("encoded image", where, values, "--images-key")
    if len(pixels) > MOST_BYTES:
        raise _not_whole(file, f"{where} has an image of {len(pixels):,} bytes")
    facts = _plain(values)
    keys = (*LABEL_KEYS, NUMBERED_LABEL) if labels_key is None else (labels_key,)
    found = (facts.pop(key, None) for key in keys)
    label = next((value for value in found if value is not None), None)
    if label is None:
        raise _lacking("label", where, values, "--labels-key")
    columns = {
        name: value
        for name, value in facts.items()
        if not name.startswith(ABOUT_IMAGES) and name != images_key
    }
    return Sample(where, pixels, label, columns)


def _plain(values: Mapping[str, Any]) -> dict[str, Plain]:
    """Return the texts, numbers and truths among values; bytes as texts if they are."""
    found: dict[str, Plain] = {}
    for name, value in values.items():
        if isinstance(value, bytes) and name not in IMAGE_KEYS:
            try:
                value = value.decode()
            except UnicodeDecodeError:
                continue
        if isinstance(value, (str, int, float, bool)) and value == value:  # no NaN
            found[name] = value
    return found


def _lacking(what: str, where: str, names: Iterable[str], option: str) -> DataError:
    return DataError(
        f"Every image of a shard needs its bytes and a label. Received: no {what} in "
        f"{where}, which has {', '.join(map(str, names)) or 'nothing'}. Name another "
        f"by {option}."
    )


Reader = Callable[[Path, str | None, str | None], Iterator[Sample]]
READERS: dict[str, Reader] = {
    TAR: _read_tar,
    TFRECORD: _read_tfrecord,
    PARQUET: _read_parquet,
}
