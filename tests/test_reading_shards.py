"""Sets of images that come in shards: tar, Parquet."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from balancegan import DataError, memory, read_images
from balancegan.data import samples, shards
from balancegan.data.reading import find_kind
from fuzz.encoders import deep_png

from .commands import invoke

KINDS = ("tar", "parquet")
RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (20, 6, 5), dtype=np.uint8)
Y = np.repeat(["bag", "boot"], [12, 8])


def encode(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def rows_of(images, labels, **columns):
    """Return a dict for each image, as the writers below take them."""
    named = {name: list(values) for name, values in columns.items()}
    return [
        {"image": encode(pixels), "label": label}
        | {name: values[i] for name, values in named.items()}
        for i, (pixels, label) in enumerate(zip(images, labels, strict=True))
    ]


def write_tar(path, rows):
    with tarfile.open(path, "w") as tar:
        for number, row in enumerate(rows):
            facts = {name: value for name, value in row.items() if name != "image"}
            members = {"png": row["image"], "json": json.dumps(facts).encode()}
            for suffix, content in members.items():
                member = tarfile.TarInfo(f"some/{number:04d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def write_parquet(path, rows):
    struct_rows = [
        row | {"image": {"bytes": row["image"], "path": "a"}} for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(struct_rows), path)


WRITERS = {"tar": write_tar, "parquet": write_parquet}


def write(path, rows):
    WRITERS[path.suffix[1:]](path, rows)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_is_its_images_with_labels_and_columns(tmp_path, kind):
    rows = rows_of(X, Y, age=range(20), place=["a", "b"] * 10)
    data = read_images(write(tmp_path / f"part.{kind}", rows))
    np.testing.assert_array_equal(data.images, X[..., None])
    assert data.labels.tolist() == Y.tolist()
    assert data.column("age").tolist() == list(range(20))
    assert data.column("place").tolist() == ["a", "b"] * 10
    assert set(data.train.columns) == {"age", "place"}
    assert data.notes == []


@pytest.mark.parametrize(("bits", "white"), [(12, 4095), (16, 65535)])
@pytest.mark.parametrize("kind", KINDS)
def test_deep_images_keep_their_shades(tmp_path, kind, bits, white):
    deep = RNG.integers(0, white + 1, (6, 9, 7, 3)).astype(np.uint16)
    deep[4, 0, 0] = white  # only the last training image is as bright as that
    rows = [
        {"image": deep_png(image), "label": label, "age": 0}
        for image, label in zip(deep, Y, strict=False)
    ]
    write(tmp_path / f"train-0.{kind}", rows[:5])
    write(tmp_path / f"test-0.{kind}", rows[5:])
    data = read_images(tmp_path)
    shades = np.rint(deep / white * 255)
    np.testing.assert_array_equal(data.images, shades[:5])
    np.testing.assert_array_equal(data.test_part[0], shades[5:])
    assert data.file_range == (0, white)
    assert data.notes == [
        f"6 images of more than 8 bits: 0 to {white:,} became 0 to 255 (value-range)"
    ]
    half = read_images(tmp_path, value_range=(white / 2, white))
    expected = np.rint((deep / white * 2 - 1).clip(0) * 255)
    assert np.abs(half.images - expected[:5]).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_on_another_scale_is_named(tmp_path, kind):
    deep = RNG.integers(0, 4096, (5, 9, 7, 1)).astype(np.uint16)
    deep[3] *= 16
    path = tmp_path / f"a.{kind}"
    write(path, [{"image": deep_png(image), "label": "a"} for image in deep])
    with pytest.raises(DataError, match="1 image .*its values go from"):
        read_images(path)
    assert len(read_images(path, on_error="skip").labels) == 4


def test_a_deep_image_after_the_first_thousand_needs_a_range(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "N_LOOKED_AT", 2)
    rows = rows_of(X[:3], Y[:3])
    rows.append({"image": deep_png(np.full((*X.shape[1:], 1), 4095)), "label": "bag"})
    path = write(tmp_path / "a.tar", rows)
    with pytest.raises(DataError, match="of more than 8 bits: set value-range"):
        read_images(path)
    data = read_images(path, value_range=(0, 4095))
    assert (data.images[3] == 255).all()
    np.testing.assert_array_equal(data.images[:3, ..., 0], X[:3])


def test_an_animation_in_a_shard_is_its_first_image(tmp_path):
    file = io.BytesIO()
    first, *others = (Image.fromarray(image) for image in X[:3])
    first.save(file, "PNG", save_all=True, append_images=others)
    rows = [*rows_of(X[:1], Y[:1]), {"image": file.getvalue(), "label": "bag"}]
    data = read_images(write(tmp_path / "a.parquet", rows))
    np.testing.assert_array_equal(data.images[1], data.images[0])
    assert "1 image with several images" in data.notes[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_shards_is_all_of_them_in_order(tmp_path, kind):
    names = ["a-00000-of-00002", "a-00001-of-00002", "my-test-00000"]
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "README.md").write_text("of mine")
    parts = [slice(0, 7), slice(7, 16), slice(16, 20)]
    for name, part in zip(names, parts, strict=True):
        write(folder / f"{name}.{kind}", rows_of(X[part], Y[part]))
    data = read_images(folder)
    assert find_kind(folder) == "shards"
    assert list(data.parts) == ["train", "test"]
    np.testing.assert_array_equal(data.images, X[:16, ..., None])
    assert data.labels.tolist() == Y[:16].tolist()
    np.testing.assert_array_equal(data.test_part[0], X[16:, ..., None])
    assert data.test_part[1].tolist() == Y[16:].tolist()


def test_class_names_of_hugging_face_are_the_labels(tmp_path):
    rows = rows_of(X, [0] * 12 + [1] * 8)
    names = {"label": {"names": ["bag", "boot"], "_type": "ClassLabel"}}
    features = json.dumps({"info": {"features": names}}).encode()
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {b"huggingface": features}
    )
    pq.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    data = read_images(tmp_path)
    assert data.labels.tolist() == Y.tolist()


def test_classes_of_a_tar_may_be_in_files_of_their_own(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        contents = {"b.jpg": encode(X[0], "JPEG"), "b.cls": b"7\n", "c.cls": b"8"}
        contents |= {"c.seg.png": encode(X[2]), "c.png": encode(X[1]), "notes": b"."}
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert read_images(path).labels.tolist() == [7, 8]
    np.testing.assert_array_equal(read_images(path).images[1, ..., 0], X[1])
    other = read_images(path, images_key="seg.png")
    np.testing.assert_array_equal(other.images[0, ..., 0], X[2])


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_say_a_split_in_a_shard_is_noted(tmp_path, kind):
    rows = [row | {"split": "test"} for row in rows_of(X, Y)]
    data = read_images(write(tmp_path / f"a.{kind}", rows))
    assert f"'split' of a.{kind} is not read as a split; save test" in data.notes[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 5000])
def test_what_is_no_shard_is_said_shortly(tmp_path, kind, content):
    (tmp_path / f"a.{kind}").write_bytes(content)
    with pytest.raises(DataError) as error:
        read_images(tmp_path / f"a.{kind}")
    assert "method" not in str(error.value)
    assert "buffer" not in str(error.value)


def test_other_names_are_found_when_they_are_said(tmp_path):
    rows = [
        {"picture": encode(x), "mask": encode(x), "kind": str(y)}
        for x, y in zip(X, Y, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"no encoded image.*picture, mask, kind.*--images"
    ):
        read_images(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no label in a.parquet: row 0.*--labels-key"):
        read_images(tmp_path / "a.parquet", images_key="picture")
    data = read_images(tmp_path / "a.parquet", images_key="picture", labels_key="kind")
    assert data.labels.tolist() == Y.tolist()
    assert data.train.columns.empty


def test_images_of_other_sizes_are_brought_to_one(tmp_path):
    rows = rows_of(X, Y)
    rows[3]["image"] = encode(np.kron(X[3], np.ones((2, 2), np.uint8)))
    data = read_images(write(tmp_path / "a.tar", rows))
    assert data.images.shape == (20, 6, 5, 1)
    assert "6x5 to 12x10" in data.notes[0]
    sized = read_images(tmp_path / "a.tar", size=(3, 3), fit="pad")
    assert sized.images.shape == (20, 3, 3, 1)


def test_the_first_images_decide_and_a_colour_is_not_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "N_LOOKED_AT", 10)
    rows = rows_of(X, Y)
    rows[12]["image"] = encode(np.stack([X[12]] * 3, axis=-1))
    path = write(tmp_path / "a.tar", rows)
    with pytest.raises(DataError, match=r"1 image .*a.tar: some/0012.*in colour"):
        read_images(path)
    monkeypatch.undo()
    assert read_images(path).images.shape == (20, 6, 5, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_image_is_named_or_left_out(tmp_path, kind):
    rows = rows_of(X, Y, age=range(20))
    rows[3]["image"], rows[15]["image"] = b"no image", rows[15]["image"][:40]
    path = write(tmp_path / f"a.{kind}", rows)
    with pytest.raises(DataError, match=r"2 images that cannot be used.*no image"):
        read_images(path)
    data = read_images(path, on_error="skip")
    rest = np.delete(np.arange(20), [3, 15])
    np.testing.assert_array_equal(data.images, X[rest, ..., None])
    assert data.labels.tolist() == Y[rest].tolist()
    assert data.column("age").tolist() == rest.tolist()
    assert "left out 2 unusable images" in data.notes[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_that_was_cut_off_is_refused(tmp_path, kind):
    path = write(tmp_path / f"a.{kind}", rows_of(X, Y))
    whole = path.read_bytes()
    for n in (len(whole) // 3, len(whole) // 2):
        path.write_bytes(whole[:n])
        with pytest.raises(DataError):
            read_images(path)


def test_shards_of_two_formats_are_not_one_set(tmp_path):
    for kind in ("tar", "parquet"):
        write(tmp_path / f"a.{kind}", rows_of(X, Y))
    with pytest.raises(DataError, match="parquet and tar"):
        read_images(tmp_path)


def test_a_table_of_names_is_a_manifest_and_folders_of_classes_are_folders(tmp_path):
    for label in ("bag", "boot"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.png").write_bytes(encode(X[0]))
    write(tmp_path / "backup.tar", rows_of(X, Y))
    write(tmp_path / "backup.parquet", rows_of(X, Y))
    assert find_kind(tmp_path) == "folder"
    names = [{"file_name": "bag/0.png", "label": "bag"}]
    pq.write_table(pa.Table.from_pylist(names), tmp_path / "table.parquet")
    assert find_kind(tmp_path / "table.parquet") == "manifest"
    assert len(read_images(tmp_path / "table.parquet").labels) == 1


def test_a_folder_with_a_table_of_files_is_one_of_files(tmp_path):
    write(tmp_path / "backup.tar", rows_of(X, Y))
    (tmp_path / "0.png").write_bytes(encode(X[0]))
    (tmp_path / "metadata.csv").write_text("file_name,label\n0.png,bag\n")
    assert read_images(tmp_path).labels.tolist() == ["bag"]


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_images_are_not_taken_for_real_ones(tmp_path, kind):
    rows = rows_of(X, Y, is_synthetic=[0] * 19 + [1])
    path = write(tmp_path / f"a.{kind}", rows)
    with pytest.raises(DataError, match="holds synthetic images already"):
        read_images(path)


def test_many_images_are_in_a_file_and_not_in_memory(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tar", rows_of(X, Y))
    in_memory = read_images(path).images
    monkeypatch.setattr(memory, "IN_MEMORY", 100)
    monkeypatch.setattr(shards, "DECODED_AT_ONCE", 3)
    mapped = read_images(path).images
    assert isinstance(mapped, np.memmap)
    assert not isinstance(in_memory, np.memmap)
    np.testing.assert_array_equal(mapped, in_memory)


@pytest.mark.parametrize("kind", KINDS)
def test_shards_are_balanced_like_any_set(tmp_path, kind):
    data = write(tmp_path / f"a.{kind}", rows_of(X, Y))
    before = data.read_bytes()
    out = tmp_path / "balanced.npz"
    arguments = ["balance", data, "--out", out, "--steps", 2, "--random-state", 0]
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    assert data.read_bytes() == before
    with np.load(out) as arrays:
        real = ~arrays["is_synthetic"]
        np.testing.assert_array_equal(arrays["x_train"][real], X[..., None])
        names = arrays["class_names"][arrays["y_train"]]
        assert names[real].tolist() == Y.tolist()
        assert (names == "boot").sum() == 12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [TypeError, ValueError, KeyError, RuntimeError])
def test_an_error_of_our_own_is_not_called_damage_of_the_shard(
    tmp_path, monkeypatch, kind, error
):
    path = write(tmp_path / f"a.{kind}", rows_of(X, Y))

    def fail(*_):
        raise error("ours")

    monkeypatch.setattr(samples, "_plain", fail)
    with pytest.raises(error, match="ours") as raised:
        read_images(path)
    assert not isinstance(raised.value, DataError)
