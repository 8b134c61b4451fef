"""From a folder of files to a balanced one: lineage, card, sizes, attributes."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from balancegan import ConditionalGANAugmenter
from balancegan.data.filewriting import encode_image
from balancegan.data.lineage import read_lineage
from balancegan.data.outputs import is_data_card

from .conftest import load_npz, make_images
from .test_cli import pixels, run

QUICK = ["--steps", "1", "--random-state", "0"]
AS_THEY_COME = ["--gan-share", 1, "--no-reject"]
SHAPES = ("round", "long")
NEVER_SEEN = ["--target", "baso|phil,pale=5"]


@pytest.fixture
def cells(tmp_path):
    """Files of two classes and two shades, oblong and of differing size."""
    rng = np.random.default_rng(0)
    rows = []
    for row in range(18):
        label = "baso|phil" if row < 5 else "neutrophil"
        height, width = (24, 36) if row < 5 else (20 + row, 60)
        file = tmp_path / "cells" / label / f"cell_{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        values = rng.integers(0, 256, (height, width, 3), dtype="uint8")
        Image.fromarray(values).save(file)
        shade = "dark" if row % 3 else "pale"
        rows.append((f"{label}/cell_{row}.png", label, shade, SHAPES[row % 2]))
    table = pd.DataFrame(rows, columns=["file_name", "label", "shade", "shape"])
    table.to_csv(tmp_path / "cells" / "metadata.csv", index=False)
    return tmp_path / "cells"


def balanced(source, out, *options):
    result = run("balance", source, "--out", out, "--size", "16x24", *QUICK, *options)
    assert result.exit_code == 0, result.output
    return pd.read_csv(out / "metadata.csv")


def train_and_balance(source, out, model, *options):
    """Train a model, and balance with it: every added image is generated."""
    size = ("--size", "16x24")
    fit = options[options.index("--fit") :][:2] if "--fit" in options else ()
    result = run("train", source, "--model", model, *size, *QUICK, *options)
    assert result.exit_code == 0, result.output
    how = ("--model", model, *size, *fit, *AS_THEY_COME)
    result = run("balance", source, "--out", out, *how)
    assert result.exit_code == 0, result.output
    return pd.read_csv(out / "metadata.csv")


def made_again(model, file, out):
    result = run("generate", model, "--again", file, "--out", out, "--overwrite")
    assert result.exit_code == 0, result.output
    return out.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_every_synthetic_file_can_be_made_again(cells, tmp_path, fit):
    out, model = tmp_path / "out", tmp_path / "model"
    options = ("--fit", fit, "--attributes", "shade")
    table = train_and_balance(cells, out, model, *options)
    synthetic = table[table["is_synthetic"]]
    assert synthetic["label"].tolist() == ["baso|phil"] * 8
    for name in synthetic["file_name"]:
        assert made_again(model, out / name, tmp_path / "again.png")
    assert pixels(out / name).shape[:2] == (24, 36)
    real = table[~table["is_synthetic"]]
    for name in real["file_name"]:
        assert (out / name).read_bytes() == (cells / name).read_bytes()


def test_only_its_own_model_makes_an_image_again(cells, tmp_path):
    out, model = tmp_path / "out", tmp_path / "model"
    table = train_and_balance(cells, out, model)
    other = tmp_path / "other"
    run("train", cells, "--model", other, "--steps", "3", "--size", "16x24")
    file = out / table["file_name"].iloc[-1]
    result = run("generate", other, "--again", file, "--out", tmp_path / "a.png")
    assert (result.exit_code, "was made by the model" in result.stderr) == (2, True)
    real = out / table["file_name"].iloc[0]
    result = run("generate", model, "--again", real, "--out", tmp_path / "a.png")
    assert (result.exit_code, "cannot be made again" in result.stderr) == (2, True)
    assert not (tmp_path / "a.png").exists()


def test_a_copy_needs_the_data_again(cells, tmp_path):
    for file in sorted((cells / "baso|phil").iterdir())[:4]:
        file.unlink()
    table = pd.read_csv(cells / "metadata.csv")
    table[4:].to_csv(cells / "metadata.csv", index=False)
    out, model = tmp_path / "out", tmp_path / "model"
    size = ("--size", "16x24")
    assert run("train", cells, "--model", model, "--steps", 1, *size).exit_code == 0
    result = run("balance", cells, "--model", model, "--out", out, *size)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "metadata.csv")
    synthetic = table[table["is_synthetic"]]
    assert synthetic["synthetic_method"].tolist() == ["copied"] * 12
    file = out / synthetic.dropna(subset="synthetic_move")["file_name"].iloc[0]
    result = run("generate", model, "--again", file, "--out", tmp_path / "a.png")
    assert (result.exit_code, "Balance the same data" in result.stderr) == (2, True)
    assert not (tmp_path / "a.png").exists()


def test_an_index_names_one_image(cells, tmp_path):
    out, model = tmp_path / "out", tmp_path / "model"
    table = train_and_balance(cells, out, model)
    row = table.iloc[-3]
    options = ["--class", row["label"], "--index", int(row["synthetic_number"])]
    run("generate", model, *options, "--out", tmp_path / "one.png")
    file = out / row["file_name"]
    # The file is as large as its class's files are
    one = encode_image(pixels(tmp_path / "one.png"), read_lineage(file))
    assert one == file.read_bytes()
    several = ["--index", 7, "--index", 2, "--index", 3]
    options = ["--class", row["label"], *several]
    run("generate", model, *options, "--out", tmp_path / "some.npz")
    some = load_npz(tmp_path / "some.npz")
    assert some["synthetic_number"].tolist() == [7, 2, 3]
    augmenter = ConditionalGANAugmenter.load(model)
    for image, number in zip(some["X"], (7, 2, 3), strict=True):
        expected = augmenter.sample(row["label"], 1, first=number)[0]
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--class", "a", "--index", "1", "--n", "2"], "Give --index, or --n"),
        (["--again", "x.png", "--n", "2"], "--again alone determines"),
        (["--again", "x.png", "--class", "a"], "--again alone determines"),
        (["--again", "x.png", "--out", "folder"], "one .png file"),
        ([], "Missing option"),
        (["--attribute", "shade"], "expected a value such as"),
        (["--class", "a", "--index", "-1"], "--index"),
        (
            ["--class", "a", "--index", "1", "--index", "1"],
            "must be different",
        ),
    ],
)
def test_requests_that_contradict_themselves(tmp_path, options, message):
    out = ["--out", tmp_path / "o.png"]
    result = run("generate", tmp_path / "model", *out, *options)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_the_card_says_what_was_added(cells, tmp_path):
    out = tmp_path / "out"
    balanced(cells, out, "--target", "baso|phil=9", "--attributes", "shade")
    card = (out / "README.md").read_text()
    assert "4 of 22 training images were added: 0 generated, 4 " in card
    (row,) = [
        line for line in card.splitlines() if line.startswith(r"| baso\|phil | 5")
    ]
    assert row.startswith(r"| baso\|phil | 5 | 4 |")
    assert row.endswith("| 0.8 |")
    assert "| neutrophil | 13 | 0 |" in card
    assert "**Do not split this set again**" in card


def test_the_card_begins_with_what_the_hub_reads(cells, tmp_path):
    share = ("--gan-share", 0.1, "--no-reject")
    balanced(cells, tmp_path / "out", "--target", "neutrophil=30", *share)
    card = (tmp_path / "out" / "README.md").read_text()
    empty, header, text = card.split("---\n", maxsplit=2)
    known = dict(re.findall(r"^(\w+):\n((?:- .+\n?)+)", header, re.MULTILINE))
    assert {key: values.split("- ")[1:] for key, values in known.items()} == {
        "task_categories": ["image-classification\n"],
        "size_categories": ["n<1K\n"],
        "tags": ["balanced\n", "synthetic\n"],
    }
    assert (empty, text.startswith("\n# Real and synthetic images\n")) == ("", True)
    assert is_data_card(tmp_path / "out" / "README.md")


def test_the_card_counts_images_by_how_they_came_about(cells, tmp_path):
    out = tmp_path / "out"
    share = ("--gan-share", 0.1)
    table = balanced(cells, out, "--target", "neutrophil=30", "--no-reject", *share)
    made = table["synthetic_method"].value_counts()
    assert made.to_dict() == {"gan": 3, "copied": 14}
    card = (out / "README.md").read_text()
    titles, counts = (
        [cell.strip() for cell in re.search(line, card)[0].split("|")[1:-1]]
        for line in (r"\| label \| originals .*\|", r"\| neutrophil \| 13 .*\|")
    )
    shown = dict(zip(titles, counts, strict=True))
    assert (shown["generated"], shown["added"]) == ("3", "17")
    assert int(shown["copied unchanged"]) + int(shown["copied and moved"]) == 14


def test_files_that_stand_out_are_found_and_said(cells, tmp_path):
    """Generated images of 8x12 pixels next to files of 33 to 60."""
    options = ["--target", "neutrophil=30", "--size", "8x12", "--random-state", "0"]
    options += ["--steps", "1", *AS_THEY_COME, "--json"]
    result = run("balance", cells, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    found = {row["code"]: row["outcome"] for row in facts["findings"]}
    assert found["BG301"] == "issue"
    assert "issue BG301" in result.stderr
    assert "issue BG301" in (tmp_path / "out" / "README.md").read_text()
    assert "17 of 35 training images were added: 17 generated" in result.stderr
    assert facts["added"]["gan"] == 17
    assert "Do not split out again" in result.stderr
    assert [row["method"] for row in facts["files"]] == ["original", "generated"]


@pytest.mark.parametrize("is_moved", [True, False])
def test_copies_are_moved_unless_somebody_moves_images_while_training(
    cells, tmp_path, is_moved
):
    options = ["--moves", "shift" if is_moved else "none"] + ["--gan-share", "0"]
    options += ["--target", "neutrophil=30", "--size", "16x24", *QUICK]
    result = run("balance", cells, "--out", tmp_path / "out.npz", *options, "--json")
    moves = json.loads(result.stdout)["moves"]
    assert moves == {"allowed": ["shift"] * is_moved, "sentence": None, "found": None}
    images = [image.tobytes() for image in load_npz(tmp_path / "out.npz")["x_train"]]
    is_again = [image in images[:-17] for image in images[-17:]]
    assert all(is_again) != is_moved
    assert any(is_again)
    card = (tmp_path / "out.card.md").read_text()
    assert ("| copied and moved |" in card) == is_moved
    assert "| copied unchanged |" in card


@pytest.mark.parametrize(
    "options", [["--gan-share", 0.1], ["--gan-share", 1, "--no-reject"], []]
)
def test_the_card_says_of_judges_where_there_were_some(cells, tmp_path, options):
    balanced(cells, tmp_path / "out", "--target", "neutrophil=30", *options)
    card = (tmp_path / "out" / "README.md").read_text()
    assert ("## Quality checks" in card) == (options == ["--gan-share", 0.1])


def test_a_saved_model_moves_copies_as_requested(cells, tmp_path):
    model, options = tmp_path / "model", ["--size", "16x24"]
    run("train", cells, "--model", model, *options, *QUICK)
    options += ["--model", model, "--target", "neutrophil=30", "--json"]
    options += ["--moves", "mirror", "--no-reject", "--quiet"]
    result = run("balance", cells, "--out", tmp_path / "out.npz", *options)
    assert json.loads(result.stdout)["moves"]["allowed"] == ["mirror"]


def test_a_card_is_next_to_a_file_and_is_not_overwritten(cells, tmp_path):
    card = tmp_path / "out.card.md"
    card.write_text("mine")
    options = ["--size", "16", "--gan-share", 1, *QUICK]
    result = run("balance", cells, "--out", tmp_path / "out.npz", *options)
    assert (result.exit_code, "card.md exists already" in result.stderr) == (2, True)
    assert card.read_text() == "mine"
    options += ["--overwrite", "--random-state", "5"]
    result = run("balance", cells, "--out", tmp_path / "out.npz", *options)
    assert result.exit_code == 0, result.output
    assert "| seed | 5 |" in card.read_text()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("balance_on", "target", "counts"),
    [
        ("shade", [], {"dark": 12, "pale": 12}),
        ("shade", ["pale=8"], {"dark": 12, "pale": 8}),
        (
            "label,shade",
            ["baso|phil,pale=4"],
            {
                ("baso|phil", "dark"): 3,
                ("baso|phil", "pale"): 4,
                ("neutrophil", "dark"): 9,
                ("neutrophil", "pale"): 4,
            },
        ),
    ],
)
def test_attributes_are_balanced(cells, tmp_path, balance_on, target, counts):
    out = tmp_path / "out"
    options = [word for one in target for word in ("--target", one)]
    table = balanced(cells, out, "--balance-on", balance_on, *options)
    found = table.groupby(balance_on.split(",")).size().to_dict()
    assert found == counts
    synthetic = table[table["is_synthetic"]]
    assert synthetic["shape"].isna().all()
    assert synthetic[["label", "shade"]].notna().all(axis=None)
    marked = synthetic[synthetic["synthetic_move"].notna()]
    assert len(marked)  # copies that are not moved are their originals, byte for byte
    for row in marked.itertuples():
        with Image.open(out / row.file_name) as image:
            attributes = json.loads(image.text["balancegan:attributes"])
            assert attributes == {"shade": row.shade}
            assert image.text["balancegan:class"] == row.label


def test_attributes_are_written_with_arrays(cells, tmp_path):
    out = tmp_path / "out.npz"
    options = ["--size", "16x24", "--balance-on", "shade"]
    options += [*QUICK, *AS_THEY_COME]
    result = run("balance", cells, "--out", out, *options)
    assert result.exit_code == 0, result.output
    arrays = load_npz(out)
    values, n = np.unique(arrays["shade_train"], return_counts=True)
    assert (values.tolist(), n.tolist()) == (["dark", "pale"], [12, 12])
    assert set(arrays["shape_train"][18:]) == {""}


SHADE, SIZE = np.repeat([0, 1], [20, 10]), np.tile([3, 5], 15).astype("uint8")
IN_ATTRS = {
    "attrs_train": np.stack([SHADE, SIZE], axis=1),
    "attr_names": np.array(["shade:dark,pale", "size"]),
}
OTHER = np.arange(7)


@pytest.mark.parametrize(
    ("stored", "key", "as_it_was"),
    [
        ({"shade": SHADE}, "shade", []),
        ({"shade": SHADE, "slide": SIZE}, "shade", ["slide"]),
        ({"shade_train": SHADE.astype("uint8")}, "shade_train", []),
        ({"shade": np.array(["dark", "pale"])[SHADE]}, "shade", []),
        ({"shade": SHADE, "sample_weight": SIZE}, "shade", ["sample_weight"]),
        ({"shade": SHADE, "sample_weight": OTHER}, "shade", []),
        (IN_ATTRS, "shade_train", ["attrs_train"]),
        (IN_ATTRS | {"shade_train": OTHER}, "shade", ["attrs_train"]),
        (
            IN_ATTRS | {"shade_train": OTHER, "shade": OTHER, "train_shade": OTHER},
            "shade2_train",
            ["attrs_train"],
        ),
    ],
)
def test_a_copy_of_an_archive_has_the_attributes_of_synthetic_images(
    tmp_path, stored, key, as_it_was
):
    data, out = tmp_path / "data.npz", tmp_path / "out.npz"
    np.savez(data, x_train=make_images(30), y_train=np.resize([0, 1, 1], 30), **stored)
    result = run("balance", data, "--out", out, *QUICK, "--balance-on", "shade")
    assert result.exit_code == 0, result.output
    arrays = load_npz(out)
    found = arrays[key]
    assert len(found) == len(arrays["x_train"]) == len(arrays["y_train"]) == 40
    is_pale = np.isin(found.astype(str), ["1", "pale"])
    assert is_pale.tolist() == [*(SHADE == 1).tolist(), *[True] * 10]
    if key in stored:
        assert found.dtype == stored[key].dtype
    for name in stored.keys() - {key}:
        np.testing.assert_array_equal(arrays[name], stored[name])
    assert [k for k in stored if len(arrays[k]) == 30] == as_it_was
    warned = [k for k in stored if f"{k} has rows for originals only" in result.stderr]
    assert warned == as_it_was


def test_a_model_of_several_attributes_balances_them(cells, tmp_path):
    model = tmp_path / "model"
    train = ["--attributes", "shade,shape", "--size", "16x24", *QUICK]
    run("train", cells, "--model", model, *train)
    augmenter = ConditionalGANAugmenter.load(model)
    label = {"label": "neutrophil", "shade": "pale"}
    options = ["--class", "neutrophil", "--attribute", "shade=pale", "--n", "4"]
    result = run("generate", model, *options, "--out", tmp_path / "g.npz")
    assert result.exit_code == 0, result.output
    made = load_npz(tmp_path / "g.npz")
    np.testing.assert_array_equal(made["X"], augmenter.sample(label, 4))
    assert set(made["shade"]) == {"pale"}
    assert set(made["shape"]) <= set(SHAPES)
    result = run("generate", model, *options, "--out", tmp_path / "g", "--json")
    for file, image in zip(json.loads(result.stdout)["files"], made["X"], strict=True):
        np.testing.assert_array_equal(pixels(file), image)
    options[-3] = "shade=green"
    result = run("generate", model, *options, "--out", tmp_path / "h.npz")
    assert (result.exit_code, "dark, pale" in result.stderr) == (2, True)

    out = tmp_path / "out"
    options = ["--model", model, "--size", "16x24", "--balance-on", "shape,shade"]
    result = run("balance", cells, "--out", out, *options)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "metadata.csv")
    assert set(table.groupby(["shape", "shade"]).size()) == {6}
    card = (out / "README.md").read_text()
    assert "## Model" in card
    assert "end of training" not in card


@pytest.mark.filterwarnings("always::balancegan.UnseenCombinationWarning")
def test_what_was_never_seen_together_is_made_with_a_warning(cells, tmp_path):
    table = pd.read_csv(cells / "metadata.csv")
    unseen = (table["label"] == "baso|phil") & (table["shade"] == "pale")
    few = tmp_path / "few.csv"
    table["file_name"] = "cells/" + table["file_name"]
    table[~unseen].to_csv(few, index=False)
    model = tmp_path / "model"
    train = ["--attributes", "shade", "--size", "16x24", *QUICK]
    run("train", few, "--model", model, *train)
    options = ["--class", "baso|phil", "--attribute", "shade=pale", "--n", "2"]
    result = run("generate", model, *options, "--out", tmp_path / "unseen", "--json")
    assert result.stderr.count("no training image has this combination") == 1
    assert json.loads(result.stdout)["training_images"] == 0
    options += ["--attribute", "label=neutrophil", "--out", tmp_path / "two"]
    result = run("generate", model, *options)
    assert (result.exit_code, "class is the attribute" in result.stderr) == (2, True)

    options = ["--model", model, "--size", "16x24", "--balance-on", "label,shade"]
    result = run("balance", cells, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    (warning,) = (s for s in result.stderr.splitlines() if s.startswith("warning"))
    assert "baso|phil" in warning
    assert "look at them" in warning

    out = ["--out", tmp_path / "never", "--json"]
    result = run("balance", few, *out, *NEVER_SEEN, *options)
    assert result.exit_code == 0, result.output
    assert "look at them" in result.stderr
    (row,) = [c for c in json.loads(result.stdout)["classes"] if not c["real"]]
    assert (row["name"], row["synthetic"]) == ("baso|phil, pale", 5)
    made = pd.read_csv(tmp_path / "never" / "metadata.csv")
    made = made[made["is_synthetic"].astype(bool)]
    assert made["label"].tolist() == ["baso|phil"] * 5
    assert made["shade"].tolist() == ["pale"] * 5
    card = (tmp_path / "never" / "README.md").read_text()
    assert re.search(r"phil \| pale \| 0 \| 5 \|.*\| no original \|", card)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attributes", "hue"], "'hue'.*has: shade, shape"),
        (["--balance-on", "hue"], "'hue'"),
        (["--balance-on", "shade,shade"], "expected different names"),
        (["--balance-on", "label,shade", "--target", "pale=9"], "value of each of"),
        (["--balance-on", "shade", "--target", "grey=9"], "dark, pale.*'grey'"),
        (["--model", "m", "--resume"], "--resume"),
    ],
)
def test_what_cannot_be_done_with_attributes(cells, tmp_path, options, message):
    out = ["--out", tmp_path / "out", *QUICK]
    if "--model" in options:
        out = out[:2]
    result = run("balance", cells, *out, *options)
    assert result.exit_code == 2, result.output
    assert re.search(message, " ".join(result.stderr.split())), result.stderr
    assert not (tmp_path / "out").exists()
