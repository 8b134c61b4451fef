"""Masks next to photos are not taken for photos."""

import numpy as np
import pytest
from PIL import Image

from balancegan.data.reading import read_images
from balancegan.errors import DataError


def save_photo(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (24, 24, 3))
    Image.fromarray(values.astype(np.uint8)).save(path)


def save_mask(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((24, 24), dtype=np.uint8)
    mask[5:12, 5:12] = 255
    Image.fromarray(mask).save(path)


def photos(root, suffix=".jpg", n=3, folder="{label}"):
    """Save photos of two classes; return them."""
    files = []
    for label in ("cat", "dog"):
        for number in range(n):
            file = root / folder.format(label=label) / f"{number}{suffix}"
            save_photo(file, len(files))
            files.append(file)
    return files


def names_of(data):
    return {file.relative_to(data.path).as_posix() for file in data.train.files}


def assert_only_photos(root, files, said):
    data = read_images(root)
    assert names_of(data) == {file.relative_to(root).as_posix() for file in files}
    assert set(data.labels) == {"cat", "dog"}
    assert any(said in note for note in data.notes)


@pytest.mark.parametrize(
    ("photo", "mask"),
    [(".jpg", ".png"), (".JPG", ".bmp"), (".jpeg", ".gif")],
)
def test_masks_with_names_of_photos_are_left_out(tmp_path, photo, mask):
    files = photos(tmp_path, photo)
    for file in files:
        save_mask(file.with_suffix(mask))
    assert_only_photos(tmp_path, files, f"left out 6 {mask} files, masks or copies of")


@pytest.mark.parametrize(
    "ending",
    ["_mask", ".mask", "-mask", "_mask_1", "_segmentation", "_label", "_gt", "_seg"],
)
def test_masks_that_say_so_are_left_out(tmp_path, ending):
    files = photos(tmp_path, ".png")
    for file in files:
        save_mask(file.with_name(f"{file.stem}{ending}.png"))
    assert_only_photos(tmp_path, files, "left out 6 images with names of masks")


def test_masks_of_some_photos_are_left_out(tmp_path):
    files = photos(tmp_path, ".png")
    save_mask(files[0].with_name("0_mask.png"))
    assert_only_photos(tmp_path, files, "left out 1 image with names of masks")


@pytest.mark.parametrize("masks", ["masks", "Label", "ground_truth"])
@pytest.mark.parametrize("images", ["images", "."])
def test_folders_of_masks_are_left_out(tmp_path, masks, images):
    files = photos(tmp_path, folder=f"{{label}}/{images}")
    for file in files:
        label = file.relative_to(tmp_path).parts[0]
        save_mask(tmp_path / label / masks / f"{file.stem}.png")
    said = f"left out 6 images in folders with names of masks: cat/{masks}, dog/{masks}"
    assert_only_photos(tmp_path, files, said)


def test_a_folder_of_masks_next_to_one_of_classes(tmp_path):
    files = photos(tmp_path, folder="images/{label}")
    for file in files:
        save_mask(tmp_path / "masks" / file.parent.name / f"{file.stem}.png")
    assert_only_photos(
        tmp_path, files, "left out 6 images in folders with names of masks: masks"
    )


def test_masks_of_two_kinds_are_left_out(tmp_path):
    files = photos(tmp_path)
    for file in files:
        save_mask(file.with_suffix(".png"))
        save_mask(file.with_suffix(".gif"))
    assert_only_photos(tmp_path, files, "left out 6 .png files")


def test_the_same_picture_in_two_formats_is_read_once(tmp_path):
    files = photos(tmp_path)
    for file in files:
        Image.open(file).save(file.with_suffix(".png"))
    assert_only_photos(tmp_path, files, "left out 6 .png files, masks or copies")


def test_masks_of_nearly_all_photos_do_not_hide_in_other_classes(tmp_path):
    files = photos(tmp_path, n=6)
    for file in files[:9]:  # all cats, half of the dogs
        save_mask(file.with_suffix(".png"))
    assert_only_photos(tmp_path, files, "left out 9 .png files")


def test_some_images_of_one_name_are_all_read(tmp_path):
    files = photos(tmp_path, n=6)
    save_photo(files[0].with_suffix(".png"), 99)
    data = read_images(tmp_path)
    assert len(data.labels) == 13
    assert data.notes == [
        "1 pair of images with one name and two suffixes, both of which are read: "
        "cat/0.jpg and cat/0.png"
    ]


def test_pairs_without_a_jpeg_are_refused(tmp_path):
    for file in photos(tmp_path, ".png"):
        save_mask(file.with_suffix(".bmp"))
    with pytest.raises(DataError, match="6 pairs such as cat/0.* is unclear"):
        read_images(tmp_path)


def test_spellings_of_one_format_are_no_pairs(tmp_path):
    for suffix in (".jpg", ".JPEG"):
        photos(tmp_path, suffix)
    data = read_images(tmp_path)
    assert len(data.labels) == 12
    assert data.notes == []
