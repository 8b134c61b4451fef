import tracemalloc
import zipfile

import numpy as np
import pytest

from balancegan.data.arrays import LAYOUTS
from balancegan.data.arraywriting import write_arrays
from balancegan.data.demo import save_demo_digits
from balancegan.data.labelled import SyntheticImages
from balancegan.data.outputs import check_output
from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.errors import DataError

from .conftest import load_npz, make_images

X, Y = make_images(6), np.array([0, 0, 0, 0, 1, 1])


def added(images, labels):
    """Images as a model would add them."""
    return SyntheticImages(
        [images[:2], images[2:]], labels, np.arange(len(labels)), "0123abcd"
    )


@pytest.fixture
def save(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return save


@pytest.mark.parametrize("case", [str, str.upper, str.lower, str.title])
@pytest.mark.parametrize(("images", "labels"), LAYOUTS)
def test_layouts_are_recognised(save, images, labels, case):
    images, labels = case(images), case(labels)
    data = read_images(save(**{images: X, labels: Y, "other": np.ones(3)}))
    assert (data.stored.images_key, data.stored.labels_key) == (images, labels)
    np.testing.assert_array_equal(data.images, X)
    np.testing.assert_array_equal(data.labels, Y)


def test_the_training_part_is_taken_where_there_are_splits(save):
    path = save(
        val_images=X[:1],
        val_labels=Y[:1],
        train_images=X,
        train_labels=Y[:, None],
        test_images=X[:2],
        test_labels=Y[:2],
    )
    data = read_images(path)
    assert data.stored.images_key == "train_images"
    np.testing.assert_array_equal(data.labels, Y)


def test_arrays_of_no_use_are_named(save, tmp_path):
    used = {"class_names": np.array(["bag", "boot"]), "age_train": np.arange(6)}
    used |= {"x_test": X[:2], "y_test": Y[:2], "age_test": np.arange(2)}
    used |= {"attr_names": np.array(["k"]), "attrs_train": Y[:, None]}
    assert read_images(save(x_train=X, y_train=Y, **used)).notes == []
    others = {"masks": X, "X_val": X[:1], "note": np.array("mine")}
    data = read_images(save(x_train=X, y_train=Y, **used, **others))
    (note,) = data.notes
    assert note.endswith("from .npz to .npz only: masks, X_val, note")
    write_images(tmp_path / "copy.npz", data)
    assert others.keys() <= load_npz(tmp_path / "copy.npz").keys()


def test_arrays_next_to_a_named_npy_file_are_not_noted(tmp_path):
    for name, array in {"x_train": X, "y_train": Y, "another": X}.items():
        np.save(tmp_path / f"{name}.npy", array)
    assert "another" in read_images(tmp_path).notes[0]
    assert read_images(tmp_path / "x_train.npy", labels_key="y_train").notes == []


def test_named_keys(save):
    path = save(pictures=X, classes=Y, X=X[:2], y=Y[:2])
    data = read_images(path, images_key="pictures", labels_key="classes")
    assert len(data.images) == 6
    with pytest.raises(DataError, match="'nothing'.*pictures, classes"):
        read_images(path, images_key="nothing", labels_key="classes")
    assert (
        read_images(save(pictures=X, y=Y), images_key="pictures").stored.labels_key
        == "y"
    )


@pytest.mark.parametrize(
    "stored",
    [Y, Y[:, None], np.eye(2, dtype="float32")[Y], Y.astype("uint8"), Y.astype(str)],
    ids=["row", "column", "one-hot", "uint8", "text"],
)
def test_labels_go_back_in_the_shape_they_came_in(save, tmp_path, stored):
    data = read_images(save(X=X, y=stored))
    assert data.labels.shape == (6,)
    out = tmp_path / "out.npz"
    write_images(out, data, added(X[:1], data.labels[-1:]))
    written = load_npz(out)
    assert written["y"].dtype == stored.dtype
    np.testing.assert_array_equal(written["y"], [*stored, stored[-1]])
    np.testing.assert_array_equal(written["X"], [*X, X[0]])
    assert written["is_synthetic"].tolist() == [False] * 6 + [True]
    assert written["synthetic_number"].tolist() == [-1] * 6 + [0]
    assert written["synthetic_model"] == "0123abcd"


@pytest.mark.parametrize("savez", [np.savez, np.savez_compressed])
def test_everything_else_passes_through_byte_for_byte(tmp_path, rng, savez):
    others = {
        "x_test": make_images(3),
        "notes": np.array(["a", "bc"]),
        "slides": rng.normal(size=6),
    }
    source, out = tmp_path / "data.npz", tmp_path / "out.npz"
    savez(source, x_train=X, y_train=Y, **others)
    data = read_images(source)
    assert data.aligned_keys == ["slides"]
    write_images(out, data, added(X[:0], Y[:0]))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out) as new:
        for key in others:
            assert old.read(f"{key}.npy") == new.read(f"{key}.npy")
        order = [name for name in new.namelist() if name[:-4] in others]
        assert order == [f"{key}.npy" for key in others]
        types = {member.compress_type for member in new.infolist()}
        assert types == {old.getinfo("x_train.npy").compress_type}
    lineage = {"is_synthetic", "synthetic_number", "synthetic_model"}
    assert set(load_npz(out)) == {*others, "x_train", "y_train", *lineage}


