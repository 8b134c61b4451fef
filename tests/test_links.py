"""Links are followed where that is asked for, and named where it is not."""

import os

import numpy as np
import pytest

from balancegan.data.reading import read_images
from balancegan.errors import DataError
from balancegan.pictures import encode_png

from .test_cli import run

PICTURES = [encode_png(np.full((4, 4, 1), 40 * n, dtype=np.uint8)) for n in range(6)]


def save(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PICTURES[number])


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.fixture
def snapshot(tmp_path):
    """A folder as the Hugging Face hub keeps one: files are links to blobs."""
    root = tmp_path / "hub" / "snapshots" / "abc"
    for number in range(6):
        save(tmp_path / "hub" / "blobs" / f"hash{number}", number)
        path = root / "train" / ("cat" if number % 2 else "dog") / f"{number}.png"
        link(path, f"../../../../blobs/hash{number}")
    return root


@pytest.fixture
def linked(tmp_path):
    """A folder whose class folders are links."""
    for number in range(6):
        save(tmp_path / "store" / ("cat" if number % 2 else "dog") / "x.png", number)
    for label in ("cat", "dog"):
        link(tmp_path / "set" / label, tmp_path / "store" / label)
    return tmp_path / "set"


def test_links_out_of_the_folder_are_followed_if_asked(snapshot):
    message = r"cat/1.png, .* \(a link that leads outside the folder: set follow-links"
    with pytest.raises(DataError, match=message):
        read_images(snapshot)
    data = read_images(snapshot, follow_links=True)
    assert data.labels.tolist() == ["cat"] * 3 + ["dog"] * 3
    blobs = snapshot.parents[1] / "blobs"
    assert data.notes == [f"followed links to 6 files: in {blobs} (6)"]
    assert all(file.is_relative_to(snapshot) for file in data.train.files)


def test_links_to_class_folders_are_followed_if_asked(linked):
    with pytest.raises(DataError, match=r"no images.* cat, dog \(a link to a folder"):
        read_images(linked)
    data = read_images(linked, follow_links=True)
    assert data.labels.tolist() == ["cat", "dog"]
    assert any("followed links to 2 files" in note for note in data.notes)


def test_a_linked_split_is_not_overlooked(linked):
    for label in ("cat", "dog"):
        save(linked.parent / "parts" / "train" / label / "0.png", 0)
    link(linked.parent / "parts" / "test", linked)
    with pytest.raises(DataError, match=r"1 image .* test \(a link to a folder"):
        read_images(linked.parent / "parts")
    data = read_images(linked.parent / "parts", follow_links=True)
    assert data.parts["test"].labels.tolist() == ["cat", "dog"]


def test_a_link_may_be_named_itself(linked, snapshot, tmp_path):
    for number in range(2):
        save(tmp_path / "real" / f"class{number}" / "0.png", number)
    link(tmp_path / "named", tmp_path / "real")
    assert read_images(tmp_path / "named").notes == []


def test_circles_end(linked):
    save(linked / "owl" / "0.png", 0)
    link(linked / "owl" / "again", "..")
    data = read_images(linked, follow_links=True)
    assert sorted(data.labels) == ["cat", "dog", "owl"]
    assert "ignored links to folders that they lie in: owl/again" in data.notes


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere.png", "a link to nothing"),
        ("../.git/annex/objects/x.png", "content of git-annex that is not here"),
        (
            "../../blobs/hash9",
            "content of the Hugging Face hub that was not downloaded",
        ),
        ("0.png", "a link to nothing"),
    ],
)
@pytest.mark.parametrize("follow", [False, True])
def test_links_to_nothing_are_named(tmp_path, target, reason, follow):
    root = tmp_path / "set"
    save(root / "cat" / "1.png", 0)
    link(root / "cat" / "0.png", target)
    with pytest.raises(DataError, match=rf"cat/0.png \({reason}|link to {reason}"):
        read_images(root, follow_links=follow)


@pytest.mark.parametrize(
    ("target", "reason"),
    [("nowhere", "a link to nothing"), ("blobs/hash1", "a link that leads outside")],
)
def test_closed_links_without_a_suffix_are_not_overlooked(snapshot, target, reason):
    link(snapshot / "train" / "owl", snapshot.parents[1] / target)
    for path in (snapshot / "train").glob("*/*.png"):
        path.unlink()
        save(path, 0)
    with pytest.raises(DataError, match=rf"1 image .* train/owl \({reason}"):
        read_images(snapshot)


