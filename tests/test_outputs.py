"""What is written takes the place of nothing that it may not."""

import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from balancegan import ConditionalGANAugmenter
from balancegan.cli import balancing, tasks
from balancegan.data.outputs import CARD_TITLE
from balancegan.gan import callbacks, conditional_gan
from balancegan.gan.checkpoint import CheckpointFolder

from .conftest import load_npz, make_images
from .test_checkpoint import killed_after
from .test_cli import QUICK, run

X, Y = make_images(18), np.repeat([0, 1], [12, 6])  # of `data`


def refused(*words, because):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert because in result.stderr
    return result


def everything(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_picture_replaces_neither_the_input_nor_anything_unasked(
    data, photos, tmp_path
):
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "folder").mkdir()
    before = everything(tmp_path)

    def ask(source, picture, because, *more):
        refused("inspect", source, "--picture", picture, *more, because=because)

    ask(data, data, "is the input", "--overwrite")
    ask(photos, photos / "c0" / "p.png", "within it", "--overwrite")
    ask(data, tmp_path / "notes.txt", "exists already")
    ask(data, tmp_path / "folder", "is to be a file", "--overwrite")
    assert everything(tmp_path) == before


def test_overwrite_replaces_a_picture(data, tmp_path):
    picture = tmp_path / "p.png"
    picture.write_text("old")
    assert run("inspect", data, "--picture", picture, "--overwrite").exit_code == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.filterwarnings("always::balancegan.SimplerMethodWarning")
def test_warnings_call_classes_as_people_do(data, tmp_path):
    result = run("balance", data, "--out", tmp_path / "o.npz", *QUICK)
    assert "Too few real images: boot (6)" in result.stderr
    model = ConditionalGANAugmenter(steps=1, random_state=0, verbose=0).fit(X, Y).model_
    assert model.describe({"label": 1}) == "1"
    named = replace(model, class_names=["bag", "boot"])
    assert named.describe({"label": 1}) == "boot"


def test_models_are_not_saved_into_the_input(photos):
    before = everything(photos)
    refused("train", photos, "--model", photos / "m", *QUICK, because="within it")
    assert everything(photos) == before


def test_a_report_does_not_replace_the_input(data):
    page = data.with_suffix(".json")
    data.rename(page)
    refused("evaluate", page, "--report", page, "--overwrite", because="is the input")


def test_images_of_a_manifest_are_input(photos, tmp_path):
    names = sorted(str(p.relative_to(tmp_path)) for p in photos.rglob("*.png"))
    table = pd.DataFrame({"file_name": names, "label": [n[8] for n in names]})
    manifest = tmp_path / "m.csv"
    table.to_csv(manifest, index=False)
    before = everything(tmp_path)
    for out in (photos, photos / "c0", photos.with_suffix(".csv")):
        folder = out.with_suffix("")
        files = [str(p.relative_to(folder)) for p in folder.rglob("*.png")]
        pd.DataFrame({"file_name": files}).to_csv(folder / "metadata.csv", index=False)
        words = ("convert", manifest, "--out", out, "--overwrite")
        refused(*words, because="which is never written to")
        (folder / "metadata.csv").unlink()
        assert everything(tmp_path) == before


def test_a_pipe_is_refused_not_waited_for(data, tmp_path):
    pipe = tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    refused("inspect", pipe, because="is a pipe or device")
    refused("convert", data, "--out", pipe, "--overwrite", because="to be a file")


def test_only_folders_as_we_write_them_are_replaced(data, tmp_path):
    home = tmp_path / "home"
    (home / "letters").mkdir(parents=True)
    (home / "letters" / "d.txt").write_text("precious")
    refused("convert", data, "--out", home, "--overwrite", because="of other things")
    assert (home / "letters" / "d.txt").read_text() == "precious"
    for kind in ("folder", "csv"):
        out = tmp_path / f"{kind}.csv" if kind == "csv" else tmp_path / kind
        for _ in range(2):
            words = ("--out", out, "--overwrite")
            result = run("convert", data, *words)
            assert result.exit_code == 0, result.output
        for folder in {path for path in (out, out.with_suffix("")) if path.is_dir()}:
            (folder / ".DS_Store").write_text("")
            assert run(*("convert", data), *words).exit_code == 0
            (folder / "thesis.docx").write_text("precious")
            refused("convert", data, *words, because="of other things")
    (tmp_path / "nested" / "embeddings").mkdir(parents=True)
    np.save(tmp_path / "nested" / "embeddings" / "mine.npy", X)
    words = ("convert", data, "--out", tmp_path / "nested", "--overwrite")
    refused(*words, because="of other things")
    (tmp_path / "empty").mkdir()
    assert (
        run("convert", data, "--out", tmp_path / "empty", "--overwrite").exit_code == 0
    )


