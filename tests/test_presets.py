from dataclasses import replace

import numpy as np

from balancegan.gan.presets import PRESETS


def test_penalties_grow_with_the_pixels_of_large_images():
    preset = replace(PRESETS["default"], penalty_weight=0.5)
    assert preset.penalty_for(28, 28) == preset.penalty_for(8, 8) == 0.5
    assert preset.penalty_for(56, 28) == 1.0
    assert preset.penalty_for(112, 112) == 8.0


def test_images_of_rare_classes_are_shifted_more_often():
    preset = replace(PRESETS["default"], shift_class_size=200)
    probabilities = preset.shift_probabilities([20_000, 800, 200, 40, 1])
    np.testing.assert_allclose(probabilities, [0.1, 0.5, 1, 1, 1])


def test_a_combination_without_images_has_a_probability_too():
    assert PRESETS["default"].shift_probabilities([0, 200, 800]) == [1.0, 1.0, 0.5]
