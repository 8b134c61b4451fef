"""What data may be called, how it may lie on the disk, and what is refused."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from balancegan.data.reading import READ, find_kind, read_images
from balancegan.errors import DataError
from tests.test_reading_shards import encode, rows_of, write_parquet

X = np.arange(6 * 30, dtype=np.uint8).reshape(6, 6, 5)
Y = ["cat", "cat", "cat", "dog", "dog", "dog"]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.zip", "Unpack"),
        ("a.rar", "Unpack"),
        ("a.7z", "Unpack"),
        ("a.gz", "Unpack"),
        ("a.h5", "np.savez"),
        ("a.HDF5", "np.savez"),
        ("a.mat", "np.savez"),
        ("a.pkl", "np.savez"),
        ("a.pickle", "np.savez"),
        ("a.pt", "np.savez"),
        ("a.lmdb", "np.savez"),
        ("a.json", "as .csv or .jsonl"),
        ("a.xlsx", "as .csv or .jsonl"),
        ("a.whatever", "np.savez"),
        ("a", "np.savez"),
    ],
)
@pytest.mark.parametrize(
    "content", [b"x" * 50, b"", bytes(range(200, 250))], ids=["text", "empty", "binary"]
)
def test_what_is_not_read_says_what_is(tmp_path, name, advice, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_images(path)
    message = str(caught.value)
    assert READ in message
    assert advice in message
    assert "\n" not in message


def zipped_images():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("cat/0.png", encode(X[0]))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
        (pickle.dumps([1, 2]), "a pickle"),
        (gzip.compress(b"abc", mtime=0), "packed by gzip"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (zipped_images(), "a zip archive without arrays"),
        (b"\x93NUMPY" + bytes(99), "a single array"),
    ],
)
@pytest.mark.parametrize("name", ["data.npz", "data"])
def test_what_is_called_otherwise_is_named(tmp_path, content, what, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"is {what}"):
        read_images(tmp_path / name)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 264883338\n"


@pytest.mark.parametrize(
    "name",
    ["t.csv", "a.npz", "a.parquet", "a.npy", "a.tar", "a.zip",
     "train-images-idx3-ubyte", "data/train-00000-of-00001.parquet", "set/x_train.npy",
     "set/train-images-idx3-ubyte"],
)  # fmt: skip
def test_a_pointer_in_place_of_data_is_named(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(POINTER)
    with pytest.raises(DataError, match="Git LFS pointer, not the data: run git lfs"):
        read_images(path if path.parent == tmp_path else tmp_path / name.split("/")[0])


@pytest.mark.parametrize("name", ["a.NPZ", "a.zip", "a"])
def test_arrays_are_read_whatever_they_are_called(tmp_path, name):
    with open(tmp_path / name, "wb") as file:
        np.savez(file, X=X, y=Y)
    assert read_images(tmp_path / name).labels.tolist() == Y


@pytest.mark.parametrize("by", ["file", "folder"])
def test_npy_files_may_be_in_capitals(tmp_path, by):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    (tmp_path / "X.npy").rename(tmp_path / "X.NPY")
    path = tmp_path / "X.NPY" if by == "file" else tmp_path
    np.testing.assert_array_equal(read_images(path).images, X)


def test_names_of_classes_without_images_are_said(tmp_path):
    names = np.array(["cat", "dog", "sock"])
    np.savez(tmp_path / "a.npz", X=X, y=[0, 0, 0, 1, 1, 1], class_names=names)
    data = read_images(tmp_path / "a.npz")
    assert data.name(1) == "dog"
    assert data.notes == ["names of classes without an image: sock"]


def test_test_arrays_may_be_called_in_another_case(tmp_path):
    np.savez(tmp_path / "a.npz", Train_X=X, Train_Y=Y, Test_X=X[:2], Test_Y=Y[:2])
    data = read_images(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.parts["test"].images, X[:2])


HUB = [
    {"data/train-00000-of-00001": "train", "data/test-00000-of-00001": "test"},
    {"train/0000": "train", "test/0000": "test"},
    {"default/train/0000": "train", "default/validation/0000": "val"},
]


@pytest.mark.parametrize("files", HUB)
@pytest.mark.parametrize("image", ["image", "img", "photo of it"])
@pytest.mark.parametrize("label", ["label", "labels", "fine"])
def test_repositories_of_the_hub_are_read(tmp_path, files, image, label):
    (tmp_path / "README.md").write_text("about")
    (tmp_path / ".gitattributes").write_text("x")
    kinds = {label: {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    metadata = {"huggingface": json.dumps({"info": {"features": kinds}})}
    for name in files:
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{image: {"bytes": row["image"], "path": None}, label: row["label"]}
                for row in rows_of(X, [0, 0, 0, 1, 1, 1])]  # fmt: skip
        table = pa.Table.from_pylist(rows).replace_schema_metadata(metadata)
        pq.write_table(table, path)
    data = read_images(tmp_path)
    assert set(data.parts) == set(files.values())
    assert data.labels.tolist() == Y


def test_several_sets_of_the_hub_are_refused_with_their_names(tmp_path):
    for name in ("french", "german"):
        (tmp_path / name).mkdir()
        write_parquet(tmp_path / name / "train-0.parquet", rows_of(X, Y))
    with pytest.raises(DataError, match="several folders: french, german"):
        read_images(tmp_path)
    assert read_images(tmp_path / "german").labels.tolist() == Y


def test_folders_of_images_with_a_shard_next_to_them_are_folders(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.fromarray(X[0]).save(tmp_path / label / "0.png")
    write_parquet(tmp_path / "all.parquet", rows_of(X, Y))
    assert find_kind(tmp_path) == "folder"


@pytest.mark.parametrize("name", ["A.PARQUET", "A.Parquet"])
def test_suffixes_may_be_in_capitals(tmp_path, name):
    write_parquet(tmp_path / name, rows_of(X, Y))
    assert read_images(tmp_path / name).labels.tolist() == Y


def test_a_tar_of_class_folders_is_to_be_unpacked(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("cat/0.png")
        member.size = len(encode(X[0]))
        tar.addfile(member, io.BytesIO(encode(X[0])))
    with pytest.raises(DataError, match="unpack a tar of class folders"):
        read_images(tmp_path / "a.tar")