@pytest.mark.parametrize("name", ["out", "out.npz"])
def test_what_appears_during_training_is_not_replaced(
    data, tmp_path, monkeypatch, name
):
    out, find_facts = tmp_path / name, balancing.describe_training

    def appear(*arguments):
        file = out if out.suffix else out / "mine.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
        return find_facts(*arguments)

    monkeypatch.setattr(balancing, "describe_training", appear)
    result = run("balance", data, "--out", out, *QUICK)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (out if out.suffix else out / "mine.txt").read_text() == "mine"


def test_a_folder_of_images_does_not_replace_a_file(model, tmp_path):
    (tmp_path / "plain").write_text("precious")
    (tmp_path / "folder.npz").mkdir()
    words = ("--class", "0", "--n", "1", "--overwrite", "--out")
    refused("generate", model, *words, tmp_path / "plain", because="to be a folder")
    refused("generate", model, *words, tmp_path / "folder.npz", because="to be a file")
    refused("generate", model, *words, model / "x.png", because="within it")
    assert (tmp_path / "plain").read_text() == "precious"


def test_a_refused_command_gives_up_no_training(data, tmp_path, monkeypatch):
    monkeypatch.setattr(conditional_gan, "STEPS_PER_CALL", 1)
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECONDS", 0.0)
    settings = ["--steps", 3, "--batch-size", 8, "--random-state", 3, "--gan-share", 1]
    with killed_after(2):
        run("balance", data, "--out", tmp_path / "out.npz", *settings)
    begun = CheckpointFolder(tmp_path / "out.npz.checkpoints")
    assert begun.steps == [2, 1]
    anew = ("--overwrite", "--gan-share", 1)
    for wrong in (
        [data, "--target", "most"],
        [tmp_path / "typo.npz"],
        [data, "--tensorboard"],
    ):
        result = run("balance", *wrong, "--out", tmp_path / "out.npz", *anew)
        assert result.exit_code == 2
        assert begun.steps == [2, 1]


def test_formats_that_cannot_hold_the_images_are_refused_before_training(
    tmp_path, monkeypatch
):
    def save(name, images):
        np.savez(tmp_path / name, x_train=images, y_train=Y)
        return tmp_path / name

    def never(*_, **__):
        pytest.fail("Trained all the same.")

    monkeypatch.setattr(ConditionalGANAugmenter, "fit", never)
    bands = save("b.npz", np.repeat(X[..., None], 5, axis=-1))
    for source, words, because in (
        (bands, ["--out", tmp_path / "a"], "channels"),
        (bands, ["--out", tmp_path / "a.csv"], "channels"),
    ):
        refused("balance", source, *words, *QUICK, because=because)