def test_class_names_belong_to_labels(save):
    data = read_images(save(X=X, y=Y, class_names=np.array(["bag", "shirt"])))
    assert data.name(1) == "shirt"
    assert data.find_label("shirt") == 1
    assert data.find_label("1") == 1
    with pytest.raises(DataError, match="'sock'.*bag, shirt"):
        data.find_label("sock")


def test_class_names_that_do_not_belong_are_left_alone(save):
    data = read_images(save(X=X, y=Y + 5, class_names=np.array(["bag", "shirt"])))
    assert data.class_names is None
    assert data.name(5) == "5"


def test_text_labels_need_no_names(save):
    data = read_images(save(X=X, y=np.where(Y, "shirt", "bag")))
    assert data.find_label("shirt") == "shirt"


def mixed_shapes():
    images = np.empty(6, dtype=object)
    images[:] = [np.zeros((4 + i, 4)) for i in range(6)]
    return images


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "y": Y[:5]}, "one label per image"),
        ({"X": X, "y": np.array(list("aabbcc"), dtype=object)}, "'y'.*Python objects"),
        ({"X": mixed_shapes(), "y": Y}, "'X'.*differing shapes"),
        ({"X": X, "y": Y, "extra": np.array([{}])}, "'extra'.*Python objects"),
        ({"X": X, "y": np.array(3)}, "one label per image"),
        ({"X": np.array(3), "y": np.array(3)}, "one label per image"),
        ({"X": X[:0], "y": Y[:0]}, "must be images"),
        ({"X": X, "y": np.ones((6, 3))}, "one-hot"),
        ({"X": X, "y": np.array([0, 0, 0, 1, 1, np.nan])}, "NaN"),
        ({"A": X, "B": Y}, r"It holds: A \(6, .*B \(6,\)"),
        ({"arr_0": X, "arr_1": Y, "arr_2": X}, r"Which arrays .* arr_2 \(6,"),
        ({"X": X, "y": Y, "is_synthetic": Y == 1}, "synthetic images already"),
    ],
)
def test_bad_contents_are_refused(save, arrays, message):
    with pytest.raises(DataError, match=message):
        read_images(save(**arrays))


def test_bad_files_are_refused(save, tmp_path):
    with pytest.raises(DataError, match="no file or folder"):
        read_images(tmp_path / "missing.npz")
    text = tmp_path / "text.npz"
    text.write_text("image,label\n")
    with pytest.raises(DataError, match="not an .npz file"):
        read_images(text)
    path = save(X=X, y=Y)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cut short"):
        read_images(path)
    damaged = bytearray(whole)
    damaged[200:220] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="damaged"):
        read_images(path)


@pytest.mark.parametrize("code", [0xD800, 0xDFFF, 0x110000, 2**32 - 1])
def test_texts_that_are_none(save, code):
    names = np.array(["aa", "b"])
    names.view(np.uint32)[1] = code
    with pytest.raises(DataError, match="'names' .* not Unicode"):
        read_images(save(X=X, y=Y, names=names))
    assert read_images(save(X=X, y=Y, names=np.array(["猫", "𝒳"]))).labels.tolist()


