"""Compare every method on every set with the best baseline.

    python benchmarks/methods.py --data DATA --only dominoes --draws 0 1 2 --seeds 0 1 2
    python benchmarks/page.py

DATA is the folder of the sets (see sets.py). For each draw and seed every method
resamples the training part, and two classifiers train on the rows: the comparison's
network and a linear model of the pixels, 1,000 steps of 128 images each. On dominoes
methods balance the 100 combinations of garment and digit, including those without
training images if a method can make them; classifiers learn the garment. "cgan-2min"
trains the GAN for two minutes; "copies" is "cgan" with copies in place of generated
images; "-2x" and "-4x" raise every class to two and four times the largest.

Each run is saved to results/methods_SET.json when it is done; an interrupted benchmark
resumes. --results names another folder, to repeat finished runs. --cache keeps the sets
that GANs made. page.py makes tables and plots.
"""

import argparse
import itertools
import json
import os
import warnings
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sets import SETS

from balancegan.evaluation.classifiers import TrainingRows, train_network
from balancegan.evaluation.labelling import Labelling, learn_labels
from balancegan.evaluation.methods import (
    BUILT_IN,
    MIXUP,
    Method,
    default_augmenter,
    find_methods,
    shift_images,
)
from balancegan.evaluation.metrics import class_metrics, overall_metrics
from balancegan.evaluation.networks import CLASSIFIERS
from balancegan.evaluation.resampling import resample
from balancegan.evaluation.runcache import RunCache
from balancegan.images import find_format

RESULTS = Path(__file__).parent / "results"
ONE_DRAW = ("blood", "chest")  # sets that come with a training part
COMPARED = ("mnist_lt", "fashion_lt", "dominoes", "dominoes_995", *ONE_DRAW)
STEPS = 1_000
JUDGES = ["network", "linear"]
QUICK_MINUTES = 2
QUICK, COPIES = f"cgan-{QUICK_MINUTES}min", "copies"
NO_GAN = {"gan_share": 0, "steps": 1}
TIMES = {f"-{n}x": {"sampling_strategy": float(n)} for n in (2, 4)}
SETTINGS = {
    QUICK: {"max_minutes": QUICK_MINUTES},
    **{f"cgan{name}": settings for name, settings in TIMES.items()},
    COPIES: NO_GAN,
    **{COPIES + name: NO_GAN | settings for name, settings in TIMES.items()},
}
CHANGES = {"": (None, 0), "+augment": (shift_images, 0)}
CHANGES["+augment+mixup"] = (shift_images, MIXUP)
BASELINES = tuple(
    method.name for method in find_methods(BUILT_IN, lambda: None) if method.baseline
)
METHODS = (*BUILT_IN, *(sampler + change for sampler in SETTINGS for change in CHANGES))


class Task(NamedTuple):
    """A draw of a set, as methods and classifiers see it."""

    images: np.ndarray
    class_indices: np.ndarray  # what methods balance: classes, or combinations
    labelling: Labelling
    x_test: np.ndarray
    y_test: np.ndarray
    digits: np.ndarray | None  # of the test images of dominoes


def make_task(name, folder, draw):
    x, y, x_test, y_test = SETS[name](folder, draw)
    labelling, class_indices = learn_labels(y, len(x))
    digits = y_test[:, 1] if labelling.has_combinations else None
    y_test = labelling.learned(labelling.number(y_test, len(x_test)))
    return Task(x, class_indices, labelling, x_test, y_test, digits)


def make_methods(task, names):
    """Return methods; they also make combinations that no image has."""
    combinations, samplers = {}, dict(SETTINGS)
    if task.labelling.has_combinations:
        combinations = {"sampling_strategy": "combinations"}
        # "cgan" recombines images of combinations and generates none
        samplers = {QUICK: SETTINGS[QUICK]}
    methods = [name for name in names if name in BUILT_IN]
    for name, settings in samplers.items():
        sampler = default_augmenter(**settings, **combinations)
        methods += [
            Method(name + change, sampler, transform, mixup)
            for change, (transform, mixup) in CHANGES.items()
        ]
    found = find_methods(methods, lambda: default_augmenter(**combinations))
    return [method for method in found if method.name in names]


def run(task, pairs, seed, cache):
    """Yield a run of each pair of a method and a judge; the methods share a sampler."""
    sampler, labelling = pairs[0][0].sampler, task.labelling
    with warnings.catch_warnings():
        # Classes filled with copies, combinations without training images
        warnings.simplefilter("ignore")
        resampled = cache.resampled(
            cache.name((sampler, seed, task.images, task.class_indices)),
            lambda: resample(sampler, task.images, task.class_indices, labelling, seed),
        )
    n_classes = len(labelling.classes)
    counts = np.bincount(labelling.learned(task.class_indices)).tolist()
    to_model_range = find_format(task.images).to_model_range
    for method, judge in pairs:
        rows = TrainingRows(
            resampled.images,
            labelling.learned(resampled.class_indices),
            n_classes,
            to_model_range,
            method.transform,
            method.mixup,
            method.weighted,
            resampled.class_indices,
        )
        started = perf_counter()
        seen = train_network(CLASSIFIERS[judge], rows, task.x_test, seed, n_steps=STEPS)
        predicted = seen.argmax(axis=1)
        figures = overall_metrics(task.y_test, predicted, seen, counts)
        recall = class_metrics(task.y_test, predicted, n_classes)["recall"]
        yield {
            "method": method.name,
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
    options.results.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        file = options.results / f"methods_{name}.json"
        result = json.loads(file.read_text()) if file.exists() else {"runs": []}
        result["command"] = f"python benchmarks/methods.py --data DATA --only {name}"
        done = {(r["draw"], r["seed"], r["method"], r["judge"]) for r in result["runs"]}
        for draw in [0] if name in ONE_DRAW else options.draws:
            task = make_task(name, options.data, draw)
            for seed in options.seeds:
                for methods in by_sampler(make_methods(task, options.methods)):
                    left = [
                        (method, judge)
                        for method, judge in itertools.product(methods, options.judges)
                        if (draw, seed, method.name, judge) not in done
                    ]
                    if not left:
                        continue
                    for row in run(task, left, seed, RunCache(options.cache)):
                        result["runs"].append({"draw": draw, **row})
                        file.write_text(json.dumps(result, indent=1) + "\n")
                        print(json.dumps(result["runs"][-1]), flush=True)


def by_sampler(methods):
    together = {}
    for method in methods:
        together.setdefault(id(method.sampler), []).append(method)
    return list(together.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="+", choices=SETS, default=COMPARED)
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--judges", nargs="+", choices=CLASSIFIERS, default=JUDGES)
    parser.add_argument("--cache", type=Path)
    compare_all(parser.parse_args())


if __name__ == "__main__":
    main()
