"""What the folders of an image set mean: classes, splits, folders around them."""

import numpy as np
import pytest

from balancegan.data.labelled import SyntheticImages
from balancegan.data.reading import read_images
from balancegan.data.splits import split_of
from balancegan.data.writing import write_images
from balancegan.errors import DataError
from balancegan.pictures import encode_png

PICTURE = encode_png(np.full((4, 4, 1), 7, dtype=np.uint8))


def make(root, *names):
    """Make files: images, or texts; a name that ends in "/" is a folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.write_bytes(PICTURE)
    return root


def many(*folders):
    """Two images in each folder."""
    return [f"{folder}/{n}.png" for folder in folders for n in range(2)]


def read(root):
    """Return how many images of each class each split has, and the notes."""
    data = read_images(root)
    parts = {
        split: dict(zip(*np.unique(part.labels, return_counts=True), strict=True))
        for split, part in data.parts.items()
    }
    return parts, data.notes


CLASSES = {"cat": 2, "dog": 2}
BOTH = {"train": CLASSES, "test": CLASSES}


def split_set(train, test):
    return many(*(f"{split}/{label}" for split in (train, test) for label in CLASSES))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "TEST"),
        ("Training", "Testing"),
        ("train_set", "test_set"),
        ("trainset", "testset"),
        ("TrainSet", "TestSet"),
        ("trn", "tst"),
        ("training_images", "test_images"),
        ("images_train", "images_test"),
        ("1_train", "2_test"),
        ("01-train", "02-test"),
        ("train2017", "test2017"),
        ("dataset_train", "dataset_test"),
        ("seg_train", "seg_test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train/images", "test/images"),
        ("asl_alphabet_train", "asl_alphabet_test"),
        ("train", "eval"),
        ("train", "evaluation"),
        ("train", "holdout"),
        ("train", "hold_out"),
        ("a/b/train", "a/b/test"),
        ("trainval", "test"),
    ],
)
def test_split_folders_are_no_classes(tmp_path, train, test):
    parts, notes = read(make(tmp_path, *split_set(train, test)))
    assert parts == BOTH
    plain = {"train", "test", "training", "testing"}
    if not {train.lower(), test.lower()} <= plain:
        for name in (train, test):
            is_plain = name.lower() in plain or name.startswith("a/b")
            assert is_plain or any(name in note for note in notes)


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "dev", "val_set"])
def test_a_validation_folder_is_no_class(tmp_path, name):
    parts, _ = read(make(tmp_path, *split_set("train", name)))
    assert parts == {"train": CLASSES, "val": CLASSES}


LAYOUTS = {
    "one wrapper": (many("archive/cat", "archive/dog"), {"train": CLASSES}, "archive"),
    "three wrappers": (
        many("a/data/images/cat", "a/data/images/dog"),
        {"train": CLASSES},
        "read from a/data/images",
    ),
    "what macOS adds": (
        [*split_set("archive/train", "archive/test"), *many("__MACOSX/archive/train")],
        BOTH,
        "ignored folders of other programs: __MACOSX",
    ),
    "a copy of the set next to its splits": (
        split_set("train", "test") + split_set("copy/train", "copy/test"),
        BOTH,
        "ignored 8 images",
    ),
    "unlabelled images next to splits": (
        [*split_set("seg_train", "seg_test"), *many("seg_pred")],
        BOTH,
        "ignored 2 images",
    ),
    "a test part without labels": (
        many("train/cat", "train/dog", "test"),
        {"train": CLASSES},
        "ignored test: it holds 2 images and no class folders",
    ),
    "a test part without labels, below": (
        many("a_train/a_train/cat", "a_train/a_train/dog", "a_test/a_test"),
        {"train": CLASSES},
        "ignored a_test: it holds 2 images and no class folders",
    ),
    "vehicles": (
        many("train", "car", "plane"),
        {"train": {"train": 2, "car": 2, "plane": 2}},
        "train is taken for a class",
    ),
    "steam trains": (
        many("steam_train", "car"),
        {"train": {"steam_train": 2, "car": 2}},
        None,
    ),
    "years": (
        many("cat/2021", "cat/2022", "dog/2021"),
        {"train": {"cat": 4, "dog": 2}},
        "class 'cat' takes images from 2 sub-folders: 2021, 2022",
    ),
    "a folder called images in each class": (
        many("cat/imgs", "dog/imgs"),
        {"train": CLASSES},
        None,
    ),
    "dates": (
        many("cat/2021/01", "cat/2021/02", "dog/2021/01"),
        {"train": {"cat": 4, "dog": 2}},
        "class 'cat' takes images from 2 sub-folders: 01, 02",
    ),
    "some folders of one name in each class": (
        many("a/SOB/x/40X", "a/SOB/y/40X", "b/SOB/z/40X"),
        {"train": {"a": 4, "b": 2}},
        "class 'a' takes images from 2 sub-folders: x, y",
    ),
    "a folder of one name in each class": (
        many("cat/crops", "dog/crops"),
        {"train": CLASSES},
        "class 'cat' takes images from a sub-folder: crops",
    ),
    "each class twice within itself": (
        many("cat/cat", "dog/dog"),
        {"train": CLASSES},
        None,
    ),
    "kinds of a class": (
        many("animal/cat", "animal/dog", "plant/rose"),
        {"train": {"animal": 4, "plant": 2}},
        "class 'animal' takes images from 2 sub-folders: cat, dog",
    ),
    "images and sub-folders": (
        many("cat", "cat/kittens", "dog"),
        {"train": {"cat": 4, "dog": 2}},
        "class 'cat' takes images from a sub-folder: kittens",
    ),
    "splits within classes": (
        many("cat/train", "cat/test", "dog/Train", "dog/Test"),
        BOTH,
        "in each class folder, Test, Train, test and 1 more are its splits",
    ),
    "splits within wrapped classes": (
        many("data/cat/train", "data/cat/test", "data/dog/train"),
        {"train": CLASSES, "test": {"cat": 2}},
        "classes without a test image: dog",
    ),
    "train within every class": (
        many("cat/train", "dog/train"),
        {"train": CLASSES},
        "are its splits",
    ),
    "other classes in the test part": (
        many("train/cat", "train/dog", "test/cat", "test/owl"),
        {"train": CLASSES, "test": {"cat": 2, "owl": 2}},
        "classes without a test image: dog",
    ),
    "one class": (many("cat"), {"train": {"cat": 2}}, None),
    "a class of masked people": (
        many("mask", "no_mask"),
        {"train": {"mask": 2, "no_mask": 2}},
        None,
    ),
    "an empty class folder": (
        [*many("cat", "dog"), "owl/"],
        {"train": CLASSES},
        "class folder 'owl' is empty",
    ),
    "an empty test folder": (
        [*many("train/cat", "train/dog"), "test/"],
        {"train": CLASSES},
        "folder 'test' is empty",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_are_understood(tmp_path, layout):
    names, expected, note = LAYOUTS[layout]
    parts, notes = read(make(tmp_path, *names))
    assert parts == expected
    assert notes == [] if note is None else any(note in text for text in notes)


REFUSED = {
    "a table next to images": (
        ["images/0.png", "train.csv"],
        "Or name the table train.csv instead of the folder",
    ),
    "splits without classes": (many("train", "test"), "test, train: .* no class f"),
    "splits without classes, below": (many("a/train", "a/val"), "no class folders"),
    "trainA and trainB": (many("trainA", "trainB", "testA", "testB"), "no class f"),
    "objects to detect": (
        many("images/train", "images/val") + many("labels/train", "labels/val"),
        "no class folders",
    ),
    "images alone": (many("images"), "not that of a class"),
    "images alone in every split": (many("train/images", "test/images"), "no class f"),
    "the test part alone": (many("test/cat", "test/dog"), "no training part"),
    "test parts alone": (split_set("test", "val"), "no training part"),
    "a wrapped test part": (
        many("seg_test/seg_test/a", "seg_test/seg_test/b"),
        "no tr",
    ),
    "classes next to a test part": (
        many("cat", "dog", "test/cat", "test/dog"),
        "next to cat, dog: no training part",
    ),
    "two training parts": (
        split_set("train1", "test") + many("train2/cat", "train2/dog"),
        "Several folders .* train part.*: train1, train2",
    ),
    "val and dev": (split_set("train", "val") + many("dev/cat", "dev/dog"), "Several"),
    "a class or the training part": (
        many("train/steam", "train/diesel", "car", "plane"),
        "may be the training part or a class",
    ),
    "a split without its partner": (
        many("seg_train/a", "seg_train/b", "seg_pred"),
        "seg_train may be a split or a class",
    ),
    "folds": (many("fold_1/cat", "fold_1/dog", "fold_2/cat"), "cross-validation"),
    "folds without classes": (many("fold1", "fold2", "fold3"), "cross-validation"),
    "folds of the training part": (
        many("train/cv1/cat", "train/cv2/cat", "test/cat"),
        "cross-validation",
    ),
    "sites": (many("site_a/cat", "site_a/dog", "site_b/cat"), "each hold .*: cat"),
    "years outside": (many("2021/cat", "2021/dog", "2022/cat"), "each hold .*: cat"),
    "a site with one class": (many("s1/cat", "s2/cat", "s2/dog"), "each hold .*: cat"),
    "two sets": (
        split_set("a/train", "a/test") + split_set("b/train", "b/test"),
        "sev",
    ),
    "splits in some classes": (many("cat/train", "cat/test", "dog"), "or in none"),
    "a class in another": (many("cat", "cat/dog", "dog"), "moved by accident"),
    "a copy in the set": (
        many("cat", "dog", "all/cat", "all/dog"),
        "a copy of the set",
    ),
    "nothing in common": (many("train/a", "train/b", "test/c"), "no class in common"),
    "too deep": (many("/".join(["a"] * 60)), "more than 50 folders within"),
    "nothing": (["notes/"], "has no images"),
}


@pytest.mark.parametrize("layout", REFUSED)
def test_folders_of_several_meanings_are_refused(tmp_path, layout):
    names, because = REFUSED[layout]
    with pytest.raises(DataError, match=because) as refused:
        read_images(make(tmp_path, *names))
    assert str(tmp_path) in str(refused.value)


def test_either_of_two_levels_may_be_the_classes(tmp_path):
    levels = many(*(f"{outer}/{inner}" for outer in ("cat", "dog") for inner in "12"))
    with pytest.raises(DataError, match=r"If cat, dog are, give .* If 1, 2 are, move"):
        read_images(make(tmp_path, *levels))


def test_a_refusal_says_what_was_left_out_before(tmp_path):
    with pytest.raises(DataError, match="Note: left out 2 images in .* masks: mask"):
        read_images(make(tmp_path, *many("mask", "images")))


def test_images_of_a_split_without_classes_are_noted_once(tmp_path):
    _, notes = read(make(tmp_path, *many("train/cat", "train/dog", "val")))
    assert len([note for note in notes if "val" in note]) == 1


CONTENTS = {
    "Git LFS": (
        ["0.jpg", "1.jpg"],
        b"version https://git-lfs.github.com/spec/v1",
        r"no folders of classes.*0.jpg, 1.jpg \(a Git LFS pointer",
    ),
    "DICOM": (["cat/IM0"], bytes(128) + b"DICM", "no images.*cat/IM0 is a DICOM file"),
    "others": (["cat/0.tga"], b"?", r"no images.*ignored 1 file .*1 \.tga"),
    "photos": (["0.png", "1.png"], PICTURE, r"0.png, 1.png \(belongs to no class\)"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_there_is_instead_of_class_folders_is_said(tmp_path, kind):
    names, content, because = CONTENTS[kind]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(DataError, match=because):
        read_images(tmp_path)


@pytest.mark.parametrize("joint", ["", "_", "-", " ", ".", "1_"])
@pytest.mark.parametrize("word", ["train", "Test", "VAL", "training", "holdout"])
def test_fillers_do_not_change_the_split_that_a_name_says(word, joint):
    split = split_of(word)
    assert split is not None
    for filler in ("set", "Set", "images", "data", "2"):
        assert split_of(f"{word}{joint}{filler}") == split
        if joint:
            assert split_of(f"{filler}{joint}{word}") == split


@pytest.mark.parametrize(
    "name", ["trainer", "contest", "latest", "valley", "devil", "trains", "testament"]
)
def test_other_words_say_no_split(name):
    assert split_of(name) is None


def test_synthetic_images_lie_next_to_those_of_their_class(tmp_path):
    names = split_set("seg_train/seg_train", "seg_test/seg_test")
    data = read_images(make(tmp_path / "in", *names))
    images = data.images[:1]
    synthetic = SyntheticImages([images], np.array(["dog"]), np.array([0]), "0" * 8)
    write_images(tmp_path / "out", data, synthetic)
    (made,) = (tmp_path / "out").rglob("synthetic*.png")
    assert made.parent == tmp_path / "out" / "seg_train" / "seg_train" / "dog"
    again = read_images(tmp_path / "in")
    assert {split: part.labels.tolist() for split, part in again.parts.items()} == {
        split: part.labels.tolist() for split, part in data.parts.items()
    }


NAMES = ["emoji 😀", "50%", "a.b", "x" * 200, "ﬁ", "'quoted'", "=1+1", "con"]


def test_classes_have_the_names_of_their_folders(tmp_path):
    parts, notes = read(make(tmp_path, *many(*NAMES)))
    assert parts == {"train": dict.fromkeys(NAMES, 2)}
    assert notes == []


def test_composed_and_decomposed_names_are_one_class(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    names = [f"train/{composed}", "train/tea", f"test/{decomposed}", "test/tea"]
    parts, notes = read(make(tmp_path, *many(*names)))
    assert parts["train"].keys() == parts["test"].keys() == {composed, "tea"}
    assert notes == []
    parts, notes = read(make(tmp_path / "train", *many(decomposed)))
    assert parts["train"] == {composed: 4, "tea": 2}
    assert any("folders of one class" in note for note in notes)


def test_blanks_around_a_name_are_none_of_the_class(tmp_path):
    parts, notes = read(make(tmp_path, *many("cat ", "cat", "dog ")))
    assert parts["train"] == {"cat": 4, "dog": 2}
    assert notes == ["folders of one class, 'cat': 'cat', 'cat '"]


def test_names_that_differ_in_case_are_noted(tmp_path):
    parts, notes = read(make(tmp_path, *many("Cat", "cat", "dog")))
    assert parts["train"] == {"Cat": 2, "cat": 2, "dog": 2}
    assert notes == ["classes whose names differ in case alone: Cat, cat"]


STRAY = {
    "cat/notes.pdf": "2 files not of images (1 .pdf, 1 .txt): cat/notes.pdf, dog/x.txt",
    "dog/x.txt": "2 files not of images",
    "cat/Thumbs.db": "1 file not of images (1 .db): cat/Thumbs.db",
    "cat/.DS_Store": "1 file not of images (1 without suffix): cat/.DS_Store",
    "cat/._0.png": "1 file not of images (1 .png): cat/._0.png",
    "cat/desktop.ini": "(1 .ini)",
    "cat/0.xml": "1 annotation file with names of images: cat/0.xml",
    "cat/0.txt": "1 annotation file with names of images: cat/0.txt",
    "labels/0.txt": "1 file not of images (1 .txt): labels/0.txt",
    "cat/unknown.asp": "1 file not of images (1 .asp): cat/unknown.asp",
    "cat/@eaDir/0.png": "ignored folders of other programs: cat/@eaDir",
    "#recycle/owl/0.png": "folders of other programs: #recycle",
    "cat/thumbs/0.png": "folders of other programs: cat/thumbs",
    ".ipynb_checkpoints/0.png": "folders of other programs: .ipynb_checkpoints",
    "lost+found/": "folders of other programs: lost+found",
}


@pytest.mark.parametrize("name", STRAY)
def test_what_is_no_image_is_noted(tmp_path, name):
    root = make(tmp_path, *many("cat", "dog"))
    others = ["cat/notes.pdf", "dog/x.txt"] if "2 files" in STRAY[name] else [name]
    for other in others:
        make(root, other)
        if not other.endswith(".png") and not other.endswith("/"):
            (root / other).write_text("text")
    parts, notes = read(root)
    assert parts == {"train": CLASSES}
    assert any(STRAY[name] in note for note in notes)


@pytest.mark.parametrize("name", [".hidden", "README.md", "cat/LICENSE", ".git/x.png"])
def test_what_comes_with_image_sets_is_not_noted(tmp_path, name):
    assert read(make(tmp_path, *many("cat", "dog"), name)) == ({"train": CLASSES}, [])


def test_content_decides_where_the_suffix_does_not(tmp_path):
    names = ["cat/2.jpg')", "cat/3.png.sb-334870d9-FK2TVI", "dog/hash"]
    parts, notes = read(make(tmp_path, *many("cat", "dog"), *names))
    assert parts["train"] == {"cat": 4, "dog": 3}
    assert notes == [
        "3 images known by content, not by suffix: cat/2.jpg'), "
        "cat/3.png.sb-334870d9-FK2TVI, dog/hash"
    ]


def test_an_image_that_cannot_be_read_is_not_ignored(tmp_path):
    root = make(tmp_path, *many("cat", "dog"))
    (root / "cat" / "2.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(DataError, match="1 image that cannot be used: cat/2.svg"):
        read_images(root)


def test_a_table_without_labels_adds_columns(tmp_path):
    root = make(tmp_path, *many("cat", "dog"))
    text = "file_name,caption\ncat/1.png,a\n./dog/0.png,b\ncat/9.png,c\n"
    (root / "metadata.csv").write_text(text)
    data = read_images(root)
    assert data.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert data.train.columns["caption"].fillna("-").tolist() == ["-", "a", "b", "-"]


def test_tables_in_split_and_class_folders_add_columns(tmp_path):
    root = make(tmp_path, *split_set("train", "test"))
    (root / "train" / "metadata.csv").write_text("file_name,hue\ncat/0.png,red\n")
    (root / "test" / "dog" / "metadata.csv").write_text("file_name,hue\n1.png,blue\n")
    data = read_images(root)
    hues = {s: p.columns["hue"].fillna("-").tolist() for s, p in data.parts.items()}
    assert hues == {"train": ["red", "-", "-", "-"], "test": ["-", "-", "-", "blue"]}


def test_a_table_without_labels_may_say_the_split(tmp_path):
    root = make(tmp_path, *many("cat", "dog"))
    (root / "metadata.csv").write_text("file_name,split\ncat/1.png,test\n")
    parts, _ = read(root)
    assert parts == {"train": {"cat": 1, "dog": 2}, "test": {"cat": 1}}


def test_a_table_and_folders_that_differ_are_refused(tmp_path):
    root = make(tmp_path, *many("cat", "dog"))
    (root / "cat" / "metadata.csv").write_text("file_name,label\n1.png,dog\n")
    with pytest.raises(DataError, match=r"differ about cat/1.png. Received: label 'd"):
        read_images(root)


def test_a_table_of_split_folders_keeps_test_images_apart(tmp_path):
    root = make(tmp_path, *split_set("train", "test"))
    rows = [f"{name},{name.split('/')[1]}" for name in split_set("train", "test")]
    (root / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    parts, notes = read(root)
    assert parts == BOTH
    assert notes == ["splits are those of the folders that the table names"]


def test_a_table_is_found_within_a_wrapper(tmp_path):
    root = make(tmp_path, "archive/0.png", "archive/1.png")
    table = "file_name,label\n0.png,cat\n1.png,dog\n"
    (root / "archive" / "metadata.csv").write_text(table)
    parts, _ = read(root)
    assert parts == {"train": {"cat": 1, "dog": 1}}
