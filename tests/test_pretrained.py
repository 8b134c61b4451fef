import json
import pickle
import zipfile

import joblib
import keras
import numpy as np
import pytest
from keras import layers

from balancegan.errors import DataError
from balancegan.evaluation import compare
from balancegan.evaluation.classifiers import (
    check_network,
    choose_classifier,
    train_network,
)
from balancegan.evaluation.pretrained import CONFIG, METADATA, WEIGHTS

from .test_classifiers import TEST_IMAGES, rows_of
from .test_quality import stripes

SHAPE = (12, 12, 3)


def make_model(n_outputs=4, shape=SHAPE, first=(), activation=None):
    last = [layers.Activation(activation)] if activation else []
    return keras.Sequential(
        [
            layers.Input(shape),
            *first,
            layers.Conv2D(5, 3),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(n_outputs, bias_initializer="ones"),
            *last,
        ]
    )


@pytest.fixture
def save(tmp_path):
    def save(model):
        path = tmp_path / "model.keras"
        model.save(path)
        return path

    return save


def images_of(shape, n=3):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, size=(n, *shape)).astype("float32")


def trained_names(network):
    return {variable.path.split("/")[-1] for variable in network.trainable_variables}


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_fitting_last_layer_is_kept_and_trained(save, activation):
    model = make_model(4, activation=activation)
    build = choose_classifier(str(save(model)))
    network = build(SHAPE, 4)
    images = images_of(SHAPE)
    np.testing.assert_allclose(network(images), model(images), rtol=1e-5)
    assert [v.shape for v in network.trainable_variables] == [(5, 4), (4,)]
    said = build.describe(SHAPE, 4)
    assert "images at 12x12" in said
    assert "only its last layer will learn" in said


def test_a_last_layer_for_other_classes_is_replaced(save):
    build = choose_classifier(save(make_model(4)))
    network = build(SHAPE, 7)
    assert network.output.shape == (None, 7)
    assert [v.shape for v in network.trainable_variables] == [(5, 7), (7,)]
    assert "only a new layer for 7 classes will learn" in build.describe(SHAPE, 7)


@pytest.mark.parametrize("n_classes", [4, 7])
def test_all_layers_learn_in_fine_tuning(save, n_classes):
    network = choose_classifier(save(make_model(4)), fine_tune=True)(SHAPE, n_classes)
    assert {"gamma", "kernel", "bias"} == trained_names(network) - {"beta"}
    assert len(network.trainable_variables) == 6


def test_fine_tuning_changes_the_first_layers_and_freezing_does_not(save, monkeypatch):
    path = save(make_model(3, shape=(9, 9, 1)))
    built, fit = [], keras.Model.fit
    monkeypatch.setattr(
        keras.Model, "fit", lambda net, *a, **k: built.append(net) or fit(net, *a, **k)
    )
    for fine_tune in (False, True):
        build = choose_classifier(path, fine_tune=fine_tune)
        before = build((9, 9, 1), 3).get_weights()
        train_network(build, rows_of(), TEST_IMAGES, 0, n_steps=2, batch_size=8)
        after = built[-1].get_weights()
        changed = [(a != b).any() for a, b in zip(before, after, strict=True)]
        assert changed[0] == fine_tune  # the kernel of the convolution
        assert changed[-1]  # the bias of the last layer


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ([], 1.0),
        ([layers.Rescaling(1 / 255)], 1.0),
        ([layers.Rescaling(1.0)], 255.0),
        ([keras.Sequential([layers.Input((4, 4, 1)), layers.Rescaling(2.0)])], 510.0),
    ],
)
def test_a_model_that_rescales_pixels_gets_0_to_255(save, first, expected):
    ones = layers.Dense(2, kernel_initializer="ones", use_bias=False)
    model = keras.Sequential(
        [layers.Input((4, 4, 1)), *first, layers.GlobalAveragePooling2D(), ones]
    )
    build = choose_classifier(save(model))
    seen = np.asarray(build((4, 4, 1), 2)(np.ones((1, 4, 4, 1), "float32")))
    np.testing.assert_allclose(seen, expected, rtol=1e-5)
    assert ("0 to 255" in build.describe((4, 4, 1), 2)) == bool(first)


