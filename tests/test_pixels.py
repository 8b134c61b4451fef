"""An image has the same values in every output, whichever command writes it."""

import io
import shutil
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow.parquet import read_table

from balancegan import read_images, write_images
from balancegan.data.labelled import LabelledImages, Part
from balancegan.data.outputs import FORMATS, IMAGE_FILES
from balancegan.images import find_format
from tests.conftest import load_npz, make_images
from tests.test_images import image_sets
from tests.test_round_trips import SUFFIXES

from .augmenters import build_augmenter
from .commands import invoke

LABELS = np.repeat(["bag", "boot"], [12, 6])
SHARES = make_images(18, (8, 8), "float64")  # of white
KINDS = {
    "8 bits": (255 * SHARES).astype("uint8"),
    "dark": (63 * SHARES).astype("uint8"),
    "16 bits": (4095 * SHARES).astype("uint16"),
    "dark of 16 bits": (63 * SHARES).astype("uint16"),
    "signed": (4000 * SHARES - 1000).astype("int16"),
    "signed of 8 bits": (255 * SHARES - 128).astype("int8"),
    "shares": SHARES.astype("float32"),
    "about 0": (2 * SHARES - 1).astype("float32"),
    "z-scored": (SHARES - SHARES.mean()) / SHARES.std(),
    "masks": SHARES > 0.5,
}
CLASS = ("--class", "boot")


@pytest.fixture(scope="module")
def untold(tmp_path_factory):
    """An augmenter with networks for 8x8 grey images of any range."""
    augmenter = build_augmenter(preset="tutorial", steps=1, gan_share=1, verbose=0)
    return augmenter.fit(KINDS["8 bits"], LABELS)


@pytest.fixture
def saved(untold, tmp_path):
    """Return a function from images to an augmenter for them, saved, and their file."""

    def save(images, value_range=None):
        image_format = find_format(images, value_range=value_range)
        untold.model_ = replace(untold.model_, image_format=image_format)
        untold.save(tmp_path / "model", overwrite=True)
        np.savez(tmp_path / "data.npz", x_train=images, y_train=LABELS)
        return untold, tmp_path / "model", tmp_path / "data.npz"

    return save


