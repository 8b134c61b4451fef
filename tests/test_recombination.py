from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from balancegan.attributes import Attributes
from balancegan.errors import DataError, UnseenCombinationWarning
from balancegan.gan.model import TrainedModel
from balancegan.gan.presets import PRESETS
from balancegan.gan.regions import Regions
from balancegan.gan.selection import Selection
from balancegan.images import find_format
from balancegan.samplers.recombination import RecombiningModel

from .augmenters import build_augmenter

SIZES = (3, 4)
SIDE = 8
TOP = np.arange(SIDE)[:, None] < SIDE // 2


class PlantedGenerator:
    """Makes noise, with something in it that goes by the attributes."""

    def __init__(self, plant, noise=0.2):
        self.plant, self.noise = plant, noise
        self.rng = np.random.default_rng(0)

    def predict_on_batch(self, inputs):
        latents, class_indices = inputs
        values = np.unravel_index(class_indices, SIZES)
        pixels = self.noise * self.rng.standard_normal((len(latents), SIDE, SIDE))
        made = np.stack(
            [self.plant(image, *v) for image, *v in zip(pixels, *values, strict=True)]
        )
        return np.clip(made, -1, 1).astype("float32")[..., None]


def halves(image, first, second):
    """The first attribute is how bright the top is, the second of the rest."""
    return image + np.where(TOP, first / 2 - 0.5, second / 3 - 0.5)


def textures(image, first, second):
    """How fine the stripes are, in the top and in the rest; bright as any."""
    column = np.arange(SIDE)[None, :] + 1_000 * image[0, 0]  # beginning anywhere
    waves = [np.sin(column * (0.6 + 0.7 * value)) for value in (first, second)]
    return image + 0.7 * np.where(TOP, *waves)


def everywhere(image, first, second):
    return image + first / 4 + second / 4 - 0.5


def colours_and_shapes(image, first, second):
    """One attribute has pixels of its own, the other has none."""
    return image + np.where(TOP, first / 2 - 0.5 + second / 3 - 0.5, 0.0)


def nothing(image, *_):
    return image


def make_model(plant=halves, images=None, **settings):
    images = np.zeros((1, SIDE, SIDE), np.uint8) if images is None else images
    columns = tuple(np.arange(size) for size in SIZES)
    return TrainedModel(
        generator=PlantedGenerator(plant),
        own_generator=False,
        preset=PRESETS["default"],
        image_format=find_format(images, value_range=(0, 255)),
        attributes=Attributes(("shape", "colour"), columns),
        class_names=None,
        counts=np.ones(SIZES, int),
        seed=settings.get("seed", 0),
        n_steps=1,
        kept_step=1,
        seconds=0.0,
    )


@pytest.mark.parametrize("plant", [halves, textures])
def test_each_attribute_has_the_pixels_that_change_with_it(plant):
    regions = Regions.of_generator(make_model(plant))
    wrong = (regions.owners != np.where(TOP, 0, 1)).mean()
    assert wrong <= 1 / SIDE  # where they meet
    assert regions.are_apart
    assert regions.apart > 0.85


@pytest.mark.parametrize("plant", [everywhere, colours_and_shapes, nothing])
def test_attributes_of_the_same_pixels_are_not_apart(plant):
    regions = Regions.of_generator(make_model(plant))
    assert not regions.are_apart
    assert regions.apart < 0.7


def test_regions_are_the_same_each_time():
    first, second = (Regions.of_generator(make_model()) for _ in range(2))
    np.testing.assert_array_equal(first.owners, second.owners)
    assert first.apart == second.apart


def confounded(plant, n_rare, seed=0, n_frequent=60):
    """Images of which all but some have the second attribute that goes with the first.

    Of each rare combination there are `n_rare` images.
    """
    frequent = [0, 5, 10, 3]
    frequent_classes = np.repeat(frequent, n_frequent)
    classes = np.concatenate(
        [frequent_classes, np.repeat(np.setdiff1d(range(12), frequent), n_rare)]
    )
    generator = PlantedGenerator(plant)
    generator.rng = np.random.default_rng(seed)
    shown = generator.predict_on_batch([classes, classes])
    return np.rint(127.5 + 127.5 * shown).astype(np.uint8)[..., 0], classes


def of_real(images, classes, seed=0):
    to_model_range = find_format(images, value_range=(0, 255)).to_model_range
    return Regions.of_real(images, classes, to_model_range, SIZES, seed)


@pytest.mark.parametrize(("n_rare", "rows_wrong"), [(2, 2), (12, 1)])
@pytest.mark.parametrize("plant", [halves, textures])
def test_real_images_show_regions_where_rare_ones_are_not_too_few(
    plant, n_rare, rows_wrong
):
    images, classes = confounded(plant, n_rare)
    regions = of_real(images, classes)
    assert (regions.owners != np.where(TOP, 0, 1)).mean() <= rows_wrong / SIDE
    assert regions.are_apart
    again = of_real(images, classes)
    np.testing.assert_array_equal(regions.owners, again.owners)
    assert regions.apart == again.apart


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_rare", [0, 1, 2, 3, 12])
@pytest.mark.parametrize("plant", [everywhere, colours_and_shapes, nothing])
def test_real_images_do_not_show_regions_that_are_not_there(plant, n_rare, seed):
    assert not of_real(*confounded(plant, n_rare, seed), seed).are_apart


