from dataclasses import replace

import numpy as np
import pytest

from balancegan import ConditionalGANAugmenter
from balancegan.gan.model import BATCH
from balancegan.gan.selection import Selection

from .conftest import make_images


def numbered(model, first, n, class_index=1):
    parts = list(model.make_images(class_index, first, n))
    assert all(len(part) <= BATCH for part in parts)
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("first", "n"), [(0, 1), (0, BATCH), (3, 2), (BATCH - 1, 2), (10, 2 * BATCH)]
)
def test_image_k_does_not_depend_on_the_request(trained, first, n):
    many = numbered(trained.model_, 0, 3 * BATCH)
    np.testing.assert_array_equal(
        numbered(trained.model_, first, n), many[first : first + n]
    )


def test_images_of_a_class_differ_from_each_other_and_from_other_classes(trained):
    n = 2 * BATCH + 5  # batches must not repeat each other either
    images = numbered(trained.model_, 0, n)
    assert len(np.unique(images.reshape(n, -1), axis=0)) == n
    assert (numbered(trained.model_, 0, n, class_index=2) != images).any()


def test_asking_for_none_gives_none(trained):
    assert list(trained.model_.make_images(0, 0, 0)) == []


def test_each_image_has_the_latent_of_its_class_and_number(trained, monkeypatch):
    model, given = trained.model_, []

    def spy(inputs):
        given.extend(zip(*inputs, strict=True))
        return np.zeros((BATCH, 8, 8, 1), "float32")

    monkeypatch.setattr(model.generator, "predict_on_batch", spy)
    mixed = Selection(np.array([0, 2]), np.array([1, 1]))
    list(model.make_selected(mixed, 0, 2 * BATCH))
    for k, (latent, class_index) in enumerate(given):
        rng = np.random.default_rng([model.seed, int(class_index), k])
        expected = rng.standard_normal(len(latent)).astype("float32")
        np.testing.assert_array_equal(latent, expected)
    assert {int(class_index) for _, class_index in given} == {0, 2}


def fit(**parameters):
    settings = {"steps": 2, "random_state": 0, "verbose": 0, **parameters}
    return ConditionalGANAugmenter(**settings).fit(
        make_images(30), np.repeat(["bag", "boot"], [20, 10])
    )


def test_models_with_the_same_fingerprint_generate_the_same_images(tmp_path):
    first, second = fit(), fit()
    first.save(tmp_path / "model")
    loaded = ConditionalGANAugmenter.load(tmp_path / "model")
    for other in (second, loaded):
        assert other.model_.fingerprint() == first.model_.fingerprint()
        np.testing.assert_array_equal(other.sample("bag", 5), first.sample("bag", 5))


def test_what_changes_images_changes_the_fingerprint():
    model = fit().model_
    names = {
        changed.fingerprint()
        for changed in (
            model,
            fit(steps=3).model_,
            fit(random_state=1).model_,
            replace(model, seed=9),
            replace(model, image_format=replace(model.image_format, high=254.0)),
            replace(
                model,
                attributes=replace(
                    model.attributes, values=(np.array(["bag", "sock"]),)
                ),
            ),
        )
    }
    assert len(names) == 6
    called = replace(model, class_names=["Bag", "Boot"])
    assert called.fingerprint() == model.fingerprint()
