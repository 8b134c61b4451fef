"""A fuzz target guided by coverage: bytes to every reader, and to the target grammar.

    python fuzz/coverage_guided.py -max_total_time=60

The first byte says which reader, the others are its file. Options are libFuzzer's. Any
error but balancegan's own ends it with the input that led there.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["balancegan"]):
    from balancegan.balance import parse_strategy
    from balancegan.data.idx import read_idx
    from balancegan.data.lineage import read_lineage
    from balancegan.data.manifests import read_table
    from balancegan.data.reading import read_images
    from balancegan.errors import DataError

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def read_folder(content: bytes, name: str) -> None:
    path = FOLDER / "folder" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        read_images(FOLDER / "folder")
    finally:
        path.unlink()


def read_file(content: bytes, name: str) -> None:
    path = FOLDER / name
    path.write_bytes(content)
    read_lineage(path) if name.endswith(".png") else read_images(path)


def read_manifest(content: bytes, name: str) -> None:
    path = FOLDER / name
    path.write_bytes(content)
    read_table(path)


def read_packed(content: bytes, name: str) -> None:
    path = FOLDER / name
    path.write_bytes(content)
    read_idx(path)


def read_targets(content: bytes, _: str) -> None:
    parse_strategy(content.decode(errors="replace").split("\n"), str)


TARGETS = (
    *((read_file, name) for name in ("data.npz", "x_train.npy", "lineage.png")),
    *((read_manifest, f"table.{kind}") for kind in ("csv", "jsonl", "parquet")),
    *((read_folder, f"a/0.{k}") for k in ("png", "jpg", "bmp", "gif", "tif", "webp")),
    *((read_packed, f"train-images-idx3-ubyte{end}") for end in ("", ".gz")),
    (read_targets, ""),
)


def test_one_input(data: bytes) -> None:
    if not data:
        return
    read, name = TARGETS[data[0] % len(TARGETS)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(data[1:], name)
    except DataError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
