import numpy as np
import pytest
from PIL import Image

from balancegan.pictures import (
    GAP,
    TEXT_HEIGHT,
    compare_real_and_synthetic,
    show_classes,
    shrink_images,
    tile_grid,
    write_png,
)


def test_each_image_is_at_its_place():
    rows = [
        np.arange(1, 4, dtype="uint8")[:, None, None, None] * np.ones((3, 40, 50, 1)),
        np.full((1, 40, 50, 1), 9),
    ]
    picture = tile_grid([row.astype("uint8") for row in rows])
    assert picture.shape == (2 * 42 + 2, 3 * 52 + 2, 3)
    assert (picture[GAP : GAP + 40, 54 : 54 + 50] == 2).all()
    assert (picture[44 : 44 + 40, GAP : GAP + 50] == 9).all()
    assert (picture[44 : 44 + 40, 54:] == 255).all()


@pytest.mark.parametrize(("channels", "shown"), [(1, 0), (2, 0), (3, None), (5, 0)])
def test_channels(channels, shown):
    image = np.arange(32 * 32 * channels).reshape(1, 32, 32, channels) % 251
    picture = tile_grid([image.astype("uint8")])[GAP:-GAP, GAP:-GAP]
    expected = image[0] if shown is None else image[0, :, :, [shown] * 3].T
    if shown is not None:
        expected = np.repeat(image[0, :, :, :1], 3, axis=-1)
    np.testing.assert_array_equal(picture, expected)


def test_real_left_synthetic_right_a_row_per_class():
    real = [np.full((2, 32, 32, 1), value, "uint8") for value in (10, 20)]
    synthetic = [np.full((3, 32, 32, 1), value, "uint8") for value in (110, 120)]
    picture = compare_real_and_synthetic(["bag", "boot"], real, synthetic)
    middles = [TEXT_HEIGHT + GAP + 16, TEXT_HEIGHT + GAP + 34 + 16]
    for middle, dark, bright in zip(middles, (10, 20), (110, 120), strict=True):
        line = picture[middle, :, 0]
        assert (line == dark).sum() == 64
        assert (line == bright).sum() == 96
        assert np.flatnonzero(line == dark).max() < np.flatnonzero(line == bright).min()


def test_as_many_grids_as_wanted():
    rows = [np.tile(np.array([9, 99, v], "uint8"), (2, 32, 32, 1)) for v in (10, 20)]
    one = show_classes(["bag", "boot"], {"images": rows})
    three = show_classes(["bag", "boot"], {"a": rows, "b": rows, "c": rows})
    for value in (10, 20):
        counts = [
            (picture == [9, 99, value]).all(axis=2).sum() for picture in (one, three)
        ]
        assert counts == [2 * 32 * 32, 3 * 2 * 32 * 32]


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 1), (3, 3), (4, 4), (5, 1)])
def test_shrunk_images_keep_their_order_and_brightness(channels, kept):
    levels = np.array([10, 90, 200], "uint8")
    images = np.tile(levels[:, None, None, None], (1, 100, 60, channels))
    images[..., 3:] = 255  # transparency
    shrunk = shrink_images(images, 20)
    assert shrunk.shape == (3, 20, 12, kept)
    middles = shrunk[:, :, 4:8, :3].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(middles, levels, atol=1)
    np.testing.assert_array_equal(shrink_images(images, 100), images[..., :kept])


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_png_files_hold_the_pixels(tmp_path, rng, channels, mode):
    image = rng.integers(0, 256, size=(5, 7, channels), dtype=np.uint8)
    write_png(tmp_path / "image.png", image)
    with Image.open(tmp_path / "image.png") as file:
        assert file.mode == mode
        np.testing.assert_array_equal(np.asarray(file).reshape(image.shape), image)
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]
