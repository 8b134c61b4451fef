"""Sharpness: one number for an image of any size, the same for array and file."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from balancegan.data.photo_measures import measure_file_sharpness, measure_sharpness
from balancegan.errors import DataError


@pytest.fixture
def photo(rng):
    noise = rng.normal(128, 60, (300, 260, 3))
    smooth = ndimage.gaussian_filter(noise, (1, 1, 0)) * 2 - 128
    return smooth.clip(0, 255).astype(np.uint8)


def test_sharpness_is_the_variance_of_the_laplacian(rng):
    image = rng.integers(0, 256, (224, 224), dtype=np.uint8)
    expected = ndimage.laplace(image.astype(float))[1:-1, 1:-1].var()
    assert measure_sharpness(image) == pytest.approx(expected)


def test_an_enlarged_thumbnail_is_less_sharp_than_its_photo(photo):
    small = Image.fromarray(photo).resize((32, 32), Image.Resampling.BICUBIC)
    enlarged = small.resize((260, 300), Image.Resampling.BICUBIC)
    for blurred in (small, enlarged):
        assert measure_sharpness(np.asarray(blurred)) < measure_sharpness(photo) / 10


def test_moving_or_mirroring_keeps_the_sharpness(photo):
    sharpness = measure_sharpness(photo)
    for moved in (photo[:, ::-1], np.roll(photo, 5, axis=0), photo[::-1]):
        assert measure_sharpness(moved) == pytest.approx(sharpness, rel=0.05)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_file_is_as_sharp_as_its_pixels(tmp_path, photo, mode):
    image = Image.fromarray(photo).convert(mode)
    image.save(tmp_path / "a.png")
    of_file = measure_file_sharpness(tmp_path / "a.png")
    assert of_file == measure_sharpness(np.asarray(image))


def test_a_file_of_16_bits_is_measured_on_the_scale_of_its_set(tmp_path, photo):
    grey = photo[..., 0]
    Image.fromarray(grey.astype(np.uint16) * 16).save(tmp_path / "a.png")
    of_file = measure_file_sharpness(tmp_path / "a.png", (0, 255 * 16))
    assert of_file == measure_sharpness(grey)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 2), "uint8"), np.zeros(9, "uint8")]
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(DataError, match=r"uint8\. Received: shape"):
        measure_sharpness(image)
