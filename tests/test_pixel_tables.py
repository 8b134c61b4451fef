"""Tables whose cells are pixels, and arrays of flat images."""

import numpy as np
import pytest

from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.errors import DataError

from .commands import invoke


@pytest.fixture
def images(rng):
    images = rng.integers(0, 256, (6, 8, 8)).astype("uint8")
    images[:, -1, -1] = 0  # a corner is empty, as that of a digit
    return images


LABELS = [5, 0, 4, 1, 1, 5]


def write_rows(path, images, labels, *, head=None, sep=",", last=False):
    rows = [] if head is None else [head]
    for image, label in zip(images, labels, strict=True):
        pixels = [str(value) for value in image.reshape(-1)]
        rows.append([*pixels, str(label)] if last else [str(label), *pixels])
    path.write_text("\n".join(sep.join(row) for row in rows) + "\n")
    return path


HEADS = {
    "pixel0": ["label", *(f"pixel{k}" for k in range(64))],
    "1x1": ["label", *(f"{i}x{j}" for i in range(1, 9) for j in range(1, 9))],
    "numbers": ["class", *(str(k) for k in range(64))],
    "mangled": ["0", *(f"0.{k}" for k in range(1, 65))],  # pandas's, of equal ones
    "none": None,
}


@pytest.mark.parametrize("sep", [",", ";", "\t", " ", ", "])
@pytest.mark.parametrize("head", HEADS)
def test_a_column_for_each_pixel(tmp_path, images, head, sep):
    path = write_rows(tmp_path / "t.csv", images, LABELS, head=HEADS[head], sep=sep)
    data = read_images(path)
    np.testing.assert_array_equal(data.images, images)
    assert data.images.dtype == np.uint8
    assert data.labels.tolist() == LABELS


def test_blank_ends_of_rows_are_no_pixels(tmp_path, images):
    path = write_rows(tmp_path / "t.csv", images, LABELS)
    path.write_text(path.read_text().replace("\n", ",\n\n"))
    np.testing.assert_array_equal(read_images(path).images, images)


@pytest.mark.parametrize("head", ["pixel0", "none"])
def test_the_label_may_be_last(tmp_path, images, head):
    images[:, 0, 0] = 0
    names = HEADS[head] and [*HEADS[head][1:], "label"]
    path = write_rows(tmp_path / "t.csv", images, LABELS, head=names, last=True)
    data = read_images(path)
    np.testing.assert_array_equal(data.images, images)
    assert data.labels.tolist() == LABELS


def test_an_ambiguous_label_column_must_be_named(tmp_path, images):
    images[0, -1, -1] = 7
    path = write_rows(tmp_path / "t.csv", images, LABELS)
    with pytest.raises(DataError, match="column_1 to column_65.*--labels-key"):
        read_images(path)
    np.testing.assert_array_equal(
        read_images(path, labels_key="column_1").images, images
    )


def test_letters_are_labels_wherever_they_are(tmp_path, images):
    path = write_rows(tmp_path / "t.csv", images, list("abcabc"))
    assert read_images(path).labels.tolist() == list("abcabc")


def test_pixels_without_labels_are_refused(tmp_path, images):
    path = tmp_path / "t.csv"
    np.savetxt(path, images.reshape(6, -1), fmt="%d", delimiter=",")
    with pytest.raises(DataError, match="none of labels"):
        read_images(path)


def test_three_channels_are_read_pixel_by_pixel(tmp_path, rng):
    colour = rng.integers(0, 256, (6, 8, 8, 3)).astype("uint8")
    colour[:, -1, -1] = 0
    path = write_rows(tmp_path / "t.csv", colour, LABELS)
    np.testing.assert_array_equal(read_images(path).images, colour)


def test_other_shapes_must_be_given(tmp_path, images):
    head = ["label", *(f"p{k}" for k in range(56))]
    path = write_rows(tmp_path / "t.csv", images[:, 1:], LABELS, head=head)
    with pytest.raises(DataError, match="image-shape = .HEIGHT,WIDTH"):
        read_images(path)
    np.testing.assert_array_equal(
        read_images(path, image_shape=(7, 8)).images, images[:, 1:]
    )


def test_floats_stay_floats(tmp_path, images):
    head = HEADS["pixel0"]
    path = write_rows(tmp_path / "t.csv", images / 256, LABELS, head=head)
    data = read_images(path)
    assert data.images.dtype == np.float32
    np.testing.assert_allclose(data.images, images / 256)


@pytest.mark.parametrize("cell", ["x", "", "nan", "inf"])
def test_cells_that_are_no_pixels_are_refused(tmp_path, images, cell):
    path = write_rows(tmp_path / "t.csv", images, LABELS, head=HEADS["pixel0"])
    lines = path.read_text().split("\n")
    lines[2] = ",".join(["5", cell, *lines[2].split(",")[2:]])
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="Pixels"):
        read_images(path)


