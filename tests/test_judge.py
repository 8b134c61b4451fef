import numpy as np
import pytest

from balancegan.gan import judge
from balancegan.gan.judge import JUDGE_BATCH, Judge
from balancegan.images import find_format

from .conftest import make_images

SHAPE = (8, 8, 1)


def brightness_classes(n, seed=0):
    """Dark, grey and bright images: easy to tell apart."""
    classes = np.arange(n) % 3
    noise = make_images(n, seed=seed) // 4
    return (noise + 80 * classes[:, None, None]).astype("uint8"), classes


def new_judge(images):
    return Judge(SHAPE, 3, find_format(images).to_model_range, seed=0)


@pytest.mark.parametrize("features_first", [False, True])
def test_a_judge_learns_all_of_its_layers(monkeypatch, features_first):
    monkeypatch.setattr(judge, "JUDGE_STEPS", 60)
    images, classes = brightness_classes(90)
    judge_ = new_judge(images)
    if features_first:  # as training does, before there is a judge to learn from
        network = judge_.feature_network
    before = judge_.network.get_weights()
    judge_.train(images, classes)
    for old, new in zip(before, judge_.network.get_weights(), strict=True):
        assert (old != new).any()
    _, logits = judge_.predict(brightness_classes(90, seed=1)[0])
    assert np.mean(logits.argmax(axis=1) == classes) > 0.95
    if features_first:
        rows = judge_.to_model_range(images)
        of_network = np.asarray(network(rows)[-1])
        np.testing.assert_allclose(
            of_network, judge_.predict(images)[0], rtol=1e-4, atol=1e-4
        )


def test_features_are_not_trained_further(monkeypatch):
    images, classes = brightness_classes(30)
    judge_ = new_judge(images)
    assert judge_.feature_network.trainable_variables == []
    judge_.train(images, classes)
    assert judge_.feature_network.trainable_variables == []


@pytest.mark.parametrize("n", [1, JUDGE_BATCH, JUDGE_BATCH + 5])
def test_features_do_not_depend_on_the_batch(n):
    images, _ = brightness_classes(n)
    judge_ = new_judge(images)
    features, logits = judge_.predict(images)
    assert features.shape == (n, judge.FEATURES)
    assert logits.shape == (n, 3)
    alone, _ = judge_.predict(images[-1:])
    np.testing.assert_allclose(alone[0], features[-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4, 1), (8, 8, 3), (25, 40, 1), (64, 64, 4)])
def test_judges_take_images_of_any_size(shape):
    network = judge.build_judge(shape, 3, 0)
    *maps, features, logits = network(np.zeros((2, *shape), "float32"))
    assert 1 <= len(maps) <= 2
    assert features.shape == (2, judge.FEATURES)
    assert logits.shape == (2, 3)


def test_a_judge_learns_each_of_several_attributes(monkeypatch):
    monkeypatch.setattr(judge, "JUDGE_STEPS", 80)
    images, brightness = brightness_classes(120)
    striped = np.arange(120) % 2
    images[striped == 1, 3:5] = 255
    to_model_range = find_format(images).to_model_range
    judge_ = Judge(SHAPE, (3, 2), to_model_range, seed=0)
    judge_.train(images[:90], (2 * brightness + striped)[:90])
    _, logits = judge_.predict(images[90:])
    assert logits.shape == (30, 5)
    of_brightness, of_stripes = judge.split_logits(logits, (3, 2))
    assert np.mean(of_brightness.argmax(axis=1) == brightness[90:]) > 0.9
    assert np.mean(of_stripes.argmax(axis=1) == striped[90:]) > 0.9


def test_agreement_is_given_for_each_attribute():
    judge_ = Judge(SHAPE, (3, 2), lambda rows: rows, seed=0)
    #                   value 2 of the first; value 0 of the second, and 1
    logits = np.array([[0, 1, 5, 9, 8], [0, 1, 5, 8, 9], [7, 1, 5, 9, 8]])
    assert judge_.agreement(logits, 2 * 2 + 0) == pytest.approx([2 / 3, 2 / 3])
    assert judge_.agreement(logits, 0 * 2 + 1) == pytest.approx([1 / 3, 1 / 3])
