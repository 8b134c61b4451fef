import base64
import io

import numpy as np
from PIL import Image

from balancegan.evaluation.added_images import STRIP_LENGTH, Gallery
from balancegan.images import find_format


def open_strip(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_each_kind_of_added_image_has_a_strip(rng):
    real = rng.integers(0, 256, (30, 8, 8), dtype="uint8")
    classes = np.repeat([0, 1, 2], 10)
    gallery = Gallery(real, classes, 3, find_format(real))
    added = np.concatenate([real[10:22], rng.integers(0, 256, (3, 8, 8), "uint8")])
    of_class = np.repeat([1, 2], [10, 5])
    is_copy = np.arange(15) < 12
    strips = gallery.show_added(added, of_class, is_copy)
    assert {k: set(strip) for k, strip in strips.items()} == {
        "1": {"copied"},
        "2": {"copied", "synthetic", "nearest"},
    }
    copied = np.concatenate(list(real[10 : 10 + STRIP_LENGTH]), axis=1)
    np.testing.assert_array_equal(open_strip(strips["1"]["copied"]), copied)
    made = np.concatenate(list(added[12:]), axis=1)
    np.testing.assert_array_equal(open_strip(strips["2"]["synthetic"]), made)
    assert open_strip(strips["2"]["copied"]).shape == (8, 2 * 8)