def write_fer(path, images, sep=" ", more=""):
    usage = [
        "Training",
        "Training",
        "Training",
        "Training",
        "PublicTest",
        "PrivateTest",
    ]
    rows = ["emotion,pixels,Usage"]
    for image, label, use in zip(images, LABELS, usage, strict=True):
        cell = sep.join(map(str, image.reshape(-1)))
        rows.append(f'{label},"{cell}{more}",{use}')
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_table_of_pixels_may_mark_its_test_rows(tmp_path, images):
    rows = [
        ",".join(map(str, [label, int(k > 3), *image.reshape(-1)]))
        for k, (image, label) in enumerate(zip(images, LABELS, strict=True))
    ]
    names = ",".join(f"p{k}" for k in range(images[0].size))
    path = tmp_path / "t.csv"
    path.write_text("\n".join([f"label,is_test,{names}", *rows]))
    data = read_images(path)
    np.testing.assert_array_equal(data.images, images[:4])
    np.testing.assert_array_equal(data.parts["test"].images, images[4:])


@pytest.mark.parametrize("sep", [" ", ",", ", "])
def test_all_pixels_in_a_cell(tmp_path, images, sep):
    data = read_images(write_fer(tmp_path / "fer.csv", images, sep))
    np.testing.assert_array_equal(data.images, images[:4])
    np.testing.assert_array_equal(data.parts["test"].images, images[5:])
    np.testing.assert_array_equal(data.parts["val"].images, images[4:5])
    assert data.labels.tolist() == LABELS[:4]


def test_a_cell_with_too_many_pixels_is_named(tmp_path, images):
    path = write_fer(tmp_path / "fer.csv", images)
    lines = path.read_text().split("\n")
    lines[3] = lines[3].replace('"', '"0 ', 1)
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="64 in row 1, 65 in row 3"):
        read_images(path)


@pytest.mark.parametrize("out", ["b.npz", "b.csv", "b"])
def test_pixels_are_written_as_any_kind(tmp_path, images, out):
    data = read_images(write_rows(tmp_path / "t.csv", images, LABELS))
    write_images(tmp_path / out, data)
    again = read_images(tmp_path / out)
    np.testing.assert_array_equal(again.images.reshape(images.shape), images)
    assert [again.name(label) for label in again.labels] == list(map(str, LABELS))


def test_flat_arrays_need_a_shape(tmp_path, images):
    path = tmp_path / "a.npz"
    np.savez(path, data=images.reshape(6, 64), target=LABELS, id=np.arange(6))
    with pytest.raises(DataError, match="image-shape = .8, 8. in --config"):
        read_images(path)
    with pytest.raises(DataError, match="9,9.*has 81 values.*64 values each"):
        read_images(path, image_shape=(9, 9))
    data = read_images(path, image_shape=(8, 8))
    np.testing.assert_array_equal(data.images, images)
    write_images(tmp_path / "b.npz", data)
    again = read_images(tmp_path / "b.npz")
    np.testing.assert_array_equal(again.images, images)
    assert again.train.columns["id"].tolist() == list(range(6))


def test_flat_test_images_have_the_same_shape(tmp_path, images):
    flat = images.reshape(6, 64)
    np.savez(
        tmp_path / "a.npz",
        x_train=flat,
        y_train=LABELS,
        x_test=flat[:2],
        y_test=LABELS[:2],
    )
    data = read_images(tmp_path / "a.npz", image_shape=[8, 8])
    np.testing.assert_array_equal(data.parts["test"].images, images[:2])


def test_a_shape_of_images_that_have_one_is_refused(tmp_path, images):
    np.savez(tmp_path / "a.npz", X=images, y=LABELS)
    with pytest.raises(DataError, match="none of their orders"):
        read_images(tmp_path / "a.npz", image_shape=(4, 16))


@pytest.mark.parametrize("how", [{"size": (4, 4)}, {"fit": "pad"}])
def test_pixels_have_a_size_already(tmp_path, images, how):
    path = write_rows(tmp_path / "t.csv", images, LABELS)
    with pytest.raises(DataError, match="one size already"):
        read_images(path, **how)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"images_root": "."}, "images_root|images-root is for a table"),
        ({"image_shape": (8, 8)}, "image-shape is for"),
    ],
)
def test_settings_of_tables_are_for_tables(tmp_path, setting, message):
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=message):
        read_images(tmp_path, **setting)


def test_a_folder_of_images_must_be_there(tmp_path):
    (tmp_path / "t.csv").write_text("file_name,label\na.png,b\n")
    with pytest.raises(DataError, match="no folder .*nowhere"):
        read_images(tmp_path / "t.csv", images_root=tmp_path / "nowhere")


def test_the_command_line_takes_a_shape(tmp_path, images):
    path = tmp_path / "a.npz"
    np.savez(path, data=images.reshape(6, 64), target=LABELS)
    refused = invoke("inspect", path)
    assert refused.exit_code == 2
    assert "image-shape = [8, 8]" in refused.output
    out = str(tmp_path / "b.npz")
    done = invoke("convert", path, "--image-shape", "8,8", "--out", out)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(read_images(out).images, images)


@pytest.mark.parametrize("shape", ["8", "8,8,3,1", "a,b", "0,8", "8,"])
def test_what_is_no_shape_is_refused(tmp_path, shape):
    (tmp_path / "a.npz").touch()
    command = ["inspect", str(tmp_path / "a.npz"), "--image-shape", shape]
    result = invoke(*command)
    assert result.exit_code == 2
    assert "such as 28,28" in result.output
