"""Does it help? Every arm on every set, against the best that uses no generator.

    python benchmarks/arms.py --data DATA --only dominoes --draws 0 1 2 --seeds 0 1 2
    python benchmarks/page.py

DATA is the folder of the sets, see sets.py. For each draw and seed every arm resamples
the training part, with a GAN of its own where it has one, and two classifiers learn
from the rows: the comparison's network (1,000 steps of 128) and a linear model of the
pixels (the same). Of dominoes arms balance the 100 combinations of garment and digit,
those of no training image included where an arm can make them; classifiers learn the
garment. Of these there are two arms more, which put images together without a
generator, see rivals.py. Each run is written to results/arms_SET.json when it is done,
and what is there is not run again: whoever stops it goes on where it was. --cache keeps
the sets that GANs made. page.py makes tables and plots of what there is.
"""

import argparse
import json
import os
import warnings
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from rivals import RealRegions
from sets import SETS
from sklearn.base import BaseEstimator, clone

from balancegan import UnseenCombinationWarning
from balancegan.downstream.classifiers import CLASSIFIERS, TrainingRows, train_network
from balancegan.downstream.transformations import shift_images
from balancegan.evaluation.arms import (
    BUILT_IN,
    MIXUP,
    Arm,
    default_augmenter,
    find_arms,
)
from balancegan.evaluation.metrics import class_figures, overall_figures
from balancegan.evaluation.resampling import resample
from balancegan.evaluation.runcache import RunCache
from balancegan.images import find_format

RESULTS = Path(__file__).parent / "results"
ONE_DRAW = ("blood", "chest")  # sets that come with a training part
N_DIGITS = 10  # of dominoes
STEPS = 1_000
RECOMBINING = ("recombine+augment", "recombine+augment+mixup")
ARMS = (*BUILT_IN, *RECOMBINING)


class Task(NamedTuple):
    """A draw of a set, as arms and classifiers see it."""

    images: np.ndarray
    cells: np.ndarray  # what arms balance: classes, or combinations
    n_cells: int
    per_class: int  # cells of a class
    x_test: np.ndarray
    y_test: np.ndarray
    digits: np.ndarray | None  # of the test images


class OverCombinations(BaseEstimator):
    """Gives an augmenter both attributes; as many images of each pair, unseen too."""

    def __init__(self, augmenter=None):
        self.augmenter = augmenter

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit_resample(self, X, cells):
        pairs = np.stack(np.divmod(cells, N_DIGITS), axis=1)
        augmenter = clone(self.augmenter).set_params(sampling_strategy="combinations")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnseenCombinationWarning)
            X_new, pairs_new = augmenter.fit_resample(X, pairs)
        self.fit_seconds_ = augmenter.fit_seconds_
        return X_new, pairs_new @ (N_DIGITS, 1)


def make_task(name, folder, draw):
    x, y, x_test, y_test = SETS[name](folder, draw)
    if y.ndim == 1:
        n = int(y.max()) + 1
        return Task(x, y, n, 1, x_test, y_test, None)
    cells = y @ (N_DIGITS, 1)
    return Task(x, cells, N_DIGITS**2, N_DIGITS, x_test, y_test[:, 0], y_test[:, 1])


def make_arms(task, names):
    augmenter, more = default_augmenter(), []
    if task.per_class > 1:
        augmenter = OverCombinations(augmenter)
        sampler = RealRegions((task.n_cells // task.per_class, task.per_class))
        more = [
            Arm(name, sampler, shift_images, mixup, rival=True)
            for name, mixup in zip(RECOMBINING, (0.0, MIXUP), strict=True)
        ]
    asked = [name for name in names if name in BUILT_IN] + more
    return [arm for arm in find_arms(asked, lambda: augmenter) if arm.name in names]


def run(task, arms, judges, seed, cache):
    """Yield a run of each arm that shares a sampler, and each judge."""
    sampler = arms[0].sampler
    # What there is; combinations that nothing has may be added
    makes_all = isinstance(sampler, OverCombinations | RealRegions)
    cells = np.arange(task.n_cells) if makes_all else np.unique(task.cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are filled up in a simpler way
        resampled = cache.resampled(
            (sampler, seed, task.images, task.cells),
            lambda: resample(sampler, task.images, task.cells, cells, seed),
        )
    classes = cells[resampled.class_indices] // task.per_class
    n_classes = task.n_cells // task.per_class
    counts = np.bincount(task.cells // task.per_class, minlength=n_classes).tolist()
    to_model_range = find_format(task.images).to_model_range
    for arm in arms:
        rows = TrainingRows(
            resampled.images,
            classes,
            n_classes,
            to_model_range,
            arm.transform,
            arm.mixup,
            arm.weighted,
        )
        for judge in judges:
            started = perf_counter()
            seen = train_network(
                CLASSIFIERS[judge], rows, task.x_test, seed, n_steps=STEPS
            )
            predicted = seen.argmax(axis=1)
            figures = overall_figures(task.y_test, predicted, seen, counts)
            recall = class_figures(task.y_test, predicted, n_classes)["recall"]
            yield {
                "arm": arm.name,
                "judge": judge,
                "seed": seed,
                **{k: round(v, 4) for k, v in figures.items() if v == v},
                **of_combinations(task, predicted),
                "recall": recall.round(4).tolist(),
                "synthetic": int(resampled.is_new.sum()),
                "seconds": {
                    "fit": round(resampled.fit_seconds),
                    "resample": round(resampled.resample_seconds),
                    "classify": round(perf_counter() - started),
                },
            }


def of_combinations(task, predicted):
    """Return what is asked of dominoes: where the digit differs from the class."""
    if task.digits is None:
        return {}
    conflicts = task.digits != task.y_test
    right = predicted == task.y_test
    return {
        "few_shot": round(float(right[conflicts].mean()), 4),
        "by_the_digit": round(float((predicted == task.digits)[conflicts].mean()), 4),
    }


def compare_all(options):
    for name in options.only:
        file = RESULTS / f"arms_{name}.json"
        result = json.loads(file.read_text()) if file.exists() else {"runs": []}
        result["command"] = f"python benchmarks/arms.py --data DATA --only {name}"
        done = {(r["draw"], r["seed"], r["arm"], r["judge"]) for r in result["runs"]}
        for draw in [0] if name in ONE_DRAW else options.draws:
            task = make_task(name, options.data, draw)
            for seed in options.seeds:
                for arms in by_sampler(make_arms(task, options.arms)):
                    for judge in options.judges:
                        left = [
                            arm
                            for arm in arms
                            if (draw, seed, arm.name, judge) not in done
                        ]
                        if not left:
                            continue
                        cache = RunCache(options.cache)
                        for row in run(task, left, [judge], seed, cache):
                            result["runs"].append({"draw": draw, **row})
                            file.write_text(json.dumps(result, indent=1) + "\n")
                            print(json.dumps(result["runs"][-1]), flush=True)


def by_sampler(arms):
    together = {}
    for arm in arms:
        together.setdefault(id(arm.sampler), []).append(arm)
    return list(together.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--judges", nargs="+", choices=CLASSIFIERS, default=["network"])
    parser.add_argument("--cache", type=Path)
    compare_all(parser.parse_args())


if __name__ == "__main__":
    main()