def test_a_file_of_several_names_is_noted(tmp_path):
    for number in range(2):
        save(tmp_path / "cat" / f"{number}.png", number)
    link(tmp_path / "dog" / "0.png", "../cat/0.png")
    data = read_images(tmp_path)
    assert data.labels.tolist() == ["cat", "cat", "dog"]
    said = "1 file read under several names: cat/0.png = dog/0.png"
    assert data.notes == [said]


def test_manifests_follow_the_same_rule(snapshot, tmp_path):
    save(tmp_path / "hub" / "secret.png", 0)
    rows = ["train/cat/1.png,cat", "train/dog/0.png,dog"]
    manifest = snapshot / "list.csv"
    manifest.write_text("\n".join(["file_name,label", *rows]))
    with pytest.raises(DataError, match="follow-links"):
        read_images(manifest)
    assert len(read_images(manifest, follow_links=True).labels) == 2
    for way in ("../../secret.png", f"{tmp_path}/hub/secret.png"):
        manifest.write_text("\n".join(["file_name,label", *rows, f"{way},cat"]))
        with pytest.raises(DataError, match=r"\(leads outside the folder\)"):
            read_images(manifest, follow_links=True)


def test_a_linked_table_is_a_link(tmp_path):
    save(tmp_path / "set" / "0.png", 0)
    (tmp_path / "table.csv").write_text("file_name,label\n0.png,cat\n")
    link(tmp_path / "set" / "metadata.csv", tmp_path / "table.csv")
    with pytest.raises(DataError, match="metadata.csv is a link that leads outside"):
        read_images(tmp_path / "set")
    data = read_images(tmp_path / "set", follow_links=True)
    assert data.labels.tolist() == ["cat"]


@pytest.mark.parametrize("named", [".", "x_train.npy"])
def test_linked_arrays_are_links(tmp_path, named):
    root = tmp_path / "set"
    root.mkdir()
    np.save(root / "x_train.npy", np.zeros((4, 4, 4), dtype=np.uint8))
    np.save(tmp_path / "labels.npy", np.array([0, 1, 0, 1]))
    link(root / "y_train.npy", tmp_path / "labels.npy")
    with pytest.raises(DataError, match="y_train.npy is a link that leads outside"):
        read_images(root / named)
    assert len(read_images(root / named, follow_links=True).labels) == 4


def test_copies_are_files_and_the_originals_stay(snapshot, tmp_path):
    out = tmp_path / "out"
    words = ("convert", snapshot, "--out", out, "--follow-links")
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    assert "note: followed links to 6 files" in done.stderr
    copies = sorted(out.rglob("*.png"))
    assert len(copies) == 6
    assert not any(file.is_symlink() for file in copies)
    blobs = snapshot.parents[1] / "blobs"
    before = {file: file.read_bytes() for file in blobs.iterdir()}
    assert sorted(file.read_bytes() for file in copies) == sorted(before.values())
    copies[0].unlink()
    link(copies[0], blobs / "hash1")
    assert run(*words, "--overwrite").exit_code == 0
    assert not copies[0].is_symlink()
    assert {file: file.read_bytes() for file in blobs.iterdir()} == before


@pytest.mark.parametrize("out", ["store/cat", "store", "link"])
def test_nothing_is_written_over_what_links_lead_to(linked, tmp_path, out):
    link(tmp_path / "link", tmp_path / "store")
    before = sorted(os.walk(tmp_path / "store"))
    words = ("convert", linked, "--out", tmp_path / out)
    done = run(*words, "--follow-links", "--overwrite")
    assert done.exit_code == 2
    assert sorted(os.walk(tmp_path / "store")) == before


def test_a_picture_does_not_replace_what_a_link_leads_to(snapshot, tmp_path):
    blob = snapshot.parents[1] / "blobs" / "hash1"
    link(tmp_path / "p.png", blob)
    words = ("inspect", snapshot, "--follow-links", "--picture", tmp_path / "p.png")
    done = run(*words, "--overwrite")
    assert done.exit_code == 2
    assert "among the files of" in done.stderr
    assert blob.read_bytes() == PICTURES[1]
