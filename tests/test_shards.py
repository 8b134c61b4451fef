import gc
import io
import json
import sys
import tarfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from balancegan import ConditionalGANAugmenter
from balancegan.data.lineage import read_lineage
from balancegan.gan.model import BATCH, own_share

from .commands import invoke

N = 150  # images: three batches
CLASS = ("--class", "b.1", "--n", N)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(20, 8, 8), dtype=np.uint8)
    y = np.repeat(["a", "b.1"], [12, 8])
    augmenter = ConditionalGANAugmenter(steps=2, random_state=0, verbose=0).fit(X, y)
    path = tmp_path_factory.mktemp("model") / "model"
    augmenter.save(path)
    return path


def generate(model, out, *options):
    arguments = ["generate", model, *CLASS, "--out", out, *options]
    return invoke(*arguments)


def test_what_was_in_a_folder_before_is_counted(model, tmp_path):
    assert "before" not in generate(model, tmp_path / "o", "--shard", "1/2").stderr
    done = generate(model, tmp_path / "o", "--shard", "2/2", "--overwrite")
    first = len(own_share(np.arange(N), 0, 2))
    assert f"also holds {first} other files from before" in done.stderr
    done = generate(model, tmp_path / "o", "--overwrite")
    assert "before" not in done.stderr
    assert len(list((tmp_path / "o").iterdir())) == N


@given(st.lists(st.integers(0, 1_000)), st.integers(1, 20))
def test_shares_are_all_images_once_and_split_no_batch(numbers, n):
    numbers = np.array(numbers, dtype=int)
    shares = [own_share(numbers, i, n) for i in range(n)]
    joined = np.sort(np.concatenate(shares))
    np.testing.assert_array_equal(joined, np.sort(numbers))
    batches = [set((share // BATCH).tolist()) for share in shares]
    assert sum(map(len, batches)) == len(set().union(*batches))
    assert max(map(len, batches)) - min(map(len, batches)) <= 1


@pytest.mark.parametrize("n", [2, 3, 5])
def test_folders_of_shards_are_the_folder_of_all(model, tmp_path, n):
    assert generate(model, tmp_path / "all").exit_code == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "all").iterdir()}
    parts = {}
    for i in range(1, n + 1):
        out = tmp_path / f"part-{i}"
        assert generate(model, out, "--shard", f"{i}/{n}").exit_code == 0
        part = {path.name: path.read_bytes() for path in out.iterdir()}
        assert not parts.keys() & part.keys()
        parts |= part
    assert len(whole) == N
    assert parts == whole


def records_of(path):
    """Return what each record holds, by its name, and the bytes of its image."""
    if path.suffix == ".parquet":
        rows = pd.read_parquet(path).to_dict("records")
        return {row["image"]["path"]: row for row in rows}
    if path.suffix == ".tar":
        with tarfile.open(path) as tar:
            return {each.name: tar.extractfile(each).read() for each in tar}
    import tensorflow as tf

    raw = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    examples = [tf.train.Example.FromString(each) for each in raw]
    return {
        e.features.feature["synthetic_number"].int64_list.value[0]: e for e in examples
    }


@pytest.mark.parametrize("suffix", ["parquet", "tfrecord", "tar"])
def test_records_of_shards_are_the_records_of_all(model, tmp_path, suffix):
    whole = tmp_path / f"all.{suffix}"
    done = generate(model, whole, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["numbers"] == list(range(N))
    assert generate(model, tmp_path / f"again.{suffix}").exit_code == 0
    assert (tmp_path / f"again.{suffix}").read_bytes() == whole.read_bytes()
    parts = {}
    for i in range(1, 5):  # one of which has nothing to do
        out = tmp_path / f"part-{i}.{suffix}"
        assert generate(model, out, "--shard", f"{i}/4").exit_code == 0
        parts |= records_of(out)
    assert parts == records_of(whole)
    assert len(parts) == N * (3 if suffix == "tar" else 1)


def test_records_say_where_their_images_come_from(model, tmp_path):
    generate(model, tmp_path / "folder")
    files = sorted(path.name for path in (tmp_path / "folder").iterdir())
    file = tmp_path / "folder" / files[70]
    lineage = read_lineage(file)
    for suffix in ("parquet", "tfrecord", "tar"):
        generate(model, tmp_path / f"r.{suffix}")
    row = pd.read_parquet(tmp_path / "r.parquet").iloc[70]
    assert row["image"]["bytes"] == file.read_bytes()
    assert row["image"]["path"] == file.name
    facts = {
        "label": "b.1",
        "class_index": 1,
        "is_synthetic": True,
        "synthetic_number": 70,
        "synthetic_model": lineage.model,
    }
    assert row.drop("image").to_dict() == facts
    tar = records_of(tmp_path / "r.tar")
    key = file.stem.replace(".", "_")
    assert tar[f"{key}.png"] == file.read_bytes()
    assert tar[f"{key}.cls"] == b"1"
    assert json.loads(tar[f"{key}.json"]) == facts
    feature = records_of(tmp_path / "r.tfrecord")[70].features.feature
    (encoded,) = feature["image/encoded"].bytes_list.value
    assert encoded == file.read_bytes()
    assert Image.open(io.BytesIO(encoded)).size == (8, 8)
    assert list(feature["image/class/text"].bytes_list.value) == [b"b.1"]
    assert list(feature["image/class/label"].int64_list.value) == [1]
    assert list(feature["synthetic_number"].int64_list.value) == [70]


# webdataset leaves closing to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_tar_is_read_by_webdataset(model, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    out = tmp_path / "all.tar"
    generate(model, out)
    read = webdataset.WebDataset(str(out), shardshuffle=False).decode("pil")
    samples = list(read.to_tuple("png", "cls", "json"))
    del read
    gc.collect()
    assert len(samples) == N
    assert {cls for _, cls, _ in samples} == {1}
    assert samples[70][2]["synthetic_number"] == 70
    assert samples[0][0].size == (8, 8)


def test_a_shard_that_fails_leaves_nothing_and_is_made_again(
    model, tmp_path, monkeypatch
):
    def fail(*_):
        raise OSError(28, "No space left on device")

    for name in ("part", "part.tar", "part.parquet", "part.tfrecord"):
        out = tmp_path / name
        with monkeypatch.context() as failing:
            failing.setattr("balancegan.cli.generating.encode_image", fail)
            assert generate(model, out, "--shard", "1/2").exit_code == 1
        assert not list(tmp_path.glob(f"*{name}*")), name
        assert generate(model, out, "--shard", "1/2").exit_code == 0
        assert generate(model, out, "--shard", "1/2").exit_code == 2  # it is there
        if out.is_file():
            out.unlink()
        else:
            for file in out.iterdir():
                file.unlink()
            out.rmdir()


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/4/2"])
def test_what_is_no_shard_is_refused(model, tmp_path, shard):
    done = generate(model, tmp_path / "out", "--shard", shard)
    assert done.exit_code == 2
    assert shard in done.output
    assert not (tmp_path / "out").exists()


def test_shards_without_an_image_make_no_picture(model, tmp_path):
    done = generate(model, tmp_path / "out.png", "--shard", "4/4")
    assert done.exit_code == 2
    assert "no image" in done.output


def test_what_a_format_needs_is_said(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    done = generate(model, tmp_path / "out.tar")
    assert done.exit_code == 2
    assert "pip install 'balancegan[webdataset]'" in done.output
    assert not list(tmp_path.iterdir())