def loosely_linked(seed, size=8, n_rare=9):
    """Two attributes of many values in noise, and barely a chain of images between."""
    rng = np.random.default_rng(seed)
    adds = rng.normal(0, 1, (2, size, 16, 16))
    first = np.append(np.repeat(np.arange(size), 20), rng.integers(size, size=n_rare))
    second = first.copy()
    second[-n_rare:] += rng.integers(1, size, size=n_rare)
    second %= size
    top = np.arange(16)[:, None] < 8
    shown = np.where(top, adds[0, first], adds[1, second])
    images = shown + rng.normal(0, 2, shown.shape)
    return images[..., None], np.ravel_multi_index((first, second), (size, size)), top


def test_whose_a_pixel_is_shows_with_barely_a_chain_of_images():
    wrong = []
    for seed in range(10):
        *batch, top = loosely_linked(seed)
        regions = Regions.find([batch], (8, 8))
        wrong.append((regions.owners != np.where(top, 0, 1)).mean())
    assert np.mean(wrong) < 0.1


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("n", [1, 2, 4])
def test_chance_in_few_images_is_no_region(n, seed):
    assert not of_real(*confounded(nothing, n, seed, n_frequent=n), seed).are_apart


def test_what_has_one_value_is_apart_from_nothing():
    """Else an image of a class would be put together of one real one: a copy."""
    images, classes = confounded(halves, 12)
    shown, first = images[..., None] / 127.5 - 1, np.unravel_index(classes, SIZES)[0]
    for sizes in ((3, 1), (1, 3), (1, 1)):
        assert not Regions.find([(shown, first % np.prod(sizes))], sizes).are_apart


@pytest.mark.parametrize("plant", [halves, textures])
def test_without_rare_images_nobody_knows(plant):
    assert not of_real(*confounded(plant, 0)).are_apart


@pytest.mark.parametrize(
    ("of_generator", "n_rare"), [(halves, 0), (halves, 3), (nothing, 12)]
)
def test_the_generator_is_used_if_real_images_show_no_regions(of_generator, n_rare):
    images, classes = confounded(halves, n_rare)
    model = make_model(of_generator, images=images)
    recombining = RecombiningModel.of(model, images, classes)
    assert recombining.regions.are_apart
    learned = Regions.of_generator(make_model(of_generator, images=images))
    real = of_real(images, classes)
    assert real.are_apart == (n_rare > 0)
    assert recombining.regions.apart == (real if n_rare else learned).apart


def real_images(dtype="uint8", channels=()):
    """Six images of each of few combinations; each says in all pixels which it is."""
    classes = np.repeat([0, 5, 10, 3], 6)  # (0, 0), (1, 1), (2, 2) and (0, 3)
    numbers = np.arange(len(classes)) + 1
    images = np.ones((len(classes), SIDE, SIDE, *channels)) * numbers.reshape(
        -1, *[1] * (2 + len(channels))
    )
    return (images * (1 if dtype == "uint8" else 0.01)).astype(dtype), classes


def recombine(model, wanted, numbers):
    parts = list(model.make_numbered(Selection.of_class(wanted), np.asarray(numbers)))
    assert all((classes == wanted).all() for _, classes in parts)
    return np.concatenate([images for images, _ in parts])


def make_recombining(images, classes, **settings):
    return RecombiningModel.of(make_model(images=images, **settings), images, classes)


@pytest.mark.parametrize("wanted", [0, 5, 6, 7, 8])
def test_every_region_is_of_a_real_image_with_the_value(wanted):
    images, classes = real_images()
    model = make_recombining(images, classes)
    assert model.can_make(Selection.of_class(wanted))
    made = recombine(model, wanted, range(40))
    for attribute in (0, 1):
        region = made[:, model.regions.owners == attribute]
        assert (region == region[:, :1]).all()  # all pixels of one image
        sources = np.unique(region)
        values = np.unravel_index(classes[sources - 1], SIZES)[attribute]
        assert set(values) == {np.unravel_index(wanted, SIZES)[attribute]}
        assert len(sources) >= 6
    assert len(np.unique(made.reshape(40, -1), axis=0)) > 20


def test_values_that_no_image_has_cannot_be_made():
    images, classes = real_images()
    model = make_recombining(images[:12], classes[:12])  # no shape 2, no colour 2, 3
    possible = [i for i in range(12) if model.can_make(Selection.of_class(i))]
    assert possible == [0, 1, 4, 5]
    both = Selection(np.array([1, 2]), np.ones(2))
    assert not model.can_make(both)


def test_image_k_does_not_depend_on_other_images():
    model = make_recombining(*real_images())
    whole = recombine(model, 6, range(150))
    np.testing.assert_array_equal(
        recombine(model, 6, [7, 70, 149]), whole[[7, 70, 149]]
    )
    other = make_recombining(*real_images(), seed=1)
    assert (recombine(other, 6, range(150)) != whole).any()


