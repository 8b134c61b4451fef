from dataclasses import replace

import numpy as np

from balancegan.presets import PRESETS


def test_images_of_rare_classes_are_shifted_more_often():
    preset = replace(PRESETS["default"], shift_class_size=200)
    probabilities = preset.shift_probabilities([20_000, 800, 200, 40, 1])
    np.testing.assert_allclose(probabilities, [0.1, 0.5, 1, 1, 1])
