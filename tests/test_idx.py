import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from balancegan.data.arrayfiles import IDX_DTYPES, parse_idx_name, read_idx
from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.errors import DataError

IMAGES = np.arange(5 * 16, dtype="uint8").reshape(5, 4, 4)
LABELS = np.array([0, 1, 2, 1, 0], dtype="uint8")
CODES = {np.dtype(d).newbyteorder("="): code for code, d in IDX_DTYPES.items()}


def encode_idx(array):
    head = bytes([0, 0, CODES[array.dtype], array.ndim])
    sides = np.array(array.shape, dtype=">u4").tobytes()
    return head + sides + array.astype(IDX_DTYPES[CODES[array.dtype]]).tobytes()


@given(
    st.sampled_from(sorted(CODES, key=str)).flatmap(
        lambda dtype: arrays(dtype, st.tuples(st.integers(0, 4), st.integers(1, 3)))
    )
)
def test_what_is_written_is_read(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("idx") / "some-images-idx2-ubyte"
    path.write_bytes(encode_idx(array))
    read = read_idx(path)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    "names",
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        (
            "letters-train-images-idx3-ubyte",
            "letters-train-labels-idx1-ubyte",
        ),
    ],
)
def test_a_folder_as_mnist_has_it(tmp_path, names):
    for name, array in zip(names, (IMAGES, LABELS), strict=True):
        for split in ("train", "t10k"):
            content = encode_idx(array[: 5 if split == "train" else 2])
            if name.endswith(".gz"):
                content = gzip.compress(content)
            (tmp_path / name.replace("train", split)).write_bytes(content)
    data = read_images(tmp_path)
    np.testing.assert_array_equal(data.images, IMAGES)
    assert data.labels.tolist() == LABELS.tolist()
    np.testing.assert_array_equal(data.test_part[0], IMAGES[:2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x07\x01\0\0\0\0", "not an idx file"),
        (b"\0\0\x08\x03\0\0", "cut short"),
        (encode_idx(IMAGES)[:-9], "must hold 80.*Received: 71"),
        (encode_idx(IMAGES) + b"\0", "or more"),
        (b"\0\0\x08\x02" + b"\xff" * 8, "cut short"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(path)
    packed = tmp_path / "train-images-idx3-ubyte.gz"
    packed.write_bytes(gzip.compress(content))
    with pytest.raises(DataError):
        read_idx(packed)
    packed.write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(DataError):
        read_idx(packed)


def write_set(folder, name, first=0, parts=("train", "test"), images="images-idx3"):
    """Write a set whose images and labels begin with a value of their own."""
    for part in parts:
        grey = np.full((4, 2, 2), first, dtype="uint8")
        labels = np.array([0, 1, 0, 1], dtype="uint8") + first
        (folder / f"{name}{part}-{images}-ubyte").write_bytes(encode_idx(grey))
        (folder / f"{name}{part}-labels-idx1-ubyte").write_bytes(encode_idx(labels))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("train-images-idx3-ubyte", ("", "x_train")),
        ("train-images.idx3-ubyte", ("", "x_train")),
        ("t10k-labels-idx1-ubyte.gz", ("", "y_test")),
        ("emnist-balanced-test-labels-idx1-ubyte", ("emnist-balanced", "y_test")),
        ("EMNIST-ByClass-Train-Images-IDX3-ubyte.GZ", ("emnist-byclass", "x_train")),
        ("qmnist-train-labels-idx2-int.gz", ("qmnist", "y_train")),
        ("valid-images-idx3-ubyte", ("", "x_val")),
        ("images-idx3-ubyte", ("", "x_train")),
        ("contest-train-images-idx3-ubyte", ("contest", "x_train")),
    ],
)
def test_a_name_says_set_split_and_kind(name, said):
    parsed = parse_idx_name(name)
    assert (parsed.set_name, parsed.key) == said


@pytest.mark.parametrize("name", ["train-images.png", "images", "notes-idx.txt"])
def test_other_names_are_no_idx_files(name):
    assert parse_idx_name(name) is None


def test_one_of_several_sets_must_be_named(tmp_path):
    for first, name in enumerate(("balanced", "byclass", "letters")):
        write_set(tmp_path, f"emnist-{name}-", first * 10)
    with pytest.raises(DataError, match=r"emnist-balanced, .*byclass, .*letters"):
        read_images(tmp_path)


@pytest.mark.parametrize(
    ("how", "file"),
    [
        ("data", "train-images-idx3"),
        ("data", "test-labels-idx1"),
        ("images_key", "train-images-idx3"),
        ("labels_key", "train-labels-idx1"),
    ],
)
def test_a_file_chooses_its_set(tmp_path, how, file):
    write_set(tmp_path, "emnist-balanced-", 0)
    write_set(tmp_path, "emnist-letters-", 10)
    name = f"emnist-letters-{file}-ubyte"
    if how == "data":
        data = read_images(tmp_path / name)
    else:
        data = read_images(tmp_path, **{how: name})
    for found in data.parts.values():
        assert set(found.images.flat) == {10}
        assert set(found.labels) == {10, 11}
    assert set(data.parts) == {"train", "test"}


def test_keys_of_two_sets_are_refused(tmp_path):
    write_set(tmp_path, "a-")
    write_set(tmp_path, "b-")
    keys = ("a-train-images-idx3-ubyte", "b-train-labels-idx1-ubyte")
    with pytest.raises(DataError, match="2 sets"):
        read_images(tmp_path, images_key=keys[0], labels_key=keys[1])


def test_a_file_that_also_exists_gzipped_is_read_once(tmp_path):
    write_set(tmp_path, "")
    for file in list(tmp_path.iterdir()):
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    assert len(read_images(tmp_path).labels) == 4


def test_two_files_of_one_part_that_differ_are_refused(tmp_path):
    write_set(tmp_path, "")
    content = gzip.compress(encode_idx(np.ones((4, 2, 2), dtype="uint8")))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match="differ"):
        read_images(tmp_path)


