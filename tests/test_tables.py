"""Tables of image files as other people and programs write them."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from balancegan.data.filefinder import FileFinder
from balancegan.data.reading import read_images
from balancegan.data.tables import open_text_table
from balancegan.data.writing import write_images
from balancegan.errors import DataError

FILES = {"cat/0.png": "cat", "cat/1.png": "cat", "dog/0.png": "dog"}


def save_images(root, names):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 10 * number).save(root / name)


@pytest.fixture
def root(tmp_path):
    save_images(tmp_path, FILES)
    return tmp_path


def write_table(root, text, name="t.csv", encoding="utf-8"):
    path = root / name
    path.write_bytes(text.encode(encoding))
    return path


def table_of(rows, head="file_name,label"):
    return "\n".join([head, *(",".join(row) for row in rows)]) + "\n"


USUAL = table_of(FILES.items())

NUMBERED = table_of([(str(k), *row) for k, row in enumerate(FILES.items())], "")[1:]


def assert_read(path, labels=("cat", "cat", "dog"), **how):
    data = read_images(path, **how)
    assert data.labels.tolist() == list(labels)
    assert [image.flat[0] for image in data.images] == [0, 10, 20]
    return data


@pytest.mark.parametrize(
    "text",
    [
        USUAL.replace(",", ";"),
        USUAL.replace(",", "\t"),
        USUAL.replace(",", "|"),
        USUAL.replace(",", "   "),
        USUAL.replace(",", ", "),
        USUAL.replace(",", " ; "),
        USUAL.replace("\n", ",\n"),
        USUAL.replace("\n", ",\n").replace("label,", "label"),
        USUAL.replace("\n", "\r\n"),
        USUAL.replace("\n", "\r"),
        USUAL.replace("\n", "\n\n"),
        USUAL + ",\n,\n",
        USUAL.replace("/", "\\"),
        "sep=;\n" + USUAL.replace(",", ";"),
        "# made by us, in 2020, for you\n#\n" + USUAL,
        "# made by us\r\n" + USUAL.replace(",", ";").replace("\n", "\r\n"),
        "# made by us\n" + USUAL.split("\n", 1)[1],
        "# made by us\n#" + USUAL,
        USUAL.replace("cat/0.png", '"cat/0.png"'),
        USUAL.split("\n", 1)[1],
        USUAL.split("\n", 1)[1].replace(",", "  "),
        ",file_name,label\n" + NUMBERED,
        "file_name,label\n" + NUMBERED,
        "file_name;label;size\n" + "".join(f"{f};{c};1,5\n" for f, c in FILES.items()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_separators_and_headers_are_recognised(root, text, suffix):
    assert_read(write_table(root, text, f"t{suffix}"))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_unicode_encodings_are_recognised(root, encoding):
    text = USUAL.replace("dog\n", "größer\n")
    assert_read(write_table(root, text, encoding=encoding), ("cat", "cat", "größer"))


def test_windows_1252_is_read_and_said(root):
    path = write_table(root, USUAL.replace("dog\n", "größer\n"), encoding="cp1252")
    data = assert_read(path, ("cat", "cat", "größer"))
    assert any("Windows-1252" in note for note in data.notes)


@pytest.mark.parametrize("content", [b"\0\1\2\3" * 9, b"a\x81\x8d\n", b"\xff\xfe\0"])
def test_what_is_no_text_is_refused(root, content):
    path = root / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not a text file"):
        read_images(path)


@given(
    st.lists(
        st.lists(
            st.text("ab ,;'\"|\n", min_size=1, max_size=5), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(",;\t|"),
)
@settings(max_examples=60)
def test_quoted_cells_are_read_as_written(tmp_path_factory, rows, separator):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    rows = [["one", "two", "three"], *rows]
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in rows]
    path.write_text("\n".join(separator.join(row) for row in quoted), newline="")
    table = open_text_table(path).frame(lambda _: False)
    filled = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    assert table.to_numpy().tolist() == filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (USUAL + "cat/9.png,cat,more\n", "Row 4 .* has 3 cells"),
        (USUAL + '"cat/9.png,cat\n', "quotation mark"),
        ("", "has no rows"),
        ("file_name,label\n", "names no image"),
    ],
)
def test_damaged_tables_are_refused(root, text, message):
    with pytest.raises(DataError, match=message):
        read_images(write_table(root, text))


@pytest.mark.parametrize(
    "head",
    ["filename,class", "Image,dx", "image_id,Label", "img,target", "filepaths,labels",
     "ID,category", " File Name , Class Id ", "Image Index,species", "what,ever"],
)  # fmt: skip
def test_usual_names_of_columns_are_known(root, head):
    data = assert_read(write_table(root, table_of(FILES.items(), head)))
    assert any("labels by" in note for note in data.notes)


def test_of_several_columns_the_one_that_names_files_is_taken(root):
    rows = [(str(k), file, name) for k, (file, name) in enumerate(FILES.items())]
    assert_read(write_table(root, table_of(rows, "id,image,label")))


def test_columns_that_name_other_files_are_refused(root):
    rows = [(file, "dog/0.png", name) for file, name in FILES.items()]
    with pytest.raises(DataError, match=r"image, img. Name one by --images-key"):
        read_images(write_table(root, table_of(rows, "image,img,label")))


def test_classes_with_a_number_and_a_name_are_one_column(root):
    rows = [(file, "1" if name == "dog" else "0", name) for file, name in FILES.items()]
    path = write_table(root, table_of(rows, "file,class_id,category"))
    assert_read(path)


def test_labels_that_differ_are_refused(root):
    rows = [(file, name, file[:5]) for file, name in FILES.items()]
    with pytest.raises(DataError, match="class, species. Name one by --labels-key"):
        read_images(write_table(root, table_of(rows, "file,class,species")))


def test_no_usual_label_lists_the_columns(root):
    rows = [(file, name, name) for file, name in FILES.items()]
    path = write_table(root, table_of(rows, "file,caste,health"))
    with pytest.raises(
        DataError, match="Received: caste, health. Name one by --labels"
    ):
        read_images(path)
    assert_read(path, labels_key="health")


@pytest.mark.parametrize(("no", "yes"), [("0", "1"), ("0.0", "1.0"), ("False", "True")])
def test_one_hot_columns_are_the_label(root, no, yes):
    rows = [(f, yes if c == "cat" else no, no if c == "cat" else yes, "5")
            for f, c in FILES.items()]  # fmt: skip
    data = assert_read(write_table(root, table_of(rows, "image,cat,dog,age")))
    assert any("cat, dog" in note for note in data.notes)
    assert list(data.train.columns) == ["cat", "dog", "age"]


def test_several_labels_an_image_are_refused(root):
    rows = [(file, "1", "1" if name == "dog" else "0") for file, name in FILES.items()]
    with pytest.raises(DataError, match="not one 1 in each row"):
        read_images(write_table(root, table_of(rows, "image,cat,dog")))


@pytest.mark.parametrize("label", ["NA", "None", "null", "nan", "N/A", "NaN", "-"])
def test_words_for_nothing_are_labels(root, label):
    assert_read(
        write_table(root, USUAL.replace("dog\n", f"{label}\n")), ("cat", "cat", label)
    )


def test_blanks_around_labels_are_cut_and_said(root):
    data = assert_read(write_table(root, USUAL.replace("0.png,cat", "0.png,cat ")))
    assert any("differ in blanks" in note and "cat" in note for note in data.notes)


@pytest.mark.parametrize(
    ("given_labels", "read"),
    [
        (("1.0", "1.0", "0.0"), ("1", "1", "0")),
        (("1", "1.0", "2"), ("1", "1", "2")),
        (("01", "1", "02"), ("01", "1", "02")),
        (("1.0", "0.5", "0.0"), ("1.0", "0.5", "0.0")),
    ],
)
def test_whole_numbers_have_no_decimal_point(root, given_labels, read):
    rows = zip(FILES, given_labels, strict=True)
    assert_read(write_table(root, table_of(rows)), read)


def read_parts(path):
    """Return the split of each image by its number, and the notes."""
    data = read_images(path)
    numbers = {
        int(image.flat[0]) // 10: split
        for split, part in data.parts.items()
        for image in part.images
    }
    return [numbers[k] for k in sorted(numbers)], data.notes


@pytest.mark.parametrize(
    ("columns", "values", "splits"),
    [
        ("split", "train,TEST ,valid", "train test val"),
        ("data set", "Train,test set,eval", "train test test"),
        ("Usage", "Training,PublicTest,PrivateTest", "train val test"),
        ("subset", ",,test", "train train test"),
        ("anything", "train,train,test", "train train test"),
        ("is_test", "0,0,1", "train train test"),
        ("isTest", "FALSE,,TRUE", "train train test"),
        ("train", "True,True,False", "train train test"),
        ("is_training_image", "1.0,0.0,1.0", "train test train"),
        ("is_valid", "no,no,yes", "train train val"),
        ("is_val;is_test", "0;0,1;0,0;1", "train val test"),
        ("train;val", "1;0,0;1,0;0", "train val test"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_splits_are_known(root, columns, values, splits, suffix):
    cells = dict(
        zip(
            columns.split(";"),
            zip(*[v.split(";") for v in values.split(",")], strict=True),
            strict=True,
        )
    )
    table = pd.DataFrame(
        {"file_name": list(FILES), "label": list(FILES.values()), **cells}
    )
    path = root / f"t{suffix}"
    (table.to_csv if suffix == ".csv" else table.to_parquet)(path, index=False)
    read, notes = read_parts(path)
    assert read == splits.split()
    assert columns == "split" or all(repr(c) in notes[-1] for c in columns.split(";"))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("fold", "0,1,2"),
        ("partition", "0,1,2"),
        ("dataset", "kaggle,isic,isic"),
        ("is_test", "x,,"),
        ("is_valid", "1,1,0"),
    ],
)
def test_a_column_that_may_say_the_split_is_named_and_kept(root, column, values):
    rows = [(*row, v) for row, v in zip(FILES.items(), values.split(","), strict=True)]
    path = write_table(root, table_of(rows, f"file_name,label,{column}"))
    splits, notes = read_parts(path)
    assert splits == ["train"] * 3
    assert f"the column {column!r} of t.csv is not read as a split" in notes[-1]
    assert column in read_images(path).train.columns


@pytest.mark.parametrize(
    ("columns", "values", "message"),
    [
        ("set", "train,test,extra", "'set' of .*: 'extra'"),
        ("split", "0,0,1", "'split' of .*: '0', '1'"),
        ("is_val,is_test", "0,0;0,0;1,1", "several of 'is_val', 'is_test' .* row 3"),
    ],
)
def test_splits_that_are_not_clear_are_refused(root, columns, values, message):
    values = values.split(";") if ";" in values else values.split(",")
    rows = [(*row, v) for row, v in zip(FILES.items(), values, strict=True)]
    with pytest.raises(DataError, match=message):
        read_images(write_table(root, table_of(rows, f"file_name,label,{columns}")))


@pytest.mark.parametrize(
    ("head", "rows", "labels"),
    [
        ("file_name,car,train", ("1,0", "0,1", "0,1"), ["car", "train", "train"]),
        ("file_name,a,b,is_test", ("1,0,0", "0,1,0", "0,1,1"), ["a", "b"]),
    ],
)
def test_one_hot_classes_are_not_splits(root, head, rows, labels):
    rows = zip(FILES, rows, strict=True)
    data = read_images(write_table(root, table_of(rows, head)))
    assert data.labels.tolist() == labels


@pytest.mark.parametrize("names", ["{}/{}.png", "set/{}/cat/{}.png", "cat/{}/{}.png"])
def test_folders_of_splits_keep_test_images_apart(tmp_path, names):
    splits = ["train", "train", "test"]
    files = [names.format(split, k) for k, split in enumerate(splits)]
    save_images(tmp_path, files)
    rows = list(zip(files, "aba", strict=True))
    assert read_parts(write_table(tmp_path, table_of(rows)))[0] == splits
    rows = [("/kaggle/input/" + file, label) for file, label in rows]
    assert read_parts(write_table(tmp_path, table_of(rows)))[0] == splits
    rows = [(*row, "train") for row in rows]
    path = write_table(tmp_path, table_of(rows, "file_name,label,split"))
    assert read_parts(path)[0] == ["train"] * 3


def test_a_file_in_no_folder_of_splits_is_refused(tmp_path):
    files = ["train/0.png", "test/1.png", "more/2.png"]
    save_images(tmp_path, files)
    path = write_table(tmp_path, table_of(zip(files, "aba", strict=True)))
    with pytest.raises(DataError, match="such as train, but not that of more/2.png"):
        read_images(path)


def test_incomplete_rows_are_counted_or_left_out(root):
    path = write_table(root, USUAL + "cat/7.png,\n,cat\n,\n")
    with pytest.raises(
        DataError, match="1 without a file_name, first row 5; 1 without"
    ):
        read_images(path)
    data = assert_read(path, on_error="skip")
    assert any("incomplete rows" in note for note in data.notes)


def test_rows_that_repeat_a_file_are_counted(root):
    data = read_images(write_table(root, USUAL + "cat/0.png,cat\n" * 2))
    assert len(data.labels) == 5
    assert any(note.startswith("2 of 5 rows name a file") for note in data.notes)


def test_files_with_several_labels_or_splits_are_counted(root):
    rows = [(*row, "train") for row in FILES.items()]
    rows += [("cat/0.png", "dog", "train"), ("dog/0.png", "dog", "test")]
    data = read_images(write_table(root, table_of(rows, "file_name,label,split")))
    assert data.notes[0].endswith(
        "; labels differ for 1 of these files; splits differ for 1 of these files"
    )


def test_ids_are_files_without_suffix(root):
    data = assert_read(write_table(root, USUAL.replace(".png", "")))
    assert any("without suffix" in note for note in data.notes)


def test_an_id_of_two_files_is_refused(root):
    Image.new("L", (4, 4)).save(root / "cat/0.jpg")
    with pytest.raises(DataError, match=r"cat/0 \(several files.*0.jpg, cat/0.png"):
        read_images(write_table(root, USUAL.replace(".png", "")))


def test_a_table_of_ids_without_names_of_columns(root):
    text = USUAL.split("\n", 1)[1].replace(".png", "")
    assert_read(write_table(root, text))


@pytest.mark.parametrize(
    "change", [str.upper, lambda name: name.replace("cat", "CAT").replace("p", "P")]
)
def test_names_may_differ_in_case_from_the_disk(root, change):
    rows = [(change(file), name) for file, name in FILES.items()]
    data = assert_read(write_table(root, table_of(rows)))
    assert any("another case" in note for note in data.notes)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_may_be_composed_otherwise(tmp_path, form):
    other = "NFD" if form == "NFC" else "NFC"
    save_images(tmp_path, [unicodedata.normalize(form, "ü.png")])
    name = unicodedata.normalize(other, "ü.png")
    data = read_images(write_table(tmp_path, f"file_name,label\n{name},a\n"))
    assert len(data.labels) == 1


PREFIXES = ["/kaggle/input/x", r"C:\Users\me\set", "/home/me", "//server/share", "set"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_paths_of_other_computers_are_matched_by_their_ends(root, prefix):
    sign = "\\" if "\\" in prefix else "/"
    rows = [(f"{prefix}/{file}".replace("/", sign), c) for file, c in FILES.items()]
    data = assert_read(write_table(root, table_of(rows)))
    assert any("are read without" in note for note in data.notes)


def test_absolute_paths_below_the_folder_are_files(root):
    rows = [(str(root / file), name) for file, name in FILES.items()]
    data = assert_read(write_table(root, table_of(rows)))
    write_images(root.parent / f"{root.name}_out", data)


def test_a_path_of_train_is_no_file_of_test(tmp_path):
    save_images(tmp_path, ["test/0.png", "test/1.png"])
    rows = [("/kaggle/train/0.png", "a"), ("/kaggle/train/1.png", "b")]
    with pytest.raises(DataError, match="None of the 2 files"):
        read_images(write_table(tmp_path, table_of(rows)))


@pytest.mark.parametrize("images", ["train_images", "deep/er"])
def test_the_only_folder_with_all_files_is_found(tmp_path, images):
    save_images(tmp_path / images, FILES)
    save_images(tmp_path / "masks", list(FILES)[:1])
    data = assert_read(write_table(tmp_path, USUAL))
    assert any(images in note for note in data.notes)


def test_files_in_two_folders_are_found_where_each_is(tmp_path):
    save_images(tmp_path, ["part_1/a.png", "part_2/b.png"])
    data = read_images(write_table(tmp_path, "image_id,dx\na,x\nb,y\n"))
    assert [file.name for file in data.train.files] == ["a.png", "b.png"]


def test_two_folders_with_the_files_are_refused(tmp_path):
    for folder in ("one", "two"):
        save_images(tmp_path / folder, FILES)
    path = write_table(tmp_path, USUAL)
    with pytest.raises(DataError, match=r"several files may be meant: one/cat/0.png"):
        read_images(path)
    data = assert_read(path, images_root=tmp_path / "two")
    assert data.train.files[0] == tmp_path / "two/cat/0.png"


def test_images_of_another_folder_are_copied_under_their_names(tmp_path):
    save_images(tmp_path / "images", FILES)
    (tmp_path / "tables").mkdir()
    path = write_table(tmp_path / "tables", USUAL)
    data = assert_read(path, images_root=tmp_path / "images")
    write_images(tmp_path / "out.csv", data)
    assert (tmp_path / "out/cat/0.png").is_file()
    assert_read(tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("names", "n_found"),
    [
        (["A.png", "a.PNG"], 0),  # neither is called as the file
        (["a.png", "A.PNG"], 1),
        (["A", "a"], 0),
        (["/k/train/a.png", "/k/test/a.png"], 0),
    ],
)
def test_two_names_are_never_one_file(tmp_path, names, n_found):
    save_images(tmp_path, ["a.png"])
    found = FileFinder(tmp_path).find(names)
    assert len(found.places) == n_found


def test_nothing_outside_the_folder_is_found(tmp_path):
    save_images(tmp_path, ["secret/0.png", "set/cat/1.png"])
    finder = FileFinder(tmp_path / "set")
    names = [
        "../secret/0.png",
        "cat/../../secret/0.png",
        str(tmp_path / "secret/0.png"),
    ]
    found = finder.find([*names, "cat/1.png"])
    for name in names:
        place = found.places.get(name)
        assert place is None or ".." in place  # which reading refuses
    path = write_table(
        tmp_path / "set", table_of([(n, "a") for n in names] + [("cat/1.png", "b")])
    )
    data = read_images(path, on_error="skip")
    assert data.labels.tolist() == ["b"]


@given(st.lists(st.text("aB/.\\ ü", max_size=6), max_size=5))
@settings(max_examples=100)
def test_every_place_is_a_file_and_no_loose_one_is_taken_twice(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("f")
    save_images(folder, ["a.png", "B/a.png", "b/aB.png", "ü.png"])
    found = FileFinder(folder).find(names)
    assert not set(found.places) & set(found.unclear)
    for place in found.places.values():
        assert (folder / place).is_file()
    loose = [p for name, p in found.places.items() if not (folder / name).is_file()]
    assert len(set(loose)) == len(loose)


@pytest.mark.parametrize("name", ["balanced.csv", "balanced", "balanced.npz"])
@pytest.mark.parametrize("kind", ["semicolons", "utf-16", "one-hot"])
def test_any_table_is_written_as_a_plain_one(root, tmp_path_factory, name, kind):
    text = (
        USUAL.replace("label", "label,hue")
        .replace("cat\n", "cat,r\n")
        .replace("dog\n", "dog,g\n")
    )
    path = {
        "semicolons": lambda: write_table(root, text.replace(",", ";")),
        "utf-16": lambda: write_table(root, text, encoding="utf-16"),
        "one-hot": lambda: write_table(
            root,
            "image,cat,dog,hue\ncat/0.png,1,0,r\ncat/1.png,1,0,r\ndog/0.png,0,1,g\n",
        ),
    }[kind]()  # fmt: skip
    data = assert_read(path)
    out = tmp_path_factory.mktemp("out") / name
    write_images(out, data)
    again = read_images(out)
    names = [again.name(label) for label in again.labels]
    assert names == ["cat", "cat", "dog"]
    np.testing.assert_array_equal(again.images, data.images)
    assert again.train.columns["hue"].tolist() == ["r", "r", "g"]


@pytest.mark.parametrize("folder", ["train_images", "images", "photos"])
def test_a_table_next_to_the_only_folder_is_named(tmp_path, folder):
    save_images(tmp_path / folder, ["0.png", "1.png"])
    write_table(tmp_path, "id,label\n0.png,a\n1.png,b\n", "train.csv")
    with pytest.raises(DataError, match="ame .*train.csv"):
        read_images(tmp_path)


def test_a_table_next_to_folders_of_classes_is_noted(root):
    write_table(root, "a,b\n", "more.csv")
    assert "ignored next to the folders: more.csv" in read_images(root).notes
