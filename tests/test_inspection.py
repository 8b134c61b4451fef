import numpy as np

from balancegan.data.inspection import inspect_images
from balancegan.images import find_format

from .conftest import make_images


def warnings_of(images, labels):
    return inspect_images(images, labels, find_format(images)).warnings


def test_a_sound_set_raises_no_warning():
    inspection = inspect_images(
        make_images(60),
        np.repeat([0, 1], [35, 25]),
        find_format(make_images(60)),
    )
    assert inspection.warnings == []
    assert inspection.counts == {0: 35, 1: 25}
    assert inspection.imbalance_ratio == 1.4


def test_tiny_classes_and_high_ratios():
    warnings = warnings_of(make_images(62), np.repeat([0, 1, 2], [40, 21, 1]))
    assert len(warnings) == 2
    assert "class 2 has 1 image:" in warnings[0]
    assert "40 times" in warnings[1]


def test_constant_and_copied_images():
    images, labels = make_images(60), np.repeat([0, 1], 30)
    images[3] = 7
    images[10] = images[11]
    images[40] = images[11]
    warnings = warnings_of(images, labels)
    assert warnings == [
        "1 images have the same value everywhere",
        "2 images are exact copies of another; 1 of them with another label",
    ]
