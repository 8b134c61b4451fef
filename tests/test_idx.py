import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from balancegan.data.idx import CODES, find_idx_files, read_idx, write_idx
from balancegan.data.reading import read_images
from balancegan.errors import DataError

IMAGES = np.arange(5 * 16, dtype="uint8").reshape(5, 4, 4)
LABELS = np.array([0, 1, 2, 1, 0], dtype="uint8")


def encode_idx(array):
    file = io.BytesIO()
    write_idx(file, array)
    return file.getvalue()


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
    assert len(find_idx_files(tmp_path)) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no idx file"),
        (b"\0\0\x07\x01\0\0\0\0", "no idx file"),
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


def test_other_types_are_refused():
    with pytest.raises(DataError, match="Received: int64"):
        encode_idx(np.zeros(3, dtype="int64"))
