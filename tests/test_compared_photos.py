"""Photos are compared at a size at which a blurred image differs from a sharp one."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from balancegan import ConditionalGANAugmenter, memory
from balancegan.cli import comparing
from balancegan.cli.comparing import Comparison, PhotoAugmenter, resize_images
from balancegan.data.photo_measures import measure_sharpness
from balancegan.evaluation.resampling import resample
from balancegan.evaluation.splits import find_splits

from .test_cli import run

SHOWN = (100, 96)
QUICK = ["--seeds", "1", "--classifier", "linear", "--classifier-steps", "1"]


def make_photos(n, seed=0, size=SHOWN):
    """Return photos of blobs with details of a few pixels, none like another."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(40, 216, (n, 6, 6, 3), "uint8")
    details = rng.integers(0, 40, (n, 50, 48, 3), "uint8")
    return resize_images(blobs, size) // 2 + resize_images(details, size)


@pytest.fixture
def folder(tmp_path):
    """A rare class too small for the GAN, next to one of twelve photos."""
    for split, sizes in (("train", (12, 4)), ("test", (3, 3))):
        for name, n in zip(("many", "rare"), sizes, strict=True):
            place = tmp_path / "photos" / split / name
            place.mkdir(parents=True)
            for k, photo in enumerate(make_photos(n, seed=n + len(split))):
                Image.fromarray(photo).save(place / f"{k}.png")
    return tmp_path / "photos"


@pytest.fixture
def asked(monkeypatch):
    """The comparisons that a command asks for; none is made."""
    found = []

    def note(comparison, **how):
        found.append(comparison)
        raise KeyboardInterrupt

    monkeypatch.setattr(Comparison, "run", note)
    monkeypatch.setattr(Comparison, "estimate", lambda self: ESTIMATE)
    return found


ESTIMATE = {"runs": 3, "generator_seconds": 60.0, "classifier_seconds": 30.0}


def median_sharpness(images):
    return np.median([measure_sharpness(image) for image in images])


def added_by(comparison, method):
    """Return what a method's sampler adds to the training part of a comparison."""
    labelled = comparison.labelled
    splits, image_format, labelling = find_splits(
        labelled.images, labelled.targets, *comparison.test_part
    )
    (sampler,) = (one.sampler for one in comparison.methods if one.name == method)
    made = resample(sampler, *splits[0].given, labelling, seed=0)
    assert image_format.image_shape == (*SHOWN, 3)
    return made.images[made.is_new]


def test_photos_are_compared_at_the_size_of_their_files(folder, asked):
    result = run("evaluate", folder, "--methods", "oversample,cgan", *QUICK)
    said = " ".join(result.stderr.split())
    assert "compared at 100x96 pixels; generated images are 64x61, enlarged" in said
    (comparison,) = asked
    assert comparison.labelled.images.shape == (16, *SHOWN, 3)
    assert comparison.test_part[0].shape == (6, *SHOWN, 3)


@pytest.mark.parametrize("method", ["oversample", "cgan"])
def test_copies_are_as_sharp_as_originals(folder, asked, method):
    run("evaluate", folder, "--methods", "oversample,cgan", *QUICK)
    (comparison,) = asked
    added = added_by(comparison, method)
    assert len(added) == 8
    ratio = median_sharpness(added) / median_sharpness(comparison.labelled.images)
    assert 0.95 < ratio < 1.05


class Portion:
    """Generated images of one class, at the size that the GAN learns from."""

    copies = sources = None

    def __init__(self, images):
        self.images, self.numbers = images, np.arange(len(images))

    def make(self, numbers):
        yield self.images[numbers]


def test_generated_images_are_enlarged_and_their_blur_is_seen():
    photos = make_photos(8)
    generated = resize_images(photos, (32, 30))
    shown = np.stack(list(comparing._render(Portion(generated), photos)))
    assert shown.shape == photos.shape
    at_shown_size = median_sharpness(shown) / median_sharpness(photos)
    reduced = resize_images(shown, (32, 30))
    at_gan_size = median_sharpness(reduced) / median_sharpness(generated)
    assert at_shown_size < 0.35
    assert at_gan_size > 0.6


