"""Synthetic images as records of one file: Parquet, TFRecord, or a tar of WebDataset.

For pipelines that read many images from few large files. Each record has a PNG file,
which says itself where it comes from, and the same beside it. They are written as they
come, in the order in which they come, and with no word of when: what is equal is
written equally.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, starmap
from pathlib import Path
from typing import Any

from balancegan.data.lineage import MASK_KEY, MODEL_KEY, NUMBER_KEY, Lineage
from balancegan.errors import DataError
from balancegan.files import whole_file

FACTS = ("label", "class_index", MASK_KEY, NUMBER_KEY, MODEL_KEY)  # of every record
WRITTEN_AT_ONCE = 512  # rows of a Parquet file


@dataclass(frozen=True)
class Record:
    """One synthetic image.

    Attributes
    ----------
    name : str
        What its file would be called, without a suffix.
    class_index : int
        Place of its class among the sorted labels, from 0.
    png : bytes
        The image.
    lineage : Lineage
        Where it comes from.
    """

    name: str
    class_index: int
    png: bytes
    lineage: Lineage

    def facts(self) -> dict[str, Any]:
        """Return what a record says beside the image: plain values."""
        by = self.lineage
        known = (by.class_name, self.class_index, True, by.number, by.model)
        return {**dict(zip(FACTS, known, strict=True)), **by.attributes}


def write_records(path: Path, records: Iterable[Record]) -> list[str]:
    """Write records into one file, which appears when all are in it.

    Parameters
    ----------
    path : Path
        .parquet (columns "image", of bytes and path as Hugging Face's datasets have
        them, "label", "class_index", "is_synthetic", "synthetic_number",
        "synthetic_model", and the other attributes),
        .tfrecord (``tf.train.Example`` with "image/encoded", "image/format",
        "image/class/text", "image/class/label" and the rest by name) or .tar
        (WebDataset: NAME.png, NAME.cls with the class index, NAME.json).
    records : iterable of Record

    Returns
    -------
    names : list of str
        Theirs.

    Raises
    ------
    DataError
        If the library that the format needs is not there.
    """
    names: list[str] = []

    def passing() -> Iterator[Record]:
        for record in records:
            names.append(record.name)
            yield record

    WRITERS[path.suffix](path, passing())
    return names


def _write_parquet(path: Path, records: Iterable[Record]) -> None:
    with _needing(path, "pyarrow", "parquet"):
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

    records = iter(records)
    first = list(islice(records, 1))
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    plain = {"class_index": pa.int64(), MASK_KEY: pa.bool_(), NUMBER_KEY: pa.int64()}
    columns = list(first[0].facts()) if first else FACTS
    schema = pa.schema(
        [("image", image), *((name, plain.get(name, pa.string())) for name in columns)]
    )
    with whole_file(path) as file, ParquetWriter(file, schema) as writer:
        rest = chain(first, records)
        while some := list(islice(rest, WRITTEN_AT_ONCE)):
            rows = [
                {"image": {"bytes": one.png, "path": f"{one.name}.png"}, **one.facts()}
                for one in some
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _write_tfrecord(path: Path, records: Iterable[Record]) -> None:
    import tensorflow as tf

    def feature(name: str, value: Any) -> tuple[str, Any]:
        """Return a fact by its name, as TensorFlow writes it."""
        if isinstance(value, int):
            numbers = tf.train.Int64List(value=[int(value)])  # truths are refused
            return name, tf.train.Feature(int64_list=numbers)
        raw = value if isinstance(value, bytes) else value.encode()
        return name, tf.train.Feature(bytes_list=tf.train.BytesList(value=[raw]))

    # By its name: TensorFlow writes to no file that is open already
    with whole_file(path) as file, tf.io.TFRecordWriter(file.name) as writer:
        for record in records:
            facts = record.facts()
            values = {
                "image/encoded": record.png,
                "image/format": "png",
                "image/class/text": facts.pop("label"),
                "image/class/label": facts.pop("class_index"),
                **facts,
            }
            features = tf.train.Features(feature=dict(starmap(feature, values.items())))
            example = tf.train.Example(features=features)
            writer.write(example.SerializeToString(deterministic=True))


def _write_tar(path: Path, records: Iterable[Record]) -> None:
    with _needing(path, "webdataset", "webdataset"):
        from webdataset import TarWriter

    with whole_file(path) as file, TarWriter(file, encoder=False, mtime=0) as writer:
        for record in records:
            facts = json.dumps(record.facts(), ensure_ascii=False)
            writer.write(
                {
                    "__key__": record.name.replace(".", "_"),  # ends at the first dot
                    "png": record.png,
                    "cls": str(record.class_index).encode(),
                    "json": facts.encode(),
                }
            )


WRITERS: dict[str, Callable[[Path, Iterable[Record]], None]] = {
    ".parquet": _write_parquet,
    ".tfrecord": _write_tfrecord,
    ".tar": _write_tar,
}


@contextmanager
def _needing(path: Path, library: str, extra: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DataError(
            f"{path} needs {library}: pip install 'balancegan[{extra}]'. Or write "
            "another format."
        ) from error
