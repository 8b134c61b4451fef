"""What goes with which attribute is told apart, also where attributes go together."""

import numpy as np
import pytest

from balancegan.gan.regions import MainEffects

SIZES = (4, 3)
SIDE = 40
NOISE = 2.0


def figures_of(values, adds, rng):
    """Two figures of each pixel: what values add, and chance, of another scale each."""
    shown = sum(add[v] for add, v in zip(adds, values, strict=True))
    figures = np.stack([shown, 10 * shown], axis=-1)
    noise = rng.normal(0, NOISE, figures.shape)
    return 5.0 + figures + noise * np.array([1, 10])


def confounded(rng, n_rare):
    """All values of the one go with one of the other, but in so many images."""
    first = np.repeat(np.arange(4), 100)
    values = [first, first % 3]
    rare = [np.tile([0, 1, 2, 3], n_rare), np.tile([1, 2, 0, 1], n_rare)]
    return [np.concatenate(pair) for pair in zip(values, rare, strict=True)]


def effects_of(values, figures, parts=1):
    found = MainEffects(SIZES)
    for rows in np.array_split(np.arange(len(figures)), parts):
        found.add([v[rows] for v in values], figures[rows])
    return found.estimate()


def planted(rng):
    """The first attribute adds on the left, the second on the right."""
    adds = [rng.normal(0, 1, (size, SIDE, SIDE)) for size in SIZES]
    adds[0][:, :, SIDE // 2 :] = 0
    adds[1][:, :, : SIDE // 2] = 0
    return adds


def true_effects(adds, figures):
    scale = figures[..., 0].var(axis=0).mean()
    return [add.var(axis=0).mean() / scale for add in adds]


@pytest.mark.parametrize("n_rare", [2, 20])
def test_effects_are_unbiased_with_rare_combinations(n_rare):
    rng = np.random.default_rng(0)
    values, adds = confounded(rng, n_rare), planted(rng)
    figures = figures_of(values, adds, rng)
    means = effects_of(values, figures).unbiased.mean(axis=(1, 2))
    np.testing.assert_allclose(means, true_effects(adds, figures), rtol=0.15)


def test_shrunken_effects_are_smaller_and_find_owners_better():
    rng = np.random.default_rng(1)
    values, adds = confounded(rng, 2), planted(rng)
    found = effects_of(values, figures_of(values, adds, rng))
    is_second = np.arange(SIDE) >= SIDE // 2
    right = [
        (effects.argmax(axis=0) == is_second).mean()
        for effects in (found.shrunken, found.unbiased)
    ]
    assert found.shrunken.mean() < found.unbiased.mean()
    assert right[0] > right[1]


def test_values_that_add_nothing_have_no_effect():
    rng = np.random.default_rng(2)
    values = confounded(rng, 2)
    adds = [np.zeros((size, SIDE, SIDE)) for size in SIZES]
    found = effects_of(values, figures_of(values, adds, rng))
    assert abs(found.unbiased.mean()) < 0.002
    assert (found.unbiased < 0).any()


def test_inseparable_effects_are_divided():
    rng = np.random.default_rng(3)
    values = confounded(rng, 0)
    values[1] = values[0] % 3 * (values[0] < 3)  # values 0..2 go together, one to one
    rows = values[0] < 3
    values = [v[rows] for v in values]
    adds = [np.zeros((size, SIDE, SIDE)) for size in SIZES]
    adds[0] = rng.normal(0, 4, adds[0].shape)
    found = effects_of(values, figures_of(values, adds, rng))
    np.testing.assert_allclose(
        found.unbiased[0].mean() * 4, found.unbiased[1].mean() * 3, rtol=0.2
    )


def test_batches_do_not_matter():
    rng = np.random.default_rng(4)
    values, adds = confounded(rng, 3), planted(rng)
    figures = figures_of(values, adds, rng)
    for one, other in zip(
        effects_of(values, figures), effects_of(values, figures, 7), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_fewer_images_than_values_are_no_error():
    found = effects_of([np.array([0, 1]), np.array([0, 2])], np.ones((2, 5, 5, 2)))
    assert not found.unbiased.any()
    assert not found.shrunken.any()


def test_constant_images_are_no_error():
    found = effects_of(confounded(None, 2), np.ones((408, 5, 5, 2)))
    assert not found.unbiased.any()
    assert not found.shrunken.any()
