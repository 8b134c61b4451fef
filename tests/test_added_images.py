import base64
import io

import numpy as np
import pytest
from PIL import Image
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from balancegan.evaluation.added_images import (
    STRIP_LENGTH,
    FidelityMeter,
    Gallery,
    density_and_coverage,
    frechet_distance,
    nearest_distances,
    share_of_near_copies,
)
from balancegan.gan.judge import Judge
from balancegan.images import find_format

from .test_quality import stripes


def test_frechet_distance_is_the_formula(rng):
    first = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    second = rng.normal(size=(150, 4)) + 1
    a, b = np.cov(first.T), np.cov(second.T)
    means = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    expected = means + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(first, second) == pytest.approx(expected)
    assert frechet_distance(second, first) == pytest.approx(expected)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-8)


def test_frechet_distance_accepts_constant_features(rng):
    first, second = rng.normal(size=(2, 30, 5))
    first[:, 3] = second[:, 3] = 0
    assert np.isfinite(frechet_distance(first, second))
    assert np.isfinite(frechet_distance(first[:4], second))
    assert frechet_distance(first[:, :1], second[:, :1]) >= 0


def test_density_and_coverage_are_the_definition(rng):
    real, synthetic = rng.normal(size=(60, 3)), rng.normal(0.3, 1, size=(40, 3))
    radii = np.sort(cdist(real, real), axis=1)[:, 5]
    inside = cdist(real, synthetic) < radii[:, None]
    density, coverage = density_and_coverage(real, synthetic)
    assert density == pytest.approx(inside.sum() / (5 * 40))
    assert coverage == pytest.approx(inside.any(axis=1).mean())


def test_equal_distributions_have_the_expected_coverage(rng):
    real, synthetic = rng.normal(size=(2, 2_000, 2))
    density, coverage = density_and_coverage(real, synthetic)
    assert density == pytest.approx(1, abs=0.1)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.02)


def test_mode_collapse_lowers_coverage(rng):
    real = rng.normal(size=(500, 2))
    density, coverage = density_and_coverage(real, rng.normal(0, 0.05, size=(500, 2)))
    assert density > 0.8  # which says nothing: it is coverage that shows a collapse
    assert coverage < 0.2


def test_copies_are_found_and_fresh_images_are_not(rng):
    training, held_out, fresh = rng.normal(size=(3, 300, 6))
    copies = training[:100] + rng.normal(0, 1e-3, size=(100, 6))
    mixed = np.concatenate([copies, fresh[:100]])
    assert share_of_near_copies(copies, training, held_out) == 1
    assert share_of_near_copies(fresh, training, held_out) == pytest.approx(
        0.05, abs=0.04
    )
    assert share_of_near_copies(mixed, training, held_out) == pytest.approx(
        0.52, abs=0.03
    )


def test_nearest_distances_do_not_overflow():
    images = np.array([[250, 0], [3, 3]], "uint8")
    distances, rows = nearest_distances(images, np.array([[0, 4], [255, 0]], "uint8"))
    assert distances.tolist() == pytest.approx([5, np.sqrt(10)])
    assert rows.tolist() == [1, 0]


@pytest.fixture(scope="module")
def meter():
    """Three classes of stripes; the judge has learned them."""
    training, held_out = stripes(40), stripes(30, seed=1)
    judge_ = Judge((9, 9, 1), 3, find_format(training[0]).to_model_range, seed=0)
    judge_.train(*training, 60)
    return FidelityMeter(judge_, training, held_out)


def test_real_images_have_high_fidelity(meter):
    fresh = stripes(30, seed=2)[0][:30]
    figures = meter.measure(fresh, 0)
    assert figures["agreement"] == figures["real_agreement"] == 1
    assert figures["diversity"] == pytest.approx(1, abs=0.05)
    assert figures["coverage"] > 0.8
    assert figures["near_copies"] < 0.2
    others = meter.measure(stripes(30, seed=2)[0][30:60], 0)
    assert others["agreement"] == 0
    assert others["coverage"] < 0.1
    assert others["frechet_distance"] > 10 * figures["frechet_distance"]


def test_copies_and_mode_collapse_lower_fidelity(meter):
    images, classes = meter.training
    copies = images[classes == 1][:30]
    assert meter.measure(copies, 1)["near_copies"] == 1
    same = np.repeat(copies[:1], 30, axis=0)
    assert meter.measure(same, 1)["diversity"] == 0


def test_too_few_images_are_not_measured(meter):
    images = stripes(30, seed=2)[0]
    assert meter.measure(images[:9], 0) is None
    assert meter.measure(images[:10], 0) is not None


def test_measuring_does_not_change_the_judge(meter):
    before = [w.copy() for w in meter.judge.network.get_weights()]
    meter.measure(stripes(30, seed=2)[0][:30], 0)
    for old, new in zip(before, meter.judge.network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def open_strip(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_each_kind_of_added_image_has_a_strip(rng):
    real = rng.integers(0, 256, (30, 8, 8), dtype="uint8")
    classes = np.repeat([0, 1, 2], 10)
    gallery = Gallery(real, classes, 3, find_format(real))
    added = np.concatenate([real[10:22], rng.integers(0, 256, (3, 8, 8), "uint8")])
    of_class = np.repeat([1, 2], [10, 5])
    is_copy = np.arange(15) < 12
    strips = gallery.show_added(added, of_class, is_copy)
    assert {k: set(strip) for k, strip in strips.items()} == {
        "1": {"copied"},
        "2": {"copied", "synthetic", "nearest"},
    }
    copied = np.concatenate(list(real[10 : 10 + STRIP_LENGTH]), axis=1)
    np.testing.assert_array_equal(open_strip(strips["1"]["copied"]), copied)
    made = np.concatenate(list(added[12:]), axis=1)
    np.testing.assert_array_equal(open_strip(strips["2"]["synthetic"]), made)
    assert open_strip(strips["2"]["copied"]).shape == (8, 2 * 8)