def test_of_several_combinations_each_image_is_of_the_one_drawn_for_it():
    model = make_recombining(*real_images())
    both = Selection(np.array([1, 6]), np.array([1.0, 2.0]), (9,))
    ((images, classes),) = model.make_numbered(both, np.arange(30))
    assert classes.tolist() == both.draw(model.seed, 0, 30).tolist()
    assert {*classes} == {1, 6}
    for index in (1, 6):
        own = np.flatnonzero(classes == index)
        np.testing.assert_array_equal(images[own], recombine(model, index, own))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_images_have_the_callers_format(dtype, channels):
    images, classes = real_images(dtype, channels)
    high = 255 if dtype == "uint8" else 1.0
    model = make_recombining(images, classes)
    model = replace(model, image_format=find_format(images, value_range=(0, high)))
    made = recombine(model, 6, range(5))
    assert (made.shape[1:], made.dtype) == (images.shape[1:], images.dtype)
    known = np.unique(images)
    assert np.abs(made[..., None] - known).min(axis=-1).max() < 1e-6


def apart(_):
    return Regions(np.where(TOP, 0, 1) * np.ones((1, SIDE), int), 0.9)


@pytest.fixture
def two_attributes():
    rng = np.random.default_rng(0)
    labels = pd.DataFrame(
        {"shape": ["a"] * 20 + ["b"] * 12, "place": ["x"] * 19 + ["y"] * 13}
    )
    return rng.integers(0, 256, (32, SIDE, SIDE), dtype=np.uint8), labels


def fit(two_attributes, **settings):
    settings = {"steps": 1, "random_state": 0, "verbose": 0, **settings}
    return build_augmenter(**settings).fit(*two_attributes)


def test_rare_combinations_are_recombined_and_said_to_be(two_attributes, monkeypatch):
    monkeypatch.setattr(Regions, "of_generator", apart)
    X, y = two_attributes
    augmenter = fit(two_attributes)
    X_bal, y_bal = augmenter.resample()
    new = augmenter.is_synthetic_
    assert set(augmenter.method_[new]) == {"recombined"}
    assert set(augmenter.report_.quality["method"]) == {"recombined"}
    assert (augmenter.sample_weight_ == 1).all()
    assert set(y_bal.value_counts()) == {19}
    made, rows = X_bal[new], y_bal[new].reset_index(drop=True)
    for column, part in (("shape", TOP), ("place", ~TOP)):
        part = part[:, 0]
        for value in rows[column].unique():
            known = {x[part].tobytes() for x in X[y[column] == value]}
            found = {x[part].tobytes() for x in made[rows[column] == value]}
            assert found <= known


def test_gan_only_is_the_gan_only(two_attributes, monkeypatch):
    monkeypatch.setattr(Regions, "of_generator", apart)
    augmenter = fit(two_attributes, gan_share=1)
    augmenter.resample()
    assert set(augmenter.method_) == {"real", "gan"}


def test_what_is_not_apart_is_made_by_the_gan(two_attributes, monkeypatch):
    regions = Regions(np.zeros((SIDE, SIDE), int), 0.6)
    monkeypatch.setattr(Regions, "of_generator", lambda _: regions)
    augmenter = fit(two_attributes, gan_share=0.9)
    augmenter.resample({("b", "y"): 15, ("a", "x"): 21}, reject=False)
    assert set(augmenter.method_) == {"real", "gan"}


def test_one_attribute_has_no_regions(monkeypatch):
    monkeypatch.setattr(Regions, "of_generator", None)
    X = np.random.default_rng(0).integers(0, 256, (32, SIDE, SIDE), dtype=np.uint8)
    y = np.repeat([0, 1], [20, 12])
    fit((X, y)).resample()


def test_combinations_without_images_may_be_requested(two_attributes, monkeypatch):
    monkeypatch.setattr(Regions, "of_generator", apart)
    X, y = two_attributes
    augmenter = fit((X[:32], y[:32]))
    wanted = {("a", "y"): 9, ("b", "x"): 4}
    seen = set(map(tuple, y.to_numpy().tolist()))
    assert ("b", "x") not in seen
    with pytest.warns(UnseenCombinationWarning, match="'b'.*'x'"):
        X_bal, y_bal = augmenter.resample(wanted)
    counts = y_bal.value_counts().to_dict()
    assert counts[("a", "y")] == 9
    assert counts[("b", "x")] == 4
    assert augmenter.n_to_generate_[("b", "x")] == 4
    assert set(augmenter.method_) == {"real", "recombined"}
    with pytest.warns(UnseenCombinationWarning, match="'b'.*'x'"):
        _, y_bal = augmenter.resample("combinations")
    assert y_bal.value_counts().to_dict() == {
        (shape, place): 19 for shape in "ab" for place in "xy"
    }
    fit((X, y), sampling_strategy=wanted)
    for unknown in ({("b", "z"): 9}, {"b": 9}, {("b", "x", "y"): 9}):
        with pytest.raises(DataError):
            augmenter.resample(unknown)
    with pytest.raises(DataError):
        fit((X, y), sampling_strategy={("b", "z"): 9})
