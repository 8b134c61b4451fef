import os
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms, features

from balancegan.data.decoding import read_deep, read_header, upright
from balancegan.data.filecopies import encode_moved
from balancegan.data.labelled import SyntheticImages
from balancegan.data.lineage import Lineage, read_lineage
from balancegan.data.opening import opened
from balancegan.data.photo_measures import measure_sharpness
from balancegan.data.reading import read_images
from balancegan.data.writing import write_images
from balancegan.errors import DataError, SimplerMethodWarning
from balancegan.images import find_format
from balancegan.pictures import encode_deep_png
from balancegan.samplers.copies import MovedCopies, shift_image

SIDES = 70, 90
LINEAGE = Lineage(
    'ca"t é', 3, "ff", {"shade": "dörk"}, source="x/photo.jpg", move="shifted 4 down"
)


def photo(channels=3, k=0):
    """A smooth picture with edges."""
    y, x = np.mgrid[: SIDES[0], : SIDES[1]]
    waves = [np.sin(y / 9 + c + k) + np.sin(x / 5 + 2 * c) for c in range(channels)]
    shown = 127 + 50 * np.stack(waves, axis=-1) + 20 * (x > 40)[..., None]
    return shown.clip(0, 255).astype("uint8")


def deep(*shape, dtype="uint16", high=65_535):
    values = np.random.default_rng(0).integers(0, high, (*SIDES, *shape))
    return Image.fromarray(values.astype(dtype))


def shifted(image):
    return shift_image(image, 4, -6)


def lab():
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    return ImageCms.applyTransform(Image.fromarray(photo()), transform)


def image_of(mode):
    if mode == "LAB":
        return lab()
    channels = 4 if mode == "RGBA" else 3
    return Image.fromarray(photo(channels)).convert(mode)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATIONS = {o: Image.Exif() for o in range(2, 9)}
for orientation, exif in ORIENTATIONS.items():
    exif[0x0112] = orientation
