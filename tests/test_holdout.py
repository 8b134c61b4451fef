"""A test part set aside: whole blocks, shares of classes, every kind of data."""

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from balancegan.data.holdout import Holdout, choose_test_rows, find_blocks, hold_out
from balancegan.data.image_parts import ImagePart, image_part
from balancegan.data.reading import read_images
from balancegan.errors import DataError

from .conftest import load_npz, make_images
from .test_cli import run

NOTHING_TO_ADD = ("--max-ratio", "0", "--random-state", "0")


def choose(labels, blocks=None, share=0.2, seed=0):
    blocks = np.arange(len(labels)) if blocks is None else blocks
    return choose_test_rows(labels, blocks, share, np.random.default_rng(seed))


def labels_of(counts):
    return np.repeat(np.arange(len(counts)), counts)


counts_of_classes = st.lists(st.integers(1, 40), min_size=1, max_size=6)
shares = st.floats(0.01, 0.99)


@given(counts_of_classes, shares, st.integers(0, 5))
def test_single_images_are_split_by_the_rounded_share_of_each_class(
    counts, share, seed
):
    labels = labels_of(counts)
    is_test = choose(labels, share=share, seed=seed)
    for label, n in enumerate(counts):
        n_test = is_test[labels == label].sum()
        expected = min(max(round(share * n), 1), n - 1)
        assert n_test == expected
    assert (is_test == choose(labels, share=share, seed=seed)).all()


@given(st.data(), shares)
def test_no_block_is_on_both_sides_and_no_class_loses_its_last_image(data, share):
    counts = data.draw(counts_of_classes)
    labels = labels_of(counts)
    some = st.lists(st.integers(0, 9), min_size=len(labels), max_size=len(labels))
    blocks = np.unique(data.draw(some), return_inverse=True)[1]
    is_test = choose(labels, blocks, share)
    assert not set(blocks[is_test]) & set(blocks[~is_test])
    assert set(labels[~is_test]) == set(labels)


def test_a_class_of_two_blocks_gets_a_test_image():
    labels, blocks = labels_of([9, 8]), np.repeat(np.arange(4), [5, 4, 6, 2])
    assert set(labels[choose(labels, blocks, 0.1)]) == {0, 1}


@pytest.fixture
def photos(tmp_path):
    """Files of two classes, three of the first of which are of one photo."""
    for row, image in enumerate(make_images(18, (12, 16, 3))):
        path = tmp_path / "photos" / ("ab"[row >= 12]) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    folder = tmp_path / "photos" / "a"
    shutil.copy(folder / "0.png", folder / "copy.png")
    near = np.asarray(Image.open(folder / "0.png")) // 2 * 2
    Image.fromarray(near).save(folder / "near.png")
    return tmp_path / "photos"


def test_equal_and_nearly_equal_images_share_a_block():
    images = make_images(30)
    images[[7, 20]] = images[3], images[4] // 2 * 2
    part = ImagePart(images, np.zeros(30))
    blocks, n_copies = find_blocks(part)
    assert blocks[7] == blocks[3]
    assert blocks[20] == blocks[4]
    assert (len(set(blocks)), n_copies) == (28, 4)
    # Rows whose group is not known belong to none
    groups = np.array(["x", "", None] * 10, dtype=object)
    assert len(set(find_blocks(replace(part, groups=groups))[0])) == 28 - 9


def test_a_mirrored_photo_shares_a_block(tmp_path):
    for row in range(12):
        small = Image.fromarray(make_images(1, (8, 8, 3), seed=row)[0])
        photo = small.resize((96, 96), Image.Resampling.BICUBIC)
        (tmp_path / "ab"[row % 2]).mkdir(exist_ok=True)
        photo.save(tmp_path / "ab"[row % 2] / f"{row}.png")
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "a" / "m.png")
    labelled = read_images(tmp_path)
    blocks, n_copies = find_blocks(image_part(labelled, "train"))
    of_files = dict(zip((f.stem for f in labelled.train.files), blocks, strict=True))
    assert of_files["m"] == of_files["11"]
    assert (len(set(blocks)), n_copies) == (12, 2)


