"""Measure how many copies should be shifted, with and without augmentation.

    python benchmarks/copies.py --data DATA

DATA is the folder of the sets (see sets.py). Every class of long-tailed draws of
Fashion-MNIST grows to the largest with copies, none, a quarter or half of them shifted
by up to two pixels; or to two or four times the largest, with half or three quarters
of all rows of each class shifted. The comparison's network trains on the rows, 1,000
steps of 128 images, unaugmented or with shifts of up to two pixels. It is tested on
1,000 images of each class that the draw left out, not on test images. Writes
results/copies_fashion_lt.json, run by run; finished runs are kept.
"""

import argparse
import itertools
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sets import draw_rows, read_npz

from balancegan.evaluation.classifiers import TrainingRows, train_network
from balancegan.evaluation.methods import shift_images
from balancegan.evaluation.metrics import class_metrics, overall_metrics
from balancegan.images import find_format
from balancegan.samplers.copies import MovedCopies

FILE = Path(__file__).parent / "results" / "copies_fashion_lt.json"
# How many times the largest class, and how many are moved: of the copies, or where the
# largest has copies, too, of the rows
FILLINGS = ((1, 0.0), (1, 0.25), (1, 0.5), (2, 0.5), (4, 0.75))
N_STEPS = 1_000
N_VALIDATION = 1_000  # of each class
VALIDATION_SEED = 7


def fill_up(images, y, times, moved, seed):
    """Return images and labels, as many of each class."""
    counts = np.bincount(y)
    total = times * counts.max()
    missing = total - counts
    image_format = find_format(images)
    likely = np.full(len(counts), moved)
    if times > 1:
        likely = np.minimum(1, moved * total / missing)
    copies = [
        MovedCopies(images, y, np.flatnonzero(y == c), image_format, seed, likely[c])
        for c in range(len(counts))
    ]
    made = [
        batch
        for own, n in zip(copies, missing, strict=True)
        for batch in own.make(np.arange(n))
    ]
    labels = np.repeat(np.arange(len(counts)), missing)
    return np.concatenate([images, *made]), np.concatenate([y, labels])


def choose_validation(y, drawn):
    """Return which rows that were not drawn judge, as many of each class."""
    left = np.setdiff1d(np.arange(len(y)), drawn)
    rng = np.random.default_rng(VALIDATION_SEED)
    rows = [
        rng.choice(left[y[left] == c], N_VALIDATION, replace=False)
        for c in range(int(y.max()) + 1)
    ]
    return np.concatenate(rows)


def run(images, y, *, draw, seed, times, moved, shifts):
    drawn = draw_rows(y, draw)
    counts = np.bincount(y[drawn])
    rows = TrainingRows(
        *fill_up(images[drawn], y[drawn], times, moved, seed),
        len(counts),
        find_format(images).to_model_range,
        shift_images if shifts else None,
    )
    judging = choose_validation(y, drawn)
    seen = train_network(None, rows, images[judging], seed, n_steps=N_STEPS)
    predicted = seen.argmax(axis=1)
    figures = overall_metrics(y[judging], predicted, seen, counts.tolist())
    recall = class_metrics(y[judging], predicted, len(counts))["recall"]
    return {
        "draw": draw,
        "seed": seed,
        "times": times,
        "moved": moved,
        "shifts": shifts,
        "balanced_accuracy": round(figures["balanced_accuracy"], 4),
        "few_shot": round(figures["few_shot"], 4),
        "recall": recall.round(4).tolist(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12])
    options = parser.parse_args()
    images, y, _, _ = read_npz(options.data / "fashion_mnist.npz")
    result = {"command": "python benchmarks/copies.py --data DATA", "runs": []}
    if FILE.exists():
        result = json.loads(FILE.read_text())
    names = ("draw", "seed", "times", "moved", "shifts")
    done = {tuple(run[name] for name in names) for run in result["runs"]}
    # Seeds first: where it is stopped, all draws have as many runs
    for seed, draw, (times, moved), shifts in itertools.product(
        options.seeds, options.draws, FILLINGS, (True, False)
    ):
        wanted = dict(zip(names, (draw, seed, times, moved, shifts), strict=True))
        if tuple(wanted.values()) in done:
            continue
        row = run(images, y, **wanted)
        result["runs"].append(row)
        print(json.dumps(row), flush=True)
        FILE.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
