"""The comparison on a cluster: two processes of Dask's on this machine."""

import joblib
import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.linear_model import LogisticRegression

from balancegan.evaluation import compare

from .augmenters import build_augmenter

METHODS = {
    "twice": RandomOverSampler(),
    "gan": build_augmenter(steps=3, batch_size=8, verbose=0),
}


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.compiled  # as the workers do
@pytest.mark.parametrize("classifier", [None, LogisticRegression(max_iter=50)])
def test_a_cluster_finds_what_one_process_finds(cluster, small_images, classifier):
    X, y = small_images
    settings = {"classifier": classifier, "classifier_steps": 5, "seeds": 2}

    def figures(**more):
        found = compare(METHODS, X, y, cv=2, verbose=0, **settings, **more).runs
        return [
            {name: value for name, value in run.items() if "seconds" not in name}
            for run in found
        ]

    alone = figures()
    assert len(alone) == 3 * 2 * 2
    np.testing.assert_equal(figures(n_jobs=2), alone)
    with joblib.parallel_config(backend="dask"):
        np.testing.assert_equal(figures(), alone)
    workers = cluster.run(lambda: True)
    assert len(workers) == 2


@pytest.fixture
def small_images():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [24, 12, 6])
    X = rng.integers(0, 256, size=(len(y), 8, 8), dtype=np.uint8)
    X[y == 1, :4] //= 4
    X[y == 2, :, 4:] //= 4
    return X, y
