"""Coverage-guided fuzzing of every reader and of the target grammar.

    python -m fuzz.coverage_guided -max_total_time=60

The first byte selects the reader; the rest is its file. Options are libFuzzer's. Any
error other than balancegan's own ends the run with its input.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["balancegan"]):
    from balancegan.balance import parse_strategy
    from balancegan.data.arrayfiles import read_idx
    from balancegan.data.lineage import read_lineage
    from balancegan.data.manifests import read_manifest
    from balancegan.data.reading import read_images
    from balancegan.errors import DataError

from fuzz.corpus import Corpus

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


def read_table(content: bytes, name: str) -> None:
    path = FOLDER / name
    path.write_bytes(content)
    read_manifest(path)


def read_packed(content: bytes, name: str) -> None:
    path = FOLDER / name
    path.write_bytes(content)
    read_idx(path)


def read_targets(content: bytes, _: str) -> None:
    parse_strategy(content.decode(errors="replace").split("\n"), str)


TARGETS = (
    *((read_file, name) for name in ("data.npz", "x_train.npy", "lineage.png")),
    *((read_table, f"table.{kind}") for kind in ("csv", "jsonl", "parquet")),
    *((read_folder, f"a/0.{k}") for k in ("png", "jpg", "bmp", "gif", "tif", "webp")),
    *((read_file, f"shard.{kind}") for kind in ("tar",)),
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


def write_seeds(folder: Path) -> None:
    """Write a whole file for every target, to begin with."""
    whole = Corpus().whole()
    for number, (_, name) in enumerate(TARGETS):
        name = name.replace(".jpg", ".jpeg").replace(".tif", ".tiff")
        ends = [end for end in whole if end and name.endswith(end)] or [""]
        content = whole[max(ends, key=len)]
        (folder / str(number)).write_bytes(bytes([number]) + content)


if __name__ == "__main__":
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    write_seeds(seeds)
    sys.argv.append(str(seeds))
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
