import zipfile
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from balancegan import ConditionalGANAugmenter, files
from balancegan.data.labelled import SyntheticImages
from balancegan.data.outputs import check_disk_space, estimate_bytes
from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.errors import DataError

from .conftest import make_images
from .test_cli import run

Usage = namedtuple("Usage", "free")
N_REAL, N_SYNTHETIC = 60, 90


@pytest.fixture
def sources(tmp_path):
    """One set, in the ways it can lie on the disk; a third of each image is noise."""
    images = make_images(N_REAL, (24, 24, 3))
    images[:, 8:] = 0
    labels = np.repeat([0, 1], N_REAL // 2)
    np.savez(tmp_path / "stored.npz", X=images, y=labels)
    np.savez_compressed(tmp_path / "packed.npz", X=images, y=labels)
    labelled = read_images(tmp_path / "packed.npz")
    write_images(tmp_path / "folder", labelled)
    return tmp_path


def size_of(path):
    files = [path] if path.is_file() else path.rglob("*.*")
    return sum(file.stat().st_size for file in files)


@pytest.mark.parametrize("source", ["stored.npz", "packed.npz", "folder"])
@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_the_estimate_is_what_is_written_then(sources, source, kind):
    labelled = read_images(sources / source)
    images = np.concatenate([labelled.images, labelled.images])[:N_SYNTHETIC]
    labels = np.concatenate([labelled.labels, labelled.labels])[:N_SYNTHETIC]
    synthetic = SyntheticImages([images], labels, np.arange(N_SYNTHETIC), "c0ffee")
    out = sources / ("out.npz" if kind == "npz" else "out")
    write_images(out, labelled, synthetic)
    estimate = estimate_bytes(labelled, N_SYNTHETIC, kind)
    overhead = 300 * (N_REAL + N_SYNTHETIC)  # of files, tables and lineage
    assert 0.8 * (size_of(out) - overhead) <= estimate <= 1.1 * size_of(out)


def test_added_files_are_as_large_as_originals(tmp_path):
    images = make_images(9, (96, 96, 3))
    for k, image in enumerate(images):
        path = tmp_path / "photos" / ("dog" if k < 5 else "cat") / f"{k}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=95 if k < 5 else 20)
    labelled = read_images(tmp_path / "photos")
    real = sum(file.stat().st_size for file in labelled.train.files)
    assert estimate_bytes(labelled, 0, "folder") == real
    assert estimate_bytes(labelled, 9, "csv") == 2 * real
    assert estimate_bytes(labelled, 10, "npz") <= 19 * labelled.images[0].nbytes


def test_too_little_room_is_said_before_training(sources, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: Usage(70_000))
    out = sources / "out.npz"
    done = run("balance", sources / "stored.npz", "--out", out, "--target", "0=200")
    assert done.exit_code == 2
    assert "needs about" in done.stderr
    assert "70,000 are free" in done.stderr
    assert not out.exists()
    labelled = read_images(sources / "stored.npz")
    check_disk_space(sources / "out", labelled, 10)
    with pytest.raises(DataError, match="Make room"):
        check_disk_space(out, labelled, 10)
    assert zipfile.is_zipfile(sources / "stored.npz")


def test_a_model_that_there_is_no_room_for_is_saved_elsewhere(
    sources, monkeypatch, tmp_path
):
    free = {"elsewhere": 10**9}
    monkeypatch.setattr(
        files.shutil,
        "disk_usage",
        lambda folder: Usage(free.get(folder.parent.name, 9)),
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    model = tmp_path / "bags.balancegan"
    train = ("train", sources / "stored.npz", "--model", model, "--steps", "1")
    done = run(*train, "--batch-size", 4)
    assert done.exit_code == 1
    assert "and 9 are free" in done.stderr
    (rescued,) = elsewhere.glob("*/bags.balancegan")
    assert f"It is saved as {rescued} instead." in done.stderr
    assert ConditionalGANAugmenter.load(rescued).model_.n_steps == 1
    assert not model.exists()
    free.clear()
    done = run(*train, "--batch-size", 4, "--overwrite")
    assert (done.exit_code, "instead" in done.stderr) == (1, False)
    assert len(list(elsewhere.glob("*/bags.balancegan"))) == 1
