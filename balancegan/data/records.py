"""Write synthetic images as records of one file: Parquet, TFRecord or WebDataset tar.

For pipelines that read many images from few large files. Equal records are written as
equal bytes.
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

FACTS = ("label", "class_index", MASK_KEY, NUMBER_KEY, MODEL_KEY)
WRITTEN_AT_ONCE = 512  # rows of a Parquet file


@dataclass(frozen=True)
class Record:
    """One synthetic image.

    Attributes
    ----------
    name : str
        File name without suffix.
    class_index : int
        Index of its class among the sorted labels.
    png : bytes
        The image.
    lineage : Lineage
        Its provenance.
    """

    name: str
    class_index: int
    png: bytes
    lineage: Lineage

    def facts(self) -> dict[str, Any]:
        """Return the values of a record other than the image."""
        by = self.lineage
        known = (by.class_name, self.class_index, True, by.number, by.model)
        return {**dict(zip(FACTS, known, strict=True)), **by.attributes}


def write_records(path: Path, records: Iterable[Record]) -> list[str]:
    """Write records into one file, whole or not at all; return their names.

    Parameters
    ----------
    path : Path
        .parquet (columns "image", of bytes and path as in Hugging Face's datasets,
        "label", "class_index", "is_synthetic", "synthetic_number", "synthetic_model",
        and other attributes), .tfrecord (``tf.train.Example`` with "image/encoded",
        "image/format", "image/class/text", "image/class/label" and the rest by name) or
        .tar (WebDataset: NAME.png, NAME.cls with the class index, NAME.json).
    records : iterable of Record
        The images.
    """
    names: list[str] = []

    def counted() -> Iterator[Record]:
        for record in records:
            names.append(record.name)
            yield record

    WRITERS[path.suffix](path, counted())
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
        """Return a named feature."""
        if isinstance(value, int):
            numbers = tf.train.Int64List(value=[int(value)])  # also of booleans
            return name, tf.train.Feature(int64_list=numbers)
        raw = value if isinstance(value, bytes) else value.encode()
        return name, tf.train.Feature(bytes_list=tf.train.BytesList(value=[raw]))

    # By name: TensorFlow does not write to an open file
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
