import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from balancegan import ConditionalGANAugmenter, memory, read_dataset
from balancegan.errors import DataError
from balancegan.samplers.base import ImageOverSampler

from .conftest import make_images

N = 11
X = make_images(N)
RGB = make_images(N, (8, 8, 3))
Y = np.arange(N) % 3
NAMES = np.array(["bag", "boot", "Müller"])
ONE_HOT = np.eye(3, dtype="float32")[Y]

from_arrays = tf.data.Dataset.from_tensor_slices


def assert_read(dataset, images, labels):
    got_images, got_labels = read_dataset(dataset)
    assert got_images.dtype == images.dtype
    np.testing.assert_array_equal(got_images, images)
    assert got_labels.dtype.kind == labels.dtype.kind
    np.testing.assert_array_equal(got_labels, labels)


@pytest.mark.parametrize("batch", [None, 1, 4, 8, N, 100])
@pytest.mark.parametrize(
    "images",
    [
        X,
        X[..., None],
        RGB,
        make_images(N, (9, 8, 6), "float32"),
        make_images(N, (4, 4)),
        make_images(N, (11, 5)),
        make_images(N, (3, 4)),
    ],
    ids=lambda images: str(images.shape[1:]),
)
@pytest.mark.parametrize(
    "labels", [Y, NAMES[Y], ONE_HOT, Y[:, None], np.eye(8)[Y]], ids=lambda y: str(y[0])
)
def test_arrays_come_back(images, labels, batch):
    dataset = from_arrays((images, labels))
    if batch is not None:
        dataset = dataset.batch(batch)
    expected = labels[:, 0] if labels.shape[1:] == (1,) else labels
    assert_read(dataset, images, expected)


def test_batches_of_a_fixed_size():
    assert_read(from_arrays((X, Y)).batch(5, drop_remainder=True), X[:10], Y[:10])
    assert_read(from_arrays((RGB, Y)).batch(5, drop_remainder=True), RGB[:10], Y[:10])


def test_elements_of_unknown_shape_and_number():
    def generate():
        yield from zip(X, NAMES[Y], strict=True)

    dataset = tf.data.Dataset.from_generator(
        generate, output_types=(tf.uint8, tf.string)
    )
    assert int(dataset.cardinality()) < 0
    assert_read(dataset, X, NAMES[Y])
    assert_read(dataset.batch(4), X, NAMES[Y])


def test_attributes_are_a_frame():
    for batch in (None, 4):
        labels = {"shape": NAMES[Y], "dark": Y[:, None] == 1}
        dataset = from_arrays((X, labels))
        images, frame = read_dataset(dataset if batch is None else dataset.batch(batch))
        np.testing.assert_array_equal(images, X)
        assert list(frame) == ["shape", "dark"]
        assert frame["shape"].tolist() == NAMES[Y].tolist()
        assert frame["dark"].tolist() == (Y == 1).tolist()


@pytest.mark.parametrize("batch", [None, 4])
def test_many_images_go_to_a_file(monkeypatch, batch):
    monkeypatch.setattr(memory, "IN_MEMORY", 6 * 64)
    dataset = from_arrays((X, Y))
    assert_read(dataset if batch is None else dataset.batch(batch), X, Y)
    assert isinstance(read_dataset(dataset)[0], np.memmap)


def unequal():
    sides = (4, 4, 6)
    return tf.data.Dataset.from_generator(
        lambda: ((np.zeros((side, 4)), 1) for side in sides),
        output_signature=(tf.TensorSpec((None, 4)), tf.TensorSpec((), tf.int32)),
    )