def write_bomb(path, name="X.npy", n_bytes=1_001_000_000):
    """Write a zip file of a megabyte that unpacks to a thousand."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out,
        out.open(name, "w", force_zip64=True) as file,
    ):
        head = {"descr": "|u1", "fortran_order": False, "shape": (n_bytes,)}
        np.lib.format.write_array_header_1_0(file, head)
        for _ in range(n_bytes // 1_000_000):
            file.write(bytes(1_000_000))
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("X.npy", "unpacks to 1,001,000,[0-9]* bytes"),
        ("readme.txt", "a zip archive without arrays"),
    ],
)
def test_a_small_file_that_unpacks_to_much_is_refused_before(tmp_path, name, message):
    path = write_bomb(tmp_path / "bomb.npz", name)
    assert path.stat().st_size < 2_000_000
    tracemalloc.start()
    with pytest.raises(DataError, match=message):
        read_images(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_what_memory_does_not_hold_is_refused_before(save, monkeypatch):
    path = save(X=X, y=Y)
    monkeypatch.setattr("balancegan.data.arrayfiles.available_bytes", lambda: 500)
    with pytest.raises(DataError, match="needs .* bytes of memory, and 500 are there"):
        read_images(path)
    monkeypatch.setattr("balancegan.data.arrayfiles.available_bytes", lambda: None)
    assert len(read_images(path).labels) == len(Y)


def test_an_array_that_says_it_is_larger_than_it_is(tmp_path):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as out, out.open("X.npy", "w") as file:
        head = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
        np.lib.format.write_array_header_1_0(file, head)
    with pytest.raises(DataError, match="'X' in .* is damaged"):
        read_images(path)


def test_an_encrypted_file_and_an_unknown_way_of_packing(save):
    path = save(X=X, y=Y)
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")  # the table of contents
    for position, value in [(8, 1), (10, 99)]:
        content = bytearray(whole)
        content[start + position] = value
        path.write_bytes(content)
        with pytest.raises(DataError, match="'X' in .* is damaged"):
            read_images(path)


def test_a_foreign_file_in_the_zip_passes_through(save, tmp_path):
    path, out = save(X=X, y=Y), tmp_path / "out.npz"
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("readme.txt", "hello")
    write_images(out, read_images(path))
    with zipfile.ZipFile(out) as file:
        assert file.read("readme.txt") == b"hello"


def test_outputs_that_may_not_be_written(save, tmp_path):
    source = save(X=X, y=Y)
    check_output(tmp_path / "new.npz", source, overwrite=False)
    other = tmp_path / "other.npz"
    other.touch()
    check_output(other, source, overwrite=True)
    for path, overwrite, message in [
        (other, False, "exists already"),
        (source, True, "input itself"),
        (tmp_path / "new.zip", False, "is an .npz, .csv or .parquet"),
        (tmp_path / "missing" / "new.npz", False, "no folder"),
    ]:
        with pytest.raises(DataError, match=message):
            check_output(path, source, overwrite=overwrite)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        check_output(tmp_path / "folder.npz", source, overwrite=True)
    # No file can be made there, whoever tries
    with pytest.raises(DataError, match="cannot be written"):
        check_output("/proc/new.npz", source, overwrite=False)


def test_nothing_is_left_behind_when_writing_fails(save, tmp_path, monkeypatch):
    data, out = read_images(save(X=X, y=Y)), tmp_path / "out.npz"
    out.write_text("before")

    def fail(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(OSError, match="No space"):
        write_images(out, data, added(X[:0], Y[:0]))
    assert out.read_text() == "before"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["data.npz", "out.npz"]


def test_arrays_can_be_read_back(tmp_path):
    write_arrays(tmp_path / "a.npz", {"X": X, "names": np.array(["a"])})
    np.testing.assert_array_equal(load_npz(tmp_path / "a.npz")["X"], X)


def test_demo_digits_hold_out_a_third(tmp_path):
    save_demo_digits(tmp_path / "digits.npz")
    data = load_npz(tmp_path / "digits.npz")
    assert np.bincount(data["y_train"]).tolist() == [
        100,
        80,
        60,
        50,
        40,
        30,
        25,
        20,
        15,
        10,
    ]
    assert len(data["x_test"]) == 599
    known = {image.tobytes() for image in data["x_train"]}
    assert not any(image.tobytes() in known for image in data["x_test"])


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (("x_train", "y_train"), ("x_test", "y_test")),
        (("train_images", "train_labels"), ("test_images", "test_labels")),
        (("images", "labels"), ("test_images", "test_labels")),
        (("X", "y"), ("X_test", "y_test")),
        (("my_train", "its_labels"), ("x_test", "y_test")),
    ],
)
def test_the_test_part_is_found(tmp_path, train, test):
    images = np.arange(5 * 16, dtype="uint8").reshape(5, 4, 4)
    labels = np.array([0, 1, 1, 0, 1])
    arrays = dict(zip(train, (images, labels), strict=True))
    path = tmp_path / "data.npz"
    write_arrays(path, arrays)
    keys = {}
    if train[0] == "my_train":
        keys = {"images_key": train[0], "labels_key": train[1]}
    assert read_images(path, **keys).test_part is None
    one_hot = np.eye(2)[labels[:3]]
    write_arrays(path, arrays | dict(zip(test, (images[:3], one_hot), strict=True)))
    found = read_images(path, **keys).test_part
    np.testing.assert_array_equal(found[0], images[:3])
    np.testing.assert_array_equal(found[1], labels[:3])


def test_groups_are_an_entry_for_each_image(tmp_path):
    path = tmp_path / "data.npz"
    images, labels = np.zeros((4, 4, 4), "uint8"), np.array([0, 1, 0, 1])
    of_train = {"X": images, "y": labels, "photo": labels + 5, "few": labels[:3]}
    write_arrays(path, of_train)
    data = read_images(path)
    assert data.groups("photo").tolist() == [5, 6, 5, 6]
    for key in ("few", "no"):
        with pytest.raises(DataError, match=f"'{key}'.*It has: photo"):
            data.groups(key)


@pytest.mark.parametrize(
    ("name", "values", "column", "expected"),
    [
        ("hue:red, dark blue", Y, "hue", ["red", "dark blue"]),
        ("hue:red,blue,green", Y.astype("uint8"), "hue", ["red", "blue"]),
        ("hue:red,blue", Y == 1, "hue", ["red", "blue"]),
        ("hue:red,blue", Y + 1, "hue:red,blue", [1, 2]),
        ("hue:red,blue", Y - 1, "hue:red,blue", [-1, 0]),
        ("hue:red,blue", Y / 2, "hue:red,blue", [0, 0.5]),
        ("hue:red,red", Y, "hue:red,red", [0, 1]),
        ("hue:red,", Y, "hue:red,", [0, 1]),
        ("hue:", Y, "hue:", [0, 1]),
        (":red,blue", Y, ":red,blue", [0, 1]),
        ("hue", Y, "hue", [0, 1]),
    ],
)
def test_names_of_attributes_may_list_their_values(
    save, name, values, column, expected
):
    arrays = {"x_train": X, "y_train": Y, "attrs_train": values[:, None]}
    arrays |= {"x_test": X[3:], "y_test": Y[3:], "attrs_test": values[3:, None]}
    data = read_images(save(**arrays, attr_names=np.array([name])))
    assert data.train.columns[column].tolist() == [expected[y] for y in Y]
    assert data.parts["test"].columns[column].tolist() == [expected[y] for y in Y[3:]]
    arrays |= {"x_test": X[:0], "y_test": Y[:0], "attrs_test": values[:0, None]}
    data = read_images(save(**arrays, attr_names=np.array([name])))
    assert not len(data.parts["test"].columns)


def test_columns_belong_to_a_part(tmp_path):
    path = tmp_path / "data.npz"
    arrays = {"x_train": X, "y_train": Y, "x_test": X[:4], "y_test": Y[:4]}
    arrays |= {"slide_train": Y + 7, "slide_test": Y[:4] + 9, "class_names": ["a", "b"]}
    arrays |= {"attrs_train": np.stack([Y, 1 - Y], axis=1), "attr_names": ["u", "v"]}
    arrays |= {"attrs_test": np.stack([Y, Y], axis=1)[:4]}
    np.savez(path, **arrays)
    data = read_images(path)
    assert data.train.columns.to_dict("list") == {
        "slide": (Y + 7).tolist(),
        "u": Y.tolist(),
        "v": (1 - Y).tolist(),
    }
    assert data.parts["test"].columns["v"].tolist() == [0, 0, 0, 0]
    assert data.groups("slide_train").tolist() == data.groups("slide").tolist()
    assert data.groups("slide", "test").tolist() == [9] * 4


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("split", ["train", "test"]),
        ("fold", [0, 1]),
        ("kind", ["training", "testing"]),
        ("testing", [False, True]),
    ],
)
def test_an_array_that_may_say_the_split_is_noted(tmp_path, name, values):
    arrays = {"x": np.zeros((2, 4, 4), "uint8"), "y": np.arange(2), name: values}
    np.savez(tmp_path / "a.npz", **arrays)
    notes = read_images(tmp_path / "a.npz").notes
    assert f"{name!r} of a.npz is not read as a split; save test images" in notes[-1]
    np.savez(tmp_path / "b.npz", **arrays, x_test=arrays["x"], y_test=arrays["y"])
    assert not any("split" in note for note in read_images(tmp_path / "b.npz").notes)
