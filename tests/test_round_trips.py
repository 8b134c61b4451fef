"""Whatever was read can be written as any kind, and reads the same again."""

import csv
import itertools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balancegan.data import tables
from balancegan.data.labelled import LabelledImages, Part, SyntheticImages
from balancegan.data.outputs import CARD_TITLE, FORMATS
from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.errors import DataError

SUFFIXES = {"npz": ".npz", "csv": ".csv", "parquet": ".parquet"}
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6
).filter(lambda text: text.strip() == text)


@st.composite
def labelled_images(draw):
    """A small set with any classes, parts and columns."""
    classes = sorted(draw(st.sets(TEXTS, min_size=2, max_size=4)))
    channels = draw(st.sampled_from([1, 3, 4]))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    parts = {}
    for split in draw(
        st.sampled_from([["train"], ["train", "test"], ["train", "val"]])
    ):
        n = draw(st.integers(len(classes), 7))
        labels = np.array([classes[k % len(classes)] for k in range(n)])
        images = rng.integers(0, 256, size=(n, 5, 4, channels)).astype("uint8")
        if channels == 4:
            images[0, 0, 0, 3] = 0  # or nobody sees that it is transparent
        columns = {name: rng.integers(0, 9, n).astype(str) for name in ("slide", "hue")}
        parts[split] = Part(images, labels, pd.DataFrame(columns))
    return LabelledImages(Path("made"), parts)


def write(folder, labelled, kind, name="out", synthetic=None):
    out = folder / f"{name}{SUFFIXES.get(kind, '')}"
    write_images(out, labelled, synthetic)
    return out


def assert_same(first, second):
    """Compare what anyone can see of two sets, whatever the order of their rows."""
    assert first.parts.keys() == second.parts.keys()
    for split in first.parts:
        rows = []
        for labelled in (first, second):
            part = labelled.parts[split]
            shape = (len(part.labels), *part.images.shape[1:3], -1)
            known = part.columns[sorted(part.columns)].astype(str).to_numpy().tolist()
            rows.append(
                sorted(
                    (labelled.name(label), image.tobytes(), image.shape, row)
                    for label, image, row in zip(
                        part.labels, part.images.reshape(shape), known, strict=True
                    )
                )
            )
        assert rows[0] == rows[1]


@settings(max_examples=15)
@given(labelled_images(), st.lists(st.sampled_from(FORMATS), min_size=1, max_size=3))
def test_every_kind_to_every_kind(made, kinds):
    folder = Path(tempfile.mkdtemp())
    try:
        read = made
        for step, kind in enumerate(kinds):
            read = read_images(write(folder, read, kind, f"step{step}"))
            assert_same(read, made)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMATS, FORMATS)))
def test_all_pairs_of_kinds(tmp_path, first, second):
    images = np.arange(6 * 20, dtype="uint8").reshape(6, 5, 4)
    columns = pd.DataFrame({"photo": list("aabbcc")})
    labels = np.array([3, 3, 5, 5, 5, 3])
    test = Part(images[:2] + 100, labels[1:3], columns[:2])
    parts = {"train": Part(images, labels, columns), "test": test}
    made = LabelledImages(Path("made"), parts)
    one = read_images(write(tmp_path, made, first, "one"))
    two = read_images(write(tmp_path, one, second, "two"))
    assert_same(one, made)
    assert_same(two, made)


@pytest.mark.parametrize("kind", FORMATS)
def test_synthetic_images_are_marked_and_not_balanced_again(tmp_path, kind):
    images = np.arange(6 * 16, dtype="uint8").reshape(6, 4, 4)
    part = Part(images, np.array(list("aaaabb")), pd.DataFrame(index=range(6)))
    made = LabelledImages(Path("made"), {"train": part})
    labels = np.array(["b", "b"])
    synthetic = SyntheticImages(
        [images[:1] + 150, images[1:2] + 150], labels, np.arange(2), "c0ffee"
    )
    out = write(tmp_path, made, kind, synthetic=synthetic)
    with pytest.raises(DataError, match="holds synthetic images already .2 rows"):
        read_images(out)
    nothing = SyntheticImages.none(labels)
    out = write(tmp_path, made, kind, "unchanged", synthetic=nothing)
    assert_same(read_images(out), made)


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_synthetic_files_are_known_without_their_table(tmp_path, kind):
    images = np.arange(6 * 16, dtype="uint8").reshape(6, 4, 4)
    part = Part(images, np.array(list("aaaabb")), pd.DataFrame(index=range(6)))
    made = LabelledImages(Path("made"), {"train": part, "test": part})
    added = SyntheticImages([images[:1]], np.array(["b"]), np.arange(1), "c0ffee")
    out = write(tmp_path, made, "folder", synthetic=added) / "train"
    names = sorted(str(file.relative_to(out)) for file in out.rglob("*.png"))
    if kind == "csv":
        table = pd.DataFrame({"file_name": names, "label": [n[0] for n in names]})
        table.to_csv(out / "list.csv", index=False)
        out = out / "list.csv"
    said = "holds synthetic images already .1 image .*synthetic_b_000000"
    with pytest.raises(DataError, match=said):
        read_images(out, on_error="skip")