def test_arithmetic_before_the_first_trained_layer_is_rescaling(save):
    image = layers.Input((4, 4, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(image)
    logits = layers.Dense(2)(layers.GlobalAveragePooling2D()(scaled))
    build = choose_classifier(save(keras.Model(image, logits)))
    assert "0 to 255" in build.describe((4, 4, 3), 2)


def test_images_are_brought_to_the_size_and_channels_of_the_model(save):
    build = choose_classifier(save(make_model(3)))
    network = build((20, 30, 1), 3)
    grey = np.full((1, 20, 30, 1), 0.5, "float32")
    in_colour = np.full((1, *SHAPE), 0.5, "float32")
    np.testing.assert_allclose(
        network(grey), build(SHAPE, 3)(in_colour), rtol=1e-4, atol=1e-5
    )
    check_network(build, (8, 8, 3), 3)


def test_a_model_without_a_last_dense_layer_gets_one(save):
    features = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(6, 3)])
    network = choose_classifier(save(features))(SHAPE, 2)
    assert [v.shape for v in network.trainable_variables] == [(6, 2), (2,)]


def test_models_of_other_channels_or_inputs_are_refused(save):
    with pytest.raises(DataError, match=r"takes images of 1 channels.*Received.* 3"):
        choose_classifier(save(make_model(4, shape=(12, 12, 1))))(SHAPE, 4)
    flat = keras.Sequential([layers.Input((9,)), layers.Dense(2)])
    with pytest.raises(DataError, match="one input of images"):
        choose_classifier(save(flat))
    with pytest.raises(DataError, match="one input of images"):
        choose_classifier(keras.Sequential([layers.Dense(2)]))
    large = keras.Sequential(
        [layers.Input((None, None, 3)), layers.Conv2D(4, 31), layers.Dense(3)]
    )
    with pytest.raises(DataError, match="may need larger ones"):
        choose_classifier(large)(SHAPE, 3)


def test_code_in_a_file_is_refused(save, tmp_path):
    model = make_model(first=[layers.Lambda(lambda x: x * 2, name="mine")])
    with pytest.raises(DataError, match="Lambda may run code"):
        choose_classifier(save(model))
    with pytest.raises(DataError, match=r"Lambda.*Give a function"):
        choose_classifier(model)


def rewrite(path, change):
    """Change the members of a .keras file, a dict of names to bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def of_another_module(members):
    config = json.loads(members[CONFIG])
    config["config"]["layers"][1] |= {"module": "os", "registered_name": "system"}
    members[CONFIG] = json.dumps(config).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_another_module, "not a part of Keras"),
        (lambda members: members.update({"assets/words": b"x"}), "must hold"),
        (lambda members: members.pop(METADATA), "must hold"),
        (lambda members: members.update({CONFIG: b"{"}), "cannot be used"),
        (lambda members: members.update({CONFIG: b"[]"}), "cannot be used"),
        (lambda members: members.update({WEIGHTS: b"\0" * 200_000_000}), "unpacks to"),
        (lambda members: members.update({WEIGHTS: b"junk"}), "cannot be used"),
    ],
)
def test_changed_files_are_refused(save, change, said):
    path = save(make_model())
    rewrite(path, change)
    with pytest.raises(DataError, match=said):
        choose_classifier(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.keras", "does not exist"),
        ("forest", "one of network, residual, linear"),
        ("model.h5", "one of network"),
    ],
)
def test_other_classifiers_are_refused(name, said):
    with pytest.raises(DataError, match=said):
        choose_classifier(name)


def test_other_classifiers_cannot_be_fine_tuned():
    with pytest.raises(DataError, match="Only a trained Keras model"):
        choose_classifier("linear", fine_tune=True)


def test_a_trained_model_can_be_pickled_and_cached(save):
    build = choose_classifier(save(make_model()))
    copied = pickle.loads(pickle.dumps(build))
    assert joblib.hash(copied) == joblib.hash(build)
    images = images_of(SHAPE)
    np.testing.assert_array_equal(copied(SHAPE, 4)(images), build(SHAPE, 4)(images))


def test_methods_are_compared_by_a_trained_model():
    images, classes = stripes(6)
    model = make_model(3, shape=(9, 9, 1))
    given = images, classes, *stripes(2, seed=1)
    settings = {"classifier_steps": 1, "seeds": 1, "verbose": 0}
    result = compare(["none"], *given, classifier=model, **settings)
    assert "only its last layer will learn" in result.settings["classifier"]
    weights = [w.copy() for w in model.get_weights()]
    compare(["none"], *given, classifier=model, fine_tune=True, **settings)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)  # the user's stays as it was
