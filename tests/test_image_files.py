import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from balancegan import memory
from balancegan.data import decoding
from balancegan.data.decoding import ORIENTATION
from balancegan.data.fitting import FITS, Header, choose_size, fit_image
from balancegan.data.reading import read_images
from balancegan.errors import DataError


def save(path, mode="RGB", size=(8, 6), colour=None, **options):
    """Save a picture of one colour; `size` is width and height, as Pillow has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour or 0).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "animals"
    for number in range(3):
        save(root / "cat" / f"{number}.png", colour=(number, 0, 0))
        save(root / "dog" / f"{number}.png", colour=(9, number, 0))
    return root


def test_class_folders_are_labels(folder):
    data = read_images(folder)
    assert data.images.shape == (6, 6, 8, 3)
    assert data.labels.tolist() == ["cat"] * 3 + ["dog"] * 3
    assert data.images[4, 0, 0].tolist() == [9, 1, 0]
    assert data.notes == []
    assert [file.name for file in data.train.files] == ["0.png", "1.png", "2.png"] * 2


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "validation")])
def test_split_folders_are_parts(folder, tmp_path, names):
    root = tmp_path / "parts"
    root.mkdir()
    for name in names:
        os.rename(folder, root / name)
        save(folder / "cat" / "0.png", colour=(1, 1, 1))
    data = read_images(root)
    assert list(data.parts) == ["train", "test" if names[1] == "test" else "val"]
    assert [len(part.labels) for part in data.parts.values()] == [6, 1]


def test_images_of_no_part_are_named(folder, tmp_path):
    root = tmp_path / "parts"
    root.mkdir()
    os.rename(folder, root / "train")
    for name in ("masks/a/0.png", "masks/a/1.png", "masks/a/2.png", "cover.PNG"):
        save(root / name)
    save(root / ".cache" / "0.png")
    data = read_images(root)
    assert len(data.labels) == 6
    assert data.notes == [
        "ignored 4 images outside the folders that are read: cover.PNG, "
        "masks/a/0.png, masks/a/1.png and 1 more"
    ]


def test_images_that_no_table_names_are_named(folder):
    names = ["./dog/1.png", "cat/0.png"]
    table = pd.DataFrame({"file_name": names, "label": ["b", "a"]})
    table.to_csv(folder / "metadata.csv", index=False)
    assert read_images(folder).notes == [
        "ignored 4 images that no table names: cat/1.png, cat/2.png, dog/0.png and 1 "
        "more"
    ]


def test_a_class_may_be_called_train(tmp_path):
    save(tmp_path / "a" / "test" / "0.png")
    save(tmp_path / "a" / "bus" / "0.png")
    data = read_images(tmp_path / "a")
    assert data.labels.tolist() == ["bus", "test"]


@pytest.mark.parametrize(
    "table", ["metadata.csv", "metadata.jsonl", "metadata.parquet"]
)
def test_a_table_names_the_images_of_a_folder(folder, table):
    columns = {
        "file_name": ["dog/1.png", "cat/0.png", "cat/0.png"],
        "label": ["NA", "1", "NA"],
        "split": ["test", "", "validation"],
        "photo": ["x", "y", "z"],
    }
    frame = pd.DataFrame(columns)
    if table.endswith(".csv"):
        frame.to_csv(folder / table, index=False)
    elif table.endswith(".jsonl"):
        frame.to_json(folder / table, orient="records", lines=True)
    else:
        frame.to_parquet(folder / table)
    data = read_images(folder)
    assert {s: p.labels.tolist() for s, p in data.parts.items()} == {
        "train": ["1"],
        "test": ["NA"],
        "val": ["NA"],
    }
    assert data.parts["test"].columns["photo"].tolist() == ["x"]


def test_tables_in_split_folders(folder, tmp_path):
    root = tmp_path / "hub"
    root.mkdir()
    os.rename(folder, root / "train")
    save(root / "test" / "9.png")
    for split, file in (("train", "dog/2.png"), ("test", "9.png")):
        text = f"file_name,label\n{file},7\n"
        (root / split / "metadata.csv").write_text(text)
    data = read_images(root)
    assert data.images[0, 0, 0].tolist() == [9, 2, 0]
    assert data.parts["test"].labels.tolist() == ["7"]


def test_a_manifest_has_columns_of_any_name(folder):
    manifest = folder / "list.csv"
    manifest.write_text("where,what,x\ncat/1.png,tabby,1\ndog/1.png,pug,2\n")
    data = read_images(manifest, images_key="where", labels_key="what")
    assert data.labels.tolist() == ["tabby", "pug"]
    with pytest.raises(DataError, match="column of labels.*Received: what, x"):
        read_images(manifest)
    manifest.write_text("path,label\ncat/1.png,\n")
    with pytest.raises(DataError, match="1 without a label, first row 1 of 1"):
        read_images(manifest)
    manifest.write_text("path,label,split\ncat/1.png,a,elsewhere\n")
    with pytest.raises(DataError, match="Received in .*: 'elsewhere'"):
        read_images(manifest)
    manifest.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a text file"):
        read_images(manifest)


def test_json_lines_are_a_manifest(folder):
    manifest = folder / "list.jsonl"
    rows = [
        '\ufeff{"path": "cat/1.png", "label": 3, "hue": "r\\u00f6t", "dark": true}',
        "",
        '{"label": 10, "path": "dog/1.png", "split": "test", "weight": 0.5}\r',
        '{"path": "dog/2.png", "label": false, "hue": null, "split": null}',
    ]
    manifest.write_bytes("\n".join(rows).encode())
    data = read_images(manifest)
    assert data.labels.tolist() == ["3", "False"]
    assert data.parts["test"].labels.tolist() == ["10"]
    assert data.train.columns["hue"].fillna("-").tolist() == ["röt", "-"]
    assert data.train.columns["dark"].tolist()[0] is True
    assert data.parts["test"].columns["weight"].dtype == float
    assert data.parts["test"].columns["weight"].tolist() == [0.5]


GOOD = b'{"path": "cat/1.png", "label": "a"}\n\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + b"{", "Line 3 of .*list.jsonl is not JSON"),
        (GOOD + b"\xff", "Line 3 .*decode"),
        (GOOD + b'{"label": "\\ud800"}', "Line 3 .*surrogate"),
        (GOOD + b"[" * 100_000, "Line 3 "),
        (GOOD + b'["cat/2.png", "a"]', "Received: list in line 3"),
        (GOOD + b'{"path": "cat/2.png", "objects": {}}', "'objects' in line 3"),
        (GOOD + b'{"path": "cat/2.png"}', "1 without a label, first row 2 of 2"),
        (b'{"hue": "red", "label": 1}', "column of file names.*Received: hue"),
        (b" \n", "names no image"),
    ],
    ids=range(9),
)
def test_bad_json_lines_are_named(folder, content, message):
    manifest = folder / "list.jsonl"
    manifest.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_images(manifest)


def test_what_a_folder_needs_is_said(tmp_path):
    with pytest.raises(DataError, match="has no images. Expected: a sub-folder"):
        read_images(tmp_path)
    with pytest.raises(DataError, match="no file or folder"):
        read_images(tmp_path / "missing")


FOLLOW = "set follow-links = true in --config"
BAD = {
    "cat/truncated.jpg": "damaged: ",
    "cat/empty.png": "empty",
    "cat/text.png": "no image",
    "cat/bomb.png": "100,000,000 pixels, and more than 50,000,000 are not decoded",
    "cat/floats.tif": "its values are floats, those of most others integers",
    "cat/pointer.jpg": "a Git LFS pointer, not the image: run git lfs pull",
    "cat/outside.png": f"a link that leads outside the folder: {FOLLOW}",
    "cat/nowhere.png": "a link to nothing",
    "cat/pipe.png": "no file",
    "stray.png": "belongs to no class",
    "linked": f"a link to a folder: {FOLLOW}",
}


@pytest.fixture
def hostile(folder, tmp_path):
    """A folder with everything that goes wrong, and some things that do not."""
    cat = folder / "cat"
    whole = save(tmp_path / "whole.jpg", size=(90, 90), colour=(9, 99, 9)).read_bytes()
    (cat / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (cat / "empty.png").touch()
    (cat / "notes.txt").write_text("cats")
    (cat / "text.png").write_text("cats")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (cat / "pointer.jpg").write_text(pointer)
    save(cat / "bomb.png", mode="1", size=(10_000, 10_000))
    save(cat / "floats.tif", mode="F")
    outside = save(tmp_path / "secret.png")
    (cat / "outside.png").symlink_to(outside)
    (cat / "nowhere.png").symlink_to(tmp_path / "missing.png")
    os.mkfifo(cat / "pipe.png")
    save(folder / "stray.png")
    (folder / "linked").symlink_to(tmp_path)
    save(cat / "cmyk.jpg", mode="CMYK")
    save(cat / "深い.png", mode="I;16", colour=65535)
    (cat / "inside.png").symlink_to(cat / "1.png")
    (cat / ".hidden").write_text("")
    (folder / "README.md").write_text("about")
    return folder


def test_every_bad_file_is_named_with_its_reason(hostile):
    with pytest.raises(DataError) as refused:
        read_images(hostile)
    for name, reason in BAD.items():
        assert f"{name} ({reason}" in str(refused.value)
    assert f"has {len(BAD)} images" in str(refused.value)
    data = read_images(hostile, on_error="skip")
    (note,) = [note for note in data.notes if note.startswith("left out")]
    for name, reason in BAD.items():
        assert f"{name} ({reason}" in note
    names = [file.name for file in data.train.files]
    assert sorted(names) == sorted(
        ["0.png", "1.png", "2.png", "cmyk.jpg", "inside.png", "深い.png"]
        + ["0.png", "1.png", "2.png"]
    )
    white = data.images[names.index("深い.png")]
    assert (white == 255).all()
    assert "passwd" not in str(refused.value)


def test_a_truncated_file_alone_is_refused_too(folder):
    whole = save(folder / "dog" / "big.jpg", size=(90, 90)).read_bytes()
    (folder / "dog" / "big.jpg").write_bytes(whole[:-300])
    with pytest.raises(DataError, match=r"1 image .*big.jpg .damaged"):
        read_images(folder)


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "cat/../../secret.png"]
)
def test_a_manifest_does_not_lead_outside(folder, name):
    save(folder.parent / "secret.png")
    manifest = folder / "list.csv"
    manifest.write_text(f"path,label\ncat/1.png,a\ncat/2.png,b\n{name},a\n")
    with pytest.raises(DataError, match="leads outside the folder"):
        read_images(manifest)
    assert len(read_images(manifest, on_error="skip").labels) == 2


@pytest.mark.parametrize("name", [b"cat/caf\xe9.png", b"caf\xe9/cat.png"])
def test_names_that_no_table_can_hold_are_bad(folder, name):
    file = os.path.join(os.fsencode(folder), name)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "wb") as copy:
        copy.write((folder / "cat" / "0.png").read_bytes())
    reason = r"caf\\udce9.*\(its name is not UTF-8\)"
    with pytest.raises(DataError, match=reason) as refused:
        read_images(folder)
    str(refused.value).encode()
    assert len(read_images(folder, on_error="skip").labels) == 6


def test_names_do_not_move_the_cursor(folder):
    (folder / "cat" / "\x1b[2J\n深い[red].png").touch()
    with pytest.raises(DataError) as refused:
        read_images(folder)
    assert r"cat/\x1b[2J\n深い[red].png (empty)" in str(refused.value)


def test_what_is_said_of_sizes_is_of_the_files_used(folder):
    whole = save(folder / "cat" / "big.jpg", size=(90, 90)).read_bytes()
    (folder / "cat" / "big.jpg").write_bytes(whole[:-300])
    notes = read_images(folder, on_error="skip").notes
    assert [note.split(":")[0] for note in notes] == ["left out 1 unusable file"]


def test_nothing_left_is_an_error(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.png").touch()
    with pytest.raises(DataError, match=r"no training image.*0.png .empty"):
        read_images(tmp_path, on_error="skip")


@pytest.mark.parametrize(
    ("mode", "colour", "channels", "seen"),
    [
        ("1", 1, 1, [255]),
        ("L", 7, 1, [7]),
        ("I;16", 257, 1, [64]),
        ("I", 65535, 1, [255]),
        ("P", 0, 3, [0, 0, 0]),
        ("RGB", (1, 2, 3), 3, [1, 2, 3]),
        ("RGBA", (1, 2, 3, 0), 4, [1, 2, 3, 0]),
        ("RGBA", (1, 2, 3, 0), 3, [255, 255, 255]),
        ("LA", (5, 255), 4, [5, 5, 5, 255]),
    ],
)
def test_a_rule_for_each_kind_of_file(tmp_path, mode, colour, channels, seen):
    suffix = "tif" if mode == "I" else "png"
    path = save(tmp_path / f"a.{suffix}", mode=mode, colour=colour)
    deep = [("a", path)] if decoding.read_header(path).is_deep else []
    scale, _ = decoding.find_scale(deep)
    pixels, header = decoding.decode(path, channels, (6, 8), "pad", scale)
    assert (header.height, header.width) == (6, 8)
    assert pixels.shape == (6, 8, channels)
    assert (pixels == seen).all()


def test_grey_and_colour_together_are_colour(folder):
    save(folder / "cat" / "grey.png", mode="L", colour=77)
    save(folder / "cat" / "clear.png", mode="RGBA", colour=(1, 2, 3, 255))
    data = read_images(folder)
    names = [file.name for file in data.train.files]
    assert data.images[names.index("grey.png"), 0, 0].tolist() == [77] * 3
    assert data.images[names.index("clear.png"), 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("suffix", ["jpg", "tiff", "png"])
def test_orientation_is_honoured(tmp_path, suffix):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by a quarter, clockwise
    upright = np.zeros((40, 20), dtype="uint8")
    upright[:20] = 255
    path = tmp_path / "a" / f"0.{suffix}"
    path.parent.mkdir()
    lying = Image.fromarray(np.rot90(upright).copy())
    lying.save(path, exif=exif, quality=95)
    header = decoding.read_header(path)
    assert (header.height, header.width) == (40, 20)
    data = read_images(tmp_path)
    assert data.images.shape == (1, 40, 20, 1)
    assert data.images[0, :15].min() > 200
    assert data.images[0, 25:].max() < 50


def test_sizes_are_chosen_and_said(tmp_path):
    save(tmp_path / "a" / "0.png", size=(200, 100))
    save(tmp_path / "a" / "1.png", size=(300, 100))
    save(tmp_path / "b" / "0.png", size=(240, 120))
    data = read_images(tmp_path)
    assert data.images.shape == (3, 27, 64, 3)
    assert data.notes == [
        "files of 100x200 to 120x300 pixels (height x width) are brought to 27x64: pad "
        "(--size; fit in --config)"
    ]
    own = read_images(tmp_path, size=(32, 48), fit="crop")
    assert own.images.shape == (3, 32, 48, 3)
    with pytest.raises(DataError, match="A fit is one of"):
        read_images(tmp_path, fit="squeeze")


def test_fits_differ_in_what_they_keep():
    picture = np.full((20, 60), 100, dtype="uint8")
    picture[:, :20] = 0
    image = Image.fromarray(picture)
    fits = {fit: np.asarray(fit_image(image, (20, 20), fit)) for fit in FITS}
    assert (fits["crop"] == 100).all()
    assert fits["stretch"][:, 0].max() == 0
    assert (fits["pad"][10] < 60).any()
    border = round(float((picture[0].sum() * 2 + picture[:, -1].sum()) / 160))
    assert abs(int(fits["pad"][0, 0]) - border) <= 1
    same = Image.fromarray(picture[:, :20])
    assert fit_image(same, (20, 20), "crop") is same


def test_a_set_larger_than_memory_goes_to_a_file(folder, monkeypatch):
    expected = read_images(folder)
    monkeypatch.setattr(memory, "IN_MEMORY", 100)
    data = read_images(folder)
    assert isinstance(data.images, np.memmap)
    np.testing.assert_array_equal(data.images, expected.images)


def test_arrays_have_a_size_already(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 4, 4)), y=[0, 1])
    with pytest.raises(DataError, match="have one size already"):
        read_images(tmp_path / "a.npz", size=(8, 8))


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        ([(64, 48), (64, 48)], (64, 48)),
        ([(65, 65), (65, 65)], (64, 64)),
        ([(64, 48), (64, 50)], (64, 49)),
        ([(128, 100), (128, 96)], (64, 49)),
        ([(20, 30), (24, 30), (20, 28)], (20, 30)),
        ([(2, 2)], (4, 4)),
    ],
)
def test_the_size_that_is_chosen(sides, size):
    headers = [Header(*pair, 3) for pair in sides]
    assert choose_size(headers) == size
    # Where they are alike and small they keep their own; else the limit holds
    own = len(set(sides)) == 1 and max(sides[0]) <= 64
    assert own or max(choose_size(headers, 16)) == 16
    assert not own or choose_size(headers, 16) == size