def copied_photos(table):
    return {Path(name).stem for name in table["file_name"]} & {"0", "copy", "near"}


@pytest.mark.parametrize("kind", ["folder", "csv"])
@pytest.mark.parametrize("seed", range(2))
def test_files_are_written_below_train_and_test(photos, tmp_path, kind, seed):
    out = tmp_path / ("out" if kind == "folder" else "out.csv")
    options = ["--max-ratio", "0", "--holdout", "0.3", "--random-state", seed]
    result = run("balance", photos, "--out", out, *options)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "metadata.csv" if kind == "folder" else out)
    root = out if kind == "folder" else out.parent
    parts = dict(list(table.groupby("split")))
    assert (parts["test"]["label"] == "b").sum() == 2
    assert [len(copied_photos(rows)) for rows in parts.values()] in ([0, 3], [3, 0])
    for split, rows in parts.items():
        for name in rows["file_name"]:
            *_, folder, label, file = Path(name).parts
            assert folder == split
            original = photos / label / file
            assert (root / name).read_bytes() == original.read_bytes()
    assert len(table) == 20
    again = read_images(out)
    assert {s: len(p.labels) for s, p in again.parts.items()} == {
        split: len(rows) for split, rows in parts.items()
    }


def test_a_training_folder_gives_its_files_to_a_test_folder(photos, tmp_path):
    shutil.move(photos, tmp_path / "data" / "train")
    shutil.copytree(tmp_path / "data" / "train", tmp_path / "data" / "val")
    out = tmp_path / "out"
    options = (*NOTHING_TO_ADD, "--holdout", "0.3")
    assert run("balance", tmp_path / "data", "--out", out, *options).exit_code == 0
    files = [p.relative_to(out).parts for p in out.rglob("*.png")]
    counts = pd.Series([f"{split}/{label}" for split, label, _ in files]).value_counts()
    assert counts["val/a"] == counts["train/a"] + counts["test/a"] == 14
    assert counts["test/b"] == 2


@pytest.fixture
def slides(tmp_path):
    """Arrays with groups, boxes, a description and a name of each image."""
    path = tmp_path / "slides.npz"
    images = make_images(60)
    images[:, 0, 0] = np.arange(60)
    arrays = {
        "train_images": images,
        "train_labels": np.repeat([[0], [1]], 30, axis=0),
        "slide": np.arange(60) // 3,
        "boxes_train": np.arange(240).reshape(60, 4),
        "about": np.array("cells"),
        "class_names": np.array(["red", "white"]),
    }
    np.savez(path, **arrays)
    return path


def test_arrays_with_a_row_for_each_image_are_split_too(slides, tmp_path):
    out = "out.npz"
    options = ["--holdout", "0.2", "--group-key", "slide", *NOTHING_TO_ADD]
    result = run("balance", slides, "--out", tmp_path / out, *options, "--json")
    assert result.exit_code == 0, result.output
    (note,) = [n for n in json.loads(result.stdout)["notes"] if "set aside" in n]
    assert "12 of 60" in note
    assert "images of one slide" in note
    again, before = read_images(tmp_path / out), load_npz(slides)
    train, test = again.parts["train"], again.parts["test"]
    assert not set(train.columns["slide"]) & set(test.columns["slide"])
    rows = np.concatenate([train.images[:, 0, 0], test.images[:, 0, 0]])
    assert sorted(rows.tolist()) == list(range(60))
    assert np.bincount(test.labels).tolist() == [6, 6]
    for part in (train, test):
        which = part.images[:, 0, 0]
        assert (part.images == before["train_images"][which]).all()
        assert (part.labels == before["train_labels"][which, 0]).all()
        assert (part.columns["slide"] == before["slide"][which]).all()
    arrays = load_npz(tmp_path / out)
    for split, part in again.parts.items():
        which = part.images[:, 0, 0]
        assert (arrays[f"boxes_{split}"] == before["boxes_train"][which]).all()
    assert arrays["about"] == "cells"


