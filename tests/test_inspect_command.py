import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from .conftest import load_npz, make_images
from .test_cli import data, run  # noqa: F401


@pytest.fixture
def slides(tmp_path):
    """Two slides of the training part are in the test part too, as is an image."""
    path = tmp_path / "slides.npz"
    images, tests = make_images(60), make_images(20, seed=1)
    images[7], tests[3] = 0, images[5]
    np.savez(
        path,
        x_train=images,
        y_train=np.arange(60) % 2,
        x_test=tests,
        y_test=np.arange(20) % 2,
        slide_train=np.arange(60) // 5,
        slide_test=10 + np.arange(20) // 5,
        class_names=np.array(["[red]bag", "boot"]),
    )
    return path


def inspect(*arguments):
    result = run("inspect", *arguments, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    return facts, {f["code"]: f for f in facts["findings"]}, result.stderr


def test_counts_and_findings(data):  # noqa: F811
    facts, findings, shown = inspect(data)
    assert facts["imbalance_ratio"] == 5
    assert [c["images"] for c in facts["classes"]] == [20, 12, 4]
    assert "█" in shown
    assert len(findings) == 23
    assert findings["BG110"]["outcome"] == "issue"
    assert "shirt: 12, boot: 4" in findings["BG110"]["message"]
    # The test part has classes 3 and 4, which have no name
    assert findings["BG111"]["test_rows"] == [3, 4]
    assert "class" in findings["BG111"]["message"]
    assert run("inspect", data, "--quiet").stderr == ""


def test_findings_are_no_failure_and_leave_the_file_alone(slides):
    before = slides.read_bytes()
    _, findings, shown = inspect(slides, "--group-key", "slide_train")
    assert findings["BG102"]["rows"] == [7]
    assert findings["BG106"]["pairs"] == [[5, 3]]
    assert findings["BG109"]["rows"] == list(range(50, 60))
    assert findings["BG109"]["test_rows"] == list(range(10))
    for code in ("BG102", "BG106", "BG109"):
        assert f"issue  {code}  {findings[code]['title']}." in shown
    assert "[red]bag" in shown
    assert shown.count("passed:") == 1
    assert "BG104" in shown.split("passed:")[1]
    assert slides.read_bytes() == before


def test_groups_need_an_array(slides):
    refused = run("inspect", slides, "--group-key", "photo")
    assert (refused.exit_code, "photo" in refused.stderr) == (2, True)


@pytest.mark.parametrize("change", [{"slide_test": None}, {"slide": "slide_train"}])
def test_groups_of_the_test_part_may_be_missing(slides, change):
    arrays = load_npz(slides)
    for key, source in change.items():
        arrays[key] = arrays["slide_train"]
        if source is None:
            del arrays[key]
    np.savez(slides, **arrays)
    key = "slide" if "slide" in change else "slide_train"
    assert inspect(slides, "--group-key", key)[1]["BG109"]["outcome"] == "not run"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -4.0])
def test_bad_values_are_a_finding_with_a_picture(tmp_path, value):
    images = make_images(60, dtype="float64")
    images[7, :4] = value
    np.savez(tmp_path / "data.npz", X=images, y=np.arange(60) // 30)
    picture = tmp_path / "picture.png"
    facts, findings, _ = inspect(tmp_path / "data.npz", "--picture", picture)
    assert findings["BG101"]["rows"] == [7]
    assert facts["images"] == "8x8x1 float64 in 0..1"
    assert picture.exists()


def test_the_picture_has_a_row_of_images_for_each_class(tmp_path):
    levels = np.repeat([30, 90, 200], [25, 12, 2])
    images = np.tile(levels[:, None, None], (1, 100, 200)).astype("uint8")
    images[:, 0, 0] = 255
    np.savez(tmp_path / "data.npz", X=images, y=levels)
    picture = tmp_path / "picture.png"
    assert "wrote" in inspect(tmp_path / "data.npz", "--picture", picture)[2]
    with Image.open(picture) as file:
        pixels = np.asarray(file)[..., 0]
    counts = [(pixels == level).sum(axis=1) for level in (30, 90, 200)]
    assert [n.max() // 90 for n in counts] == [10, 10, 2]  # images of 96 pixels
    tops = [np.flatnonzero(n > 90).min() for n in counts]
    assert tops == sorted(tops)


def test_of_many_classes_the_smallest_are_shown(tmp_path):
    labels = np.concatenate([np.repeat(np.arange(10), 2), np.arange(10, 60)])
    np.savez(tmp_path / "data.npz", X=make_images(70), y=labels)
    inspect(tmp_path / "data.npz", "--picture", tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as file:
        assert file.height == 14 + 50 * 34 + 2


def test_a_picture_that_cannot_be_written_is_refused_first(slides):
    refused = run("inspect", slides, "--picture", "/nowhere/picture.png")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


@pytest.fixture
def coloured(tmp_path):
    """A manifest with columns: two colours, one of them rich's markup; 60 numbers."""
    for row in range(60):
        Image.fromarray(make_images(1, seed=row)[0]).save(tmp_path / f"{row}.png")
    frame = pd.DataFrame({"file_name": [f"{row}.png" for row in range(60)]})
    frame["label"] = np.repeat(["bag", "boot"], 30)
    frame["colour"] = np.repeat(["[red]", "blue", None], [40, 15, 5])
    frame["number"] = np.arange(60)
    frame["seen"] = pd.Timestamp("2026-01-31")
    frame["split"] = np.repeat(["train", "test"], [59, 1])
    frame.to_parquet(tmp_path / "list.parquet")
    return tmp_path / "list.parquet"


def test_values_of_columns_are_counted(coloured):
    facts, _, shown = inspect(coloured, "--attributes", "colour, number,seen")
    colour, number, seen = facts["attributes"]
    assert colour == {
        "name": "colour",
        "values": [
            {"value": "[red]", "images": 40},
            {"value": "blue", "images": 15},
            {"value": None, "images": 4},
        ],
    }
    assert [v["value"] for v in number["values"]] == list(range(59))
    assert seen["values"] == [{"value": "2026-01-31 00:00:00", "images": 59}]
    lines = [line.split() for line in shown.splitlines()]
    for words in (["colour", "images"], ["[red]", "40"], ["missing", "4"]):
        assert words in [line[:2] for line in lines]
    assert ["49", "1"] in [line[:2] for line in lines]
    assert ["50", "1"] not in [line[:2] for line in lines]
    assert "and 9 other values" in shown
    assert inspect(coloured)[0]["attributes"] == []


def test_columns_that_are_not_there_are_refused(coloured, slides):
    refused = run("inspect", coloured, "--attributes", "colour,size")
    assert refused.exit_code == 2
    assert "Received: 'size'" in refused.stderr
    assert "It has: colour, number, seen." in refused.stderr
    assert "It has: slide." in run("inspect", slides, "--attributes", "hue").stderr
    for wrong in ("colour,,size", "colour,colour", ""):
        refused = run("inspect", coloured, "--attributes", wrong)
        assert refused.exit_code == 2
        assert "different names with commas" in refused.stderr


def test_masks_that_training_refuses_are_noted_with_the_remedy(tmp_path):
    masks = np.random.default_rng(0).integers(0, 2, (9, 8, 8)).astype("uint8")
    np.savez(tmp_path / "masks.npz", x_train=masks, y_train=[0] * 6 + [1] * 3)
    noted = run("inspect", tmp_path / "masks.npz")
    assert noted.exit_code == 0
    assert "training refuses these images" in noted.stderr
    told = run("inspect", tmp_path / "masks.npz", "--value-range", 0, 1)
    assert "training refuses" not in told.stderr
