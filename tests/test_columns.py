"""What is known of each image is kept: columns, whole numbers, bytes, file names."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from balancegan.data.columns import find_columns, keep_whole, rename_apart, to_array
from balancegan.data.labelled import SyntheticImages
from balancegan.data.outputs import FORMATS
from balancegan.data.reading import read_images
from balancegan.data.values import describe_values, find_usual_range
from balancegan.data.writing import check_writable, write_images
from balancegan.errors import DataError

from .test_cli import run

X = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
Y = np.repeat(["bag", "boot"], [5, 3])
LARGE = 2**60 + np.arange(8)  # a float64 keeps none of them
SUFFIXES = {"npz": ".npz", "csv": ".csv", "parquet": ".parquet"}


def store(path, **more):
    np.savez(path, images=X, labels=Y, **more)
    return path


def convert(source, out):
    result = run("convert", source, "--out", out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def photos(tmp_path):
    """A manifest of files in a folder beside its own."""
    folder = tmp_path / "c"
    folder.mkdir()
    for row, image in enumerate(X):
        Image.fromarray(image[..., 0]).save(folder / f"{row}.png")
    return folder


def name_photos(folder, names, suffix=".csv", **columns):
    table = pd.DataFrame({"file_name": names, "label": Y, **columns})
    path = folder / f"m{suffix}"
    if suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_no_column_takes_the_place_of_another(photos, tmp_path, kind):
    taken = ("x", "y", "split_", "is_synthetic_", "x2")
    columns = {name: [f"{name}{k}" for k in range(8)] for name in taken}
    columns |= {"file_name": list("abcdefgh"), "split": list("ijklmnop")}
    source = store(tmp_path / "d.npz", **columns)
    labelled = read_images(source)
    assert set(labelled.train.columns) == set(columns)
    out = tmp_path / f"o{SUFFIXES.get(kind, '')}"
    check_writable(out, labelled)
    write_images(out, labelled)
    again = read_images(out)
    np.testing.assert_array_equal(np.sort(again.images, 0), np.sort(X, 0))
    assert sorted(map(again.name, again.labels)) == sorted(Y)
    kept = [set(again.train.columns[name]) for name in again.train.columns]
    for values in columns.values():
        assert set(values) in kept


@pytest.mark.parametrize("kind", FORMATS)
def test_large_numbers_stay_whole_next_to_synthetic_rows(tmp_path, kind):
    labelled = read_images(store(tmp_path / "d.npz", id_train=LARGE))
    synthetic = SyntheticImages([X[:2]], Y[:2], np.arange(2), "model")
    out = tmp_path / f"o{SUFFIXES.get(kind, '')}"
    write_images(out, labelled, synthetic)
    if kind == "npz":  # a copy: the array is the very same
        values = np.load(out)["id_train"].tolist()
    elif kind == "parquet":
        values = pd.read_parquet(out, dtype_backend="pyarrow")["id"].tolist()
    else:
        table = out / "metadata.csv" if kind == "folder" else out
        values = pd.read_csv(table, dtype=str)["id"].tolist()
    assert [str(value) for value in values[:8]] == list(map(str, LARGE))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_numbers_of_tables_with_gaps_stay_whole(photos, suffix):
    names = [f"{row}.png" for row in range(8)]
    ids = [*LARGE[:7].tolist(), None]
    rows = [
        {"file_name": name, "label": label, "id": value, "mixed": mixed}
        for name, label, value, mixed in zip(
            names, Y.tolist(), ids, [5, "?", *[1.5] * 6], strict=True
        )
    ]
    path = photos / f"m{suffix}"
    if suffix == ".jsonl":
        lines = [{k: v for k, v in row.items() if v is not None} for row in rows]
        path.write_text("\n".join(map(json.dumps, lines)))
    else:
        table = pd.DataFrame(rows).drop(columns="mixed")
        table.assign(id=pd.array(ids, dtype="Int64")).to_parquet(path)
    labelled = read_images(path)
    assert labelled.train.columns["id"].tolist()[:7] == ids[:7]
    for kind in FORMATS:
        out = photos.parent / f"{kind}{SUFFIXES.get(kind, '')}"
        check_writable(out, labelled)
        write_images(out, labelled)
        again = read_images(out).train.columns["id"]
        assert set(map(str, LARGE[:7])) <= set(again.astype(str))


@pytest.mark.parametrize(
    "column, expected",
    [
        (pd.Series([1, 2], dtype="int32"), np.array([1, 2], dtype="int32")),
        (pd.Series([True, None], dtype="boolean"), np.array(["True", ""])),
        (pd.Series([True, False], dtype="boolean"), np.array([True, False])),
        (pd.Series(["a", None], dtype="category"), np.array(["a", ""])),
        (pd.Series([0.5, None], dtype="Float64"), np.array([0.5, np.nan])),
        (pd.Series([5, "?"], dtype=object), np.array(["5", "?"])),
        (pd.Series(pd.to_datetime(["2024-05-01", None])), None),
    ],
)
def test_a_column_is_an_array_without_objects(column, expected):
    array = to_array(column)
    assert array.dtype.kind in "iufbU"
    if expected is not None:
        assert array.dtype.kind == expected.dtype.kind
        np.testing.assert_array_equal(array, expected)


def test_numbers_beyond_64_bits_are_left_alone():
    table = keep_whole(pd.DataFrame({"id": [2**70, None]}, dtype=object))
    assert table["id"][0] == 2**70


def test_a_split_in_a_name_counts_at_its_end():
    rows = np.arange(4)
    arrays = dict.fromkeys(["value", "latest", "interval", "test_score"], rows)
    arrays |= {"x_train": np.zeros((4, 2)), "id_train": rows, "id_test": rows}
    columns = find_columns(arrays, 4, "train", {"x_train"})
    assert set(columns) == {"value", "latest", "interval", "test_score", "id"}
    assert set(find_columns(arrays, 4, "test", {"x_train"})) == {"id"}
    medmnist = {"train_images": X, "test_images": X, "train_id": rows, "test_id": rows}
    assert list(find_columns(medmnist, 4, "train", {"train_images"})) == ["id"]
    assert list(find_columns(medmnist, 4, "test", {"test_images"})) == ["id"]


def test_a_column_called_as_a_part_survives(photos, tmp_path):
    names = [f"{row}.png" for row in range(8)]
    scores = list(map(str, range(8)))
    out = convert(name_photos(photos, names, test_score=scores), tmp_path / "o.npz")
    assert read_images(out).train.columns["test_score"].tolist() == scores


def test_names_apart_are_apart_from_each_other():
    columns = ["x", "x2", "x3", "y"]
    renamed = rename_apart(columns, {"x", "y", "z"})
    assert set(renamed) == {"x", "y"}
    assert len({*columns, *renamed.values()}) == 6


@pytest.mark.parametrize("written", ["../c/{}.png", "{folder}/{}.png", "./a/../{}.png"])
def test_files_named_in_a_roundabout_way_stay_inside(
    photos, tmp_path, written, monkeypatch
):
    (photos / "a").mkdir()
    names = [written.format(row, folder=photos.resolve()) for row in range(8)]
    manifest = name_photos(photos, names)
    elsewhere = tmp_path / "else"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    convert(manifest.relative_to(tmp_path), elsewhere / "o")
    assert os.listdir(elsewhere) == ["o"]
    files = sorted(path.name for path in (elsewhere / "o").rglob("*.png"))
    assert files == [f"{row}.png" for row in range(8)]
    assert (elsewhere / "o" / "3.png").read_bytes() == (photos / "3.png").read_bytes()


def test_a_real_file_is_not_lost_to_a_synthetic_one(tmp_path):
    for label, image in zip(Y, X, strict=True):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True, exist_ok=True)
        name = f"synthetic_{label}_{len(list(folder.iterdir())):06d}.png"
        Image.fromarray(image[..., 0]).save(folder / name)
    labelled = read_images(tmp_path / "photos")
    made = 255 - X[:2]
    synthetic = SyntheticImages([made], Y[:2], np.arange(2), "model")
    write_images(tmp_path / "o", labelled, synthetic)
    table = pd.read_csv(tmp_path / "o" / "metadata.csv")
    assert table["file_name"].is_unique
    assert len(list((tmp_path / "o").rglob("*.png"))) == len(X) + 2
    for file in labelled.train.files:
        copy = tmp_path / "o" / file.relative_to(tmp_path / "photos")
        assert copy.read_bytes() == file.read_bytes()


def test_a_test_file_is_not_lost_to_a_synthetic_one(photos):
    files = [f"{row}.png" for row in range(8)]
    files[7] = "train/bag/synthetic_bag_000000.png"
    (photos / "train" / "bag").mkdir(parents=True)
    (photos / "7.png").rename(photos / files[7])
    split = ["train"] * 6 + ["test"] * 2
    labelled = read_images(name_photos(photos, files, split=split))
    synthetic = SyntheticImages([X[:1]], Y[:1], np.arange(1), "model")
    write_images(photos.parent / "o", labelled, synthetic)
    copy = photos.parent / "o" / files[7]
    assert copy.read_bytes() == (photos / files[7]).read_bytes()
    assert len(list((photos.parent / "o").rglob("*.png"))) == 9


def test_bytes_are_texts(tmp_path):
    labels = np.array([text.encode() for text in ("Tür", "bag")])[[0] * 5 + [1] * 3]
    np.savez(tmp_path / "d.npz", x_train=X, y_train=labels, id_train=labels)
    labelled = read_images(tmp_path / "d.npz")
    assert labelled.labels.tolist() == ["Tür"] * 5 + ["bag"] * 3
    assert labelled.train.columns["id"].tolist() == labelled.labels.tolist()
    synthetic = SyntheticImages(
        [X[:2]], np.array(["bag", "Tür"]), np.arange(2), "model"
    )
    write_images(tmp_path / "o.npz", labelled, synthetic)
    stored = np.load(tmp_path / "o.npz")["y_train"]
    assert stored.tolist() == [*labels.tolist(), b"bag", "Tür".encode()]
    np.savez(tmp_path / "e.npz", x_train=X, y_train=np.array([b"\xff"] * 8))
    with pytest.raises(DataError, match="not UTF-8"):
        read_images(tmp_path / "e.npz")


@pytest.mark.parametrize("dtype", [bool, float, np.int8])
def test_names_are_those_of_labels_of_any_number(tmp_path, dtype):
    names = np.array(["bag", "boot"])
    labels = (Y == "boot").astype(dtype)
    np.savez(tmp_path / "d.npz", x_train=X, y_train=labels, class_names=names)
    labelled = read_images(tmp_path / "d.npz")
    assert [labelled.name(label) for label in labelled.labels] == Y.tolist()
    out = convert(tmp_path / "d.npz", tmp_path / "o")
    assert {path.name for path in out.iterdir() if path.is_dir()} == set(names)


def test_a_class_of_the_test_part_only_is_read_again(tmp_path):
    more = {"x_test": X[:2], "y_test": np.array(["bag", "zebra"])}
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, **more)
    out = convert(tmp_path / "d.npz", tmp_path / "o")
    result = run("inspect", convert(out, tmp_path / "o.npz"), "--json")
    assert result.exit_code == 0, result.output
    findings = {f["code"]: f for f in json.loads(result.stdout)["findings"]}
    assert findings["BG111"]["outcome"] == "issue"
    assert "zebra" in findings["BG111"]["message"]


def test_a_cell_with_a_carriage_return_stays_one_cell(photos, tmp_path):
    names = [f"{row}.png" for row in range(8)]
    notes = ["a\rb", "=1+1", "c", *"defgh"]
    lines = [
        {"file_name": name, "label": label, "note": note, "n": k}
        for k, (name, label, note) in enumerate(zip(names, Y, notes, strict=True))
    ]
    (photos / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    out = convert(photos / "m.jsonl", tmp_path / "o.csv")
    assert read_images(out).train.columns["note"].tolist() == notes


@pytest.mark.parametrize("bits, white", [(8, 255), (12, 4095), (16, 65535)])
def test_deep_images_keep_their_shades(tmp_path, bits, white):
    rng = np.random.default_rng(bits)
    deep = rng.integers(0, white + 1, (4, 20, 20)).astype(np.uint16)
    deep[:, 0, 0] = white
    for row, image in enumerate(deep):
        path = tmp_path / str(row % 2) / f"{row}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    labelled = read_images(tmp_path)
    order = [int(file.stem) for file in labelled.train.files]
    expected = np.rint(deep[order] / white * 255)
    np.testing.assert_array_equal(labelled.images[..., 0], expected)
    assert any(f"0 to {white:,} became 0 to 255" in note for note in labelled.notes)


@pytest.mark.parametrize("word", ["val", "valid", "validation"])
def test_validation_has_more_than_one_name(tmp_path, word):
    more = {f"x_{word}": X[:3], f"y_{word}": Y[:3]}
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, **more)
    assert len(read_images(tmp_path / "d.npz").parts["val"].labels) == 3


def test_a_hidden_folder_next_to_shards_is_ignored(tmp_path):
    from .test_reading_shards import rows_of, write_tar

    write_tar(tmp_path / "a.tar", rows_of(X[..., 0], Y.tolist()))
    (tmp_path / ".cache").mkdir()
    assert len(read_images(tmp_path).labels) == 8


def test_the_file_column_of_a_folder_can_be_named(photos):
    names = [f"{row}.png" for row in range(8)]
    table = pd.DataFrame({"picture": names, "label": Y})
    table.to_csv(photos / "metadata.csv", index=False)
    assert len(read_images(photos, images_key="picture").labels) == 8


def test_standardised_floats_have_no_usual_range():
    images = np.random.default_rng(0).standard_normal((60, 8, 8)).astype(np.float32)
    values = describe_values(np.clip(images, -3.3, 3.3))
    assert find_usual_range(values, images.dtype) is None
    values = describe_values(np.abs(images) * 60)
    assert find_usual_range(values, images.dtype) == (0.0, 255.0)


def test_val_is_checked_if_there_is_no_test(tmp_path):
    more = {"x_val": X[:3], "y_val": Y[:3], "slide_train": np.array([""] * 8)}
    more["slide_val"] = np.array([""] * 3)
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, **more)
    result = run("inspect", tmp_path / "d.npz", "--group-key", "slide", "--json")
    facts = json.loads(result.stdout)
    outcomes = {finding["code"]: finding["outcome"] for finding in facts["findings"]}
    assert outcomes["BG106"] == "issue"
    assert outcomes["BG109"] == "passed"  # nobody knows the group of any image
    assert any("about the part val" in note for note in facts["notes"])


def test_either_of_two_parts_is_checked(tmp_path):
    rng = np.random.default_rng(1)
    more = {"x_test": rng.integers(0, 256, (3, *X.shape[1:])), "y_test": Y[:3]}
    more |= {"x_val": X[:3], "y_val": Y[:3]}  # a leak
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, **more)
    for against, other, leaks in (("test", "val", "passed"), ("val", "test", "issue")):
        option = ("--against", against) if against == "val" else ()
        result = run("inspect", tmp_path / "d.npz", "--json", *option)
        facts = json.loads(result.stdout)
        outcomes = {each["code"]: each["outcome"] for each in facts["findings"]}
        assert outcomes["BG106"] == leaks
        assert facts["notes"][-1] == f"{other} was not checked: see --against {other}"
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y)
    result = run("inspect", tmp_path / "d.npz", "--against", "val")
    assert result.exit_code == 2
    assert "has no part val" in result.stderr