def test_the_split_depends_on_the_seed_alone(slides):
    labelled = read_images(slides)
    first, same, other = (
        hold_out(labelled, Holdout(0.2, seed)).parts["test"].images[:, 0, 0].tolist()
        for seed in (0, 0, 1)
    )
    assert first == same != other


def test_training_images_alone_choose_the_scale_of_deep_files(tmp_path):
    """An image of 12 bits is a test image: training images have 10 bits."""
    values = np.random.default_rng(0).integers(0, 1024, (20, 8, 8), dtype=np.uint16)
    for row, image in enumerate(values):
        path = tmp_path / "deep" / "ab"[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    first = hold_out(read_images(tmp_path / "deep"), Holdout(0.1))
    (held_out, *_) = first.parts["test"].files
    image = np.asarray(Image.open(held_out)).copy()
    image[:4, :4] = 4000
    Image.fromarray(image).save(held_out)
    labelled = read_images(tmp_path / "deep")
    assert labelled.file_range == (0, 4095)
    parted = hold_out(labelled, Holdout(0.1))
    assert parted.parts["test"].files == first.parts["test"].files
    assert parted.file_range == (0, 1023)
    for part in parted.parts.values():
        for image, file in zip(part.images, part.files, strict=True):
            shades = np.asarray(Image.open(file)).astype(float) / 1023
            assert np.abs(image[..., 0] - 255 * shades.clip(0, 1)).max() <= 0.5
    assert sum(" of more than 8 bits: 0 to 1,023" in n for n in parted.notes) == 1
    assert not any("4,095" in note for note in parted.notes)
    kept = hold_out(labelled, Holdout(0.1), value_range=(0, 4095))
    assert kept.file_range == (0, 4095)


def test_what_cannot_be_set_aside_is_refused(data, tmp_path, slides):
    arrays = load_npz(data)
    arrays |= {"x_test": arrays["x_train"], "y_test": arrays["y_train"]}
    np.savez(tmp_path / "both.npz", **arrays)
    refused = run("balance", tmp_path / "both.npz", "--dry-run", "--holdout", "0.2")
    assert refused.exit_code == 2
    assert "has one already: 18 images" in refused.output
    np.savez(tmp_path / "one.npz", x_train=make_images(2), y_train=[0, 1])
    with pytest.raises(DataError, match="2 classes, none of which can be parted"):
        hold_out(read_images(tmp_path / "one.npz"), Holdout(0.5))
    for options, words in [
        (["--model", tmp_path], "a saved model may have"),
        (["--group-key", "photo"], "no array|does not have|Groups must be"),
    ]:
        refused = run("balance", slides, "--dry-run", "--holdout", "0.2", *options)
        assert refused.exit_code == 2
        assert any(word in refused.output for word in words.split("|"))
    for share in ("0", "1", "nan"):
        result = run("balance", slides, "--dry-run", "--holdout", share)
        assert "--holdout" in result.output
        assert result.exit_code == 2


def test_shards_of_more_than_8_bits_need_a_scale(tmp_path):
    values = np.random.default_rng(0).integers(0, 999, (12, 8, 8), dtype=np.uint16)
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for row, image in enumerate(values):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            for name, content in (("png", file.getvalue()), ("cls", b"01"[row % 2 :])):
                member = tarfile.TarInfo(f"{row}.{name}")
                member.size = len(content) if name == "png" else 1
                archive.addfile(member, io.BytesIO(content))
    labelled = read_images(tmp_path / "shard.tar")
    with pytest.raises(DataError, match=r"for shards.*value-range"):
        hold_out(labelled, Holdout(0.2))
    given = read_images(tmp_path / "shard.tar", value_range=(0, 1023))
    parts = hold_out(given, Holdout(0.2), value_range=(0, 1023)).parts
    assert {split: len(part.labels) for split, part in parts.items()} == {
        "train": 10,
        "test": 2,
    }
