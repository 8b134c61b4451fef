"""Images come in lists, columns and arrays of objects, and go back in the same."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from balancegan.containers import stack_images, unstack_images
from balancegan.errors import DataError
from tests.conftest import make_images

IMAGES = make_images(6, (8, 8, 3))


class Tensor:
    """An array of another library, which numpy can read."""

    def __init__(self, values, error=None):
        self.values, self.error = values, error

    def __array__(self, dtype=None, copy=None):
        if self.error is not None:
            raise self.error
        return np.asarray(self.values, dtype=dtype)


def as_objects(images):
    objects = np.empty(len(images), dtype=object)
    for k, image in enumerate(images):
        objects[k] = image
    return objects


CONTAINERS = {
    "arrays": list(IMAGES),
    "pictures": [Image.fromarray(image) for image in IMAGES],
    "tensors": [Tensor(image) for image in IMAGES],
    "nested lists": IMAGES.tolist(),
    "column": pd.Series(list(IMAGES), name="image", index=list("abcdef")),
    "column of pictures": pd.Series([Image.fromarray(image) for image in IMAGES]),
    "table of one column": pd.DataFrame({"image": list(IMAGES)}),
    "objects": as_objects(IMAGES),
    "objects of a table": as_objects(IMAGES)[:, None],
    "arrays of arrays": pd.Series([as_objects(image) for image in IMAGES]),
}


@pytest.mark.parametrize("given", CONTAINERS.values(), ids=CONTAINERS)
def test_images_one_by_one_are_stacked_and_come_back_as_they_came(given):
    stacked = stack_images(given)
    np.testing.assert_array_equal(stacked, IMAGES)
    is_plain = isinstance(given, list) and isinstance(given[0], list)
    assert stacked.dtype == (np.int64 if is_plain else np.uint8)
    back = unstack_images(np.concatenate([stacked, stacked]), given)
    assert type(back) is type(given)
    assert len(back) == 12
    again = stack_images(back)
    assert again.dtype == stacked.dtype
    np.testing.assert_array_equal(again[6:], IMAGES)
    if isinstance(given, pd.Series):
        assert back.name == given.name
    if isinstance(given, pd.DataFrame):
        assert list(back.columns) == ["image"]


@pytest.mark.parametrize(
    "given",
    [IMAGES, IMAGES.reshape(6, -1), pd.DataFrame(IMAGES.reshape(6, -1))],
)
def test_what_is_stacked_already_is_left_alone(given):
    assert stack_images(given) is given
    assert unstack_images(IMAGES, given) is IMAGES


def test_a_list_of_images_costs_no_more_than_its_array():
    back = unstack_images(IMAGES, list(IMAGES))
    assert all(np.shares_memory(image, IMAGES) for image in back)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([IMAGES[0], IMAGES[1][:4]], r"image 0 of shape \(8, 8, 3\), image 1 of.*4, 8"),
        ([IMAGES[0], IMAGES[1][..., 0]], "one shape"),
        ([IMAGES[0], IMAGES[1] / 255], "image 0 of uint8, image 1 of float64"),
        (["cat.png", "dog.png"], "type str.*read_images"),
        ([b"PNG"], "type bytes"),
        ([3, 5], "entry 0 of type int"),
        ([IMAGES[0], None], "entry 1 of type NoneType"),
        ([[[1, 2], [3]]], "Entry 0 of X cannot be read"),
        ([Tensor(0, TypeError("on a GPU"))], "Entry 0.*on a GPU.*type Tensor"),
        ([Image.new("P", (8, 8))], "mode P.*convert"),
        ([Image.new("CMYK", (8, 8))], "mode CMYK"),
        (pd.Series([{"bytes": b""}]), "type dict"),
        ([np.ma.masked_equal(IMAGES[0], IMAGES[0].max())], "image 0 with .*filled"),
        (np.ma.masked_equal(IMAGES, IMAGES.max()), "masked values.*filled"),
        (
            pd.DataFrame(IMAGES.reshape(6, -1)).astype("UInt8"),
            "column 0 of dtype UInt8",
        ),
        (
            pd.DataFrame({"a": [1, 2], "label": ["x", "y"]}).convert_dtypes(),
            "no pixels",
        ),
        (np.array(None), "Received: a ndarray"),
        (None, "Received: a NoneType"),
        ("data.npz", "a str.*read_images"),
        (iter(IMAGES), r"list\(X\)"),
        ([], "an empty list"),
        (IMAGES.astype(str), "numbers.*dtype <U"),
        (tf.cast(IMAGES, "bfloat16"), "bfloat16.*float32"),
    ],
)
def test_what_is_no_set_of_images_is_refused(given, message):
    with pytest.raises(DataError, match=message):
        stack_images(given)


def test_pictures_of_16_bits_and_of_two_colours_keep_their_values():
    deep = Image.fromarray(np.full((8, 8), 4000, "uint16"))
    assert stack_images([deep]).max() == 4000
    assert stack_images([Image.new("1", (8, 8), 1)]).dtype == bool