def test_an_npy_file_of_the_same_part_is_refused(tmp_path):
    write_set(tmp_path, "")
    np.save(tmp_path / "x_train.npy", IMAGES[:4])
    with pytest.raises(DataError, match="x_train.npy"):
        read_images(tmp_path)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("train-images-idx3-ubyte", "training images"),
        ("train-labels-idx1-ubyte", "training labels"),
        ("train-*", "training images and training labels"),
    ],
)
def test_what_a_set_lacks_is_said(tmp_path, missing, message):
    write_set(tmp_path, "")
    for file in list(tmp_path.glob(missing)):
        file.unlink()
    files = ", ".join(sorted(file.name for file in tmp_path.iterdir()))
    expected = f"lacks {message}.*train-images-idx3-ubyte.*Received: {files}[.]"
    with pytest.raises(DataError, match=expected):
        read_images(tmp_path)


def test_test_images_without_labels_are_noted(tmp_path):
    write_set(tmp_path, "")
    (tmp_path / "test-labels-idx1-ubyte").unlink()
    data = read_images(tmp_path)
    assert set(data.parts) == {"train"}
    assert any("x_test" in note for note in data.notes)


def test_archives_next_to_a_set_are_noted(tmp_path):
    write_set(tmp_path, "")
    (tmp_path / "more.npz").write_bytes(b"")
    assert any("more.npz" in note for note in read_images(tmp_path).notes)


def test_folders_that_are_called_as_files_are_none(tmp_path):
    write_set(tmp_path, "", images="images.idx3")
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    assert len(read_images(tmp_path).labels) == 4


def test_lengths_that_differ_are_refused(tmp_path):
    write_set(tmp_path, "")
    (tmp_path / "test-labels-idx1-ubyte").write_bytes(encode_idx(LABELS))
    with pytest.raises(DataError, match="4 images of the test part, and 5 labels"):
        read_images(tmp_path)


def test_a_single_file_is_written_as_another_kind(tmp_path):
    write_set(tmp_path, "a-")
    data = read_images(tmp_path / "a-train-images-idx3-ubyte")
    write_images(tmp_path / "out.npz", data)
    again = read_images(tmp_path / "out.npz")
    np.testing.assert_array_equal(again.images, data.images)
    assert set(again.parts) == {"train", "test"}
