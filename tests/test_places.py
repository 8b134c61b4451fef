"""What commands write: each in a place of its own, and what they say of it."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from balancegan import ConditionalGANAugmenter
from balancegan.cli import option_types
from balancegan.cli.display import Display
from balancegan.data.lineage import read_lineage
from balancegan.data.reading import read_images
from balancegan.gan import callbacks, conditional_gan, presets
from balancegan.gan.checkpoint import CheckpointFolder
from fuzz.encoders import deep_png

from .conftest import load_npz, make_images
from .test_checkpoint import killed_after
from .test_cli import QUICK, run
from .test_outputs import everything, refused

X, Y = make_images(18), np.repeat([0, 1], [12, 6])
AS_THEY_COME = ["--gan-share", 1, "--no-reject"]


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(conditional_gan, "STEPS_PER_CALL", 1)
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECONDS", 0.0)


@pytest.mark.usefixtures("often")
def test_a_saved_model_gives_up_no_training_that_was_begun(data, model, tmp_path):
    out = tmp_path / "out.npz"
    with killed_after(1):
        run("balance", data, "--out", out, "--steps", 3, "--gan-share", 1)
    begun = everything(tmp_path / "out.npz.checkpoints")
    words = ("balance", data, "--out", out, "--model", model, *AS_THEY_COME)
    assert run(*words).exit_code == 0
    assert out.exists()
    assert everything(tmp_path / "out.npz.checkpoints") == begun


@pytest.mark.usefixtures("often")
def test_a_demo_resumes(tmp_path):
    out = tmp_path / "demo"
    words = ("demo", "--out", out, "--steps", 3, "--batch-size", 8, "--random-state", 0)
    with killed_after(1):
        run(*words)
    done = run(*words, "--resume")
    assert done.exit_code == 0, done.stderr
    assert "resuming from step 1" in done.stderr
    assert CheckpointFolder(out / "digits-balanced.npz.checkpoints").steps == []


def test_several_outputs_lie_next_to_each_other(data, tmp_path):
    out, page = tmp_path / "out", tmp_path / "same.html"
    assert run("convert", data, "--out", out).exit_code == 0
    before = everything(tmp_path)
    inside = f"{out / 'x'} lies within {out}, which is written as a whole"
    words = ("--out", out, "--overwrite", "--log-dir", out / "x")
    refused("balance", data, *words, *QUICK, because=inside)
    words = ("--report", page, "--cache", page)
    refused("evaluate", data, *words, because="is the name of two outputs")
    assert everything(tmp_path) == before


def test_files_that_a_manifest_names_stay(photos, tmp_path):
    names = sorted(str(p.relative_to(tmp_path)) for p in photos.rglob("*.png"))
    table = pd.DataFrame({"file_name": names, "label": [n[8] for n in names]})
    table.to_csv(tmp_path / "m.csv", index=False)
    (tmp_path / "linked.png").symlink_to(tmp_path / names[0])
    before = everything(tmp_path)
    for picture in (tmp_path / names[0], tmp_path / "linked.png"):
        words = (tmp_path / "m.csv", "--picture", picture, "--overwrite")
        refused("inspect", *words, because="among the files of")
    assert everything(tmp_path) == before


def test_arrays_next_to_a_npy_file_stay(tmp_path):
    for name, array in {"x_train": X, "y_train": Y}.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "p.png").symlink_to(tmp_path / "y_train.npy")
    words = (tmp_path / "x_train.npy", "--picture", tmp_path / "p.png", "--overwrite")
    refused("inspect", *words, because="among the files of")
    np.testing.assert_array_equal(np.load(tmp_path / "y_train.npy"), Y)


def test_logs_and_caches_are_not_kept_in_the_input(photos, tmp_path):
    before = everything(tmp_path)
    model = ("--model", tmp_path / "m", *QUICK)
    logs = ("--log-dir", photos / "runs")
    refused("train", photos, *model, *logs, because="or within it")
    refused("balance", photos, "--out", tmp_path / "o", *logs, because="or within it")
    refused("evaluate", photos, "--cache", photos / "kept", because="or within it")
    logs = ("--log-dir", tmp_path / "m" / "runs")
    refused("train", photos, *model, *logs, because="lies within")
    assert everything(tmp_path) == before


def test_a_folder_of_another_table_is_not_replaced(data, tmp_path):
    assert run("convert", data, "--out", tmp_path / "q.csv").exit_code == 0
    before = everything(tmp_path)
    for name in ("q.parquet", "q"):
        words = ("convert", data, "--out", tmp_path / name, "--overwrite")
        refused(*words, because="q.csv, which is not replaced")
    assert everything(tmp_path) == before
    words = ("convert", data, "--out", tmp_path / "q.csv", "--overwrite")
    assert run(*words).exit_code == 0
    assert len(read_images(tmp_path / "q.csv").labels) == len(Y)


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_outputs_have_names(data, name, monkeypatch, tmp_path):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    refused("balance", data, "--out", name, because="does not name a file")
    refused("convert", data, "--out", name, "--overwrite", because="does not name")
    refused("train", data, "--model", name, because="does not name a file or folder")


def test_a_link_to_nothing_is_refused_before(data, tmp_path):
    (tmp_path / "o.npz").symlink_to(tmp_path / "nowhere")
    words = ("balance", data, "--out", tmp_path / "o.npz", "--overwrite")
    refused(*words, because="is a link to nothing")


@pytest.mark.parametrize("name", ["bag.jpg", "bag.NPZ", "bag.tfrecords"])
def test_suffixes_that_nobody_knows_are_refused(data, model, tmp_path, name):
    words = ("generate", model, "--class", "0", "--out", tmp_path / name)
    refused(*words, because="or a folder, whose name has no suffix")
    words = ("inspect", data, "--picture", tmp_path / name)
    refused(*words, because="Expected the name of a .png file")
    assert list(tmp_path.iterdir()) == [data]


@pytest.mark.parametrize("size", ["²", "99999999x99999999", "0", "3x", "-3", "4.5"])
def test_sizes_are_whole_numbers_of_pixels(photos, tmp_path, size):
    words = ("convert", photos, "--out", tmp_path / "c.npz", f"--size={size}")
    refused(*words, because="expected a size such as")


@pytest.mark.parametrize(
    ("option", "because"),
    [
        (("--max-minutes", "1e308"), "is not in the range"),
        (("--steps", str(10**9 + 1)), "a whole number from 1 to 1,000,000,000"),
        (("--steps", "many"), "expected a whole number"),
    ],
)
def test_training_has_an_end(data, option, because):
    refused("balance", data, "--dry-run", *option, because=because)


def test_training_ends_where_that_of_python_does():
    assert option_types.MOST_STEPS == presets.MOST_STEPS


@pytest.mark.usefixtures("one_step_a_call")
def test_a_dry_run_ends_with_the_steps_or_the_minutes(data):
    def steps(*options):
        words = ("--dry-run", "--json", "--quiet", *AS_THEY_COME)
        return json.loads(run("balance", data, *words, *options).stdout)["steps"]

    assert steps("--steps", 7, "--max-minutes", 100) == 7
    assert steps("--steps", 10**9, "--max-minutes", 0.001) < 10**6


def test_a_card_does_not_outlive_what_it_describes(data, tmp_path):
    out, card = tmp_path / "o.npz", tmp_path / "o.card.md"
    assert run("balance", data, "--out", out, *QUICK).exit_code == 0
    assert card.exists()
    out.unlink()
    refused("convert", data, "--out", out, because="o.card.md exists already")
    assert run("convert", data, "--out", out, "--overwrite").exit_code == 0
    assert not card.exists()


def test_a_comparison_says_what_was_left_out(photos):
    (photos / "c0" / "empty.png").touch()
    words = ("--methods", "none", "--classifier", "linear", "--classifier-steps", 1)
    words += ("--folds", 2, "--seeds", 1, "--on-error", "skip", "--json")
    done = run("evaluate", photos, *words)
    assert "left out 1 unusable file:" in done.stderr
    json.loads(done.stdout)


def test_a_model_keeps_its_range(data, model, tmp_path):
    words = ("balance", data, "--out", tmp_path / "o.npz", "--model", model)
    words += (*AS_THEY_COME, "--value-range", 0)
    refused(*words, 1000, because="white at 255. Received: value-range [0, 1000]")
    assert run(*words, 255).exit_code == 0
    floats = tmp_path / "floats.npz"
    np.savez(floats, X=(X / 256 - 0.1).astype("float32"), y=Y)
    ends = ("--value-range", "-0.1", "0.9")  # which float32 has not
    own = tmp_path / "own"
    assert run("train", floats, "--model", own, *ends, *QUICK).exit_code == 0
    words = ("balance", floats, "--out", tmp_path / "f.npz", "--model", own)
    assert run(*words, *AS_THEY_COME, *ends).exit_code == 0


def test_a_model_of_deep_files_has_the_range_of_what_they_became(tmp_path):
    rng = np.random.default_rng(0)
    for row, label in enumerate("aaaabb"):
        path = tmp_path / "photos" / label / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(deep_png(rng.integers(0, 4096, (8, 8, 1))))
    words = ("train", tmp_path / "photos", "--model", tmp_path / "m", *QUICK)
    done = run(*words, "--value-range", 1000, 3000)
    assert done.exit_code == 0, done.stderr
    assert "1,000 to 3,000 became 0 to 255" in done.stderr
    model = ConditionalGANAugmenter.load(tmp_path / "m").model_
    assert (model.image_format.low, model.image_format.high) == (0, 255)
    assert model.file_range == (1000, 3000)
    words = ("generate", tmp_path / "m", "--class", "b", "--out", tmp_path / "i")
    assert "0 to 255 in these images" not in run(*words).stderr
    words = (*words[:-1], tmp_path / "i.npz")
    assert "0 to 255 in these images are 1,000 to 3,000 in the" in run(*words).stderr
    words = ("balance", tmp_path / "photos", "--model", tmp_path / "m", *AS_THEY_COME)
    words += ("--out", tmp_path / "o")
    refused(*words, because="in --config: [1000, 3000], or [0, 4095]")
    done = run(*words, "--value-range", 1000, 3000)
    assert "synthetic image files have 16 bits on this scale" in done.stderr
    added = sorted((tmp_path / "o").rglob("*synthetic*.png"))
    for path in added:
        number = read_lineage(path).number
        again = ("--again", path, "--out", tmp_path / "again.png", "--overwrite")
        assert run("generate", tmp_path / "m", *again).exit_code == 0
        one = ("--class", "b", "--index", number, "--out", tmp_path / "i.png")
        assert run("generate", tmp_path / "m", *one, "--overwrite").exit_code == 0
        for made in ("again.png", "i.png"):
            with Image.open(path) as image, Image.open(tmp_path / made) as same:
                assert same.mode == image.mode == "I;16"
                np.testing.assert_array_equal(np.asarray(same), np.asarray(image))
    assert added
    arrays = run(*words[:-1], tmp_path / "o.npz", "--value-range", 0, 4095)
    assert arrays.exit_code == 0, arrays.stderr
    assert "16 bits" not in arrays.stderr


def test_the_message_about_other_sizes_has_the_model_s_size(photos, model, tmp_path):
    words = ("balance", photos, "--model", model, "--out", tmp_path / "o")
    refused(*words, "--size", "9x5", because="resized to 9x5. Use --size 8x8.")


def test_the_card_says_how_images_are_made_again(data, model, tmp_path):
    words = ("--model", model, *AS_THEY_COME, "--truncation", 0.5)
    assert run("balance", data, "--out", tmp_path / "o.npz", *words).exit_code == 0
    card = (tmp_path / "o.card.md").read_text()
    assert "--index NUMBER --truncation 0.5`" in card
    made = load_npz(tmp_path / "o.npz")
    row = np.flatnonzero(made["is_synthetic"])[2]
    words = ("generate", model, "--class", made["y_train"][row])
    words += ("--index", made["synthetic_number"][row], "--out", tmp_path / "i.npz")
    assert run(*words, "--truncation", 0.5).exit_code == 0
    again = load_npz(tmp_path / "i.npz")
    np.testing.assert_array_equal(again["X"][0], made["x_train"][row])
    assert again["synthetic_model"] == made["synthetic_model"]


def test_a_table_of_quality_names_its_classes(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["eosinophil", "basophil, pale"]
    shares = dict.fromkeys(("accepted", "agreement", "real_agreement"), 0.5)
    shares |= {"reason": "other_class", "reason_share": 0.5}
    counts = {"gan": 120, "recombined": 50, "interpolated": 3, "copied": 1234}
    rows = [{"class": n, **counts, **shares} for n in names]
    Display(quiet=False).show_quality(rows, str)
    shown = capsys.readouterr().err
    for text in (
        "eosinophil",
        "basophil,",
        "pale",
        "1234",
        "50 %",
    ):
        assert text in shown


@pytest.mark.parametrize(("columns", "n_shares"), [(60, 1), (80, 3), (120, 3)])
def test_the_reason_for_rejection_has_room_at_any_width(
    monkeypatch, capsys, columns, n_shares
):
    monkeypatch.setenv("COLUMNS", str(columns))
    shares = dict.fromkeys(("accepted", "agreement", "real_agreement"), 0.5)
    shares |= {"reason": "unlike", "reason_share": 0.25}
    counts = {"gan": 120, "recombined": 0, "interpolated": 3, "copied": 1234}
    Display(quiet=False).show_quality([{"class": "cat", **counts, **shares}], str)
    shown = capsys.readouterr().err
    assert "unlike real 25 %" in shown
    assert shown.count("50 %") == n_shares
    assert shown.count("recognised:") == (n_shares > 1)
