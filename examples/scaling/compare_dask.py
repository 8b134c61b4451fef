"""Compare methods on a Dask cluster; the table is the same as with one process.

python examples/scaling/compare_dask.py --seeds 3

Needs balancegan[dask]. Without --scheduler, uses two local processes.
"""

import argparse

import joblib
import numpy as np
from imblearn.over_sampling import RandomOverSampler
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from balancegan import ConditionalGANAugmenter, compare


def main() -> None:
    """Compare on the cluster."""
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scheduler", help="address of a running cluster")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of the preset's 3,000")
    options = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8)
    parts = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
    X_train, X_test, y_train, y_test = parts
    few = [np.flatnonzero(y_train == c)[: 110 - 11 * c] for c in range(10)]
    rows = np.concatenate(few)
    methods = {
        "oversample": RandomOverSampler(),
        "gan": ConditionalGANAugmenter(steps=options.steps, verbose=0),
    }
    cluster = options.scheduler or LocalCluster(n_workers=2, threads_per_worker=1)
    with Client(cluster), joblib.parallel_config(backend="dask"):
        result = compare(
            methods, X_train[rows], y_train[rows], X_test, y_test, seeds=options.seeds
        )
    print(result.summary()[["balanced_accuracy", "few_shot"]].round(3))


if __name__ == "__main__":
    main()