# Name of the file: mode or image, settings
CASES = {
    **{
        f"{quality}-{sampling}.jpg": ("RGB", {"quality": quality, "subsampling": k})
        for quality in (30, 75, 95)
        for k, sampling in enumerate(("444", "422", "420"))
    },
    "grey.jpg": ("L", {"quality": 60}),
    "cmyk.jpg": ("CMYK", {"quality": 80}),
    "progressive.JPEG": ("RGB", {"progressive": True, "icc_profile": PROFILE}),
    "rgb.jpg": ("RGB", {"keep_rgb": True}),
    **{f"{mode}.png": (mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")},
    "key.png": ("P", {"transparency": 3, "icc_profile": PROFILE}),
    "deep.png": (deep(), {}),
    **{
        f"{mode}.tif": (mode, {"icc_profile": PROFILE})
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "YCbCr")
    },
    **{
        f"{packing}.tif": ("RGB", {"compression": packing})
        for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    },
    "group4.tif": ("1", {"compression": "group4"}),
    "deep.tif": (deep(), {}),
    "big-endian.tif": (deep(dtype=">u2"), {}),
    "float.tif": (deep(dtype="float32"), {}),
    "signed.tif": (deep(dtype="int32", high=2**30), {}),
    "lossy.webp": ("RGB", {"quality": 60, "icc_profile": PROFILE}),
    "lossless.webp": ("RGBA", {"lossless": True}),
    **{f"{mode}.bmp": (mode, {}) for mode in ("1", "L", "P", "RGB")},
    "P.gif": ("P", {}),
    "key.gif": ("P", {"transparency": 3}),
    **{f"{mode}.ppm": (mode, {}) for mode in ("1", "L", "RGB")},
    "deep.pgm": (deep(), {}),
    "lossless.jp2": ("RGB", {}),
    "codes.j2k": ("L", {}),
    "some.avif": ("RGB", {}),
    "called.jpg": ("RGB", {"format": "PNG"}),
    **{
        f"{orientation}{suffix}": ("RGB", {"exif": exif})
        for orientation, exif in ORIENTATIONS.items()
        for suffix in (".jpg", ".png", ".tif", ".webp")
    },
}
SAYS_NOTHING = (".bmp", ".ppm", ".pgm")
NEEDS = {".webp": "webp", ".jp2": "jpg_2000", ".j2k": "jpg_2000", ".avif": "avif"}


def write_case(folder, name):
    image, settings = CASES[name]
    needed = NEEDS.get(os.path.splitext(name)[1])
    if needed and not features.check(needed):
        pytest.skip(f"this Pillow has no {needed}")
    path = folder / name
    (image_of(image) if isinstance(image, str) else image).save(path, **settings)
    return path


def facts_of(path):
    """What a file says of how it is stored, turned upright."""
    header = read_header(path)
    with opened(path) as (image, _):
        return {
            "header": (header.height, header.width, header.channels, header.values),
            "stored": (image.format, image.mode),
            "tables": getattr(image, "quantization", None),
            "subsampling": [layer[1:3] for layer in getattr(image, "layer", [])],
            "orientation": image.getexif().get(0x0112, 1),
            "is_lossless_webp": b"VP8L" in path.read_bytes(),
            **{
                key: image.info.get(key)
                for key in ("progressive", "compression", "icc_profile", "transparency")
            },
        }


def pixels_of(path):
    if read_header(path).is_deep:
        return read_deep(path).values.astype(float)
    with opened(path) as (image, _):
        return np.asarray(upright(image).convert("RGBA")).astype(float)


@pytest.mark.parametrize("name", CASES)
def test_a_moved_copy_has_size_format_and_quality_of_its_original(tmp_path, name):
    source, copy = write_case(tmp_path, name), tmp_path / "copy"
    moved = encode_moved(source, shifted, LINEAGE.texts())
    assert moved.suffix == source.suffix
    copy.write_bytes(moved.content)
    expected = facts_of(source)
    assert facts_of(copy) == {**expected, "orientation": 1}
    differences = np.abs(shifted(pixels_of(source)) - pixels_of(copy))
    is_lossy = name in ("jpeg.tif", "some.avif") or bool(expected["tables"])
    is_lossy |= expected["stored"][0] == "WEBP" and not expected["is_lossless_webp"]
    assert differences.mean() <= (4 if is_lossy else 0)
    if source.suffix in SAYS_NOTHING:
        assert not read_header(copy).is_synthetic
    else:
        assert read_header(copy).is_synthetic
        assert read_lineage(copy) == LINEAGE


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_16_bits_keep_their_depth(tmp_path, channels):
    values = np.random.default_rng(0).integers(0, 2**16, (*SIDES, channels))
    source, copy = tmp_path / "deep.png", tmp_path / "copy.png"
    source.write_bytes(encode_deep_png(values.astype("uint16"), {}, PROFILE))
    copy.write_bytes(encode_moved(source, shifted, LINEAGE.texts()).content)
    n = 1 if channels == 2 else 3
    read = read_deep(copy)
    np.testing.assert_array_equal(read.values, shifted(values)[..., :n])
    if channels != 3:
        np.testing.assert_array_equal(read.alpha, shifted(values)[..., -1])
    assert facts_of(copy) == facts_of(source)
    assert read_lineage(copy) == LINEAGE


def test_what_cannot_be_written_in_its_format_becomes_png(tmp_path, monkeypatch):
    source, copy = write_case(tmp_path, "some.avif"), tmp_path / "copy.png"
    monkeypatch.delitem(Image.SAVE, "AVIF")
    moved = encode_moved(source, shifted, LINEAGE.texts())
    assert moved.suffix == ".png"
    copy.write_bytes(moved.content)
    np.testing.assert_array_equal(pixels_of(copy), shifted(pixels_of(source)))
    # Nor do we know a format for floats but TIFF
    source = write_case(tmp_path, "float.tif")
    monkeypatch.delitem(Image.SAVE, "TIFF")
    assert encode_moved(source, shifted, LINEAGE.texts()) is None


@pytest.mark.parametrize("name", ["75-420.jpg", "RGB.png", "lossless.webp"])
def test_moved_copies_are_as_sharp_as_originals(tmp_path, name):
    rng, ratios = np.random.default_rng(0), []
    images = np.zeros((1, 8, 8), "uint8")
    copies = MovedCopies(images, [0], np.zeros(1, int), find_format(images), 0, 1.0)
    for k in range(9):
        mode, settings = CASES[name]
        source, copy = tmp_path / f"{k}-{name}", tmp_path / f"copy {k}"
        # Noisy, as photos are: blocks that lie elsewhere would change that
        noisy = np.tile(photo(k=k), (2, 2, 1)) // 2 + rng.integers(0, 99, (140, 180, 1))
        shown = Image.fromarray(noisy.astype("uint8")).convert(mode)
        shown.save(source, **settings)
        copy.write_bytes(encode_moved(source, partial(copies.apply, k), {}).content)
        was, now = (
            measure_sharpness(pixels_of(path)[..., :3].astype("uint8"))
            for path in (source, copy)
        )
        ratios.append(now / was)
    assert np.median(ratios) == pytest.approx(1, abs=0.02)


class Shifts:
    """Every other copy is shifted."""

    def apply(self, row, image):
        return shifted(image) if row % 2 else image

    def describe_move(self, row, sides):
        assert sides == SIDES
        return "shifted 4 down, 6 left" if row % 2 else ""


@pytest.fixture
def photos(tmp_path):
    """Ten files of two classes, in formats and names that people have."""
    folder = tmp_path / "photos"
    names = ["cat/A photo.JPG", "cat/b.png", f"cat/{'ä' * 120}.jpg", "dog/c.webp"]
    for k, name in enumerate(names + [f"dog/{k}.bmp" for k in range(6)]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(k=k)).save(folder / name)
    # What the first copy would be called, by another case
    (folder / "cat" / "COPY_000000_of_A Photo.jpg").write_bytes(
        (folder / names[0]).read_bytes()
    )
    return folder


def balanced(source, out):
    labelled = read_images(source)
    names = [file.name for file in labelled.train.files]
    rows = [names.index(name) for name in ("A photo.JPG", "b.png", f"{'ä' * 120}.jpg")]
    sources = np.array(rows * 2 + [-1])
    n = len(sources)
    images = labelled.images[[*sources[:-1], 0]]
    origins = {"method": ["copied"] * 6 + ["gan"], "score": np.nan, "weight": 1.0}
    synthetic = SyntheticImages(
        [images],
        np.full(n, "cat"),
        np.array([*range(6), 0]),
        "c0ffee",
        sizes=np.full((n, 2), SIDES),
        origins=pd.DataFrame(origins),
        sources=sources,
        moves=Shifts(),
    )
    write_images(out, labelled, synthetic)
    return labelled


@pytest.mark.parametrize("kind", ["folder", "csv", "parquet"])
def test_copies_of_files_are_files(photos, tmp_path, kind):
    out = tmp_path / ("out" if kind == "folder" else f"out.{kind}")
    balanced(photos, out)
    if kind == "folder":
        table, root = pd.read_csv(out / "metadata.csv"), out
    else:
        read = pd.read_csv if kind == "csv" else pd.read_parquet
        table, root = read(out), out.parent
    copies = table[table["synthetic_method"] == "copied"]
    assert len(copies) == 6
    for row, copy in enumerate(copies.to_dict("records")):
        file, source = root / copy["file_name"], root / copy["synthetic_source"]
        assert re.fullmatch(rf"copy_00000{row}_of_.+", file.name)
        assert file.suffix == source.suffix
        assert len(os.fsencode(file.name)) <= 255
        is_moved = copy["synthetic_move"] == "shifted 4 down, 6 left"
        assert is_moved == bool(row % 2)
        assert (file.read_bytes() == source.read_bytes()) != is_moved
        assert facts_of(file) == facts_of(source)
        differences = np.abs(shifted(pixels_of(source)) - pixels_of(file))
        assert (differences.mean() < 3) == is_moved
    names = table["file_name"].str.casefold()
    assert names.is_unique
    made = table[table["synthetic_method"] == "gan"].to_dict("records")
    assert read_header(root / made[0]["file_name"]).height == SIDES[0]
    assert pd.isna(made[0]["synthetic_source"])
    assert table.loc[~table["is_synthetic"], "synthetic_source"].isna().all()


def test_a_balanced_folder_loads_in_keras(photos, tmp_path):
    import keras

    out = tmp_path / "out"
    balanced(photos, out)
    dataset = keras.utils.image_dataset_from_directory(
        out, image_size=(8, 8), batch_size=None, shuffle=False, verbose=False
    )
    assert dataset.class_names == ["cat", "dog"]
    labels = [dataset.class_names[label] for _, label in dataset.as_numpy_iterator()]
    table = pd.read_csv(out / "metadata.csv")
    known = table[~table["file_name"].str.endswith(".webp")]  # Keras reads none
    assert sorted(labels) == sorted(known["label"])


def test_a_balanced_folder_is_not_read_as_real(photos, tmp_path):
    out = tmp_path / "out"
    balanced(photos, out)
    with pytest.raises(DataError, match="holds synthetic images already"):
        read_images(out)
    (out / "metadata.csv").unlink()
    with pytest.raises(DataError, match=r"\(4 images that balancegan made"):
        read_images(out)


def test_formats_that_cannot_be_written_are_reported(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("balancegan.data.filewriting.encode_moved", lambda *_: None)
    with pytest.warns(SimplerMethodWarning, match="3 copies are not shifted"):
        balanced(photos, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "metadata.csv")
    assert table["synthetic_move"].isna().all()
    for copy in table.dropna(subset="synthetic_source").to_dict("records"):
        file, source = (copy[key] for key in ("file_name", "synthetic_source"))
        original = (photos / source).read_bytes()
        assert (tmp_path / "out" / file).read_bytes() == original


def test_an_original_that_vanishes_meanwhile_is_named(photos, tmp_path):
    labelled = read_images(photos)

    def batches():
        labelled.train.files[0].write_bytes(b"")
        yield labelled.images[:2]

    synthetic = SyntheticImages(
        batches(),
        labelled.labels[:2],
        np.arange(2),
        "c0ffee",
        sources=np.array([0, 0]),
        moves=Shifts(),
    )
    with pytest.raises(DataError, match="no longer can"):
        write_images(tmp_path / "out", labelled, synthetic)
    assert not (tmp_path / "out").exists()