def run(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


def balance(data, model, out, *options):
    how = ("--no-reject", "--gan-share", 1, "--overwrite")
    return run("balance", data, "--model", model, "--out", out, *how, *options)


def pixels_in(files):
    images = []
    for file in files:
        with Image.open(file) as image:
            images.append(np.asarray(image))
    return np.stack(images)


def read_balanced(out, format):
    """Return the images of a balanced set of one part, real ones first."""
    if format == "npz":
        return load_npz(out)["x_train"]
    table = pd.read_parquet(out) if format == "parquet" else None
    if table is None:
        table = pd.read_csv(out / "metadata.csv" if out.is_dir() else out)
    root = out if out.is_dir() else out.parent
    return pixels_in(root / name for name in table["file_name"])


@pytest.mark.parametrize(
    ("kind", "format"),
    [
        *((kind, "folder") for kind in KINDS),
        *(("16 bits", format) for format in ("npz", "csv", "parquet")),
        *(("dark", format) for format in ("npz", "csv")),
    ],
)
def test_balance_writes_what_resample_returns(saved, tmp_path, kind, format):
    augmenter, model, data = saved(KINDS[kind])
    out = tmp_path / f"out{SUFFIXES.get(format, '')}"
    result = balance(data, model, out)
    expected, _ = augmenter.resample(None, KINDS[kind], LABELS, reject=False)
    is_rounded = format in IMAGE_FILES and expected.dtype != np.uint8
    assert ("image files hold 8 bits" in result.stderr) == is_rounded
    if format in IMAGE_FILES:
        expected = augmenter.model_.image_format.to_pixels(expected)[..., 0]
    found = read_balanced(out, format)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_generate_makes_the_pixels_that_balance_wrote(saved, tmp_path, kind):
    _, model, data = saved(KINDS[kind])
    out, generated = tmp_path / "balanced", tmp_path / "generated"
    balance(data, model, out)
    files = sorted(out.rglob("synthetic*.png"))
    run("generate", model, *CLASS, "--n", len(files), "--out", generated)
    again = tmp_path / "again.png"
    run("generate", model, "--again", files[2], "--out", again)
    alone = tmp_path / "alone.png"
    run("generate", model, *CLASS, "--index", 2, "--out", alone)
    assert len(files) == 6
    assert [f.name for f in files] == sorted(f.name for f in generated.iterdir())
    for file in files:
        assert file.read_bytes() == (generated / file.name).read_bytes()
    assert files[2].read_bytes() == again.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("value_range", [None, (0, 63), (0, 255)])
def test_every_output_of_generate_has_the_same_pixels(saved, tmp_path, value_range):
    augmenter, model, _ = saved(KINDS["dark"], value_range)
    images = augmenter.sample("boot", 3)
    outs = {
        suffix: tmp_path / f"out{suffix}"
        for suffix in ("", ".npz", ".png", ".tar", ".parquet")
    }
    for out in outs.values():
        run("generate", model, *CLASS, "--n", 3, "--out", out)
    np.testing.assert_array_equal(load_npz(outs[".npz"])["X"], images)
    np.testing.assert_array_equal(pixels_in(sorted(outs[""].iterdir())), images)
    records = read_table(outs[".parquet"])["image"].to_pylist()
    of_table = pixels_in(io.BytesIO(record["bytes"]) for record in records)
    np.testing.assert_array_equal(of_table, images)
    with tarfile.open(outs[".tar"]) as tar:
        members = [name for name in tar.getnames() if name.endswith(".png")]
        of_tar = pixels_in(tar.extractfile(name) for name in members)
    np.testing.assert_array_equal(of_tar, images)
    (picture,) = pixels_in([outs[".png"]])
    assert set(np.unique(images)) <= set(np.unique(picture))


def test_files_lie_next_to_dark_originals_in_their_scale(saved, tmp_path):
    _, model, _ = saved(KINDS["dark"][..., None], (0, 63))
    originals = tmp_path / "photos"
    for k, (image, label) in enumerate(zip(KINDS["dark"], LABELS, strict=True)):
        file = originals / str(label) / f"{k}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    balance(originals, model, tmp_path / "out")
    made = pixels_in(sorted((tmp_path / "out").rglob("synthetic*.png")))
    assert 0 < made.max() <= 63


@settings(max_examples=25)
@given(image_sets(), st.sampled_from(FORMATS), st.booleans())
@example((KINDS["dark"], None), "folder", True)  # black and white stretch no pixels
def test_what_is_written_reads_as_it_was(made, format, is_given):
    """In arrays and files of uint8 to the bit; else as near as 256 shades allow."""
    images, declared = made
    value_range = (images.min(), images.max()) if is_given else None
    image_format = find_format(images, declared, value_range, may_be_dim=True)
    labels = np.arange(len(images)) % 2
    part = Part(images, labels, pd.DataFrame(index=range(len(images))))
    labelled = LabelledImages(Path("made"), {"train": part})
    folder = Path(tempfile.mkdtemp())
    try:
        out = folder / f"out{SUFFIXES.get(format, '')}"
        write_images(out, labelled, image_format=image_format)
        read = read_images(out)
    finally:
        shutil.rmtree(folder)
    if format not in IMAGE_FILES:
        assert read.images.dtype == images.dtype
        np.testing.assert_array_equal(read.images, images)
        return
    expected = image_format.to_pixels(images)
    if images.dtype == np.uint8:
        expected = image_format.to_channels_last(images)
    np.testing.assert_array_equal(read.images.reshape(expected.shape), expected)


def test_masks_are_trained_on_with_their_value_range(untold, tmp_path):
    masks = (SHARES > 0.5).astype("uint8")
    np.savez(tmp_path / "masks.npz", x_train=masks, y_train=LABELS)
    refused = invoke("balance", tmp_path / "masks.npz", "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "value_range=(0, 1) (value-range in --config)" in refused.stderr
    run("inspect", tmp_path / "masks.npz")
    run("convert", tmp_path / "masks.npz", "--out", tmp_path / "masks")
    files = sorted((tmp_path / "masks").rglob("*.png"))
    assert set(np.unique(pixels_in(files))) == {0, 1}
    image_format = find_format(masks, value_range=(0, 1))
    model = replace(untold.model_, image_format=image_format)
    made = np.concatenate(list(model.make_images(0, 0, 4)))
    assert made.dtype == np.uint8
    assert set(np.unique(made)) <= {0, 1}