def failing():
    return from_arrays((X, Y)).map(
        lambda image, label: (tf.numpy_function(lambda x: 1 / 0, [image], tf.uint8), 1)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_arrays((X, Y)).repeat(), "must come to an end"),
        (lambda: from_arrays((X[:0], Y[:0])), "must have images"),
        (lambda: from_arrays((X, Y)).batch(4).take(0), "must have images"),
        (lambda: from_arrays(X), "must be pairs"),
        (lambda: from_arrays({"image": X, "label": Y}), r"row\[.image.\], row"),
        (lambda: from_arrays((X, Y, Y)), "must be pairs"),
        (lambda: from_arrays(((X, X), Y)), "must be pairs"),
        (lambda: from_arrays((X, {"a": {"b": Y}})), "must be pairs"),
        (lambda: from_arrays((X, {})), "must be pairs"),
        (lambda: from_arrays(X).map(lambda x: (x, None)), "must be pairs"),
        (lambda: from_arrays((NAMES, Y[:3])), "Images are numbers"),
        (lambda: from_arrays((X.reshape(N, -1), Y)), "Images are numbers"),
        (lambda: from_arrays((RGB, Y)).batch(2).batch(2), "Images are numbers"),
        (lambda: from_arrays((X, np.zeros((N, 2, 2)))), "Images are numbers"),
        (lambda: from_arrays((X, {"a": Y, "b": ONE_HOT})), "row of 3 for 'b'"),
        (unequal, r"\(4, 4\) and \(\), then \(6, 4\) and \(\) after 2 images"),
        (lambda: unequal().batch(3), "failed while it was read"),
        (failing, "failed while it was read.*ZeroDivisionError"),
        (lambda: from_arrays((X[:1], [b"\xff"])), "must be UTF-8"),
        (
            lambda: from_arrays((tf.ragged.constant([[[1, 2], [3]]]), [1])),
            "Images are numbers|failed",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        read_dataset(make())


class Again:
    """Rows that stand for synthetic ones."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.numbers = np.arange(len(labels))
        self.methods = np.full(len(labels), "copy")
        self.weights = np.ones(len(labels))

    def __len__(self):
        return len(self.labels)

    def __iter__(self):
        yield self.images


class Doubling(ImageOverSampler):
    """Learns nothing and appends every image again."""

    def _train(self, images, labels, checkpoint_dir):
        self.model_ = None

    def _plan(self, images, labels, strategy, **_):
        return Again(images, labels)


def shuffled():
    return from_arrays((X, NAMES[Y])).shuffle(N, seed=3).batch(4)


def test_a_shuffled_dataset_is_read_once():
    sampler = Doubling().fit(shuffled())
    images, labels = sampler.resample()
    again, _ = sampler.resample()
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(images[:N], images[N:])
    assert sorted(map(bytes, images[:N])) == sorted(map(bytes, X))
    of_image = dict(zip(map(bytes, X), NAMES[Y], strict=True))
    assert [of_image[bytes(image)] for image in images] == labels.tolist()


def test_every_door_takes_a_dataset():
    dataset = from_arrays((X, ONE_HOT)).batch(4)
    for images, labels in (
        Doubling().fit_resample(dataset),
        Doubling().fit(X[:4], ONE_HOT[:4]).resample("auto", dataset),
    ):
        np.testing.assert_array_equal(images, [*X, *X])
        np.testing.assert_array_equal(labels, [*ONE_HOT, *ONE_HOT])
    frame = pd.DataFrame({"a": Y, "b": NAMES[Y]})
    labels = Doubling().fit_resample(from_arrays((X, dict(frame))))[1]
    pd.testing.assert_frame_equal(labels[:N], frame, check_dtype=False)


@pytest.mark.parametrize("method", ["fit", "fit_resample"])
def test_labels_come_once(method):
    learn = getattr(Doubling(), method)
    with pytest.raises(DataError, match="Leave out y"):
        learn(from_arrays((X, Y)), Y)
    with pytest.raises(DataError, match="X of type ndarray"):
        learn(X)
    with pytest.raises(DataError, match="both X and y, or neither"):
        Doubling().fit(X, Y).resample("auto", X)


def test_a_dataset_and_its_arrays_make_the_same_images():
    augmenter = ConditionalGANAugmenter(steps=2, random_state=0, verbose=0)
    y = np.where(np.arange(N) < 8, "bag", "boot")
    expected = augmenter.fit_resample(X, y)
    got = augmenter.fit_resample(from_arrays((X, y)).batch(4))
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(one, other)
