from dataclasses import replace

import numpy as np

from balancegan import ConditionalGANAugmenter

from .conftest import make_images

X, Y = make_images(30), np.repeat(["bag", "boot"], [20, 10])


def fit(**parameters):
    settings = {"steps": 2, "random_state": 0, "verbose": 0, **parameters}
    return ConditionalGANAugmenter(**settings).fit(X, Y)


def test_models_with_the_same_name_make_the_same_images(tmp_path):
    first, second = fit(), fit()
    first.save(tmp_path / "model")
    loaded = ConditionalGANAugmenter.load(tmp_path / "model")
    for other in (second, loaded):
        assert other.model_.fingerprint() == first.model_.fingerprint()
        np.testing.assert_array_equal(other.sample("bag", 5), first.sample("bag", 5))


def test_what_changes_images_changes_the_name():
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