def test_where_nothing_is_to_be_made_that_is_said_and_the_columns_are_there(
    data, tmp_path
):
    out, card = tmp_path / "o.npz", tmp_path / "o.card.md"
    card.write_text(f"{CARD_TITLE}\n\nof the run before\n")
    words = ("--out", out, "--target", "0=12", "--target", "1=6", "--overwrite")
    result = run("balance", data, *words)
    assert result.exit_code == 0, result.output
    assert not card.exists()
    assert load_npz(out)["synthetic_method"].tolist() == [""] * 18
    result = run("balance", data, *words, "--dry-run", "--json")
    assert json.loads(result.stdout)["training_seconds"] == 0


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (["--max-ratio", "nan"], "not a finite number"),
        (["--max-ratio", "inf"], "not a finite number"),
        (["--gan-share", "nan"], "not a finite number"),
        (["--max-minutes", "inf"], "not a finite number"),
        (["--value-range", "0", "inf"], "finite"),
        (["--target", "boot=9", "--target", "boot=8"], "one target"),
    ],
)
def test_numbers_that_are_none_are_refused(data, tmp_path, words, because):
    refused("balance", data, "--out", tmp_path / "o.npz", *words, because=because)


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (["--n", 10**21], "--n"),
        (["--index", 10**20], "--index"),
        (["--first", 2**63 - 1], "--first"),
        (["--attribute", "label=0", "--attribute", "label=1"], "one value"),
    ],
)
def test_images_beyond_all_numbers_are_refused(model, tmp_path, words, because):
    out = ("--out", tmp_path / "o.npz")
    refused("generate", model, "--class", "0", *words, *out, because=because)


def test_a_dry_run_of_a_comparison_speaks_json(data):
    words = ("--methods", "none", "--folds", 2, "--seeds", 1, "--dry-run", "--json")
    result = run("evaluate", data, *words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["runs"] == 2


def test_what_json_does_not_know_is_text_in_it(tmp_path):
    ages = np.array([np.inf, 3.0] * 9)
    np.savez(
        tmp_path / "d.npz", x_train=X, y_train=np.array([b"a", b"b"] * 9), age=ages
    )
    result = run("inspect", tmp_path / "d.npz", "--attributes", "age", "--json")
    facts = json.loads(result.stdout, parse_constant=pytest.fail)
    assert [row["label"] for row in facts["classes"]] == ["a", "b"]
    assert {row["value"] for row in facts["attributes"][0]["values"]} == {"inf", 3.0}


def test_test_labels_without_a_name_keep_their_own(tmp_path):
    arrays = {"x_train": X, "y_train": Y, "class_names": np.array(["bag", "boot"])}
    arrays |= {"x_test": X[:3], "y_test": np.array([1, -1, 5])}
    np.savez(tmp_path / "d.npz", **arrays)
    result = run("convert", tmp_path / "d.npz", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "o" / "metadata.csv", dtype=str)
    assert table[table["split"] == "test"]["label"].tolist() == ["boot", "-1", "5"]


@pytest.mark.parametrize(
    ("arrays", "because"),
    [
        ({"class_names": ["a", "a"]}, "Received twice: a"),
        ({"x_test": X[:4], "y_test": Y[:3]}, "4 images of the test part, and 3"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(tmp_path, arrays, because):
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, **arrays)
    refused("convert", tmp_path / "d.npz", "--out", tmp_path / "o", because=because)


def test_tables_are_known_by_their_names_in_any_case(photos, tmp_path):
    names = sorted(str(p.relative_to(tmp_path)) for p in photos.rglob("*.png"))
    table = pd.DataFrame({"file_name": names, "label": [n[8] for n in names]})
    table.to_csv(tmp_path / "M.CSV", index=False)
    assert (
        run("convert", tmp_path / "M.CSV", "--out", tmp_path / "o.npz").exit_code == 0
    )


def test_the_demo_replaces_nothing_unasked(tmp_path):
    (tmp_path / "file").write_text("")
    refused("demo", "--out", tmp_path / "file", because="to be a folder")
    mine = tmp_path / "digits-imbalanced.npz"
    mine.write_text("precious")
    refused("demo", "--out", tmp_path, *QUICK, because="exists already")
    assert mine.read_text() == "precious"


def test_names_of_files_are_not_longer_than_file_systems_allow(tmp_path):
    names = np.array(["狗" * 100, "猫" * 100])
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, class_names=names)
    result = run("convert", tmp_path / "d.npz", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert tasks.output_format(tmp_path / "o") == "folder"


@pytest.mark.parametrize(
    ("options", "because"),
    [
        (["--gan-share", 1, "--moves", "none"], "moves. Leave them out"),
        (["--no-reject", "--best-of", 2], "best-of. Leave them out"),
    ],
)
@pytest.mark.parametrize("command", ["balance", "evaluate"])
def test_settings_that_others_leave_idle_are_refused(data, command, options, because):
    refused(command, data, *options, because=because)