def test_a_size_that_is_given_is_that_of_the_gan_too(folder, asked):
    run("evaluate", folder, "--methods", "cgan", "--size", "80", *QUICK)
    (comparison,) = asked
    assert comparison.labelled.images.shape[1:3] == (80, 80)
    (sampler,) = {
        method.sampler for method in comparison.methods if method.name == "cgan"
    }
    assert isinstance(sampler, ConditionalGANAugmenter)


def test_no_images_are_generated_next_to_much_larger_files(tmp_path, asked):
    for name, n in (("many", 12), ("rare", 9)):
        place = tmp_path / "large" / name
        place.mkdir(parents=True)
        for k, photo in enumerate(make_photos(n, n, (150, 150))):
            Image.fromarray(photo).save(place / f"{k}.png")
    for methods, share in (("cgan", 0.0), ("oversample", None)):
        options = ["--methods", methods, "--folds", "2", *QUICK]
        result = run("evaluate", tmp_path / "large", *options)
        is_said = "no images are generated" in " ".join(result.stderr.split())
        assert is_said == (share == 0.0)
    (sampler,) = {
        method.sampler for method in asked[0].methods if method.name == "cgan"
    }
    assert sampler.augmenter.gan_share == 0
    run("evaluate", tmp_path / "large", "--gan-share", "0.2", *options[2:])
    (sampler,) = {
        method.sampler for method in asked[2].methods if method.name == "cgan"
    }
    assert sampler.augmenter.gan_share == 0.2


def test_a_comparison_of_photos_says_what_each_method_adds(folder, tmp_path):
    report = tmp_path / "report.html"
    options = ["--methods", "oversample,cgan", *QUICK, "--json", "--report", report]
    result = run("evaluate", folder, *options)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert "cgan adds 8 copies and 0 new images in a run" in said
    facts = json.loads(result.stdout)
    assert facts["settings"]["image_shape"] == [*SHOWN, 3]
    assert any("compared at 100x96" in note for note in facts["notes"])
    row = '<td class="method">oversample</td><td>8</td><td>0</td>'
    assert row in report.read_text()


def test_photos_larger_than_memory_are_kept_in_files(monkeypatch):
    monkeypatch.setattr(memory, "IN_MEMORY", 1_000)
    photos, labels = make_photos(16), np.repeat([0, 1], [12, 4])
    augmenter = ConditionalGANAugmenter(gan_share=0.0, verbose=0)
    images, _ = PhotoAugmenter(augmenter, (16, 16)).fit_resample(photos, labels)
    assert isinstance(images, np.memmap)
    splits, *_ = find_splits(photos, labels, cv=2)
    assert isinstance(splits[0].train()[0], np.memmap)


def test_several_attributes_of_photos_are_balanced():
    photos = make_photos(12)
    y = pd.DataFrame({"kind": list("aaaaaaaabbbb"), "light": list("xyxyxyxyxxxy")})
    augmenter = ConditionalGANAugmenter(gan_share=0.0, verbose=0)
    sampler = PhotoAugmenter(augmenter, (16, 16))
    images, labels = sampler.fit_resample(photos, y)
    np.testing.assert_array_equal(images[:12], photos)
    assert labels["kind"].value_counts().to_dict() == {"a": 8, "b": 8}
    assert (sampler.method_[12:] == "copied").all()


def test_bad_classifiers_are_refused_before_any_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Comparison, "estimate", lambda self: pytest.fail("worked"))
    damaged = tmp_path / "model.keras"
    damaged.write_bytes(b"no model")
    for options, said in (
        (["--classifier", "forest"], "one of network, residual, linear"),
        (["--classifier", tmp_path / "none.keras"], "does not exist"),
        (["--classifier", damaged], "cannot be used as a classifier"),
        (["--fine-tune"], "Only a trained Keras model"),
    ):
        result = run("evaluate", folder, "--methods", "none", *options)
        assert result.exit_code == 2
        assert said in " ".join(result.stderr.split())
