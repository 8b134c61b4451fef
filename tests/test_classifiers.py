import random

import keras
import numpy as np
import pytest
from imblearn.ensemble import BalancedRandomForestClassifier
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from balancegan.errors import DataError
from balancegan.evaluation.classifiers import (
    AugmentedBatches,
    TrainingRows,
    build_network,
    choose_batch_size,
    train_estimator,
    train_network,
)
from balancegan.evaluation.methods import shift_images
from balancegan.evaluation.networks import (
    SMALLEST_SIDE,
    build_classifier,
    build_residual_classifier,
)
from balancegan.gan.keras_compat import fresh_layer_names
from balancegan.images import find_format

from .test_quality import stripes


def rows_of(n_per_class=30, **settings):
    images, classes = stripes(n_per_class)
    to_model_range = find_format(images).to_model_range
    return TrainingRows(images, classes, 3, to_model_range, **settings)


def linear_network(image_shape, n_classes, activation=None):
    return keras.Sequential(
        [
            keras.layers.Input(image_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(n_classes, activation),
        ]
    )


TEST_IMAGES, TEST_CLASSES = stripes(20, seed=1)
BUILDERS = {
    "default": None,
    "residual": build_residual_classifier,
    "logits": linear_network,
    "probabilities": lambda shape, n: linear_network(shape, n, "softmax"),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_networks_learn_and_give_probabilities(build):
    seen = train_network(build, rows_of(), TEST_IMAGES, 0, n_steps=60, batch_size=32)
    np.testing.assert_allclose(seen.sum(axis=1), 1, rtol=1e-5)
    assert np.mean(seen.argmax(axis=1) == TEST_CLASSES) > 0.95


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_the_seed_decides_and_no_global_state_is_changed(build):
    random.seed(11)
    expected = random.random()
    random.seed(11)
    first, again, other = (
        train_network(build, rows_of(), TEST_IMAGES, seed, n_steps=3, batch_size=8)
        for seed in (1, 1, 2)
    )
    assert random.random() == expected
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    "shape", [(4, 4, 1), (8, 8, 3), (28, 28, 1), (25, 40, 1), (128, 64, 4)]
)
def test_the_default_network_fits_any_shape(shape):
    network = build_classifier(shape, 5, seed=0)
    assert network.output.shape == (None, 5)
    assert network.count_params() < 700_000


@pytest.mark.parametrize("shape", [(9, 9, 1), (128, 96, 3), (65, 20, 4)])
def test_the_network_for_photos_fits_any_shape(shape):
    network = build_residual_classifier(shape, 5)
    assert network.output.shape == (None, 5)
    assert 250_000 < network.count_params() < 400_000


def test_photos_have_their_own_network_and_batch_size():
    names = [build_network(None, (side, 40, 3), 2, 0).name for side in (64, 65)]
    assert names == ["classifier", "residual"]
    assert [choose_batch_size((40, side, 3)) for side in (64, 65)] == [128, 32]


def test_a_network_of_the_wrong_width_is_refused():
    with pytest.raises(DataError, match=r"must give 3 numbers.*shape \(8, 4\)"):
        train_network(
            lambda shape, _: linear_network(shape, 4),
            rows_of(),
            TEST_IMAGES,
            0,
            n_steps=1,
            batch_size=8,
        )


def test_a_network_may_have_custom_layers():
    with fresh_layer_names():  # as if it were the first of the process
        elsewhere = linear_network((9, 9, 1), 4)
    linear_network((9, 9, 1), 4)  # by now Keras has counted on

    def build(_shape, n_classes):
        logits = keras.layers.Dense(n_classes)(elsewhere.layers[-1].output)
        return keras.Model(elsewhere.inputs[0], logits)  # no name may be there twice

    seen = train_network(build, rows_of(), TEST_IMAGES, 0, n_steps=1, batch_size=8)
    assert seen.shape == (len(TEST_IMAGES), 3)


def test_batches_depend_on_seed_and_step_alone():
    rows = rows_of(transform=shift_images, mixup=0.2)
    first, second = (
        AugmentedBatches(rows, n_steps=n, batch_size=16, seed=3) for n in (5, 9)
    )
    _ = first[0]
    for one, other in zip(first[4], second[4], strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first[3][0] != first[4][0]).any()


def test_batches_are_not_augmented_by_default():
    rows = rows_of()
    images, labels, weights = AugmentedBatches(rows, n_steps=1, batch_size=64, seed=0)[
        0
    ]
    known = rows.to_model_range(rows.images).reshape(90, -1)
    assert all((known == image.ravel()).all(axis=1).any() for image in images)
    assert set(labels.ravel()) == {0, 1}
    assert set(weights) == {1}


def test_the_total_weight_of_every_class_is_equal():
    images, classes = stripes(30)
    rows = rows_of(weighted=True)
    kept = np.r_[0:30, 30:40, 60:65]
    rows = TrainingRows(
        images[kept], classes[kept], 3, rows.to_model_range, weighted=True
    )
    totals = np.bincount(rows.class_indices) * rows.weights
    np.testing.assert_allclose(totals, 15)  # 45 images, 3 classes
    _, labels, weights = AugmentedBatches(rows, n_steps=1, batch_size=50, seed=0)[0]
    np.testing.assert_allclose(weights, rows.weights[labels.argmax(axis=1)])


ESTIMATORS = {
    "PCA and logistic regression": make_pipeline(PCA(5), LogisticRegression()),
    "balanced random forest": BalancedRandomForestClassifier(n_estimators=20),
    "no probabilities": LinearSVC(),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_scikit_learn_classifiers_learn(estimator, weighted):
    rows = rows_of(transform=shift_images, weighted=weighted)
    first, again = (train_estimator(estimator, rows, TEST_IMAGES, 5) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    assert np.mean(first.argmax(axis=1) == TEST_CLASSES) > 0.9


def test_the_users_estimator_is_not_changed():
    estimator = LogisticRegression(random_state=3)
    train_estimator(estimator, rows_of(weighted=True), TEST_IMAGES, 5)
    assert not hasattr(estimator, "classes_")
    assert estimator.random_state == 3
    assert estimator.class_weight is None


def test_probabilities_are_ordered_by_class():
    images, classes = stripes(30)
    rows = rows_of()
    rows = TrainingRows(images[30:], classes[30:], 3, rows.to_model_range)
    seen = train_estimator(LogisticRegression(), rows, TEST_IMAGES, 0)
    assert (seen[:, 0] == 0).all()
    assert (seen[20:].argmax(axis=1) == TEST_CLASSES[20:]).all()


def test_unsupported_settings_of_an_estimator_are_refused():
    with pytest.raises(DataError, match="mixed labels"):
        train_estimator(LogisticRegression(), rows_of(mixup=0.2), TEST_IMAGES, 0)
    with pytest.raises(DataError, match="neither class_weight nor sample_weight"):
        train_estimator(KNeighborsClassifier(), rows_of(weighted=True), TEST_IMAGES, 0)


def test_batch_normalisation_adapts_in_few_steps():
    rows = rows_of(transform=shift_images)
    seen = train_network(None, rows, TEST_IMAGES, 0, n_steps=40)
    assert seen[np.arange(len(seen)), TEST_CLASSES].mean() > 0.9


@pytest.mark.parametrize(("side", "first"), [(47, 47), (48, 24), (64, 32)])
def test_large_images_are_halved_at_once(side, first):
    convolutions = build_classifier((side, 90, 1), 3, seed=0).layers[1:]
    assert convolutions[0].output.shape[1] == first
    assert min(convolutions[-4].output.shape[1:3]) <= SMALLEST_SIDE