def test_originals_stay_the_files_that_they_are(tmp_path):
    from PIL import Image

    source = tmp_path / "source"
    for name in ("cat/one two.jpg", "cat/deep/two.jpeg", "dog/狗.png"):
        file = source / "train" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((20, 30), 50).convert("RGB").save(file, quality=30)
    out = tmp_path / "out"
    write_images(out, read_images(source))
    for file in source.rglob("*.*"):
        assert (out / file.relative_to(source)).read_bytes() == file.read_bytes()
    again = write(tmp_path, read_images(source), "csv", "list")
    table = pd.read_csv(again)
    assert table["file_name"].tolist()[0] == "list/train/cat/deep/two.jpeg"
    assert (tmp_path / table["file_name"][2]).is_file()


FORMULAS = ("=1+1", "+x", "-x", "@x", "'=1", "'quoted'", "=HYPERLINK(A1)", "-1", "a=b")


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    """Of labels, values, names of columns and of files; and all read as they were."""
    labels = np.array(FORMULAS)
    images = np.arange(len(labels) * 16, dtype="uint8").reshape(-1, 4, 4)
    columns = pd.DataFrame(
        {"=1+2": labels[::-1], "-3": np.arange(len(labels)), "path": labels}
    )
    made = LabelledImages(Path("made"), {"train": Part(images, labels, columns)})
    out = write(tmp_path, made, "folder")
    with open(out / "metadata.csv", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    formulas = {cell for cell in cells if cell[:1] in tuple("=+-@")}
    assert formulas == {"-1", "-3"}
    assert "'=HYPERLINK(A1)" in cells
    names = pd.read_csv(out / "metadata.csv")["file_name"]
    assert all((out / name).is_file() for name in names)
    again = read_images(out)
    assert sorted(again.labels) == sorted(FORMULAS)
    assert list(again.train.columns) == ["=1+2", "-3", "path"]
    assert_same(again, made)
    assert_same(read_images(write(tmp_path, again, "csv", "again")), made)


@given(st.text(st.sampled_from("'=+-@\t 1a"), max_size=5))
def test_every_guarded_text_reads_as_it_was(text):
    assert tables._unguarded(tables.guarded(text)) == text


def test_the_lineage_is_in_the_file(tmp_path):
    from PIL import Image

    images = np.zeros((3, 4, 4, 3), dtype="uint8")
    part = Part(images, np.array(["a/b", "a/b", "<c>"]), pd.DataFrame(index=range(3)))
    made = LabelledImages(Path("made"), {"train": part})
    synthetic = SyntheticImages(
        [images[:1]], np.array(["a/b"]), np.array([41]), "c0ffee"
    )
    out = write(tmp_path, made, "folder", synthetic=synthetic)
    (file,) = out.rglob("synthetic*.png")
    assert file.relative_to(out).as_posix() == "a_b/synthetic_a_b_000041.png"
    with Image.open(file) as image:
        assert image.text == {
            "balancegan:synthetic": "true",
            "balancegan:class": "a/b",
            "balancegan:number": "41",
            "balancegan:model": "c0ffee",
        }
    table = pd.read_csv(out / "metadata.csv")
    last = table.iloc[-1]
    assert last["label"] == "a/b"
    assert (last["is_synthetic"], last["synthetic_number"]) == (True, 41)
    assert table["is_synthetic"].sum() == 1


def test_what_image_files_cannot_hold_is_said(tmp_path):
    bands = np.zeros((3, 4, 4, 2))
    part = Part(bands, np.array([0, 0, 1]), pd.DataFrame(index=range(3)))
    made = LabelledImages(Path("made"), {"train": part})
    with pytest.raises(DataError, match="1, 3 or 4 channels.*4, 4, 2"):
        write(tmp_path, made, "folder")
    bright = replace(part, images=bands[..., 0] + 9)
    parts = {"train": replace(part, images=bands[..., 0] + np.eye(4)), "test": bright}
    with pytest.raises(DataError, match="leave the range.*test.*0, 1.*9 to 9"):
        write(tmp_path, LabelledImages(Path("made"), parts), "folder")
    assert not list(tmp_path.iterdir())
    assert_same(read_images(write(tmp_path, made, "npz")), made)


@pytest.mark.parametrize("text", ["mine", f"{CARD_TITLE}s of mine\n", ""])
def test_a_file_that_is_no_card_of_ours_is_never_removed(tmp_path, text):
    card, source, out = (tmp_path / n for n in ("a.card.md", "b.npz", "a.npz"))
    np.savez(source, X=np.zeros((4, 6, 5), np.uint8), y=np.repeat([0, 1], 2))
    card.write_text(text)
    for _ in range(2):
        write_images(out, read_images(source))
        assert card.read_text() == text


def test_no_folder_is_left_without_its_table(tmp_path, monkeypatch):
    def fail(*arguments):
        raise DataError("needs pyarrow")

    part = Part(np.zeros((2, 4, 4), "uint8"), np.array(["a", "b"]), pd.DataFrame())
    made = LabelledImages(Path("made"), {"train": part})
    monkeypatch.setattr("balancegan.data.writing.encode_table", fail)
    with pytest.raises(DataError, match="pyarrow"):
        write(tmp_path, made, "parquet")
    assert not list(tmp_path.iterdir())
